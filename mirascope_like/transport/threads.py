"""Threads of the library's own, for blocking work of async code and for what blocking code does at the same time.

They are daemons, in no pool that is joined: asyncio waits for the threads of its executor when a loop ends, and the
interpreter for those of anyio when the process does, even if nobody wants their work any more. Nor do they count
against the limits of these pools, which belong to the application. There are as many as have work, since work may wait
for other work; a thread without any waits a while for more.
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
from typing import TYPE_CHECKING, TypeVar

from .loops import LoopVar, asyncio_loop

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio import CapacityLimiter

    Job = Callable[[], object]
    Jobs = SimpleQueue[Job]

__all__ = ["resolve_future", "run_in_thread", "run_on_daemon_thread", "thread_context", "thread_limiters"]

T = TypeVar("T")

_IDLE_TIMEOUT = 10.0  # seconds that a thread waits for more work


async def run_in_thread(fn: Callable[[], T]) -> T:
    """Return the result of a function that is called on another thread.

    Cancelling returns at once, and leaves the function to itself.
    """
    from concurrent.futures import Future

    from anyio import Event

    future, done = Future[T](), Event()
    run_on_daemon_thread(partial(_resolve_and_wake, future, fn, partial(_loop_scheduler(), done.set)))
    await done.wait()
    try:
        return future.result()
    finally:
        del future  # an error that it raised would hold it, and it the error


def run_on_daemon_thread(job: Job) -> None:
    """Call a function on another thread, with the context variables of this one. It must not raise."""
    job = partial(thread_context().run, job)
    try:
        _idle_workers.pop().put(job)
    except IndexError:
        threading.Thread(target=_run_worker, args=(job,), name="mirascope_like-worker", daemon=True).start()


def resolve_future(future: Future[T], fn: Callable[[], T]) -> None:
    """Call a function, and put into the future what it returns or raises."""
    try:
        result = fn()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        del future  # as above


def thread_context() -> Context:
    """Return a copy of the context variables for a thread, which has no event loop."""
    context = copy_context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:  # `anyio.run` has set it, and would refuse to run in a thread that inherits it
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


_idle_workers: deque[Jobs] = deque()  # of the threads without work, who came last at the end


def _run_worker(job: Job) -> None:
    jobs: Jobs = SimpleQueue()
    while True:
        job()
        del job  # what it holds may be large
        _idle_workers.append(jobs)
        try:
            job = jobs.get(timeout=_IDLE_TIMEOUT)
        except Empty:
            try:
                _idle_workers.remove(jobs)
            except ValueError:  # there is work just now
                job = jobs.get()
            else:
                return


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle_workers.clear)  # threads do not survive a fork


def thread_limiters(limit: int) -> LoopVar[CapacityLimiter]:
    """Return the limiters, one for each event loop, of a kind of work that may have so many threads."""

    def limiter() -> CapacityLimiter:
        from anyio import CapacityLimiter

        return CapacityLimiter(limit)

    return LoopVar(limiter)


def _loop_scheduler() -> Callable[[Callable[[], object]], object]:
    """Return what has the running loop call a function, from another thread."""
    loop = asyncio_loop()
    if loop is not None:
        return loop.call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon


def _resolve_and_wake(future: Future[T], fn: Callable[[], T], wake: Callable[[], object]) -> None:
    resolve_future(future, fn)
    del future
    with suppress(RuntimeError):  # the loop has ended
        wake()
