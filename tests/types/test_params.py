"""What a call may set."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mirascope_like.types.params import Params, check_params


def test_params_that_are_known_pass_as_they_are() -> None:
    given: dict[str, Any] = {
        "temperature": 0.5,
        "max_tokens": 10,
        "thinking": {"level": "high"},
        "extra_body": {"a": 1},
    }
    assert check_params(given) == given
    assert check_params({}) == {}


def test_every_param_is_known() -> None:
    assert check_params(dict.fromkeys(Params.__annotations__)) == dict.fromkeys(Params.__annotations__)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", "Did you mean 'temperature'"),
        ("max_token", "Did you mean 'max_tokens'"),
        ("zzz", "Valid params: "),
    ],
)
def test_a_typo_is_an_error_that_helps(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match=hint) as caught:
        check_params({name: 1})
    assert name in str(caught.value) and "extra_body" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": -1}, "more than 0 seconds"),
        ({"max_tokens": 0}, "at least 1"),
        ({"thinking": {}}, "needs a level"),
        ({"thinking": {"level": "hard"}}, "'minimal'|minimal"),
        ({"thinking": "high"}, "needs a level"),
        ({"thinking": True}, "needs a level"),
        ({"thinking": {"level": "high", "budget": 5}}, "budget"),
        ({"tool_choice": "any"}, "'required'.*got 'any'"),
        ({"tool_choice": {}}, "the_tool"),
        ({"tool_choice": {"name": 3}}, "the_tool"),
        ({"tool_choice": {"name": "f", "type": "function"}}, "the_tool"),
        ({"tool_choice": ["auto"]}, "the_tool"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(params: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        check_params(params)


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"temperature": "hot"}, "temperature must be a number, not str"),
        ({"temperature": True}, "temperature must be a number, not bool"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number, not float"),
        ({"max_tokens": "100"}, "max_tokens must be a whole number, not str"),
        ({"top_p": [1]}, "top_p"),
        ({"top_k": 1.0}, "top_k"),
        ({"seed": "x"}, "seed"),
        ({"stop_sequences": 5}, "stop_sequences must be a sequence of str"),
        ({"stop_sequences": [5]}, "stop_sequences"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls must be True or False"),
        ({"extra_body": "x"}, "extra_body must be a mapping"),
        ({"extra_headers": "Bearer x"}, "extra_headers must be a mapping of str to str, not str"),
        ({"extra_headers": {"x-count": 3}}, "the header 'x-count' must be a str, not int"),
        ({"extra_headers": {"x-a": "b", "x-key": b"secret"}}, "the header 'x-key' must be a str, not bytes"),
        ({"extra_headers": {b"x-key": "secret"}}, "Header names must be str, not bytes"),
    ],
    ids=str,
)
def test_values_of_a_wrong_type_are_refused(params: dict[str, Any], hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        check_params(params)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ValueError, match=r"top_p is .* finite"):
        check_params({"top_p": value})


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"name": "f"}])
def test_tools_may_be_chosen(choice: object) -> None:
    assert check_params({"tool_choice": choice}) == {"tool_choice": choice}


def test_one_stop_sequence_is_not_taken_for_its_letters() -> None:
    assert check_params({"stop_sequences": "END"}) == {"stop_sequences": ["END"]}


def test_the_callers_dict_is_not_touched() -> None:
    given: dict[str, Any] = {"temperature": 1}
    check_params(given)["seed"] = 1
    assert given == {"temperature": 1}
