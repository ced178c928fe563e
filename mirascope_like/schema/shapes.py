"""How values of a type are shown while their JSON arrives.

Rules
* An object of a class is shown as an instance of it, made without its constructor; fields that have not begun are
  `None`. When it is complete it is validated, and the validated one takes its place.
* Strings grow. Everything else that is not an object or array (numbers, dates, enums, literals) is shown once it is
  complete and valid.
* Arrays are lists while they grow, except tuples of fixed length, whose items are `None` until they come.
* An object that may be of several types is not shown until its names or tags tell which.
* A type that is not known here is shown once it is complete.

A shape is made once for a type, and its parts when they are first needed, so types may contain themselves.
"""

from __future__ import annotations

import collections
import collections.abc
import copy
import dataclasses
import enum
import functools
import inspect
import json
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from typing_extensions import ReadOnly, TypeAliasType, is_typeddict

from .frames import (
    ENVELOPE,
    ArrayFrame,
    DictFrame,
    EnvelopeFrame,
    Frame,
    ObjectFrame,
    PairFrame,
    RecordFrame,
    UndecidedFrame,
)
from .members import Attributes, Fields, annotated, bare_model, filled, hinted_field, hints_of, model_fields

__all__ = [
    "AnyShape",
    "ArrayShape",
    "DataclassShape",
    "DictShape",
    "EnvelopeShape",
    "LiteralShape",
    "ModelShape",
    "ObjectShape",
    "RecordShape",
    "RootModelShape",
    "Shape",
    "TextShape",
    "TypedDictShape",
    "UnionShape",
    "shape_of",
]

CACHED = 1024  # types whose shapes are kept


class Shape:
    """A type of which nothing is shown until it is complete."""

    grows = False
    """Whether strings are shown as they come."""
    settled = False
    """Whether what has been shown is the value once it is complete, without more ado."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def begin(self, opening: str) -> Frame:
        """The frame of an object ("{") or array ("[")."""
        return Frame()

    def takes(self, opening: str) -> bool:
        """Whether it shows something of an object or array."""
        return False

    def complete(self, text: str) -> Any:
        """The value that JSON text stands for. Raises `ValueError`."""
        try:
            return self._validator.validate_json(text)
        except ValueError:
            value = json.loads(text)
            if (plain := self.plain(value)) == value:
                raise
            return self._validator.validate_json(json.dumps(plain))

    def plain(self, value: Any) -> Any:
        """The JSON value in the type's own form, of one that a provider's schema made the model write otherwise."""
        return value

    def key(self, name: str) -> Any:
        """A name in an object as a key; as it is if it is not valid."""
        try:
            return self.complete(json.dumps(name))
        except ValueError:
            return name

    @cached_property
    def _validator(self) -> Any:
        from pydantic import TypeAdapter

        return TypeAdapter(self.kind).validator


class TextShape(Shape):
    """`str`."""

    grows = True
    settled = True

    def key(self, name: str) -> Any:
        """See `Shape.key`."""
        return name if self.settled else super().key(name)


class LiteralShape(Shape):
    """Literals and enums: one of `values`, in JSON."""

    def __init__(self, kind: Any, values: Iterable[Any]) -> None:
        super().__init__(kind)
        self.values: list[Any] = [value.value if isinstance(value, enum.Enum) else value for value in values]


class AnyShape(Shape):
    """Anything: plain JSON values."""

    grows = True
    settled = True

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        return DictFrame(_TEXT, self) if opening == "{" else ArrayFrame(self)

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return True

    def complete(self, text: str) -> Any:
        """See `Shape.complete`."""
        return json.loads(text)


class _RawShape(Shape):
    """What may tell which of several types an object is of."""

    def complete(self, text: str) -> Any:
        return json.loads(text)


class ArrayShape(Shape):
    """Lists, and what is made of lists: sets, tuples of any length and the like."""

    def __init__(self, kind: Any, item: Any) -> None:
        super().__init__(kind)
        self.settled: bool = (get_origin(kind) or kind) in (
            list,
            collections.abc.Sequence,
            collections.abc.MutableSequence,
        )
        self._item_kind = item

    @cached_property
    def item(self) -> Shape:
        """The shape of an item."""
        return shape_of(self._item_kind)

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        return ArrayFrame(self.item) if opening == "[" else Frame()

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return opening == "["

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`."""
        if not isinstance(value, list):
            return value
        items = cast("Sequence[Any]", value)
        return [self.item.plain(each) for each in items]


