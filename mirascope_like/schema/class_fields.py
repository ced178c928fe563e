"""The fields of a class: their names in JSON and their types, with type parameters filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args, get_origin

FieldTypes: TypeAlias = Mapping[str, tuple[Sequence[str], Any]]
"""By field: its names in JSON and its type."""


class AttributeMapping:
    """The attributes of an instance as a mapping, for classes that may be frozen or have slots."""

    def __init__(self, instance: object) -> None:
        self._instance = instance

    def __getitem__(self, name: str) -> Any:
        return getattr(self._instance, name)

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self._instance, name, value)


def read_field_infos(fields: Mapping[str, Any]) -> FieldTypes:
    """Return the fields that Pydantic's `FieldInfo`s describe."""
    return {
        name: (_alias_names(field) or [name], annotate(field.annotation, field.metadata))
        for name, field in fields.items()
    }


def field_from_hint(name: str, hint: Any) -> tuple[Sequence[str], Any]:
    """Return the names in JSON and the type of a field, from its annotation."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return [alias for note in notes for alias in _alias_names(note)] or [name], hint


def _alias_names(field: Any) -> Sequence[str]:
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    choices = getattr(alias, "choices", [alias])
    return [choice for choice in choices if isinstance(choice, str)]


def annotate(kind: Any, notes: Sequence[Any]) -> Any:
    """Return a type with metadata."""
    return Annotated[(kind, *notes)] if notes else kind


def resolve_hints(kind: Any) -> dict[str, Any]:
    """Return the resolved annotations of a class, with the type arguments of a generic one."""
    from typing_extensions import get_type_hints

    cls = get_origin(kind) or kind
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError:  # names local to a function: Pydantic finds some of them, once the class is complete
        hints = dict.fromkeys(getattr(cls, "__annotations__", {}), Any)
    parameters = cast("Sequence[Any]", getattr(cls, "__parameters__", ()))
    given = dict(zip(parameters, get_args(kind), strict=False))
    return {name: fill_type_parameters(hint, given) for name, hint in hints.items()}


def fill_type_parameters(hint: Any, given: Mapping[Any, Any]) -> Any:
    """Return an annotation with its type parameters replaced."""
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not given or not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(given.get(parameter, parameter) for parameter in parameters)]
