"""Measure the library beside floors that do the same by hand, and write `docs/benchmarks.md` and its picture.

    python benchmarks/run.py

Needs nothing but the package; takes some minutes. Every scenario runs in a process of its own against a server in
another one. See `scenarios.py` for what is done, `structured_stream.py` for partial values.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PICTURE = HERE.parent / "docs" / "benchmarks.svg"

IMPORTS = {"ours": "from mirascope_like import llm", "floor": "from pydantic import BaseModel"}
COLD = {
    "ours": """
import asyncio
from mirascope_like import llm
llm.register_provider("openai:completions", "bench/", base_url="http://127.0.0.1:{port}/0/0", api_key="k")
@llm.call("bench/m")
async def ask(): return "Say hello."
async def main(): assert (await ask()).text()
asyncio.run(main())
""",
    "floor": """
import aiohttp, asyncio, json
async def main():
    question = {{"model": "m", "messages": [{{"role": "user", "content": "Say hello."}}]}}
    async with aiohttp.ClientSession() as session:
        async with session.post("http://127.0.0.1:{port}/0/0/chat/completions", json=question) as response:
            assert json.loads(await response.read())["choices"]
asyncio.run(main())
""",
}


@dataclass(frozen=True)
class Row:
    """A measured scenario. `factor` makes `unit` of seconds or bytes."""

    title: str
    floor: str
    unit: str
    factor: float
    ours: float
    beside: float | None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.beside if self.beside else None


AIOHTTP, HTTPX2 = "`aiohttp` and `json`", "`httpx2` and `json`"
SCENARIOS = {
    "async_call": ("An async call, CPU", AIOHTTP, "µs", 1e6),
    "sync_call": ("A sync call, CPU", HTTPX2, "µs", 1e6),
    "streamed_chunk": ("A streamed chunk, CPU", "`aiohttp`, its lines, `json`", "µs", 1e6),
    "gathered_1000_cap_100": ("1,000 calls of 50 ms, 100 at a time, wall", AIOHTTP, "s", 1),
    "gathered_10000_cap_100": ("10,000 calls, 100 at a time, wall", AIOHTTP, "s", 1),
    "tool_loop": ("Call, four blocking tools of 50 ms, call: wall", "two calls and 50 ms", "ms", 1e3),
    "structured": ("Reading an invoice from an answer, CPU", "`TypeAdapter.validate_json`", "µs", 1e6),
}
AT_ONCE = {
    "first": ("{} calls at once, the first in a process: wall", AIOHTTP, "s", 1),
    "again": ("… once more", AIOHTTP, "s", 1),
    "lag": ("… the longest that the event loop stood still", AIOHTTP, "ms", 1e3),
}


def spawned(code: str) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak memory in bytes of a fresh Python that runs this."""
    start = time.perf_counter()
    # With compiled modules, as an installed package has them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment)
    _, status, used = os.wait4(process, 0)
    assert status == 0
    unit = 1 if sys.platform == "darwin" else 1024
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss * unit


def best(code: dict[str, str], rounds: int = 15) -> dict[str, tuple[float, ...]]:
    """The least of each that `spawned` gives, by side; the sides take turns."""
    runs = [{side: spawned(each) for side, each in code.items()} for _ in range(rounds)]
    return {side: tuple(map(min, zip(*(run[side] for run in runs), strict=True))) for side in code}


def measure(name: str, port: str, *sides: str) -> dict[str, float]:
    """Run a scenario in a process of its own."""
    command = [sys.executable, str(HERE / "scenarios.py"), name, port, *sides]
    print(name, *sides, flush=True)
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_alone(name: str, port: str, rounds: int = 3) -> dict[str, dict[str, float]]:
    """Run each side in processes of its own, where it finds nothing that the other one left: the best of each value."""
    runs = [{side: measure(name, port, side) for side in ("ours", "floor")} for _ in range(rounds)]
    return {side: {key: min(run[side][key] for run in runs) for key in runs[0][side]} for side in ("ours", "floor")}


