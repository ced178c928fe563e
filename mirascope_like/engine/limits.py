"""The time limits of one call, and of one tool.

Connecting and silence are the transport's; the rest is kept here: the whole call, the first token, tools. What runs
inside a limit inherits it: a call that a tool makes ends when the tool's time is up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from ..errors import TimeoutError, ToolExecutionError
from ..values.params import Params
from ..values.timeouts import Timeout, as_timeout
from .runtime import Job, Late, Runtime

__all__ = ["Limits", "invoke_within", "until"]

T = TypeVar("T")

_ADVICE = {
    "total": "Allow more with timeout=llm.Timeout(total=…), or ask for less.",
    "first_token": "Allow more with timeout=llm.Timeout(first_token=…), or try another model.",
    "deadline": "It is that of the tool, or of the call around this one.",
}

# When what is around this call must have ended, by `Runtime.clock`.
_deadline: ContextVar[float | None] = ContextVar("mirascope_like_deadline", default=None)


@contextmanager
def until(deadline: float) -> Generator[None]:
    """All calls inside end by this moment of `Runtime.clock`, if not earlier."""
    around = _deadline.get()
    token = _deadline.set(deadline if around is None else min(around, deadline))
    try:
        yield
    finally:
        _deadline.reset(token)


class Limits:
    """What a call's timeouts leave of it. Its time begins when this is made."""

    def __init__(self, runtime: Runtime, params: Params) -> None:
        self._runtime = runtime
        self._timeout: Timeout = as_timeout(params.get("timeout"))
        self._ends: dict[str, float] = {}  # when which limit is reached
        self._first_content_came = False
        if (around := _deadline.get()) is not None:
            self._ends["deadline"] = around
        if self._timeout.total is not None:
            self._ends["total"] = runtime.clock() + self._timeout.total

    @property
    def left(self) -> float | None:
        """Seconds left of the whole call; `None` if it has no limit."""
        ends = [end for name, end in self._ends.items() if name != "first_token"]
        return min(ends) - self._runtime.clock() if ends else None

    @property
    def over(self) -> bool:
        """Whether the whole call's time is up."""
        return self.left is not None and self.left <= 0

    def await_content(self) -> None:
        """An attempt at a stream begins: its first token is awaited from now on."""
        if self._timeout.first_token is not None:
            self._ends["first_token"] = self._runtime.clock() + self._timeout.first_token

    def content_came(self) -> None:
        """There is no more waiting for the first token."""
        self._ends.pop("first_token", None)

    def opening(self, job: Job[T], discard: Callable[[T], Awaitable[object]]) -> Awaitable[T]:
        """The result of a job that reaches a server; if it comes too late, `discard` gets it. Raises `TimeoutError`."""
        if not self._ends:
            return job()
        return self._limited(lambda seconds: self._runtime.within(seconds, job, discard))

    def reading(self, job: Job[T], close: Job[None]) -> Awaitable[T]:
        """The result of a job that waits for a server's answer, which `close` ends. Raises `TimeoutError`."""
        if not self._ends:
            return job()
        return self._limited(lambda seconds: self._runtime.read_within(seconds, job, close))

    async def _limited(self, limited: Callable[[float], Awaitable[T]]) -> T:
        name, end = min(self._ends.items(), key=lambda item: item[1])
        seconds = end - self._runtime.clock()
        try:
            if seconds > 0:
                return await limited(seconds)
        except Late:
            pass
        except TimeoutError:
            # The transport was not to wait any longer either, and may have noticed first.
            if self._runtime.clock() < end:
                raise
        raise TimeoutError(self._message(name))

    def _message(self, name: str) -> str:
        seconds: float | None = getattr(self._timeout, name, None)
        what = "No content came" if name == "first_token" else "The call did not end"
        within = "in the time that was left" if seconds is None else f"within {seconds:g} s (timeout: {name})"
        return f"{what} {within}. {_ADVICE[name]}"


async def invoke_within(runtime: Runtime, seconds: float, fn: Callable[[], Any]) -> Any:
    """Run a tool's function for no longer than so many seconds. Calls that it makes end with it.

    Raises `ToolExecutionError` when its time is up.
    """
    with until(runtime.clock() + seconds):
        try:
            return await runtime.invoke_within(seconds, fn)
        except Late:
            raise ToolExecutionError(f"The tool took longer than {seconds:g} s, and was given up.") from None
