"""The other side of chat completions: what a server would answer, for scripted models and tests.

`whole` gives a body, `events` the pieces of a stream that says the same; `OpenAIChat` reads back what was put in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ..values.chunks import FinishReason, Usage
from ..values.content import AssistantContentPart, Citation, Text, Thought, ToolCall
from . import JsonObject

__all__ = ["beginning", "events", "whole"]

_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")
_REASONS = {
    FinishReason.MAX_TOKENS: "length",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.CONTEXT_LENGTH_EXCEEDED: "model_length",
    FinishReason.ERROR: "error",
    FinishReason.CANCELLED: "cancelled",
    FinishReason.UNKNOWN: "unknown",
}


def whole(
    content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None, usage: Usage | None = None
) -> bytes:
    """The body of a whole answer, as UTF-8 JSON. Without a usage, a word counts as a token.

    Raises `TypeError` for anything but texts, thoughts and tool calls, and `ValueError` for a reason that chat
    completions have no word for."""
    _check(content)
    message: JsonObject = {"role": "assistant", "content": _texts(content) or None}
    if annotations := [_annotation(each) for part in content if isinstance(part, Text) for each in part.citations]:
        message["annotations"] = annotations
    if thoughts := "".join(part.thought for part in content if isinstance(part, Thought)):
        message["reasoning_content"] = thoughts
    if calls := [_call(part) for part in content if isinstance(part, ToolCall)]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish(content, finish_reason)}
    return _json({**_head("chat.completion"), "choices": [choice], "usage": _usage(content, usage)})


def events(
    content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None, usage: Usage | None = None
) -> list[bytes]:
    """The server-sent events of a streamed answer, word by word; see `whole`."""
    end = _choice({}, _finish(content, finish_reason))
    took: JsonObject = {"choices": [], "usage": _usage(content, usage)}
    return [*beginning(content), _event(end), _event(took), b"data: [DONE]\n\n"]


def beginning(content: Sequence[AssistantContentPart]) -> list[bytes]:
    """The same events without those that end the answer."""
    _check(content)
    return [_event(_choice(delta, None)) for delta in _deltas(content)]


def _choice(delta: JsonObject, finish_reason: str | None) -> JsonObject:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _event(chunk: JsonObject) -> bytes:
    return b"data: " + _json({**_head("chat.completion.chunk"), **chunk}) + b"\n\n"


def _check(content: Sequence[AssistantContentPart]) -> None:
    for part in content:
        if not isinstance(part, Text | Thought | ToolCall):
            raise TypeError(f"A scripted answer holds texts, thoughts and tool calls, not a {type(part).__name__}.")


def _deltas(content: Sequence[AssistantContentPart]) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": ""}
    index = -1
    for part in content:
        match part:
            case Text(text, citations):
                yield from ({"content": word} for word in _WORDS.findall(text))
                yield from ({"annotations": [_annotation(each)]} for each in citations)
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
                pass


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _call(part: ToolCall) -> JsonObject:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.args}}


def _head(kind: str) -> JsonObject:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": "scripted"}


def _finish(content: Sequence[AssistantContentPart], reason: FinishReason | None) -> str:
    if reason is not None:
        if reason not in _REASONS:
            raise ValueError(f"A scripted answer may end by {', '.join(_REASONS)}, not by {reason}.")
        return _REASONS[reason]
    return "tool_calls" if any(isinstance(part, ToolCall) for part in content) else "stop"


def _annotation(citation: Citation) -> JsonObject:
    cited = {"url": citation.url, "title": citation.title, "content": citation.cited_text}
    return {"type": "url_citation", "url_citation": cited}


def _usage(content: Sequence[AssistantContentPart], usage: Usage | None) -> JsonObject:
    if usage is None:
        said = len(_WORDS.findall(_texts(content))) + sum(isinstance(part, ToolCall) for part in content)
        return {"prompt_tokens": 0, "completion_tokens": said, "total_tokens": said}
    asked = {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": asked,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _texts(content: Sequence[AssistantContentPart]) -> str:
    return "".join(part.text for part in content if isinstance(part, Text))


def _json(body: JsonObject) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
