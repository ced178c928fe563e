"""Chat completions: what the recorded traffic does not show."""

from __future__ import annotations

import json
import random
import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st

from mirascope_like.errors import FeatureNotSupportedError, ToolError, UnsupportedParamWarning
from mirascope_like.schema.tools import WebSearchTool
from mirascope_like.types import content as c
from mirascope_like.types.chunks import FinishReason, Reply, TextChunk
from mirascope_like.types.messages import Message, assistant, system, user
from mirascope_like.types.params import Params
from mirascope_like.wire.codec import JsonObject, MalformedResponseError, ReportedError, Request, TruncatedStreamError
from mirascope_like.wire.error_bodies import parse_error_body
from mirascope_like.wire.features import UNKNOWN, Features, get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat

from .traffic import decode_stream, fold

PIXEL = c.Image(c.Base64ImageSource("iVBORw==", "image/png"))


def sent(*messages: Message, provider: str = "openai", **fields: Any) -> JsonObject:
    """The body of a request."""
    fields = {"model": "m", "model_id": f"{provider}/m", "provider_id": provider, **fields}
    return OpenAIChat(get_chat_dialect(provider)).encode(Request(messages=messages or (user("Hi"),), **fields)).body


def sse(*events: object) -> bytes:
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def delta(finish: str | None = None, **fields: Any) -> JsonObject:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def streamed(*events: object, provider: str = "openai") -> Reply:
    return fold(decode_stream(OpenAIChat(get_chat_dialect(provider)), [sse(*events)]))


def answered(finish: str | None = "stop", **message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return fold(OpenAIChat(get_chat_dialect("openai")).decode({"choices": [choice]}))


# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass
class SomeFormat:
    """What a codec reads of a format."""

    mode: Literal["strict", "json", "tool", "parser"]
    name: str = "Book"
    description: str | None = None
    wire_schema: JsonObject = field(default_factory=lambda: {"type": "object"})


def test_results_come_before_what_is_said_with_them() -> None:
    result = c.ToolOutput(id="1", name="add", result={"sum": "3 €"})
    assert sent(user(["Well?", result]))["messages"] == [
        {"role": "tool", "tool_call_id": "1", "content": '{"sum":"3 €"}'},
        {"role": "user", "content": "Well?"},
    ]


def test_failed_calls_tell_the_model_why() -> None:
    failed = c.ToolOutput(id="1", name="add", result="It broke.", error=ToolError("It broke."))
    assert sent(user(failed))["messages"] == [{"role": "tool", "tool_call_id": "1", "content": "It broke."}]


def test_images_of_results_are_shown_after_them() -> None:
    drawn = c.ToolOutput(id="1", name="draw", result=["a dot", PIXEL])
    done = c.ToolOutput(id="2", name="save", result="saved")
    first, second, shown = sent(user([drawn, done]))["messages"]
    assert (first["tool_call_id"], second["content"]) == ("1", "saved")
    assert first["content"].startswith("a dot\n")
    assert shown["role"] == "user"
    assert shown["content"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}]


def test_system_messages_stay_where_they_are() -> None:
    roles = [message["role"] for message in sent(system("A"), user("B"), system("C"), user("D"))["messages"]]
    assert roles == ["system", "user", "system", "user"]


def test_answers_of_others_are_said_in_words() -> None:
    foreign = assistant([c.Thought("hm"), c.Text("Yes."), c.ToolCall(id="1", name="f", args="")], provider_id="x")
    assert sent(user("Hi"), foreign)["messages"][1] == {
        "role": "assistant",
        "content": "Yes.",
        "tool_calls": [{"type": "function", "id": "1", "function": {"name": "f", "arguments": "{}"}}],
    }
    params: Params = {"thinking": {"level": "default", "encode_thoughts_as_text": True}}
    assert "hm" in sent(user("Hi"), foreign, params=params)["messages"][1]["content"]


