"""What a tool gave back, as the text that a model reads: strings as they are, all else compact UTF-8 JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .content import Image

__all__ = ["lasting", "result_images", "result_text", "result_words"]

_SCALARS = frozenset({str, int, float, bool})


def lasting(result: Any) -> Any:
    """A result that can be read each time that it is sent: what can be read only once is made a list, also inside of
    dicts, lists and tuples. A result without such things stays as it is."""
    try:
        return _lasting(result)
    except RecursionError:  # a circle, say: `result_text` tells what is wrong
        return result


def _lasting(value: Any) -> Any:
    if value is None or type(value) in _SCALARS:  # most are, and asking for an iterator takes time
        return value
    if isinstance(value, dict):
        old = cast("Mapping[Any, Any]", value)
        new = {key: _lasting(item) for key, item in old.items()}
        return new if any(new[key] is not item for key, item in old.items()) else old
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        made = [_lasting(item) for item in items]
        return made if any(new is not old for new, old in zip(made, items, strict=True)) else items
    if isinstance(value, Iterator):
        return [_lasting(item) for item in cast("Iterable[Any]", value)]
    return value


def result_text(result: object) -> str:
    """The text of a tool's result.

    Pydantic models, dataclasses, dates, decimals, enums, UUIDs, sets and NumPy scalars and arrays become JSON (never
    `\\\\uXXXX` escapes, never a Python repr); bytes become base64 text, of the URL-safe kind. Raises `TypeError`
    for what has no JSON form.
    """
    if isinstance(result, str):
        return result
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(result, bytes_mode="base64", inf_nan_mode="strings", fallback=_fallback).decode("utf-8")
    except PydanticSerializationError as error:
        raise TypeError(
            f"A {type(result).__name__} has no JSON form for the model to read ({error}). "
            "Return text, or values made of dicts, lists, dataclasses or Pydantic models."
        ) from error


def result_words(result: object) -> str:
    """The text of a tool's result but for its images. Raises as `result_text`."""
    if not result_images(result):
        return result_text(result)
    from .content import Image

    items = cast("Sequence[Any]", result) if isinstance(result, list | tuple) else [result]
    return "\n".join(result_text(item) for item in items if not isinstance(item, Image))


def _fallback(value: Any) -> Any:
    for method in ("tolist", "item", "to_dict"):
        if callable(convert := getattr(value, method, None)):
            return convert()
    if isinstance(value, complex | range):
        return str(value) if isinstance(value, complex) else list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def result_images(result: object) -> list[Image]:
    """The images in a tool's result: itself, or members of a list."""
    from .content import Image

    items = cast("Sequence[Any]", result) if isinstance(result, list | tuple) else [result]
    return [item for item in items if isinstance(item, Image)]
