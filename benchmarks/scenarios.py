"""What is measured: each scenario once through the library and once through a floor, which does the same by hand.

    python benchmarks/scenarios.py NAME PORT

prints the best of several rounds of both, as JSON. Library and floor take turns, so that both meet the same machine.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx2
from pydantic import BaseModel, TypeAdapter

from mirascope_like import llm

PORT = sys.argv[2] if __name__ == "__main__" else "0"
QUESTION = "Say hello."
HEADERS = {"content-type": "application/json", "authorization": "Bearer k"}
Batch = Callable[[], Awaitable[float]]
Scenario = Callable[[], Awaitable[dict[str, float]]]
clock = time.process_time


class Item(BaseModel):
    name: str
    quantity: int
    price: float


class Customer(BaseModel):
    name: str
    city: str


class Invoice(BaseModel):
    number: str
    customer: Customer
    items: list[Item]


def base_url(latency_ms: int = 0, chunks: int = 0) -> str:
    return f"http://127.0.0.1:{PORT}/{latency_ms}/{chunks}"


def serve(latency_ms: int = 0, chunks: int = 0) -> str:
    """The id of a model behind the benchmark's server."""
    llm.register_provider("openai:completions", "bench/", base_url=base_url(latency_ms, chunks), api_key="k")
    return "bench/m"


def body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": QUESTION}], **more}).encode()


async def post(session: aiohttp.ClientSession, url: str) -> str:
    async with session.post(f"{url}/chat/completions", data=body(), headers=HEADERS) as response:
        answer = json.loads(await response.read())
    return answer["choices"][0]["message"]["content"]


def session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def repeated(one: Callable[[], Awaitable[object]], times: int) -> float:
    """CPU seconds of one of so many."""
    start = clock()
    for _ in range(times):
        await one()
    return (clock() - start) / times


async def compared(ours: Batch, floor: Batch, rounds: int) -> dict[str, float]:
    """The best round of each side that is asked for; the first one of each warms up."""
    batches = {side: {"ours": ours, "floor": floor}[side] for side in sys.argv[3:] or ("ours", "floor")}
    measured: dict[str, list[float]] = {side: [] for side in batches}
    for _ in range(rounds + 1):
        for side, batch in batches.items():
            gc.collect()
            measured[side].append(await batch())
    return {side: min(results[1:]) for side, results in measured.items()}


# -- calls ------------------------------------------------------------------------------------------------------------


async def async_call() -> dict[str, float]:
    @llm.call(serve())
    async def ask() -> str:
        return QUESTION

    async with session() as http:
        return await compared(
            lambda: repeated(ask, 200), lambda: repeated(lambda: post(http, base_url()), 200), rounds=15
        )


async def sync_call() -> dict[str, float]:
    @llm.call(serve())
    def ask() -> str:
        return QUESTION

    async def ours() -> float:
        start = clock()
        for _ in range(100):
            ask().text()
        return (clock() - start) / 100

    async def floor() -> float:
        start = clock()
        for _ in range(100):
            http.post(f"{base_url()}/chat/completions", content=body(), headers=HEADERS).json()
        return (clock() - start) / 100

    with httpx2.Client() as http:
        return await compared(ours, floor, rounds=15)


async def streamed_chunk() -> dict[str, float]:
    chunks = 2000

    @llm.call(serve(chunks=chunks))
    async def ask() -> str:
        return QUESTION

    async def ours() -> float:
        start = clock()
        response = await ask.stream()
        text = "".join([piece async for piece in response.text_stream()])
        assert len(text) == 5 * chunks
        return (clock() - start) / chunks

    async def floor() -> float:
        start, text = clock(), ""
        url = f"{base_url(chunks=chunks)}/chat/completions"
        async with http.post(url, data=body(stream=True), headers=HEADERS) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
        assert len(text) == 5 * chunks
        return (clock() - start) / chunks

    async with session() as http:
        return await compared(ours, floor, rounds=9)


def gathered(calls: int, cap: int) -> Scenario:
    """Wall seconds of so many calls at once, at most `cap` at a time, each answered after 50 ms."""

    async def scenario() -> dict[str, float]:
        async def timed(one: Callable[[], Awaitable[object]]) -> float:
            gate = asyncio.Semaphore(cap)

            async def gated() -> None:
                async with gate:
                    await one()

            return (await burst(gated, calls))[0]

        async with after_50_ms() as one:
            rounds = 2 if calls < 10_000 else 1
            return await compared(lambda: timed(one["ours"]), lambda: timed(one["floor"]), rounds)

    return scenario


def at_once(calls: int) -> Scenario:
    """Wall seconds of so many calls at once, each answered after 50 ms: the first time in a process, and the next
    time; and how long the event loop stood still at most, the first time."""

    async def scenario() -> dict[str, float]:
        (side,) = sys.argv[3:]
        async with after_50_ms() as one:
            await one[side]()
            gc.collect()
            first, lag = await burst(one[side], calls)
            gc.collect()
            again, _ = await burst(one[side], calls)
        return {"first": first, "again": again, "lag": lag}

    return scenario


