"""The codec of Anthropic's Messages API: what is sent, by hand-made requests, and answers at their edges.

Every body is checked against the vendor's own request types, and against the rules that those types do not know.
"""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st

from mirascope_like.errors import FeatureNotSupportedError, ToolError, UnsupportedParamWarning
from mirascope_like.schema.tools import WebSearchTool
from mirascope_like.types import content as c
from mirascope_like.types.chunks import Accumulator, Chunk, FinishReason, ProviderToolUsage, Reply
from mirascope_like.types.messages import AssistantMessage, Message, assistant, system, user
from mirascope_like.types.params import Params
from mirascope_like.wire.anthropic.codec import AnthropicMessages
from mirascope_like.wire.codec import JsonObject, MalformedResponseError, ReportedError, Request, TruncatedStreamError
from mirascope_like.wire.features import UNKNOWN, Features, find_features

CODEC = AnthropicMessages()
PROVIDER, MODEL = "anthropic", "anthropic/claude-sonnet-4-5"
BUDGET = Features(thinking="budget", max_output_tokens=64_000)
ADAPTIVE = Features(thinking="adaptive", max_output_tokens=128_000)
CACHED = {"cache_control": {"type": "ephemeral"}}
PIXEL = base64.b64encode(b"\x89PNG...").decode()


@dataclass
class SomeTool:
    """What a codec reads of a tool."""

    name: str = "look"
    description: str = "Look it up."
    strict: bool | None = None
    wire_parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass
class SomeFormat:
    """What a codec reads of a format."""

    mode: Literal["strict", "json", "tool", "parser"]
    name: str = "Book"
    description: str | None = None
    wire_schema: JsonObject = field(default_factory=lambda: {"type": "object", "additionalProperties": False})


@cache
def _adapter(stream: bool) -> Any:
    from anthropic.types import message_create_params as params
    from pydantic import TypeAdapter

    return TypeAdapter(params.MessageCreateParamsStreaming if stream else params.MessageCreateParamsNonStreaming)


def encode(*messages: Message, features: Features = UNKNOWN, params: Params | None = None, **fields: Any) -> JsonObject:
    """The body that asks for this, once it is known to be one that the API takes."""
    request = Request(
        model="claude-sonnet-4-5",
        messages=messages,
        params=params or {},
        features=features,
        provider_id=PROVIDER,
        model_id=MODEL,
        **fields,
    )
    body = CODEC.encode(request).body
    check(body)
    return body


def check(body: JsonObject) -> None:
    from pydantic import ValidationError

    try:
        taken = _read(_adapter(body.get("stream", False)).validate_python(body))
    except ValidationError as error:
        raise AssertionError(f"{error}\n{body}") from error
    # The vendor's types have left the sampling params behind; the API version that is asked for has them.
    sampling = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    assert {**taken, **sampling} == body, "the vendor's types do not know all of this"
    roles = [message["role"] for message in body["messages"]]
    assert roles and all(one != two for one, two in pairwise(roles))
    assert all(one == "user" for one, two in pairwise(["", *roles]) if two == "system")
    for message in body["messages"]:
        _check_blocks(message["content"], message["role"])
    assert json.dumps(body).count("cache_control") <= 4
    if "budget_tokens" in body.get("thinking", {}):
        assert 1_024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]


def _read(value: Any) -> Any:
    """The vendor's types have iterables, which are validated as they are read."""
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    return value if isinstance(value, str) or not isinstance(value, Iterable) else [_read(item) for item in value]


def _check_blocks(blocks: Any, role: str) -> None:
    if role == "system":
        assert blocks.strip()
        return
    assert blocks
    kinds = [block["type"] == "tool_result" for block in blocks]
    assert kinds == sorted(kinds, reverse=True), "results stand first"
    for block in blocks:
        assert block.get("text", "x").strip()
        if id := block.get("tool_use_id") or (block["type"] == "tool_use" and block["id"]):
            assert re.fullmatch("[a-zA-Z0-9_-]+", id)


def said(body: JsonObject) -> list[tuple[str, list[Any]]]:
    """The messages of a body, texts as text and cache marks left out."""
    return [(message["role"], [_said(block) for block in message["content"]]) for message in body["messages"]]


