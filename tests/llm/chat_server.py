"""The other side of the chat completions protocol, for the loopback server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mirascope_like import llm
from mirascope_like.types.content import AssistantContentPart
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

from ..transport.server import Exchange, Server

Decide = Callable[[dict[str, Any]], "str | Sequence[str | AssistantContentPart]"]


def saying(reply: str | Sequence[str | AssistantContentPart] | Decide) -> Callable[[Exchange], None]:
    """An `answer` that says this, or what it makes of a request's body, whole or streamed as it is asked."""

    def answer(exchange: Exchange) -> None:
        body = exchange.request.json
        content = llm.messages.assistant(reply(body) if callable(reply) else reply).content
        if body.get("stream"):
            exchange.stream(*encode_events(content))
        else:
            exchange.whole(encode_response(content), headers={"content-type": "application/json"})

    return answer


def echo(body: dict[str, Any]) -> str:
    """Says what the user said last."""
    return body["messages"][-1]["content"]


def pieces(reply: str) -> list[bytes]:
    """The events of a streamed answer, one a word, with the head before and the end behind."""
    return encode_events([llm.Text(reply)])


def words(text: str) -> list[str]:
    """As the streamed answer has them."""
    return re.findall(r"\s*\S+", text)


def register(server: Server, scope: str = "test/", **options: Any) -> None:
    """Serve `test/…` by the loopback server."""
    llm.register_provider("openai:completions", scope=scope, base_url=server.url, **options)
