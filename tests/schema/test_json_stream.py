"""JSON that arrives in pieces."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like.schema.partial.containers import Container
from mirascope_like.schema.partial.json_stream import MAX_DEPTH, JsonStream, JsonSyntaxError


class Tree(Container):
    """A container that builds plain values, and is told of everything in them too."""

    needs_whole_string = True
    value: Any = "something"

    def __init__(self) -> None:
        self.open: list[Any] = []
        self.names: list[str] = []
        self.root: Any = None

    def put(self, value: Any) -> bool:
        if not self.open:
            self.root = value
        elif isinstance(self.open[-1], list):
            self.open[-1].append(value)
        else:
            self.open[-1][self.names[-1]] = value
        return True

    def begin_container(self, opening: str) -> Tree:
        value: Any = {} if opening == "{" else []
        self.put(value)
        self.open.append(value)
        self.names.append("")
        return self

    def add_key(self, name: str) -> bool:
        self.names[-1] = name
        return False

    def add_scalar(self, token: str) -> bool:
        return self.put(json.loads(token))

    def begin_string(self, piece: str) -> bool:
        self.string: str | None = piece
        return True

    def append_to_string(self, piece: str) -> None:
        assert self.string is not None
        self.string += piece

    def complete(self, text: str) -> bool:
        if self.string is not None:
            assert json.loads(text) == self.string
            self.put(self.string)
            self.string = None
        else:
            assert json.loads(text) == self.ended
        return True

    def end(self) -> bool:
        self.ended = self.open.pop()
        self.string = None
        self.names.pop()
        return True


def read(*pieces: str) -> Any:
    tree = Tree()
    stream = JsonStream(tree)
    for piece in pieces:
        stream.feed(piece)
    if stream.is_open:
        raise JsonSyntaxError("not complete")
    return tree.root


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text() | st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0x10100))
JSON = st.recursive(SCALARS | TEXT, lambda each: st.lists(each) | st.dictionaries(TEXT, each))


@given(JSON, st.booleans(), st.data())
def test_any_split_gives_the_same(value: Any, ascii: bool, data: st.DataObject) -> None:
    text = json.dumps([value], ensure_ascii=ascii)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(text))))), len(text)]
    assert read(*(text[a:b] for a, b in itertools.pairwise(cuts))) == json.loads(text)
    assert read(*text) == json.loads(text)


@given(st.text(alphabet='[]{}",:\\u0d8c123enrtfalsu -.\n'))
def test_noise_is_read_as_the_standard_library_reads_it(noise: str) -> None:
    text = f"[{noise}"
    try:
        expected = json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        with pytest.raises(JsonSyntaxError):
            read(*text)
    else:
        assert read(*text) == expected


LONG = "1" * 6000


@pytest.mark.parametrize(
    "text",
    [
        "[1,]",
        "[,1]",
        "[1 2]",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[1e]",
        "[-]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "[nul]",
        "[True]",
        "[tru e]",
        "[']",
        "['a']",
        '["a\nb"]',
        '["\\x"]',
        '["\\u12g4"]',
        '["\\u 123"]',
        "[}",
        "{]",
        "[1}",
        "{,}",
        "{1:2}",
        "{a:1}",
        '{"a"}',
        '{"a":}',
        '{"a" 1}',
        '{"a":1,}',
        '{"a":1 "b":2}',
        '{"a"::1}',
        "[\u00a01]",
        "[//\n1]",
        "[1\x00]",
        "[٣]",
        f"[{LONG}]",
    ],
)
def test_malformed(text: str) -> None:
    for pieces in ((text,), tuple(text)):
        with pytest.raises(JsonSyntaxError):
            read(*pieces)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " \n\t\r[1]",
        "[-0]",
        "[0e0]",
        "[1E+2]",
        "[1.5e-3]",
        '[""]',
        '["\\u0000"]',
        '["\\/"]',
        '["\\ud83d\\ude00"]',
        '["\\ud83d"]',
        '["\\ud83dx"]',
        '["\\ud83d\\n"]',
        '["\\ud83d\\ud83d\\ude00"]',
        '["\\ude00"]',
        '{"": 0}',
        '{"a": 1, "a": 2}',
        '{"\\u0061\\n": 1}',
        '["\u2028\x7f"]',
        "[123456789012345678901234567890]",
    ],
)
def test_well_formed(text: str) -> None:
    assert read(text) == read(*text) == json.loads(text)


def test_prose_before_and_after() -> None:
    assert read("Here you are:\n```json\n", '{"a"', ': "```"}\n```\n', "{and more") == {"a": "```"}


def test_depth_is_bounded() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read(text) == json.loads(text)
    with pytest.raises(JsonSyntaxError, match="deep"):
        read(f"[{text}]")


def test_errors_say_where() -> None:
    with pytest.raises(JsonSyntaxError, match="a value at character 4"):
        read("[1, ", "oops ]")