def _said(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return block["text"] if block["type"] == "text" else {k: v for k, v in block.items() if k != "cache_control"}


def fold(chunks: Iterable[Chunk]) -> Reply:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.reply()


def sse(*events: JsonObject) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def streamed(*events: JsonObject) -> Reply:
    decoder = CODEC.decoder()
    chunks = decoder.feed(sse(*events))
    return fold([*chunks, *decoder.end()])


def block_events(start: JsonObject, *deltas: JsonObject) -> list[JsonObject]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": start},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
    ]


START: JsonObject = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}},
}
STOP: JsonObject = {"type": "message_stop"}


def end(reason: str = "end_turn", **usage: Any) -> JsonObject:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def answered(*blocks: JsonObject, **fields: Any) -> AssistantMessage:
    """A message that this provider and model said."""
    reply = fold(CODEC.decode({"content": list(blocks)}))
    own = {"provider_id": PROVIDER, "model_id": MODEL, "raw_message": reply.raw_message, **fields}
    return AssistantMessage(content=reply.content, **own)


# -- requests: messages


def test_the_least_request() -> None:
    outgoing = CODEC.encode(Request(model="claude-x", messages=[user("hi")]))
    assert (outgoing.path, dict(outgoing.headers)) == ("/v1/messages", {"anthropic-version": "2023-06-01"})
    assert outgoing.body == {
        "model": "claude-x",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_leading_system_messages_are_the_system_field() -> None:
    body = encode(system("Be brief."), system(" "), system("Be kind."), user("hi"))
    assert body["system"] == [{"type": "text", "text": "Be brief.\n\nBe kind.", **CACHED}]
    assert said(body) == [("user", ["hi"])]


@pytest.mark.parametrize("features", [UNKNOWN, Features(inline_system_messages=True)])
def test_a_later_system_message_leaves_what_came_before_as_it_was(features: Features) -> None:
    before = (system("Be brief."), user("a"), assistant("b"))
    body = encode(*before, system("Be loud."), user("c"), features=features)
    assert body["system"][0]["text"] == "Be brief."
    loud = "<system>\nBe loud.\n</system>"
    turns = [("user", ["c"]), ("system", [*"Be loud."])] if features.inline_system_messages else [("user", [loud, "c"])]
    assert said(body) == [("user", ["a"]), ("assistant", ["b"]), *turns]


def test_a_system_turn_needs_a_user_turn_before_it() -> None:
    body = encode(user("a"), assistant("b"), system("c"), features=Features(inline_system_messages=True))
    assert said(body) == [("user", ["a"]), ("assistant", ["b"]), ("user", ["<system>\nc\n</system>"])]


def test_messages_of_one_role_become_one() -> None:
    body = encode(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))
    assert said(body) == [("user", ["a", "b"]), ("assistant", ["c", "d"]), ("user", ["e"])]


def test_nothing_empty_is_sent() -> None:
    body = encode(user(["", "\n", "a"]), assistant(" "), user("b"), assistant("c"), user(""))
    assert said(body) == [("user", ["a", "b"]), ("assistant", ["c"]), ("user", ["(no text)"])]
    assert said(encode(system("alone"))) == [("user", ["(no text)"])]


def test_media() -> None:
    parts: list[c.UserContentPart] = [
        c.Image(c.Base64ImageSource(PIXEL, "image/png")),
        c.Image.from_url("https://x.test/a.png"),
        c.Document(c.Base64DocumentSource(PIXEL, "application/pdf")),
        c.Document(c.TextDocumentSource("# Title", "text/markdown")),
        c.Document.from_url("https://x.test/a.pdf"),
    ]
    sources = [block["source"] for block in encode(user(parts))["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
        {"type": "url", "url": "https://x.test/a.png"},
        {"type": "base64", "media_type": "application/pdf", "data": PIXEL},
        {"type": "text", "media_type": "text/plain", "data": "# Title"},
        {"type": "url", "url": "https://x.test/a.pdf"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        c.Audio(c.Base64AudioSource("AAAA", "audio/wav")),
        c.Image(c.Base64ImageSource("AAAA", "image/heic")),
        c.Document(c.Base64DocumentSource("AAAA", "application/msword")),
    ],
)
def test_media_that_is_not_taken(part: c.UserContentPart) -> None:
    with pytest.raises(FeatureNotSupportedError, match="anthropic"):
        encode(user(part))


def test_results_stand_first_and_tell_of_errors() -> None:
    failed = c.ToolOutput(id="t2", name="look", result="no such city", error=ToolError("no such city"))
    silent = c.ToolOutput(id="t3", name="look", result="", error=ToolError(""))
    plain = c.ToolOutput(id="t1", name="look", result={"grad": 7})
    calls = [c.ToolCall(id=id, name="look", args="{}") for id in ("t1", "t2", "t3")]
    body = encode(user("?"), assistant(calls), user(["and?", plain]), user([failed, silent]))
    assert said(body)[2] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "t1", "content": '{"grad":7}'},
            {"type": "tool_result", "tool_use_id": "t2", "content": "no such city", "is_error": True},
            {"type": "tool_result", "tool_use_id": "t3", "content": "(no text)", "is_error": True},
            "and?",
        ],
    )


