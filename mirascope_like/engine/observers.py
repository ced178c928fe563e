"""Telling others of calls: each one, of every face, when it is finished, well or not.

An observer is a function that takes a `FinishedCall`. It is called where the call was made (on the event loop in async
code), before the caller goes on, so it has to be quick; what takes long belongs in a thread of its own. A stream that
was dropped before its end is told of when it is collected, on whatever thread. What an observer raises never reaches
the call: it becomes a warning, once. While nobody listens, nothing is measured and nothing is made.

What is refused before anything is sent (no provider, no key) is no call.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeAlias

from ..values.chunks import Reply
from ..values.content import ToolCall
from ..values.messages import AssistantMessage
from .plan import Plan, Prepared
from .scopes import ScopedVariable

__all__ = ["FinishedCall", "Observer", "Watch", "is_observed", "observe", "watch", "within_tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A call that is over.

    `plan` is what was asked of the last model that was tried; `prepared` is the last request made ready. `reply` is the
    answer; if `error` is set, what there was of it. `started` is in UTC; `duration` is in seconds, with all attempts.
    `tool_call` is the one in whose tool this call was made. `raw` is the answer in the provider's words: parsed JSON,
    or the text of each event of a stream.
    """

    id: str
    plan: Plan = field(repr=False)
    prepared: Prepared = field(repr=False)
    reply: Reply | None
    error: BaseException | None
    started: datetime
    duration: float
    tool_call: ToolCall | None
    raw: Any = field(repr=False)

    @property
    def streamed(self) -> bool:
        """Whether the answer was asked for as a stream."""
        return self.prepared.request.stream

    @property
    def provider_id(self) -> str:
        """Who was asked."""
        return self.prepared.endpoint.provider_id

    @property
    def message(self) -> AssistantMessage | None:
        """What the model said, as the message that goes on in the conversation; `None` if it said nothing."""
        if self.reply is None or (self.error is not None and not self.reply.content):
            return None
        return self.prepared.message(self.reply)


Observer: TypeAlias = Callable[[FinishedCall], object]


class _Registration:
    """An observer that is listening."""

    def __init__(self, callback: Observer) -> None:
        self._callback = callback
        self._has_warned = False

    def tell(self, call: FinishedCall) -> None:
        try:
            self._callback(call)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        with suppress(RuntimeWarning):  # where warnings are errors, it is not the call's error
            warnings.warn(
                f"An observer of calls failed ({self._callback!r}: {type(error).__name__}: {error}). "
                "Further failures of it are not reported.",
                RuntimeWarning,
                stacklevel=2,
            )


# Changed by single operations only, so it needs no lock.
_observers: dict[object, _Registration] = {}


def observe(callback: Observer) -> Callable[[], None]:
    """Tell `callback` of every call from now on, until the function that is returned is called."""
    key = object()
    _observers[key] = _Registration(callback)

    def remove() -> None:
        _observers.pop(key, None)

    return remove


def is_observed() -> bool:
    """Whether anybody listens."""
    return bool(_observers)


# -- where calls are made ---------------------------------------------------------------------------------------------


_tool_call: ScopedVariable[ToolCall] = ScopedVariable("mirascope_like_tool_call")


def within_tool(call: ToolCall) -> AbstractContextManager[None]:
    """Calls that are made in here are made by the tool of `call`."""
    return _tool_call.holding(call)


def watch() -> Watch | None:
    """The beginning of a call, if anybody wants to know of it."""
    return Watch() if _observers else None


class Watch:
    """A call that has begun and has to be told of, once."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self._clock = perf_counter()
        self._tool_call = _tool_call.innermost
        self._is_over = False

    def ended(
        self,
        plan: Plan,
        prepared: Prepared,
        reply: Reply | None = None,
        error: BaseException | None = None,
        raw: Any = None,
    ) -> None:
        """It is over, well or not. See `FinishedCall`."""
        if self._is_over:
            return
        self._is_over = True
        call = FinishedCall(
            id=plan.labels.get("id") or os.urandom(16).hex(),
            plan=plan,
            prepared=prepared,
            reply=reply,
            error=error,
            started=self._started,
            duration=perf_counter() - self._clock,
            tool_call=self._tool_call,
            raw=raw,
        )
        for registration in tuple(_observers.values()):
            registration.tell(call)
