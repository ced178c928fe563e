"""Values of half-received text."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, Field, RootModel, TypeAdapter, field_validator
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.schema.formats import Format, FormattingMode
from mirascope_like.schema.partial.value import PartialValueParser

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Author(BaseModel):
    name: str
    born: date | None = None


class Book(BaseModel):
    title: str = Field(alias="Title", min_length=3)
    pages: int = Field(ge=1)
    author: Author
    tags: set[str] = set()
    colour: Colour = Colour.RED

    @field_validator("title")
    @classmethod
    def _title(cls, title: str) -> str:
        return title.strip()


class Tree(BaseModel):
    label: str
    children: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Box(BaseModel, Generic[T]):
    content: T


class Names(RootModel[list[str]]):
    pass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    label: str = "none"
    tags: list[str] = field(default_factory=list)


class Movie(TypedDict):
    title: str
    year: int


class Pair(NamedTuple):
    left: str
    right: int


def shown(kind: Any, *pieces: str, mode: FormattingMode | None = None) -> list[Any]:
    """What is shown after each piece, as text: the object itself is the same all the time."""
    growing = PartialValueParser(Format(kind, mode))
    return [repr(value) for piece in pieces for value in growing.feed(piece)]


BOOK = '{"Title": "Emma ", "pages": 3, "author": {"name": "Jane", "born": "1775-12-16"}, "tags": ["a", "a"]}'

CASES: list[tuple[Any, str]] = [
    (Book, BOOK),
    (Tree, '{"label": "a", "children": [{"label": "b", "children": [{"label": "c"}]}, {"label": "d"}]}'),
    (Cat | Dog, '{"output": {"name": "Tom", "kind": "cat", "lives": 9}}'),
    (Cat | Dog, '{"name": "Rex", "kind": "dog"}'),
    (list[Annotated[Cat | Dog, Field(discriminator="kind")]], '[{"kind": "dog", "name": "a"}]'),
    (Box[Author], '{"content": {"name": "Jane"}}'),
    (Box[list[int]], '{"content": [1, 2]}'),
    (Names, '{"output": ["a", "b"]}'),
    (Point, '{"x": 1, "label": "here", "tags": ["a"]}'),
    (list[Point], '{"output": [{"x": 1}, {"x": 2}]}'),
    (Movie, '{"title": "M", "year": 1931}'),
    (Pair, '{"output": ["a", 1]}'),
    (list[Pair], '[["a", 1], ["b", 2]]'),
    (tuple[int, str], '{"output": [1, "b"]}'),
    (tuple[int, ...], '{"output": [1, 2]}'),
    (frozenset[int], '{"output": [1, 1]}'),
    (dict[str, int], '{"a": 1, "b": 0}'),
    (dict[int, list[Author]], '{"output": {"1": [{"name": "Jane"}]}}'),
    (int | str | None, '{"output": null}'),
    (Literal["a", "b"], '{"output": "b"}'),
    (Colour, '{"output": "blue"}'),
    (date, '{"output": "2020-01-01"}'),
    (Decimal, '{"output": "1.50"}'),
    (UUID, '{"output": "12345678-1234-5678-1234-567812345678"}'),
    (Any, '{"output": {"a": [1, {"b": null}]}}'),
    (str, '{"output": ""}'),
    (bool, '{"output": false}'),
    (list[int], '{"output": []}'),
]


@pytest.mark.parametrize("kind", [Book, Movie, Colour, list[Pair], dict[str, int]])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_json_of_another_type_is_prose(kind: Any, size: int) -> None:
    (json_text,) = (text for each, text in CASES if each == kind)
    text = f"[1.5] or {{this}}, no: {json_text} {{end}}"
    values = shown(kind, *(text[start : start + size] for start in range(0, len(text), size)))
    assert values[-1] == repr(Format(kind).parse(json_text))


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_the_last_value_is_the_parsed_one(kind: Any, text: str) -> None:
    for pieces in ((text,), tuple(text), ("So: ```json\n", *text, "\n```", " {that} is all.")):
        growing = PartialValueParser(Format(kind))
        values = [value for piece in pieces for value in growing.feed(piece)] + [*growing.end()]
        assert values[-1] == Format(kind).parse(text) == growing.value
        assert type(values[-1]) is type(Format(kind).parse(text))


def test_a_model_grows() -> None:
    pieces = (
        '{"Ti',
        'tle": "Em',
        "ma\\",
        'u0021 ", "pages": 1',
        '2, "author": {"name": "J',
        '"}, "tags": ["a"',
        ', "a"]',
    )
    values = shown(Book, *pieces, "}")
    rest = "author=None, tags=None, colour=None)"
    assert values[:2] == [f"Book(title={said}, pages=None, {rest}" for said in ("'Em'", "'Emma'")]
    assert values[2] == f"Book(title='Emma! ', pages=None, {rest}"
    assert "pages=12, author=Author(name='J', born=None)" in values[3]
    assert "tags=['a']" in values[4]
    assert "tags={'a'}" in values[5]
    assert (
        values[6]
        == "Book(title='Emma!', pages=12, author=Author(name='J', born=None), tags={'a'}, colour=<Colour.RED: 'red'>)"
    )


def test_it_is_the_same_object_of_the_class_itself() -> None:
    growing = PartialValueParser(Format(Book))
    (first,) = growing.feed('{"Title": "E')
    (second,) = growing.feed('mma", "pages": ')
    assert first is second
    assert isinstance(first, Book)
    assert first.model_dump(exclude_unset=True) == {"title": "Emma"}


def test_what_does_not_change_anything_is_not_shown() -> None:
    assert len(shown(list[int], "[", "1", "2", ",", " ", "\n", "3", "]")) == 3


def test_what_is_not_valid_stays_as_it_was() -> None:
    assert "title='ab', pages=None" in shown(Book, '{"Title": "ab", "pages": 0, ', '"author": {')[-1]
    assert shown(list[int], '[1, "x", ', "3]")[-1] == "[1, None, 3]"
    assert len(shown(Book, '{"pages": 5, !', '"pages": 6}')) == 1


def test_one_of_several_types_is_shown_once_it_is_clear_which() -> None:
    pieces = ('{"pets": [{"name": "T', 'om", "ki', 'nd": "cat"', ', "lives": 9}, {"lives": 1,', ' "name": "X')
    values = shown(TypedDict("Pets", {"pets": list[Cat | Dog]}), *pieces)
    assert values[0] == "{'pets': []}"
    assert values[1] == "{'pets': [Cat(kind='cat', name='Tom', lives=None)]}"
    assert values[2].endswith("Cat(kind='cat', name='Tom', lives=9), Cat(kind=None, name=None, lives=1)]}")


def test_tuples_are_filled_with_none() -> None:
    assert shown(Pair, '{"output": ["a', 'b", 1') == ["Pair(left='a', right=None)", "Pair(left='ab', right=None)"]
    assert shown(list[tuple[int, int]], "[[1, 2", "], [3,") == ["[(1, None)]", "[(1, 2), (3, None)]"]


def test_forms_that_providers_force() -> None:
    pairs = shown(dict[str, Point], '{"output": [{"key": "a", "value": {"x": 1', ', "label": "b')
    assert pairs == ["{'a': Point(x=None, label=None, tags=None)}", "{'a': Point(x=1, label='b', tags=None)}"]
    assert shown(Pair, '{"left": "a", "right": 1, ')[-1] == "Pair(left='a', right=1)"
    assert "[Author(name='J', born=None), " in shown(list[Author], '[{"name": "J", "born": null}, {"name"')[-1]
    points = shown(list[Point], '[{"x": 1, "label": null, "tags": null}, {"x"', mode="strict")
    assert "Point(x=1, label='none', tags=[])" in points[-1]


@pytest.mark.parametrize("text", ["", "no idea", "{", "{what} is [this]?", "[1]", '"Title"', "3", "{]"])
def test_nothing_is_said_yet(text: str) -> None:
    growing = PartialValueParser(Format(Book))
    growing.feed(text)
    value = growing.value
    assert value is None or not value.model_fields_set


def test_bare_scalars_are_shown_at_the_end() -> None:
    growing = PartialValueParser(Format(int))
    assert [*growing.feed("4"), *growing.feed("2")] == []
    assert [*growing.end()] == [42]
    assert [*growing.end()] == []


@pytest.mark.parametrize(("kind", "text", "value"), [(int, "42", 42), (bool, "false", False), (str, '"a"', "a")])
def test_a_bare_value_counts_once_the_answer_has_ended(kind: Any, text: str, value: Any) -> None:
    assert llm.scripted(text).call("Hi", format=kind).parse(partial=True) == value
    stream = llm.scripted(text).stream("Hi", format=kind)
    assert stream.parse(partial=True) is None
    stream.finish()
    assert stream.parse(partial=True) == value


@pytest.mark.parametrize("text", ['"{"', '"a [1"', '```json\n"{a"\n```'])
def test_braces_in_a_bare_string_begin_nothing(text: str) -> None:
    growing = PartialValueParser(Format(str))
    assert [value for piece in text for value in growing.feed(piece)] == []
    assert [*growing.end()] == [Format(str).parse(text)]
    assert [*growing.end()] == []


def test_of_an_answer_that_broke_off_what_was_shown_stays() -> None:
    growing = PartialValueParser(Format(Tree))
    growing.feed('{"label": "a", "children": [{"label": "b"}, {"lab')
    assert [*growing.end()] == []
    assert growing.value.label == "a"


def test_partial_values_are_read_on_with_the_stream() -> None:
    stream = llm.scripted(BOOK).stream("Hi", format=Book)
    seen: list[str] = []
    for _ in stream.text_stream():
        if (book := stream.parse(partial=True)) is not None:
            seen.append(book.title or "")
    assert seen[-1] == "Emma"
    assert stream.parse(partial=True) == stream.parse()
    assert stream.parse(partial=True) is stream.parse(partial=True)


def test_no_class_is_made_and_little_is_kept() -> None:
    def classes() -> list[str]:
        made = (str(each) for each in gc.get_objects() if isinstance(each, type))
        return sorted(name for name in made if "mirascope_like" in name or __name__ in name)

    shown(list[Book], f"[{BOOK}")
    before = classes()
    shown(list[Book], *f"[{BOOK}")
    assert classes() == before


@given(st.text(alphabet='{}[]":,\\ \n12-.etrufalsnkidoag') | st.text())
def test_noise_never_raises(text: str) -> None:
    for kind in (Book, list[Cat | Dog], Pair):
        growing = PartialValueParser(Format(kind))
        for piece in text:
            growing.feed(piece)
        growing.end()


class Everything(BaseModel):
    number: int | float | None
    text: str
    names: list[str]
    table: dict[str, int]
    pair: tuple[int, str]
    inner: list[Everything]


def contains(new: Any, old: Any) -> bool:
    """Whether `new` is `old`, grown."""
    if old is None:
        return True
    if isinstance(old, str):
        return isinstance(new, str) and new.startswith(old)
    if isinstance(old, list):
        return len(new) >= len(old) and all(map(contains, new, old))
    if isinstance(old, dict):
        return all(name in new and contains(new[name], each) for name, each in old.items())
    return bool(new == old)


def things(*inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The JSON of `Everything`."""
    return st.fixed_dictionaries(
        {
            "number": st.none() | st.integers(-99, 99) | st.floats(-9, 9),
            "text": st.text(max_size=9),
            "names": st.lists(st.text(max_size=5), max_size=3),
            "table": st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3),
            "pair": st.tuples(st.integers(-9, 9), st.text(max_size=5)),
            "inner": st.lists(st.one_of(inner), max_size=2) if inner else st.just([]),
        }
    )


@settings(max_examples=50, deadline=None)
@given(things(things()), st.booleans(), st.data())
def test_partials_are_monotonic(value: Any, ascii: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    growing = PartialValueParser(Format(Everything))
    plain = TypeAdapter(Any)
    last: Any = None
    size = data.draw(st.integers(1, 9))
    for start in range(0, len(text), size):
        for each in growing.feed(text[start : start + size]):
            now = plain.dump_python(each, warnings=False, mode="json")
            assert contains(now, last)
            last = now
    assert growing.value == Format(Everything).parse(text)