def test_images_in_results() -> None:
    image = c.Image(c.Base64ImageSource(PIXEL, "image/png"))
    outputs = [c.ToolOutput(id=f"t{i}", name="draw", result=r) for i, r in enumerate([image, ["a map", image, ""]])]
    alone, among = (block["content"] for block in encode(user(outputs))["messages"][0]["content"])
    assert [block["type"] for block in alone] == ["image"]
    assert [block["type"] for block in among] == ["text", "image"]


def test_foreign_ids_are_mapped_alike_for_call_and_result() -> None:
    ids = ["functions.look:0", "functions.look:1", "", "fine-id_1"]
    calls = [c.ToolCall(id=id, name="look", args="{}") for id in ids]
    body = encode(user("?"), assistant(calls), user([c.ToolOutput(id=id, name="look", result=1) for id in ids]))
    _, (_, sent), (_, results) = said(body)
    assert [block["id"] for block in sent] == [block["tool_use_id"] for block in results]
    assert len({block["id"] for block in sent}) == 4 and sent[3]["id"] == "fine-id_1"


@pytest.mark.parametrize("args", ["", '{"city": "Par', "[1]", "null", '{"x": NaN}', '{"x": Infinity}', '{"x": 1e999}'])
def test_arguments_that_are_no_object_are_sent_as_none(args: str) -> None:
    body = encode(user("?"), assistant(c.ToolCall(id="t", name="look", args=args)))
    assert body["messages"][1]["content"][0]["input"] == {}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Köln", "n": 1}}


def test_what_this_model_said_goes_back_as_it_was() -> None:
    blocks = [THOUGHT, {"type": "text", "text": ""}, {"type": "text", "text": "I look.", "citations": None}, CALL]
    message = answered(*blocks)
    assert said(encode(user("?"), message))[1] == ("assistant", [THOUGHT, "I look.", CALL])
    spaced = replace(
        message, content=(*message.content[:-1], replace(message.content[-1], args='{"n":1,"city":"Köln"}'))
    )
    assert said(encode(user("?"), spaced))[1][1][0] == THOUGHT


def test_what_was_edited_or_said_by_others_is_written_anew() -> None:
    message = answered(THOUGHT, {"type": "text", "text": "I look."}, CALL)
    anew = [("user", ["?"]), ("assistant", ["I look.", CALL])]
    assert said(encode(user("?"), replace(message, model_id="anthropic/other"))) == anew
    edited = replace(message, content=(c.Text("I wait."),))
    assert said(encode(user("?"), edited))[1] == ("assistant", ["I wait."])
    as_text: Params = {"thinking": {"level": "default", "encode_thoughts_as_text": True}}
    assert said(encode(user("?"), message, params=as_text))[1][1] == ["**Thinking:** hm\n\nI look.", CALL]
    assert said(encode(user("?"), answered(THOUGHT, provider_id="other"), user("!"))) == [("user", ["?", "!"])]


