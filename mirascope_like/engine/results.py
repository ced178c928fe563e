"""What is kept of a call: its response, and what its continuation needs. No request, key, header or connection.

`Plan` is what a continuation is made from: messages, tools, format, params, context, provider and retry settings, all
by reference. `Result` adds what the response brought. Both can be pickled and deep-copied. A pickle holds no API key:
it leaves out the provider, the context and the headers that the caller set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import field, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..errors import RetryFailure
from ..schema.formats import AnyFormat
from ..schema.pickling import reduce_dataclass
from ..types.chunks import Reply
from ..types.immutable import immutable
from ..types.messages import AssistantMessage
from ..types.tool_errors import to_picklable
from ..wire.response_headers import rate_limits

if TYPE_CHECKING:
    from ..types.rate_limits import RateLimits
    from .plan import Plan


class State(Enum):
    """The state of a call; `DONE`, `FAILED` and `CLOSED` are final."""

    NEW = auto()
    SENDING = auto()
    READING = auto()
    WAITING = auto()
    DONE = auto()
    FAILED = auto()
    CLOSED = auto()


class CallId:
    """The id of a call, for `str`: the one in its plan's labels, else a random one, made when it is first needed."""

    __slots__ = ("_made",)

    def __init__(self, given: str | None = None) -> None:
        self._made: dict[str, str] = {"id": given} if given else {}

    def __str__(self) -> str:
        return self._made.get("id") or self._made.setdefault("id", os.urandom(16).hex())  # one for all threads

    def __reduce__(self) -> tuple[type[CallId], tuple[str]]:
        return CallId, (str(self),)


@immutable
class Result:
    """A response. Of a call that is not over: the response so far.

    `plan` is the plan of the last attempt, `model` the model's name as it was sent, `failures` are the attempts before
    it. `error` is what the call failed with, or was closed with. `body` is the body of a whole response, as parsed
    JSON; `raw_events` are the events of a stream as JSON text, `None` unless they were kept. `continues` tells how
    the response continues one that broke off.
    """

    call_id: CallId
    plan: Plan = field(repr=False)
    state: State
    reply: Reply
    provider_id: str
    model: str
    format: AnyFormat | None = None
    continues: Literal["prefill", "restart"] | None = None
    streamed: bool = False
    failures: Sequence[RetryFailure] = ()
    error: BaseException | None = None
    body: Any = field(default=None, repr=False)
    raw_events: Sequence[str] | None = field(default=None, repr=False)
    request_id: str | None = None
    rate_limit_headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def provider_model_name(self) -> str:
        """The provider's name of the model that responded; the name that was sent if the provider gave none."""
        return self.reply.provider_model_name or self.model

    @property
    def rate_limits(self) -> RateLimits | None:
        """What the server allows in its current period; `None` if it does not say."""
        return rate_limits(self.rate_limit_headers)

    @property
    def message(self) -> AssistantMessage:
        """The response as a message of the conversation."""
        return AssistantMessage(
            content=self.reply.content,
            provider_id=self.provider_id,
            model_id=self.plan.model_id,
            provider_model_name=self.provider_model_name,
            raw_message=self.reply.raw_message,
        )

    def __reduce__(self) -> tuple[partial[Result], tuple[()]]:
        return reduce_dataclass(self, error=None if self.error is None else to_picklable(self.error))

    def __copy__(self) -> Result:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Result:
        kept = {name: deepcopy(getattr(self, name), memo) for name in ("plan", "reply", "body", "raw_events")}
        return replace(self, **kept)
