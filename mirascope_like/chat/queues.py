"""The order of what is said in one conversation.

Prompts of a conversation take their places when reading them begins, and each is answered after those before it. So
none is lost from the history, however many are under way. Who comes second has the first finished, if need be.
"""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from threading import RLock

from ..engine.runtime import Runtime
from ..engine.scoped_variables import ScopedVariable

_running: ScopedVariable[Ticket] = ScopedVariable("mirascope_like_chat_running")


class Ticket:
    """The place of a response or chain; `go_on` is its method that reads it on by a step, and says whether there are
    more. Once it is dropped, nobody waits for it. `context` holds the context variables of the task or thread that
    began reading; tools run with these, whoever reads on."""

    def __init__(self, runtime: Runtime, go_on: Callable[[], Awaitable[bool]]) -> None:
        self._runtime = runtime
        self.context: Context = Context()
        self._go_on = weakref.WeakMethod(go_on)

    @property
    def is_taken(self) -> bool:
        """Whether its owner is still there."""
        return self._go_on() is not None

    @property
    def is_running(self) -> bool:
        """Whether this code is part of its owner: in one of its tools, or in `execute`."""
        return self in _running

    async def settle(self) -> None:
        """Bring its owner to its end, well or not.

        It is read in the background: who is cancelled while it waits here leaves it as it is, to be read on, when the
        step that is under way has ended.
        """
        context = self.context.copy()
        reading = _Reading(self._runtime, self._step, context)
        context.run(self._runtime.spawner(), reading.run)
        await reading.end()

    async def _step(self) -> bool:
        go_on = self._go_on()
        return go_on is not None and await go_on()

    def running(self) -> contextlib.AbstractContextManager[None]:
        """While its tools run, or `execute`: they cannot wait for its end."""
        return _running.holding(self)


class _Reading:
    """Reading on, for one who waits until there is no more to read. In the blocking colour `run` does it at once."""

    def __init__(self, runtime: Runtime, step: Callable[[], Awaitable[bool]], context: Context) -> None:
        self._step = step
        self._context = context
        self._bell = runtime.bell()
        self._wanted = True
        self._ended = False
        self._exit: BaseException | None = None

    async def run(self) -> None:
        """Read, as long as somebody waits."""
        for variable, value in self._context.items():  # trio gives its background tasks another one
            variable.set(value)
        try:
            with contextlib.suppress(Exception):  # told to those who read it
                while self._wanted and await self._step():
                    pass
        except (SystemExit, KeyboardInterrupt) as error:  # no end for a background task
            self._exit = error
        finally:
            self._ended = True
            self._bell.ring()

    async def end(self) -> None:
        """Wait for the end of it."""
        try:
            while not self._ended:
                await self._bell.rest(math.inf)
        finally:
            self._wanted = False
        if self._exit is not None:
            raise self._exit


class Queue:
    """The places of one conversation."""

    def __init__(self) -> None:
        # Sync and async: nothing waits while it is held, and event loops may come and go. It may be taken again by the
        # thread that holds it, in a finalizer that the garbage collector runs; so the list is changed in place.
        self._lock = RLock()
        self._places: list[Ticket] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return not self._taken()

    async def enter(self, place: Ticket) -> None:
        """Take the last place, and wait until all before it have ended. Raises `RuntimeError` in a tool of one of
        these."""
        with self._lock:
            ahead = self._taken()
            if any(other.is_running for other in ahead):
                raise RuntimeError(
                    "This prompt would wait for the answer in whose tool, or execute(), it is made: "
                    "use conversation.branch()."
                )
            self._places.append(place)
            place.context = copy_context()
        for other in ahead:
            await other.settle()

    def leave(self, place: Ticket) -> None:
        """It has ended."""
        with self._lock:
            self._remove(place)
            place.context = Context()  # what it holds may be large

    def _taken(self) -> list[Ticket]:
        """Return the places whose owners are there; forget the others."""
        for place in [each for each in self._places if not each.is_taken]:
            self._remove(place)
        return list(self._places)

    def _remove(self, place: Ticket) -> None:
        with contextlib.suppress(ValueError):  # it has left before
            self._places.remove(place)
