"""Rewriting JSON Schema into a provider's dialect, with the inverse that takes values back.

Rules: each form stands in a method with its inverse.
* All objects are closed. Where no property may be left out, one that need not be given may be `null`, which the inverse
  drops, so that the type's own default comes; but `null` stays where the type itself takes it.
* An object with free keys is a list of `{"key": …, "value": …}`; beside arrays in a union, in an object with one
  property `entries`.
* A tuple is an object, its items named `item_0` and so on, or by the fields of a `NamedTuple`.
* A value of any type is a string: its JSON text.
* `oneOf` is `anyOf`: where a discriminator tells the branches apart, its constants do so too.
* `const` and `enum` have a type; of several types they are an `anyOf`.
* A constraint that the dialect does not know goes into the description in words. Pydantic checks it in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

from .dialects import PLAIN, Dialect, Inexpressible
from .given import references
from .inverse import BOX, SAME, Boxed, Choice, Inverse, Items, JsonText, Named, Pairs, Record, TupleItems, value_type
from .size import check_size

__all__ = ["Compiled", "compile_schema"]

Node: TypeAlias = Mapping[str, Any]

# How a constraint is said where it cannot be written.
_WORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching the regular expression {}",
    "format": "in the format {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "examples": "for example {}",
}
_ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}
_LONGEST_DEFAULT = 80  # characters of JSON


@dataclass(frozen=True)
class Compiled:
    """A schema in a dialect. `inverse` makes a value of it one of the original schema; `exact` says that the two are
    the same."""

    schema: dict[str, Any]
    inverse: Inverse

    @property
    def exact(self) -> bool:
        """Whether values need no decoding."""
        return self.inverse is SAME

    def decode(self, value: Any) -> Any:
        """The plain value of a value in the dialect's forms. Raises nothing."""
        return self.inverse.decode(value)


def compile_schema(schema: Node, dialect: Dialect) -> Compiled:
    """A JSON Schema object in a dialect. Raises `Inexpressible`."""
    if dialect is PLAIN:
        return Compiled(dict(schema), SAME)
    rewritten: frozenset[str] = frozenset()
    while True:  # until it is known which definitions have something to undo
        compiler = _Compiler(schema.get("$defs", {}), dialect, rewritten)
        compiled = compiler.compiled(schema)
        if compiler.rewritten == rewritten:
            check_size(compiled.schema, dialect)
            return compiled
        rewritten = compiler.rewritten


class _Form(NamedTuple):
    """A schema in the dialect, and what undoes it."""

    schema: dict[str, Any]
    inverse: Inverse = SAME


