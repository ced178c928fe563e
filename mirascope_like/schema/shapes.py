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

from .frames import ArrayContainer, Container, DictContainer, PairContainer, TupleContainer

__all__ = [
    "AnyPlan",
    "ArrayPlan",
    "DictPlan",
    "LiteralPlan",
    "PlanResolver",
    "StringPlan",
    "TuplePlan",
    "TypePlan",
]


class TypePlan:
    """A type of which nothing is shown until it is complete."""

    can_grow = False
    """Whether strings are shown as they come."""
    needs_no_validation = False
    """Whether what has been shown is the value once it is complete, without more ado."""
    annotations: Sequence[Any] = ()
    """What the type is annotated with."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.full_type = kind
        """The same, with what is asked of it: `None` as well, constraints, validators."""

    def make_container(self, opening: str) -> Container:
        """The frame of an object ("{") or array ("[")."""
        return Container()

    def accepts(self, opening: str) -> bool:
        """Whether it shows something of an object or array."""
        return False

    @property
    def is_context_free(self) -> bool:
        """Whether a value that is valid alone is the same and valid in whatever it is in. Validators may look around,
        and settings of a model reach into its fields; bounds do neither."""
        return all(_is_bound_annotation(note) for note in self.annotations) and self._has_context_free_parts()

    def _has_context_free_parts(self) -> bool:
        return isinstance(self.kind, type) and self.kind in _CONTEXT_FREE_TYPES

    def parse(self, text: str) -> Any:
        """The value that JSON text stands for. Raises `ValueError`, also if it can be validated only with what it is
        in: it mentions `Self`, or a name of its module, or has a validator that needs what is beside it."""
        if text[:1] in "{[":
            value = json.loads(text)
            if (decode := self.decode(value)) != value:
                text = json.dumps(decode)
        try:
            return self._validator.validate_json(text)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError("It cannot be validated alone.") from error

    def decode(self, value: Any) -> Any:
        """The JSON value in the type's own form, of one that a provider's schema made the model write otherwise."""
        return value

    def parse_key(self, name: str) -> Any:
        """A name in an object as a key; as it is if it is not valid."""
        try:
            return self.parse(json.dumps(name))
        except ValueError:
            return name

    @cached_property
    def _validator(self) -> Any:
        from pydantic import TypeAdapter

        try:
            return TypeAdapter(self.full_type).validator
        except Exception:  # kept, since trying again would cost time with every part
            return None


PlanResolver: TypeAlias = Callable[[Any], TypePlan]
"""Returns the shape of a type. A shape gets one to find the shapes of its parts, since a type may contain itself."""


class StringPlan(TypePlan):
    """`str`."""

    can_grow = True
    needs_no_validation = True

    def parse_key(self, name: str) -> Any:
        """See `TypePlan.parse_key`."""
        return name if self.needs_no_validation else super().parse_key(name)


class LiteralPlan(TypePlan):
    """Literals and enums: one of `values`, in JSON."""

    def __init__(self, kind: Any, values: Iterable[Any]) -> None:
        super().__init__(kind)
        self.values: list[Any] = [value.value if isinstance(value, enum.Enum) else value for value in values]

    def _has_context_free_parts(self) -> bool:
        return True


class AnyPlan(TypePlan):
    """Anything: plain JSON values."""

    can_grow = True
    needs_no_validation = True

    def make_container(self, opening: str) -> Container:
        """See `TypePlan.make_container`."""
        return DictContainer(_STRING_PLAN, self) if opening == "{" else ArrayContainer(self)

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True

    def parse(self, text: str) -> Any:
        """See `TypePlan.parse`."""
        return json.loads(text)


class ArrayPlan(TypePlan):
    """Lists, and what is made of lists: sets, tuples of any length and the like."""

    def __init__(self, kind: Any, item: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self.needs_no_validation: bool = (get_origin(kind) or kind) in (
            list,
            collections.abc.Sequence,
            collections.abc.MutableSequence,
        )
        self._item_kind = item

    @cached_property
    def item(self) -> TypePlan:
        """The shape of an item."""
        return self._plan_for(self._item_kind)

    def _has_context_free_parts(self) -> bool:
        return self.item.is_context_free

    def make_container(self, opening: str) -> Container:
        """See `TypePlan.make_container`."""
        return ArrayContainer(self.item) if opening == "[" else Container()

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return opening == "["

    def decode(self, value: Any) -> Any:
        """See `TypePlan.decode`."""
        if not isinstance(value, list):
            return value
        items = cast("Sequence[Any]", value)
        return [self.item.decode(each) for each in items]


class DictPlan(TypePlan):
    """Objects with free names. Some providers make the model write them as an array of pairs."""

    def __init__(self, kind: Any, key: Any, item: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self.needs_no_validation: bool = (get_origin(kind) or kind) in (
            dict,
            collections.abc.Mapping,
            collections.abc.MutableMapping,
        )
        self._key_kind = key
        self._item_kind = item

    @cached_property
    def item(self) -> TypePlan:
        """The shape of a value."""
        return self._plan_for(self._item_kind)

    @cached_property
    def key_plan(self) -> TypePlan:
        """The shape of a key."""
        return self._plan_for(self._key_kind)

    def _has_context_free_parts(self) -> bool:
        return self._key_kind is str and self.item.is_context_free

    def make_container(self, opening: str) -> Container:
        """See `TypePlan.make_container`."""
        whole = DictContainer(self.key_plan, self.item)
        if opening == "{":
            return whole
        pairs = ArrayContainer(_PairPlan(whole, TypePlan(self._key_kind)))
        pairs.value = whole.value
        return pairs

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True

    def decode(self, value: Any) -> Any:
        """See `TypePlan.decode`."""
        if isinstance(value, list):
            pairs = cast("Sequence[Any]", value)
            if not all(isinstance(pair, dict) and cast("Any", pair).keys() == {"key", "value"} for pair in pairs):
                return pairs
            value = {_to_key(pair["key"]): pair["value"] for pair in pairs}
        if not isinstance(value, dict):
            return value
        return {key: self.item.decode(each) for key, each in cast("dict[str, Any]", value).items()}


class _PairPlan(TypePlan):
    needs_no_validation = True

    def __init__(self, whole: DictContainer, key: TypePlan) -> None:
        super().__init__(Any)
        self._dict = whole
        self._key = key

    def make_container(self, opening: str) -> Container:
        return PairContainer(self._dict, self._key) if opening == "{" else Container()

    def parse(self, text: str) -> Any:
        raise ValueError("It is no pair.")


class TuplePlan(TypePlan):
    """Tuples of fixed length, with names for the items where a provider makes the model write an object."""

    def __init__(
        self, kind: Any, make: Any, names: Sequence[str], items: Sequence[Any], plan_for: PlanResolver
    ) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self._make_tuple = make
        self._names = names
        self._item_kinds = items

    @cached_property
    def items(self) -> Sequence[TypePlan]:
        """The shapes of the items."""
        return [self._plan_for(kind) for kind in self._item_kinds]

    def _has_context_free_parts(self) -> bool:
        return all(item.is_context_free for item in self.items)

    def make_container(self, opening: str) -> Container:
        """See `TypePlan.make_container`."""
        return TupleContainer(self._make_tuple, self._names, self.items)

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True

    def decode(self, value: Any) -> Any:
        """See `TypePlan.decode`."""
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            value = [fields[name] for name in self._names if name in fields]
        if not isinstance(value, list):
            return value
        items = cast("Sequence[Any]", value)
        return [plan.decode(each) for plan, each in zip(self.items, items, strict=False)]


def _to_key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _is_bound_annotation(note: object) -> bool:
    return type(note).__module__.partition(".")[0] == "annotated_types"


_SCALARS = {str, int, float, bool, bytes, type(None), date, datetime, time, timedelta, Decimal, UUID}
_CONTEXT_FREE_TYPES: set[Any] = {Any, object, *_SCALARS}
_STRING_PLAN = StringPlan(str)