def test_encoding_changes_nothing_that_it_was_given() -> None:
    message, tool = answered(THOUGHT, CALL), SomeTool()
    before = json.dumps([message.raw_message, tool.wire_parameters])
    history = [system("s"), user("?"), message, user(c.ToolOutput(id="toolu_1", name="look", result=1)), message]
    bodies = [encode(*history, tools=[tool, tool]) for _ in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert json.dumps([message.raw_message, tool.wire_parameters]) == before


# -- requests: settings


def test_max_tokens() -> None:
    assert encode(user("hi"))["max_tokens"] == 4_096
    assert encode(user("hi"), features=Features(max_output_tokens=8_192))["max_tokens"] == 8_192
    assert encode(user("hi"), features=BUDGET)["max_tokens"] == 16_000
    assert encode(user("hi"), params={"max_tokens": 5})["max_tokens"] == 5


@pytest.mark.parametrize(
    ("level", "max_tokens", "budget"),
    [
        ("minimal", 8_000, 1_024),
        ("low", 8_000, 1_600),
        ("medium", 8_000, 3_200),
        ("high", 8_000, 4_800),
        ("xhigh", 8_000, 5_600),
        ("max", 8_000, 6_400),
        ("low", 2_000, 1_024),
        ("max", 1_025, 1_024),
    ],
)
def test_a_thinking_budget_fits_below_max_tokens(level: Any, max_tokens: int, budget: int) -> None:
    for features in (BUDGET, UNKNOWN):
        body = encode(user("hi"), params={"thinking": {"level": level}, "max_tokens": max_tokens}, features=features)
        assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
        assert body["max_tokens"] == max_tokens


def test_no_room_to_think() -> None:
    with pytest.warns(UnsupportedParamWarning, match="thinking"):
        body = encode(user("hi"), params={"thinking": {"level": "high"}, "max_tokens": 1_024}, features=BUDGET)
    assert "thinking" not in body and body["max_tokens"] == 1_024


def test_a_system_turn_may_stand_last() -> None:
    features, params = replace(BUDGET, inline_system_messages=True), Params(thinking={"level": "high"})
    assert "thinking" in encode(user("hi"), system("Be brief."), params=params, features=features)
    call = c.ToolCall(id="t1", name="look", args="{}")
    called = [user("hi"), assistant(call), user(c.ToolOutput(id="t1", name="look", result="seen"))]
    for messages in (called, [*called, system("Be brief.")]):
        with pytest.warns(UnsupportedParamWarning, match="thinking"):
            assert "thinking" not in encode(*messages, params=params, features=features, tools=[SomeTool()])


@pytest.mark.parametrize(
    ("config", "features", "fields"),
    [
        ({"level": "default"}, BUDGET, {}),
        ({"level": "default"}, ADAPTIVE, {}),
        ({"level": "default", "include_thoughts": True}, ADAPTIVE, {"thinking": {"display": "summarized"}}),
        ({"level": "minimal"}, ADAPTIVE, {"thinking": {}, "output_config": {"effort": "low"}}),
        ({"level": "xhigh"}, ADAPTIVE, {"thinking": {}, "output_config": {"effort": "xhigh"}}),
        ({"level": "max"}, ADAPTIVE, {"thinking": {}, "output_config": {"effort": "max"}}),
        ({"level": "none"}, BUDGET, {"thinking": {"type": "disabled"}}),
        ({"level": "none"}, replace(ADAPTIVE, thinking_off="between_tools"), {"thinking": {"type": "between_tools"}}),
        ({"level": "none"}, replace(ADAPTIVE, thinking_off=False), {"output_config": {"effort": "low"}}),
        ({"level": "none"}, Features(thinking=False), {}),
    ],
)
def test_thinking_otherwise(config: Any, features: Features, fields: JsonObject) -> None:
    body = encode(user("hi"), params={"thinking": config}, features=features)
    if "thinking" in fields:
        fields = {**fields, "thinking": {"type": "adaptive", **fields["thinking"]}}
    assert {key: body[key] for key in ("thinking", "output_config") if key in body} == fields


@pytest.mark.parametrize(
    ("params", "features", "gone"),
    [
        ({"seed": 1}, UNKNOWN, "seed"),
        ({"thinking": {"level": "high"}}, Features(thinking=False), "thinking"),
        ({"temperature": 0.5}, Features(sampling=False), "temperature"),
        ({"top_p": 0.5}, Features(sampling=False), "top_p"),
        ({"temperature": 0.5, "thinking": {"level": "low"}}, BUDGET, "temperature"),
        ({"top_k": 5, "thinking": {"level": "low"}}, ADAPTIVE, "top_k"),
    ],
)
def test_what_is_not_taken_is_left_out_aloud(params: Params, features: Features, gone: str) -> None:
    with pytest.warns(UnsupportedParamWarning, match=gone):
        assert gone not in encode(user("hi"), params=params, features=features)


def test_temperature_counts_where_one_way_to_sample_is_taken() -> None:
    both: Params = {"temperature": 0.5, "top_p": 0.9}
    with pytest.warns(UnsupportedParamWarning, match="'top_p' together with 'temperature'"):
        body = encode(user("hi"), params=both, features=find_features("anthropic", "claude-sonnet-4-5"))
    assert (body["temperature"], "top_p" in body) == (0.5, False)


def test_sampling() -> None:
    params: Params = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ("a", "b")}
    body = encode(user("hi"), params=params)
    assert {key: body[key] for key in params} == {**params, "stop_sequences": ["a", "b"]}


