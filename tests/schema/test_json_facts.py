"""What is JSON and what is not, whole and in pieces, beside the standard library's reader."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from mirascope_like import llm
from mirascope_like.schema.dialects.definitions import OPENAI
from mirascope_like.schema.formats import Format
from mirascope_like.schema.json_extract import read_json
from mirascope_like.schema.partial.value import PartialValueParser

VALID = [
    "[]", "[[]   ]", '[""]', "[123e65]", "[0e+1]", "[0e1]", "[ 4]", "[-0]", "[-0.0]", "[20e1]", "[1E-2]",
    "[123.456e78]", '{"":0}', '{"a":"b","a":"c"}', '{"a\\u0000b":42}', '{"x":[{"id":"xxx"}]}',
    '["\\u0060\\u012a\\u12AB"]',
    '["\\uD801\\udc37"]', '["\\ud83d\\ude39\\ud83d\\udc8d"]', '["\\"\\\\\\/\\b\\f\\n\\r\\t"]', '["\\\\n"]', '["\x7f"]',
    '["\u20ac\U0001d11e"]', '["\u2028\u2029"]', '["\ufdd0\U0010ffff"]', '["a/*b*/c"]', " [] ", '["asd "]', "[true]",
    "[null,1,1.5,false]", '[1\n\r\t ,2]', "[-123]", "[1E+2]",
]  # fmt: skip
INVALID = [
    "[1 true]", "[a", '["": 1]', '[""],x', "[,1]", "[1,,2]", '["x",,]', '["x"', "[x", "[3[4]]", "[1:2]", "[1,]", "[-",
    "[*]", "[1,\n1\n,1", "[fals]", "[nul]", "[tru]", "[++1]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]", "[-NaN]",
    "[.-1]",
    "[.2e-3]", "[0.1.2]", "[0.3e+]", "[0.3e]", "[0.e1]", "[0E+]", "[0E]", "[1.0e-]", "[1 000.0]", "[1eE2]", "[2.e3]",
    "[9.e+]", "[Inf]", "[NaN]", "[Infinity]", "[0x42]", "[1+2]", "[-012]", "[012]", "[1.2a-3]", "[\uff11]", "[- 1]",
    '["x", truth]', '{[: "x"}', '{"x", null}', '{"x"::"b"}', "{'a':0}", '{"a":"b",,"c":"d"}', '{"a" b}', '{:"b"}',
    "{1:1}", '{"a":', '{"a"', '{"id":0,}', '{"a":"b"/**/}', "{null:null}", '["\\uD800\\"]',
    '["\\u00A"]', '["\\u"]', '["\\x00"]', '["\\\\\\"]', '["\\a"]', '["\\uqqqq"]', '["\t"]', '["new\nline"]', "[\\n]",
    '["a\x00a"]', "[\u2060]", "[\x0c]", "<null>", "[<null>]", "[True]", "[\u00e5]", "{\U0001f1e8}", '["asd]',
]  # fmt: skip


def partly(text: str, *pieces: str) -> Any:
    growing = PartialValueParser(Format[Any](Any))
    for piece in pieces or (text,):
        growing.feed(piece)
    growing.end()
    return growing.value


@pytest.mark.parametrize("text", VALID)
def test_valid(text: str) -> None:
    expected = json.loads(text)
    assert read_json(text) == expected
    envelope = f'{{"output": {text}}}'
    assert Format[Any](Any).parse(envelope) == expected
    assert partly(envelope) == partly(envelope, *envelope) == expected


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(ValueError):
        read_json(text)
    growing = PartialValueParser(Format(list[Annotated[int, Field(gt=10**6)]] | dict[str, None]))
    for piece in text:
        growing.feed(piece)
    with pytest.raises(llm.ParseError):
        Format(list[Annotated[int, Field(gt=10**6)]]).parse(text)


@given(st.sampled_from(VALID), st.data())
def test_pieces_of_any_length(text: str, data: st.DataObject) -> None:
    envelope = f'{{"output": {text}}}'
    size = data.draw(st.integers(1, len(envelope)))
    pieces = [envelope[start : start + size] for start in range(0, len(envelope), size)]
    assert partly(envelope, *pieces) == json.loads(text)


class Reading(BaseModel):
    measured: float
    finite: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    extra: dict[str, float] = {}


def test_a_number_too_large_for_a_float_is_infinite_where_the_type_allows_it() -> None:
    form = Format(Reading, "strict", OPENAI)
    answer = '{"measured": 1e999, "finite": null, "extra": [{"key": "a", "value": -1e999}]}'
    assert form.parse(answer) == Reading(measured=math.inf, extra={"a": -math.inf})
    with pytest.raises(llm.ParseError, match="finite: Input should be a finite number"):
        form.parse('{"measured": 1, "finite": 1e999, "extra": []}')
    growing = PartialValueParser(form)
    growing.feed('{"finite": 1e999, "measured": 2.5, "extra": [')
    assert (growing.value.finite, growing.value.measured) == (None, 2.5)
    with pytest.raises(llm.ParseError, match="finite number"):
        Format(int).parse("1e999")
