"""The other side of Anthropic's Messages API, as much of it as a test of calls needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mirascope_like import llm

Parts = Sequence[llm.Text | llm.ToolCall]


def whole(parts: Parts) -> dict[str, Any]:
    """The body of a whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "model",
        "content": [_block(part) for part in parts],
        "stop_reason": "tool_use" if any(isinstance(part, llm.ToolCall) for part in parts) else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }


def events(parts: Parts) -> list[bytes]:
    """The events of a streamed answer, word by word."""
    return [event(value) for value in _events(parts)]


def event(value: dict[str, Any]) -> bytes:
    """One event as it is sent."""
    return f"event: {value['type']}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _block(part: llm.Text | llm.ToolCall) -> dict[str, Any]:
    if isinstance(part, llm.ToolCall):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": json.loads(part.args)}
    return {"type": "text", "text": part.text}


def _events(parts: Parts) -> Iterator[dict[str, Any]]:
    end = whole(parts)
    yield {"type": "message_start", "message": {**end, "content": [], "stop_reason": None}}
    yield {"type": "ping"}
    for index, part in enumerate(parts):
        empty = {"input": {}} if isinstance(part, llm.ToolCall) else {"text": ""}
        yield {"type": "content_block_start", "index": index, "content_block": {**_block(part), **empty}}
        for delta in _deltas(part):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": end["stop_reason"]}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _deltas(part: llm.Text | llm.ToolCall) -> Iterator[dict[str, Any]]:
    if isinstance(part, llm.ToolCall):
        middle = len(part.args) // 2
        yield from ({"type": "input_json_delta", "partial_json": it} for it in (part.args[:middle], part.args[middle:]))
    else:
        yield from ({"type": "text_delta", "text": word} for word in re.findall(r"\S+\s*", part.text))
