"""Telling others of calls: each one, of every face, when it is finished, well or not.

An observer is a function that takes a `FinishedCall`. It is called where the call was made (on the event loop in async
code), before the caller goes on, so it has to be quick; what takes long belongs in a thread of its own. A stream that
was dropped before its end is told of when it is collected, on whatever thread. What an observer raises never reaches
the call: it becomes a warning, once. While nobody listens, nothing is measured and nothing is made.

Each call ends once, however it ends. It is reported to the observers that were listening when it began, and that still
are. `unfinished_calls` returns the calls that were sent and have not ended, for an observer that stops listening before
they do. A forked child does not report its parent's calls.

What is refused before anything is sent (no provider, no key) is no call.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias
from weakref import WeakMethod

from ..types.chunks import Reply
from ..types.content import ToolCall
from ..types.messages import AssistantMessage
from .plan import Plan, Prepared
from .scopes import ScopedVariable

__all__ = [
    "CallId",
    "FinishedCall",
    "Observer",
    "Outcome",
    "Watch",
    "is_observed",
    "observe",
    "set_tenant",
    "unfinished_calls",
    "watch",
    "within_tool",
]


Observer: TypeAlias = Callable[["FinishedCall"], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A call that is over.

    `plan` is what was asked of the last model that was tried; `prepared` is the last request made ready. `reply` is the
    answer; if `error` is set, what there was of it. `started` is in UTC; `duration` is in seconds, with all attempts.
    `tool_call` is the one in whose tool this call was made, `tenant` the one that it was made for. `raw` is the answer
    in the provider's words: parsed JSON, or the text of each event of a stream. `observers` are those that were
    listening when the call began, and that still are.
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
    tenant: str | None = None
    observers: Sequence[Observer] = field(default=(), repr=False, compare=False)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a call, or its state so far. The fields are those of `FinishedCall`."""

    plan: Plan
    prepared: Prepared
    reply: Reply | None = None
    error: BaseException | None = None
    raw: Any = None


class _Registration:
    """An observer that is listening."""

    def __init__(self, callback: Observer) -> None:
        self.callback = callback
        self._has_warned = False

    def tell(self, call: FinishedCall) -> None:
        try:
            self.callback(call)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        with suppress(RuntimeWarning):  # where warnings are errors, it is not the call's error
            warnings.warn(
                f"An observer of calls failed ({self.callback!r}: {type(error).__name__}: {error}). "
                "Further failures of it are not reported.",
                RuntimeWarning,
                stacklevel=2,
            )


# Changed by single operations only, so it needs no lock.
_observers: dict[_Registration, bool] = {}


def observe(callback: Observer) -> Callable[[], None]:
    """Tell `callback` of every call that begins from now on, until the function that is returned is called."""
    registration = _Registration(callback)
    _observers[registration] = True

    def remove() -> None:
        _observers.pop(registration, None)

    return remove


def is_observed() -> bool:
    """Whether anybody listens."""
    return bool(_observers)


# -- where calls are made ---------------------------------------------------------------------------------------------


_tool_call: ScopedVariable[ToolCall] = ScopedVariable("mirascope_like_tool_call")


def within_tool(call: ToolCall) -> AbstractContextManager[None]:
    """Calls that are made in here are made by the tool of `call`."""
    return _tool_call.holding(call)


_tenant: ScopedVariable[str] = ScopedVariable("mirascope_like_tenant")


def set_tenant(tenant: str) -> Callable[[], None]:
    """Label the calls that are made in this context, until the returned function is called."""
    return partial(_tenant.leave, _tenant.enter(tenant))


class CallId:
    """The id of a call, for `str`: the one in its plan's labels, else a random one, made when it is first needed."""

    __slots__ = ("_made",)

    def __init__(self, plan: Plan) -> None:
        given = plan.labels.get("id")
        self._made: dict[str, str] = {"id": given} if given else {}

    def __str__(self) -> str:
        return self._made.get("id") or self._made.setdefault("id", os.urandom(16).hex())  # one for all threads


def watch(id: CallId, outcome: Callable[[], Outcome | None]) -> Watch | None:
    """Begin to watch a call, if there are observers.

    `outcome` is a method that returns the state of the call so far; `None` while nothing has been sent. Only a weak
    reference to it is kept, so that a stream can still be collected.
    """
    return Watch(id, outcome) if _observers else None


def unfinished_calls(error: BaseException) -> list[FinishedCall]:
    """Return the calls that were sent and have not ended, as if `error` had ended them now."""
    calls = (each.interrupted(error) for each in tuple(_under_way))
    return [call for call in calls if call is not None]


class Watch:
    """A call that has begun, and whose end is reported once."""

    def __init__(self, id: CallId, outcome: Callable[[], Outcome | None]) -> None:
        self._id = id
        self._outcome = WeakMethod(outcome)
        self._started = datetime.now(UTC)
        self._clock = perf_counter()
        self._tool_call = _tool_call.innermost
        self._tenant = _tenant.innermost
        self._registrations = tuple(_observers)
        _under_way[self] = True

    def ended(self, outcome: Outcome | None) -> None:
        """Report the end of the call to its observers, the first time; `None` if nothing was sent."""
        if not _under_way.pop(self, False) or outcome is None:
            return
        listening = self._listening()
        if listening:
            call = self._finished(outcome, outcome.error)
            for registration in listening:
                registration.tell(call)

    def interrupted(self, error: BaseException) -> FinishedCall | None:
        """Return the call as if `error` had ended it now; `None` if nothing was sent."""
        method = self._outcome()
        outcome = None if method is None else method()
        return None if outcome is None else self._finished(outcome, error)

    def _listening(self) -> list[_Registration]:
        """Return those that were listening when the call began, and that still are."""
        return [each for each in self._registrations if each in _observers]

    def _finished(self, outcome: Outcome, error: BaseException | None) -> FinishedCall:
        return FinishedCall(
            id=str(self._id),
            plan=outcome.plan,
            prepared=outcome.prepared,
            reply=outcome.reply,
            error=error,
            started=self._started,
            duration=perf_counter() - self._clock,
            tool_call=self._tool_call,
            raw=outcome.raw,
            tenant=self._tenant,
            observers=tuple(each.callback for each in self._listening()),
        )


# Removing a watch from here claims the right to report its end, so it is changed by single operations only.
_under_way: dict[Watch, bool] = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)
