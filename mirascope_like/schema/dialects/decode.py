"""Decoding values from a dialect's forms to the forms of the type's own JSON Schema.

Rules
* A decoder never raises. A value that is not in the expected form is returned unchanged, and validation then accepts or
  rejects it. So plain and partial values are accepted too.
* All dialects share their forms, so a decoder need not know for which dialect a value was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

ENTRIES = "entries"

ValueDecoder: TypeAlias = Callable[[Any], Any]
"""Returns the plain JSON value of a value in one form. The last argument of each function here is the value; `partial`
gives the others."""


def identity(value: Any) -> Any:
    """Return a value unchanged."""
    return value


def decode_object(fields: Mapping[str, ValueDecoder], omittable: frozenset[str], value: Any) -> Any:
    """Decode an object. `omittable` are the properties whose `null` means that they are left out."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: fields.get(name, identity)(field)
        for name, field in cast("Mapping[str, Any]", value).items()
        if field is not None or name not in omittable
    }


def decode_array(decode_item: ValueDecoder, value: Any) -> Any:
    """Decode an array whose items have one decoder."""
    return [decode_item(item) for item in cast("Sequence[Any]", value)] if isinstance(value, list) else value


def decode_tuple(names: Sequence[str], decoders: Sequence[ValueDecoder], required: int, value: Any) -> Any:
    """Decode an object whose properties are the items of an array. The first `required` items must be present."""
    if isinstance(value, list):
        items = cast("Sequence[Any]", value)
        first = [decode(item) for decode, item in zip(decoders, items, strict=False)]
        return [*first, *items[len(decoders) :]]
    if not isinstance(value, Mapping) or not set(cast("Mapping[str, Any]", value)) <= set(names):
        return cast("Any", value)
    fields = cast("Mapping[str, Any]", value)
    decoded: list[Any] = []
    for position, (name, decode) in enumerate(zip(names, decoders, strict=True)):
        if name not in fields or (fields[name] is None and position >= required):
            break
        decoded.append(decode(fields[name]))
    return decoded


def decode_mapping(decode_value: ValueDecoder, value: Any) -> Any:
    """Decode an array of `{"key": …, "value": …}` that stands for an object. If a key is repeated, the last value
    wins."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return {key: decode_value(each) for key, each in fields.items()}
    if not isinstance(value, list) or not all(map(_is_pair, cast("Sequence[Any]", value))):
        return cast("Any", value)
    pairs = cast("Sequence[Mapping[str, Any]]", value)
    return {
        key if isinstance(key := pair["key"], str) else json.dumps(key): decode_value(pair["value"])
        for pair in pairs
        if len(pair) == 2  # a partial pair has no value yet
    }


def _is_pair(value: object) -> bool:
    return isinstance(value, Mapping) and set(cast("Mapping[str, Any]", value)) <= {"key", "value"}


def decode_entries(decode: ValueDecoder, value: Any) -> Any:
    """Decode a form inside an object with the one property `entries`."""
    if isinstance(value, Mapping) and set(fields := cast("Mapping[str, Any]", value)) == {ENTRIES}:
        return decode(fields[ENTRIES] if isinstance(fields[ENTRIES], list) else fields)
    return decode(value)


def decode_json_text(value: Any) -> Any:
    """Decode a string of JSON text. Any other string stays unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def decode_union(
    branches: Sequence[tuple[Mapping[str, Any], ValueDecoder]],
    definitions: Mapping[str, Mapping[str, Any]],
    value: Any,
) -> Any:
    """Decode one of several forms, with the decoder of the schema that fits the value best."""
    _, decode = min(branches, key=lambda branch: _mismatch_score(branch[0], value, definitions))
    return decode(value)


def decode_reference(name: str, decoders: Mapping[str, ValueDecoder], value: Any) -> Any:
    """Decode a value of a definition, which may contain itself."""
    return decoders[name](value)


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
