"""Ways to go over something that comes bit by bit and is kept: each iterator starts at the beginning, and dropping one
loses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..engine.runtime import run

if TYPE_CHECKING:
    from .messages.parts import StreamEvent

T = TypeVar("T")

Step = Callable[[], Coroutine[Any, Any, T | None]]
"""Gives the next item; `None` behind the last."""


def each(at: Callable[[int], Awaitable[T | None]]) -> Step[T]:
    """The items at 0, 1, 2, …"""
    position = -1

    async def step() -> T | None:
        nonlocal position
        item = await at(position + 1)
        if item is not None:
            position += 1
        return item

    return step


def texts(events: Step[StreamEvent]) -> Step[str]:
    """The pieces of text among events."""

    async def step() -> str | None:
        while (event := await events()) is not None:
            if event.type == "text":
                return event.chunk
        return None

    return step


class View(Iterator[T], Generic[T]):
    """A blocking iterator over a response or chain. Dropping it before the end loses nothing: it can be read on in any
    way. So does `close`; `response.close()` gives up what has not come."""

    def __init__(self, step: Step[T]) -> None:
        self._step: Step[T] | None = step

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        item = None if self._step is None else run(self._step())
        if item is None:
            raise StopIteration
        return item

    def close(self) -> None:
        """Read no more here, as if it were dropped: the response stays open for others. Sends nothing if nothing was
        read yet. A response that nobody else holds is closed."""
        self._step = None


class AsyncView(AsyncIterator[T], Generic[T]):
    """An async iterator over a response or chain. See `View`."""

    def __init__(self, step: Step[T]) -> None:
        self._step: Step[T] | None = step

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = None if self._step is None else await self._step()
        if item is None:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """See `View.close`. A connection is closed in the background."""
        self._step = None
