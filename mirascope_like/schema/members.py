"""What a class says of its fields: their names in JSON and their types, with type parameters filled in; and instances
made without a constructor, to be filled later."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args, get_origin

__all__ = [
    "Attributes",
    "Fields",
    "annotated",
    "bare_model",
    "filled",
    "hinted_field",
    "hints_of",
    "is_no_more_than_its_fields",
    "model_fields",
]

Fields: TypeAlias = Mapping[str, tuple[Sequence[str], Any]]
"""By field: its names in JSON, and its type."""


_VALIDATORS = ("validators", "field_validators", "root_validators", "model_validators")
_OVERRIDES = ("__get_pydantic_core_schema__", "__setstate__")
# Settings of models that do not matter to what is valid, but for `extra` that is allowed.
_HARMLESS = {"extra", "frozen", "json_schema_extra", "title", "use_attribute_docstrings"}


class Attributes:
    """The attributes of an instance as a mapping, for classes that may be frozen or have slots."""

    def __init__(self, instance: object) -> None:
        self._instance = instance

    def __getitem__(self, name: str) -> Any:
        return getattr(self._instance, name)

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self._instance, name, value)


def bare_model(model: Any, slots: dict[str, Any], begun: set[str]) -> Any:
    """An instance of a Pydantic model that has these attributes, of which `begun` are counted as set."""
    private: Mapping[str, Any] = model.__private_attributes__
    instance = model.__new__(model)
    instance.__setstate__(
        {
            "__dict__": slots,
            "__pydantic_fields_set__": begun,
            "__pydantic_extra__": {} if model.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": _defaults(private) if private else None,
        }
    )
    return instance


def is_no_more_than_its_fields(model: Any) -> bool:
    """Whether an instance of a Pydantic model is valid once all its fields are: it has no validators, names in JSON or
    settings that its fields alone do not show."""
    from pydantic import BaseModel

    decorators = model.__pydantic_decorators__
    return not (
        any(getattr(decorators, each) for each in _VALIDATORS)
        or model.__pydantic_custom_init__
        or model.__pydantic_post_init__
        or any(name in vars(cls) for name in _OVERRIDES for cls in model.__mro__ if cls is not BaseModel)
        or model.model_config.get("extra") == "allow"
        or model.model_config.keys() - _HARMLESS
        or any(field.alias or field.validation_alias for field in model.model_fields.values())
    )


def _defaults(private: Mapping[str, Any]) -> dict[str, Any]:
    """What private attributes begin with, but for those that depend on values."""
    from pydantic_core import PydanticUndefined

    made: dict[str, Any] = {}
    for name, attribute in private.items():
        if attribute.default_factory is None:
            if attribute.default is not PydanticUndefined:
                made[name] = copy.deepcopy(attribute.default)
        elif not getattr(attribute, "default_factory_takes_validated_data", False):
            made[name] = attribute.default_factory()
    return made


def model_fields(fields: Mapping[str, Any]) -> Fields:
    """Fields as Pydantic describes them."""
    return {
        name: (_names(field) or [name], annotated(field.annotation, field.metadata)) for name, field in fields.items()
    }


def hinted_field(name: str, hint: Any) -> tuple[Sequence[str], Any]:
    """A field as its annotation describes it."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return [alias for note in notes for alias in _names(note)] or [name], hint


def _names(field: Any) -> Sequence[str]:
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    choices = getattr(alias, "choices", [alias])
    return [choice for choice in choices if isinstance(choice, str)]


def annotated(kind: Any, notes: Sequence[Any]) -> Any:
    """A type with what is noted of it."""
    return Annotated[(kind, *notes)] if notes else kind


def hints_of(kind: Any) -> dict[str, Any]:
    """The annotations of a class, resolved; those of a generic one with its arguments."""
    from typing_extensions import get_type_hints

    cls = get_origin(kind) or kind
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError:  # names of a function's own scope: Pydantic finds some of them, once all is complete
        hints = dict.fromkeys(getattr(cls, "__annotations__", {}), Any)
    parameters = cast("Sequence[Any]", getattr(cls, "__parameters__", ()))
    given = dict(zip(parameters, get_args(kind), strict=False))
    return {name: filled(hint, given) for name, hint in hints.items()}


def filled(hint: Any, given: Mapping[Any, Any]) -> Any:
    """An annotation with its type parameters replaced."""
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not given or not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(given.get(parameter, parameter) for parameter in parameters)]
