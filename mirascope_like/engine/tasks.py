"""What async code does with a user's functions: call sync ones on threads, and do several jobs at once.

A thread cannot be stopped. So a cancel scope (of anyio or trio) around a wait for a thread takes effect when the thread
has ended: no tool goes on unnoticed. But no thread may keep a program from ending. So the wait ends at once, and the
thread goes on in the background,

* when the time of its function is over,
* when any function raises `SystemExit` or `KeyboardInterrupt`, in the whole event loop,
* when asyncio cancels the task itself, as it does after Ctrl-C, or trio interrupts it,
* when trio ends, and cancels its background tasks.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..transport.loading import load_anyio
from ..transport.loop_local import LoopVar
from ..transport.threads import run_in_thread, thread_limiters
from .threads import Late

if TYPE_CHECKING:
    import anyio

T = TypeVar("T")

_STOPS = (SystemExit, KeyboardInterrupt)


def _forever() -> float:
    return math.inf


async def on_thread(fn: Callable[[], T], left: Callable[[], float] = _forever) -> T:
    """Call a sync function on a thread as soon as one is free, and return its result.

    `left` is called when the function starts, and returns how many seconds it may take. Raises `Late` when these are
    over; if they are over already, the function is not started. Nor is it if a cancel scope ends this before.
    """
    await load_anyio()
    from anyio import current_time
    from anyio.lowlevel import checkpoint_if_cancelled

    with _waits().wait() as wait:
        async with _threads.get():
            await checkpoint_if_cancelled()  # perhaps it was cancelled when a thread was free already
            seconds = left()
            if seconds > 0:
                wait.deadline = current_time() + seconds
                with wait:
                    return await run_in_thread(fn)
    raise Late


async def gathered(jobs: Sequence[Callable[[], Awaitable[T]]], limit: int) -> list[T]:
    """Do all jobs, at most `limit` at a time, and return their results in order. If one raises, the others are
    cancelled."""
    await load_anyio()
    from anyio.lowlevel import checkpoint

    group = _Group(jobs, limit)
    try:
        await group.run()
    except BaseExceptionGroup as error:
        raise _first_leaf(error) from None
    if group.stop is not None:
        raise group.stop
    if len(group.results) < len(jobs):  # cancelled, which the wait inside kept from here
        await checkpoint()
    return [group.results[position] for position in range(len(jobs))]


async def in_background(fn: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a function in a task that is cancelled only when the event loop ends: it waits for no thread then."""
    _is_background.set(True)
    await fn()


@contextmanager
def stopping() -> Generator[None]:
    """Wait for no thread of this event loop any more if something inside stops the program."""
    try:
        yield
    except _STOPS:
        _of_loop.get().give_up()
        raise


class _Waits:
    """Waits that cancel scopes around them do not end, unless they are given up."""

    def __init__(self, loop: _Waits | None = None) -> None:
        self.loop: _Waits = loop or self
        self._scopes: set[anyio.CancelScope] = set()

    @contextmanager
    def wait(self) -> Generator[anyio.CancelScope]:
        """Give the scope to wait in. It can be given up before it is entered, too."""
        import anyio

        scope = anyio.CancelScope(shield=not _is_background.get())
        self._scopes.add(scope)
        try:
            yield scope
        finally:
            self._scopes.discard(scope)

    def give_up(self) -> None:
        """Let those cancel scopes end them that are cancelled, or will be."""
        for scope in tuple(self._scopes):
            scope.shield = False


_threads = thread_limiters(40)
_of_loop = LoopVar(_Waits)
_of_group: ContextVar[_Waits | None] = ContextVar("mirascope_like_group", default=None)
_is_background: ContextVar[bool] = ContextVar("mirascope_like_background", default=False)


def _waits() -> _Waits:
    """The waits of the group around, or of the event loop. Context variables may come from another loop's thread."""
    loop, group = _of_loop.get(), _of_group.get()
    return group if group is not None and group.loop is loop else loop


class _Group(Generic[T]):
    """Jobs that are done at the same time, each in a task of its own."""

    def __init__(self, jobs: Sequence[Callable[[], Awaitable[T]]], limit: int) -> None:
        import anyio

        self.results: dict[int, T] = {}
        self.stop: BaseException | None = None
        self._jobs = jobs
        self._left = len(jobs)
        self._has_failed = False
        self._gate = anyio.Semaphore(limit)
        self._over = anyio.Event()
        self._waits = _Waits(_of_loop.get())

    async def run(self) -> None:
        """Do them. What a job raises comes out in an exception group; what stops the program is in `stop` then."""
        import anyio

        around = _waits()
        async with anyio.create_task_group() as self._tasks:
            token = _of_group.set(self._waits)
            for position, job in enumerate(self._jobs):
                self._tasks.start_soon(self._work, position, job)
            _of_group.reset(token)
            await self._wait(around)

    async def _wait(self, around: _Waits) -> None:
        # In a wait, for what gets through to here then is no cancel scope's: that ends the tasks one by one.
        try:
            with around.wait() as wait, wait:
                await self._over.wait()
        except BaseException:
            self._waits.give_up()
            raise

    async def _work(self, position: int, job: Callable[[], Awaitable[T]]) -> None:
        try:
            async with self._gate:
                if not self._has_failed:
                    await self._run(position, job)
        except _STOPS as error:  # out of a task, asyncio would let it end the loop at once
            self.stop = self.stop or error
            self._waits.give_up()
            self._tasks.cancel_scope.cancel()
        finally:
            self._left -= 1
            if not self._left:
                self._over.set()

    async def _run(self, position: int, job: Callable[[], Awaitable[T]]) -> None:
        try:
            self.results[position] = await job()
        except BaseException:
            self._has_failed = True  # before the gate lets another job begin
            raise


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