def test_spoken_and_drawn_answers_go_back() -> None:
    audio = {"id": "audio_1", "data": "QUI=", "transcript": "Hello", "expires_at": 1}
    drawn = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    for said, returned in (({"audio": audio}, {"audio": {"id": "audio_1"}}), ({"images": [drawn]},) * 2):
        reply = answered(content=None, **said)
        message = assistant(reply.content, raw_message=reply.raw_message, provider_id="openai", model_id="openai/m")
        assert sent(user("Hi"), message)["messages"][1] == {"role": "assistant", "content": None, **returned}


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        (c.Audio(c.Base64AudioSource("", "audio/flac")), "audio/flac"),
        (c.Document.from_url("https://example.org/a.pdf"), "Document.download"),
    ],
)
def test_media_that_cannot_be_sent_are_refused_with_advice(part: Any, hint: str) -> None:
    with pytest.raises(FeatureNotSupportedError, match=hint):
        sent(user(part))


@pytest.mark.parametrize("args", ['{"x": NaN}', '{"x": -Infinity}', '{"x": 1e999}', "[1]"])
def test_arguments_that_are_no_json_object_are_sent_as_none_where_they_must_be_one(args: str) -> None:
    called = assistant([c.ToolCall(id="123456789", name="f", args=args)])
    bodies = [sent(user("Hi"), called, provider=provider) for provider in ("mistral", "openai")]
    functions = [body["messages"][1]["tool_calls"][0]["function"] for body in bodies]
    assert [function["arguments"] for function in functions] == ["{}", args]


def test_documents_are_worded_as_the_server_takes_them() -> None:
    pdf = c.Document(c.Base64DocumentSource("JVBERi0=", "application/pdf"))
    linked = c.Document.from_url("https://example.org/a.pdf")
    data = "data:application/pdf;base64,JVBERi0="
    assert sent(user([pdf, "?"]))["messages"][0]["content"][0] == {
        "type": "file",
        "file": {"filename": "document.pdf", "file_data": data},
    }
    assert sent(user([pdf, linked]), provider="mistral")["messages"][0]["content"] == [
        {"type": "document_url", "document_url": data},
        {"type": "document_url", "document_url": "https://example.org/a.pdf"},
    ]


def test_provider_tools_are_refused() -> None:
    with pytest.raises(FeatureNotSupportedError, match="web_search"):
        sent(provider_tools=[WebSearchTool()])


