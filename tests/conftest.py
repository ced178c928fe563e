"""What all tests share: no network, no keys, and `colour`, by which one test body serves blocking, asyncio and trio.

def test_it(colour):
    call = llm.call("any/model")(colour.fn(lambda: "Hi"))   # a plain function, or an async one

    async def scenario():
        response = await colour.got(call())                 # waits if there is something to wait for
        return [text async for text in colour.each(response.text_stream())]

    colour.run(scenario)                                    # in the blocking colour nothing suspends
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import os
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import anyio
import pytest

from mirascope_like import llm

from .transport.server import Server

T = TypeVar("T")

PATIENCE = 10.0  # seconds after which something that should happen counts as not happening


class Colour:
    """One of "blocking", "asyncio" and "trio", and how to write for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name != "blocking"

    def run(self, scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a scenario; in the blocking colour it must not suspend."""
        if self.name == "blocking":
            coroutine = scenario()
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            coroutine.close()
            raise AssertionError("something awaited for real in the blocking colour")
        if self.name == "asyncio":
            return asyncio.run(self._timed(scenario))
        import trio

        return trio.run(self._timed, scenario)

    @staticmethod
    async def _timed(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with anyio.fail_after(3 * PATIENCE):
            return await scenario()

    def fn(self, function: Callable[..., T]) -> Callable[..., Any]:
        """The function as it is, or an async one that does the same."""
        if not self.is_async:
            return function

        @functools.wraps(function)
        async def asynchronous(*args: Any, **kwargs: Any) -> T:
            return function(*args, **kwargs)

        return asynchronous

    async def got(self, value: Any) -> Any:
        """What a call gives: awaited in the async colours, and there it must be awaitable."""
        assert inspect.isawaitable(value) == self.is_async
        return await value if self.is_async else value

    async def each(self, source: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
        """The items of an iterator of this colour."""
        if isinstance(source, AsyncIterable):
            async for item in source:
                yield item
        else:
            for item in source:
                yield item

    async def all(self, source: Iterable[T] | AsyncIterable[T]) -> list[T]:
        """All items of an iterator of this colour."""
        return [item async for item in self.each(source)]

    async def next(self, iterator: Any) -> Any:
        """The next item of an iterator of this colour."""
        return await anext(iterator) if self.is_async else next(iterator)

    def within(self, manager: Any) -> AbstractAsyncContextManager[Any]:
        """A context manager of this colour."""
        return manager if self.is_async else _as_async(manager)

    async def close(self, response: Any) -> None:
        """Close a stream."""
        await response.aclose() if self.is_async else response.close()

    async def wait(self, blocking: Callable[[], T]) -> T:
        """The result of a function that blocks, in a thread if there is a loop."""
        return await anyio.to_thread.run_sync(blocking) if self.is_async else blocking()

    def ask(self, model: llm.Model, content: Any, **options: Any) -> Any:
        """Ask a model, for `got`."""
        return (model.call_async if self.is_async else model.call)(content, **options)

    def stream(self, model: llm.Model, content: Any, **options: Any) -> Any:
        """Ask a model for a stream, for `got`."""
        return (model.stream_async if self.is_async else model.stream)(content, **options)


@asynccontextmanager
async def _as_async(manager: Any) -> AsyncIterator[Any]:
    with manager as entered:
        yield entered


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    """Each colour in turn."""
    return Colour(request.param)


@pytest.fixture(params=["asyncio", "trio"])
def native(request: pytest.FixtureRequest) -> Colour:
    """The async colours in turn."""
    return Colour(request.param)


@pytest.fixture
def server() -> Iterator[Server]:
    """A loopback server; see `transport/server.py`."""
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No keys, addresses or providers but a test's own, and as many retries as it wants."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)
    llm.set_retry_budget(reserve=math.inf)
    yield
    llm.set_retry_budget()
    llm.reset_provider_registry()


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Whoever connects beyond this machine fails."""
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)), raising=False)
        yield


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(connect)
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test connects to {address}")
        return connect(self, address)

    return guarded
