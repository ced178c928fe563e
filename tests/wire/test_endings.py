"""Why a response ended, in the words of each protocol and of the servers that speak it; whole and streamed alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirascope_like.values.chunks import FinishReason, Reply
from mirascope_like.wire import Codec
from mirascope_like.wire.anthropic import AnthropicMessages
from mirascope_like.wire.features import chat_dialect
from mirascope_like.wire.openai_chat import OpenAIChat
from mirascope_like.wire.openai_responses import OpenAIResponses

from .traffic import decode_stream, fold

CHAT = OpenAIChat(chat_dialect("unheard-of"))


def replies(codec: Codec, body: dict[str, Any], *events: dict[str, Any], end: str = "") -> tuple[Reply, Reply]:
    """The same response, whole and streamed."""
    sse = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + end
    return fold(codec.decode(body)), fold(decode_stream(codec, [sse.encode()]))


def chat(*words: str | None, arguments: str | None = None) -> tuple[Reply, Reply]:
    """A response with these finish reasons (whole: the last), and a tool call if it has arguments."""
    call = {"id": "a", "type": "function", "function": {"name": "wipe", "arguments": arguments}}
    said: dict[str, Any] = {"content": "x"} if arguments is None else {"tool_calls": [{"index": 0, **call}]}
    first = {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}
    ends = [{"choices": [{"index": 0, "delta": {}, "finish_reason": word}]} for word in words]
    body = {"choices": [{"index": 0, "message": said, "finish_reason": words[-1]}]}
    return replies(CHAT, body, first, *ends, end="data: [DONE]\n\n")


def messages(word: str | None, *blocks: dict[str, Any]) -> tuple[Reply, Reply]:
    body = {"type": "message", "content": list(blocks), "stop_reason": word}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**body, "content": [], "stop_reason": None}}]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": {"stop_reason": word}}, {"type": "message_stop"}]
    return replies(AnthropicMessages(), body, *events)


def responses(kind: str = "response.completed", **fields: Any) -> tuple[Reply, Reply]:
    body: dict[str, Any] = {"output": [], **fields}
    return replies(OpenAIResponses(), body, {"type": kind, "response": body})


WORDS = {
    "stop": None,
    "tool_calls": None,
    "function_call": None,
    "end_turn": None,
    "eos": None,
    "STOP": None,
    "length": FinishReason.MAX_TOKENS,
    "model_context_window_exceeded": FinishReason.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FinishReason.REFUSAL,
    "sensitive": FinishReason.REFUSAL,
    "error": FinishReason.ERROR,
    "network_error": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
    "function_call_filter: MALFORMED_FUNCTION_CALL": FinishReason.ERROR,
    "abort": FinishReason.CANCELLED,
    "repetition": FinishReason.UNKNOWN,
}


@pytest.mark.parametrize("word", WORDS)
def test_chat_completions(word: str) -> None:
    for reply in chat(word):
        assert (reply.finish_reason, reply.raw_finish_reason) == (WORDS[word], word)


@pytest.mark.parametrize("first", ["length", "content_filter", "error"])
def test_a_failure_is_not_taken_back_by_a_later_stop(first: str) -> None:
    _, streamed = chat(first, "stop")
    assert (streamed.finish_reason, streamed.raw_finish_reason) == (WORDS[first], first)


def test_the_last_of_several_words_counts() -> None:
    for words in (("odd", "stop"), ("stop", "length"), ("stop", "")):
        _, streamed = chat(*words)
        assert streamed.raw_finish_reason == (words[1] or "stop")


@pytest.mark.parametrize("word", [None, ""])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (None, None),
        ("{}", None),
        ('{"path": "/tmp"}', None),
        ("", FinishReason.UNKNOWN),
        ('{"path": "/t', FinishReason.UNKNOWN),
        ("null", FinishReason.UNKNOWN),
    ],
)
def test_without_a_word_the_tool_calls_decide(
    word: str | None, arguments: str | None, reason: FinishReason | None
) -> None:
    for reply in chat(word, arguments=arguments):
        assert (reply.finish_reason, reply.raw_finish_reason) == (reason, None)


@pytest.mark.parametrize("word", [None, "stop_sequence"])
def test_messages_whose_call_was_cut(word: str | None) -> None:
    for given, reason in (({}, FinishReason.UNKNOWN), ({"path": "/tmp"}, None)):
        call = {"type": "tool_use", "id": "a", "name": "wipe", "input": given}
        for reply in messages(word, call):
            assert (reply.finish_reason, reply.raw_finish_reason) == (reason, word)
    for reply in messages(word, {"type": "text", "text": "x"}):
        assert reply.finish_reason is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "completed"}, None),
        ({"status": "incomplete"}, FinishReason.UNKNOWN),
        ({"status": "incomplete", "incomplete_details": {"reason": "stop"}}, FinishReason.UNKNOWN),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, FinishReason.MAX_TOKENS),
        ({"status": "cancelled"}, FinishReason.CANCELLED),
        ({"status": "queued"}, FinishReason.UNKNOWN),
        ({"status": "in_progress"}, FinishReason.UNKNOWN),
    ],
)
def test_responses(fields: dict[str, Any], reason: FinishReason | None) -> None:
    for reply in responses(**fields):
        assert (reply.finish_reason, reply.raw_finish_reason) == (reason, fields["status"])


def test_responses_without_a_status() -> None:
    """A stream's last event says how it ended; of a whole response the calls do."""
    for kind, reason in (("response.completed", None), ("response.incomplete", FinishReason.UNKNOWN)):
        _, streamed = responses(kind)
        assert (streamed.finish_reason, streamed.raw_finish_reason) == (reason, kind.partition(".")[2])
    call = {"type": "function_call", "call_id": "a", "name": "wipe", "arguments": ""}
    whole, _ = responses(output=[call])
    assert whole.finish_reason is FinishReason.UNKNOWN


def test_a_completed_response_with_an_incomplete_call() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "wipe", "arguments": "{}", "status": "incomplete"}
    for reply in responses(output=[call], status="completed"):
        assert (reply.finish_reason, reply.raw_finish_reason) == (FinishReason.UNKNOWN, "completed")
