"""Load what async code needs on a worker thread, so that the event loop does not stop meanwhile.

Importing an HTTP client or Pydantic takes tens of milliseconds, and so does reading the trusted certificates. The
first async call of a process waits for that, and the other tasks of its event loop go on. Blocking code imports
directly.

* Each load is done once in a process, or again after a thousand others, which is quick. Whoever needs it meanwhile, in
  any event loop, waits for the same one.
* Cancelling a wait leaves the load to the others, and to the next call.
* A load raises nothing: the code that uses a module imports it again, and raises the error where it belongs.
* A fork waits for the loads under way. In the child they would never end, nor let go of their import locks.
* A load has a thread of its own, which ends with it: Python warns of a fork while there are other threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from .loop_local import asyncio_loop
from .threads import make_loop_event

if TYPE_CHECKING:
    from concurrent.futures import Future

_FORK_TIMEOUT = 5.0  # seconds that a fork waits for one load
_MAX_KEYS = 1000  # loads that are remembered

_loaded: set[Hashable] = set()
_under_way: dict[Hashable, Future[None]] = {}
_lock = threading.Lock()
_threads: set[threading.Thread] = set()  # that load something, or have ended


def is_loaded(key: Hashable) -> bool:
    """Whether the load under this key has ended."""
    return key in _loaded


async def load_once(key: Hashable, load: Callable[[], object]) -> None:
    """Call `load` on a worker thread, unless this was done under the same key, and wait until it has ended."""
    if key in _loaded or (future := _begin(key, load)) is None:
        return
    event, wake = make_loop_event()
    future.add_done_callback(lambda _: wake())
    await event.wait()
    # Only now: who came meanwhile waits behind the others, so that calls are sent in the order in which they began.
    _note_loaded(key)


async def load_anyio() -> None:
    """Load anyio, and its part for the running event loop."""
    backend = "trio" if asyncio_loop() is None else "asyncio"
    await load_once(("anyio", backend), partial(_import_anyio, backend))


def _import_anyio(backend: str) -> None:
    import anyio

    anyio.run(anyio.sleep, 0, backend=backend)  # it imports this part when it is first used


def _begin(key: Hashable, load: Callable[[], object]) -> Future[None] | None:
    """Return the load that is to be waited for, perhaps begun here; `None` if nobody need wait, or no thread can be
    started."""
    from concurrent.futures import Future

    with _lock, suppress(RuntimeError):
        if key not in _loaded and key not in _under_way:
            future = Future[None]()
            args = (key, load, future)
            thread = threading.Thread(target=_load, args=args, name="mirascope_like-loader", daemon=True)
            _threads.difference_update([each for each in _threads if each.ident and not each.is_alive()])
            _threads.add(thread)
            thread.start()
            _under_way[key] = future
        return _under_way.get(key)
    return None


def _load(key: Hashable, load: Callable[[], object], future: Future[None]) -> None:
    with suppress(BaseException):
        load()
    future.set_result(None)


def _note_loaded(key: Hashable) -> None:
    with _lock:
        if len(_loaded) >= _MAX_KEYS:
            _loaded.clear()
        _loaded.add(key)
        _under_way.pop(key, None)


def _before_fork() -> None:
    threads = tuple(_threads)
    if threading.current_thread() not in threads:  # else it would wait for itself
        for thread in threads:
            with suppress(RuntimeError):  # it has not started
                thread.join(_FORK_TIMEOUT)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _under_way.clear()
    _threads.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
