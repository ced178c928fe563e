"""Parses JSON from servers: fast where possible, and as Python's `json` parses it otherwise.

No field is assumed to be there: `as_object`, `as_objects` and `as_text` read fields that may be absent, null, or of an
unexpected type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

from .codec import JsonObject


def parse_json(data: bytes) -> object:
    """Return the value of a JSON text. Raises `ValueError`, and `RecursionError` for endless nesting.

    Halves of surrogate pairs are accepted, since some servers split a character between two events. So are encodings
    other than UTF-8, and `NaN`.
    """
    try:
        return _fast_parser()(data)
    except ValueError:
        return json.loads(data)


def as_object(value: object) -> JsonObject:
    """Return a value if it is a JSON object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_objects(value: object) -> list[JsonObject]:
    """Return the JSON objects in a value if it is a list, else an empty list."""
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
    return [cast("JsonObject", item) for item in items if isinstance(item, dict)]


def as_text(value: object) -> str:
    """Return a value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


@cache
def _fast_parser() -> Callable[[bytes], object]:
    import jiter  # when the first response arrives

    return jiter.from_json
