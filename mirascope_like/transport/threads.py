"""The library's own worker threads, for blocking work of async code and for concurrent work of blocking code.

They are daemon threads, outside of the pools that are joined: asyncio waits for its executor's threads when a loop
ends, and the interpreter waits for anyio's when the process ends, even if the work was abandoned. Nor do they count
against the limits of those pools, which belong to the application. There is one thread per running job, since a job may
wait for another; an idle thread waits for more work for some seconds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

from .loop_local import LoopVar, asyncio_loop

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio import CapacityLimiter

    Job = Callable[[], object]
    Jobs = SimpleQueue[Job]

T = TypeVar("T")

_IDLE_TIMEOUT = 10.0  # seconds that an idle thread waits for more work


async def run_in_thread(fn: Callable[[], T]) -> T:
    """Call a function in another thread and return its result.

    Cancelling returns at once; the function goes on in its thread.
    """
    from concurrent.futures import Future

    future, (done, wake) = Future[T](), make_loop_event()
    run_on_daemon_thread(partial(_resolve_and_wake, future, fn, wake))
    await done.wait()
    try:
        return future.result()
    finally:
        del future  # an error raised from it would refer to it, and it refers to the error


def run_on_daemon_thread(job: Job) -> None:
    """Call a function in another thread, with the context variables of this one. It must not raise."""
    job = partial(thread_context().run, job)
    try:
        _idle_workers.pop().put(job)
    except IndexError:
        threading.Thread(target=_run_worker, args=(job,), name="mirascope_like-worker", daemon=True).start()


def resolve_future(future: Future[T], fn: Callable[[], T]) -> None:
    """Call a function and set the future to its result or exception."""
    try:
        result = fn()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        del future  # as above


def thread_context() -> Context:
    """Return a copy of the context variables for a thread, in which no event loop runs."""
    context = copy_context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:  # `anyio.run` sets it, and refuses to run in a thread that inherits it
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


_idle_workers: deque[Jobs] = deque()  # queues of the idle threads; the latest is at the end


def _run_worker(job: Job) -> None:
    jobs: Jobs = SimpleQueue()
    while True:
        job()
        del job  # it may refer to large objects
        _idle_workers.append(jobs)
        try:
            job = jobs.get(timeout=_IDLE_TIMEOUT)
        except Empty:
            try:
                _idle_workers.remove(jobs)
            except ValueError:  # a job has just arrived
                job = jobs.get()
            else:
                return


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle_workers.clear)  # threads do not survive a fork


def thread_limiters(limit: int) -> LoopVar[CapacityLimiter]:
    """Return limiters, one for each event loop, for a kind of work that may use `limit` threads at a time."""

    def limiter() -> CapacityLimiter:
        from anyio import CapacityLimiter

        return CapacityLimiter(limit)

    return LoopVar(limiter)


class LoopEvent(Protocol):
    """An `asyncio.Event` or `trio.Event`."""

    async def wait(self) -> object:
        """Wait until the event is set."""
        ...


def make_loop_event() -> tuple[LoopEvent, Callable[[], object]]:
    """Return an event of the running loop, and a function that sets it from any thread."""
    loop = asyncio_loop()
    if loop is None:
        import trio

        event = trio.Event()
        return event, partial(_call_soon, trio.lowlevel.current_trio_token().run_sync_soon, event.set)
    import asyncio

    flag = asyncio.Event()
    return flag, partial(_call_soon, loop.call_soon_threadsafe, flag.set)


def _call_soon(scheduler: Callable[[Callable[[], object]], object], fn: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has ended
        scheduler(fn)


def _resolve_and_wake(future: Future[T], fn: Callable[[], T], wake: Callable[[], object]) -> None:
    resolve_future(future, fn)
    del future
    wake()
