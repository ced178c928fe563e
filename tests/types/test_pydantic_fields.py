"""Messages and parts as fields of Pydantic models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, TypeAdapter, ValidationError

from mirascope_like import llm
from mirascope_like.types.serialization import to_dict

from . import strategies

PARTS = TypeAdapter[Any](
    llm.Text
    | llm.Image
    | llm.Audio
    | llm.Document
    | llm.ToolOutput
    | llm.ToolCall
    | llm.Thought
    | llm.ServerToolCall
    | llm.ProviderBlock
)


class Session(BaseModel):
    history: list[llm.Message]
    opening: llm.UserMessage
    picture: llm.Image | None = None


@given(strategies.messages)
def test_messages_are_read_and_written_as_their_json_form(message: Any) -> None:
    messages = TypeAdapter[Any](llm.Message)
    assert messages.dump_python(message) == to_dict(message)
    assert messages.validate_python(message) is message
    assert messages.validate_python(to_dict(message)) == message


@given(strategies.parts)
def test_parts_are_read_and_written_as_their_json_form(part: Any) -> None:
    assert PARTS.dump_python(part) == to_dict(part)
    assert PARTS.validate_python(part) is part
    assert PARTS.validate_python(to_dict(part)) == part


def test_a_model_with_messages_goes_through_json() -> None:
    user = llm.messages.user("Hi")
    session = Session(
        history=[llm.messages.system("Be brief."), user, llm.messages.assistant("Hi.")],
        opening=user,
        picture=llm.Image.from_url("https://example.org/a.png"),
    )
    text = session.model_dump_json()
    assert Session.model_validate_json(text) == session
    assert json.loads(text)["opening"] == to_dict(user)
    for mode in ("validation", "serialization"):
        schema = Session.model_json_schema(mode=mode)  # type: ignore[arg-type]
        assert schema["properties"]["opening"]["type"] == "object"


@pytest.mark.parametrize("wrong", [{"role": "user"}, {"role": "other"}, 3, to_dict(llm.messages.system("Hi"))], ids=str)
def test_what_is_no_such_message_is_a_validation_error(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Session(history=[], opening=wrong)
