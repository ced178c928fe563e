"""Encoding JSON Schema in a provider's dialect, with the decoder that takes values back.

Rules: each method encodes one form and gives its decoder.
* All objects are closed. Where the dialect requires all properties, an optional one may be `null`. The decoder drops
  that `null`, so the type's own default applies; `null` stays where the type itself accepts it.
* An object with free keys becomes an array of `{"key": …, "value": …}`; in a union with arrays, that array is the one
  property `entries` of an object.
* A tuple becomes an object, whose properties are `item_0` and so on, or the fields of a `NamedTuple`.
* A value of any type becomes a string: its JSON text.
* `oneOf` becomes `anyOf`: where a discriminator tells the branches apart, its constants do so too.
* `const` and `enum` get a type; with values of several types they become an `anyOf`.
* A constraint that the dialect does not support is added to the description in words. Pydantic checks it in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

from ..raw_schema import references
from .decode import (
    ENTRIES,
    ValueDecoder,
    decode_array,
    decode_entries,
    decode_json_text,
    decode_mapping,
    decode_object,
    decode_reference,
    decode_tuple,
    decode_union,
    identity,
    json_type,
)
from .definitions import PLAIN, Dialect, InexpressibleError
from .size import check_size

Node: TypeAlias = Mapping[str, Any]

# The words for a constraint that a dialect does not support.
_CONSTRAINT_WORDS = {
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
_MAX_DEFAULT = 80  # characters of JSON


class EncodedSchema(NamedTuple):
    """A schema in a dialect. `decoder` turns values of it into values of the original schema."""

    schema: dict[str, Any]
    decoder: ValueDecoder = identity

    @property
    def is_exact(self) -> bool:
        """Whether values need no decoding."""
        return self.decoder is identity

    def decode(self, value: Any) -> Any:
        """Return a value without the dialect's forms. Raises nothing."""
        return self.decoder(value)


def encode_schema(schema: Node, dialect: Dialect) -> EncodedSchema:
    """Encode a JSON Schema object in a dialect. Raises `InexpressibleError`."""
    if dialect == PLAIN:
        return EncodedSchema(dict(schema))
    rewritten_names: frozenset[str] = frozenset()
    while True:  # until it is known which definitions need a decoder
        encoder = _Encoder(schema.get("$defs", {}), dialect, rewritten_names)
        encoded = encoder.encode(schema)
        if encoder.rewritten_names == rewritten_names:
            check_size(encoded.schema, dialect)
            return encoded
        rewritten_names = encoder.rewritten_names


