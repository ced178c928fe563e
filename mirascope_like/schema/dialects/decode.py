"""Decoding values from a dialect's forms to the forms of the type's own JSON Schema.

Rules
* A decoder never raises. A value that is not in the expected form is returned unchanged, and validation then accepts or
  rejects it. So plain and partial values are accepted too.
* All dialects share their forms, so a decoder need not know for which dialect a value was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

__all__ = [
    "ENTRIES",
    "IDENTITY",
    "ArrayDecoder",
    "EntriesDecoder",
    "IdentityDecoder",
    "JsonTextDecoder",
    "MappingDecoder",
    "ObjectDecoder",
    "ReferenceDecoder",
    "TupleDecoder",
    "UnionDecoder",
    "ValueDecoder",
    "json_type",
]


class ValueDecoder(Protocol):
    """Decodes values in one form."""

    def decode(self, value: Any) -> Any:
        """Return the plain JSON value."""
        ...


@dataclass(frozen=True)
class IdentityDecoder:
    """Returns values unchanged."""

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        return value


IDENTITY = IdentityDecoder()
ENTRIES = "entries"


@dataclass(frozen=True)
class ObjectDecoder:
    """An object. `omittable` are the properties whose `null` means that they are left out."""

    fields: Mapping[str, ValueDecoder]
    omittable: frozenset[str]

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: self.fields.get(name, IDENTITY).decode(field)
            for name, field in cast("Mapping[str, Any]", value).items()
            if field is not None or name not in self.omittable
        }


@dataclass(frozen=True)
class ArrayDecoder:
    """An array whose items have one decoder."""

    item: ValueDecoder

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        return [self.item.decode(item) for item in cast("Sequence[Any]", value)] if isinstance(value, list) else value


@dataclass(frozen=True)
class TupleDecoder:
    """An object whose properties are the items of an array. The first `required` items must be present."""

    names: Sequence[str]
    items: Sequence[ValueDecoder]
    required: int

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        if isinstance(value, list):
            given = cast("Sequence[Any]", value)
            return [item.decode(each) for item, each in zip(self.items, given, strict=False)] + [
                *given[len(self.items) :]
            ]
        if not isinstance(value, Mapping) or not set(cast("Mapping[str, Any]", value)) <= set(self.names):
            return cast("Any", value)
        fields = cast("Mapping[str, Any]", value)
        decoded: list[Any] = []
        for position, (name, item) in enumerate(zip(self.names, self.items, strict=True)):
            if name not in fields or (fields[name] is None and position >= self.required):
                break
            decoded.append(item.decode(fields[name]))
        return decoded


@dataclass(frozen=True)
class MappingDecoder:
    """An array of `{"key": …, "value": …}` that stands for an object. If a key is repeated, the last value wins."""

    value: ValueDecoder

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        if isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            return {key: self.value.decode(each) for key, each in fields.items()}
        if not isinstance(value, list) or not all(map(_is_pair, cast("Sequence[Any]", value))):
            return cast("Any", value)
        pairs = cast("Sequence[Mapping[str, Any]]", value)
        return {
            key if isinstance(key := pair["key"], str) else json.dumps(key): self.value.decode(pair["value"])
            for pair in pairs
            if len(pair) == 2  # a partial pair has no value yet
        }


@dataclass(frozen=True)
class EntriesDecoder:
    """A form inside an object with the one property `entries`."""

    inner: ValueDecoder

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        if isinstance(value, Mapping) and set(fields := cast("Mapping[str, Any]", value)) == {ENTRIES}:
            return self.inner.decode(fields[ENTRIES] if isinstance(fields[ENTRIES], list) else fields)
        return self.inner.decode(value)


def _is_pair(value: object) -> bool:
    return isinstance(value, Mapping) and set(cast("Mapping[str, Any]", value)) <= {"key", "value"}


@dataclass(frozen=True)
class JsonTextDecoder:
    """A string of JSON text. Any other string stays unchanged."""

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value


@dataclass(frozen=True)
class UnionDecoder:
    """One of several forms: uses the decoder of the schema that fits the value best."""

    branches: Sequence[tuple[Mapping[str, Any], ValueDecoder]]
    definitions: Mapping[str, Mapping[str, Any]]

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        _, decoder = min(self.branches, key=lambda branch: _mismatch_score(branch[0], value, self.definitions))
        return decoder.decode(value)


@dataclass(frozen=True)
class ReferenceDecoder:
    """A reference to a definition, which may contain itself."""

    name: str
    table: Mapping[str, ValueDecoder]

    def decode(self, value: Any) -> Any:
        """See `ValueDecoder.decode`."""
        return self.table[self.name].decode(value)


def json_type(value: object) -> str:
    """Return the JSON Schema type of a JSON value."""
    if isinstance(value, bool):
        return "boolean"
    kinds = ((str, "string"), (int, "integer"), (float, "number"), (list, "array"), (Mapping, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


_WRONG_TYPE = 1000  # of another type; a missing property counts 1, since it may still arrive


def _mismatch_score(schema: Mapping[str, Any], value: Any, definitions: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how badly a value fits an encoded schema; 0 if it fits."""
    if "$ref" in schema:
        return _mismatch_score(definitions[schema["$ref"].rpartition("/")[2]], value, definitions)
    if "anyOf" in schema:
        return min(_mismatch_score(branch, value, definitions) for branch in schema["anyOf"])
    kind = json_type(value)
    if kind != schema["type"] and (kind, schema["type"]) != ("integer", "number"):
        return _WRONG_TYPE
    if "enum" in schema and value not in schema["enum"]:
        return _WRONG_TYPE
    if kind == "array":
        return sum(_mismatch_score(schema["items"], item, definitions) for item in value)
    if kind != "object":
        return 0
    properties = schema["properties"]
    missing = sum(name not in value for name in schema["required"])
    return missing + sum(
        _mismatch_score(properties[name], field, definitions) if name in properties else _WRONG_TYPE
        for name, field in value.items()
    )
