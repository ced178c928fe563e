"""How values of a type are shown while their JSON arrives.

Rules
* An object of a class is shown as an instance of it, made without its constructor; fields that have not begun are
  `None`. When it is complete it is validated, and the validated one takes its place, unless its fields, which were
  validated as they came, are all there is to it.
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
import enum
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeAlias, cast, get_origin
from uuid import UUID

from .frames import ArrayFrame, DictFrame, Frame, PairFrame, RecordFrame

__all__ = [
    "AnyShape",
    "ArrayShape",
    "DictShape",
    "LiteralShape",
    "PlanResolver",
    "RecordShape",
    "Shape",
    "TextShape",
]


class Shape:
    """A type of which nothing is shown until it is complete."""

    grows = False
    """Whether strings are shown as they come."""
    settled = False
    """Whether what has been shown is the value once it is complete, without more ado."""
    noted: Sequence[Any] = ()
    """What the type is annotated with."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.wanted = kind
        """The same, with what is asked of it: `None` as well, constraints, validators."""

    def begin(self, opening: str) -> Frame:
        """The frame of an object ("{") or array ("[")."""
        return Frame()

    def takes(self, opening: str) -> bool:
        """Whether it shows something of an object or array."""
        return False

    @property
    def stands_alone(self) -> bool:
        """Whether a value that is valid alone is the same and valid in whatever it is in. Validators may look around,
        and settings of a model reach into its fields; bounds do neither."""
        return all(_is_bound(note) for note in self.noted) and self._parts_stand_alone()

    def _parts_stand_alone(self) -> bool:
        return isinstance(self.kind, type) and self.kind in _PLAIN

    def complete(self, text: str) -> Any:
        """The value that JSON text stands for. Raises `ValueError`, also if it can be validated only with what it is
        in: it mentions `Self`, or a name of its module, or has a validator that needs what is beside it."""
        if text[:1] in "{[":
            value = json.loads(text)
            if (plain := self.plain(value)) != value:
                text = json.dumps(plain)
        try:
            return self._validator.validate_json(text)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError("It cannot be validated alone.") from error

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

        try:
            return TypeAdapter(self.wanted).validator
        except Exception:  # kept, since trying again would cost time with every part
            return None


PlanResolver: TypeAlias = Callable[[Any], Shape]
"""Returns the shape of a type. A shape gets one to find the shapes of its parts, since a type may contain itself."""


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

    def _parts_stand_alone(self) -> bool:
        return True


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


class ArrayShape(Shape):
    """Lists, and what is made of lists: sets, tuples of any length and the like."""

    def __init__(self, kind: Any, item: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self.settled: bool = (get_origin(kind) or kind) in (
            list,
            collections.abc.Sequence,
            collections.abc.MutableSequence,
        )
        self._item_kind = item

    @cached_property
    def item(self) -> Shape:
        """The shape of an item."""
        return self._plan_for(self._item_kind)

    def _parts_stand_alone(self) -> bool:
        return self.item.stands_alone

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

    def __init__(self, kind: Any, key: Any, item: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
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
        return self._plan_for(self._item_kind)

    @cached_property
    def key_shape(self) -> Shape:
        """The shape of a key."""
        return self._plan_for(self._key_kind)

    def _parts_stand_alone(self) -> bool:
        return self._key_kind is str and self.item.stands_alone

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
            value = {_name(pair["key"]): pair["value"] for pair in pairs}
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

    def complete(self, text: str) -> Any:
        raise ValueError("It is no pair.")


class RecordShape(Shape):
    """Tuples of fixed length, with names for the items where a provider makes the model write an object."""

    def __init__(
        self, kind: Any, make: Any, names: Sequence[str], items: Sequence[Any], plan_for: PlanResolver
    ) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self._make = make
        self._names = names
        self._item_kinds = items

    @cached_property
    def items(self) -> Sequence[Shape]:
        """The shapes of the items."""
        return [self._plan_for(kind) for kind in self._item_kinds]

    def _parts_stand_alone(self) -> bool:
        return all(item.stands_alone for item in self.items)

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


def _name(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _is_bound(note: object) -> bool:
    return type(note).__module__.partition(".")[0] == "annotated_types"


_PLAIN = {Any, object, str, int, float, bool, bytes, date, datetime, time, timedelta, Decimal, UUID, type(None)}
_TEXT = TextShape(str)
