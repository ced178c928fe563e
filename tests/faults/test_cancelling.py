"""Cancelling and breaking out: the server sees it at once, nothing is left behind, and no garbage collector helps."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from pydantic import BaseModel

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..transport.server import Server
from .protocols import MODEL, PROTOCOLS, TEXT, Protocol
from .rows import ask
from .server import chunked, raw, sized

ROUNDS, AT_ONCE = 5, 50  # of four kinds: a thousand calls
OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living(native: Colour) -> tuple[int, int, int]:
    """How many tasks, threads and open files there are."""
    tasks = len(asyncio.all_tasks()) if native.name == "asyncio" else trio.lowlevel.current_statistics().tasks_living
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("loopback server")]
    return tasks, len(threads), len(os.listdir(OPEN_FILES))


async def cancelled(native: Colour, server: Server, begin: Callable[[], Awaitable[object]]) -> None:
    """Begin many times, and cancel all once the server knows of each."""
    before = len(server.received)

    def arrived() -> None:
        for _ in range(AT_ONCE):
            server.arrived.get(timeout=PATIENCE)

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(begin)
        await native.wait(arrived)
        assert len(server.received) == before + AT_ONCE
        group.cancel_scope.cancel()


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="open files cannot be counted here")
def test_a_thousand_cancelled_calls_leave_nothing(native: Colour, server: Server) -> None:
    protocol = PROTOCOLS[0]
    protocol.register(server)
    model = llm.Model(MODEL)
    silent, begun = raw().then("stall"), chunked(protocol.events()).first(5).then("stall")

    async def read() -> None:
        response = await model.stream_async("Hi")
        await response.finish()

    async def dwell() -> None:
        response = await model.stream_async("Hi")
        async for _ in response.text_stream():
            await anyio.sleep_forever()

    kinds = [(silent, lambda: model.call_async("Hi")), (silent, read), (begun, read), (begun, dwell)]

    async def scenario() -> None:
        server.answer = sized(protocol.whole())
        assert await ask(native, model, stream=False) == TEXT  # what is made once is there, and a connection is kept
        await native.wait(server.arrived.get)  # which starts the test's own thread
        tasks, threads, files = living(native)
        for _ in range(ROUNDS):
            for answer, begin in kinds:
                server.answer = answer
                await cancelled(native, server, begin)
                await native.wait(server.wait_all_gone)
        server.answer = sized(protocol.whole())
        assert await ask(native, model, stream=False) == TEXT
        after = living(native)
        assert (after[0], after[2]) == (tasks, files)
        assert after[1] <= threads  # which may be fewer: those of earlier tests end when they have long been idle

    native.run(scenario)
    server.wait_all_gone()


class Saying(BaseModel):
    text: str


VIEWS: dict[str, Callable[[Any], Any]] = {
    "text": lambda response: response.text_stream(),
    "chunks": lambda response: response.chunk_stream(),
    "pretty": lambda response: response.pretty_stream(),
    "parts": lambda response: response.streams(),
    "values": lambda response: response.structured_stream(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_breaking_out_hangs_up(colour: Colour, server: Server, protocol: Protocol, view: str) -> None:
    protocol.register(server)
    server.answer = chunked(protocol.events(llm.Text('{"text": "a few words"}'))).first(6).then("stall")

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", format=Saying))
        if colour.is_async:
            async for _ in VIEWS[view](response):
                break
        else:
            for _ in VIEWS[view](response):
                break
        await colour.wait(server.wait_all_gone)
        with pytest.raises(llm.StreamClosedError):
            await colour.got(response.finish())

    colour.run(scenario)
    assert len(server.received) == 1


def test_cancelling_a_call_cancels_its_tools(native: Colour) -> None:
    begun, ended = [], []

    async def linger(name: str) -> str:
        begun.append(name)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)
        return name

    async def scenario() -> None:
        calls = [llm.ToolCall(id=name, name="linger", args=f'{{"name": "{name}"}}') for name in "abc"]
        response = await native.ask(llm.scripted(calls), "Hi", tools=[linger])
        async with anyio.create_task_group() as group:
            group.start_soon(response.execute_tools)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    native.run(scenario)
    assert sorted(begun) == sorted(ended) == ["a", "b", "c"]
