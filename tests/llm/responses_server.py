"""The other side of OpenAI's Responses protocol, as much of it as a test of calls needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mirascope_like import llm

from ..transport.server import Exchange

Parts = Sequence[llm.Text | llm.ToolCall]


def answering(decide: Callable[[dict[str, Any]], Parts]) -> Callable[[Exchange], None]:
    """An `answer` for the loopback server: says what `decide` makes of the request's body, whole or streamed."""

    def answer(exchange: Exchange) -> None:
        body = exchange.request.json
        parts = decide(body)
        if body.get("stream"):
            exchange.stream(*events(parts, body["model"]))
        else:
            exchange.json(whole(parts, body["model"]))

    return answer


def whole(parts: Parts, model: str = "model") -> dict[str, Any]:
    """The body of a whole answer."""
    return {
        "id": "resp_1",
        "object": "response",
        "model": model,
        "status": "completed",
        "output": [_item(number, part) for number, part in enumerate(parts)],
        "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
    }


def events(parts: Parts, model: str = "model") -> list[bytes]:
    """The events of a streamed answer, word by word."""
    return [b"data: %b\n\n" % json.dumps(event, ensure_ascii=False).encode() for event in _events(whole(parts, model))]


def _item(number: int, part: llm.Text | llm.ToolCall) -> dict[str, Any]:
    if isinstance(part, llm.ToolCall):
        call = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.args}
        return {"id": f"fc_{number}", "status": "completed", **call}
    content = [{"type": "output_text", "text": part.text, "annotations": []}]
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def _events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
    for index, item in enumerate(whole["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            yield {"type": "response.output_item.added", **where, "item": {**item, "content": []}}
            yield from _text_events({**where, "content_index": 0}, item["content"][0])
        else:
            yield {"type": "response.output_item.added", **where, "item": {**item, "arguments": ""}}
            arguments = item["arguments"]
            yield {"type": "response.function_call_arguments.delta", **where, "delta": arguments}
            yield {"type": "response.function_call_arguments.done", **where, "arguments": arguments}
        yield {"type": "response.output_item.done", **where, "item": item}
    yield {"type": "response.completed", "response": whole}


def _text_events(where: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for word in re.findall(r"\S+\s*", part["text"]):
        yield {"type": "response.output_text.delta", **where, "delta": word}
    yield {"type": "response.output_text.done", **where, "text": part["text"]}
    yield {"type": "response.content_part.done", **where, "part": part}
