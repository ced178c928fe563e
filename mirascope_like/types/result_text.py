"""The text of a tool's result: strings unchanged, other values as compact UTF-8 JSON."""

from __future__ import annotations

from typing import Any


def result_text(result: object) -> str:
    """Return the text of a tool's result.

    Pydantic models, dataclasses, dates, decimals, enums, UUIDs, sets and NumPy scalars and arrays become JSON (never
    `\\\\uXXXX` escapes, never a Python repr); bytes become base64 text, of the URL-safe kind. Raises `TypeError`
    for values without a JSON form.
    """
    if isinstance(result, str):
        return result
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(result, bytes_mode="base64", inf_nan_mode="strings", fallback=_convert_unknown).decode("utf-8")
    except PydanticSerializationError as error:
        raise TypeError(
            f"A {type(result).__name__} has no JSON form for the model to read ({error}). "
            "Return text, or values made of dicts, lists, dataclasses or Pydantic models."
        ) from error


def _convert_unknown(value: Any) -> Any:
    for method in ("tolist", "item", "to_dict"):
        if callable(convert := getattr(value, method, None)):
            return convert()
    if isinstance(value, complex | range):
        return str(value) if isinstance(value, complex) else list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
