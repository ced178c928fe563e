"""The three protocols as a server speaks them: the same reply in each, whole and as events, and what it says wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mirascope_like import llm
from mirascope_like.wire.openai_chat import scripted_responses as chat_server

from ..llm import messages_server, responses_server
from ..transport.server import Server

Parts = Iterable[llm.Text | llm.ToolCall]

TEXT = "Grüße, 世界! Here is 🦊 a whole answer."
MODEL = "test/model"


@dataclass(frozen=True)
class Protocol:
    """One wire protocol. `delta` finds the piece of text or arguments that an event's JSON brings, `end` is in the
    first event that proves the answer complete, and `failed` is what an event or a body says when the server failed."""

    name: str
    provider: str
    events_of: Callable[[list[llm.Text | llm.ToolCall]], list[bytes]]
    whole_of: Callable[[list[llm.Text | llm.ToolCall]], bytes]
    delta: Callable[[dict[str, Any]], str | None]
    end: bytes
    failed: dict[str, Any]

    def events(self, *parts: llm.Text | llm.ToolCall) -> list[bytes]:
        """The events of a streamed answer; without parts, of the one that says `TEXT`."""
        return self.events_of(list(parts) or [llm.Text(TEXT)])

    def whole(self, *parts: llm.Text | llm.ToolCall) -> bytes:
        """The body of a whole answer; without parts, of the one that says `TEXT`."""
        return self.whole_of(list(parts) or [llm.Text(TEXT)])

    @property
    def failure(self) -> bytes:
        """The event by which a server says, in the middle of a stream, that it is overloaded."""
        name = b"event: error\n" if self.name == "messages" else b""
        return name + b"data: %b\n\n" % json.dumps(self.failed).encode()

    def says(self, data: bytes) -> str:
        """What the complete events of these bytes bring: texts, and arguments of tool calls."""
        found = re.findall(rb"^data: (\{.*\})\r?\n\r?\n", data, re.MULTILINE)
        return "".join(self.delta(event) or "" for event in map(_parsed, found) if event)

    def register(self, server: Server, **options: Any) -> None:
        """Let the server play the models `test/…` in this protocol."""
        llm.register_provider(self.provider, scope="test/", base_url=server.url, api_key="key", **options)


def _chat_delta(event: dict[str, Any]) -> str | None:
    choices = event.get("choices") or [{}]
    delta = choices[0].get("delta", {})
    return delta.get("content") or "".join(call["function"]["arguments"] for call in delta.get("tool_calls", ()))


def _responses_delta(event: dict[str, Any]) -> str | None:
    said = ("response.output_text.delta", "response.function_call_arguments.delta")
    return event["delta"] if event.get("type") in said else None


def _messages_delta(event: dict[str, Any]) -> str | None:
    delta = event.get("delta", {})
    return delta.get("text") or delta.get("partial_json")


def _parsed(event: bytes) -> dict[str, Any] | None:
    try:
        return json.loads(event)
    except ValueError:
        return None


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


PROTOCOLS = (
    Protocol(
        "chat",
        "openai:completions",
        chat_server.encode_events,
        chat_server.encode_response,
        _chat_delta,
        b'"finish_reason":"',
        {"error": {"message": "Overloaded.", "type": "server_error", "code": 503}},
    ),
    Protocol(
        "responses",
        "openai:responses",
        responses_server.events,
        lambda parts: _json(responses_server.whole(parts)),
        _responses_delta,
        b'"response.completed"',
        {"type": "error", "error": {"message": "Overloaded.", "type": "server_error", "code": 503}},
    ),
    Protocol(
        "messages",
        "anthropic",
        messages_server.events,
        lambda parts: _json(messages_server.whole(parts)),
        _messages_delta,
        b'"message_stop"',
        {"type": "error", "error": {"message": "Overloaded.", "type": "overloaded_error"}},
    ),
)