def test_tools() -> None:
    body = encode(
        user("hi"), tools=[SomeTool("a", strict=True), SomeTool("b", strict=False)], provider_tools=[WebSearchTool()]
    )
    assert [(tool["name"], tool.get("strict"), tool.get("type")) for tool in body["tools"]] == [
        ("a", True, None),
        ("b", None, None),
        ("web_search", None, "web_search_20250305"),
    ]
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"name": "look"}}, {"type": "tool", "name": "look"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(params: Params, sent: JsonObject) -> None:
    assert encode(user("hi"), tools=[SomeTool()], params=params)["tool_choice"] == sent
    assert "tool_choice" not in encode(user("hi"), params=params)


@pytest.mark.parametrize(
    ("features", "level"), [(BUDGET, "low"), (replace(ADAPTIVE, forced_tool_calls=False), "default")]
)
def test_a_call_that_cannot_be_demanded_is_left_to_the_model(features: Features, level: Any) -> None:
    params: Params = {"tool_choice": "required", "thinking": {"level": level}}
    with pytest.warns(UnsupportedParamWarning, match="tool_choice"):
        body = encode(user("hi"), tools=[SomeTool()], params=params, features=features)
    assert body["tool_choice"] == {"type": "auto"}


def test_format() -> None:
    schema = SomeFormat("strict").wire_schema
    shape = {"type": "json_schema", "schema": schema}
    assert encode(user("hi"), format=SomeFormat("strict"))["output_config"] == {"format": shape}
    thinking: Params = {"thinking": {"level": "high"}}
    body = encode(user("hi"), format=SomeFormat("strict"), params=thinking, features=ADAPTIVE)
    assert body["output_config"] == {"effort": "high", "format": shape}
    assert "output_config" not in encode(user("hi"), format=SomeFormat("json"))


def test_what_later_calls_begin_with_is_marked_for_the_cache() -> None:
    def marked(body: JsonObject) -> list[str]:
        places = {"tools": body.get("tools", []), "system": body.get("system", [])}
        places |= {f"{i} {m['role']}": m["content"] for i, m in enumerate(body["messages"])}
        return [place for place, blocks in places.items() for block in blocks if "cache_control" in block]

    tools, first, later = [SomeTool("a"), SomeTool("b")], user("a"), [assistant("b"), user("c")]
    assert marked(encode(first)) == []
    assert marked(encode(first, tools=tools)) == ["tools"]
    assert marked(encode(system("s"), first, tools=tools)) == ["system"]
    assert marked(encode(system("s"), first, *later, tools=tools)) == ["system", "2 user"]


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-3-haiku-20240307", {"thinking": False, "max_output_tokens": 4_096}),
        ("claude-3-7-sonnet-latest", {"thinking": "budget", "strict_format": False}),
        ("claude-opus-4-20250514", {"thinking": "budget", "sampling": True, "max_output_tokens": 32_000}),
        ("claude-opus-4-1-20250805", {"thinking": "budget", "sampling": "one", "max_output_tokens": 32_000}),
        ("claude-sonnet-4-0", {"thinking": "budget", "strict_format": False, "max_output_tokens": 64_000}),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"thinking": "budget", "strict_format": True}),
        ("claude-haiku-4-5", {"thinking": "budget", "sampling": "one"}),
        ("claude-opus-4-6", {"thinking": "adaptive", "sampling": "one"}),
        (
            "claude-opus-4-8",
            {"thinking": "adaptive", "sampling": False, "inline_system_messages": True, "thinking_off": None},
        ),
        ("claude-opus-5", {"forced_tool_calls": None, "inline_system_messages": True, "thinking_off": None}),
        ("claude-opus-5-5", {"forced_tool_calls": False, "thinking_off": False}),
        ("claude-sonnet-5-5", {"forced_tool_calls": False, "thinking_off": "between_tools"}),
        ("claude-haiku-5-5", {"forced_tool_calls": None, "thinking_off": None}),
        ("claude-fable-5", {"forced_tool_calls": None, "thinking_off": False}),
        ("claude-fable-5-1", {"forced_tool_calls": False, "thinking_off": False}),
        ("claude-unheard-7", {"thinking": "adaptive", "sampling": False, "max_output_tokens": 128_000}),
        ("another", {"thinking": None, "max_output_tokens": None}),
    ],
)
def test_what_is_known_of_models(model: str, known: dict[str, Any]) -> None:
    features = find_features("anthropic", model)
    assert {name: getattr(features, name) for name in known} == known


