"""Parses JSON without the numbers that Python reads and JSON does not have: `NaN`, infinities, and `1e999`, which would
become one."""

from __future__ import annotations

import json
import math


class NotFiniteError(ValueError):
    """A JSON text has a number that JSON does not have."""


def parse_finite_json(text: str) -> object:
    """Return the value of a JSON text. Raises `NotFiniteError`, `ValueError` for other text that is not JSON, and
    `RecursionError` for endless nesting."""
    value: object = _DECODER.decode(text)
    return value


def _parse_number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        raise NotFiniteError(f"{shown} is not a JSON number. Use a finite number.")
    return number


_DECODER = json.JSONDecoder(parse_float=_parse_number, parse_constant=_parse_number)