@asynccontextmanager
async def after_50_ms() -> AsyncGenerator[dict[str, Callable[[], Awaitable[object]]]]:
    """A call that is answered after 50 ms, by either side."""

    @llm.call(serve(latency_ms=50))
    async def ask() -> str:
        return QUESTION

    async with session() as http:
        yield {"ours": ask, "floor": lambda: post(http, base_url(50))}


async def burst(one: Callable[[], Awaitable[object]], calls: int) -> tuple[float, float]:
    """Wall seconds of so many at once, and the longest that the loop let another task wait."""
    waits = [0.0]

    async def tick() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - start - 0.001)

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0)
    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(calls)))
    took = time.perf_counter() - start
    ticking.cancel()
    return took, max(waits)


async def open_stream() -> dict[str, float]:
    """Bytes of memory of an open stream."""

    @llm.call(serve())
    async def ask() -> str:
        return QUESTION

    async def ours() -> Any:
        response = await ask.stream()
        reader = response.text_stream()
        await anext(reader)
        return reader, response.aclose

    async def floor() -> Any:
        response = await http.post(f"{base_url()}/chat/completions", data=body(stream=True), headers=HEADERS)
        await response.content.readany()
        return response, response.close

    (side,) = sys.argv[3:]
    async with session() as http:
        return {"open": await memory_of_streams({"ours": ours, "floor": floor}[side])}


async def memory_of_streams(opened: Callable[[], Awaitable[Any]]) -> float:
    """Bytes of memory of one of 1,000 streams of which the first piece was read, more than of the 100 before. `opened`
    gives what keeps one open, and what closes it."""
    kept = [await opened() for _ in range(100)]
    gc.collect()
    before = resident()
    kept += await asyncio.gather(*(opened() for _ in range(1000)))
    gc.collect()
    grown = resident() - before
    for _, close in kept:
        if (closing := close()) is not None:
            await closing
    return grown / 1000


def resident() -> int:
    """Bytes of memory that this process has now."""
    if not os.path.exists("/proc/self/statm"):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- tools and formats ------------------------------------------------------------------------------------------------


async def tool_loop() -> dict[str, float]:
    """Wall seconds of a call, four blocking tools of 50 ms, and the next call."""

    def slow(seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    tools = [llm.tool(_named(slow, f"slow_{number}")) for number in range(4)]

    @llm.call(serve(), tools=tools)
    async def ask() -> str:
        return QUESTION

    async def ours() -> float:
        start = time.perf_counter()
        response = await ask()
        await response.resume(await response.execute_tools())
        return time.perf_counter() - start

    async def floor() -> float:
        start = time.perf_counter()
        await post(http, base_url())
        await asyncio.sleep(0.05)
        await post(http, base_url())
        return time.perf_counter() - start

    async with session() as http:
        return await compared(ours, floor, rounds=9)


def _named(function: Callable[[float], str], name: str) -> Callable[[float], str]:
    def tool(seconds: float) -> str:
        """Waits."""
        return function(seconds)

    tool.__name__ = name
    return tool


async def structured() -> dict[str, float]:
    """CPU seconds of reading an invoice out of an answer that is there."""

    @llm.call(serve(), format=Invoice)
    async def ask() -> str:
        return "Give the invoice."

    response = await ask()
    text = response.text()
    adapter = TypeAdapter(Invoice)

    async def parse() -> Invoice:
        return response.parse()

    async def validate() -> Invoice:
        return adapter.validate_json(text)

    return await compared(lambda: repeated(parse, 500), lambda: repeated(validate, 500), rounds=9)


async def decorated() -> dict[str, float]:
    """CPU seconds of decorating a call, and (as `floor`) a tool."""

    def ask(name: str, times: int = 1) -> str:
        """Asks."""
        return QUESTION

    async def call() -> object:
        return llm.call("bench/m")(ask)

    async def tool() -> object:
        return llm.tool(ask)

    return await compared(lambda: repeated(call, 500), lambda: repeated(tool, 500), rounds=9)


async def leak() -> dict[str, float]:
    """Bytes of growth a call, over 20,000 calls and streams, after 2,000."""

    @llm.call(serve(chunks=3))
    async def ask() -> str:
        return QUESTION

    async def calls(count: int) -> None:
        for _ in range(count // 2):
            await ask()
            await (await ask.stream()).finish()

    await calls(2000)
    gc.collect()
    before = resident()
    await calls(20_000)
    gc.collect()
    return {"ours": (resident() - before) / 20_000}


SCENARIOS: dict[str, Scenario] = {
    "async_call": async_call,
    "sync_call": sync_call,
    "streamed_chunk": streamed_chunk,
    "at_once_1000": at_once(1000),
    "at_once_10000": at_once(10_000),
    "gathered_1000_cap_100": gathered(1000, 100),
    "gathered_10000_cap_100": gathered(10_000, 100),
    "open_stream": open_stream,
    "tool_loop": tool_loop,
    "structured": structured,
    "decorated": decorated,
    "leak": leak,
}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(SCENARIOS[sys.argv[1]]())))  # type: ignore[arg-type]