def all_rows(port: str) -> list[Row]:
    imported = best(IMPORTS)
    cold = best({side: code.format(port=port) for side, code in COLD.items()})
    raw = "`aiohttp`, in a process of its own"
    rows = [
        Row(
            "`from mirascope_like import llm`, CPU", "`from pydantic import BaseModel`", "ms", 1e3, *first(imported, 0)
        ),
        Row("A process that makes one async call, wall", raw, "ms", 1e3, *first(cold, 1)),
        Row("… and its peak memory", raw, "MB", 1e-6, *first(cold, 2)),
    ]
    for name, about in SCENARIOS.items():
        measured = measure(name, port)
        rows.append(Row(*about, measured["ours"], measured["floor"]))
    for calls in (1000, 10_000):
        alone = measure_alone(f"at_once_{calls}", port)
        for key, (title, *about) in AT_ONCE.items():
            rows.append(Row(title.format(f"{calls:,}"), *about, alone["ours"][key], alone["floor"][key]))
    alone = measure_alone("open_stream", port)
    rows.append(Row("An open stream, memory", "`aiohttp`", "kB", 1e-3, alone["ours"]["open"], alone["floor"]["open"]))
    decorated = measure("decorated", port)
    rows.append(Row("Decorating a call, CPU", "–", "µs", 1e6, decorated["ours"], None))
    rows.append(Row("Decorating a tool, CPU", "–", "µs", 1e6, decorated["floor"], None))
    rows.append(Row("Growth of memory a call, over 20,000", "–", "bytes", 1, measure("leak", port)["ours"], None))
    return rows


def first(measured: dict[str, tuple[float, ...]], place: int) -> tuple[float, float]:
    return measured["ours"][place], measured["floor"][place]


def page(rows: list[Row]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Made by `python benchmarks/run.py`, which anyone can run; nothing here is typed by hand.",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end.",
        "A server in another process answers at once; library and floor take turns, and the best round of each counts.",
        "Times vary from machine to machine, and on a busy one from run to run by a tenth or two: read the ratios.",
        "",
        "| what | library | floor | ratio | the floor is |",
        "| --- | ---: | ---: | ---: | --- |",
        *(line(row) for row in rows),
        "",
        "![Ratios to the floor](benchmarks.svg)",
        "",
    ]
    return "\n".join(lines)


def line(row: Row) -> str:
    beside = shown(row.beside, row) if row.beside is not None else "–"
    ratio = f"{row.ratio:.2f} ×" if row.ratio is not None else "–"
    return f"| {row.title} | {shown(row.ours, row)} | {beside} | {ratio} | {row.floor} |"


def shown(value: float, row: Row) -> str:
    return (
        f"{value * row.factor:,.3g} {row.unit}"
        if value * row.factor < 1000
        else f"{value * row.factor:,.0f} {row.unit}"
    )


def picture(rows: list[Row]) -> str:
    """A bar for each ratio, and a line at 1."""
    compared = [row for row in rows if row.ratio is not None]
    scale, left, height = 160, 330, 24
    width, bottom = left + scale * 2.6, height * len(compared) + 30
    bars = "".join(bar(row, left, height * place + 24, scale) for place, row in enumerate(compared))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom}" font-family="sans-serif" '
        f'font-size="12"><style>rect{{fill:#4c78a8}}text,line{{fill:#777;stroke:none}}</style>'
        f'<text x="{left + scale}" y="14" text-anchor="middle">floor</text>{bars}'
        f'<line x1="{left + scale}" x2="{left + scale}" y1="18" y2="{bottom}" style="stroke:#e45756"/></svg>\n'
    )


def bar(row: Row, left: int, top: int, scale: int) -> str:
    ratio = row.ratio or 0.0
    end = left + scale * min(ratio, 2.3)
    return (
        f'<text x="{left - 8}" y="{top + 13}" text-anchor="end">{escape(row.title.replace("`", ""))}</text>'
        f'<rect x="{left}" y="{top}" width="{end - left:.0f}" height="16"/>'
        f'<text x="{end + 6:.0f}" y="{top + 13}">{ratio:.2f} ×</text>'
    )


def main() -> None:
    with ExitStack() as stack:
        server = subprocess.Popen([sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE, text=True)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        assert server.stdout is not None
        rows = all_rows(server.stdout.readline().strip())
    PAGE.write_text(page(rows), encoding="utf-8")
    PICTURE.write_text(picture(rows), encoding="utf-8")
    print(page(rows))


if __name__ == "__main__":
    main()
