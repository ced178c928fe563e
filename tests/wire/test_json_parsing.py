"""What servers send is read as Python's own `json` reads it, whoever does the reading."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, strategies as st

from mirascope_like.wire.json_parsing import parse_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(VALUES, st.booleans())
def test_what_json_writes(value: object, ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b'"\\ud83d"',  # half a pair: the other half is in the next event
        '"é"'.encode("utf-16"),
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1, "a": 2}',
        b"[Infinity, -Infinity, 1e999]",
        b"[" * 300 + b"]" * 300,
        b"-0",
        b"123456789012345678901234567890",
    ],
)
def test_what_only_some_readers_take(text: bytes) -> None:
    assert parse_json(text) == json.loads(text)


def test_nan() -> None:
    value = parse_json(b"[NaN]")
    assert isinstance(value, list) and math.isnan(value[0])


@pytest.mark.parametrize("text", [b"", b"{", b"{'a': 1}", b"[1,]", b"\xff", b'"\n"', b"01", b"{} {}"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        json.loads(text)
    with pytest.raises(ValueError):
        parse_json(text)


def test_what_is_nested_without_end() -> None:
    with pytest.raises((RecursionError, ValueError)):
        parse_json(b"[" * 100_000)
