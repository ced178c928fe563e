"""The same calls over other HTTP clients: what the choice of a transport decides.

    python benchmarks/transports.py

`aiohttp` and `httpx2` are the library's own transports. `pyreqwest`, in Rust, is a channel written here, which shows
what another one takes; it is left out if it is not installed. Each runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import scenarios
from scenarios import QUESTION, base_url, burst, clock, memory_of_streams, repeated

from mirascope_like import llm
from mirascope_like.transport.base import Channel, HttpReply, HttpRequest, Transport
from mirascope_like.transport.http import HttpTransport

HERE = Path(__file__).parent


# -- a transport over pyreqwest ---------------------------------------------------------------------------------------


class Pyreqwest:
    """Native calls alone."""

    def __init__(self) -> None:
        self._client = import_module("pyreqwest.client").ClientBuilder().build()

    def blocking(self) -> Channel:
        raise NotImplementedError

    def native(self) -> Channel:
        return self

    async def post(self, request: HttpRequest) -> HttpReply:
        response = await self._ready(request).build().send()
        return HttpReply(response.status, response.headers, bytes(await response.bytes()))

    async def open(self, request: HttpRequest) -> Body:
        stack = AsyncExitStack()
        streamed = self._ready(request).streamed_read_buffer_limit(0).build_streamed()
        return Body(await stack.enter_async_context(streamed), stack)

    def _ready(self, request: HttpRequest) -> Any:
        return self._client.post(request.url).headers(dict(request.headers)).body_bytes(request.body)


class Body:
    """A body that is arriving."""

    def __init__(self, response: Any, stack: AsyncExitStack) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._read = response.body_reader.read_chunk
        self._stack = stack

    async def next(self) -> bytes | None:
        piece = await self._read()
        return None if piece is None else bytes(piece)

    async def close(self) -> None:
        await self._stack.aclose()


# -- what is measured -------------------------------------------------------------------------------------------------

TRANSPORTS: dict[str, Callable[[], Transport]] = {
    "aiohttp": lambda: HttpTransport(asyncio="aiohttp"),
    "httpx2": lambda: HttpTransport(asyncio="httpx2"),
    "pyreqwest": Pyreqwest,
}
CHUNKS = 2000


async def measured(transport: Transport) -> dict[str, float]:
    """All of one transport."""

    def model(latency_ms: int = 0, chunks: int = 0) -> llm.Model:
        url = base_url(latency_ms, chunks)
        llm.register_provider("openai:completions", "bench/", base_url=url, api_key="k", transport=transport)
        return llm.Model("bench/m")

    async def call() -> object:
        return await plain.call_async(QUESTION)

    async def slow_call() -> object:
        return await slow.call_async(QUESTION)

    results = {"left": await left_by_cancelling(model(latency_ms=5000))}  # before there are idle connections
    plain = model()
    calls = [await repeated(call, 200) for _ in range(16)]
    results["call"] = min(calls[1:]) * 1e6

    plain = model(chunks=CHUNKS)
    chunks = [await reading(plain) for _ in range(10)]
    results["chunk"] = min(chunks[1:]) * 1e6

    slow = model(latency_ms=50)
    gc.collect()
    results["at_once"], results["lag"] = await burst(slow_call, 1000)

    async def opened() -> Any:
        response = await streaming.stream_async(QUESTION)
        await anext(reader := response.text_stream())
        return reader, response.aclose

    streaming = model()
    results["memory"] = await memory_of_streams(opened) / 1e3
    return results


async def reading(model: llm.Model) -> float:
    """CPU seconds for a chunk of a stream."""
    start = clock()
    response = await model.stream_async(QUESTION)
    async for _ in response.text_stream():
        pass
    return (clock() - start) / CHUNKS


async def left_by_cancelling(model: llm.Model) -> float:
    """How many of 100 connections are still there soon after the calls that wait on them were cancelled."""

    def files() -> int:
        return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

    tasks = [asyncio.ensure_future(model.call_async(QUESTION)) for _ in range(100)]
    await asyncio.sleep(1)
    waiting = files()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.1)
    return 100 - (waiting - files())


COLUMNS = {
    "call": "a call, µs of CPU",
    "chunk": "a streamed chunk, µs of CPU",
    "at_once": "1,000 calls of 50 ms at once, s",
    "lag": "the loop stood still, s",
    "memory": "an open stream, kB",
    "left": "connections left by 100 cancelled calls",
}


def main() -> None:
    server = subprocess.Popen([sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    print("| transport |", " | ".join(COLUMNS.values()), "|")
    print("| --- |" + " ---: |" * len(COLUMNS))
    try:
        for name in TRANSPORTS:
            if find_spec(name) is not None:
                done = subprocess.run(
                    [sys.executable, __file__, name, port], check=True, capture_output=True, text=True
                )
                results = json.loads(done.stdout)
                print(f"| {name} |", " | ".join(f"{results[column]:,.3g}" for column in COLUMNS), "|", flush=True)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        scenarios.PORT = sys.argv[2]
        print(json.dumps(asyncio.run(measured(TRANSPORTS[sys.argv[1]]()))))
    else:
        main()
