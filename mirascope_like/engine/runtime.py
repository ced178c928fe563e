"""Where sync and async code differ. *Colour* means sync or async throughout this package; the rest of the engine is
written once for both.

A `Runtime` is what the engine's coroutines may do to the world: reach a server, call a user's function, do several
things together, hold a lock. `NATIVE` really awaits, under asyncio or trio. `BLOCKING` does the same with ordinary
calls, so that a coroutine which uses nothing else never suspends, and `run` steps it to its end: no event loop, no
thread. That is why the sync API works inside a running loop, in threads and in a sync tool.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from ..transport.base import Channel, Transport
from ..transport.loading import is_loaded, load_anyio, load_once
from ..transport.loop_local import asyncio_loop, running_loop
from ..transport.threads import run_in_thread
from .start_throttle import wait_to_start
from .tasks import gathered, in_background, on_thread, stopping
from .threads import Batch, Late, current_stop, left_alone
from .timers import alarms

if TYPE_CHECKING:
    import asyncio

    import anyio

T = TypeVar("T")
Job = Callable[[], Awaitable[T]]
Spawner = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Step a coroutine of the blocking runtime to its end. `RuntimeError` if it suspends, which none of them may."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    raise RuntimeError(f"{getattr(coroutine, '__qualname__', coroutine)} awaited something real in blocking code.")


class Waker(Protocol):
    """Wakes a coroutine that sleeps."""

    def ring(self) -> None:
        """Wake the sleeper; later sleeps return at once."""
        ...

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, or until `ring`. Cancelling and Ctrl-C end it too."""
        ...


