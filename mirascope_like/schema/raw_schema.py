"""A JSON Schema that the user gives instead of a Python type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast


class RawSchema:
    """A format that is a JSON Schema; its values are any JSON values. References may point to its own `$defs`, or to
    `definitions`, their name before 2019. Raises `ValueError` for other references."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.__name__: str = str(schema.get("title") or str(schema.get("$ref", "output")).rpartition("/")[2])
        renamed: dict[str, Any] = _rename_definitions(dict(schema))
        if older := renamed.pop("definitions", None):
            renamed["$defs"] = {**older, **renamed.get("$defs", {})}
        for reference in references(renamed):
            start, _, name = reference.rpartition("/")
            if start != "#/$defs" or name not in renamed.get("$defs", {}):
                raise ValueError(f"The schema refers to {reference!r}, which is not among its $defs.")
        self.schema: Mapping[str, Any] = renamed

    def __repr__(self) -> str:
        return f"RawSchema({self.__name__})"


def _rename_definitions(node: Any) -> Any:
    """Return a schema whose references say `$defs` instead of `definitions`."""
    if isinstance(node, list):
        return [_rename_definitions(each) for each in cast("Sequence[Any]", node)]
    if not isinstance(node, Mapping):
        return node
    fields = {name: _rename_definitions(each) for name, each in cast("Mapping[str, Any]", node).items()}
    reference = fields.get("$ref")
    if isinstance(reference, str):
        fields["$ref"] = reference.replace("#/definitions/", "#/$defs/", 1)
    return fields


def references(node: object) -> Iterator[str]:
    """Iterate over the references in a schema."""
    if isinstance(node, Mapping):
        for keyword, value in cast("Mapping[str, object]", node).items():
            if keyword == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in cast("Sequence[object]", node):
            yield from references(item)
