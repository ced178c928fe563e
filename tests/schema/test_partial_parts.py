"""Values whose parts mean something only in the whole, or come in another form than the type's own."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Generic, Self, TypeVar

import pytest
from pydantic import BaseModel, JsonValue, OnErrorOmit, PrivateAttr, computed_field, field_validator
from pydantic.dataclasses import dataclass

from mirascope_like import llm
from mirascope_like.schema.compile import compile_schema
from mirascope_like.schema.dialects import OPENAI
from mirascope_like.schema.formats import Format

T = TypeVar("T")


class Team(BaseModel):
    lead: Person
    """Defined below."""


class Person(BaseModel):
    name: str


class Free(BaseModel):
    meta: JsonValue


class Node(BaseModel):
    value: int
    next: Self | None = None


class Page(BaseModel, Generic[T]):
    item: T
    next: Page[T] | None = None


class Lenient(BaseModel):
    items: list[OnErrorOmit[int]]


class Tagged(BaseModel):
    name: str
    tag: str = "None"
    sizes: dict[str, int] = {}

    @field_validator("tag", mode="before")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @field_validator("sizes", mode="before")
    @classmethod
    def _positive(cls, value: dict[str, int]) -> dict[str, int]:
        return {name: size for name, size in value.items() if size > 0}


class Order(BaseModel):
    items: list[Tagged]


class Wide(BaseModel):
    x: int
    y: str = "d"
    width: int = 3


class High(BaseModel):
    x: int
    height: str = "d"


class Boxes(BaseModel):
    boxes: list[Wide | High]
    count: int


class Seen(BaseModel):
    number: int
    _seen: list[int] = PrivateAttr(default_factory=list)
    _mark: str = "new"

    @computed_field
    def seen(self) -> int:
        return len(self._seen)


@dataclass
class Scaled:
    size: int
    factor: dataclasses.InitVar[int] = 2


FORCED = '{"boxes": [{"x": 1, "y": "yy", "width": null}], "count": 1}'  # what a strict schema makes of defaults
CASES: list[tuple[Any, str]] = [
    (Team, '{"lead": {"name": "Ann"}}'),
    (Free, '{"meta": {"a": [1]}}'),
    (dict[str, JsonValue], '{"a": {"b": 1}}'),
    (Node, '{"value": 1, "next": {"value": 2, "next": null}}'),
    (Page[int], '{"item": 1, "next": {"item": 2, "next": null}}'),
    (Lenient, '{"items": [1, "x", 2]}'),
    (Order, '{"items": [{"name": "a", "tag": null, "sizes": [{"key": "m", "value": 3}, {"key": "l", "value": 0}]}]}'),
    (Boxes, FORCED),
    (Seen, '{"number": 1}'),
    (Scaled, '{"size": 1}'),
    (list[int], "As in [1], the answer is:\n```json\n[1, 2, 3]\n```"),
    (Person, '{"output": {"name": "Ann"}}'),
]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[str(kind) for kind, _ in CASES])
def test_the_stream_ends_with_what_parse_gives(kind: Any, text: str) -> None:
    expected = llm.scripted(text).call("Hi", format=kind).parse()
    values = list(llm.scripted(text).stream("Hi", format=kind).structured_stream())
    assert values[-1] == expected
    assert type(values[-1]) is type(expected)


def test_a_part_with_defaults_left_out_keeps_its_type() -> None:
    for boxes in llm.scripted(FORCED).stream("Hi", format=Boxes).structured_stream():
        assert not boxes.boxes or isinstance(boxes.boxes[0], Wide)


def test_private_attributes_are_there_from_the_start() -> None:
    for value in llm.scripted('{"number": 1}').stream("Hi", format=Seen).structured_stream():
        assert (value.seen, value._mark) == (0, "new")  # pyright: ignore[reportPrivateUsage]


def test_members_with_two_names_are_one_value() -> None:
    class Colour(enum.Enum):
        RED = "r"
        CRIMSON = "r"
        BLUE = "b"

    assert compile_schema(Format(Colour).schema, OPENAI).schema["properties"]["output"]["enum"] == ["r", "b"]
