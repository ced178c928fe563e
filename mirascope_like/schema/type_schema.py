"""The JSON Schema of a Python type, and the Pydantic adapter that validates its values.

Schemas of objects are sent unchanged. Any other type (a list, a number, a union) is wrapped in an envelope: an object
with one property, `output`, since providers only constrain objects.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from .dialects.definitions import Dialect
from .pydantic_internals import schema_generator
from .raw_schema import RawSchema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from .dialects.encode import EncodedSchema

ENVELOPE = "output"
"""The property of the envelope."""


class UndefinedNameError(TypeError):
    """A type mentions another type that is not defined yet."""


@dataclass(frozen=True)
class TypeSchema:
    """A type with its schema, which is always an object. `is_wrapped`: that object is an envelope around the type."""

    adapter: TypeAdapter[Any]
    schema: dict[str, Any]
    is_wrapped: bool
    _encoded: dict[Dialect, EncodedSchema] = field(default_factory=lambda: {})

    def encode(self, dialect: Dialect) -> EncodedSchema:
        """Return the schema encoded in a dialect. Raises `InexpressibleError`."""
        if dialect not in self._encoded:
            from .dialects.encode import encode_schema

            self._encoded[dialect] = encode_schema(self.schema, dialect)
        return self._encoded[dialect]

    def decode(self, value: object, dialect: Dialect) -> Any:
        """Return a value of the type, without the envelope, without the dialect's forms. Plain and partial values are
        accepted too. Raises `InexpressibleError` if the dialect cannot express the type."""
        encoded = self.encode(dialect)
        return encoded.decode({ENVELOPE: value})[ENVELOPE] if self.is_wrapped else encoded.decode(value)

    def unwrap(self, value: object) -> object:
        """Return what is in an envelope, even if the schema has none; a bare value unchanged."""
        if (self.is_wrapped or ENVELOPE not in self.schema["properties"]) and isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            return fields[ENVELOPE] if set(fields) == {ENVELOPE} else fields
        return value

    @cached_property
    def may_resemble_envelope(self) -> bool:
        """Whether an object whose only property is `output` may be a value of the type itself, without an envelope."""
        return _has_envelope(self.schema["properties"][ENVELOPE] if self.is_wrapped else self.schema, self.schema)


def _has_envelope(node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if "$ref" in node:
        return _has_envelope(root["$defs"][node["$ref"].rpartition("/")[2]], root)
    if branches := node.get("anyOf") or node.get("oneOf"):
        return any(_has_envelope(branch, root) for branch in branches)
    return node.get("type") == "object" and ENVELOPE in node.get("properties", (ENVELOPE,))


def type_schema(kind: Any) -> TypeSchema:
    """Return the schema of a type. Raises `TypeError` that names the field if the type, or one in it, has no JSON
    Schema, and `UndefinedNameError` if that cannot be known yet."""
    try:
        hash(kind)
    except TypeError:  # its metadata cannot be hashed
        return _make_type_schema(kind)
    if isinstance(kind, RawSchema):  # each prompt makes one, which would push types out of the cache
        return _make_type_schema(kind)
    # Equal types can have different schemas: Literal[1] and Literal[True], int | str and str | int.
    return _cached_type_schema(kind, repr(kind))


@lru_cache(maxsize=256)
def _cached_type_schema(kind: Any, _: str) -> TypeSchema:
    return _make_type_schema(kind)


def _make_type_schema(kind: Any) -> TypeSchema:
    adapter, inner = _adapter_and_schema(kind)
    if "$ref" in inner and "$defs" in inner:  # a recursive model is one of its own definitions
        inner = {**inner["$defs"][inner["$ref"].rpartition("/")[2]], "$defs": inner["$defs"]}
    if inner.get("type") == "object" and "properties" in inner:
        return TypeSchema(adapter, inner, is_wrapped=False)
    definitions = {"$defs": inner.pop("$defs")} if "$defs" in inner else {}
    schema = {
        "type": "object",
        "properties": {ENVELOPE: inner},
        "required": [ENVELOPE],
        "additionalProperties": False,
        **definitions,
    }
    return TypeSchema(adapter, schema, is_wrapped=True)


def _adapter_and_schema(kind: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if isinstance(kind, RawSchema):
        return TypeAdapter(Any), dict(kind.schema)
    try:
        adapter = TypeAdapter(kind)
        return adapter, adapter.json_schema(schema_generator=schema_generator())
    except (PydanticUserError, NameError) as error:  # also PydanticUndefinedAnnotation
        problem = str(error).split("\n")[0]
        if isinstance(error, NameError) or error.code == "class-not-fully-defined":
            message = (
                f"{_type_name(kind)} cannot be a format yet: a type in it is not defined. Define it before the call."
            )
            raise UndefinedNameError(message) from error
        raise TypeError(_error_text(kind, problem)) from error


def _error_text(kind: Any, problem: str) -> str:
    path, unsupported = _find_unsupported_part(kind)
    where = f": its field {path!r} is of type {_type_name(unsupported)}" if path else ""
    hint = "Use types that Pydantic has a JSON Schema for: models, dataclasses, enums, builtins and combinations."
    return f"{_type_name(kind)} cannot be a format{where}. {problem.rstrip('.')}. {hint}"


def _find_unsupported_part(kind: Any, above: tuple[Any, ...] = ()) -> tuple[str, Any]:
    """Return the path to the innermost field without a JSON Schema, and its type."""
    for name, part in _type_parts(kind):
        if part not in above and not _has_json_schema(part):
            path, unsupported = _find_unsupported_part(part, (*above, kind))
            return ".".join(filter(None, (name, path))), unsupported
    return "", kind


def _type_parts(kind: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the types inside a type, with the names of fields."""
    for argument in () if get_origin(kind) is Literal else get_args(kind):
        if not isinstance(argument, list | tuple):
            yield "", argument
    if isinstance(kind, type) and kind.__module__ != "builtins":
        with contextlib.suppress(Exception):  # names that cannot be resolved are not the problem here
            yield from get_type_hints(kind, include_extras=True).items()


def _has_json_schema(kind: Any) -> bool:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        TypeAdapter(kind).json_schema(schema_generator=schema_generator())
        return True
    except PydanticUserError:
        return False
    except Exception:  # not a type at all, such as a Field beside one
        return True


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
