"""The other side of chat completions: what a server would answer, for scripted models and tests.

`whole` gives a body, `events` the pieces of a stream that says the same; `OpenAIChat` reads back what was put in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ..values.chunks import FinishReason
from ..values.content import AssistantContentPart, Text, Thought, ToolCall
from . import JsonObject

__all__ = ["events", "whole"]

_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


def whole(content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None) -> bytes:
    """The body of a whole answer with this content (texts, thoughts and tool calls), as UTF-8 JSON."""
    message: JsonObject = {"role": "assistant", "content": _texts(content) or None}
    if thoughts := "".join(part.thought for part in content if isinstance(part, Thought)):
        message["reasoning_content"] = thoughts
    if calls := [_call(part) for part in content if isinstance(part, ToolCall)]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish(content, finish_reason)}
    return _json({**_head("chat.completion"), "choices": [choice], "usage": _usage(content)})


def events(content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None) -> list[bytes]:
    """The server-sent events of a streamed answer with this content, word by word."""
    deltas = [*_deltas(content), {}]
    ends = [None] * (len(deltas) - 1) + [_finish(content, finish_reason)]
    chunks: list[JsonObject] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        for delta, end in zip(deltas, ends, strict=True)
    ]
    chunks.append({"choices": [], "usage": _usage(content)})
    bodies = [_json({**_head("chat.completion.chunk"), **chunk}) for chunk in chunks]
    return [b"data: " + body + b"\n\n" for body in (*bodies, b"[DONE]")]


def _deltas(content: Sequence[AssistantContentPart]) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": ""}
    index = -1
    for part in content:
        match part:
            case Text(text):
                yield from ({"content": word} for word in _WORDS.findall(text))
            case Thought(thought):
                yield from ({"reasoning_content": word} for word in _WORDS.findall(thought))
            case ToolCall():
                index += 1
                call = _call(part)
                yield {"tool_calls": [{"index": index, **call, "function": {"name": part.name, "arguments": ""}}]}
                yield from (
                    {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in _halves(part.args)
                )
            case _:
                raise TypeError(f"A scripted answer holds texts, thoughts and tool calls, not a {type(part).__name__}.")


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _call(part: ToolCall) -> JsonObject:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.args}}


def _head(kind: str) -> JsonObject:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": "scripted"}


def _finish(content: Sequence[AssistantContentPart], reason: FinishReason | None) -> str:
    if reason is not None:
        return {FinishReason.MAX_TOKENS: "length", FinishReason.REFUSAL: "content_filter"}.get(reason, reason.value)
    return "tool_calls" if any(isinstance(part, ToolCall) for part in content) else "stop"


def _usage(content: Sequence[AssistantContentPart]) -> JsonObject:
    """A word counts as a token."""
    said = len(_WORDS.findall(_texts(content))) + sum(isinstance(part, ToolCall) for part in content)
    return {"prompt_tokens": 0, "completion_tokens": said, "total_tokens": said}


def _texts(content: Sequence[AssistantContentPart]) -> str:
    return "".join(part.text for part in content if isinstance(part, Text))


def _json(body: JsonObject) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
