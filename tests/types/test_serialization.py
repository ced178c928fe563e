"""The JSON form of messages and parts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like.errors import ToolExecutionError, ToolNotFoundError
from mirascope_like.types import content as c
from mirascope_like.types.messages import Message, assistant, system, user
from mirascope_like.types.serialization import dump_messages, from_dict, load_messages, to_dict

from . import strategies


@given(st.one_of(strategies.messages, strategies.parts))
def test_the_json_form_gives_the_value_back(value: Any) -> None:
    assert from_dict(to_dict(value)) == value
    assert from_dict(json.loads(json.dumps(to_dict(value)))) == value


@given(st.lists(strategies.messages, max_size=3))
def test_conversations_survive_storage(messages: list[Message]) -> None:
    assert load_messages(json.loads(json.dumps(dump_messages(messages)))) == messages


def test_the_form_is_the_documented_one() -> None:
    message = assistant([c.Thought("hm"), c.ToolCall(id="1", name="add", args='{"a": 1}')], model_id="openai/gpt-5")
    assert to_dict(message) == {
        "role": "assistant",
        "content": [
            {"type": "thought", "thought": "hm"},
            {"type": "tool_call", "id": "1", "name": "add", "args": '{"a": 1}'},
        ],
        "model_id": "openai/gpt-5",
    }
    image = user(c.Image.from_url("https://example.org/x.png"))
    assert to_dict(image)["content"] == [
        {"type": "image", "source": {"type": "url_image_source", "url": "https://example.org/x.png"}}
    ]


def test_lone_surrogates_survive() -> None:
    message = user("half \ud83d")
    assert from_dict(json.loads(json.dumps(to_dict(message)))) == message


@pytest.mark.parametrize(
    "error", [ToolExecutionError("Division by zero"), ToolNotFoundError("subtract", known=("add", "divide"))]
)
def test_failed_tool_calls_stay_failed(error: Any) -> None:
    output = c.ToolOutput(id="1", name="add", result=str(error), error=error)
    loaded = from_dict(json.loads(json.dumps(to_dict(output))))
    assert loaded == output
    with pytest.raises(type(error), match=str(error).split(".")[0]):
        _ = loaded.output


@pytest.mark.parametrize("result", [{"$part": 1}, {"$parts": [], "b": 2}, {"$json": {}}, [{"$part": "x"}]])
def test_results_that_look_like_our_marks_are_not_taken_for_them(result: Any) -> None:
    output = c.ToolOutput(id="1", name="f", result=result)
    assert from_dict(to_dict(output)) == output


@pytest.mark.parametrize(
    ("result", "text"), [(Decimal("1.50"), '"1.50"'), ((1, 2), "[1,2]"), (float("inf"), '"Infinity"')]
)
def test_results_that_are_no_json_are_written_as_the_model_saw_them(result: Any, text: str) -> None:
    written = to_dict(c.ToolOutput(id="1", name="f", result=result))["result"]
    assert written == text


def test_defaults_are_left_out() -> None:
    assert to_dict(system("Be brief.")) == {"role": "system", "content": {"type": "text", "text": "Be brief."}}


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({}, "type=None is unknown"),
        ({"type": "hologram"}, "hologram.*text"),
        ({"role": "wizard", "content": []}, "wizard.*assistant"),
        ({"role": ["user"]}, "is unknown"),
        ({"type": "text", "text": "x", "colour": 1}, "Text has no field colour; its fields are citations, text"),
        ({"type": "tool_call", "id": "1"}, "name"),
        ({"role": "user", "content": [{"type": "thought", "thought": ""}]}, "Thought cannot be part"),
        ({"role": "user", "content": 5}, "not the JSON form"),
        ({"role": "system", "content": {"type": "image", "source": None}}, "not the JSON form"),
        ({"type": "tool_output", "id": "1", "name": "f", "result": "", "error": {"type": "x"}}, "not the JSON form"),
        ("text", "not the JSON form"),
    ],
)
def test_what_is_no_json_form_is_refused(data: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        from_dict(data)


@pytest.mark.parametrize(
    "data",
    [
        *({}, {"version": 2, "messages": []}, {"version": 1}, {"version": 1, "messages": {}}),
        *([], None, {"version": 1, "messages": [{"type": "text", "text": "x"}]}),
    ],
)
def test_conversations_of_another_form_are_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"Version .* is not known|no list of messages|an object: |not of a Text"):
        load_messages(data)