_TEXTS = st.text(alphabet="ab \n", max_size=4)
_CALLS = st.builds(c.ToolCall, id=st.sampled_from(["t1", "a.b", ""]), name=st.just("look"), args=_TEXTS)
_OUTPUTS = st.builds(c.ToolOutput, id=st.sampled_from(["t1", "a.b", ""]), name=st.just("look"), result=_TEXTS)
_MESSAGES = st.lists(
    st.one_of(
        _TEXTS.map(system),
        st.lists(_TEXTS | _OUTPUTS, max_size=3).map(user),
        st.lists(_TEXTS | _CALLS | _TEXTS.map(c.Thought), max_size=3).map(assistant),
        st.lists(st.sampled_from([THOUGHT, CALL, {"type": "text", "text": " "}])).map(lambda blocks: answered(*blocks)),
    )
)


@given(
    messages=_MESSAGES,
    turns=st.booleans(),
    thinking=st.sampled_from(["none", "default", "minimal", "max"]),
    kind=st.sampled_from([None, False, "budget", "adaptive"]),
    max_tokens=st.none() | st.integers(1, 20_000),
    stream=st.booleans(),
)
def test_any_messages_make_a_body_that_is_taken(
    messages: Sequence[Message], turns: bool, thinking: Any, kind: Any, max_tokens: int | None, stream: bool
) -> None:
    params: Params = {"thinking": {"level": thinking}, "temperature": 0.5, "tool_choice": "required"}
    if max_tokens is not None:
        params["max_tokens"] = max_tokens
    features = Features(inline_system_messages=turns, thinking=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedParamWarning)
        encode(*messages, features=features, params=params, tools=[SomeTool()], stream=stream)


# -- answers


def test_a_whole_answer_and_a_stream_are_equal() -> None:
    citation = {"type": "char_location", "cited_text": "x", "document_title": "T"}
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"encrypted_content": "…"}]}
    text = {"type": "text", "text": "Köln.", "citations": [citation]}
    usage = {"input_tokens": 3, "output_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 7}
    usage["server_tool_use"] = {"web_search_requests": 1, "web_fetch_requests": 0}
    whole = fold(
        CODEC.decode(
            {
                **START["message"],
                "content": [THOUGHT, search, found, text, CALL],
                "stop_reason": "tool_use",
                "usage": usage,
            }
        )
    )
    events = [
        *block_events(
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "h"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "sig"},
        ),
        {"type": "ping"},
        *block_events({**search, "input": {}}, {"type": "input_json_delta", "partial_json": '{"query": "x"}'}),
        *block_events(found),
        *block_events(
            {"type": "text", "text": "", "citations": []},
            {"type": "text_delta", "text": "Kö"},
            {"type": "citations_delta", "citation": citation},
            {"type": "text_delta", "text": "ln."},
        ),
        *block_events(
            {**CALL, "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"city": "K'},
            {"type": "input_json_delta", "partial_json": 'öln", "n": 1}'},
        ),
    ]
    assert streamed(START, *events, end("tool_use", **usage), STOP) == whole
    assert whole.raw_message == {"role": "assistant", "content": [THOUGHT, search, found, text, CALL]}
    assert whole.content == (
        c.Thought("hm"),
        c.ServerToolCall(id="s1", name="web_search", args='{"query": "x"}', raw=search),
        c.ProviderBlock(kind="web_search_tool_result", raw=found),
        c.Text("Köln.", (c.Citation(title="T", cited_text="x", raw=citation),)),
        c.ToolCall(id="toolu_1", name="look", args='{"city": "Köln", "n": 1}'),
    )
    assert (whole.response_id, whole.provider_model_name) == ("msg_1", "claude-x")
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.cache_read_tokens, whole.usage.cache_write_tokens) == (15, 5, 7)
    assert whole.usage.provider_tool_usage == (ProviderToolUsage(name="web_search", call_count=1),)
    assert whole.usage.raw == usage


