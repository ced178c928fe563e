"""Messages of the lazy face: their JSON form, and how they become the library's own and come back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from mirascope_like.chat.messages.attachments import Attachment
from mirascope_like.chat.messages.convert import from_llm, to_llm
from mirascope_like.chat.messages.parts import (
    AttachmentPart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    assistant,
    part_from_dict,
    system,
    tool_message,
    user,
)
from mirascope_like.chat.storage.message_forms import MessageDict
from mirascope_like.types import messages as llm_messages
from mirascope_like.types.content import Audio, Citation, Image, ProviderBlock, Text, Thought, ToolOutput
from mirascope_like.types.messages import AssistantMessage

from ..types import strategies as llm

DECLARED = TypeAdapter(MessageDict)

ids = st.none() | llm.names
metadata = st.none() | st.dictionaries(llm.names, llm.json_values, min_size=1, max_size=2)
attachments = st.builds(
    Attachment,
    type=st.sampled_from(["image/png", "audio/mpeg", "application/pdf"]),
    content=st.binary(min_size=1, max_size=9),
) | st.builds(Attachment, url=st.just("https://example.org/picture.png"))

texts = st.builds(TextPart, llm.words, metadata)
answer_parts = (
    texts
    | st.builds(ReasoningPart, llm.words, st.booleans(), metadata)
    | st.builds(ToolCallPart, llm.names, llm.json_objects, ids, st.booleans(), metadata)
    | st.builds(ToolResultPart, llm.names, llm.words, ids, st.just(True), provider_metadata=metadata)
    | st.builds(AttachmentPart, attachments, metadata)
)
tool_results = st.builds(
    ToolResultPart, llm.names, llm.words, ids, attachments=st.lists(attachments, max_size=2), exception=ids
)
parts = answer_parts | tool_results
answers = st.builds(Message, st.just("assistant"), st.lists(answer_parts, max_size=4), metadata)
messages = answers | st.builds(Message, llm.names, st.lists(parts, max_size=4), metadata)

plain_texts = st.builds(TextPart, llm.words)
asked = st.builds(
    Message,
    st.just("user"),
    st.lists(
        plain_texts
        | st.builds(
            AttachmentPart,
            st.builds(Attachment, type=st.sampled_from(["image/png", "audio/mpeg"]), content=st.binary(min_size=1)),
        ),
        max_size=3,
    ),
)
told = st.builds(
    Message,
    st.just("tool"),
    st.lists(st.builds(ToolResultPart, llm.names, llm.words, ids, exception=ids), min_size=1, max_size=3),
)
instructed = st.builds(Message, st.just("system"), st.lists(plain_texts, min_size=1, max_size=1))


@given(messages)
def test_messages_come_back_from_their_json_form(message: Message) -> None:
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message


@given(parts)
def test_parts_come_back_from_their_json_form(part: Any) -> None:
    assert part_from_dict(part.to_dict()) == part


@given(st.lists(llm.messages, max_size=4))
def test_the_library_s_messages_come_back_unchanged(said: list[Any]) -> None:
    here = from_llm(said)
    assert to_llm(here) == said
    stored = [Message.from_dict(json.loads(json.dumps(message.to_dict()))) for message in here]
    assert to_llm(stored) == said


@given(st.lists(answers | asked | told | instructed, max_size=4))
def test_messages_come_back_from_the_library(said: list[Message]) -> None:
    assert from_llm(to_llm(said)) == said


def test_messages_are_built_from_all_sorts() -> None:
    dot = Attachment(type="image/png", content=b"dot")
    made = user("Look:", [dot, ("twice", [TextPart("really")])], provider_metadata={"x": 1})
    parts = [TextPart("Look:"), AttachmentPart(dot), TextPart("twice"), TextPart("really")]
    assert made == Message("user", parts, {"x": 1})
    assert system("Be brief.").role == "system"
    assert assistant(ToolCallPart("f", {})).role == "assistant"
    assert tool_message(ToolResultPart("f", "x")).role == "tool"
    with pytest.raises(TypeError, match="not of int"):
        user("a", 5)  # type: ignore[arg-type]


def test_fields_that_hold_nothing_are_left_out() -> None:
    assert assistant("4").to_dict() == {"role": "assistant", "parts": [{"type": "text", "text": "4"}]}
    assert ToolCallPart("f", {}).to_dict() == {"type": "tool_call", "name": "f", "arguments": {}}
    assert ReasoningPart(redacted=True).to_dict() == {"type": "reasoning", "redacted": True}
    assert AttachmentPart(Attachment(content=b"dot")).to_dict() == {
        "type": "attachment",
        "attachment": {"content": "ZG90"},
    }


@given(messages)
def test_the_json_form_is_as_its_types_say(message: Message) -> None:
    data = message.to_dict()
    assert DECLARED.validate_python(data, strict=True) == data  # keys that are not declared would be gone


@pytest.mark.parametrize(
    "data",
    [
        {"role": "user"},
        {"role": "user", "parts": 5},
        {"role": "user", "parts": [{"type": "smell"}]},
        {"role": "user", "parts": [{"type": "text"}]},
        {"role": "user", "parts": [{"type": "text", "text": "a", "extra": 1}]},
        {"role": "user", "parts": ["a"]},
        {"role": "user", "parts": [{"type": "attachment", "attachment": "a.png"}]},
        {"role": "user", "parts": [{"type": "attachment", "attachment": {"content": "%%%"}}]},
    ],
)
def test_what_is_no_json_form_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(?i)message|part|attachment"):
        Message.from_dict(data)


def test_what_a_provider_signed_goes_back_to_it() -> None:
    said = llm_messages.assistant(
        [Thought("hm"), Text("4")], provider_id="anthropic", model_id="m", raw_message={"signature": "x"}
    )
    (here,) = from_llm([said])
    assert here.parts == [ReasoningPart("hm"), TextPart("4")]
    assert to_llm([here]) == [said]


def test_what_a_user_edits_is_sent_as_edited() -> None:
    cited = AssistantMessage(content=[Text("tea", (Citation(url="https://x"),))])
    (here,) = from_llm([cited])
    (part,) = here.parts
    assert to_llm([here]) == [cited]
    (edited,) = to_llm([replace(here, parts=[replace(part, text="coffee")])])
    assert list(edited.content) == [Text("coffee")]


def test_tools_results_become_outputs() -> None:
    dot = Attachment(type="image/png", content=b"dot")
    sound = Attachment(type="audio/wav", content=b"hm")
    (said,) = to_llm([tool_message(ToolResultPart("f", "text", "1", attachments=[dot, sound], exception="bad"))])
    output, heard = said.content
    assert isinstance(output, ToolOutput)
    assert (output.id, output.result[0], str(output.error)) == ("1", "text", "bad")
    assert isinstance(output.result[1], Image)
    assert isinstance(heard, Audio)


def test_hidden_thoughts_and_unknown_blocks_stay() -> None:
    blocks = [ProviderBlock(kind="redacted_thinking", raw={"data": "x"}), ProviderBlock(kind="new", raw={"y": 1})]
    (here,) = from_llm([AssistantMessage(content=blocks)])
    assert isinstance(here.parts[0], ReasoningPart)
    assert here.parts[0].redacted
    assert isinstance(here.parts[1], ToolResultPart)
    assert (here.parts[1].name, here.parts[1].output) == ("new", '{"y":1}')
    assert to_llm([here]) == [AssistantMessage(content=blocks)]


@pytest.mark.parametrize(
    "message", [Message("narrator", []), user(ReasoningPart("hm")), system(AttachmentPart(Attachment(url="https://x")))]
)
def test_what_cannot_be_sent_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match=r"role|part of an answer|is text"):
        to_llm([message])


def test_several_system_texts_are_one() -> None:
    (said,) = to_llm([system("a", "b")])
    assert said.content == Text("a\n\nb")
