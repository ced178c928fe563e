"""How answers are put together from events, and how events and the library's chunks become each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like.chat.messages.convert import from_llm
from mirascope_like.chat.messages.event_assembler import Assembler, ChunkReader, ChunkWriter
from mirascope_like.chat.messages.origins import OWN
from mirascope_like.chat.messages.parts import (
    Message,
    Part,
    ReasoningPart,
    StreamEvent,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from mirascope_like.chat.tools.tool import ToolCall
from mirascope_like.types import chunks as ch, content as c
from mirascope_like.types.messages import AssistantMessage

from ..types import strategies as llm


def assembled(*events: StreamEvent, calls: Sequence[ToolCall] = ()) -> list[list[Part]]:
    """The parts of each message."""
    assembler = Assembler()
    for event in events:
        assert assembler.add(event).part_index is not None
    return [message.parts for message in assembler.messages(calls)]


def text(chunk: str, **more: Any) -> StreamEvent:
    return StreamEvent("text", chunk, **more)


def thought(chunk: str, **more: Any) -> StreamEvent:
    return StreamEvent("reasoning", chunk, **more)


def name(chunk: str, id: str | None = None, **more: Any) -> StreamEvent:
    return StreamEvent("tool_call_name", chunk, tool_call_id=id, **more)


def args(chunk: str, id: str | None = None, **more: Any) -> StreamEvent:
    return StreamEvent("tool_call_args", chunk, tool_call_id=id, **more)


def test_neighbours_of_one_kind_are_one_part() -> None:
    events = [text("a"), text("b"), thought("c"), thought("d"), text("e"), name("f", "1"), text("g")]
    assert assembled(*events) == [
        [TextPart("ab"), ReasoningPart("cd"), TextPart("e"), ToolCallPart("f", {}, "1"), TextPart("g")]
    ]
    assembler = Assembler()
    assert [assembler.add(event).part_index for event in events] == [0, 0, 1, 1, 2, 3, 4]


def test_calls_are_told_apart_by_id_even_if_interleaved() -> None:
    events = [name("a", "1"), name("b", "2"), args('{"x"', "1"), args("{}", "2"), args(": 1}", "1")]
    assert assembled(*events) == [[ToolCallPart("a", {"x": 1}, "1"), ToolCallPart("b", {}, "2")]]


def test_calls_without_ids_are_told_apart_by_order() -> None:
    events = [name("a"), args('{"x": 1}'), name("a"), args('{"x":'), text("between"), args(" 2}")]
    assert assembled(*events) == [
        [ToolCallPart("a", {"x": 1}), ToolCallPart("a", {"x": 2}), TextPart("between")],
    ]


def test_each_tool_result_is_a_part() -> None:
    result = StreamEvent("tool_result", "found", tool_call_id="1", tool_name="search", server_executed=True)
    part = ToolResultPart("search", "found", "1", server_executed=True)
    assert assembled(result, result) == [[part, part]]


def test_explicit_places_win() -> None:
    assert assembled(text("a", part_index=3), name("f", "1"), text("b", part_index=3)) == [
        [TextPart("ab"), ToolCallPart("f", {}, "1")]
    ]


def test_two_kinds_in_one_place_are_refused_at_the_end() -> None:
    assembler = Assembler()
    for event in (text("a", part_index=0), thought("b", part_index=0)):
        assembler.add(event)
    with pytest.raises(ValueError, match="part_index=0 are of different kinds: reasoning, text"):
        assembler.messages()


def test_messages_are_told_apart() -> None:
    events = [text("a"), name("f", "1"), text("b", message_index=2), args("{}", "1", message_index=2), text("c")]
    assert assembled(*events) == [
        [TextPart("a"), ToolCallPart("f", {}, "1"), TextPart("c")],
        [TextPart("b"), ToolCallPart("", {}, "1")],
    ]


def test_metadata_is_merged() -> None:
    events = [
        thought("a", provider_metadata={"x": {"sig": 1}, "y": 1}),
        thought("b", provider_metadata={"x": {"sig": 2}, "y": None}),
        thought(""),
    ]
    assert assembled(*events) == [[ReasoningPart("ab", provider_metadata={"x": {"sig": 2}, "y": 1})]]


@pytest.mark.parametrize(
    ("said", "arguments"),
    [("", {}), ('{"a": [1]}', {"a": [1]}), ('{"a": ', {"_raw": '{"a": '}), ("[1]", {"_raw": "[1]"})],
)
def test_arguments_that_are_no_object_are_kept(said: str, arguments: dict[str, Any]) -> None:
    assert assembled(name("f", "1"), args(said, "1")) == [[ToolCallPart("f", arguments, "1")]]


def test_empty_texts_are_dropped_and_hidden_thoughts_come_first() -> None:
    assert assembled(text("", part_index=0), text("a"), thought("", redacted=True)) == [
        [ReasoningPart(redacted=True), TextPart("a")]
    ]
    assert assembled(text("")) == []


def test_calls_beside_the_events_are_appended() -> None:
    calls = [ToolCall("f", {"x": 1}, "1"), ToolCall("g", {}, "2")]
    assert assembled(name("f", "1"), args('{"x": 1}', "1"), text("a", message_index=1), calls=calls) == [
        [ToolCallPart("f", {"x": 1}, "1")],
        [TextPart("a"), ToolCallPart("g", {}, "2")],
    ]
    assert assembled(calls=calls[1:]) == [[ToolCallPart("g", {}, "2")]]


def test_w27_calls_without_ids_that_are_added_too_appear_once() -> None:
    calls = [ToolCall("f", {"x": 1}, "tc_1"), ToolCall("f", {"x": 1}, "tc_2")]
    events = [name("f"), args('{"x": 1}'), name("f"), args('{"x": 1}')]
    assert assembled(*events, calls=calls) == [
        [ToolCallPart("f", {"x": 1}, "tc_1"), ToolCallPart("f", {"x": 1}, "tc_2")]
    ]


def test_an_added_call_is_the_streamed_one_of_its_id_before_an_equal_one_without() -> None:
    events = [name("f"), args('{"x": 1}'), name("f", "1"), args('{"x": 1}', "1")]
    streamed = [ToolCallPart("f", {"x": 1}), ToolCallPart("f", {"x": 1}, "1")]
    assert assembled(*events, calls=[ToolCall("f", {"x": 1}, "1")]) == [streamed]


@pytest.mark.parametrize(
    ("value", "equal", "other"),
    [
        ("1", 1.0, 2),
        ("0", False, None),
        ('"a"', "a", ["a"]),
        ("[1, [2]]", [1, [2.0]], (1, [2])),
        ('{"a": {"b": 1, "c": []}}', {"a": {"c": [], "b": 1}}, {"a": {"b": 1, "c": {}}}),
        ("[" * 20 + "1" + "]" * 20, json.loads("[" * 20 + "1" + "]" * 20), json.loads("[" * 20 + "2" + "]" * 20)),
        ("[1]", [1], [bytearray(b"1")]),
    ],
)
def test_an_added_call_without_a_streamed_id_is_told_by_its_arguments(value: str, equal: object, other: object) -> None:
    events = [name("f"), args(f'{{"x": {value}}}'), name("f"), args(f'{{"x": {value}}}')]
    calls = [ToolCall("g", {"x": equal}, "0"), ToolCall("f", {"x": other}, "1"), ToolCall("f", {"x": equal}, "2")]
    (parts,) = assembled(*events, calls=calls)
    ids = [(part.name, part.tool_call_id) for part in parts if isinstance(part, ToolCallPart)]
    assert ids == [("f", "2"), ("f", None), ("g", "0"), ("f", "1")]


def test_nothing_said_is_no_message() -> None:
    assert assembled() == []


def test_unknown_events_are_refused() -> None:
    with pytest.raises(ValueError, match="not 'txt'"):
        assembled(StreamEvent("txt", "a"))


# -- laws -------------------------------------------------------------------------------------------------------------

words = st.text(min_size=1, max_size=8)
answers = st.lists(
    st.builds(TextPart, words)
    | st.builds(ReasoningPart, words)
    | st.builds(ToolCallPart, llm.names, llm.json_objects, server_executed=st.booleans()),
    max_size=5,
).map(lambda parts: [with_id(part, str(at)) for at, part in enumerate(parts)])


def with_id(part: Part, id: str) -> Part:
    return replace(part, tool_call_id=id) if isinstance(part, ToolCallPart) else part


def events_of(parts: Iterable[Part], cut: st.DataObject) -> list[StreamEvent]:
    """Events that say these parts, each cut anywhere."""
    made: list[StreamEvent] = []
    for at, part in enumerate(parts):
        match part:
            case TextPart():
                made += [text(piece, part_index=at) for piece in pieces(part.text, cut)]
            case ReasoningPart():
                made += [thought(piece, part_index=at) for piece in pieces(part.text, cut)]
            case ToolCallPart():
                said = pieces(ch_args(part), cut)
                more: dict[str, Any] = {"id": part.tool_call_id, "server_executed": part.server_executed}
                made += [name(part.name, **more), *(args(piece, **more) for piece in said)]
            case _:
                raise AssertionError(part)
    return made


def ch_args(part: ToolCallPart) -> str:
    return json.dumps(part.arguments)


def pieces(said: str, cut: st.DataObject) -> list[str]:
    at = cut.draw(st.integers(0, len(said)))
    return [said[:at], said[at:]]


@given(answers, st.data())
def test_any_cut_gives_the_same_parts(parts: list[Part], cut: st.DataObject) -> None:
    assert assembled(*events_of(parts, cut)) == ([parts] if parts else [])


@given(answers, st.data(), st.none() | st.dictionaries(llm.names, words, min_size=1, max_size=1))
def test_answers_of_a_user_s_model_pass_the_library_unchanged(
    parts: list[Part], cut: st.DataObject, metadata: dict[str, Any] | None
) -> None:
    assembler, writer, accumulator = Assembler(), ChunkWriter(), ch.Accumulator()
    for event in events_of(parts, cut):
        for chunk in writer.feed(assembler.add(replace(event, provider_metadata=metadata))):
            accumulator.add(chunk)
    added = [ToolCall("added", {"x": 1}, "later")]
    messages = assembler.messages(added)
    for chunk in writer.end(messages):
        accumulator.add(chunk)
    reply = accumulator.reply()
    said = AssistantMessage(content=reply.content, provider_id=OWN, raw_message=reply.raw_message)
    assert from_llm([said]) == messages
    assert [part.id for part in said.content if isinstance(part, c.ToolCall)][-1] == "later"


@given(st.lists(llm.texts | llm.thoughts | llm.tool_calls | llm.server_calls, max_size=5))
def test_chunks_as_events_say_what_the_message_says(content: list[Any]) -> None:
    said = [
        replace(part, id=str(at)) if isinstance(part, c.ToolCall | c.ServerToolCall) else part
        for at, part in enumerate(content)
        if part != c.Text("")
    ]
    reader, assembler = ChunkReader(), Assembler()
    for chunk in chunks_of(said):
        for event in reader.feed(chunk):
            assembler.add(event)
    (message,) = from_llm([AssistantMessage(content=said)])
    plain = [replace(part, provider_metadata=None) for part in message.parts]
    hidden = [part for part in plain if isinstance(part, ReasoningPart) and part.redacted]
    shown = [part for part in plain if part not in hidden]
    assert assembler.messages() == ([Message("assistant", [*hidden, *shown])] if plain else [])


def chunks_of(content: Iterable[c.AssistantContentPart]) -> Iterable[ch.Chunk]:
    for part in content:
        match part:
            case c.Text():
                yield from (ch.TextStartChunk(), ch.TextChunk(part.text), ch.TextEndChunk())
            case c.Thought():
                yield from (ch.ThoughtStartChunk(), ch.ThoughtChunk(part.thought), ch.ThoughtEndChunk())
            case c.ToolCall(id=id):
                yield from (ch.ToolCallStartChunk(id, part.name), ch.ToolCallChunk(id, part.args))
                yield ch.ToolCallEndChunk(id)
            case _:
                yield ch.ProviderChunk(part)


def test_what_the_provider_s_tools_found_is_an_event() -> None:
    call = c.ServerToolCall(id="s1", name="web_search", args='{"query": "tea"}')
    found = c.ProviderBlock(kind="web_search_result", raw={"call": "s1", "hits": ["tea"]})
    reader = ChunkReader()
    events = [event for part in (call, found) for event in reader.feed(ch.ProviderChunk(part))]
    assert [(event.type, event.chunk, event.server_executed) for event in events] == [
        ("tool_call_name", "web_search", True),
        ("tool_call_args", '{"query": "tea"}', True),
        ("tool_result", '{"call":"s1","hits":["tea"]}', True),
    ]
    (message,) = from_llm([AssistantMessage(content=[call, found])])
    assert isinstance(message.parts[1], ToolResultPart)
    assert (message.parts[1].name, message.parts[1].tool_call_id) == ("web_search", "s1")
