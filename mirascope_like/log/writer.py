"""Write a log: calls are passed to a thread, which writes them.

Each process starts its own thread at the first call: after a fork, each process writes the calls that it made itself.
While a process forks, no connection is open, since SQLite would confuse the locks of parent and child. Writes wait for
the locks of other processes.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from os import PathLike
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self, TypeAlias

from ..engine.events import CallEnded, Event, Subscription, set_tenant, unfinished_calls
from ..errors import LogError
from .database import connect, has_search_index, is_busy
from .rows import check_tenant, write_call

if TYPE_CHECKING:
    import sqlite3

CLOSING_SECONDS = 10.0
"""How long the program waits for unwritten calls when it ends."""

_MAX_BATCH_SIZE = 256  # calls in a transaction


class _QueueMarker:
    """A marker in the queue: `reached` is set when all calls before it are written. The last marker ends the thread."""

    def __init__(self, *, is_last: bool) -> None:
        self.reached = threading.Event()
        self.is_last = is_last


_Queue: TypeAlias = "SimpleQueue[CallEnded | _QueueMarker]"


def log(path: str | PathLike[str], *, tenant: str | None = None, raw: bool = False) -> LogWriter:
    """Write every call that begins from now on to a SQLite file, created if there is none, until `close` or the
    program's end.

    Calls of both APIs, streams, failures, and calls of all threads and event loops are written. With `raw`, the
    providers' raw responses are kept too.

    `tenant` labels calls, and keeps their conversations separate from those of other tenants. It is a context variable:
    tasks that are started while the log is open inherit it, and so do the library's own threads, and your threads by
    `contextvars.copy_context()`. Calls outside of this context are written without a label; calls of other tenants are
    not written.

    Raises `LogError` at once if the file cannot be written.
    """
    return LogWriter(path, tenant=tenant, raw=raw)


class LogWriter:
    """Writes a log; see `log`. To stop, close it, or use it in `with` or `async with`."""

    def __init__(self, path: str | PathLike[str], *, tenant: str | None = None, raw: bool = False) -> None:
        self.path: Path = Path(path).absolute()
        self.tenant: str | None = check_tenant(tenant)
        self._raw = raw
        self.begin_anew()
        connect(self.path, create=True).close()
        if not os.access(self.path, os.W_OK):
            raise LogError(f"{self.path} is read-only.")
        self._has_warned = False
        self._subscription = Subscription(self._on_event, raw=raw)
        self._subscription.open()
        self._is_open = True
        self._unset_tenant = None if tenant is None else set_tenant(tenant)
        _open_logs[self] = True

    @property
    def is_open(self) -> bool:
        """Whether calls that end now are written."""
        return self._is_open

    @property
    def waiting(self) -> int:
        """The number of calls that have ended and are not written yet."""
        return len(self._unwritten)

    def write(self, call: CallEnded) -> None:
        """Queue a call to be written soon. A call that was written before is not written again."""
        self._unwritten.add(id(call))
        self._queue.put(call)
        if self._thread is None:
            self._start()  # if no thread can start, `close` writes the call

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all calls so far are on disk. Raises `LogError` after `timeout` seconds.

        Blocks: in async code, do not call it, or call it in a worker thread.
        """
        self._wait_for_marker(_QueueMarker(is_last=False), _deadline(timeout))

    def close(self, timeout: float | None = CLOSING_SECONDS) -> None:
        """Stop logging, and write the calls so far. You may call it twice.

        A call that was sent and has not ended is written as it is so far, with a `LogError` as its error. Waits at
        most `timeout` seconds. Raises `LogError` if not all calls could be written. Blocks: in async code, use
        `aclose` or `async with`.
        """
        self._stop()
        self._finish(timeout)

    async def aclose(self, timeout: float | None = CLOSING_SECONDS) -> None:
        """Do the same as `close` without blocking the event loop. In a cancelled scope it still waits for the last
        calls."""
        from anyio import CancelScope, CapacityLimiter, to_thread

        self._stop()
        with CancelScope(shield=True):
            await to_thread.run_sync(self._finish, timeout, limiter=CapacityLimiter(1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        tenant = "" if self.tenant is None else f" tenant={self.tenant!r}"
        return f"<LogWriter {self.path}{tenant}>"

    def before_fork(self) -> None:
        """Close the connection, and keep it closed until `after_fork`."""
        self._connection_lock.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        """Continue in the parent."""
        self._connection_lock.release()

    def begin_anew(self) -> None:
        """Begin without calls and threads, also in the child of a fork: the parent writes its own calls."""
        self._start_lock = threading.RLock()
        self._connection_lock = threading.Lock()  # held while the connection is used
        self._connection: sqlite3.Connection | None = None
        self._queue: _Queue = SimpleQueue()
        # Ids of objects; changed by single operations only, since garbage collection may write.
        self._unwritten: set[int] = set()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def _start(self) -> threading.Thread | None:
        """Start the thread if there is none, and return it; `None` if the process is ending: it starts no threads."""
        with self._start_lock:
            # Made first: a garbage collection here may end calls, which enter this method again.
            thread = threading.Thread(
                target=self._run_thread, args=(self._queue,), name="mirascope_like-log", daemon=True
            )
            if self._thread is not None:
                return self._thread
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:
                self._thread = None
                return None
        # Processes of multiprocessing end without the atexit handlers.
        if (util := sys.modules.get("multiprocessing.util")) is not None:
            util.Finalize(None, _close_all, exitpriority=0)
        return thread

    def _stop(self) -> None:
        """Stop observing calls. Unfinished calls are left to another log of this file, if there is one for them."""
        # First, so that two logs that are closed at the same time do not leave a call to each other.
        was_open, self._is_open = self._is_open, False
        if was_open:
            for call in unfinished_calls(LogError("The call had not ended when the log was closed.")):
                if self._accepts(call) and not any(other._accepts(call) for other in self._other_logs()):
                    self.write(call)
        self._subscription.close()
        if self._unset_tenant is not None:
            self._unset_tenant()

    def _accepts(self, call: CallEnded) -> bool:
        """Return True for a call that began while this log was open, of its tenant or of none, or of any tenant if the
        log has none."""
        tenant = call.started.tenant
        return self._subscription in call.subscriptions and (self.tenant is None or tenant in (None, self.tenant))

    def _on_event(self, event: Event) -> None:
        """Write a call that has ended, unless it was never sent or belongs to another tenant."""
        if isinstance(event, CallEnded) and event.result is not None and self._accepts(event):
            self.write(event)
            if event.started.tenant is None and self.tenant is not None:
                self._warn_of_context()

    def _warn_of_context(self) -> None:
        """Warn once that the tenant of a call is unknown, unless a log of all calls expects such calls."""
        if not self._has_warned and not any(other.tenant is None for other in self._other_logs()):
            self._has_warned = True
            _warn(
                "A call was logged without a tenant, because it was made outside of the context in which a log was "
                "opened with tenant=. Run your threads with contextvars.copy_context().run."
            )

    def _other_logs(self) -> list[LogWriter]:
        """Return the other open logs of the same file."""
        logs = tuple(_open_logs)
        return [each for each in logs if each is not self and each.path == self.path and each.is_open]

    def _finish(self, timeout: float | None) -> None:
        """Write the last calls, and raise `LogError` if any call could not be written."""
        deadline = _deadline(timeout)
        self._wait_for_marker(_QueueMarker(is_last=True), deadline)
        while not self._queue.empty():  # queued by another thread while this log stopped observing
            self._wait_for_marker(_QueueMarker(is_last=True), deadline)
        _open_logs.pop(self, None)
        error, self._error = self._error, None
        if error is not None:
            raise LogError(f"Not all calls could be written to {self.path}: {error}") from error

    def _wait_for_marker(self, mark: _QueueMarker, deadline: float) -> None:
        """Wait until all calls before the marker are written. Raises `LogError` after the deadline (monotonic)."""
        if self._thread is None and self._queue.empty():
            return
        self._queue.put(mark)
        thread = self._start()
        if thread is None:
            reached = self._work_in_this_thread(mark, deadline)
        else:
            reached = mark.reached.wait(_remaining_seconds(deadline))
        if not reached:
            raise LogError(f"Not all calls were written to {self.path} in time: is the file locked?")
        if mark.is_last and thread is not None:
            thread.join(_remaining_seconds(deadline))

    def _work_in_this_thread(self, mark: _QueueMarker, deadline: float) -> bool:
        """Do the log thread's work in this thread; return True if it ended before the deadline."""
        while not mark.reached.is_set() and time.monotonic() < deadline:
            self._write_batch(self._queue, deadline)
        with self._connection_lock:
            self._disconnect()
        return mark.reached.is_set()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run_thread(self, queue: _Queue) -> None:
        ending = False
        while not (ending and self._end_if_idle(queue)):
            ending = self._write_batch(queue, math.inf) or ending
        with self._connection_lock:
            self._disconnect()

    def _end_if_idle(self, queue: _Queue) -> bool:
        """Return True, and forget the thread, if the queue is empty after a last marker."""
        with self._start_lock:
            if not queue.empty():
                return False
            self._thread = None
            return True

    def _write_batch(self, queue: _Queue, deadline: float) -> bool:
        """Write the queued calls, or the next one; return True if a last marker was reached."""
        calls, mark = _take_batch(queue)
        try:
            self._write_calls(calls, deadline)
        except Exception:
            for call in calls:  # one by one, so that a call that cannot be written affects no other
                try:
                    self._write_calls([call], deadline)
                except Exception as error:
                    self._record_error(error)
        self._unwritten.difference_update(map(id, calls))
        if mark is not None:
            mark.reached.set()
        return mark is not None and mark.is_last

    def _write_calls(self, calls: list[CallEnded], deadline: float) -> None:
        """Write calls, all or none, as soon as other processes release their locks."""
        import sqlite3

        while calls:
            try:
                with self._connection_lock:
                    self._connection = self._connection or connect(self.path, create=True)
                    self._write_transaction(self._connection, calls)
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)  # lets other threads have the connection, for example to close it

    def _write_transaction(self, connection: sqlite3.Connection, calls: list[CallEnded]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            index = has_search_index(connection)
            for call in calls:
                write_call(connection, call, raw=self._raw, index=index)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):  # some errors end the transaction
                connection.execute("ROLLBACK")
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _record_error(self, error: Exception) -> None:
        if self._error is not None:
            return
        self._error = error
        _warn(f"A call could not be written to {self.path}: {error}")


def _take_batch(queue: _Queue) -> tuple[list[CallEnded], _QueueMarker | None]:
    """Take the queued calls, or the next one, up to the first marker."""
    calls: list[CallEnded] = []
    item = queue.get()
    with suppress(Empty):
        while isinstance(item, CallEnded):
            calls.append(item)
            if len(calls) == _MAX_BATCH_SIZE:
                return calls, None
            item = queue.get_nowait()
        return calls, item
    return calls, None


def _warn(text: str) -> None:
    with suppress(RuntimeWarning):  # where warnings are errors, the call or thread must continue
        warnings.warn(text, RuntimeWarning, stacklevel=1)


def _deadline(timeout: float | None) -> float:
    return math.inf if timeout is None else time.monotonic() + timeout


def _remaining_seconds(deadline: float) -> float:
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)


_open_logs: dict[LogWriter, bool] = {}  # changed by single operations only, so it needs no lock
_forking: list[LogWriter] = []


def _close_all() -> None:
    for each in tuple(_open_logs):
        try:
            each.close()
        except LogError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=1)


def _before_fork() -> None:
    for each in tuple(_open_logs):
        each.before_fork()
        _forking.append(each)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().after_fork()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().begin_anew()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
