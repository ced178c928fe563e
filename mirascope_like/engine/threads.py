"""Threads in blocking calls: for what runs together, and for what may be left alone when its time is up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from ..transport.threads import resolve_future, run_on_daemon_thread, thread_context

if TYPE_CHECKING:
    from concurrent.futures import Future

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


class Stop:
    """Ends what the functions of a batch do, as far as that is possible: what waits is cancelled, and they call no
    further function of the user's. A thread that is in such a function cannot be stopped."""

    def __init__(self) -> None:
        self._is_set = False
        self._cancels: dict[object, Callable[[], object]] = {}

    def set(self) -> None:
        """Cancel what is under way, and begin nothing more."""
        self._is_set = True
        for cancel in tuple(self._cancels.values()):
            cancel()

    def check(self) -> None:
        """Raise `CancelledError` if it was set."""
        if self._is_set:
            from concurrent.futures import CancelledError

            raise CancelledError("Another job of the batch failed.")

    @contextmanager
    def cancelling(self, cancel: Callable[[], object]) -> Generator[None]:
        """Have `cancel` called if it is set while the block runs. Raises `CancelledError` if it was set before."""
        key = object()
        self._cancels[key] = cancel
        try:
            self.check()  # after it is known to `set`, which another thread may call now
            yield
        finally:
            del self._cancels[key]


_never = Stop()
current_stop: ContextVar[Stop] = ContextVar("mirascope_like_stop", default=_never)
"""That of the batch around."""


class Batch(Generic[T]):
    """Functions that run at the same time."""

    def __init__(self, fns: Sequence[Callable[[], T]]) -> None:
        from concurrent.futures import Future

        self._stop = Stop()
        self._first_failure: Future[T] | None = None
        self._futures: list[Future[T]] = [Future() for _ in fns]
        self._waiting = deque(
            partial(self._resolve, future, partial(thread_context().run, partial(self._run, fn)))
            for future, fn in zip(self._futures, fns, strict=True)
        )

    def results(self, limit: int) -> list[T]:
        """Run them, at most `limit` at a time; their results in order. Raises what goes wrong first, at once; then, or
        after Ctrl-C, those that have not begun never do, and the others are stopped (see `Stop`)."""
        from concurrent.futures import FIRST_EXCEPTION, wait

        try:
            with current_stop.get().cancelling(self._stop.set):
                for _ in range(min(limit, len(self._futures))):
                    run_on_daemon_thread(self._work)
                done = wait(self._futures, return_when=FIRST_EXCEPTION).done
                for future in (self._first_failure, *done):  # the others may have failed because they were stopped
                    if future is not None:
                        future.result()
                return [future.result() for future in self._futures]
        except BaseException:
            self._end()
            raise

    def _run(self, fn: Callable[[], T]) -> T:
        current_stop.set(self._stop)
        return fn()

    def _resolve(self, future: Future[T], fn: Callable[[], T]) -> None:
        resolve_future(future, fn)
        if future.exception() is not None:
            self._first_failure = self._first_failure or future
            self._end()

    def _end(self) -> None:
        self._waiting.clear()
        self._stop.set()

    def _work(self) -> None:
        while self._waiting:
            with suppress(IndexError):  # another thread took the last
                self._waiting.popleft()()
