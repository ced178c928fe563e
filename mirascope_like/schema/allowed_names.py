"""The names that a tool's JSON Schema allows in a value: its `properties`, wherever the schema has them.

In JSON Schema itself, objects may have further members unless `additionalProperties` forbids them. For tools the rule
is stricter: an object that lists its members may have others only if the schema says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from .hidden_names import HIDDEN

Node: TypeAlias = Mapping[str, Any]
Schemas: TypeAlias = "tuple[object, ...]"
"""Schemas that apply to one value."""

_BRANCH_KEYWORDS = ("anyOf", "oneOf")
_CONDITION_KEYWORDS = ("if", "then", "else")
_OTHER_KEYWORDS = ("additionalProperties", "unevaluatedProperties")
_MAX_REFERENCES = 20  # in a chain of references
_MEMBER_KEYWORDS = ("properties", "patternProperties", *_OTHER_KEYWORDS)


@dataclass(frozen=True, slots=True)
class UnknownMember:
    """A member that a schema does not list: its `path`, and whether `additionalProperties` forbids it explicitly."""

    path: tuple[str | int, ...]
    is_forbidden: bool

    @property
    def name(self) -> str:
        """The path as text, such as "order.lines.0.price"."""
        return ".".join(map(str, self.path))

    def remove_from(self, value: Any) -> None:
        """Remove the member from the value in which it was found."""
        for step in self.path[:-1]:
            value = value[step]
        del value[self.path[-1]]


class AllowedNames:
    """The names that a schema allows. Keep the object to check many values fast."""

    def __init__(self, schema: Node) -> None:
        self._schema = schema
        self._known: dict[tuple[int, ...], _MemberSchemas] = {}

    @property
    def listed_names(self) -> frozenset[str]:
        """The members that the schema lists."""
        return frozenset(self._member_schemas((self._schema,)).listed)

    @property
    def has_listed_members(self) -> bool:
        """Whether the schema lists the members of the object: `{"type": "object"}` does not."""
        return self._member_schemas((self._schema,)).has_listed_members

    def find_unknown(self, value: object) -> list[UnknownMember]:
        """Return the members of a JSON value, and of values inside it, that are not allowed."""
        found: list[UnknownMember] = []
        self._search(value, (self._schema,), (), found)
        return found

    def _search(self, value: object, schemas: Schemas, path: tuple[str | int, ...], found: list[UnknownMember]) -> None:
        if isinstance(value, list):
            known = self._member_schemas(schemas)
            for index, item in enumerate(cast("list[object]", value)):
                if isinstance(item, dict | list):
                    self._search(cast("object", item), known.item_schemas(index), (*path, index), found)
        elif isinstance(value, dict) and (known := self._member_schemas(schemas)).has_listed_members:
            members = cast("dict[str, object]", value)
            hidden = self._hidden_names(members, schemas) if known.has_hidden else ()
            for name, member in members.items():
                inner = () if name in hidden else known.member_schemas(name)
                if not inner:
                    found.append(UnknownMember((*path, name), known.has_forbidden_others))
                elif isinstance(member, dict | list):
                    self._search(cast("object", member), inner, (*path, name), found)

    def _hidden_names(self, value: Node, schemas: Schemas) -> set[object]:
        """Return the hidden names of an object, from the branches that it can match."""
        return {name for node in _applicable_schemas(schemas, self._schema, value) for name in _get_list(node, HIDDEN)}

    def _member_schemas(self, schemas: Schemas) -> _MemberSchemas:
        key = tuple(map(id, schemas))
        if key not in self._known:
            self._known[key] = _MemberSchemas([*_applicable_schemas(schemas, self._schema)])
        return self._known[key]


class _MemberSchemas:
    """The members that all schemas of one value list together."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.has_listed_members = any(keyword in node for node in nodes for keyword in _MEMBER_KEYWORDS)
        self.listed: dict[str, Schemas] = {}
        for node in nodes:
            for name, schema in _get_mapping(node, "properties").items():
                self.listed[name] = (*self.listed.get(name, ()), schema)
        self._patterns = [pair for node in nodes for pair in _get_mapping(node, "patternProperties").items()]
        others = [node[keyword] for node in nodes for keyword in _OTHER_KEYWORDS if keyword in node]
        self._others = tuple(schema for schema in others if schema is not False)
        self.has_forbidden_others = len(others) > len(self._others)
        self._item_schemas = [_item_schemas(node) for node in nodes]
        self.has_hidden = any(HIDDEN in node for node in nodes)

    def member_schemas(self, name: str) -> Schemas:
        """Return the schemas of a member; none if it is not allowed."""
        matched = tuple(schema for pattern, schema in self._patterns if _matches(pattern, name))
        return (*self.listed.get(name, ()), *matched) or self._others

    def item_schemas(self, index: int) -> Schemas:
        """Return the schemas of an item of an array."""
        return tuple(first[index] if index < len(first) else rest for first, rest in self._item_schemas)


