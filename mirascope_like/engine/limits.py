"""The time limits of one call, and of one tool.

Connecting and silence are the transport's; the rest is kept here: the whole call, the first token, tools. What runs
inside a limit inherits it: a call that a tool makes ends when the tool's time is up.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..errors import TimeoutError, ToolExecutionError
from ..types.params import Params
from ..types.timeout import Timeout, as_timeout
from .runtime import Job, Runtime
from .scoped_variables import Scope, ScopedVariable
from .threads import Late

T = TypeVar("T")

_ADVICE = {
    "total": "Allow more with timeout=llm.Timeout(total=…), or ask for less.",
    "first_token": "Allow more with timeout=llm.Timeout(first_token=…), or try another model.",
    "deadline": "It is that of the tool, or of the call around this one.",
}

# When what is around this call must have ended, by `Runtime.clock`.
_deadline: ScopedVariable[float] = ScopedVariable("mirascope_like_deadline")


class Limits:
    """The time limits of one call. The clock starts when this object is created."""

    def __init__(self, runtime: Runtime, params: Params) -> None:
        self._runtime = runtime
        self._timeout: Timeout = as_timeout(params.get("timeout"))
        self._ends: dict[str, float] = {}  # when which limit of the whole call is reached
        self._patience: float | None = None  # seconds for which the first token may still be waited for
        if (around := _deadline.innermost) is not None:
            self._ends["deadline"] = around
        if self._timeout.total is not None:
            self._ends["total"] = runtime.clock() + self._timeout.total

    @property
    def left(self) -> float | None:
        """Seconds left of the whole call; `None` if it has no limit."""
        return min(self._ends.values()) - self._runtime.clock() if self._ends else None

    @property
    def over(self) -> bool:
        """Whether the whole call's time is up."""
        return self.left is not None and self.left <= 0

    def await_content(self) -> None:
        """An attempt at a stream begins: its first token is awaited, whenever the server is waited for."""
        self._patience = self._timeout.first_token

    def content_came(self) -> None:
        """There is no more waiting for the first token."""
        self._patience = None

    def opening(self, job: Job[T], discard: Callable[[T], Awaitable[object]]) -> Awaitable[T]:
        """The result of a job that reaches a server; if it comes too late, `discard` gets it. Raises `TimeoutError`."""
        if not self._ends and self._patience is None:
            return job()
        return self._limited(lambda seconds: self._runtime.within(seconds, job, discard))

    def reading(self, job: Job[T], close: Job[None]) -> Awaitable[T]:
        """The result of a job that waits for a server's answer, which `close` ends. Raises `TimeoutError`."""
        if not self._ends and self._patience is None:
            return job()
        return self._limited(lambda seconds: self._runtime.read_within(seconds, job, close))

    async def _limited(self, limited: Callable[[float], Awaitable[T]]) -> T:
        begun = self._runtime.clock()
        name, end = self._next_end(begun)
        try:
            if end > begun:
                return await limited(end - begun)
        except Late:
            pass
        except TimeoutError:
            # The transport was not to wait any longer either, and may have noticed first.
            if self._runtime.clock() < end:
                raise
        finally:
            if self._patience is not None:
                self._patience -= self._runtime.clock() - begun
        raise TimeoutError(self._message(name))

    def _next_end(self, now: float) -> tuple[str, float]:
        """The limit that is reached first, and when, if the server is waited for from now on."""
        ends = self._ends if self._patience is None else {**self._ends, "first_token": now + self._patience}
        return min(ends.items(), key=lambda end: end[1])

    def _message(self, name: str) -> str:
        seconds: float | None = getattr(self._timeout, name, None)
        what = "No content came" if name == "first_token" else "The call did not end"
        within = "in the time that was left" if seconds is None else f"within {seconds:g} s (timeout: {name})"
        return f"{what} {within}. {_ADVICE[name]}"


async def invoke_within(runtime: Runtime, seconds: float | None, fn: Callable[[], Any]) -> Any:
    """Run a tool's function for so many seconds at most, and no longer than the tool around it. Calls that it makes end
    with it.

    Raises `ToolExecutionError` when its time is over.
    """
    if seconds is None and _deadline.innermost is None:
        return await runtime.invoke(fn)
    clock = _ToolClock(runtime, seconds)
    try:
        return await runtime.invoke_within(clock.left, fn)
    except Late:
        raise ToolExecutionError(clock.message) from None
    finally:
        clock.stop()


class _ToolClock:
    """Measures the time of a tool's function, from when it starts."""

    def __init__(self, runtime: Runtime, seconds: float | None) -> None:
        self._runtime = runtime
        self._seconds = math.inf if seconds is None else seconds
        self._around = min((math.inf, *_deadline))
        self._end = math.inf
        self._scope: Scope[float] | None = None

    def left(self) -> float:
        """Seconds that the function may still take. The first call starts the clock."""
        now = self._runtime.clock()
        if self._scope is None:
            self._end = min(now + self._seconds, self._around)
            self._scope = _deadline.enter(self._end)
        return self._end - now

    def stop(self) -> None:
        """Let calls no longer end with the function."""
        if self._scope is not None:
            _deadline.leave(self._scope)

    @property
    def message(self) -> str:
        """Why the function was given up."""
        if self._end < self._around:
            return f"The tool took longer than {self._seconds:g} s, and was given up."
        return "The tool was given up: the time of the tool around it is over."