@pytest.mark.parametrize(
    ("provider", "params", "fields"),
    [
        ("openai", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("groq", {"max_tokens": 5}, {"max_tokens": 5}),
        ("openai", {"seed": 7}, {"seed": 7}),
        ("mistral", {"seed": 7}, {"random_seed": 7}),
        ("openrouter", {"top_k": 4}, {"top_k": 4}),
        ("unheard-of", {"top_k": 4}, {"top_k": 4}),
        ("openai", {"stop_sequences": ("a",)}, {"stop": ["a"]}),
        ("openai", {"stop_sequences": ()}, {}),
        ("openai", {"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}),
        ("openai", {"thinking": {"level": "high"}}, {"reasoning_effort": "high"}),
        ("openai", {"thinking": {"level": "default"}}, {}),
        ("openai", {"thinking": None}, {}),
        ("openrouter", {"thinking": {"level": "low"}}, {"reasoning": {"effort": "low"}}),
        ("openrouter", {"thinking": {"level": "none"}}, {"reasoning": {"enabled": False}}),
        ("deepseek", {"thinking": {"level": "none"}}, {"thinking": {"type": "disabled"}}),
        ("deepseek", {"thinking": {"level": "low"}}, {"thinking": {"type": "enabled"}}),
        ("openai", {"tool_choice": "required"}, {}),  # no tools, no choice
        ("openai", {"timeout": 5, "extra_body": {"x": 1}, "extra_headers": {"y": "z"}}, {}),  # not the codec's
    ],
)
def test_params_are_worded_as_the_server_takes_them(provider: str, params: Any, fields: JsonObject) -> None:
    body = sent(provider=provider, params=params)
    assert {name: body[name] for name in body if name not in ("model", "messages")} == fields


@pytest.mark.parametrize(
    ("provider", "features", "params"),
    [
        ("openai", UNKNOWN, {"top_k": 4}),
        ("openai", Features(sampling=False), {"temperature": 0.5}),
        ("openai", Features(sampling=False), {"top_p": 0.5}),
        ("openai", Features(thinking=False), {"thinking": {"level": "high"}}),
        ("local", UNKNOWN, {"thinking": {"level": "high"}}),
    ],
)
def test_params_that_are_refused_are_left_out_with_a_warning(provider: str, features: Features, params: Any) -> None:
    with pytest.warns(UnsupportedParamWarning, match=f"{provider}/m does not support '{next(iter(params))}'"):
        body = sent(provider=provider, features=features, params=params)
    assert set(body) == {"model", "messages"}


def test_temperature_counts_where_one_way_to_sample_is_taken() -> None:
    both: Params = {"temperature": 0.5, "top_p": 0.9}
    with pytest.warns(UnsupportedParamWarning, match="'top_p' together with 'temperature'"):
        body = sent(features=Features(sampling="one"), params=both)
    assert (body["temperature"], "top_p" in body) == (0.5, False)
    assert sent(features=Features(sampling="one"), params={"top_p": 0.9})["top_p"] == 0.9


@pytest.mark.parametrize("level", ["none", "default"])
def test_who_does_not_think_may_be_sampled(level: Any) -> None:
    params: Params = {"temperature": 0.5, "thinking": {"level": level}}
    assert sent(features=Features(sampling="without_thinking"), params=params)["temperature"] == 0.5
    params = {"temperature": 0.5, "thinking": {"level": "low"}}
    with pytest.warns(UnsupportedParamWarning, match="'temperature' together with 'thinking'"):
        assert "temperature" not in sent(features=Features(sampling="without_thinking"), params=params)


def test_what_asks_for_nothing_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent(features=Features(thinking=False), params={"thinking": {"level": "none"}})


def test_usage_is_asked_for_in_streams_but_not_of_servers_that_refuse_the_question() -> None:
    assert sent(stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(stream=True, provider="mistral")
    assert "stream" not in sent()


def test_names_are_sent_but_not_to_servers_that_refuse_them() -> None:
    assert sent(user("Hi", name="Ada"))["messages"][0]["name"] == "Ada"
    assert "name" not in sent(user("Hi", name="Ada"), provider="mistral")["messages"][0]


def test_formats() -> None:
    strict = sent(format=SomeFormat("strict", description="A book."))["response_format"]
    schema = {"name": "Book", "schema": {"type": "object"}, "strict": True, "description": "A book."}
    assert strict == {"type": "json_schema", "json_schema": schema}
    assert (
        sent(format=SomeFormat("json"), features=Features(json_object=True))["response_format"]["type"] == "json_object"
    )
    for mode in ("json", "tool", "parser"):
        assert "response_format" not in sent(format=SomeFormat(mode))


# -- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", None),
        ("tool_calls", None),
        ("length", FinishReason.MAX_TOKENS),
        ("content_filter", FinishReason.REFUSAL),
        ("never_heard_of", FinishReason.UNKNOWN),
        ("", None),
        (None, None),
    ],
)
def test_finish_reasons(raw: str | None, reason: FinishReason | None) -> None:
    reply = answered(raw, content="x")
    assert (reply.finish_reason, reply.raw_finish_reason) == (reason, raw or None)


def test_a_refusal_is_text_and_a_reason() -> None:
    reply = answered(content=None, refusal="I must not.")
    assert reply.content == (c.Text("I must not."),)
    assert reply.finish_reason is FinishReason.REFUSAL
    assert reply.raw_message == {"role": "assistant", "content": None, "refusal": "I must not."}


def test_an_empty_answer_can_be_sent_back() -> None:
    assert answered(content=None).raw_message == {"role": "assistant", "content": ""}


@pytest.mark.parametrize("body", [None, [], "text", 5, {}, {"choices": []}, {"choices": None}, {"choices": [None]}])
def test_answers_of_another_protocol_are_malformed(body: Any) -> None:
    with pytest.raises(MalformedResponseError):
        OpenAIChat(get_chat_dialect("openai")).decode(body)


@pytest.mark.parametrize("event", [{}, {"choices": []}, {"choices": None}, {"choices": [{"index": 0}]}])
def test_streams_without_an_answer_are_malformed(event: JsonObject) -> None:
    for events in ([event, "[DONE]"], ["[DONE]"]):
        with pytest.raises(MalformedResponseError, match="no choices"):
            streamed(*events)
    assert streamed(delta("stop", content="x"), event, "[DONE]").content == (c.Text("x"),)


def test_what_is_said_aloud_is_one_part_however_it_comes() -> None:
    """The server makes each piece of the sound base64 by itself."""
    whole = {"id": "audio_1", "data": "QUJD", "transcript": "Hello", "expires_at": 1}
    pieces: list[JsonObject] = [
        {"id": "audio_1", "transcript": "Hel"},
        {"transcript": "lo", "expires_at": None},
        {"id": "", "data": "QUI="},
        {"data": "Qw=="},
        {"expires_at": 1},
    ]
    reply = streamed(*(delta(audio=piece) for piece in pieces), delta("stop"), "[DONE]")
    assert reply.content == (c.ProviderBlock(kind="audio", raw=whole),)
    assert reply == answered(content=None, audio=whole)


def test_fields_of_sound_without_a_value_are_no_sound() -> None:
    silence = {"id": "", "data": "", "transcript": "", "expires_at": 0}
    assert answered(content="Yes.", audio=silence).content == (c.Text("Yes."),)


def test_parallel_calls_without_index_or_id_are_told_apart() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b", "a")]
    reply = answered(tool_calls=calls)
    parts = [part for part in reply.content if isinstance(part, c.ToolCall)]
    assert [part.name for part in parts] == ["a", "b", "a"]
    assert len({part.id for part in parts}) == 3


def test_interleaved_calls_keep_their_arguments() -> None:
    def piece(index: int, **function: str) -> JsonObject:
        named = {"id": f"c{index}"} if "name" in function else {}
        return delta(tool_calls=[{"index": index, **named, "function": function}])

    reply = streamed(
        piece(0, name="a", arguments=""),
        piece(1, name="b", arguments='{"x"'),
        piece(0, arguments='{"y":1}'),
        piece(1, arguments=":2}"),
        delta("tool_calls"),
        "[DONE]",
    )
    assert reply.content == (
        c.ToolCall(id="c0", name="a", args='{"y":1}'),
        c.ToolCall(id="c1", name="b", args='{"x":2}'),
    )


def _calls(*functions: JsonObject, **fields: Any) -> list[tuple[str, str]]:
    """The calls (name, arguments) of a stream in which all have one place."""
    events = [delta(tool_calls=[{"index": 0, "type": "function", "function": f, **fields}]) for f in functions]
    content = streamed(*events, delta("tool_calls"), "[DONE]").content
    return [(part.name, part.args) for part in content if isinstance(part, c.ToolCall)]


@pytest.mark.parametrize("fields", [{}, {"id": ""}, {"id": None}])
def test_whole_calls_at_one_place_are_told_apart(fields: JsonObject) -> None:
    calls = [("a", '{"x":1}'), ("b", "{}"), ("b", '{"y":[]}'), ("c", ""), ("d", '{"z"'), ("e", '{"z":1}')]
    assert _calls(*({"name": name, "arguments": args} for name, args in calls), **fields) == [
        (name, args or "{}") for name, args in calls
    ]


@pytest.mark.parametrize("fields", [{}, {"id": ""}, {"id": "1"}])
@pytest.mark.parametrize("pieces", [["", '{"x"', ":", '{"y":1}', "}"], ['{"x":1}', ""], ["{}", "\n"]])
def test_a_name_that_is_repeated_begins_no_call(pieces: list[str], fields: JsonObject) -> None:
    assert _calls(*({"name": "a", "arguments": piece} for piece in pieces), **fields) == [("a", "".join(pieces))]


def test_one_call_in_two_fields_is_one() -> None:
    function = {"name": "f", "arguments": '{"x":1}'}
    both: JsonObject = {"function_call": function, "tool_calls": [{"index": 0, "id": "1", "function": function}]}
    for reply in (streamed(delta("tool_calls", **both), "[DONE]"), answered(**both)):
        assert reply.content == (c.ToolCall(id="1", name="f", args='{"x":1}'),)
    (call,) = answered(function_call=function).content
    assert isinstance(call, c.ToolCall) and call.args == '{"x":1}'


def test_arguments_that_are_an_object_become_text() -> None:
    (call,) = answered(tool_calls=[{"id": "1", "function": {"name": "f", "arguments": {"city": "Kraków"}}}]).content
    assert isinstance(call, c.ToolCall) and call.args == '{"city":"Kraków"}'


def test_a_null_does_not_unset_what_was_said() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    reply = streamed(
        {**delta("stop", content="x"), "usage": usage, "model": "m1"},
        {**delta(None, content=None), "usage": None, "model": None},
        "[DONE]",
    )
    assert (reply.raw_finish_reason, reply.provider_model_name) == ("stop", "m1")
    assert reply.usage is not None and reply.usage.raw == usage


def test_what_proves_that_a_stream_is_whole_depends_on_the_server() -> None:
    """Known servers always send [DONE], and usage before it; of others a finish reason must be enough."""
    finished = delta("stop", content="x")
    assert streamed(finished, provider="unheard-of").raw_finish_reason == "stop"
    assert streamed(finished, "[DONE]", provider="openai").raw_finish_reason == "stop"
    with pytest.raises(TruncatedStreamError):
        streamed(finished, provider="openai")
    with pytest.raises(TruncatedStreamError):
        streamed(delta(content="x"), provider="unheard-of")


def test_an_error_in_a_stream_keeps_what_came_before() -> None:
    with pytest.raises(ReportedError, match="Overloaded") as caught:
        streamed(delta(content="Once upon"), {"error": {"message": "Overloaded", "code": 503}})
    assert (caught.value.status, caught.value.code) == (503, "503")
    assert TextChunk("Once upon") in caught.value.chunks


def test_thoughts_are_told_from_text_and_sent_back() -> None:
    details = [{"type": "reasoning.text", "index": 0, "text": "h"}, {"type": "reasoning.text", "index": 0, "text": "m"}]
    reply = streamed(
        delta(reasoning="h", reasoning_details=details[:1]),
        delta(reasoning="m", reasoning_details=[{**details[1], "signature": "c2ln"}]),
        delta("stop", content="Yes."),
        "[DONE]",
    )
    assert reply.content == (c.Thought("hm"), c.Text("Yes."))
    joined = {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "c2ln"}
    assert reply.raw_message == {
        "role": "assistant",
        "content": "Yes.",
        "reasoning": "hm",
        "reasoning_details": [joined],
    }


def test_usage_counts_what_there_is() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": None,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    reply = streamed({**delta("stop"), "usage": usage}, "[DONE]")
    assert reply.usage is not None
    counts = (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cache_read_tokens)
    assert (*counts, reply.usage.reasoning_tokens) == (10, 0, 4, 2)


words = st.text(max_size=20)
calls = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["{}", '{"x": "ü"}', '{"y": [1, 2]}'])), max_size=3
)


