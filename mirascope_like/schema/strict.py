"""The strict subset of JSON Schema that providers can hold a model to.

Source: platform.openai.com/docs/guides/structured-outputs, "Supported schemas": every object closed, every property
required, no defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

__all__ = ["strict_schema"]


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a JSON Schema in the strict subset: all objects closed, all properties required, no defaults."""
    made: dict[str, Any] = _strict(schema)
    return made


# Keywords whose value maps names to schemas, and those whose value is no schema at all.
_NAMED = ("properties", "$defs", "definitions")
_VALUES = ("enum", "const", "examples", "required")


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in cast("Sequence[Any]", node)]
    if not isinstance(node, Mapping):
        return node
    made: dict[str, Any] = {}
    for keyword, value in cast("Mapping[str, Any]", node).items():
        if keyword in _NAMED:
            made[keyword] = {name: _strict(schema) for name, schema in value.items()}
        elif keyword != "default":
            made[keyword] = value if keyword in _VALUES else _strict(value)
    if "properties" in made:
        made["additionalProperties"] = False
        made["required"] = list(made["properties"])
    return made
