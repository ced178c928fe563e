"""Messages of the lazy face: their JSON form, and how they become the library's own and come back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mirascope_like.chat.attachments import Attachment
from mirascope_like.chat.convert import from_llm, to_llm
from mirascope_like.chat.parts import (
    AttachmentPart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    part_from_dict,
)

from ..values import strategies as llm

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
