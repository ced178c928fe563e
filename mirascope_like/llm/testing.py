"""A model with scripted responses, to test code that calls models without a network.

    model = llm.scripted([llm.ToolCall(id="1", name="fetch_weather", args='{"city": "Tokyo"}')], "It is sunny.")
    with model:
        response = weather_assistant("What's the weather in Tokyo?")
    assert model.requests[0]["messages"] == [...]

Responses use the real wire protocol, streamed if the call streams, so everything but the network is real.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..engine.providers import Provider
from ..engine.requests import HTTPEndpoint
from ..transport.base import HttpReply, HttpRequest
from ..transport.in_memory import MemoryTransport, StreamedBody
from ..types.chunks import FinishReason, Usage
from ..types.content import AssistantContentPart
from ..types.messages import AssistantMessage, Message, assistant
from ..wire.features import Features, get_chat_dialect
from ..wire.openai_chat.codec import OpenAIChat
from ..wire.openai_chat.scripted_responses import encode_events, encode_response, encode_unfinished_events
from .models import Model

_Piece: TypeAlias = str | AssistantContentPart | FinishReason | Usage | Exception
_Said: TypeAlias = _Piece | Sequence[_Piece] | AssistantMessage
ScriptedReply: TypeAlias = _Said | Callable[[dict[str, Any]], _Said]
"""What a scripted model does at one request: says text or parts, raises an error, or decides by the request's body.
Among the parts may stand why the answer ended, what it took, and an error that breaks it off."""


@dataclass(frozen=True, slots=True)
class _ScriptedProvider:
    transport: MemoryTransport
    id: str = "scripted"

    def endpoint(self, name: str, messages: Sequence[Message]) -> HTTPEndpoint:
        return HTTPEndpoint(
            provider_id=self.id,
            model=name,
            codec=OpenAIChat(get_chat_dialect("scripted")),
            transport=self.transport,
            base_url="http://scripted",
            features=Features(strict_format=True, strict_tools=True, json_object=True),
        )


class ScriptedModel(Model):
    """See `scripted`. `requests` are the JSON bodies that were sent, in order."""

    def __init__(self, replies: Iterable[ScriptedReply], model_id: str) -> None:
        super().__init__(model_id)
        self._provide()
        self.requests: list[dict[str, Any]] = []
        self._replies = iter(replies)

    def _provide(self) -> None:
        self.provider_override: Provider | None = _ScriptedProvider(MemoryTransport(self._answer))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._provide()

    def _answer(self, request: HttpRequest) -> HttpReply | StreamedBody:
        body: dict[str, Any] = json.loads(request.body)
        self.requests.append(body)
        try:
            reply = next(self._replies)
        except StopIteration:
            raise LookupError(f"The script has no reply for request {len(self.requests)}.") from None
        return _answered(_pieces(reply, body), streamed=bool(body.get("stream")))


def scripted(*replies: ScriptedReply, repeat: bool = False, model_id: str = "scripted/model") -> ScriptedModel:
    """A model that gives one of `replies` after the other, and then raises `LookupError`; or, with `repeat`, starts
    over. Among the parts of a reply, a `FinishReason` says why it ended, a `Usage` what it took, and an error
    at the end is raised once what stands before it was streamed.

    Raises `TypeError` for parts, and `ValueError` for reasons, that chat completions have no words for. Use it as any
    model: `with model:` makes it stand in for the models of all decorated calls.
    """
    return ScriptedModel(itertools.cycle(replies) if repeat else replies, model_id)


def _pieces(reply: ScriptedReply, body: dict[str, Any]) -> Sequence[_Piece]:
    if isinstance(reply, AssistantMessage):
        return reply.content
    if callable(reply):
        return _pieces(reply(body), body)
    return reply if isinstance(reply, Sequence) and not isinstance(reply, str) else (reply,)


def _answered(pieces: Sequence[_Piece], *, streamed: bool) -> HttpReply | StreamedBody:
    parts = [piece for piece in pieces if not isinstance(piece, FinishReason | Usage | Exception)]
    content = assistant(parts).content
    reason = next((piece for piece in pieces if isinstance(piece, FinishReason)), None)
    usage = next((piece for piece in pieces if isinstance(piece, Usage)), None)
    error = next((piece for piece in pieces if isinstance(piece, Exception)), None)
    if error is not None:
        if streamed and parts:
            return StreamedBody(encode_unfinished_events(content), error=error)
        raise error
    if streamed:
        return StreamedBody(encode_events(content, reason, usage))
    return HttpReply(200, {"content-type": "application/json"}, encode_response(content, reason, usage))