def _item_schemas(node: Node) -> tuple[Sequence[object], object]:
    """Return the schemas of the first items, and of the others. Before 2020, `items` could be such a list."""
    if items := _get_list(node, "items"):
        return items, node.get("additionalItems")
    return _get_list(node, "prefixItems"), node.get("items")


# Raw schemas may be malformed, which is found when a call is checked.


def _get_mapping(node: Node, keyword: str) -> Mapping[str, object]:
    value = node.get(keyword)
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _get_list(node: Node, keyword: str) -> Sequence[object]:
    value = node.get(keyword)
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # Pydantic's regular expressions differ, and it checks the name itself
        return True


def _applicable_schemas(schemas: Iterable[object], root: Node, value: Node | None = None) -> Iterator[Node]:
    """Iterate over the schemas that apply to one value: some schemas, what they refer to, and what they combine. If a
    value is given, only the branches that it can match; all of them if it matches none."""
    waiting, seen = [*schemas], set[int]()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Mapping) or id(cast("object", node)) in seen:
            continue
        seen.add(id(cast("object", node)))
        yield (node := cast("Node", node))
        waiting += _get_list(node, "allOf")
        waiting += [
            each for keyword in _BRANCH_KEYWORDS for each in _matching_branches(_get_list(node, keyword), root, value)
        ]
        waiting += [node[keyword] for keyword in _CONDITION_KEYWORDS if keyword in node]
        waiting += _get_mapping(node, "dependentSchemas").values()
        if isinstance(reference := node.get("$ref"), str):
            waiting.append(_resolve_reference(root, reference))


def _matching_branches(branches: Sequence[object], root: Node, value: Node | None) -> Sequence[object]:
    if value is None or len(branches) < 2:
        return branches
    return [each for each in branches if _can_match(value, each, root)] or branches


def _can_match(value: Node, branch: object, root: Node) -> bool:
    """Whether an object has the constants and required members of a branch. This is only a quick check."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(branch, Mapping) or not isinstance(reference := cast("Node", branch).get("$ref"), str):
            break
        branch = _resolve_reference(root, reference)
    if not isinstance(branch, Mapping):
        return True
    node = cast("Node", branch)
    return (
        node.get("type", "object") == "object"
        and all(name in value for name in _get_list(node, "required"))
        and all(
            _can_equal(schema, value[name])
            for name, schema in _get_mapping(node, "properties").items()
            if name in value
        )
    )


def _can_equal(schema: object, value: object) -> bool:
    """Whether a value may be one of the schema's constants, if it has any. Pydantic may convert the value to constants
    of another type."""
    if not isinstance(schema, Mapping):
        return True
    node = cast("Node", schema)
    constants = [node["const"]] if "const" in node else _get_list(node, "enum")
    return not constants or value in constants or any(type(each) is not type(value) for each in constants)


def _resolve_reference(root: object, reference: str) -> object:
    """Return what a reference such as "#/$defs/Place" points to; `None` if it is in another document."""
    found = root if reference.startswith("#") else None
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = cast("Node", found).get(name) if isinstance(found, Mapping) else None
    return found