class _Compiler:
    def __init__(self, definitions: Mapping[str, Node], dialect: Dialect, rewritten: frozenset[str]) -> None:
        self._definitions = definitions
        self._dialect = dialect
        self._rewritten = rewritten
        self._recursive = frozenset(name for name in definitions if name in _reachable(definitions[name], definitions))
        self._schemas: dict[str, dict[str, Any]] = {}
        self._inverses: dict[str, Inverse] = {}

    @property
    def rewritten(self) -> frozenset[str]:
        """The definitions that have something to undo."""
        return frozenset(name for name, inverse in self._inverses.items() if inverse is not SAME)

    def compiled(self, schema: Node) -> Compiled:
        root = self._form(schema)
        while missing := _references([root.schema, *self._schemas.values()]) - set(self._schemas):
            for name in sorted(missing):
                self._schemas[name], self._inverses[name] = self._form(self._definitions[name])
        definitions = {"$defs": self._schemas} if self._schemas else {}
        return Compiled({**root.schema, **definitions}, root.inverse)

    def _form(self, node: Node | bool) -> _Form:
        if isinstance(node, bool) or not set(node) - _ANNOTATIONS:
            return self._anything({} if isinstance(node, bool) else node)
        if "$ref" in node:
            return self._reference(node)
        if "allOf" in node:
            return self._form(self._merged(node))
        if branches := node.get("anyOf") or node.get("oneOf"):
            return self._union(node, branches)
        if "enum" in node or "const" in node:
            return self._values(node, node["enum"] if "enum" in node else [node["const"]])
        return self._typed(node)

    def _typed(self, node: Node) -> _Form:
        kind: str | Sequence[str] | None = node.get("type")
        if isinstance(kind, list):
            return self._union(node, [{**_without(node, _ANNOTATIONS), "type": each} for each in kind])
        if kind == "object" or "properties" in node:
            closed = "properties" in node or node.get("additionalProperties") is False
            return self._record(node) if closed else self._pairs(node)
        if kind == "array" or "items" in node or "prefixItems" in node:
            fixed = "prefixItems" in node or node.get("maxItems") == 0
            return self._tuple(node) if fixed else self._array(node)
        if not isinstance(kind, str):
            return self._anything(node)
        return _Form(self._described({"type": kind}, node))

    # -- forms --------------------------------------------------------------------------------------------------------

    def _anything(self, node: Node) -> _Form:
        return _Form(self._described({"type": "string"}, node, "any JSON value, written as JSON text"), JsonText())

    def _reference(self, node: Node) -> _Form:
        name = _name_in(node["$ref"])
        if name not in self._definitions:
            raise Inexpressible(f"its schema refers to {node['$ref']!r}, which is not in it")
        if name in self._recursive and not self._dialect.recursive:
            raise Inexpressible(f"{name} contains itself")
        if "description" in node and name not in self._recursive:
            return self._form({**self._definitions[name], **_without(node, {"$ref"})})
        inverse = Named(name, self._inverses) if name in self._rewritten else SAME
        schema: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        if "description" in node:  # nothing may stand beside a reference
            schema = self._described({"anyOf": [schema]}, node)
        return _Form(schema, inverse)

    def _merged(self, node: Node) -> Node:
        """`allOf` as one schema."""
        merged: dict[str, Any] = {}
        for part in [*node["allOf"], _without(node, {"allOf"})]:
            whole = self._definitions.get(_name_in(part["$ref"]), {}) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **whole.get("properties", {})}
            required = [*merged.get("required", ()), *whole.get("required", ())]
            merged = {**merged, **whole}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _union(self, node: Node, branches: Sequence[Node]) -> _Form:
        if any(not set(branch) - _ANNOTATIONS for branch in branches):
            return self._anything(node)
        forms = [self._form(branch) for branch in branches]
        free = [self._is_free(branch) for branch in branches]
        arrays = sum(is_free or form.schema.get("type") == "array" for form, is_free in zip(forms, free, strict=True))
        if arrays > 1:
            forms = [_boxed(form) if is_free else form for form, is_free in zip(forms, free, strict=True)]
        return _Form(self._described(_any_of(form.schema for form in forms), node), self._choice(forms))

    def _is_free(self, node: Node) -> bool:
        """Whether it is an object with free keys, which is written as an array."""
        while "$ref" in node and _name_in(node["$ref"]) in self._definitions:
            node = self._definitions[_name_in(node["$ref"])]
        return (
            node.get("type") == "object" and "properties" not in node and node.get("additionalProperties") is not False
        )

    def _choice(self, forms: Sequence[_Form]) -> Inverse:
        if all(form.inverse is SAME for form in forms):
            return SAME
        others = [form for form in forms if form.schema.get("type") != "null"]  # which every inverse leaves alone
        return others[0].inverse if len(others) == 1 else Choice([*forms], self._schemas)

    def _values(self, node: Node, values: Sequence[Any]) -> _Form:
        if any(isinstance(value, list | dict) for value in values):
            texts = [json.dumps(value) for value in values]
            return _Form(self._described({"type": "string", "enum": texts}, node), JsonText())
        groups: dict[str, list[Any]] = {}
        for value in values:
            group = groups.setdefault(value_type(value), [])
            if value not in group:  # of an enum whose members have other names too
                group.append(value)
        schemas = [{"type": k} if k == "null" else {"type": k, "enum": group} for k, group in groups.items()]
        return _Form(self._described(_any_of(schemas), node))

    def _record(self, node: Node) -> _Form:
        properties: Mapping[str, Any] = node.get("properties", {})
        fields = {name: self._form(each) for name, each in properties.items()}
        needed = {name for name, each in properties.items() if name in node.get("required", ()) or _is_constant(each)}
        fillable = self._fillable(properties, needed)
        rewritten = {name: form.inverse for name, form in fields.items() if form.inverse is not SAME}
        inverse = Record(rewritten, fillable) if rewritten or fillable else SAME
        return _Form(self._object(node, properties, fields, needed), inverse)

    def _fillable(self, properties: Mapping[str, Any], needed: set[str]) -> frozenset[str]:
        """The properties of which `null` says that they are left out."""
        return frozenset(name for name in properties if name not in needed and not self._takes_null(properties[name]))

    def _object(
        self, node: Node, properties: Mapping[str, Any], fields: Mapping[str, _Form], needed: set[str]
    ) -> dict[str, Any]:
        fillable = self._fillable(properties, needed)
        schemas = {
            name: form.schema if name in needed else self._left_out(form.schema, properties[name], name in fillable)
            for name, form in fields.items()
        }
        schema = {
            "type": "object",
            "properties": schemas,
            "required": [name for name in schemas if name in needed or not self._dialect.optional],
            "additionalProperties": False,
        }
        return self._described(schema, node)

    def _left_out(self, schema: dict[str, Any], node: Node, fillable: bool) -> dict[str, Any]:
        """The schema of a property that need not be given."""
        default = json.dumps(node["default"]) if node.get("default") is not None else ""
        if self._dialect.optional or not fillable:
            return _noted(schema, f"{default} by default") if 0 < len(default) <= _LONGEST_DEFAULT else schema
        described = {"description": schema["description"]} if "description" in schema else {}
        nullable = {**_any_of([_without(schema, {"description"}), {"type": "null"}]), **described}
        return _noted(nullable, f"null for {default}") if 0 < len(default) <= _LONGEST_DEFAULT else nullable

    def _pairs(self, node: Node) -> _Form:
        names: Any = node.get("propertyNames")
        keys: Node = cast("Node", names) if isinstance(names, Mapping) else {}
        if "$ref" not in keys:  # what stands behind one has a type; names are text even where nobody says so
            keys = {"type": "string", **keys}
        values: Any = node.get("additionalProperties", True)
        if patterns := cast("Mapping[str, Any]", node.get("patternProperties") or {}):
            keys = {**keys, "pattern": "|".join(patterns)}
            values = {"anyOf": [*patterns.values()]} if len(patterns) > 1 else next(iter(patterns.values()))
        value = self._form(values)
        pair = {
            "type": "object",
            "properties": {"key": self._form(keys).schema, "value": value.schema},
            "required": ["key", "value"],
            "additionalProperties": False,
        }
        bounds = {"minItems": node.get("minProperties"), "maxItems": node.get("maxProperties")}
        limited = {**node, **{name: bound for name, bound in bounds.items() if bound is not None}}
        return _Form(self._described({"type": "array", "items": pair}, limited), Pairs(value.inverse))

    def _tuple(self, node: Node) -> _Form:
        items: Sequence[Node] = node.get("prefixItems", ())
        titles = [str(item.get("title", "")) for item in items]
        named = all(title.isidentifier() for title in titles) and len(set(titles)) == len(titles)
        names = titles if named else [f"item_{position}" for position in range(len(items))]
        required = node.get("minItems", len(items))
        properties = {name: _without(item, {"title"}) for name, item in zip(names, items, strict=True)}
        fields = {name: self._form(each) for name, each in properties.items()}
        schema = self._object(_without(node, {"minItems", "maxItems"}), properties, fields, set(names[:required]))
        return _Form(schema, TupleItems(names, [form.inverse for form in fields.values()], required))

    def _array(self, node: Node) -> _Form:
        item = self._form(node.get("items", True))
        schema = self._described({"type": "array", "items": item.schema}, node)
        return _Form(schema, SAME if item.inverse is SAME else Items(item.inverse))

    # -- beside forms -------------------------------------------------------------------------------------------------

    def _described(self, schema: dict[str, Any], node: Node, *notes: str) -> dict[str, Any]:
        """The schema with the node's description and constraints, in the dialect or in words."""
        said = list(notes)
        made = dict(schema)
        if description := node.get("description"):
            made["description"] = description
        for keyword, words in _WORDS.items():
            if keyword not in node or node[keyword] is False or node[keyword] == "binary":
                continue
            if self._dialect.takes(keyword, node[keyword]):
                made[keyword] = node[keyword]
            else:
                said.append(words.format(_in_words(node[keyword])))
        return _noted(made, *said)

    def _takes_null(self, node: Node) -> bool:
        """Whether `null` is a value of a type. Of a value of any type it is not in its JSON text."""
        if "$ref" in node:
            return self._takes_null(self._definitions.get(_name_in(node["$ref"]), {}))
        branches: Sequence[Node] = node.get("anyOf") or node.get("oneOf") or ()
        if any(not set(branch) - _ANNOTATIONS for branch in branches):
            return False
        kind = node.get("type", ())
        if "null" in ([kind] if isinstance(kind, str) else kind) or None in node.get("enum", ()):
            return True
        return any(self._takes_null(branch) for branch in branches)


