"""JSON that a server sent, read fast where that can be, and as Python reads it always."""

from __future__ import annotations

import json

__all__ = ["parse_json"]


def parse_json(data: bytes) -> object:
    """The value of a JSON text. Raises `ValueError`, and `RecursionError` for what is nested without end.

    Halves of surrogate pairs are taken: some servers cut a character between two events. So are other encodings than
    UTF-8, and `NaN`."""
    import jiter  # not before there is something to read

    try:
        value: object = jiter.from_json(data)
    except ValueError:
        value = json.loads(data)
    return value
