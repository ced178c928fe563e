"""Checks a request body against the vendor's own request types, more strictly than a validator would: no unknown keys,
no lazy iterables, no conversions."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict


def mismatches(value: Any, kind: Any, path: str = "body") -> list[str]:
    """Where `value` is not of the type `kind`, one line each."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Annotated, Required, NotRequired):
        return mismatches(value, args[0], path)
    if origin in (Union, types.UnionType):
        # Of the members that could be meant, the one that fits best is the one to tell about.
        return min((mismatches(value, arg, path) for arg in args), key=_depth_of_first)
    if is_typeddict(kind):
        return _fields(value, kind, path)
    if origin is Literal:
        return [] if value in args else [f"{path}: {value!r} is none of {args}"]
    if origin in (list, Iterable, Sequence):
        return _items(value, args[0], path) if isinstance(value, list) else [f"{path}: {value!r} is no list"]
    if origin in (dict, Mapping):
        return [] if isinstance(value, dict) else [f"{path}: {value!r} is no object"]
    return [] if _is_plain(value, kind) else [f"{path}: {value!r} is no {kind}"]


def _fields(value: Any, kind: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no {kind.__name__}"]
    hints = _hints(kind)
    lines = [f"{path}: no {name}" for name in kind.__required_keys__ if name not in value]
    lines += [f"{path}: unknown key {name!r} of {kind.__name__}" for name in value if name not in hints]
    for name, item in value.items():
        if name in hints:
            lines += mismatches(item, hints[name], f"{path}.{name}")
    # A wrong tag says that another type is meant, which counts more than anything else.
    return sorted(lines, key=lambda line: not line.startswith((f"{path}.type:", f"{path}.role:")))


def _items(value: list[Any], kind: Any, path: str) -> list[str]:
    return [line for index, item in enumerate(value) for line in mismatches(item, kind, f"{path}[{index}]")]


def _is_plain(value: Any, kind: Any) -> bool:
    if kind in (Any, object):
        return True
    if kind is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if kind is type(None):
        return value is None
    return type(value) is kind


def _depth_of_first(lines: list[str]) -> tuple[int, int]:
    if not lines:
        return (-1_000, 0)
    path = lines[0].partition(":")[0]
    return (path.endswith((".type", ".role")) * 100 - path.count("."), len(lines))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
