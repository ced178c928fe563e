"""Values whose parts mean something only in the whole, or come in another form than the type's own."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Annotated, Any, Generic, Self, TypeVar

import pytest
import typing_extensions
from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    OnErrorOmit,
    PrivateAttr,
    Tag,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.schema.dialects.definitions import OPENAI
from mirascope_like.schema.dialects.encode import encode_schema
from mirascope_like.schema.formats import Format
from mirascope_like.schema.partial.value import PartialValueParser

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


def held(kind: Any) -> Format[Any]:
    """The format as a model is held to it by OpenAI's strict mode."""
    return Format(kind, "strict", OPENAI)


class Sizes(BaseModel):
    number: int = 3
    names: dict[str, Wide] = {}


class Family(BaseModel):
    name: str
    members: dict[str, Self]


class Strict(BaseModel):
    model_config = {"extra": "forbid"}
    name: str
    age: int


class Open(BaseModel):
    model_config = {"extra": "allow"}
    name: str


class Upper(BaseModel):
    model_config = {"str_to_upper": True}
    name: str


class Initial(BaseModel):
    name: str

    def __init__(self, name: str) -> None:
        super().__init__(name=name[:1])


class After(BaseModel):
    name: str
    length: int = 0

    def model_post_init(self, context: Any) -> None:
        self.length = len(self.name)


class Sorted(BaseModel):
    items: list[int]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        self.items.sort()
        return self


class Renamed(BaseModel):
    name: str = Field("nobody", alias="fullName")


class Range(BaseModel):
    low: int
    high: Annotated[int, AfterValidator(lambda high, info: max(high, (info.data or {}).get("low", high)))]


class Loose(TypedDict):
    number: int


class Forbidding(BaseModel):
    model_config = {"extra": "forbid"}
    either: Loose | dict[str, int]


class StrictKeys(BaseModel):
    names: dict[Annotated[int, Field(strict=True)], str]


class LenientKeys(BaseModel):
    names: dict[OnErrorOmit[int], str]


Limited = TypeVar("Limited", datetime.date, float)
Dated = typing_extensions.TypeVar("Dated", default=datetime.date)


class Unfilled(BaseModel, Generic[Limited]):
    value: Limited


class ByDefault(BaseModel, Generic[Dated]):
    values: list[Dated]


class First(BaseModel):
    number: int


class Second(BaseModel):
    number: int


class Told(BaseModel):
    either: Annotated[First, Tag("first")] | Annotated[Second, Tag("second")] = Field(
        discriminator=Discriminator(lambda _: "second")
    )


class Static(BaseModel):
    number: int

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # type: ignore[override]
        return handler(source)


class Blank(BaseModel):
    value: JsonValue
    number: int = 3


def _reversed(value: Coded) -> Coded:
    value.name = value.name[::-1]
    return value


class Coded(BaseModel):
    name: str

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_reversed, handler(source))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Sizes, '{"number": null, "names": []}'),
        (Sizes, '{"names": {"a": {"x": 1}}}'),
        (Sizes, '{"number": 5, "names": [{"key": "a", "value": {"x": 1, "y": null, "width": null}}]}'),
        (Sizes, '{"number": 5, "names": [{"value": {"x": 1, "y": "y", "width": 1}, "key": "a"}]}'),
        (Family, '{"name": "a", "members": {"b": {"name": "c", "members": {}}}}'),
        (Node, '{"value": 1, "next": {"value": 2, "next": null}}'),
        (Strict, '{"name": "a", "age": 1, "name": "b"}'),
        (Open, '{"name": "a", "more": [1]}'),
        (Upper, '{"name": "a"}'),
        (Initial, '{"name": "abc"}'),
        (After, '{"name": "abc", "length": 1}'),
        (Tagged, '{"name": "a", "tag": "UP", "sizes": {"m": 0}}'),
        (Lenient, '{"items": [1, "x", 2]}'),
        (Sorted, '{"items": [2, 1]}'),
        (Renamed, '{"name": "Ann"}'),
        (Renamed, '{"fullName": "Ann"}'),
        (Coded, '{"name": "abc"}'),
        (Range, '{"low": 5, "high": 1}'),
        (Forbidding, '{"either": {"number": 1, "more": 2}}'),
        (StrictKeys, '{"names": {"1": "a"}}'),
        (LenientKeys, '{"names": {"x": "a", "1": "b"}}'),
        (Unfilled, '{"value": "2020-01-01"}'),
        (ByDefault, '{"values": ["2020-01-01"]}'),
        (Told, '{"either": {"number": 1}}'),
        (Static, '{"number": 1}'),
        (Blank, '{"value": null}'),
        (Sizes, '{"names": [{"key": "a", "value": {"x": 1}, "key": "b"}]}'),
    ],
    ids=lambda each: str(each)[:40],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_part_is_what_it_would_be_alone_once_it_is_complete(kind: Any, text: str, size: int) -> None:
    begun = f"[{text}, "
    growing = PartialValueParser(held(list[kind]))
    for start in range(0, len(begun), size):
        growing.feed(begun[start : start + size])
    alone = held(kind).parse(text)
    assert growing.value == [alone]
    assert growing.value[0].model_fields_set == alone.model_fields_set


@pytest.mark.parametrize("text", ['{"name": "a", "age": "old"}', '{"name": "a"}', '{"name": "a", "age": 1, "more": 2}'])
def test_a_part_that_is_not_valid_stays_as_it_was_shown(text: str) -> None:
    growing = PartialValueParser(Format(list[Strict]))
    growing.feed(f"[{text}, ")
    (shown,) = growing.value
    assert shown.name == "a"
    with pytest.raises(llm.ParseError):
        Format(Strict).parse(text)


@pytest.mark.parametrize("key", ["[1]", '{"a": 1}', "null"])
def test_keys_that_are_no_text(key: str) -> None:
    text = '{"number": 5, "names": [{"key": KEY, "value": {"x": 1}}]}'.replace("KEY", key)
    assert list(llm.scripted([*text]).stream("Hi", format=Sizes).structured_stream())[-1].names.keys() == {key}


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

    assert encode_schema(Format(Colour).schema, OPENAI).schema["properties"]["output"]["enum"] == ["r", "b"]