class DictShape(Shape):
    """Objects with free names. Some providers make the model write them as an array of pairs."""

    def __init__(self, kind: Any, key: Any, item: Any) -> None:
        super().__init__(kind)
        self.settled: bool = (get_origin(kind) or kind) in (
            dict,
            collections.abc.Mapping,
            collections.abc.MutableMapping,
        )
        self._key_kind = key
        self._item_kind = item

    @cached_property
    def item(self) -> Shape:
        """The shape of a value."""
        return shape_of(self._item_kind)

    @cached_property
    def key_shape(self) -> Shape:
        """The shape of a key."""
        return shape_of(self._key_kind)

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        whole = DictFrame(self.key_shape, self.item)
        if opening == "{":
            return whole
        pairs = ArrayFrame(_PairShape(whole, Shape(self._key_kind)))
        pairs.value = whole.value
        return pairs

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return True

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`."""
        if isinstance(value, list):
            pairs = cast("Sequence[Any]", value)
            if not all(isinstance(pair, dict) and cast("Any", pair).keys() == {"key", "value"} for pair in pairs):
                return pairs
            value = {pair["key"]: pair["value"] for pair in pairs}
        if not isinstance(value, dict):
            return value
        return {key: self.item.plain(each) for key, each in cast("dict[str, Any]", value).items()}


class _PairShape(Shape):
    settled = True

    def __init__(self, whole: DictFrame, key: Shape) -> None:
        super().__init__(Any)
        self._whole = whole
        self._key = key

    def begin(self, opening: str) -> Frame:
        return PairFrame(self._whole, self._key) if opening == "{" else Frame()


class RecordShape(Shape):
    """Tuples of fixed length, with names for the items where a provider makes the model write an object."""

    def __init__(self, kind: Any, make: Any, names: Sequence[str], items: Sequence[Any]) -> None:
        super().__init__(kind)
        self._make = make
        self._names = names
        self._item_kinds = items

    @cached_property
    def items(self) -> Sequence[Shape]:
        """The shapes of the items."""
        return [shape_of(kind) for kind in self._item_kinds]

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        return RecordFrame(self._make, self._names, self.items)

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return True

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`."""
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            value = [fields[name] for name in self._names if name in fields]
        if not isinstance(value, list):
            return value
        items = cast("Sequence[Any]", value)
        return [shape.plain(each) for shape, each in zip(self.items, items, strict=False)]


class ObjectShape(Shape):
    """Objects with known members. Subclasses say how one is made."""

    @cached_property
    def members(self) -> Mapping[str, tuple[str, Shape]]:
        """By name in JSON: the field's name and shape."""
        members: dict[str, tuple[str, Shape]] = {}
        for field, (names, kind) in self._fields.items():
            shape = shape_of(kind)
            members |= {name: (field, shape) for name in names}
            members.setdefault(field, (field, shape))
        return members

    @cached_property
    def _fields(self) -> Fields:
        raise NotImplementedError

    def may_have(self, name: str, value: Any) -> bool:
        """Whether a member can have a value, as far as its type is a literal."""
        shape = self.members.get(name, ("", None))[1]
        return not isinstance(shape, LiteralShape) or value in shape.values

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return opening == "{"

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`. `null` is left out where it is no value: it stands for the default."""
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        made: dict[str, Any] = {}
        for name, each in fields.items():
            shape = self.members[name][1] if name in self.members else None
            if shape is None or (each is None and _takes_null(shape)):
                made[name] = each
            elif each is not None:
                made[name] = shape.plain(each)
        return made


class ModelShape(ObjectShape):
    """Pydantic models."""

    @cached_property
    def _fields(self) -> Fields:
        return model_fields(self.kind.model_fields)

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        if opening != "{":
            return Frame()
        slots: dict[str, Any] = dict.fromkeys(self._fields)
        begun: set[str] = set()
        return ObjectFrame(bare_model(self.kind, slots, begun), slots, self.members, begun)


class RootModelShape(Shape):
    """Pydantic's root models: one field, without a name in JSON."""

    @cached_property
    def inner(self) -> Shape:
        """The shape of the field."""
        field = self.kind.model_fields["root"]
        return shape_of(annotated(field.annotation, field.metadata))

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        frame = self.inner.begin(opening)
        if isinstance(frame, RecordFrame) or frame.value is None:
            return Frame()
        frame.value = bare_model(self.kind, {"root": frame.value}, {"root"})
        return frame

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return self.inner.takes(opening)

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`."""
        return self.inner.plain(value)


class DataclassShape(ObjectShape):
    """Dataclasses, the standard library's and Pydantic's."""

    @cached_property
    def _fields(self) -> Fields:
        cls = get_origin(self.kind) or self.kind
        if hasattr(cls, "__pydantic_fields__"):
            return model_fields(cls.__pydantic_fields__)
        hints = hints_of(self.kind)
        names = [field.name for field in dataclasses.fields(cls) if field.init]
        return {name: hinted_field(name, hints[name]) for name in names}

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        if opening != "{":
            return Frame()
        cls: Any = get_origin(self.kind) or self.kind
        value = cls.__new__(cls)
        slots = Attributes(value)
        for field in dataclasses.fields(cls):
            slots[field.name] = None
        return ObjectFrame(value, cast("Any", slots), self.members)


class TypedDictShape(ObjectShape):
    """Typed dicts."""

    @cached_property
    def _fields(self) -> Fields:
        return {name: hinted_field(name, hint) for name, hint in hints_of(self.kind).items()}

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        value: dict[str, Any] = dict.fromkeys(self._fields)
        return ObjectFrame(value, value, self.members) if opening == "{" else Frame()


class UnionShape(Shape):
    """One of several types."""

    def __init__(self, kind: Any, options: Iterable[Any]) -> None:
        super().__init__(kind)
        self._option_kinds = options

    @cached_property
    def options(self) -> Sequence[Shape]:
        """The shapes of the types, without those of unions among them."""
        found: list[Shape] = []
        for shape in map(shape_of, self._option_kinds):
            found += shape.options if isinstance(shape, UnionShape) else [shape]
        return found

    @property
    def grows(self) -> bool:  # type: ignore[override]
        """See `Shape.grows`."""
        return any(option.grows for option in self.options)

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        options = [option for option in self.options if option.takes(opening)]
        if len(options) == 1:
            return options[0].begin(opening)
        objects = [option for option in options if isinstance(option, ObjectShape)]
        return UndecidedFrame(objects, _RAW) if objects and len(objects) == len(options) else Frame()

    def takes(self, opening: str) -> bool:
        """See `Shape.takes`."""
        return any(option.takes(opening) for option in self.options)

    def plain(self, value: Any) -> Any:
        """See `Shape.plain`."""
        opening = "{" if isinstance(value, dict) else "["
        options = [option for option in self.options if option.takes(opening)]
        return options[0].plain(value) if len(options) == 1 else cast("Any", value)


class EnvelopeShape(Shape):
    """What the whole text holds: a value, or one in an envelope."""

    def __init__(self, bare: Shape) -> None:
        super().__init__(bare.kind)
        self._bare = bare

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        objects = [*self._bare.options] if isinstance(self._bare, UnionShape) else [self._bare]
        named = any(isinstance(each, ObjectShape) and ENVELOPE in each.members for each in objects)
        return self._bare.begin(opening) if named or opening == "[" else EnvelopeFrame(self._bare)


# -- from types -------------------------------------------------------------------------------------------------------


def shape_of(kind: Any) -> Shape:
    """The shape of a type."""
    try:
        hash(kind)
    except TypeError:  # what the type is annotated with cannot be hashed
        return _shape(kind)
    return _cached_shape(kind)


def _shape(kind: Any) -> Shape:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _as(shape_of(args[0]), kind)
    if origin in (Required, NotRequired, ReadOnly):
        return shape_of(args[0])
    if isinstance(kind, NewType):
        return shape_of(kind.__supertype__)
    if isinstance(kind, TypeVar):
        return shape_of(kind.__bound__ or Any)
    if isinstance(origin or kind, _ALIASES):
        alias = origin or kind
        return shape_of(filled(alias.__value__, dict(zip(alias.__type_params__, args, strict=False))))
    if origin in (Union, types.UnionType):
        return _union(kind, args)
    if origin is Literal:
        return LiteralShape(kind, args)
    if kind is Any or kind is object:
        return AnyShape(kind)
    return _class(kind, origin or kind, args)


def _class(kind: Any, cls: Any, args: tuple[Any, ...]) -> Shape:
    from pydantic import BaseModel, RootModel

    if not inspect.isclass(cls):
        return Shape(kind)
    if cls is str:
        return TextShape(kind)
    if issubclass(cls, enum.Enum):
        return LiteralShape(kind, cls)
    if issubclass(cls, BaseModel):
        return RootModelShape(kind) if issubclass(cls, RootModel) else ModelShape(kind)
    if dataclasses.is_dataclass(cls):
        return DataclassShape(kind)
    if is_typeddict(cls):
        return TypedDictShape(kind)
    return _container(kind, cls, args)


def _container(kind: Any, cls: Any, args: tuple[Any, ...]) -> Shape:
    if cls is tuple and args and args[-1] is not Ellipsis:
        return RecordShape(kind, tuple, [f"item_{position}" for position in range(len(args))], args)
    if (names := getattr(cls, "_fields", None)) is not None and issubclass(cls, tuple):
        hints = hints_of(kind)
        return RecordShape(kind, cast("Any", cls)._make, names, [hints.get(name, Any) for name in names])
    if cls in _ARRAYS:
        return ArrayShape(kind, args[0] if args else Any)
    if cls in _DICTS:
        return DictShape(kind, *(args if len(args) == 2 else (str, Any)))
    return Shape(kind)


def _union(kind: Any, args: tuple[Any, ...]) -> Shape:
    others = [arg for arg in args if arg is not type(None)]
    return _as(shape_of(others[0]), kind) if len(others) == 1 and len(args) == 2 else UnionShape(kind, args)


def _as(shape: Shape, kind: Any) -> Shape:
    """The shape with more asked of it: `None`, constraints, validators."""
    made = copy.copy(shape)
    made.kind = kind
    made.__dict__.pop("_validator", None)
    if get_origin(kind) is Annotated and not isinstance(shape, UnionShape):
        made.settled = False
    return made


if TYPE_CHECKING:
    _cached_shape = _shape
else:
    _cached_shape = functools.lru_cache(CACHED)(_shape)


def _takes_null(shape: Shape) -> bool:
    try:
        shape.complete("null")
    except ValueError:
        return False
    return True


_RAW = _RawShape(Any)
_TEXT = TextShape(str)
_ALIASES: tuple[Any, ...] = (TypeAliasType,)
if sys.version_info >= (3, 12):
    from typing import TypeAliasType as _BuiltinAlias

    _ALIASES = (TypeAliasType, _BuiltinAlias)

_ARRAYS: set[Any] = {
    list,
    set,
    frozenset,
    tuple,
    collections.deque,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Set,
    collections.abc.MutableSet,
    collections.abc.Iterable,
    collections.abc.Collection,
}
_DICTS: set[Any] = {
    dict,
    collections.OrderedDict,
    collections.defaultdict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
}
