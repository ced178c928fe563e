"""Types that people ask models for, each with a strategy for its values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeAlias, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import TypedDict

T = TypeVar("T")


class Defaults(BaseModel):
    """Fields that need not be given."""

    maybe: int | None = None
    named: str = "d"
    many: list[int] = Field(default_factory=list)
    nullable: int | None = 5


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: dict[str, int] = {}


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    value: int
    children: list[Tree] = []
    left: Tree | None = None
    tags: dict[str, Tree] = {}


class Counts(BaseModel):
    counts: dict[str, int]
    nested: dict[str, dict[int, list[str]]]


class Place(BaseModel):
    city: str


Home: TypeAlias = Annotated[Place, Field(description="Where they live.")]


class Described(BaseModel):
    home: Place = Field(description="Where they live.")
    work: Place = Field(Place(city="Oslo"), description="Where they work.")


class Bounded(BaseModel):
    age: int = Field(ge=0, le=150)
    code: str = Field(pattern="^[a-z]+$")
    name: str = Field(min_length=3, max_length=20)
    few: list[int] = Field(min_length=2, max_length=4)
    ratio: float = Field(gt=0, lt=1)


class Times(BaseModel):
    at: datetime
    on: date
    by: time
    takes: timedelta
    price: Decimal
    id: UUID
    data: bytes


class Color(enum.Enum):
    RED = "red"
    BLUE = 2
    NONE = None


class Size(enum.IntEnum):
    S = 1
    L = 2


class Kinds(BaseModel):
    color: Color
    size: Size
    pair: tuple[int, str]
    many: tuple[int, ...]
    unique: set[int]
    frozen: frozenset[str]
    either: Literal[1, "a", True]
    by_size: dict[Literal["a", "b"], Size] = {}


class Anything(BaseModel):
    any: Any
    items: list[Any]
    free: dict[str, Any]
    maybe: Any = 3


class Aliased(BaseModel):
    first: int = Field(alias="firstName")
    second: str = Field("x", alias="second name")


@dataclass
class Point:
    x: int
    y: int = 0
    labels: dict[str, str] = field(default_factory=dict)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Loose(TypedDict, total=False):
    a: int
    b: dict[str, int]


class Pair(NamedTuple):
    left: int
    right: dict[str, int]


class Row(NamedTuple):
    a: int
    b: str = "x"


class Numbers(RootModel[list[int]]):
    pass


class Scores(RootModel[dict[str, float]]):
    pass


class Box(BaseModel, Generic[T]):
    content: T
    spare: T | None = None


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        return value.strip()


SIXTEEN: Mapping[str, Any] = {
    "defaults": Defaults,
    "discriminated union": Owner,
    "recursive": Tree,
    "dict": dict[str, int],
    "described reference": Described,
    "constraints": Bounded,
    "times and decimals": Times,
    "enum, tuple, set": Kinds,
    "any": Anything,
    "alias": Aliased,
    "dataclass": Point,
    "TypedDict": Movie,
    "RootModel": Numbers,
    "list of models": list[Cat],
    "union": Cat | Dog,
    "int": int,
}

numbers = st.integers(-(2**60), 2**60)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.dictionaries(words, numbers, max_size=3)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
places = st.builds(Place, city=words)
cats = st.builds(Cat, lives=numbers)
dogs = st.builds(Dog, kind=st.just("dog"), tricks=counts)
trees = st.recursive(
    st.builds(Tree, value=numbers),
    lambda inner: st.builds(
        Tree,
        value=numbers,
        children=st.lists(inner, max_size=2),
        left=st.none() | inner,
        tags=st.dictionaries(words, inner, max_size=2),
    ),
    max_leaves=4,
)
decimals = st.decimals(min_value=-1000, max_value=1000, places=2)
defaults = st.builds(
    Defaults,
    maybe=st.none() | numbers,
    named=words,
    many=st.lists(numbers),
    nullable=st.none() | st.just(5) | numbers,
)
bounded = st.builds(
    Bounded,
    age=st.integers(0, 150),
    code=st.from_regex("[a-z]{1,5}", fullmatch=True),
    name=st.text("abc", min_size=3, max_size=20),
    few=st.lists(numbers, min_size=2, max_size=4),
    ratio=st.floats(0.25, 0.75),
)
moments = st.builds(
    Times,
    at=st.datetimes(),
    on=st.dates(),
    by=st.times(),
    takes=st.timedeltas(timedelta(-1000), timedelta(1000)),
    price=decimals,
    id=st.uuids(),
    data=words.map(str.encode),
)
kinds = st.builds(
    Kinds,
    color=st.sampled_from(Color),
    size=st.sampled_from(Size),
    pair=st.tuples(numbers, words),
    many=st.lists(numbers).map(tuple),
    unique=st.sets(numbers),
    frozen=st.frozensets(words),
    either=st.sampled_from([1, "a", True]),
    by_size=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(Size)),
)

VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Defaults, defaults),
    (Owner, st.builds(Owner, pet=cats | dogs)),
    (Tree, trees),
    (list[Tree], st.lists(trees, max_size=2)),
    (Counts, st.builds(Counts, counts=counts, nested=st.dictionaries(words, st.just({1: ["a"], -2: []})))),
    (dict[str, int], counts),
    (dict[str, Cat | None], st.dictionaries(words, st.none() | cats)),
    (Described, st.builds(Described, home=places, work=places)),
    (Bounded, bounded),
    (Times, moments),
    (Kinds, kinds),
    (
        Anything,
        st.builds(
            Anything,
            any=json_values,
            items=st.lists(json_values, max_size=3),
            free=st.dictionaries(words, json_values, max_size=3),
            maybe=json_values.filter(lambda value: value is not None),
        ),
    ),
    (Aliased, st.builds(lambda a, b: Aliased.model_validate({"firstName": a, "second name": b}), numbers, words)),
    (Point, st.builds(Point, x=numbers, y=numbers, labels=st.dictionaries(words, words))),
    (Movie, st.fixed_dictionaries({"title": words}, optional={"year": numbers})),
    (Loose, st.fixed_dictionaries({}, optional={"a": numbers, "b": counts})),
    (Pair, st.builds(Pair, numbers, counts)),
    (Row, st.builds(Row, numbers, words)),
    (list[Row], st.lists(st.builds(Row, numbers, words))),
    (Numbers, st.builds(Numbers, st.lists(numbers))),
    (Scores, st.builds(Scores, st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False)))),
    (Box[dict[str, int]], st.builds(Box[dict[str, int]], content=counts, spare=st.none() | counts)),
    (Checked, st.builds(Checked, name=words)),
    (list[Cat], st.lists(cats)),
    (Cat | Dog, cats | dogs),
    (dict[str, int] | list[str] | Pair, counts | st.lists(words) | st.builds(Pair, numbers, counts)),
    (Place | None, st.none() | places),
    (Point | None, st.none() | st.builds(Point, x=numbers)),
    (Movie | None, st.none() | st.fixed_dictionaries({"title": words})),
    (list[Row | None], st.lists(st.none() | st.builds(Row, numbers, words), max_size=3)),
    (dict[str, Numbers | None], st.dictionaries(words, st.none() | st.builds(Numbers, st.lists(numbers)), max_size=3)),
    (Box[Home | None], st.builds(Box[Home | None], content=st.none() | places, spare=st.none() | places)),
    (tuple[int, tuple[str, ...], dict[str, int]], st.tuples(numbers, st.lists(words).map(tuple), counts)),
    (tuple[()], st.just(())),
    (Any, json_values),
    (dict[str, Any], st.dictionaries(words, json_values)),
    (list[dict[str, Any] | int], st.lists(st.dictionaries(words, json_values) | numbers, max_size=3)),
    (Color, st.sampled_from(Color)),
    (Literal["a", 2, None], st.sampled_from(["a", 2, None])),
    (frozenset[date], st.frozensets(st.dates())),
    (Decimal, decimals),
    (int | str, numbers | words),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, words),
]
