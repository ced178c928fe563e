"""How many retries a process makes, all its calls together.

When a server is down, every caller's retries add to its load. So retries are paid from a bucket of tokens that first
attempts fill: each adds `ratio`, each retry takes 1. Where calls are few the ratio would be nothing, so a `reserve` is
there beside it, which is full again after a minute.
"""

from __future__ import annotations

import os
import threading

__all__ = ["RetryBudget", "budget", "set_retry_budget"]

_MOST_SAVED = 100.0  # tokens that quiet times can save up for a burst
_REFILL = 60.0  # seconds in which an empty bucket has its reserve again


class RetryBudget:
    """A bucket of tokens, safe to share between threads. Times are seconds of a clock that only goes forward."""

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0) -> None:
        self.set(ratio, reserve)

    def set(self, ratio: float, reserve: float) -> None:
        """Begin anew with these rules. Raises `ValueError` for negative numbers."""
        if not (ratio >= 0 and reserve >= 0):
            raise ValueError(f"A retry budget needs ratio >= 0 and reserve >= 0, not {ratio} and {reserve}.")
        self._ratio = ratio
        self._reserve = reserve
        self._tokens = reserve
        self._then: float | None = None
        self.unlock()

    def unlock(self) -> None:
        """Take a lock of its own: for a forked process, where another thread may have held the old one."""
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Note a first attempt."""
        with self._lock:
            self._tokens = min(self._tokens + self._ratio, max(_MOST_SAVED, self._reserve))

    def take(self, now: float) -> bool:
        """Pay for a retry; false if there is nothing to pay with."""
        with self._lock:
            since, self._then = now - (now if self._then is None else self._then), now
            if self._tokens < self._reserve:
                self._tokens = min(self._tokens + since * self._reserve / _REFILL, self._reserve)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


budget: RetryBudget = RetryBudget()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=budget.unlock)


def set_retry_budget(ratio: float = 0.1, reserve: float = 10.0) -> None:
    """Set how many retries this process makes, all its calls together.

    `ratio`: retries for each first attempt, over time. `reserve`: retries a minute that are there whatever the traffic.
    `set_retry_budget(reserve=math.inf)` sets no limit. Raises `ValueError` for negative numbers.
    """
    budget.set(ratio, reserve)
