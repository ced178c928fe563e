"""What is changed in a request for the embedded model."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from mirascope_like.local.codec import MAX_STRING_LENGTH, MAX_TOKENS, PREFILL, SYSTEM_PROMPT, adapt_body

Json = dict[str, Any]

USER: Json = {"role": "user", "content": "Hi"}
CALL: Json = {"id": "1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
CALLED: list[Json] = [
    USER,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "noon"},
]
NAMED: Json = {"type": "function", "function": {"name": "time"}}
PERSON: Json = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FORMAT: Json = {"type": "json_schema", "json_schema": {"name": "Person", "schema": PERSON}}


def tool(name: str, **properties: Json) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}


TOOLS = [tool("weather", city={"type": "string"}), tool("time")]


def request(*messages: Json, **more: Any) -> Json:
    return {"model": "m", "messages": list(messages) or [USER], **more}


def names(body: Json) -> list[str]:
    return [tool["function"]["name"] for tool in body["tools"]]


def test_a_plain_question_gets_a_system_prompt_and_limits() -> None:
    assert adapt_body(request(stream=True)) == {
        "model": "m",
        "messages": [{"role": "system", "content": SYSTEM_PROMPT}, USER],
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "stream": True,
    }


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_what_the_caller_sets_stays(key: str) -> None:
    body = adapt_body(request({"role": "system", "content": "Be brief."}, USER, temperature=0.7, **{key: 5}))
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, USER]
    assert body["temperature"] == 0.7
    assert {name: value for name, value in body.items() if name.startswith("max_")} == {key: 5}


def test_the_developer_role_becomes_system() -> None:
    assert adapt_body(request({"role": "developer", "content": "x"}, USER))["messages"][0] == {
        "role": "system",
        "content": "x",
    }


@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}, {"tool_choice": "required"}, {"tool_choice": None}])
def test_after_the_user_a_call_is_forced(choice: Json) -> None:
    body = adapt_body(request(tools=TOOLS, parallel_tool_calls=True, **choice))
    assert body["messages"] == [USER, {"role": "assistant", "content": PREFILL}]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    assert names(body) == ["weather", "time"]


@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}])
def test_after_a_result_no_call_is_possible(choice: Json) -> None:
    body = adapt_body(request(*CALLED, tools=TOOLS, **choice))
    assert body["messages"] == CALLED
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


def test_required_forces_a_call_after_a_result_too() -> None:
    assert adapt_body(request(*CALLED, tools=TOOLS, tool_choice="required"))["messages"][-1]["content"] == PREFILL


@pytest.mark.parametrize(
    "choice",
    [
        NAMED,
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
    ],
)
def test_only_the_chosen_tools_are_offered(choice: Json) -> None:
    body = adapt_body(request(tools=TOOLS, tool_choice=choice))
    assert names(body) == ["time"]
    assert body["tool_choice"] == "required"


def test_a_schema_is_shown_in_the_system_message() -> None:
    body = adapt_body(request({"role": "system", "content": "Be exact."}, USER, response_format=FORMAT))
    before, _, shown = body["messages"][0]["content"].partition("\n\n")
    assert before == "Be exact."
    assert json.loads(shown[shown.index("{") :]) == body["response_format"]["json_schema"]["schema"]
    assert body["messages"][1:] == [USER]


@pytest.mark.parametrize(
    "content", ["Be exact.", [{"type": "text", "text": "Be "}, {"type": "text", "text": "exact."}]]
)
def test_a_system_message_may_come_in_parts(content: object) -> None:
    body = adapt_body(request({"role": "system", "content": content}, USER, response_format=FORMAT))
    assert body["messages"][0]["content"].startswith("Be exact.\n\n")


def test_a_schema_makes_a_system_message_where_there_is_none() -> None:
    roles = [message["role"] for message in adapt_body(request(response_format=FORMAT))["messages"]]
    assert roles == ["system", "user"]


def test_json_object_needs_no_more() -> None:
    body = adapt_body(request(response_format={"type": "json_object"}))
    assert (body["messages"], body["response_format"]) == ([USER], {"type": "json_object"})


def test_a_format_waits_until_the_tools_are_done() -> None:
    both = {"tools": TOOLS, "response_format": FORMAT}
    assert "response_format" not in adapt_body(request(**both))
    answer = adapt_body(request(*CALLED, **both))
    assert "tools" not in answer
    assert answer["response_format"]["type"] == "json_schema"


def test_free_strings_get_a_greatest_length_wherever_they_are() -> None:
    bound = [{"type": "string", "enum": ["a"]}, {"type": "string", "pattern": "x"}, {"type": "string", "maxLength": 9}]
    data = {"type": "string"}  # a default value that looks like a schema
    schema = {
        "properties": {"list": {"items": {"type": "string"}}, "any": {"anyOf": bound}, "type": {"default": data}},
        "$defs": {"Name": {"type": "string"}},
    }
    limited = {"type": "string", "maxLength": MAX_STRING_LENGTH}
    given = tool("f")
    given["function"]["parameters"] = schema
    assert adapt_body(request(tools=[given]))["tools"][0]["function"]["parameters"] == {
        "properties": {"list": {"items": limited}, "any": {"anyOf": bound}, "type": {"default": data}},
        "$defs": {"Name": limited},
    }


@pytest.mark.parametrize(
    "body",
    [
        request(),
        request(tools=TOOLS, tool_choice=NAMED, response_format=FORMAT),
        request({"role": "developer", "content": "x"}, *CALLED, tools=TOOLS, response_format=FORMAT),
    ],
)
def test_the_given_body_is_left_as_it_is(body: Json) -> None:
    before = copy.deepcopy(body)
    adapt_body(body)
    assert body == before
