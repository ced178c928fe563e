"""Type plans for classes with fields, for unions and for the envelope; see `type_plans`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast, get_origin

from ..class_fields import AttributeMapping, FieldTypes, annotate, field_from_hint, read_field_infos, resolve_hints
from ..dialects.definitions import Dialect
from ..pydantic_internals import complete_model, get_dataclass_fields, has_only_field_validation, make_model_instance
from ..type_schema import ENVELOPE
from .containers import Container, EnvelopeContainer, ObjectContainer, TupleContainer, UndecidedContainer
from .type_plans import LiteralPlan, TypePlan


class ObjectPlan(TypePlan):
    """Objects with known members. Subclasses say how to make an instance."""

    @cached_property
    def members(self) -> Mapping[str, tuple[str, TypePlan]]:
        """By name in JSON: the field's name and plan."""
        members: dict[str, tuple[str, TypePlan]] = {}
        for field, (names, kind) in self._fields.items():
            plan = self._plan_for(kind)
            members |= {name: (field, plan) for name in names}
            members.setdefault(field, (field, plan))
        return members

    @cached_property
    def _fields(self) -> FieldTypes:
        raise NotImplementedError

    def has_member(self, name: str) -> bool:
        """See `ValuePlan.has_member`."""
        return name in self.members

    def can_have(self, name: str, value: Any) -> bool:
        """See `ValuePlan.can_have`. Only members whose type is a literal or enum are checked."""
        plan = self.members.get(name, ("", None))[1]
        return not isinstance(plan, LiteralPlan) or value in plan.values

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return opening == "{"


class ModelPlan(ObjectPlan):
    """Pydantic models."""

    @cached_property
    def _fields(self) -> FieldTypes:
        complete_model(self.kind)
        return read_field_infos(self.kind.model_fields)

    def _has_context_free_parts(self) -> bool:
        return True  # its fields are validated together with it

    @cached_property
    def needs_no_validation(self) -> bool:  # type: ignore[override]
        """See `ValuePlan.needs_no_validation`."""
        return has_only_field_validation(self.kind) and all(each.is_context_free for _, each in self.members.values())

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        if opening != "{":
            return Container()
        slots: dict[str, Any] = dict.fromkeys(self._fields)
        fields_set: set[str] = set()
        return ObjectContainer(make_model_instance(self.kind, slots, fields_set), slots, self.members, fields_set)


class RootModelPlan(TypePlan):
    """Pydantic's root models: one field, without a name in JSON."""

    @cached_property
    def inner(self) -> TypePlan:
        """The plan of the field."""
        field = self.kind.model_fields["root"]
        return self._plan_for(annotate(field.annotation, field.metadata))

    def _has_context_free_parts(self) -> bool:
        return True  # see `ModelPlan`

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        container = self.inner.make_container(opening)
        if isinstance(container, TupleContainer) or container.value is None:
            return Container()
        container.value = make_model_instance(self.kind, {"root": container.value}, {"root"})
        return container

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return self.inner.accepts(opening)


class DataclassPlan(ObjectPlan):
    """Dataclasses, the standard library's and Pydantic's."""

    @cached_property
    def _fields(self) -> FieldTypes:
        cls = get_origin(self.kind) or self.kind
        if (fields := get_dataclass_fields(cls)) is not None:
            attributes = {field.name for field in dataclasses.fields(cls)}  # without `InitVar`s
            return {name: field for name, field in read_field_infos(fields).items() if name in attributes}
        hints = resolve_hints(self.kind)
        names = [field.name for field in dataclasses.fields(cls) if field.init]
        return {name: field_from_hint(name, hints[name]) for name in names}

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        if opening != "{":
            return Container()
        cls: Any = get_origin(self.kind) or self.kind
        value = cls.__new__(cls)
        slots = AttributeMapping(value)
        for field in dataclasses.fields(cls):
            slots[field.name] = None
        return ObjectContainer(value, cast("Any", slots), self.members)


class TypedDictPlan(ObjectPlan):
    """Typed dicts."""

    @cached_property
    def _fields(self) -> FieldTypes:
        return {name: field_from_hint(name, hint) for name, hint in resolve_hints(self.kind).items()}

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        value: dict[str, Any] = dict.fromkeys(self._fields)
        return ObjectContainer(value, value, self.members) if opening == "{" else Container()


class _RawPlan(TypePlan):
    """A value that may tell which of several types an object has: plain JSON."""

    def parse(self, text: str, dialect: Dialect) -> Any:
        return json.loads(text)


class UnionPlan(TypePlan):
    """One of several types."""

    @cached_property
    def options(self) -> Sequence[TypePlan]:
        """The plans of the types, with nested unions flattened."""
        found: list[TypePlan] = []
        for plan in self.parts:
            found += plan.options if isinstance(plan, UnionPlan) else [plan]
        return found

    def _has_context_free_parts(self) -> bool:
        return all(option.is_context_free for option in self.options)

    @property
    def shows_partial_strings(self) -> bool:  # type: ignore[override]
        """See `ValuePlan.shows_partial_strings`."""
        return any(option.shows_partial_strings for option in self.options)

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        options = [option for option in self.options if option.accepts(opening)]
        if len(options) == 1:
            return options[0].make_container(opening)
        objects = [option for option in options if isinstance(option, ObjectPlan)]
        return UndecidedContainer(objects, _RAW_PLAN) if objects and len(objects) == len(options) else Container()

    def accepts(self, opening: str) -> bool:
        """See `TypePlan.accepts`."""
        return any(option.accepts(opening) for option in self.options)


class EnvelopePlan(TypePlan):
    """The whole text: a value, or a value in an envelope."""

    def __init__(self, bare: TypePlan) -> None:
        super().__init__(bare.kind)
        self._bare_plan = bare

    def make_container(self, opening: str) -> Container:
        """See `ValuePlan.make_container`."""
        objects = [*self._bare_plan.options] if isinstance(self._bare_plan, UnionPlan) else [self._bare_plan]
        has_envelope_field = any(isinstance(each, ObjectPlan) and ENVELOPE in each.members for each in objects)
        if has_envelope_field or opening == "[":
            return self._bare_plan.make_container(opening)
        return EnvelopeContainer(self._bare_plan)


_RAW_PLAN = _RawPlan(Any)
