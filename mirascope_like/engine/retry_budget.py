"""Retry budgets: buckets of tokens. A plan names the budget that its retries take from, by default the process's.

When a server is down, retries add to its load. So retries take tokens, and without a token there is no retry:

* Each first attempt adds `ratio` tokens.
* An empty bucket fills up to `reserve` within a minute, for processes that make few calls.
* A retry takes one token when it is sent, and gives it back if it succeeds: only retries that fail use up the budget.
* A retry after a rate limit (429) is free if the server named a wait: it has said when there is room for the request.
* A retry after a server error (5xx) never gives its token back. Such a server is overloaded or broken, and each
  request adds to that, whether it succeeds or not.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

from ..errors import RateLimitError, ServerError

_MOST_SAVED = 100.0  # tokens that quiet times can save up for a burst
_REFILL = 60.0  # seconds in which an empty bucket has its reserve again


_budgets: WeakSet[RetryBudget] = WeakSet()


class RetryBudget:
    """A bucket of tokens, safe to share between threads. Times are seconds of a clock that only goes forward.

    Its pickle has the rules alone: another process begins with a full reserve. A copy is the budget itself.
    """

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0) -> None:
        self.set(ratio, reserve)
        _budgets.add(self)

    def __reduce__(self) -> Any:
        return "PROCESS_BUDGET" if self is PROCESS_BUDGET else (RetryBudget, (self._ratio, self._reserve))

    def __copy__(self) -> RetryBudget:
        return self

    def __deepcopy__(self, _: object) -> RetryBudget:
        return self

    def set(self, ratio: float, reserve: float) -> None:
        """Start again with these rules. Raises `ValueError` for negative numbers."""
        if not (ratio >= 0 and reserve >= 0):
            raise ValueError(f"A retry budget needs ratio >= 0 and reserve >= 0, not {ratio} and {reserve}.")
        self._ratio = ratio
        self._reserve = reserve
        self._tokens = reserve
        self._then: float | None = None
        self._deposited = 0.0  # since then
        self.unlock()

    def unlock(self) -> None:
        """Replace the lock, in a forked process, where another thread may have held the old one."""
        # Reentrant: a stream that is collected as garbage may give a token back while its thread is in here.
        self._lock = threading.RLock()

    def deposit(self) -> None:
        """Note a first attempt."""
        with self._lock:
            self._deposited += self._ratio
            self._add(self._ratio)

    def allows(self, error: Exception, now: float) -> bool:
        """Whether a retry after `error` could be paid for now."""
        with self._lock:
            self._refill(now)
            return _is_free(error) or self._tokens >= 1

    def pay(self, error: Exception, now: float) -> Payment | None:
        """Pay for a retry after `error`; `None` if there is no token left."""
        if _is_free(error):
            return FREE
        if not self.take(now):
            return None
        return FREE if isinstance(error, ServerError) else Payment(self)

    def take(self, now: float) -> bool:
        """Take a token; false if there is none."""
        with self._lock:
            self._refill(now)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def give_back(self) -> None:
        """Return a token."""
        with self._lock:
            self._add(1)

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._tokens + tokens, max(_MOST_SAVED, self._reserve))

    def _refill(self, now: float) -> None:
        """Top up the reserve, by what deposits have not added already in the same time."""
        since, self._then = now - (now if self._then is None else self._then), now
        deposited, self._deposited = self._deposited, 0.0
        if self._tokens < self._reserve:
            missing = max(since * self._reserve / _REFILL - deposited, 0)
            self._tokens = min(self._tokens + missing, self._reserve)


class Payment:
    """What one retry has taken from a budget and may give back."""

    def __init__(self, budget: RetryBudget | None = None) -> None:
        self._budget = budget

    def refund(self) -> None:
        """Give it back, once."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give_back()


FREE: Payment = Payment()
"""A payment with nothing to give back."""


def _is_free(error: Exception) -> bool:
    return isinstance(error, RateLimitError) and bool(error.retry_after)


PROCESS_BUDGET: RetryBudget = RetryBudget()
"""The budget of all calls that have none of their own."""


def _unlock_all() -> None:
    for budget in tuple(_budgets):
        budget.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)


def set_retry_budget(ratio: float = 0.1, reserve: float = 10.0) -> None:
    """Set how many retries this process may make, all calls without a budget of their own together.

    `ratio`: retries for each first attempt, over time. `reserve`: retries a minute that are there whatever the traffic.
    Retries that succeed, and those after a rate limit with a named wait, do not count; those after a server error do.
    `set_retry_budget(reserve=math.inf)` sets no limit. Raises `ValueError` for negative numbers.
    """
    PROCESS_BUDGET.set(ratio, reserve)
