"""Type plans: how partial values of each kind of type are built while their JSON arrives.

Rules
* An object of a class is shown as an instance made without its constructor; fields that have not begun are `None`. The
  complete object is validated and replaced by the validated one, unless its class only validates its fields, which
  happened as they arrived.
* Strings grow. Everything else that is not an object or array (numbers, dates, enums, literals) is shown once it is
  complete and valid.
* Arrays are lists while they grow, except tuples of fixed length, whose items are `None` until they arrive.
* An object that may have one of several types is not shown until its names or tags tell which.
* A value of any other type is shown once it is complete.

A type has one plan, which makes the plans of its parts when they are first needed, so types may contain themselves.
"""

from __future__ import annotations

import collections.abc
import enum
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeAlias, get_origin
from uuid import UUID

from ..dialects.definitions import PLAIN, Dialect
from ..type_schema import TypeSchema, type_schema
from .containers import ArrayContainer, Container, DictContainer, PairContainer, TupleContainer, ValuePlan


class TypePlan(ValuePlan):
    """The plan of a type. This base class shows a value only once it is complete."""

    annotations: Sequence[Any] = ()
    """The metadata of `Annotated`."""

    def __init__(self, kind: Any, plan_for: PlanResolver | None = None, part_types: Sequence[Any] = ()) -> None:
        self.kind = kind
        self.full_type = kind
        """The type with everything required of it: optional `None`, constraints, validators."""
        self._plan_for: PlanResolver = plan_for or TypePlan
        self._part_types = part_types

    @cached_property
    def parts(self) -> Sequence[TypePlan]:
        """The plans of the types that it is made of, such as the type of its items."""
        return [self._plan_for(kind) for kind in self._part_types]

    def accepts(self, opening: str) -> bool:
        """Whether values of the type may be objects ("{") or arrays ("[")."""
        return False

    @property
    def is_context_free(self) -> bool:
        """Whether a value that is valid by itself is equally valid inside any other value. Validators may look at what
        is around a value, and a model's settings affect its fields; bounds do neither."""
        return all(_is_bound_annotation(note) for note in self.annotations) and self._has_context_free_parts()

    def _has_context_free_parts(self) -> bool:
        return isinstance(self.kind, type) and self.kind in _CONTEXT_FREE_TYPES

    def parse(self, text: str, dialect: Dialect) -> Any:
        """See `ValuePlan.parse`. Raises `ValueError` also if the type can only be validated inside its owner: it has
        `Self` or a name of its module in it, or a validator that needs other fields."""
        try:
            if text[:1] in "{[" and dialect != PLAIN:
                value = json.loads(text)
                plain = self._schema.decode(value, dialect)
                text = text if plain is value else json.dumps(plain)
            return self._validator.validate_json(text)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError("The value cannot be validated by itself.") from error

    def parse_key(self, name: str) -> Any:
        """See `ValuePlan.parse_key`."""
        try:
            return self.parse(json.dumps(name), PLAIN)
        except ValueError:
            return name

    @cached_property
    def _schema(self) -> TypeSchema:
        return type_schema(self.full_type)

    @cached_property
    def _validator(self) -> Any:
        from pydantic import TypeAdapter

        try:
            return TypeAdapter(self.full_type).validator
        except Exception:  # cached too, since trying again with every part would cost time
            return None


PlanResolver: TypeAlias = Callable[[Any], TypePlan]
"""Returns the plan of a type. A plan uses it to find the plans of its parts, since a type may contain itself."""


class StringPlan(TypePlan):
    """`str`."""

    shows_partial_strings = True
    needs_no_validation = True

    def parse_key(self, name: str) -> Any:
        """See `ValuePlan.parse_key`."""
        return name if self.needs_no_validation else super().parse_key(name)


class LiteralPlan(TypePlan):
    """Literals and enums: one of `values`, as in JSON."""

    def __init__(self, kind: Any, values: Iterable[Any]) -> None:
        super().__init__(kind)
        self.values: list[Any] = [value.value if isinstance(value, enum.Enum) else value for value in values]

    def _has_context_free_parts(self) -> bool:
        return True


class AnyPlan(TypePlan):
    """`Any`: plain JSON values."""

    shows_partial_strings = True
    needs_no_validation = True

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        return DictContainer(_STRING_PLAN, self) if opening == "{" else ArrayContainer(self)

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True

    def parse(self, text: str, dialect: Dialect) -> Any:
        """See `ValuePlan.parse`."""
        return json.loads(text)


class _CollectionPlan(TypePlan):
    @cached_property
    def needs_no_validation(self) -> bool:  # type: ignore[override]
        """See `ValuePlan.needs_no_validation`."""
        return (get_origin(self.kind) or self.kind) in _PLAIN_COLLECTIONS


class ArrayPlan(_CollectionPlan):
    """Lists and types that are built from lists: sets, tuples of any length and similar."""

    def _has_context_free_parts(self) -> bool:
        return self.parts[0].is_context_free

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        return ArrayContainer(self.parts[0]) if opening == "[" else Container()

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return opening == "["


class DictPlan(_CollectionPlan):
    """Dicts. Some providers make the model write them as an array of pairs."""

    def _has_context_free_parts(self) -> bool:
        return self._part_types[0] is str and self.parts[1].is_context_free

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        whole = DictContainer(*self.parts)
        if opening == "{":
            return whole
        pairs = ArrayContainer(_PairPlan(whole, TypePlan(self._part_types[0])))
        pairs.value = whole.value
        return pairs

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True


class _PairPlan(TypePlan):
    needs_no_validation = True

    def __init__(self, whole: DictContainer, key: TypePlan) -> None:
        super().__init__(Any)
        self._dict = whole
        self._key = key

    def make_container(self, opening: str) -> Container:
        return PairContainer(self._dict, self._key) if opening == "{" else Container()

    def parse(self, text: str, dialect: Dialect) -> Any:
        raise ValueError("The value is not a pair.")


class TuplePlan(TypePlan):
    """Tuples of fixed length. Some providers make the model write them as an object with a name for each item."""

    def __init__(
        self, kind: Any, plan_for: PlanResolver, items: Sequence[Any], names: Sequence[str], make: Any = tuple
    ) -> None:
        super().__init__(kind, plan_for, items)
        self._names = names
        self._make_tuple = make

    def _has_context_free_parts(self) -> bool:
        return all(item.is_context_free for item in self.parts)

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        return TupleContainer(self._make_tuple, self._names, self.parts)

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return True


def _is_bound_annotation(note: object) -> bool:
    return type(note).__module__.partition(".")[0] == "annotated_types"


_SCALARS = {str, int, float, bool, bytes, type(None), date, datetime, time, timedelta, Decimal, UUID}
_CONTEXT_FREE_TYPES: set[Any] = {Any, object, *_SCALARS}
_PLAIN_COLLECTIONS: set[Any] = {
    *(list, collections.abc.Sequence, collections.abc.MutableSequence),
    *(dict, collections.abc.Mapping, collections.abc.MutableMapping),
}
_STRING_PLAN = StringPlan(str)