class Runtime(Protocol):
    """What the engine may do to the world. Times are in seconds."""

    def clock(self) -> float:
        """The time now, of a clock that only goes forward and is the same in all colours."""
        ...

    async def admit(self) -> None:
        """Wait until another call may begin, so that many that are asked for at once do not stop the others."""
        ...

    def is_loaded(self, key: Hashable) -> bool:
        """Whether `load` would do nothing."""
        ...

    async def load(self, key: Hashable, load: Callable[[], object]) -> None:
        """Let a function import what this call needs, once for each key, before anything does that in an event loop.
        In blocking code all is imported where it is used."""
        ...

    async def within(self, seconds: float, job: Job[T], discard: Callable[[T], Awaitable[object]]) -> T:
        """A job's result; `Late` after so many seconds. Where the job cannot be stopped it is left alone, and what it
        gives in the end goes to `discard`."""
        ...

    async def read_within(self, seconds: float, job: Job[T], close: Job[None]) -> T:
        """A job's result; `Late` after so many seconds. The job waits for something that `close` ends."""
        ...

    async def invoke_within(self, left: Callable[[], float], fn: Callable[[], Any]) -> Any:
        """As `invoke`; `Late` when the time of the function is over. An async function is cancelled then, a sync one
        left alone. `left` is called when the function starts, or goes on as a coroutine that it has returned, and
        returns how many seconds it may take from then; if none, it is not started."""
        ...

    def channel(self, transport: Transport) -> Channel:
        """The transport's channel of this colour."""
        ...

    def loop(self) -> object | None:
        """The event loop that runs; `None` in blocking code."""
        ...

    async def invoke(self, fn: Callable[[], Any]) -> Any:
        """Call a user's function, sync or async, and give its result. A cancellation that is its own and not the
        caller's comes out as `concurrent.futures.CancelledError`, which is an `Exception`."""
        ...

    async def invoke_inline(self, fn: Callable[[], Any]) -> Any:
        """As `invoke`, but never on another thread."""
        ...

    async def together(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        """Do all jobs, at most `limit` at a time; results in order. If one raises, no other begins, and those that run
        are cancelled where they await, async functions of the user's included. A sync function that runs on a thread
        cannot be stopped: async code waits for it as `tasks` says, blocking code raises at once and lets it run on."""
        ...

    async def shielded(self, job: Job[T]) -> T:
        """A job's result; no cancel scope around it ends it."""
        ...

    def lock(self) -> AbstractAsyncContextManager[Any]:
        """A lock among those who share a stream."""
        ...

    async def wait(self, event: threading.Event) -> None:
        """Wait for an event that another thread or loop may set."""
        ...

    def bell(self) -> Waker:
        """Return a waker for those who share a stream."""
        ...

    def spawner(self) -> Spawner:
        """Returns a function that starts a coroutine in the background on the current event loop. It may be called from
        any thread, and from `__del__`. In blocking code the coroutine runs at once."""
        ...


# -- blocking ---------------------------------------------------------------------------------------------------------


class _ThreadLock:
    """A thread lock with the shape of an async one; it blocks, and so never suspends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()


class _ThreadWaker:
    """Rings for other threads."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        self._rung.set()

    async def rest(self, seconds: float) -> None:
        self._rung.wait(seconds)


class Blocking:
    """Ordinary calls. Several jobs at once run in threads; async functions run on one background event loop."""

    def clock(self) -> float:
        return time.monotonic()

    async def admit(self) -> None: ...

    def is_loaded(self, key: Hashable) -> bool:
        return True

    async def load(self, key: Hashable, load: Callable[[], object]) -> None: ...

    async def within(self, seconds: float, job: Job[T], discard: Callable[[T], Awaitable[object]]) -> T:
        return left_alone(seconds, lambda: _finish(job), lambda result: _finish(lambda: discard(result)))

    async def read_within(self, seconds: float, job: Job[T], close: Job[None]) -> T:
        late = threading.Event()

        def ring() -> None:
            late.set()
            _finish(close)

        alarm = alarms.after(seconds, ring)
        try:
            return await job()
        except Exception as error:
            if late.is_set():
                raise Late from error
            raise
        finally:
            alarms.cancel(alarm)

    async def invoke_within(self, left: Callable[[], float], fn: Callable[[], Any]) -> Any:
        from ..schema.functions import is_async

        seconds = _unless_over(left())
        if is_async(fn):
            return _wait(fn(), seconds)
        return left_alone(seconds, lambda: _invoked(fn, seconds), lambda _: None)

    def channel(self, transport: Transport) -> Channel:
        return transport.blocking()

    def loop(self) -> object | None:
        return None

    async def invoke(self, fn: Callable[[], Any]) -> Any:
        return _invoked(fn)

    invoke_inline = invoke

    async def together(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        if len(jobs) <= 1:
            return [await job() for job in jobs]
        return Batch([partial(_finish, job) for job in jobs]).results(limit)

    async def shielded(self, job: Job[T]) -> T:
        return await job()

    def lock(self) -> AbstractAsyncContextManager[Any]:
        return _ThreadLock()

    async def wait(self, event: threading.Event) -> None:
        event.wait()

    def bell(self) -> Waker:
        return _ThreadWaker()

    def spawner(self) -> Spawner:
        return lambda fn: run(fn())


def _finish(job: Job[T]) -> T:
    return run(cast("Coroutine[Any, Any, T]", job()))


def _invoked(fn: Callable[[], Any], seconds: float | None = None) -> Any:
    current_stop.get().check()
    with _own_cancellation():
        result = fn()
    return _wait(result, seconds) if inspect.isawaitable(result) else result


class _BackgroundLoop:
    """One asyncio loop on a daemon thread, for the async functions of blocking calls. Started at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        """The awaitable's result; blocks this thread. It is cancelled after so many seconds, if they are given."""
        import asyncio

        loop, errand, future = self._running(), _Errand(awaitable), None
        try:  # from before it is handed over, for Ctrl-C may strike between two lines
            future = asyncio.run_coroutine_threadsafe(errand.run(), loop)
            with current_stop.get().cancelling(lambda: loop.call_soon_threadsafe(errand.cancel)):
                return future.result(seconds)
        except BaseException as error:
            ended = future is not None and future.done()
            loop.call_soon_threadsafe(errand.cancel)
            if isinstance(error, TimeoutError) and not ended:
                raise Late from None
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "mirascope_like-async-tools"
                threading.Thread(target=_run_for_good, args=(self._loop,), name=name, daemon=True).start()
            return self._loop


def _run_for_good(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        # They go to the one who waits for the function that raised them, and end the loop's round besides.
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


# An async tool may make a blocking call that has async tools too. Its loop is blocked meanwhile, so they run on the
# loop of the next depth, which nothing of a lesser depth can block.
_depth: ContextVar[int] = ContextVar("mirascope_like_depth", default=0)
_background: dict[int, _BackgroundLoop] = {}


class _Errand(Generic[T]):
    """An awaitable for a background loop. It can be cancelled, in the loop's thread, before it has begun too."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._awaitable = awaitable
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    async def run(self) -> T:
        import asyncio

        if self._cancelled:
            if inspect.iscoroutine(self._awaitable):
                self._awaitable.close()
            raise asyncio.CancelledError
        self._task = asyncio.current_task()
        _depth.set(_depth.get() + 1)
        return await self._awaitable

    def cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


def _wait(awaitable: Awaitable[T], seconds: float | None = None) -> T:
    return _background.setdefault(_depth.get(), _BackgroundLoop()).wait(awaitable, seconds)


if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork, so the child starts its own loops when it needs them.
    os.register_at_fork(after_in_child=_background.clear)


# -- native -----------------------------------------------------------------------------------------------------------


class _LoopLock:
    """A lock of the event loop in which it is first taken: so a lazy response can be made before there is one."""

    def __init__(self) -> None:
        self._lock: anyio.Lock | None = None

    async def __aenter__(self) -> None:
        if self._lock is None:
            await load_anyio()
            import anyio

            # Its users give way to other tasks elsewhere. Meanwhile another task may have made it.
            self._lock = self._lock or anyio.Lock(fast_acquire=True)
        await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.release()


class _LoopWaker:
    """Rings for other tasks of the event loop."""

    def __init__(self) -> None:
        self._has_rung = False
        self._rest: anyio.CancelScope | None = None

    def ring(self) -> None:
        self._has_rung = True
        if self._rest is not None:
            self._rest.cancel()

    async def rest(self, seconds: float) -> None:
        await load_anyio()
        import anyio

        if not self._has_rung:
            with anyio.move_on_after(seconds) as self._rest:
                await anyio.sleep_forever()


class Native:
    """Real awaits, under asyncio or trio. Sync functions of the user's run on threads, so the loop never blocks; see
    `tasks`."""

    def clock(self) -> float:
        return time.monotonic()

    async def admit(self) -> None:
        if (loop := asyncio_loop()) is not None:  # trio lets its tasks take turns at each step of a request
            await wait_to_start(loop)

    def is_loaded(self, key: Hashable) -> bool:
        return is_loaded(key)

    async def load(self, key: Hashable, load: Callable[[], object]) -> None:
        await load_once(key, load)

    async def within(self, seconds: float, job: Job[T], discard: Callable[[T], Awaitable[object]]) -> T:
        await load_anyio()
        from anyio import move_on_after

        with move_on_after(seconds):
            return await job()
        raise Late

    async def read_within(self, seconds: float, job: Job[T], close: Job[None]) -> T:
        return await self.within(seconds, job, _leave)

    async def invoke_within(self, left: Callable[[], float], fn: Callable[[], Any]) -> Any:
        from ..schema.functions import is_async

        with stopping(), _own_cancellation():
            if is_async(fn):
                return await self.within(_unless_over(left()), fn, _leave)
            result = await on_thread(fn, left)
            return await self.within(left(), lambda: result, _leave) if inspect.isawaitable(result) else result

    def channel(self, transport: Transport) -> Channel:
        return transport.native()

    def loop(self) -> object | None:
        return running_loop()

    async def invoke(self, fn: Callable[[], Any]) -> Any:
        from ..schema.functions import is_async

        with stopping(), _own_cancellation():
            result = fn() if is_async(fn) else await on_thread(fn)
            return await result if inspect.isawaitable(result) else result

    async def invoke_inline(self, fn: Callable[[], Any]) -> Any:
        with stopping(), _own_cancellation():
            result = fn()
            return await result if inspect.isawaitable(result) else result

    async def together(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        if len(jobs) <= 1:
            return [await job() for job in jobs]
        return await gathered(jobs, limit)

    async def shielded(self, job: Job[T]) -> T:
        from anyio import CancelScope

        with CancelScope(shield=True):
            return await job()
        raise AssertionError("nothing cancels this scope")

    def lock(self) -> AbstractAsyncContextManager[Any]:
        return _LoopLock()

    async def wait(self, event: threading.Event) -> None:
        await run_in_thread(event.wait)  # beyond the limit: what is waited for may need a thread

    def bell(self) -> Waker:
        return _LoopWaker()

    def spawner(self) -> Spawner:
        loop = asyncio_loop()
        return _spawner_of_trio() if loop is None else partial(_spawn, loop)


def _spawner_of_trio() -> Spawner:
    import trio

    token = trio.lowlevel.current_trio_token()

    def begin(fn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with suppress(RuntimeError):  # the loop is ending, and its sockets with it
            trio.lowlevel.spawn_system_task(in_background, fn)

    def spawn(fn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is token:
            return begin(fn)
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(begin, fn)

    return spawn


def _spawn(loop: asyncio.AbstractEventLoop, fn: Callable[[], Coroutine[Any, Any, None]]) -> None:
    def begin() -> None:
        task = loop.create_task(fn())
        _spawned.add(task)
        task.add_done_callback(_spawned.discard)

    with suppress(RuntimeError):  # no loop runs here
        if asyncio_loop() is loop:
            return begin()
    with suppress(RuntimeError):  # the loop is closed, and its sockets with it
        loop.call_soon_threadsafe(begin)


def _unless_over(seconds: float) -> float:
    if seconds <= 0:
        raise Late
    return seconds


async def _leave(_: object) -> None:
    """Nothing comes too late where jobs are cancelled."""


_spawned: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references to its tasks


@contextmanager
def _own_cancellation() -> Generator[None, None, None]:
    """Make it an error like any other when a user's function is cancelled and the task that runs it is not: it awaited
    something that was. Task groups would take it for their own cancellation."""
    try:
        yield
    except BaseException as error:
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or not isinstance(error, asyncio.CancelledError) or _task_is_cancelled():
            raise
        from concurrent.futures import CancelledError

        raise CancelledError(*error.args) from error


def _task_is_cancelled() -> bool:
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no loop here
        return False
    return task is not None and task.cancelling() > 0


BLOCKING: Runtime = Blocking()
NATIVE: Runtime = Native()


class Once:
    """Something to do once, whoever comes first; all others wait until it is done, on any thread or event loop.

    If it fails or is cancelled, the next one to come does it. It can be undone, and then done again. A forked process
    does not wait for a thread of its parent, which it does not have, but begins anew."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turn] = {}  # by process
        self._done = False

    async def do(self, runtime: Runtime, job: Job[None]) -> None:
        """Do `job`, unless it has been done; raises what it raises. `RuntimeError` for a blocking call if this is under
        way on its own thread, where it cannot end while the call waits."""
        if self._done and os.getpid() not in self._turns:
            return
        with await self._take_turn(runtime):
            if not self._done:
                await job()
                self._done = True

    async def undo(self, runtime: Runtime, job: Job[None], unless: Callable[[], bool]) -> None:
        """Do `job`, which undoes it, if it has been done, and `unless` is false then. Raises what `job` raises, and
        what `do` does; it counts as undone all the same."""
        with await self._take_turn(runtime):
            if self._done and not unless():
                self._done = False
                await job()

    async def _take_turn(self, runtime: Runtime) -> _Turn:
        """Wait for what is under way in this process, and return one's own turn."""
        mine = _Turn(self._turns)
        while (turn := self._turns.setdefault(mine.pid, mine)) is not mine:
            if turn.thread == mine.thread and runtime.loop() is None:
                raise RuntimeError(
                    "This blocking call would wait for ever: it needs a source of tools that its own thread is just "
                    "preparing or closing. In async code, await the async call instead."
                )
            await runtime.wait(turn.ended)
        return mine


class _Turn:
    """What one thread is at, or one task of the event loop that runs on it."""

    def __init__(self, turns: dict[int, _Turn]) -> None:
        self.pid = os.getpid()
        self.thread = threading.get_ident()
        self.ended = threading.Event()
        self._turns = turns

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        del self._turns[self.pid]
        self.ended.set()
