"""The implementation of `serialization`: a registry of the classes with a JSON form, and the conversion both ways.

The modules that define these classes register them here, so this module imports none of them. `serialization` has the
public functions and describes the form.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from functools import partial
from math import isfinite
from types import NoneType
from typing import Any, cast

from .media_types import check_stored_url
from .result_text import result_text
from .tool_errors import ToolError, ToolExecutionError, ToolNotFoundError


class _Registry:
    """Dataclasses by their tag, which stands under `key` in the JSON form."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.by_tag: dict[str, type] = {}
        self.classes: tuple[type, ...] = ()

    def add(self, classes: Mapping[str, type]) -> None:
        """Register classes by their tags."""
        self.by_tag.update(classes)
        self.classes = tuple(self.by_tag.values())


MESSAGES = _Registry("role")
PARTS = _Registry("type")
"""Content parts, and the sources of their data."""

_TOOL_ERRORS = {"tool_execution": ToolExecutionError, "tool": ToolError}
_SCALAR_TYPES: tuple[object, ...] = (str, bool, int, NoneType)
_RESULT_TAGS = {"$part", "$parts", "$json"}


def register_records(name: str, record: type) -> None:
    """Declare that the fields of this name hold tuples of a dataclass that has no tag."""

    def from_json(records: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
        return tuple(record(**each) for each in records)

    _FIELD_FORMS[name] = _records_to_json, from_json


def to_json_form(value: Any) -> dict[str, Any]:
    """Return the JSON form of a message, part or source."""
    key = "role" if isinstance(value, MESSAGES.classes) else "type"
    return {key: getattr(value, key), **_fields_to_dict(value)}


def from_json_form(data: Mapping[str, Any]) -> Any:
    """Return the message, part or source of a JSON form. Raises `ValueError` if `data` is not a JSON form."""
    try:
        return _build_value(PARTS if data.get("role") is None else MESSAGES, data)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"This is not the JSON form of a message or part ({error}): {str(data)[:200]}") from error


def _build_value(registry: _Registry, data: Mapping[str, Any]) -> Any:
    key = registry.key
    tag = data.get(key)
    kind = registry.by_tag.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise ValueError(f"{key}={tag!r} is unknown; known: {', '.join(registry.by_tag) or 'none'}.")
    known = {f.name for f in fields(kind)}
    if unknown := set(data) - known - {key}:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"{kind.__name__} has no field {names}; its fields are {', '.join(sorted(known))}.")
    return kind(**{name: _value_from_json(name, value) for name, value in data.items() if name != key})


def _fields_to_dict(value: Any) -> dict[str, Any]:
    return {
        f.name: _value_to_json(f.name, item)
        for f in fields(value)
        if not _is_default(f, item := getattr(value, f.name))
    }


def _is_default(f: Field[Any], value: Any) -> bool:
    if f.default_factory is not MISSING:
        return bool(value == f.default_factory())
    return f.default is not MISSING and bool(value == f.default)


def _value_to_json(name: str, value: Any) -> Any:
    return _FIELD_FORMS[name][0](value) if name in _FIELD_FORMS else value


def _value_from_json(name: str, value: Any) -> Any:
    return _FIELD_FORMS[name][1](value) if name in _FIELD_FORMS else value


def _convert_content(convert: Callable[[Any], Any], content: Any) -> Any:
    match content:
        case [*parts]:
            return [convert(part) for part in parts]
        case _:
            return convert(content)


def _records_to_json(records: Iterable[Any]) -> list[dict[str, Any]]:
    return [_fields_to_dict(record) for record in records]


def _result_to_json(result: Any) -> Any:
    if isinstance(result, PARTS.classes):
        return {"$part": to_json_form(result)}
    if _has_parts(result):
        return {"$parts": [_result_to_json(item) for item in result]}
    if _is_plain_json(result):
        return result if _RESULT_TAGS.isdisjoint(_dict_keys(result)) else {"$json": result}
    return result_text(result)


def _has_parts(value: Any) -> bool:
    items = cast("Iterable[object]", value) if isinstance(value, list | tuple) else ()
    return any(isinstance(item, PARTS.classes) for item in items)


def _dict_keys(value: Any) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, dict) else ()


def _result_from_json(result: Any) -> Any:
    match result:
        case {"$part": part}:
            return from_json_form(part)
        case {"$parts": [*parts]}:
            return [_result_from_json(part) for part in parts]
        case {"$json": value}:
            return value
        case _:
            return result


def _is_plain_json(value: Any) -> bool:
    match cast("object", type(value)):
        case builtins.list:
            return all(_is_plain_json(item) for item in value)
        case builtins.dict:
            return all(type(key) is str and _is_plain_json(item) for key, item in value.items())
        case builtins.float:
            return isfinite(value)
        case kind:
            return kind in _SCALAR_TYPES


def _error_to_json(error: ToolError) -> dict[str, Any]:
    if isinstance(error, ToolNotFoundError):
        return {"type": "tool_not_found", "tool_name": error.tool_name, "known": list(error.known)}
    kind = "tool_execution" if isinstance(error, ToolExecutionError) else "tool"
    return {"type": kind, "message": str(error)}


def _error_from_json(data: Mapping[str, Any]) -> ToolError:
    if data["type"] == "tool_not_found":
        return ToolNotFoundError(data["tool_name"], known=tuple(data["known"]))
    error: ToolError = _TOOL_ERRORS[data["type"]](data["message"])
    return error


# The conversions to JSON and back, for fields that are not plain JSON.
_FIELD_FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "content": (partial(_convert_content, to_json_form), partial(_convert_content, from_json_form)),
    "source": (to_json_form, from_json_form),
    "result": (_result_to_json, _result_from_json),
    "error": (_error_to_json, _error_from_json),
    "url": (str, check_stored_url),
}
