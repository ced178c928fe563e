"""Vendors played by the loopback server, one protocol each: `WIRE.play(server, decide)`, then `WIRE.model(name)`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.wire.openai_chat import scripted_responses as chat_server

from ..conftest import Colour
from ..transport.server import Exchange, Server
from . import messages_server, responses_server

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
BOOK = '{"title": "Emma"}'
ENCRYPTED = "gAAAAA-opaque=="
"""What the responses server gives as encrypted reasoning."""

Parts: TypeAlias = Sequence[llm.Text | llm.ToolCall]
Body: TypeAlias = dict[str, Any]


class Book(BaseModel):
    title: str


@llm.tool(strict=True)
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


@dataclass(frozen=True)
class Wire:
    """A protocol, and the vendor that the loopback server is registered as."""

    provider: str
    suffix: str
    answer: Callable[[Exchange, Parts], None]

    def play(self, server: Server, decide: Callable[[Body], Parts | Body]) -> None:
        """Answer each request with parts, or refuse it with the body of a 400."""

        def answer(exchange: Exchange) -> None:
            decided = decide(exchange.request.json)
            if isinstance(decided, dict):
                exchange.json(decided, 400)
            else:
                self.answer(exchange, decided)

        server.answer = answer
        llm.register_provider(self.provider, base_url=server.url, api_key="key")

    def model(self, name: str, **params: Any) -> llm.Model:
        return llm.Model(f"{self.provider}/{name}{self.suffix}", **params)


def said(text: str = "Done.") -> Callable[[Body], Parts]:
    """A server that says this to everything."""
    return lambda body: [llm.Text(text)]


async def ask(colour: Colour, stream: bool, model: llm.Model, content: Any = "Hi", **options: Any) -> Any:
    """The response to a request, read to its end."""
    if not stream:
        return await colour.got(colour.ask(model, content, **options))
    response = await colour.got(colour.stream(model, content, **options))
    await colour.got(response.finish())
    return response


def bodies(server: Server) -> list[Body]:
    """What the server received."""
    return [received.json for received in server.received]


def _answer_chat(exchange: Exchange, parts: Parts) -> None:
    if exchange.request.json.get("stream"):
        exchange.stream(*chat_server.encode_events(parts))
    else:
        exchange.whole(chat_server.encode_response(parts))


def _answer_messages(exchange: Exchange, parts: Parts) -> None:
    if exchange.request.json.get("stream"):
        exchange.stream(*messages_server.events(parts))
    else:
        exchange.json(messages_server.whole(parts))


def _answer_responses(exchange: Exchange, parts: Parts) -> None:
    """As a model that thinks: reasoning before all else, encrypted if the request asks for it."""
    body = exchange.request.json
    reasoning: Body = {"id": "rs_1", "type": "reasoning", "summary": []}
    if "reasoning.encrypted_content" in body.get("include", ()):
        reasoning["encrypted_content"] = ENCRYPTED
    whole = responses_server.whole(parts, body["model"])
    whole["output"].insert(0, reasoning)
    if not body.get("stream"):
        exchange.json(whole)
        return
    created, *rest = responses_server.events(parts, body["model"])
    moved = [event.replace(b'"output_index": 0', b'"output_index": 1') for event in rest[:-1]]
    done = {"type": "response.output_item.done", "output_index": 0, "item": reasoning}
    exchange.stream(created, _event(done), *moved, _event({"type": "response.completed", "response": whole}))


def _event(value: Body) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


RESPONSES = Wire("openai", "", _answer_responses)
COMPLETIONS = Wire("openai", ":completions", _answer_chat)
MESSAGES = Wire("anthropic", "", _answer_messages)
GROK = Wire("xai", "", _answer_chat)
DEEPSEEK = Wire("deepseek", "", _answer_chat)