def _boxed(form: _Form) -> _Form:
    """Pairs that no array can be taken for."""
    schema = {
        "type": "object",
        "properties": {BOX: form.schema},
        "required": [BOX],
        "additionalProperties": False,
    }
    return _Form(schema, Boxed(form.inverse))


def _any_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One of several; an `anyOf` without a description of its own is taken apart."""
    branches: list[dict[str, Any]] = []
    for schema in schemas:
        for branch in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if branch not in branches:
                branches.append(branch)
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _noted(schema: dict[str, Any], *notes: str) -> dict[str, Any]:
    """The schema with more said in its description."""
    if not notes:
        return schema
    said = f"({'; '.join(notes)})"
    description = schema.get("description")
    if "$ref" in schema:  # nothing may stand beside a reference
        schema = {"anyOf": [schema]}
    return {**schema, "description": f"{description} {said}" if description else said}


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_in_words(each) for each in cast("Sequence[Any]", value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_constant(node: Node) -> bool:
    """Whether there is only one value, such as the tag of a discriminated union: that is always given."""
    return "const" in node and node["const"] is not None


def _without(node: Node, keywords: Iterable[str]) -> dict[str, Any]:
    return {keyword: value for keyword, value in node.items() if keyword not in keywords}


def _name_in(reference: str) -> str:
    return reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def _references(node: object) -> set[str]:
    """The names of the definitions that are referred to in a schema."""
    return set(map(_name_in, references(node)))


def _reachable(node: Node, definitions: Mapping[str, Node]) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        new = _references(waiting.pop()) - found
        found |= new
        waiting += [definitions[name] for name in new if name in definitions]
    return found
