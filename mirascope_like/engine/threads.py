"""Threads for blocking calls: for what runs together, and for what may be left alone when its time is up.

All are daemons: the interpreter would wait for others before it ends, after Ctrl-C too. None is shared, since what runs
on them may ask for more of them, and shared ones would all wait in the end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Batch", "Late", "left_alone"]

T = TypeVar("T")


class Late(Exception):
    """A job did not end in its time."""


def left_alone(seconds: float, fn: Callable[[], T], discard: Callable[[T], object]) -> T:
    """The result of a function; `Late` after so many seconds. Then, or after Ctrl-C, it is left to itself, and what it
    gives in the end goes to `discard`."""
    from concurrent.futures import Future, wait

    future: Future[T] = Future()
    arguments = future, copy_context().run, fn
    thread = threading.Thread(target=_fulfil, args=arguments, name="mirascope_like-limited", daemon=True)
    try:
        thread.start()
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
            partial(_fulfil, future, copy_context().run, fn) for future, fn in zip(self._futures, fns, strict=True)
        )

    def results(self, limit: int) -> list[T]:
        """Run them, at most `limit` at a time; their results in order. Raises what goes wrong first; then, or after
        Ctrl-C, those that have not begun never do."""
        from concurrent.futures import FIRST_EXCEPTION, wait

        try:
            for _ in range(min(limit, len(self._futures))):
                threading.Thread(target=self._work, name="mirascope_like-tool", daemon=True).start()
            for future in wait(self._futures, return_when=FIRST_EXCEPTION).done:
                future.result()
            return [future.result() for future in self._futures]
        finally:
            self._waiting.clear()

    def _work(self) -> None:
        while self._waiting:
            with suppress(IndexError):  # another thread took the last
                self._waiting.popleft()()


def _fulfil(future: Future[T], run: Callable[[Callable[[], T]], T], fn: Callable[[], T]) -> None:
    try:
        result = run(fn)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
