"""Measure how long the first async call of a process stops its event loop.

    python benchmarks/first_call.py [URL OF A CHAT COMPLETIONS SERVER]

A ticker runs beside the call, and notes the CPU time of the process between two of its turns. Ten fresh processes a
scenario; the result is the median of their longest gaps, in milliseconds of CPU. Without a URL, the benchmarks' own
server answers.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

PROCESSES = 10

TICKER = """
import asyncio, time
from mirascope_like import llm
llm.register_provider("openai:completions", "bench/", base_url={url!r}, api_key="k")

async def tick():
    global gap
    gap, last = 0.0, time.process_time()
    while True:
        await asyncio.sleep(0.001)
        now = time.process_time()
        gap, last = max(gap, now - last), now

async def measured():
    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await main()
    ticker.cancel()
    print(gap * 1000)
"""

SCENARIOS = {
    "a call": """
@llm.call("bench/m")
async def ask(): return "Say hello."
async def main(): (await ask()).text()
""",
    "a stream": """
@llm.call("bench/m")
async def ask(): return "Say hello."
async def main(): await (await ask.stream()).finish()
""",
    "with tools": """
@llm.tool
def add(a: int, b: int) -> int: return a + b
@llm.call("bench/m", tools=[add])
async def ask(): return "Say hello."
async def main(): (await ask()).text()
""",
    "with a Pydantic model": """
from pydantic import BaseModel
class Book(BaseModel): title: str
@llm.call("bench/m", format=Book)
async def ask(): return "Say hello."
async def main(): (await ask()).text()
""",
    "chat": """
from mirascope_like import chat
model = chat.get_async_model("bench/m")
async def main(): await model.prompt("Say hello.").text()
""",
}


def longest_gap(code: str) -> float:
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(shown.stdout)


def measure(url: str) -> None:
    for name, scenario in SCENARIOS.items():
        code = TICKER.format(url=url) + scenario + "asyncio.run(measured())"
        gaps = [longest_gap(code) for _ in range(PROCESSES)]
        print(f"{name:24} median {statistics.median(gaps):6.1f} ms   {min(gaps):.1f} to {max(gaps):.1f}", flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        return measure(sys.argv[1])
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("server.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        measure(f"http://127.0.0.1:{server.stdout.readline().strip()}/0/5")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
