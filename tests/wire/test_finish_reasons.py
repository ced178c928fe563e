"""Why a response ended, in the words of each protocol and of the servers that speak it; whole and streamed alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirascope_like.types.chunks import FinishReason, Reply
from mirascope_like.types.content import ToolCall
from mirascope_like.wire.anthropic.codec import AnthropicMessages
from mirascope_like.wire.codec import Codec, MalformedResponseError, ReportedError
from mirascope_like.wire.features import get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat
from mirascope_like.wire.openai_responses.codec import OpenAIResponses

from .traffic import decode_stream, fold

CHAT = OpenAIChat(get_chat_dialect("unheard-of"))
CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "wipe", "arguments": "{}"}}


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


def with_call(**ending: Any) -> tuple[Reply, Reply]:
    """A response that makes a call, its choice with these fields at the end."""
    said = {"tool_calls": [CALL]}
    first = {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}
    last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, **ending}]}
    return replies(CHAT, {"choices": [{"message": said, **ending}]}, first, last, end="data: [DONE]\n\n")


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


FUNCTION = {"type": "function_call", "call_id": "a", "name": "wipe", "arguments": "{}"}
CUSTOM = {"type": "custom_tool_call", "call_id": "a", "name": "wipe", "input": "all"}
BY_PROGRAM = {**FUNCTION, "caller": {"type": "program", "caller_id": "b"}}
IN_CONTAINER = {"type": "shell_call", "call_id": "a", "environment": {"type": "container_reference"}}


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        (FUNCTION, "completed", None),
        (FUNCTION, None, None),
        (FUNCTION, "incomplete", FinishReason.UNKNOWN),
        (FUNCTION, "in_progress", FinishReason.UNKNOWN),
        (FUNCTION, "unheard_of", FinishReason.UNKNOWN),
        (CUSTOM, "completed", None),
        (CUSTOM, "in_progress", FinishReason.UNKNOWN),
        (BY_PROGRAM, "in_progress", None),  # as OpenAI sends it
        (BY_PROGRAM, "incomplete", FinishReason.UNKNOWN),
        ({**BY_PROGRAM, "arguments": '{"path": '}, "in_progress", FinishReason.UNKNOWN),
        (IN_CONTAINER, "incomplete", None),
        ({"type": "image_generation_call", "id": "a"}, "generating", None),
    ],
)
def test_a_completed_response_with_a_call_that_is_not(
    call: dict[str, Any], status: str | None, reason: FinishReason | None
) -> None:
    for reply in responses(output=[{**call, "status": status}], status="completed"):
        assert (reply.finish_reason, reply.raw_finish_reason) == (reason, "completed")


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("output", [{}, {"output": []}])
def test_a_call_that_was_not_done_when_the_response_was(index: int, output: dict[str, Any]) -> None:
    added = {"type": "response.output_item.added", "output_index": index, "item": FUNCTION}
    completed = {"type": "response.completed", "response": {"status": "completed", **output}}
    _, streamed = replies(OpenAIResponses(), {"output": []}, added, completed)
    assert [part.name for part in streamed.content if isinstance(part, ToolCall)] == ["wipe"]
    assert (streamed.finish_reason, streamed.raw_finish_reason) == (FinishReason.UNKNOWN, "completed")


@pytest.mark.parametrize(("arguments", "reason"), [("{}", None), ("", FinishReason.UNKNOWN)])
def test_a_status_that_is_null_leaves_it_to_the_calls(arguments: str, reason: FinishReason | None) -> None:
    for reply in responses(output=[{**FUNCTION, "arguments": arguments}], status=None):
        assert reply.finish_reason is reason


@pytest.mark.parametrize("status", [None, "", "completed", "incomplete"])
def test_a_status_is_not_better_than_the_last_event(status: str | None) -> None:
    _, streamed = responses("response.incomplete", output=[FUNCTION], status=status)
    assert (streamed.finish_reason, streamed.raw_finish_reason) == (FinishReason.UNKNOWN, "incomplete")
    with pytest.raises(ReportedError):
        responses("response.failed", output=[FUNCTION], status=None if status == "incomplete" else status)


@pytest.mark.parametrize("word", ["tool_use", "end_turn", "max_tokens"])
@pytest.mark.parametrize("pieces", [(), ('{"path": "/tmp"}',)])
@pytest.mark.parametrize("again", [False, True], ids=["at the end", "before the next of its index"])
def test_a_call_whose_block_did_not_stop(word: str, pieces: tuple[str, ...], again: bool) -> None:
    call: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "wipe", "input": {}}
    start: dict[str, Any] = {"type": "content_block_start", "index": 0, "content_block": call}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"content": []}}, start]
    for piece in pieces:
        delta = {"type": "input_json_delta", "partial_json": piece}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    if again:
        text = {"type": "text", "text": "x"}
        events += [{**start, "content_block": text}, {"type": "content_block_stop", "index": 0}]
    events += [{"type": "message_delta", "delta": {"stop_reason": word}}, {"type": "message_stop"}]
    if again and not pieces:
        with pytest.raises(MalformedResponseError):
            replies(AnthropicMessages(), {"content": []}, *events)
        return
    _, streamed = replies(AnthropicMessages(), {"content": []}, *events)
    complete = None if pieces else FinishReason.UNKNOWN
    reason = FinishReason.MAX_TOKENS if word == "max_tokens" else complete
    assert (streamed.finish_reason, streamed.raw_finish_reason) == (reason, word)


@pytest.mark.parametrize(
    ("word", "native", "reason", "raw"),
    [
        ("tool_calls", "MAX_TOKENS", FinishReason.MAX_TOKENS, "MAX_TOKENS"),
        ("tool_calls", "length", FinishReason.MAX_TOKENS, "length"),
        ("stop", "SAFETY", FinishReason.REFUSAL, "SAFETY"),
        ("content_filter", "length", FinishReason.REFUSAL, "content_filter"),
        ("length", "STOP", FinishReason.MAX_TOKENS, "length"),
        ("tool_calls", "STOP", None, "tool_calls"),
        ("tool_calls", "unheard_of", None, "tool_calls"),
        ("tool_calls", None, None, "tool_calls"),
    ],
)
def test_the_worse_of_a_routers_word_and_the_servers_own_counts(
    word: str, native: str | None, reason: FinishReason | None, raw: str
) -> None:
    for reply in with_call(finish_reason=word, native_finish_reason=native):
        assert (reply.finish_reason, reply.raw_finish_reason) == (reason, raw)


@pytest.mark.parametrize("key", ["message", "delta"])
def test_an_error_in_a_choice_is_a_failure(key: str) -> None:
    choice = {"index": 0, key: {"tool_calls": [CALL]}, "finish_reason": "tool_calls", "error": {"message": "Lost."}}
    sse = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"
    with pytest.raises(ReportedError, match="Lost"):
        fold(CHAT.decode({"choices": [choice]}) if key == "message" else decode_stream(CHAT, [sse.encode()]))
