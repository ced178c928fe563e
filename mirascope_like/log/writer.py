"""Writing a log: calls are handed to a thread, which writes them.

The thread is started with the first call, in each process anew: after a fork the child writes what it calls itself, and
the parent what it had called. While a process forks, no connection is open: SQLite would take the parent's locks for
the child's. What another process's lock holds up is tried again until it works.
"""

from __future__ import annotations

import atexit
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
from weakref import WeakSet

from ..engine.observers import FinishedCall, observe
from ..errors import LogError
from .database import connect, has_index, is_busy
from .entries import write_call

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LogWriter", "log"]

CLOSING_SECONDS = 10.0
"""How long the end of the program waits for what is not written yet."""

_MOST_AT_ONCE = 256  # calls in a transaction


class _Mark:
    """A place in the queue: `reached` when all before it is written. The last one ends the thread."""

    def __init__(self, *, is_last: bool) -> None:
        self.reached = threading.Event()
        self.is_last = is_last


_Queue: TypeAlias = "SimpleQueue[FinishedCall | _Mark]"


def log(path: str | PathLike[str], *, raw: bool = False) -> LogWriter:
    """Write every call from now on to a SQLite file, made if there is none, until `close` or the program's end.

    `raw` keeps the providers' answers in their own words too. Calls of all faces, streams, failures, threads and event
    loops are written. Raises `LogError` at once if the file cannot be written.
    """
    return LogWriter(path, raw=raw)


class LogWriter:
    """A log that is being written; see `log`. Close it, or use it in `with`, to stop."""

    def __init__(self, path: str | PathLike[str], *, raw: bool = False) -> None:
        self.path: Path = Path(path).absolute()
        self._raw = raw
        self._starting = threading.RLock()
        self._connected = threading.Lock()  # held while the connection is used
        self._connection: sqlite3.Connection | None = None
        self._queue: _Queue = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        connect(self.path, create=True).close()
        if not os.access(self.path, os.W_OK):
            raise LogError(f"{self.path} is read-only.")
        self._stop_listening = observe(self.write)
        _open_logs.add(self)

    def write(self, call: FinishedCall) -> None:
        """Have a call written, soon. Only what has not been written yet is written."""
        self._queue.put(call)
        if self._thread is None:
            self._start()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all calls so far are on the disk; at most `timeout` seconds, then `LogError` is raised.

        Blocks: in async code, leave it out or call it in a worker thread.
        """
        self._wait(_Mark(is_last=False), timeout)

    def close(self, timeout: float | None = CLOSING_SECONDS) -> None:
        """Listen to no more calls and write those so far, waiting at most `timeout` seconds. May be called twice.

        Raises `LogError` if not all could be written. Blocks, as `flush` does.
        """
        self._stop_listening()
        self._wait(_Mark(is_last=True), timeout)
        _open_logs.discard(self)
        error, self._error = self._error, None
        if error is not None:
            raise LogError(f"Not all calls could be written to {self.path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LogWriter {self.path}>"

    def before_fork(self) -> None:
        """Let go of the file, until `after_fork`."""
        self._connected.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        """Go on, in the parent."""
        self._connected.release()

    def begin_anew(self) -> None:
        """Forget what the parent has to write, in the child, which has no threads but its own."""
        self._starting = threading.RLock()
        self._connected = threading.Lock()
        self._queue = SimpleQueue()
        self._thread = None
        self._error = None

    def _start(self) -> None:
        with self._starting:
            # Made first: garbage that is collected meanwhile may end calls, which begin here again.
            thread = threading.Thread(target=self._work, args=(self._queue,), name="mirascope_like-log", daemon=True)
            if self._thread is not None:
                return
            self._thread = thread
            thread.start()
        # Its processes end without the handlers of atexit.
        if (util := sys.modules.get("multiprocessing.util")) is not None:
            util.Finalize(None, _close_all, exitpriority=0)

    def _wait(self, mark: _Mark, timeout: float | None) -> None:
        thread = self._thread
        if thread is None:
            return  # nothing was ever written
        self._queue.put(mark)
        if not mark.reached.wait(timeout):
            raise LogError(f"Calls are not written to {self.path} after {timeout:g} seconds: is it locked?")
        if mark.is_last:
            thread.join()
            self._thread = None

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work(self, queue: _Queue) -> None:
        while not self._round(queue):
            pass
        with self._connected:
            self._disconnect()

    def _round(self, queue: _Queue) -> bool:
        """Write what waits, or the next to come. Whether that was all."""
        calls, mark = _taken(queue)
        try:
            self._write(calls)
        except Exception:
            for call in calls:  # each on its own, so that one that cannot be written harms no other
                try:
                    self._write([call])
                except Exception as error:
                    self._failed(error)
        if mark is not None:
            mark.reached.set()
        return mark is not None and mark.is_last

    def _write(self, calls: list[FinishedCall]) -> None:
        """Write calls, all or none, as soon as other processes let."""
        import sqlite3

        while calls:
            try:
                with self._connected:
                    self._connection = self._connection or connect(self.path, create=True)
                    self._write_through(self._connection, calls)
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
            time.sleep(0.01)  # lets others have the connection, who may want to close it

    def _write_through(self, connection: sqlite3.Connection, calls: list[FinishedCall]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            index = has_index(connection)
            for call in calls:
                write_call(connection, call, raw=self._raw, index=index)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):  # after some errors there is no transaction any more
                connection.execute("ROLLBACK")
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _failed(self, error: Exception) -> None:
        if self._error is not None:
            return
        self._error = error
        with suppress(RuntimeWarning):  # where warnings are errors, this thread must go on all the same
            warnings.warn(f"A call could not be written to {self.path}: {error}", RuntimeWarning, stacklevel=1)


def _taken(queue: _Queue) -> tuple[list[FinishedCall], _Mark | None]:
    """What waits, or the next to come, up to the first mark."""
    calls: list[FinishedCall] = []
    item = queue.get()
    with suppress(Empty):
        while isinstance(item, FinishedCall):
            calls.append(item)
            if len(calls) == _MOST_AT_ONCE:
                return calls, None
            item = queue.get_nowait()
        return calls, item
    return calls, None


_open_logs: WeakSet[LogWriter] = WeakSet()
_forking: list[LogWriter] = []


def _close_all() -> None:
    for each in list(_open_logs):
        try:
            each.close()
        except LogError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=1)


def _before_fork() -> None:
    for each in list(_open_logs):
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
