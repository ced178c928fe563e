"""Ten thousand calls of which one in five meets a fault: each must end in a right answer or a typed error.

    python benchmarks/soak.py [calls] [asyncio|trio|threads …]

A server in a process of its own, on loopback, resets, cuts, stalls, overloads and talks nonsense. Half of the calls
stream. Printed: how the calls ended, requests at the server, and the memory of this process after each tenth of the
calls, which must not grow. The exit status is 1 if anything else happened.
"""

from __future__ import annotations

import asyncio
import gc
import math
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parents[1]))

from mirascope_like import llm
from tests.faults.protocols import MODEL, PROTOCOLS, TEXT
from tests.faults.server import Answer, chunked, failing, raw, sized
from tests.transport.server import Exchange, Server

CALLS = 10_000
AT_ONCE = 64
FAULT_RATE = 0.2
SILENCE = 0.5  # seconds
GROWTH = 4.0  # MB that the second half of the calls may add
CHAT = PROTOCOLS[0]

BOTH: list[Answer] = [
    failing(429, retry_after_ms="1"),
    failing(500),
    failing(503),
    failing(400),
    raw().then("close"),
    raw().then("reset"),
    raw(b"nonsense\r\n\r\n").then("close"),
]
FAULTS: dict[bool, list[Answer]] = {
    False: [
        *BOTH,
        sized(CHAT.whole()).cut(150).then("reset"),
        sized(CHAT.whole()[:-9]),
        sized(b""),
        sized(CHAT.whole()).first(0).then("stall"),
    ],
    True: [
        *BOTH,
        *(chunked(CHAT.events()).first(events).then(end) for events in (1, 4, 8) for end in ("close", "reset")),
        chunked(CHAT.events()[:5]),
        chunked([*CHAT.events()[:5], CHAT.failure]),
        chunked([*CHAT.events()[:5], b"data: {oops\n\n"]),
        chunked(CHAT.events()).first(5).then("stall"),
    ],
}
TYPED = (llm.ProviderError, llm.RetriesExhausted)


def serve(pipe: Connection) -> None:
    """The server's process: tells its URL, and its count of requests when asked."""
    chance = random.Random(7)

    def answer(exchange: Exchange) -> None:
        stream = bool(exchange.request.json.get("stream"))
        well = chunked(CHAT.events()) if stream else sized(CHAT.whole())
        server.received.clear()  # a soak's worth of requests is not kept
        with counting:
            requests[0] += 1
        (chance.choice(FAULTS[stream]) if chance.random() < FAULT_RATE else well)(exchange)

    import threading

    counting, requests = threading.Lock(), [0]
    with Server() as server:
        server.answer = answer
        pipe.send(server.url)
        while pipe.recv():
            pipe.send(requests[0])


def settled(text: str) -> str:
    return "right answers" if text == TEXT else "WRONG ANSWERS"


def failed(error: Exception) -> str:
    return f"typed: {type(error).__name__}" if isinstance(error, TYPED) else f"UNTYPED: {error!r}"


def call(model: llm.Model, number: int) -> str:
    """One blocking call: how it ended."""
    try:
        if number % 2:
            return settled("".join(model.stream("Hi").text_stream()))
        return settled(model.call("Hi").text())
    except Exception as error:
        return failed(error)


async def call_async(model: llm.Model, number: int) -> str:
    """See `call`."""
    try:
        if number % 2:
            response = await model.stream_async("Hi")
            return settled("".join([text async for text in response.text_stream()]))
        return settled((await model.call_async("Hi")).text())
    except Exception as error:
        return failed(error)


def in_threads(model: llm.Model, calls: int) -> list[str]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda number: call(model, number), range(calls)))


async def in_tasks(model: llm.Model, calls: int) -> list[str]:
    import anyio

    ends: list[str] = []
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            ends.append(await call_async(model, number))

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(work)
    return ends


def with_trio(model: llm.Model, calls: int) -> list[str]:
    import trio

    return trio.run(in_tasks, model, calls)


WAYS: dict[str, Callable[[llm.Model, int], list[str]]] = {
    "asyncio": lambda model, calls: asyncio.run(in_tasks(model, calls)),
    "trio": with_trio,
    "threads": in_threads,
}


def memory() -> float:
    """Megabytes of this process that are in use."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * 4096 / 1e6


class ServerProcess:
    """The server in a process of its own."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=[theirs], daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.url: str = self._pipe.recv()
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipe.send(False)
        self._process.join()

    @property
    def requests(self) -> int:
        """How many came in so far."""
        self._pipe.send(True)
        return self._pipe.recv()


def soak(way: str, calls: int, url: str) -> tuple[Counter[str], list[float]]:
    """How the calls ended, and the memory after each tenth of them."""
    llm.register_provider(CHAT.provider, scope="test/", base_url=url, api_key="key")
    retry = llm.RetryConfig(max_retries=2, initial_delay=0.001)
    model = llm.Model(MODEL, timeout=SILENCE, retry=retry)
    ends: Counter[str] = Counter()
    sizes: list[float] = []
    for _ in range(10):
        ends.update(WAYS[way](model, calls // 10))
        sizes.append(memory())
    return ends, sizes


def problems(ends: Counter[str], calls: int) -> list[str]:
    """What must not be."""
    wrong = [f"{count} {end}" for end, count in ends.items() if not end.startswith(("right", "typed"))]
    return wrong if ends.total() == calls else [*wrong, f"{calls - ends.total()} calls did not end"]


def main(arguments: list[str]) -> int:
    calls = next((int(argument) for argument in arguments if argument.isdigit()), CALLS) // 10 * 10
    ways: list[Any] = [argument for argument in arguments if argument in WAYS] or list(WAYS)
    found: list[str] = []
    llm.set_retry_budget(reserve=math.inf)
    for way in ways:
        start = time.perf_counter()
        with ServerProcess() as server:
            ends, sizes = soak(way, calls, server.url)
            requests = server.requests
        print(f"{way}: {calls} calls, {requests} requests, {time.perf_counter() - start:.0f} s")
        for end, count in ends.most_common():
            print(f"  {count:6} {end}")
        print("  memory (MB): " + " ".join(f"{size:.1f}" for size in sizes))
        found += problems(ends, calls)
        if (growth := sizes[-1] - sizes[len(sizes) // 2]) > GROWTH:
            found.append(f"{way}: memory grew by {growth:.1f} MB in the second half")
    print("\n".join(found) or "all is well")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
