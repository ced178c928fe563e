"""The order of what is said in one conversation.

Prompts of a conversation take their places when reading them begins, and each is answered after those before it. So
none is lost from the history, however many are under way. Who comes second finishes the first, if need be.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar

from ..engine.runtime import BLOCKING

__all__ = ["Place", "Queue"]

_running: ContextVar[tuple[Place, ...]] = ContextVar("mirascope_like_chat_running", default=())


class Place:
    """The place of a response or chain; `finish` is its method that brings it to its end. Once it is dropped, nobody
    waits for it."""

    def __init__(self, finish: Callable[[], Awaitable[None]]) -> None:
        self._finish = weakref.WeakMethod(finish)

    @property
    def is_taken(self) -> bool:
        """Whether its owner is still there."""
        return self._finish() is not None

    @property
    def is_running(self) -> bool:
        """Whether this code is part of its owner: in one of its tools, or in `execute`."""
        return self in _running.get()

    async def settle(self) -> None:
        """Bring its owner to its end, well or not."""
        finish = self._finish()
        if finish is not None:
            with contextlib.suppress(Exception):  # told to those who read it
                await finish()

    @contextlib.contextmanager
    def running(self) -> Generator[None]:
        """While its tools run, or `execute`: they cannot wait for its end."""
        token = _running.set((*_running.get(), self))
        try:
            yield
        finally:
            _running.reset(token)


class Queue:
    """The places of one conversation."""

    def __init__(self) -> None:
        self._lock = BLOCKING.lock()  # in both colours: nothing waits under it, and event loops may come and go
        self._places: list[Place] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return not any(place.is_taken for place in self._places)

    async def enter(self, place: Place) -> None:
        """Take the last place, and wait until all before it have ended. Raises `RuntimeError` in a tool of one of
        these."""
        async with self._lock:
            ahead = [other for other in self._places if other.is_taken]
            if any(other.is_running for other in ahead):
                raise RuntimeError(
                    "This prompt would wait for the answer in whose tool, or execute(), it is made: "
                    "use conversation.branch()."
                )
            self._places = [*ahead, place]
        for other in ahead:
            await other.settle()

    def leave(self, place: Place) -> None:
        """It has ended."""
        self._places = [other for other in self._places if other is not place]
