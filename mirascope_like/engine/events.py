"""Events of calls and tools, for those who watch them: logs, tracing, limits, progress.

A subscriber is a function that takes an event. It is called where the event happens (on the event loop in async code),
before the call continues, so it must be quick; slow work belongs in a thread of its own. A stream that was dropped
before its end is reported when it is collected, on any thread. An error in a subscriber never reaches the call: it
becomes a warning, once. Without subscribers nothing is measured or made.

Each call that starts ends once, however it ends. Its events go to the subscribers that listened when it started and
still do. `unfinished_calls` returns the calls that have not ended, for a subscriber that stops listening before they
do. A forked child does not report its parent's calls.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any, Self, TypeAlias, TypedDict
from weakref import WeakMethod

from ..errors import error_text
from ..schema.pickling import reduce_dataclass
from ..types.content import ToolCall, ToolOutput
from ..types.messages import AssistantMessage, Message
from ..types.tool_errors import to_picklable
from .plan import Plan
from .results import CallId, Result
from .scoped_variables import Scope, ScopedVariable


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a call or a tool.

    `call_id` identifies the call of the model, or the run of a tool. `parent_id` is the `call_id` of what it is part
    of: of a tool, the call whose response asked for it; of a call, the tool that makes it; else `None`. `time` is in
    UTC.
    """

    call_id: str
    parent_id: str | None = None
    time: datetime = field(default_factory=partial(datetime.now, UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """A call of a model begins: it waits for its turn, then sends its first request.

    `messages` are those of the request. `tool_call` is the tool call whose tool makes this call, `tenant` is the label
    of the innermost `llm.log(…, tenant=…)`.
    """

    model_id: str
    messages: Sequence[Message] = field(repr=False)
    streamed: bool
    tool_call: ToolCall | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Event):
    """A request of a call is ready, and is sent now. `number` is 1 for the first; `waited` is how many seconds it
    waited for its turn among the calls that began at the same time."""

    number: int
    model_id: str
    provider_id: str
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """A request failed. Another one may follow."""

    number: int
    error: BaseException

    def __reduce__(self) -> tuple[partial[AttemptFailed], tuple[()]]:
        return reduce_dataclass(self, error=to_picklable(self.error))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstChunk(Event):
    """The first content of a response arrived. Each response of a call that begins anew has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """A call of a model is over.

    `result` is the response, or what there is of it; `None` if the call ended before a request was ready. `error` is
    what the call failed with. `duration` is in seconds, with all attempts and waits.
    """

    started: CallStarted
    result: Result | None = field(repr=False)
    error: BaseException | None = None
    duration: float
    subscriptions: Sequence[Subscription] = field(default=(), repr=False, compare=False)
    """Those that heard of the call's start, and still listen."""

    @property
    def message(self) -> AssistantMessage | None:
        """The response as a message; `None` if the model said nothing."""
        if self.result is None or (self.error is not None and not self.result.reply.content):
            return None
        return self.result.message

    def __reduce__(self) -> tuple[partial[CallEnded], tuple[()]]:
        error = None if self.error is None else to_picklable(self.error)
        return reduce_dataclass(self, error=error, subscriptions=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted(Event):
    """A tool begins to run."""

    tool_call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded(Event):
    """A tool has run. `output` is what the model receives (its `error` is set if the tool failed); `None` if the tool
    was interrupted, by `error`. `duration` is in seconds."""

    tool_call: ToolCall
    output: ToolOutput[Any] | None
    error: BaseException | None = None
    duration: float


ENDS_PROGRAM = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""The exceptions that are neither errors nor cancellations."""
Subscriber: TypeAlias = Callable[[Event], object]


class Subscription:
    """A subscriber that listens. `raw`: it wants the raw events of streams, which are not kept otherwise."""

    def __init__(self, callback: Subscriber, *, raw: bool) -> None:
        self.raw = raw
        self._callback = callback
        self._has_warned = False

    def open(self) -> None:
        """Listen to the calls and tools that start from now on."""
        _subscriptions[self] = True

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self in _subscriptions

    def notify(self, event: Event) -> None:
        """Call the subscriber. Its error becomes a warning."""
        try:
            self._callback(event)
        except ENDS_PROGRAM:
            raise
        except BaseException as error:  # a cancellation that it raises is not the call's
            if not self._has_warned:
                self._has_warned = True
                self._warn(error)

    def close(self) -> None:
        """Listen no more."""
        _subscriptions.pop(self, None)

    def _warn(self, error: BaseException) -> None:
        with suppress(Exception):  # where warnings are errors, or its repr fails, it is not the call's error
            warnings.warn(
                f"A subscriber to events failed ({self._callback!r}: {type(error).__name__}: {error_text(error)}). "
                "Further failures of it are not reported.",
                RuntimeWarning,
                stacklevel=2,
            )


# Changed by single operations only, so it needs no lock.
_subscriptions: dict[Subscription, bool] = {}


class _Ids(TypedDict):
    call_id: str
    parent_id: str | None


def _notify(subscriptions: Sequence[Subscription], event: Event) -> None:
    """Notify all, even if one of them ends the program."""
    with ExitStack() as notifications:
        for subscription in reversed(subscriptions):
            if subscription.is_open:
                notifications.callback(subscription.notify, event)


def subscribe(callback: Subscriber, *, raw: bool = False) -> Callable[[], None]:
    """Call `callback` with the events of all calls and tools of this process that start from now on, of both APIs.

    Events are `CallStarted`, `AttemptStarted`, `AttemptFailed`, `FirstChunk`, `CallEnded`, `ToolStarted` and
    `ToolEnded`; others may follow, so ignore those that you do not know. `callback` is called where they happen, before
    the call continues: it must be quick, must not block an event loop, and may be called from any thread. An error that
    it raises becomes a `RuntimeWarning`, once.

    With `raw`, streams keep the provider's events, as in `StreamResponse.raw_stream_events`.

    Returns a function that ends the subscription.
    """
    subscription = Subscription(callback, raw=raw)
    subscription.open()
    return subscription.close


def has_subscribers() -> bool:
    """Return whether anybody listens."""
    return bool(_subscriptions)


# -- where calls are made ---------------------------------------------------------------------------------------------


class ToolReporter:
    """Reports the run of a tool, as a context manager. Calls of models that are made inside are part of it."""

    def __init__(self, tool_call: ToolCall, parent_id: CallId | None) -> None:
        self.id: CallId = CallId()
        self.tool_call = tool_call
        self.output: ToolOutput[Any] | None = None
        """What the model receives, once it is known."""
        self.error: BaseException | None = None
        """Why there is no output."""
        self._parent_id = parent_id
        self._subscriptions = tuple(_subscriptions)
        self._clock = perf_counter()
        self._scope: Scope[ToolReporter] | None = None

    def __enter__(self) -> Self:
        if self._subscriptions:
            self._notify(ToolStarted(**self._ids(), tool_call=self.tool_call))
        self._scope = _tool_run.enter(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._scope is not None:
            _tool_run.leave(self._scope)
        if self._subscriptions:
            self._notify(
                ToolEnded(
                    **self._ids(),
                    tool_call=self.tool_call,
                    output=self.output,
                    error=self.error if error is None else error,
                    duration=perf_counter() - self._clock,
                )
            )

    def _ids(self) -> _Ids:
        return {"call_id": str(self.id), "parent_id": None if self._parent_id is None else str(self._parent_id)}

    def _notify(self, event: Event) -> None:
        _notify(self._subscriptions, event)


_tool_run: ScopedVariable[ToolReporter] = ScopedVariable("mirascope_like_tool_run")
_tenant: ScopedVariable[str] = ScopedVariable("mirascope_like_tenant")


def set_tenant(tenant: str) -> Callable[[], None]:
    """Label the calls that are made in this context, until the returned function is called."""
    return partial(_tenant.leave, _tenant.enter(tenant))


# -- calls ------------------------------------------------------------------------------------------------------------


def report_call(
    id: CallId, plan: Plan, snapshot: Callable[[], Result | None], *, streamed: bool
) -> CallReporter | None:
    """Return what reports the events of a call; `None` without subscribers.

    `snapshot` is a method that returns the response so far. Only a weak reference to it is kept, so that a stream can
    still be collected.
    """
    return CallReporter(id, plan, snapshot, streamed=streamed) if _subscriptions else None


def unfinished_calls(error: BaseException) -> list[CallEnded]:
    """Return the calls that were sent and have not ended, as if `error` had ended them now."""
    calls = (each.interrupted(error) for each in tuple(_under_way))
    return [call for call in calls if call is not None]


class CallReporter:
    """Reports the events of one call."""

    def __init__(self, id: CallId, plan: Plan, snapshot: Callable[[], Result | None], *, streamed: bool) -> None:
        self._snapshot = WeakMethod(snapshot)
        self._clock = perf_counter()
        self._subscriptions = tuple(_subscriptions)
        self._number = 0
        self._has_content = False
        run = _tool_run.innermost
        self._started = CallStarted(
            call_id=str(id),
            parent_id=None if run is None else str(run.id),
            model_id=plan.model_id,
            messages=plan.messages,
            streamed=streamed,
            tool_call=None if run is None else run.tool_call,
            tenant=_tenant.innermost,
        )

    def start(self) -> None:
        """Report the start of the call."""
        _under_way[self] = True
        self._notify(self._started)

    @property
    def wants_raw(self) -> bool:
        """Whether a subscriber wants the raw events of streams."""
        return any(each.raw for each in self._subscriptions)

    def start_attempt(self, model_id: str, provider_id: str, waited: float) -> None:
        """Report that a request is sent."""
        self._number += 1
        self._has_content = False
        self._notify(
            AttemptStarted(
                **self._ids(), number=self._number, model_id=model_id, provider_id=provider_id, waited=waited
            )
        )

    def note_content(self) -> None:
        """Report the first content of a response, once."""
        if not self._has_content:
            self._has_content = True
            self._notify(FirstChunk(**self._ids()))

    def fail_attempt(self, error: BaseException) -> None:
        """Report that a request failed."""
        self._notify(AttemptFailed(**self._ids(), number=self._number, error=error))

    def end(self, result: Result | None, error: BaseException | None) -> None:
        """Report the end of the call, the first time."""
        if _under_way.pop(self, False):
            self._notify(self._ended(result, error))

    def interrupted(self, error: BaseException) -> CallEnded | None:
        """Return the end of the call as if `error` had ended it now; `None` if no request was ready."""
        method = self._snapshot()
        result = None if method is None else method()
        return None if result is None else self._ended(result, error)

    def _ended(self, result: Result | None, error: BaseException | None) -> CallEnded:
        return CallEnded(
            **self._ids(),
            started=self._started,
            result=result,
            error=error,
            duration=perf_counter() - self._clock,
            subscriptions=tuple(each for each in self._subscriptions if each.is_open),
        )

    def _ids(self) -> _Ids:
        return {"call_id": self._started.call_id, "parent_id": self._started.parent_id}

    def _notify(self, event: Event) -> None:
        _notify(self._subscriptions, event)


# Removing a reporter from here claims the right to report its end, so it is changed by single operations only.
_under_way: dict[CallReporter, bool] = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)