@given(words, words, calls, st.randoms(use_true_random=False))
def test_a_streamed_answer_is_the_whole_one(
    thought: str, text: str, calls: list[tuple[str, str]], dice: random.Random
) -> None:
    """The same answer, whole and in pieces of any size, folds to the same reply."""
    message: JsonObject = {"reasoning_content": thought, "content": text}
    functions = [{"name": name, "arguments": args} for name, args in calls]
    message["tool_calls"] = [{"id": f"c{i}", "type": "function", "function": f} for i, f in enumerate(functions)]
    events: list[object] = [delta(reasoning_content=piece) for piece in _pieces(thought, dice)]
    events += [delta(content=piece) for piece in _pieces(text, dice)]
    for index, (name, args) in enumerate(calls):
        events.append(delta(tool_calls=[{"index": index, "id": f"c{index}", "function": {"name": name}}]))
        events += [
            delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]) for piece in _pieces(args, dice)
        ]
    assert streamed(*events, delta("stop"), "[DONE]") == answered("stop", **message)


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message", "type", "code"),
    [
        (b'{"error": {"message": "No.", "type": "t", "code": "c"}}', "No.", "t", "c"),
        (b'{"error": {"message": "No.", "code": 404}}', "No.", None, "404"),
        (b'{"error": "No."}', "No.", None, None),
        (b'{"code": "c", "error": "No."}', "No.", None, "c"),
        (b'{"detail": "No."}', "No.", None, None),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]', None, None),
        (b'{"message": "No."}', "No.", None, None),
        (b'[{"error": {"message": "No.", "status": "NOT_FOUND"}}]', "No.", "NOT_FOUND", None),
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>", None, None),
        (b'"No."', "No.", None, None),
        (b"[]", "[]", None, None),
        (b"", "the server gave no reason", None, None),
        (b"\xff", "\ufffd", None, None),
    ],
)
def test_every_server_fails_in_its_own_words(body: bytes, message: str, type: str | None, code: str | None) -> None:
    failure = parse_error_body(500, body)
    assert (failure.status, failure.message, failure.type, failure.code) == (500, message, type, code)


