"""What an answer took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: `input` and `output`; `details` are the provider's own counts. `None` where it did not say."""

    input: int | None = None
    output: int | None = None
    details: dict[str, Any] | None = None


def total(usages: Iterable[Usage]) -> Usage:
    """The sum. What nobody said is `None`."""
    result = Usage()
    for usage in usages:
        result = Usage(
            _sum(result.input, usage.input), _sum(result.output, usage.output), _added(result.details, usage.details)
        )
    return result


def usage_text(usage: Usage) -> str:
    """For people: "1,234 input, 5 output, {"cached": 3}"."""
    import json

    counts = (("input", usage.input), ("output", usage.output))
    said = [f"{count:,} {name}" for name, count in counts if count is not None]
    return ", ".join([*said, json.dumps(usage.details)] if usage.details else said)


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _added(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if one is None or other is None:
        return dict(one or other or {}) or None
    return {**one, **{name: _together(one.get(name), value) for name, value in other.items()}}


def _together(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _added(cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other
