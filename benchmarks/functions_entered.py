"""Count the functions of the package that one warm call passes, by sub-package: how far a reader has to walk.

    python benchmarks/functions_entered.py

Each function counts once, however often it is entered; comprehensions and lambdas do not count. The calls go over HTTP
to the benchmarks' own server.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import mirascope_like
from mirascope_like import chat, llm

ROOT = str(Path(mirascope_like.__file__).parent)
ID = "bench/m"


@llm.call(ID)
async def ask() -> str:
    return "Say hello."


async def call_llm() -> None:
    (await ask()).text()


async def stream_llm() -> None:
    async for _ in (await ask.stream()).text_stream():
        pass


async def call_chat() -> None:
    await chat.get_async_model(ID).prompt("Say hello.", stream=False).text()


async def stream_chat() -> None:
    async for _ in chat.get_async_model(ID).prompt("Say hello."):
        pass


async def entered(call: Callable[[], Awaitable[None]]) -> set[tuple[str, str]]:
    """Return the modules and names of the functions that the call enters, once it is warm."""
    found: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT) and not code.co_name.startswith("<"):
            found.add((code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname))

    for _ in range(3):
        await call()
    sys.setprofile(note)
    try:
        await call()
    finally:
        sys.setprofile(None)
    return found


async def count() -> None:
    for name, call in {
        "llm, whole": call_llm,
        "llm, stream": stream_llm,
        "chat, whole": call_chat,
        "chat, stream": stream_chat,
    }.items():
        found = await entered(call)
        if len(sys.argv) > 1:
            print(*sorted(f"  {module}: {function}" for module, function in found), sep="\n")
        rooms = Counter(module.partition("/")[0] for module, _ in found)
        parts = ", ".join(f"{room} {number}" for room, number in sorted(rooms.items()))
        print(f"{name:14} {len(found):4} functions in {len({module for module, _ in found})} files   ({parts})")


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("server.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/0/5"
        llm.register_provider("openai:completions", "bench/", base_url=url, api_key="k")
        asyncio.run(count())
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
