"""Names that Pydantic reads for a type though its JSON Schema does not list them, such as fields with `SkipJsonSchema`.

While a schema is made, each object in it is marked with these names. The marks are for `offers`, and are removed from
what a model is shown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["HIDDEN", "marking", "names_of_fields", "without_marks"]

HIDDEN = "\0hidden"
"""The keyword of the names, which no schema has otherwise."""


@functools.cache
def marking(generator: Any) -> Any:
    """Return a generator of JSON Schema that marks hidden names."""

    class Marking(generator):  # type: ignore[misc]
        def model_fields_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _marked(parent.model_fields_schema(schema), schema["fields"])

        def typed_dict_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _marked(parent.typed_dict_schema(schema), schema["fields"])

        def dataclass_args_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _marked(parent.dataclass_args_schema(schema), {each["name"]: each for each in schema["fields"]})

    return Marking


def without_marks(schema: Any) -> Any:
    """Return a schema without the marks in it."""
    if isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema).items()
        return {name: without_marks(value) for name, value in fields if name != HIDDEN}
    return [without_marks(each) for each in cast("Iterable[Any]", schema)] if isinstance(schema, list) else schema


def names_of_fields(model: type[BaseModel]) -> frozenset[str]:
    """The names by which a model's fields may be read."""
    fields = model.model_fields.items()
    return frozenset(each for name, field in fields for each in (name, *_aliases(_paths(field.validation_alias))))


def _paths(alias: Any) -> Any:
    convert = getattr(alias, "convert_to_aliases", None)
    return convert() if convert else alias


def _marked(made: dict[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    listed = made.get("properties", {})
    hidden: set[str] = set()
    for name, field in fields.items():
        aliases = _aliases(field.get("validation_alias"))
        if listed.keys().isdisjoint([*aliases, name]):
            hidden.update(aliases, [name])
    return {**made, HIDDEN: sorted(hidden)} if hidden else made


def _aliases(alias: Any) -> Iterable[str]:
    """The names at which an alias of Pydantic's core starts: it is a name, a path or several paths."""
    if isinstance(alias, str):
        return [alias]
    steps = cast("Sequence[Any]", alias or ())
    return [str(each[0]) for each in steps] if steps and isinstance(steps[0], list) else [str(s) for s in steps[:1]]
