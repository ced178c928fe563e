"""Encodes chat completions responses as a server would send them, for scripted models and tests.

`encode_response` returns a body, `encode_events` the events of a stream with the same content; `OpenAIChat` decodes
both to the original content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ...types.chunks import FinishReason, Usage
from ...types.content import AssistantContentPart, Citation, Text, Thought, ToolCall
from ..codec import JsonObject

_WORD = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")
_RAW_REASONS = {
    FinishReason.MAX_TOKENS: "length",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.CONTEXT_LENGTH_EXCEEDED: "model_length",
    FinishReason.ERROR: "error",
    FinishReason.CANCELLED: "cancelled",
    FinishReason.UNKNOWN: "unknown",
}


def encode_response(
    content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None, usage: Usage | None = None
) -> bytes:
    """Encode a non-streamed response as UTF-8 JSON. Without a usage, each word counts as one token.

    Raises `TypeError` for content other than texts, thoughts and tool calls, and `ValueError` for a finish reason that
    chat completions have no value for.
    """
    _check_content(content)
    message: JsonObject = {"role": "assistant", "content": _content_text(content) or None}
    if annotations := [_encode_citation(each) for part in content if isinstance(part, Text) for each in part.citations]:
        message["annotations"] = annotations
    if thoughts := "".join(part.thought for part in content if isinstance(part, Thought)):
        message["reasoning_content"] = thoughts
    if calls := [_encode_call(part) for part in content if isinstance(part, ToolCall)]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _raw_finish_reason(content, finish_reason)}
    return _encode_json({**_envelope("chat.completion"), "choices": [choice], "usage": _encode_usage(content, usage)})


def encode_events(
    content: Sequence[AssistantContentPart], finish_reason: FinishReason | None = None, usage: Usage | None = None
) -> list[bytes]:
    """Encode a streamed response as server-sent events, word by word; see `encode_response`."""
    end = _encode_choice({}, _raw_finish_reason(content, finish_reason))
    usage_chunk: JsonObject = {"choices": [], "usage": _encode_usage(content, usage)}
    return [*encode_unfinished_events(content), _encode_event(end), _encode_event(usage_chunk), b"data: [DONE]\n\n"]


def encode_unfinished_events(content: Sequence[AssistantContentPart]) -> list[bytes]:
    """Encode the same events without those that end the response."""
    _check_content(content)
    return [_encode_event(_encode_choice(delta, None)) for delta in _encode_deltas(content)]


def _encode_choice(delta: JsonObject, finish_reason: str | None) -> JsonObject:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _encode_event(chunk: JsonObject) -> bytes:
    return b"data: " + _encode_json({**_envelope("chat.completion.chunk"), **chunk}) + b"\n\n"


def _check_content(content: Sequence[AssistantContentPart]) -> None:
    for part in content:
        if not isinstance(part, Text | Thought | ToolCall):
            raise TypeError(f"A scripted response holds texts, thoughts and tool calls, not a {type(part).__name__}.")


def _encode_deltas(content: Sequence[AssistantContentPart]) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": ""}
    index = -1
    for part in content:
        match part:
            case Text(text, citations):
                yield from ({"content": word} for word in _WORD.findall(text))
                yield from ({"annotations": [_encode_citation(each)]} for each in citations)
            case Thought(thought):
                yield from ({"reasoning_content": word} for word in _WORD.findall(thought))
            case ToolCall():
                index += 1
                call = _encode_call(part)
                yield {"tool_calls": [{"index": index, **call, "function": {"name": part.name, "arguments": ""}}]}
                yield from (
                    {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                    for piece in _split_in_half(part.args)
                )
            case _:
                pass


def _split_in_half(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _encode_call(part: ToolCall) -> JsonObject:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.args}}


def _envelope(kind: str) -> JsonObject:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": "scripted"}


def _raw_finish_reason(content: Sequence[AssistantContentPart], reason: FinishReason | None) -> str:
    if reason is not None:
        if reason not in _RAW_REASONS:
            raise ValueError(f"A scripted response can finish with {', '.join(_RAW_REASONS)}, not with {reason}.")
        return _RAW_REASONS[reason]
    return "tool_calls" if any(isinstance(part, ToolCall) for part in content) else "stop"


def _encode_citation(citation: Citation) -> JsonObject:
    cited = {"url": citation.url, "title": citation.title, "content": citation.cited_text}
    return {"type": "url_citation", "url_citation": cited}


def _encode_usage(content: Sequence[AssistantContentPart], usage: Usage | None) -> JsonObject:
    if usage is None:
        tokens = len(_WORD.findall(_content_text(content))) + sum(isinstance(part, ToolCall) for part in content)
        return {"prompt_tokens": 0, "completion_tokens": tokens, "total_tokens": tokens}
    prompt_details = {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _content_text(content: Sequence[AssistantContentPart]) -> str:
    return "".join(part.text for part in content if isinstance(part, Text))


def _encode_json(body: JsonObject) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