def _pieces(text: str, dice: random.Random) -> list[str]:
    pieces: list[str] = []
    while text:
        size = dice.randint(1, len(text))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def test_two_calls_of_one_id_stay_two() -> None:
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": "same", "type": "function", "function": function}] * 2
    body = {"choices": [{"message": {"role": "assistant", "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    content = fold(OpenAIChat(get_chat_dialect("vllm")).decode(body)).content
    first, second = (part for part in content if isinstance(part, c.ToolCall))
    assert first.id == "same"
    assert second.id not in ("", "same")
    assert first.args == second.args == "{}"


def test_a_message_that_is_no_object_is_malformed() -> None:
    with pytest.raises(MalformedResponseError):
        OpenAIChat(get_chat_dialect("vllm")).decode({"choices": [{"message": 3}]})


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


@pytest.mark.parametrize(
    ("parts", "content", "raw"),
    [
        ([{"type": "text", "text": None}, {"type": "text", "text": "A"}], (c.Text("A"),), "A"),
        ([{"type": "text", "text": None}], (), ""),
        ([{"text": "A"}, {"type": None, "text": "B"}], (c.Text("AB"),), "AB"),
        ([THOUGHT, {"text": "A"}], (c.Thought("Hm."), c.Text("A")), [THOUGHT, {"type": "text", "text": "A"}]),
        (
            [THOUGHT, {"type": "thinking", "thinking": [{"type": "text", "text": " So."}]}],
            (c.Thought("Hm. So."),),
            [THOUGHT, {"type": "thinking", "thinking": [{"type": "text", "text": " So."}]}],
        ),
        (
            ["A", {"waves": 1}, {"type": "hum"}, "B"],
            (
                c.Text("AB"),
                c.ProviderBlock(kind="None", raw={"waves": 1}),
                c.ProviderBlock(kind="hum", raw={"type": "hum"}),
            ),
            [{"type": "text", "text": "A"}, {"waves": 1}, {"type": "hum"}, {"type": "text", "text": "B"}],
        ),
    ],
)
def test_parts_of_content_in_other_shapes(parts: list[Any], content: tuple[Any, ...], raw: object) -> None:
    deltas = [delta(content=[part]) for part in parts]
    for reply in (answered(content=parts), streamed(*deltas, delta("stop"), "[DONE]")):
        assert reply.content == content
        assert isinstance(reply.raw_message, dict) and reply.raw_message["content"] == raw


def test_references_in_a_thought_are_no_words() -> None:
    thinking = [{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "Hm."}]
    body = {"choices": [{"message": {"content": [{"type": "thinking", "thinking": thinking}]}}]}
    assert fold(OpenAIChat(get_chat_dialect("mistral")).decode(body)).content == (c.Thought("Hm."),)
