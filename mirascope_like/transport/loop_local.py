"""Resources that belong to one event loop: created at their first use in it, closed when it ends.

When a loop ends, both asyncio and trio close the async generators that are suspended in it, and notify nothing else. So
each resource has such a generator as its guard. If a loop is closed without this (by `loop.close()` alone), its
resources are removed when the next loop gets one. If a loop is never closed, its guards end when the process exits,
without closing the resources: nothing can be awaited any more, and asyncio would warn of it.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    import asyncio

    from anyio.lowlevel import RunVar

T = TypeVar("T")
Closer: TypeAlias = Callable[[], Awaitable[object]]


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running asyncio loop; `None` under trio, even if trio runs as a guest of an asyncio loop."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return None
    import asyncio

    return asyncio.get_running_loop()


def running_loop() -> object | None:
    """Return what identifies the running event loop; `None` outside of one."""
    try:
        loop = asyncio_loop()
    except RuntimeError:
        return None
    return sys.modules["trio"].lowlevel.current_trio_token() if loop is None else loop


class LoopVar(Generic[T]):
    """One `T` for each event loop, created at its first use in it, that needs no closing."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: RunVar[T] | None = None

    def get(self) -> T:
        """Return the value of the running loop."""
        from anyio.lowlevel import RunVar

        values = self._values = self._values or RunVar("mirascope_like")
        try:
            return values.get()
        except LookupError:
            value = self._make()
            values.set(value)
            return value


class LoopResource(Generic[T]):
    """One `T` for each event loop, closed when the loop ends.

    `make` is called in the running loop, and returns the resource and the function that closes it. Its argument is the
    `LoopResource`, which the resource must keep alive: when it is collected, so are the guards, and all is closed.
    """

    def __init__(self, make: Callable[[object], tuple[T, Closer]]) -> None:
        self._make = make
        self._resources: dict[object, tuple[T, AsyncGenerator[None]]] = {}
        _loop_resources.add(self)

    def get(self) -> T:
        """Return the resource of the running loop."""
        loop = running_loop()
        found = self._resources.get(loop)
        if found is None:
            self._forget_closed_loops()
            resource, close = self._make(self)
            found = self._resources[loop] = resource, _start_guard(close, self._resources, loop)
        return found[0]

    def end_idle_guards(self) -> None:
        """End the guards of asyncio loops that do not run, without closing their resources."""
        for loop, (_, guard) in list(self._resources.items()):
            is_running = getattr(loop, "is_running", None)
            if is_running is not None and not is_running():
                self._resources.pop(loop, None)
                _step(guard.aclose())

    def _forget_closed_loops(self) -> None:
        for loop in list(self._resources):
            is_closed = getattr(loop, "is_closed", None)
            if is_closed is not None and is_closed():
                self._resources.pop(loop, None)


def _start_guard(
    close: Closer, resources: dict[object, tuple[T, AsyncGenerator[None]]], loop: object
) -> AsyncGenerator[None]:
    guard = _until_loop_ends(close, resources, loop)
    _step(guard.asend(None))  # to its `yield`
    return guard


def _step(step: Coroutine[object, object, object]) -> None:
    """Run a step of a guard that suspends nowhere."""
    with contextlib.suppress(StopIteration):
        step.send(None)


async def _until_loop_ends(
    close: Closer, resources: dict[object, tuple[T, AsyncGenerator[None]]], loop: object
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if resources.pop(loop, None) is not None:
            await close()


_loop_resources: weakref.WeakSet[LoopResource[Any]] = weakref.WeakSet()


@atexit.register
def _end_idle_guards() -> None:
    for each in list(_loop_resources):
        each.end_idle_guards()
