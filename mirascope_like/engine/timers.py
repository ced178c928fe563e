"""Alarms for blocking calls: what has to happen at a moment while the caller's own thread is blocked.

One daemon thread rings them all. It is started by the first alarm, and anew after a fork. What is rung must be quick
and must not raise: closing a connection, say.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable

Alarm = tuple[float, int]

_MOST_DEAD = 100  # alarms that were cancelled, and are still in the queue


class Alarms:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all alarms and the thread: a forked process has neither."""
        self._changed = threading.Condition()
        self._count = itertools.count()
        self._due: list[Alarm] = []
        self._rings: dict[Alarm, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        """Ring in so many seconds, on another thread."""
        alarm = time.monotonic() + seconds, next(self._count)
        with self._changed:
            self._rings[alarm] = ring
            heapq.heappush(self._due, alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="mirascope_like-alarms", daemon=True)
                self._thread.start()
            elif self._due[0] == alarm:
                self._changed.notify()
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Do not ring it, unless it rings already."""
        with self._changed:
            self._rings.pop(alarm, None)
            if len(self._due) > 2 * len(self._rings) + _MOST_DEAD:
                self._due = sorted(self._rings)

    def __len__(self) -> int:
        """How many are in the queue, those that were cancelled and not forgotten yet included."""
        return len(self._due)

    def _watch(self) -> None:
        while True:
            ring = self._next()
            with contextlib.suppress(Exception):
                ring()

    def _next(self) -> Callable[[], None]:
        """Wait for an alarm that is due."""
        with self._changed:
            while True:
                while self._due and self._due[0] not in self._rings:
                    heapq.heappop(self._due)
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return self._rings.pop(heapq.heappop(self._due))
                self._changed.wait(left)


alarms: Alarms = Alarms()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=alarms.reset)