class _Encoder:
    def __init__(self, definitions: Mapping[str, Node], dialect: Dialect, rewritten_names: frozenset[str]) -> None:
        self._definitions = definitions
        self._dialect = dialect
        self._rewritten_names = rewritten_names
        self._recursive = frozenset(
            name for name in definitions if name in _reachable_names(definitions[name], definitions)
        )
        self._schemas: dict[str, dict[str, Any]] = {}
        self._decoders: dict[str, ValueDecoder] = {}

    @property
    def rewritten_names(self) -> frozenset[str]:
        """The names of the definitions that need a decoder."""
        return frozenset(name for name, decoder in self._decoders.items() if decoder is not identity)

    def encode(self, schema: Node) -> EncodedSchema:
        root = self._encode(schema)
        while missing := _referenced_names([root.schema, *self._schemas.values()]) - set(self._schemas):
            for name in sorted(missing):
                self._schemas[name], self._decoders[name] = self._encode(self._definitions[name])
        definitions = {"$defs": self._schemas} if self._schemas else {}
        return EncodedSchema({**root.schema, **definitions}, root.decoder)

    def _encode(self, node: Node | bool) -> EncodedSchema:
        if isinstance(node, bool) or not set(node) - _ANNOTATIONS:
            return self._encode_any({} if isinstance(node, bool) else node)
        if "$ref" in node:
            return self._encode_reference(node)
        if "allOf" in node:
            return self._encode(self._merge_all_of(node))
        if branches := node.get("anyOf") or node.get("oneOf"):
            return self._encode_union(node, branches)
        if "enum" in node or "const" in node:
            return self._encode_values(node, node["enum"] if "enum" in node else [node["const"]])
        return self._encode_typed(node)

    def _encode_typed(self, node: Node) -> EncodedSchema:
        kind: str | Sequence[str] | None = node.get("type")
        if isinstance(kind, list):
            return self._encode_union(node, [{**_drop_keywords(node, _ANNOTATIONS), "type": each} for each in kind])
        if kind == "object" or "properties" in node:
            closed = "properties" in node or node.get("additionalProperties") is False
            return self._encode_object(node) if closed else self._encode_mapping(node)
        if kind == "array" or "items" in node or "prefixItems" in node:
            fixed = "prefixItems" in node or node.get("maxItems") == 0
            return self._encode_tuple(node) if fixed else self._encode_array(node)
        if not isinstance(kind, str):
            return self._encode_any(node)
        return EncodedSchema(self._describe({"type": kind}, node))

    # -- forms --------------------------------------------------------------------------------------------------------

    def _encode_any(self, node: Node) -> EncodedSchema:
        schema = self._describe({"type": "string"}, node, "any JSON value, written as JSON text")
        return EncodedSchema(schema, decode_json_text)

    def _encode_reference(self, node: Node) -> EncodedSchema:
        name = _definition_name(node["$ref"])
        if name not in self._definitions:
            raise InexpressibleError(f"its schema refers to {node['$ref']!r}, which is not in it")
        if name in self._recursive and not self._dialect.recursive:
            raise InexpressibleError(f"{name} contains itself")
        if "description" in node and name not in self._recursive:
            return self._encode({**self._definitions[name], **_drop_keywords(node, {"$ref"})})
        decoder = partial(decode_reference, name, self._decoders) if name in self._rewritten_names else identity
        schema: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        if "description" in node:  # nothing may stand beside a reference
            schema = self._describe({"anyOf": [schema]}, node)
        return EncodedSchema(schema, decoder)

    def _merge_all_of(self, node: Node) -> Node:
        """Merge the parts of `allOf` into one schema."""
        merged: dict[str, Any] = {}
        for part in [*node["allOf"], _drop_keywords(node, {"allOf"})]:
            whole = self._definitions.get(_definition_name(part["$ref"]), {}) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **whole.get("properties", {})}
            required = [*merged.get("required", ()), *whole.get("required", ())]
            merged = {**merged, **whole}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _encode_union(self, node: Node, branches: Sequence[Node]) -> EncodedSchema:
        if any(not set(branch) - _ANNOTATIONS for branch in branches):
            return self._encode_any(node)
        encoded = [self._encode(branch) for branch in branches]
        are_free = [self._has_free_keys(branch) for branch in branches]
        arrays = sum(
            is_free or encoding.schema.get("type") == "array"
            for encoding, is_free in zip(encoded, are_free, strict=True)
        )
        if arrays > 1:
            encoded = [
                _wrap_entries(encoding) if is_free else encoding
                for encoding, is_free in zip(encoded, are_free, strict=True)
            ]
        schema = _any_of(encoding.schema for encoding in encoded)
        return EncodedSchema(self._describe(schema, node), self._choose_decoder(encoded))

    def _has_free_keys(self, node: Node) -> bool:
        """Whether a schema is an object with free keys, which is encoded as an array."""
        while "$ref" in node and _definition_name(node["$ref"]) in self._definitions:
            node = self._definitions[_definition_name(node["$ref"])]
        return (
            node.get("type") == "object" and "properties" not in node and node.get("additionalProperties") is not False
        )

    def _choose_decoder(self, encoded: Sequence[EncodedSchema]) -> ValueDecoder:
        if all(encoding.decoder is identity for encoding in encoded):
            return identity
        others = [encoding for encoding in encoded if encoding.schema.get("type") != "null"]
        return others[0].decoder if len(others) == 1 else partial(decode_union, [*encoded], self._schemas)

    def _encode_values(self, node: Node, values: Sequence[Any]) -> EncodedSchema:
        if any(isinstance(value, list | dict) for value in values):
            texts = [json.dumps(value) for value in values]
            return EncodedSchema(self._describe({"type": "string", "enum": texts}, node), decode_json_text)
        groups: dict[str, list[Any]] = {}
        for value in values:
            group = groups.setdefault(json_type(value), [])
            if value not in group:  # enums may have several names for a value
                group.append(value)
        schemas = [{"type": k} if k == "null" else {"type": k, "enum": group} for k, group in groups.items()]
        return EncodedSchema(self._describe(_any_of(schemas), node))

    def _encode_object(self, node: Node) -> EncodedSchema:
        properties: Mapping[str, Any] = node.get("properties", {})
        fields = {name: self._encode(each) for name, each in properties.items()}
        needed = {name for name, each in properties.items() if name in node.get("required", ()) or _is_constant(each)}
        omittable = self._omittable_properties(properties, needed)
        decoders = {name: encoding.decoder for name, encoding in fields.items() if encoding.decoder is not identity}
        decoder = partial(decode_object, decoders, omittable) if decoders or omittable else identity
        return EncodedSchema(self._object_schema(node, properties, fields, needed), decoder)

    def _omittable_properties(self, properties: Mapping[str, Any], needed: set[str]) -> frozenset[str]:
        """Return the properties whose `null` means that they are left out."""
        return frozenset(name for name in properties if name not in needed and not self._accepts_null(properties[name]))

    def _object_schema(
        self, node: Node, properties: Mapping[str, Any], fields: Mapping[str, EncodedSchema], needed: set[str]
    ) -> dict[str, Any]:
        omittable = self._omittable_properties(properties, needed)
        schemas = {
            name: encoding.schema
            if name in needed
            else self._optional_property(encoding.schema, properties[name], name in omittable)
            for name, encoding in fields.items()
        }
        schema = {
            "type": "object",
            "properties": schemas,
            "required": [name for name in schemas if name in needed or not self._dialect.optional],
            "additionalProperties": False,
        }
        return self._describe(schema, node)

    def _optional_property(self, schema: dict[str, Any], node: Node, omittable: bool) -> dict[str, Any]:
        """Return the schema of an optional property."""
        default = json.dumps(node["default"]) if node.get("default") is not None else ""
        if self._dialect.optional or not omittable:
            return _add_notes(schema, f"{default} by default") if 0 < len(default) <= _MAX_DEFAULT else schema
        described = {"description": schema["description"]} if "description" in schema else {}
        nullable = {**_any_of([_drop_keywords(schema, {"description"}), {"type": "null"}]), **described}
        return _add_notes(nullable, f"null for {default}") if 0 < len(default) <= _MAX_DEFAULT else nullable

    def _encode_mapping(self, node: Node) -> EncodedSchema:
        names: Any = node.get("propertyNames")
        keys: Node = cast("Node", names) if isinstance(names, Mapping) else {}
        if "$ref" not in keys:  # a definition has a type; names are strings even if the schema does not say so
            keys = {"type": "string", **keys}
        values: Any = node.get("additionalProperties", True)
        if patterns := cast("Mapping[str, Any]", node.get("patternProperties") or {}):
            keys = {**keys, "pattern": "|".join(patterns)}
            values = {"anyOf": [*patterns.values()]} if len(patterns) > 1 else next(iter(patterns.values()))
        value = self._encode(values)
        pair = {
            "type": "object",
            "properties": {"key": self._encode(keys).schema, "value": value.schema},
            "required": ["key", "value"],
            "additionalProperties": False,
        }
        bounds = {"minItems": node.get("minProperties"), "maxItems": node.get("maxProperties")}
        limited = {**node, **{name: bound for name, bound in bounds.items() if bound is not None}}
        return EncodedSchema(
            self._describe({"type": "array", "items": pair}, limited), partial(decode_mapping, value.decoder)
        )

    def _encode_tuple(self, node: Node) -> EncodedSchema:
        items: Sequence[Node] = node.get("prefixItems", ())
        titles = [str(item.get("title", "")) for item in items]
        named = all(title.isidentifier() for title in titles) and len(set(titles)) == len(titles)
        names = titles if named else [f"item_{position}" for position in range(len(items))]
        required = node.get("minItems", len(items))
        properties = {name: _drop_keywords(item, {"title"}) for name, item in zip(names, items, strict=True)}
        fields = {name: self._encode(each) for name, each in properties.items()}
        schema = self._object_schema(
            _drop_keywords(node, {"minItems", "maxItems"}), properties, fields, set(names[:required])
        )
        return EncodedSchema(
            schema, partial(decode_tuple, names, [encoding.decoder for encoding in fields.values()], required)
        )

    def _encode_array(self, node: Node) -> EncodedSchema:
        item = self._encode(node.get("items", True))
        schema = self._describe({"type": "array", "items": item.schema}, node)
        return EncodedSchema(schema, identity if item.decoder is identity else partial(decode_array, item.decoder))

    # -- descriptions and nulls ----------------------------------------------------------------------------------------

    def _describe(self, schema: dict[str, Any], node: Node, *notes: str) -> dict[str, Any]:
        """Add a node's description and constraints to a schema, as keywords of the dialect or in words."""
        phrases = list(notes)
        described = dict(schema)
        if description := node.get("description"):
            described["description"] = description
        for keyword, words in _CONSTRAINT_WORDS.items():
            if keyword not in node or node[keyword] is False or node[keyword] == "binary":
                continue
            if self._dialect.can_express(keyword, node[keyword]):
                described[keyword] = node[keyword]
            else:
                phrases.append(words.format(_to_words(node[keyword])))
        return _add_notes(described, *phrases)

    def _accepts_null(self, node: Node) -> bool:
        """Whether `null` is a value of a type. For values of any type, `null` is written in their JSON text instead."""
        if "$ref" in node:
            return self._accepts_null(self._definitions.get(_definition_name(node["$ref"]), {}))
        branches: Sequence[Node] = node.get("anyOf") or node.get("oneOf") or ()
        if any(not set(branch) - _ANNOTATIONS for branch in branches):
            return False
        kind = node.get("type", ())
        if "null" in ([kind] if isinstance(kind, str) else kind) or None in node.get("enum", ()):
            return True
        return any(self._accepts_null(branch) for branch in branches)


