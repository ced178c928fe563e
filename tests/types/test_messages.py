"""How messages are made, and what becomes of what a user writes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from mirascope_like.types import content as c
from mirascope_like.types.messages import (
    AssistantMessage,
    SystemMessage,
    UserMessage,
    assistant,
    is_messages,
    promote,
    promote_to_messages,
    system,
    user,
)

IMAGE = c.Image.from_url("https://example.org/x.png")
RESULT = c.ToolOutput(id="1", name="add", result=3)


@pytest.mark.parametrize(
    ("value", "promoted"),
    [
        ("Hi", (user("Hi"),)),
        ("", (user(""),)),
        (c.Text("Hi"), (user("Hi"),)),
        (IMAGE, (user(IMAGE),)),
        (RESULT, (user(RESULT),)),
        (["Look:", IMAGE], (user(["Look:", IMAGE]),)),
        (("Look:", IMAGE), (user(["Look:", IMAGE]),)),
        (user("Hi"), (user("Hi"),)),
        (assistant("Hi"), (assistant("Hi"),)),
        ([system("Be brief."), user("Hi")], (system("Be brief."), user("Hi"))),
        ((system("Be brief."), user("Hi")), (system("Be brief."), user("Hi"))),
    ],
)
def test_text_parts_and_messages_become_messages(value: Any, promoted: Any) -> None:
    assert promote(value) == promoted
    assert promote_to_messages(value) == list(promoted)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "not None"),
        (5, "not an int"),
        (b"Hi", "not a bytes"),
        ({"role": "user"}, "not a dict"),
        ({"Hi"}, "not a set"),
        (object(), "not an object"),
        ([None], "None cannot be part"),
        ([b"Hi"], "a bytes cannot be part"),
        ([{"role": "user", "content": "Hi"}], "a dict cannot be part"),
        ([["Hi"]], "a list cannot be part"),
        ([c.Thought("hm")], "a Thought cannot be part of a message of role 'user'"),
        ([user("Hi"), "there"], "found a str among messages"),
        (["Hi", user("there")], "found a str among messages"),
        ((user("Hi"), None), "found None among messages"),
    ],
)
def test_anything_else_is_refused_by_name(value: Any, found: str) -> None:
    with pytest.raises(TypeError, match=found):
        promote(value)


def test_an_async_function_behind_another_decorator_is_told() -> None:
    async def ask() -> str:
        return "Hi"

    with pytest.raises(TypeError, match="Make that decorator return an async function"):
        promote(ask())


@pytest.mark.parametrize("value", [[], ()])
def test_an_empty_prompt_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        promote(value)


@pytest.mark.parametrize("value", [b"Hi", 5, None, {"a": 1}, [c.ToolCall(id="1", name="f", args="{}")]])
def test_users_cannot_say_everything(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be part of a message of role 'user'"):
        user(value)
    with pytest.raises(TypeError, match="cannot be part"):
        UserMessage(content=value)


@pytest.mark.parametrize("value", [IMAGE, RESULT, 5])
def test_models_cannot_say_everything(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be part of a message of role 'assistant'"):
        assistant(value)


@pytest.mark.parametrize("value", [IMAGE, None, ["Hi"]])
def test_system_messages_are_text(value: Any) -> None:
    with pytest.raises(TypeError, match="A system message is text"):
        system(value)


def test_content_is_a_tuple_of_parts_however_it_was_given() -> None:
    part: Any = c.Text("Hi")
    assert user("Hi").content == user(["Hi"]).content == UserMessage(content=part).content == (part,)
    assert SystemMessage(content="Hi").content == part  # type: ignore[arg-type]
    assert assistant(["Hi", c.Thought("hm")]).content == (part, c.Thought("hm"))


def test_messages_are_frozen_and_compare_by_content() -> None:
    message = user(["Look:", IMAGE], name="Ada")
    assert message == user(["Look:", c.Image.from_url("https://example.org/x.png")], name="Ada")
    assert message != user(["Look:", IMAGE])
    assert user("Hi") != assistant("Hi")
    with pytest.raises(FrozenInstanceError):
        message.name = "Bob"  # type: ignore[misc]


def test_a_list_that_was_given_can_change_without_the_message() -> None:
    parts: list[Any] = ["Hi"]
    message = user(parts)
    parts.append("there")
    assert message == user("Hi")


@pytest.mark.parametrize(
    ("value", "answer"),
    [(user("Hi"), True), ([user("Hi")], True), ((user("Hi"),), True), ([], False), (["Hi"], False), ("Hi", False),
     ([user("Hi"), "Hi"], False), (None, False)],
)  # fmt: skip
def test_messages_are_told_from_content(value: Any, answer: bool) -> None:
    assert is_messages(value) is answer


def test_an_answer_keeps_where_it_came_from() -> None:
    message = assistant("Hi", model_id="a/b", provider_id="a", provider_model_name="b-1", raw_message={"x": 1})
    assert isinstance(message, AssistantMessage)
    assert (message.model_id, message.provider_id, message.provider_model_name) == ("a/b", "a", "b-1")
    assert message.raw_message == {"x": 1}
