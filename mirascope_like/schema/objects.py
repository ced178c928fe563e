"""Shapes of objects with known members, and of one of several types; see `shapes`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast, get_origin

from .frames import EnvelopeFrame, Frame, ObjectFrame, RecordFrame, UndecidedFrame
from .members import (
    Attributes,
    Fields,
    annotated,
    hinted_field,
    hints_of,
    model_fields,
)
from .pydantic_internals import (
    complete_model,
    get_dataclass_fields,
    has_only_field_validation,
    make_model_instance,
)
from .shapes import LiteralShape, PlanResolver, Shape
from .typed import ENVELOPE

__all__ = [
    "DataclassShape",
    "EnvelopeShape",
    "ModelShape",
    "ObjectShape",
    "RootModelShape",
    "TypedDictShape",
    "UnionShape",
]


class ObjectShape(Shape):
    """Objects with known members. Subclasses say how one is made."""

    def __init__(self, kind: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for

    @cached_property
    def members(self) -> Mapping[str, tuple[str, Shape]]:
        """By name in JSON: the field's name and shape."""
        members: dict[str, tuple[str, Shape]] = {}
        for field, (names, kind) in self._fields.items():
            shape = self._plan_for(kind)
            members |= {name: (field, shape) for name in names}
            members.setdefault(field, (field, shape))
        return members

    @cached_property
    def _fields(self) -> Fields:
        raise NotImplementedError

    def has_member(self, name: str) -> bool:
        """Whether a member has this name in JSON."""
        return name in self.members

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
        complete_model(self.kind)
        return model_fields(self.kind.model_fields)

    def _parts_stand_alone(self) -> bool:
        return True  # what is in it is validated with it

    @cached_property
    def settled(self) -> bool:  # type: ignore[override]
        """See `Shape.settled`."""
        return has_only_field_validation(self.kind) and all(each.stands_alone for _, each in self.members.values())

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        if opening != "{":
            return Frame()
        slots: dict[str, Any] = dict.fromkeys(self._fields)
        begun: set[str] = set()
        return ObjectFrame(make_model_instance(self.kind, slots, begun), slots, self.members, begun)


class RootModelShape(Shape):
    """Pydantic's root models: one field, without a name in JSON."""

    def __init__(self, kind: Any, plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for

    @cached_property
    def inner(self) -> Shape:
        """The shape of the field."""
        field = self.kind.model_fields["root"]
        return self._plan_for(annotated(field.annotation, field.metadata))

    def _parts_stand_alone(self) -> bool:
        return True  # see `ModelShape`

    def begin(self, opening: str) -> Frame:
        """See `Shape.begin`."""
        frame = self.inner.begin(opening)
        if isinstance(frame, RecordFrame) or frame.value is None:
            return Frame()
        frame.value = make_model_instance(self.kind, {"root": frame.value}, {"root"})
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
        if (fields := get_dataclass_fields(cls)) is not None:
            attributes = {field.name for field in dataclasses.fields(cls)}  # without `InitVar`s
            return {name: field for name, field in model_fields(fields).items() if name in attributes}
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


class _RawShape(Shape):
    """What may tell which of several types an object is of."""

    def complete(self, text: str) -> Any:
        return json.loads(text)


class UnionShape(Shape):
    """One of several types."""

    def __init__(self, kind: Any, options: Iterable[Any], plan_for: PlanResolver) -> None:
        super().__init__(kind)
        self._plan_for = plan_for
        self._option_kinds = options

    @cached_property
    def options(self) -> Sequence[Shape]:
        """The shapes of the types, without those of unions among them."""
        found: list[Shape] = []
        for shape in map(self._plan_for, self._option_kinds):
            found += shape.options if isinstance(shape, UnionShape) else [shape]
        return found

    def _parts_stand_alone(self) -> bool:
        return all(option.stands_alone for option in self.options)

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
        if len(options) > 1 and isinstance(value, dict):
            options = [option for option in options if _may_be(option, cast("dict[str, Any]", value))]
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


def _may_be(option: Shape, value: Mapping[str, Any]) -> bool:
    """Whether an object can be of a type, as far as its names and tags tell."""
    if not isinstance(option, ObjectShape):
        return True
    return all(option.has_member(name) and option.may_have(name, each) for name, each in value.items())


def _takes_null(shape: Shape) -> bool:
    try:
        shape.complete("null")
    except ValueError:
        return False
    return True


_RAW = _RawShape(Any)
