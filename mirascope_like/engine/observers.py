"""Telling others of calls: each one, of every face, when it is finished, well or not.

An observer is a function that takes a `FinishedCall`. It is called where the call was made (on the event loop in async
code), before the caller goes on, so it has to be quick; what takes long belongs in a thread of its own. What it raises
never reaches the call: it becomes a warning, once. While nobody listens, nothing is measured and nothing is made.

What is refused before anything is sent (no provider, no key) is no call. A stream that is opened and dropped without
being read is not told of.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from ..errors import FeatureNotSupportedError, MissingAPIKeyError, NoRegisteredProviderError, ProviderError
from ..values.chunks import Reply
from ..values.content import ToolCall
from ..values.messages import AssistantMessage
from .plan import Plan, Prepared
from .runtime import Runtime

if TYPE_CHECKING:
    from .streams import LiveStream

__all__ = ["FinishedCall", "Observer", "Watch", "is_observed", "observe", "observed", "watch", "within_tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A call that is over.

    `reply` is the answer; if `error` is set, what there was of it. `prepared` is what was sent, `None` if the call
    failed before or instead. `started` is in UTC, `duration` in seconds. `tool_call` is the one in whose tool this call
    was made. `raw` is the answer in the provider's words: parsed JSON, or the text of each event of a stream.
    """

    id: str
    plan: Plan = field(repr=False)
    prepared: Prepared | None = field(repr=False)
    reply: Reply | None
    error: BaseException | None
    started: datetime
    duration: float
    streamed: bool
    tool_call: ToolCall | None
    raw: Any = field(repr=False)

    @property
    def provider_id(self) -> str | None:
        """Who was asked; `None` if nobody could be."""
        if self.prepared is not None:
            return self.prepared.endpoint.provider_id
        return self.error.provider if isinstance(self.error, ProviderError) else None

    @property
    def message(self) -> AssistantMessage | None:
        """What the model said, as the message that goes on in the conversation; `None` if it said nothing."""
        if self.prepared is None or self.reply is None or (self.error is not None and not self.reply.content):
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


class _Finished(Protocol):
    """An answer and what it answers."""

    @property
    def plan(self) -> Plan: ...
    @property
    def prepared(self) -> Prepared: ...
    @property
    def reply(self) -> Reply: ...
    @property
    def raw(self) -> Any: ...


A = TypeVar("A", bound=_Finished)

_REFUSALS = (FeatureNotSupportedError, MissingAPIKeyError, NoRegisteredProviderError)

_tool_call: ContextVar[ToolCall | None] = ContextVar("mirascope_like_tool_call", default=None)


@contextmanager
def within_tool(call: ToolCall) -> Generator[None]:
    """Calls that are made in here are made by the tool of `call`."""
    token = _tool_call.set(call)
    try:
        yield
    finally:
        _tool_call.reset(token)


def observed(
    ask: Callable[[Runtime, Plan], Coroutine[Any, Any, A]],
) -> Callable[[Runtime, Plan], Coroutine[Any, Any, A]]:
    """A function that asks, and tells the observers."""

    @wraps(ask)
    def asking(runtime: Runtime, plan: Plan) -> Coroutine[Any, Any, A]:
        return _told(plan, ask(runtime, plan)) if _observers else ask(runtime, plan)

    return asking


async def _told(plan: Plan, asking: Coroutine[Any, Any, A]) -> A:
    watch = Watch(plan)
    try:
        answer = await asking
    except BaseException as error:
        watch.failed(error)
        raise
    watch.answered(answer)
    return answer


def watch(plan: Plan) -> Watch | None:
    """The beginning of a call, if anybody wants to know of it."""
    return Watch(plan) if _observers else None


class Watch:
    """A call that has begun and has to be told of, once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._started = datetime.now(UTC)
        self._clock = perf_counter()
        self._tool_call = _tool_call.get()
        self._is_over = False

    def answered(self, answer: _Finished) -> None:
        """It has a whole answer."""
        self._tell(answer.plan, answer.prepared, answer.reply, None, answer.raw, streamed=False)

    def failed(self, error: BaseException) -> None:
        """It has no answer, or not all of it."""
        if not isinstance(error, _REFUSALS):
            self._tell(self._plan, None, getattr(error, "partial", None), error, None, streamed=False)

    def went_on(self, stream: LiveStream) -> None:
        """Its stream has been read on, and may be over, well or not."""
        if stream.finished or stream.failure is not None:
            streamed = stream.prepared.request.stream
            raw = stream.raw if streamed else stream.body
            self._tell(stream.plan, stream.prepared, stream.reply, stream.failure, raw, streamed=streamed)

    def _tell(
        self,
        plan: Plan,
        prepared: Prepared | None,
        reply: Reply | None,
        error: BaseException | None,
        raw: Any,
        *,
        streamed: bool,
    ) -> None:
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
            streamed=streamed,
            tool_call=self._tool_call,
            raw=raw,
        )
        for registration in tuple(_observers.values()):
            registration.tell(call)