def test_usage_at_the_end_replaces_what_the_start_said() -> None:
    reply = streamed(START, end(input_tokens=8, output_tokens=20, output_tokens_details={"thinking_tokens": 6}), STOP)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.reasoning_tokens) == (8, 20, 6)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", None),
        ("tool_use", None),
        ("unheard_of", FinishReason.UNKNOWN),
        ("max_tokens", FinishReason.MAX_TOKENS),
        ("refusal", FinishReason.REFUSAL),
        ("pause_turn", FinishReason.PAUSE),
        ("model_context_window_exceeded", FinishReason.CONTEXT_LENGTH_EXCEEDED),
    ],
)
def test_finish_reasons(raw: str, reason: FinishReason | None) -> None:
    reply = streamed(START, end(raw), STOP)
    assert (reply.finish_reason, reply.raw_finish_reason, reply.content) == (reason, raw, ())


def test_an_empty_thought_is_kept_with_its_signature() -> None:
    blank = {"type": "thinking", "thinking": "", "signature": ""}
    reply = streamed(START, *block_events(blank, {"type": "signature_delta", "signature": "sig"}), end(), STOP)
    assert reply.content == (c.Thought(""),)
    assert reply.raw_message == {"role": "assistant", "content": [{**blank, "signature": "sig"}]}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "mcp_tool_result", "tool_use_id": "m", "content": []},
        {"type": "fallback", "from": {}, "to": {}},
        {"type": "unheard_of", "deep": {"er": [1]}},
    ],
)
def test_blocks_without_a_common_form_are_kept(block: JsonObject) -> None:
    reply = streamed(START, *block_events(block), end(), STOP)
    assert reply.content == (c.ProviderBlock(kind=block["type"], raw=block),)
    assert reply.raw_message == {"role": "assistant", "content": [block]}


def test_deltas_that_are_not_known_are_kept() -> None:
    delta = {"type": "compaction_delta", "content": "in short", "encrypted_content": "opaque"}
    block = {"type": "compaction", "content": None, "encrypted_content": None}
    reply = streamed(START, *block_events(block, delta), end(), STOP)
    assert reply.raw_message == {"role": "assistant", "content": [{**delta, "type": "compaction"}]}


def begun(index: object, block: JsonObject) -> JsonObject:
    return {"type": "content_block_start", "index": index, "content_block": block}


def told(index: object, kind: str, field: str, piece: str) -> JsonObject:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}}


@pytest.mark.parametrize("ends", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0), ()])
def test_blocks_that_come_mixed_are_told_apart_and_said_in_order(ends: Sequence[int]) -> None:
    calls = [{**CALL, "id": f"toolu_{i}", "input": {}} for i in range(2)]
    reply = streamed(
        START,
        begun(0, {"type": "text", "text": ""}),
        begun(1, calls[0]),
        begun(2, calls[1]),
        begun(3, {"type": "text", "text": ""}),
        told(3, "text_delta", "text", "Bye"),
        told(1, "input_json_delta", "partial_json", '{"a":'),
        told(2, "input_json_delta", "partial_json", '{"b":'),
        told(0, "text_delta", "text", "Hi"),
        told(2, "input_json_delta", "partial_json", "2}"),
        told(1, "input_json_delta", "partial_json", "1}"),
        *({"type": "content_block_stop", "index": index} for index in ends),
        end("tool_use"),
        STOP,
    )
    assert reply.content == (
        c.Text("Hi"),
        c.ToolCall(id="toolu_0", name="look", args='{"a":1}'),
        c.ToolCall(id="toolu_1", name="look", args='{"b":2}'),
        c.Text("Bye"),
    )
    assert isinstance(reply.raw_message, dict)
    assert [block.get("input", block.get("text")) for block in reply.raw_message["content"]] == [
        "Hi",
        {"a": 1},
        {"b": 2},
        "Bye",
    ]


