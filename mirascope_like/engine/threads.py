"""Threads in blocking calls: for what runs together, and for what may be left alone when its time is up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from ..transport.threads import resolve_future, run_on_daemon_thread, thread_context

__all__ = ["Batch", "Late", "left_alone"]

T = TypeVar("T")


class Late(Exception):
    """A job did not end in its time."""


def left_alone(seconds: float, fn: Callable[[], T], discard: Callable[[T], object]) -> T:
    """The result of a function; `Late` after so many seconds. Then, or after Ctrl-C, it is left to itself, and what it
    gives in the end goes to `discard`."""
    from concurrent.futures import Future, wait

    future: Future[T] = Future()
    try:
        run_on_daemon_thread(partial(resolve_future, future, fn))
        if not wait((future,), seconds).done:
            raise Late
    except BaseException:  # Ctrl-C too
        future.add_done_callback(lambda done: done.exception() or discard(done.result()))
        raise
    return future.result()


class Batch(Generic[T]):
    """Functions that run at the same time."""

    def __init__(self, fns: Sequence[Callable[[], T]]) -> None:
        from concurrent.futures import Future

        self._futures: list[Future[T]] = [Future() for _ in fns]
        self._waiting = deque(
            partial(resolve_future, future, partial(thread_context().run, fn))
            for future, fn in zip(self._futures, fns, strict=True)
        )

    def results(self, limit: int) -> list[T]:
        """Run them, at most `limit` at a time; their results in order. Raises what goes wrong first; then, or after
        Ctrl-C, those that have not begun never do."""
        from concurrent.futures import FIRST_EXCEPTION, wait

        try:
            for _ in range(min(limit, len(self._futures))):
                run_on_daemon_thread(self._work)
            for future in wait(self._futures, return_when=FIRST_EXCEPTION).done:
                future.result()
            return [future.result() for future in self._futures]
        finally:
            self._waiting.clear()

    def _work(self) -> None:
        while self._waiting:
            with suppress(IndexError):  # another thread took the last
                self._waiting.popleft()()
