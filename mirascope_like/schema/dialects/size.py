"""The size of an encoded schema, counted as the providers do, and the check against a dialect's limits.

A definition counts once, however often it is referred to. Levels count through references, a recursive type once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeAlias, cast

from .definitions import Dialect, InexpressibleError, SizeLimits

Node: TypeAlias = Mapping[str, Any]

_NAMES = {
    "properties": "properties",
    "levels": "levels of objects",
    "enum_values": "enum values",
    "name_characters": "characters of names and enum values",
    "optional": "optional properties",
    "unions": "properties of several types",
}


def check_size(schema: Node, dialect: Dialect) -> None:
    """Raise `InexpressibleError` if an encoded schema is larger than its dialect allows."""
    if dialect.limits == SizeLimits():
        return
    size = measure_size(schema)
    for each in fields(SizeLimits):
        limit: int | None = getattr(dialect.limits, each.name)
        if limit is not None and (count := getattr(size, each.name)) > limit:
            raise InexpressibleError(f"its schema has {count} {_NAMES[each.name]}; at most {limit} are allowed")


def measure_size(schema: Node) -> SizeLimits:
    """Count in an encoded schema what the limits are about."""
    definitions: Mapping[str, Node] = schema.get("$defs", {})
    nodes = [node for root in (schema, *definitions.values()) for node in _walk(root)]
    properties = [(name, each, node) for node in nodes for name, each in node.get("properties", {}).items()]
    values: list[Any] = [value for node in nodes for value in node.get("enum", ())]
    names = [*definitions, *(name for name, _, _ in properties), *map(str, values)]
    return SizeLimits(
        properties=len(properties),
        levels=_count_levels(schema, definitions, {}),
        enum_values=len(values),
        name_characters=sum(map(len, names)),
        optional=sum(name not in node.get("required", ()) for name, _, node in properties),
        unions=sum("anyOf" in each for _, each, _ in properties),
    )


def _count_levels(node: Node, definitions: Mapping[str, Node], known: dict[str, int]) -> int:
    """Return the levels of nested objects. `known` has those of definitions; 0 for those that contain `node`."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name not in known:
            known[name] = 0
            known[name] = _count_levels(definitions[name], definitions, known)
        return known[name]
    below = max((_count_levels(each, definitions, known) for each in _subschemas(node)), default=0)
    return below + ("properties" in node)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for each in _subschemas(node):
        yield from _walk(each)


def _subschemas(node: Node) -> Iterator[Node]:
    yield from node.get("properties", {}).values()
    yield from cast("Sequence[Node]", node.get("anyOf", ()))
    if "items" in node:
        yield node["items"]