def _wrap_entries(encoding: EncodedSchema) -> EncodedSchema:
    """Put an array of pairs into an object, so that no other array is taken for it."""
    schema = {
        "type": "object",
        "properties": {ENTRIES: encoding.schema},
        "required": [ENTRIES],
        "additionalProperties": False,
    }
    return EncodedSchema(schema, partial(decode_entries, encoding.decoder))


def _any_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the union of schemas. An `anyOf` without its own description is flattened."""
    branches: list[dict[str, Any]] = []
    for schema in schemas:
        for branch in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if branch not in branches:
                branches.append(branch)
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _add_notes(schema: dict[str, Any], *notes: str) -> dict[str, Any]:
    """Add notes to the description of a schema."""
    if not notes:
        return schema
    phrases = f"({'; '.join(notes)})"
    description = schema.get("description")
    if "$ref" in schema:  # nothing may stand beside a reference
        schema = {"anyOf": [schema]}
    return {**schema, "description": f"{description} {phrases}" if description else phrases}


def _to_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_to_words(each) for each in cast("Sequence[Any]", value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_constant(node: Node) -> bool:
    """Whether a schema has only one value, such as the tag of a discriminated union. It is always required."""
    return "const" in node and node["const"] is not None


def _drop_keywords(node: Node, keywords: Iterable[str]) -> dict[str, Any]:
    return {keyword: value for keyword, value in node.items() if keyword not in keywords}


def _definition_name(reference: str) -> str:
    return reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def _referenced_names(node: object) -> set[str]:
    """Return the names of the definitions that a schema refers to."""
    return set(map(_definition_name, references(node)))


def _reachable_names(node: Node, definitions: Mapping[str, Node]) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        new = _referenced_names(waiting.pop()) - found
        found |= new
        waiting += [definitions[name] for name in new if name in definitions]
    return found