@pytest.mark.parametrize("index", [0, None])
def test_blocks_whose_ends_or_indexes_are_left_out(index: int | None) -> None:
    said = [begun(index, {"type": "text", "text": ""}), told(None, "text_delta", "text", "A")]
    assert streamed(START, *said, *said, end(), STOP).content == (c.Text("A"), c.Text("A"))


def test_a_call_without_arguments() -> None:
    reply = streamed(START, *block_events({**CALL, "input": {}}), end("tool_use"), STOP)
    assert reply.content == (c.ToolCall(id="toolu_1", name="look", args="{}"),)


def test_a_call_cut_off_by_the_limit_can_be_answered() -> None:
    cut = block_events({**CALL, "input": {}}, {"type": "input_json_delta", "partial_json": '{"city": "Par'})
    thought = block_events({"type": "thinking", "thinking": "", "signature": "sig"})
    reply = streamed(START, *thought, *cut, end("max_tokens"), STOP)
    call = reply.content[1]
    assert call == c.ToolCall(id="toolu_1", name="look", args='{"city": "Par')
    own = AssistantMessage(content=reply.content, provider_id=PROVIDER, model_id=MODEL, raw_message=reply.raw_message)
    failed = c.ToolOutput(id="toolu_1", name="look", result="no JSON", error=ToolError("no JSON"))
    _, (_, (thought_sent, call_sent)), (_, (result,)) = said(encode(user("?"), own, user(failed)))
    assert (thought_sent["signature"], call_sent["input"]) == ("sig", {})
    assert (result["tool_use_id"], result["is_error"]) == ("toolu_1", True)


@pytest.mark.parametrize("kind", ["ping", "vendor.unheard_of"])
def test_other_events_are_passed_over(kind: str) -> None:
    assert streamed({"type": kind}, START, {"type": kind}, end(), STOP) == streamed(START, end(), STOP)


def test_only_message_stop_ends_a_stream() -> None:
    with pytest.raises(TruncatedStreamError):
        streamed(START, *block_events({"type": "text", "text": "hi"}), end())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("timeout_error", 504),
        ("unheard_of_error", None),
    ],
)
def test_errors_inside_a_stream(kind: str, status: int | None) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Oh no"}, "request_id": "req_1"}
    with pytest.raises(ReportedError, match="Oh no") as caught:
        streamed(START, error)
    assert (caught.value.status, caught.value.type, caught.value.body) == (status, kind, error)
    with pytest.raises(ReportedError, match="Oh no"):
        CODEC.decode(error)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b'event: error\ndata: {"error": {"type": "overloaded_error", "message": "Oh no"}}\n\n', 529),
        (b"event: error\ndata: Oh no\n\n", None),
        (b'data: {"error": {"message": "Oh no", "code": 502}}\n\n', 502),
        (b'data: [{"error": {"message": "Oh no", "code": 503}}]\n\n', 503),
    ],
)
def test_errors_inside_a_stream_in_other_words(data: bytes, status: int | None) -> None:
    decoder = CODEC.decoder()
    decoder.feed(sse(START))
    with pytest.raises(ReportedError, match="Oh no") as caught:
        decoder.feed(data)
    assert caught.value.status == status


@pytest.mark.parametrize("body", [None, [], "text", {}, {"content": "text"}, {"content": [{"text": "no type"}]}])
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(MalformedResponseError):
        CODEC.decode(body)


def test_a_count_that_is_null_at_the_end_is_as_it_was() -> None:
    reply = streamed(START, end(input_tokens=None, output_tokens=5), STOP)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 5)
