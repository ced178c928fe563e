"""The schema compiler: what it makes conforms to what providers document, and values come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, Field, RootModel, TypeAdapter, create_model
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.schema.dialects.definitions import (
    ANTHROPIC,
    COMMON,
    LOCAL,
    OPENAI,
    PLAIN,
    Dialect,
    InexpressibleError,
)
from mirascope_like.schema.dialects.encode import encode_schema
from mirascope_like.schema.dialects.size import measure_size
from mirascope_like.schema.formats import Format
from mirascope_like.schema.partial.value import PartialValueParser

from .everyday import SIXTEEN, VALUES, Bounded, Cat, Pair, Place, Size, Tree

STRICT = [OPENAI, ANTHROPIC, LOCAL, COMMON]

# -- the rules as the providers document them --------------------------------------------------------------------------

KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "description"}
BOUNDS = {"pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
MORE = {
    "openai": BOUNDS | {"minItems", "maxItems"},
    "anthropic": {"pattern", "format", "minItems"},
    "common": {"pattern", "format", "minItems"},
    "local": {"pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"},
}
STRING_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}


def broken_rules(schema: Mapping[str, Any], dialect: Dialect) -> Iterator[str]:
    """What a schema does that the provider does not document."""
    root = {**schema}
    definitions = root.pop("$defs", {})
    if root.get("type") != "object":
        yield "the root is no object"
    for name, node in [("root", root), *definitions.items()]:
        yield from _broken(node, name, definitions, dialect)


def _broken(node: Any, path: str, definitions: Mapping[str, Any], dialect: Dialect) -> Iterator[str]:
    if unknown := set(node) - KEYWORDS - MORE[dialect.name]:
        yield f"{path}: {unknown}"
    if "$ref" in node and (set(node) != {"$ref"} or node["$ref"].removeprefix("#/$defs/") not in definitions):
        yield f"{path}: {node}"
    if len({"type", "anyOf", "$ref"} & set(node)) != 1:
        yield f"{path}: no type, or two"
    if node.get("type") == "object":
        if node["additionalProperties"] is not False:
            yield f"{path}: open"
        if not dialect.optional and node["required"] != [*node["properties"]]:
            yield f"{path}: not all required"
    if node.get("type") == "array" and "items" not in node:
        yield f"{path}: items of no type"
    if node.get("format", "uuid") not in STRING_FORMATS or "(?" in node.get("pattern", ""):
        yield f"{path}: {node}"
    if dialect is ANTHROPIC and node.get("minItems", 0) > 1:
        yield f"{path}: minItems"
    below = {**node.get("properties", {}), **dict(enumerate(node.get("anyOf", [])))}
    for name, each in [*below.items(), *([("items", node["items"])] if "items" in node else [])]:
        yield from _broken(each, f"{path}.{name}", definitions, dialect)


def compiled(kind: Any, dialect: Dialect) -> Format[Any]:
    return Format[Any](kind, "strict", dialect)


@pytest.mark.parametrize("dialect", STRICT, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", SIXTEEN)
def test_everyday_types_conform(name: str, dialect: Dialect) -> None:
    if name == "recursive" and not dialect.recursive:
        with pytest.raises(InexpressibleError, match="Tree contains itself"):
            _ = compiled(SIXTEEN[name], dialect).wire_schema
        return
    schema = compiled(SIXTEEN[name], dialect).wire_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(broken_rules(schema, dialect)) == []


@pytest.mark.parametrize("kind", [kind for kind, _ in VALUES], ids=str)
def test_all_types_conform(kind: Any) -> None:
    assert list(broken_rules(compiled(kind, OPENAI).wire_schema, OPENAI)) == []


# -- values come back --------------------------------------------------------------------------------------------------


def encode(value: Any, node: Any, root: Mapping[str, Any]) -> Any:
    """A plain JSON value as a model writes it that is held to the strict form of a schema."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    branches = node.get("anyOf") or node.get("oneOf") or []
    if branches and not any(branch == {} for branch in branches):
        encoded = encode(value, next(branch for branch in branches if _fits(value, branch, root)), root)
        beside_a_list = (
            isinstance(value, dict) and isinstance(encoded, list) and any("items" in each for each in branches)
        )
        return {"entries": encoded} if beside_a_list else encoded
    if not {"type", "enum", "const"} & set(node):
        return json.dumps(value)
    match node.get("type"):
        case "object" if "properties" in node:
            return {name: _property(value, name, each, root) for name, each in node["properties"].items()}
        case "object":
            values = node["additionalProperties"]
            return [{"key": k, "value": encode(v, {} if values is True else values, root)} for k, v in value.items()]
        case "array" if "prefixItems" in node or node.get("maxItems") == 0:
            items = node.get("prefixItems", [])
            names = [item.get("title", f"item_{i}") for i, item in enumerate(items)]
            return {n: encode(v, item, root) for n, v, item in zip(names, value, items, strict=True)}
        case "array":
            return [encode(item, node.get("items", {}), root) for item in value]
        case _:
            return value


def _property(value: Any, name: str, node: Any, root: Mapping[str, Any]) -> Any:
    if name in value:
        return encode(value[name], node, root)
    return node.get("const") if not _fits(None, node, root) else node.get("default")


def _fits(value: Any, node: Any, root: Mapping[str, Any]) -> bool:
    return jsonschema.Draft202012Validator({**node, "$defs": root.get("$defs", {})}).is_valid(value)


def written(value: Any, form: Format[Any], *, briefly: bool) -> Any:
    """A Python value as JSON; `briefly` leaves out what is as by default."""
    adapter = TypeAdapter[Any](form.formattable)
    plain = adapter.dump_python(value, mode="json", by_alias=True, exclude_defaults=briefly and form.name != "Row")
    if form.schema.get("properties", {}).keys() == {"output"}:
        plain = {"output": plain}
    return plain


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
@settings(max_examples=10, deadline=None)
@given(data=st.data(), briefly=st.booleans())
def test_decode_undoes_encode(kind: Any, values: st.SearchStrategy[Any], data: st.DataObject, briefly: bool) -> None:
    value = data.draw(values)
    form = compiled(kind, OPENAI)
    plain = written(value, form, briefly=briefly)
    wire = encode(plain, form.schema, form.schema)
    jsonschema.validate(wire, form.wire_schema)
    parsed = form.parse(json.dumps(wire))
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "values"), [each for each in VALUES if "Any" not in str(each[0])], ids=lambda value: str(value)[:40]
)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_plain_values_are_read_too(kind: Any, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """Not every server does as it is asked."""
    value = data.draw(values)
    form = compiled(kind, OPENAI)
    assert form.parse(json.dumps(written(value, form, briefly=False))) == value


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
@settings(max_examples=10, deadline=None)
@given(data=st.data(), size=st.integers(1, 30))
def test_every_type_grows_to_its_value(
    kind: Any, values: st.SearchStrategy[Any], data: st.DataObject, size: int
) -> None:
    value = data.draw(values)
    form = compiled(kind, OPENAI)
    text = json.dumps(encode(written(value, form, briefly=False), form.schema, form.schema))
    growing = PartialValueParser(form)
    last: Any = "nothing"
    for start in range(0, len(text), size):
        for last in growing.feed(text[start : start + size]):
            assert repr(last)
    assert last == value
    assert type(last) is type(value)


LATE = (tuple[()], dict[str, int] | list[str] | Pair)  # their strict forms are clear only in the whole


@pytest.mark.parametrize(
    ("kind", "values"),
    [each for each in VALUES if "Any" not in str(each[0]) and each[0] not in LATE],
    ids=lambda value: str(value)[:40],
)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), size=st.integers(1, 30), briefly=st.booleans())
def test_parts_have_their_values_before_the_whole_is_there(
    kind: Any, values: st.SearchStrategy[Any], data: st.DataObject, size: int, briefly: bool
) -> None:
    items = data.draw(st.lists(values, min_size=1, max_size=3))
    form = compiled(list[kind], OPENAI)
    plain = written(items, form, briefly=briefly)
    text = json.dumps(encode(plain, form.schema, form.schema) if data.draw(st.booleans()) else plain)
    begun = text.removesuffix("]}") + " "  # behind which a number is known to be complete
    growing = PartialValueParser(form)
    for start in range(0, len(begun), size):
        growing.feed(begun[start : start + size])
    assert growing.value == items
    assert [type(each) for each in growing.value] == [type(each) for each in items]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), kind=st.sampled_from([kind for kind, _ in VALUES]))
def test_decode_never_raises(data: st.DataObject, kind: Any) -> None:
    from .everyday import json_values

    compiled(kind, OPENAI).decode(data.draw(json_values))


# -- forms -------------------------------------------------------------------------------------------------------------


KEYS: list[tuple[Any, dict[str, Any], Any, Any]] = [
    (date, {"type": "string", "format": "date"}, "2020-01-31", date(2020, 1, 31)),
    (Path, {"type": "string", "description": "(in the format path)"}, "a/b", Path("a/b")),
    (Annotated[str, Field(min_length=1)], {"type": "string", "description": "(at least 1 characters)"}, "1", "1"),
    (
        Annotated[str, Field(min_length=2, pattern="^a")],
        {"type": "string", "pattern": "^a", "description": "(at least 2 characters)"},
        "ab",
        "ab",
    ),
    (Literal["1", "2"], {"type": "string", "enum": ["1", "2"]}, "1", "1"),
    (Size, {"$ref": "#/$defs/Size"}, 2, Size(2)),
    (int, {"type": "string"}, "3", 3),
]


@pytest.mark.parametrize(("kind", "schema", "written", "key"), KEYS, ids=[str(kind) for kind, *_ in KEYS])
def test_keys_are_written_as_they_are(kind: Any, schema: dict[str, Any], written: Any, key: Any) -> None:
    form = compiled(dict[kind, int], OPENAI)
    assert form.wire_schema["properties"]["output"]["items"]["properties"]["key"] == schema
    assert form.parse(json.dumps({"output": [{"key": written, "value": 1}]})) == {key: 1}


def test_null_is_kept_where_it_is_a_value() -> None:
    class Settings(BaseModel):
        level: int = 3
        limit: int | None = 5
        note: str | None = None

    form = compiled(Settings, OPENAI)
    assert form.parse('{"level": null, "limit": null, "note": null}') == Settings(level=3, limit=None)
    assert "null for 3" in form.wire_schema["properties"]["level"]["description"]


def test_optional_properties_stay_optional_where_they_may() -> None:
    class Settings(BaseModel):
        level: int = 3
        name: str

    schema = compiled(Settings, ANTHROPIC).wire_schema
    assert schema["required"] == ["name"]
    assert schema["properties"]["level"] == {"type": "integer", "description": "(3 by default)"}
    assert compiled(Settings, ANTHROPIC).parse('{"name": "x"}') == Settings(name="x")


def test_constraints_are_said_and_checked() -> None:
    properties = compiled(Bounded, ANTHROPIC).wire_schema["properties"]
    assert properties["age"] == {"type": "integer", "description": "(at least 0; at most 150)"}
    assert properties["name"]["description"] == "(at least 3 characters; at most 20 characters)"
    right = {"age": 1, "code": "a", "name": "abc", "few": [1, 2], "ratio": 0.5}
    assert compiled(Bounded, ANTHROPIC).parse(json.dumps(right)).age == 1
    with pytest.raises(llm.ParseError, match="age: Input should be less than or equal to 150"):
        compiled(Bounded, ANTHROPIC).parse(json.dumps({**right, "age": 151}))


def test_patterns_that_look_around_are_only_said() -> None:
    schema = compiled(Annotated[str, Field(json_schema_extra={"pattern": "^(?!x).*$"})], OPENAI).wire_schema
    assert schema["properties"]["output"] == {
        "type": "string",
        "description": "(matching the regular expression ^(?!x).*$)",
    }


def test_the_branch_of_a_union_that_fits_is_decoded() -> None:
    class Text(BaseModel):
        kind: Literal["text"]
        value: dict[str, int]

    class Other(BaseModel):
        kind: Literal["other"]
        value: list[dict[str, str]]

    pairs = [{"key": "a", "value": 1}]
    form = compiled(Text | Other, OPENAI)
    assert form.parse(json.dumps({"output": {"kind": "text", "value": pairs}})) == Text(kind="text", value={"a": 1})
    others = {"output": {"kind": "other", "value": [[{"key": "a", "value": "b"}]]}}
    assert form.parse(json.dumps(others)) == Other(kind="other", value=[{"a": "b"}])


def test_a_dict_beside_a_list_is_told_from_it() -> None:
    class Table(RootModel[dict[str, int]]):
        pass

    class Row(BaseModel):
        either: Table | list[dict[str, str]]

    form = compiled(Row, OPENAI)
    assert list(broken_rules(form.wire_schema, OPENAI)) == []
    table = {"either": {"entries": [{"key": "a", "value": 1}]}}
    rows = {"either": [[{"key": "a", "value": "b"}]]}
    assert form.parse(json.dumps(table)) == Row(either=Table({"a": 1}))
    assert form.parse(json.dumps(rows)) == Row(either=[{"a": "b"}])


def test_a_key_that_may_be_none_is_none_when_it_is_left_out() -> None:
    """Where no property may be left out, `null` says both; a key that may not be `None` is left out."""

    class Options(TypedDict):
        name: str
        size: NotRequired[int]
        limit: NotRequired[int | None]

    answer = '{"name": "x", "size": null, "limit": null}'
    assert compiled(Options, OPENAI).parse(answer) == {"name": "x", "limit": None}
    assert compiled(Options, ANTHROPIC).parse('{"name": "x"}') == {"name": "x"}


def test_all_of_is_merged() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"y": {"type": ["string", "null"]}}}]}},
        "$defs": {"A": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}},
    }
    made = encode_schema(schema, OPENAI)
    assert list(broken_rules(made.schema, OPENAI)) == []
    assert made.decode({"a": {"x": 1, "y": None}}) == {"a": {"x": 1, "y": None}}
    assert made.decode({"a": None}) == {}


def test_references_to_nothing() -> None:
    with pytest.raises(InexpressibleError, match="#/nowhere"):
        encode_schema({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}, OPENAI)


def test_plain_schemas_are_left_as_they_are() -> None:
    schema = TypeAdapter(Cat).json_schema()
    assert encode_schema(schema, PLAIN).schema == schema
    assert encode_schema(schema, PLAIN).is_exact


def test_what_needs_no_rewriting_needs_no_decoding() -> None:
    assert encode_schema(TypeAdapter(Place).json_schema(), OPENAI).is_exact
    assert not encode_schema(TypeAdapter(Tree).json_schema(), OPENAI).is_exact


# -- limits of size ----------------------------------------------------------------------------------------------------


def nested(levels: int) -> type[BaseModel]:
    kind: Any = create_model("Innermost", value=(int, ...))
    for _ in range(levels - 1):
        kind = create_model("Level", inner=(list[kind], ...))
    return kind


def wide(count: int, kind: Any) -> type[BaseModel]:
    return create_model("Wide", **{f"field_{number}": (kind, ...) for number in range(count)})


def loose(count: int) -> type[BaseModel]:
    return create_model("Loose", **{f"field_{number}": (int, 0) for number in range(count)})


LIMITS: list[tuple[Dialect, Any, Any, str]] = [
    (OPENAI, nested(10), nested(11), "11 levels of objects; at most 10"),
    (OPENAI, wide(5000, int), wide(5001, int), "5001 properties; at most 5000"),
    (OPENAI, Literal[*range(1000)], Literal[*range(1001)], "1001 enum values"),
    (OPENAI, wide(2, Literal["x" * 50_000]), wide(3, Literal["x" * 50_000]), "150[0-9]* characters of names"),
    (ANTHROPIC, wide(16, int | None), wide(17, int | None), "17 properties of several types"),
    (
        ANTHROPIC,
        *(create_model("M", **{f"f{i}": (int, 0) for i in range(n)}) for n in (24, 25)),
        "25 optional properties",
    ),
]


@pytest.mark.parametrize(("dialect", "largest", "too_large", "why"), LIMITS, ids=[each[3] for each in LIMITS])
def test_what_is_too_large_for_a_provider(dialect: Dialect, largest: Any, too_large: Any, why: str) -> None:
    assert compiled(largest, dialect).wire_schema
    with pytest.raises(InexpressibleError, match=why):
        _ = compiled(too_large, dialect).wire_schema


def test_levels_of_types_that_contain_themselves_and_of_shared_ones() -> None:
    assert compiled(Tree, OPENAI).wire_schema
    kind: Any = int
    for number in range(9):
        kind = create_model(f"Level{number}", left=(kind, ...), right=(kind, ...))
    assert measure_size(compiled(kind, OPENAI).wire_schema).levels == 9


# -- strict tools ------------------------------------------------------------------------------------------------------


def test_arguments_of_strict_tools_are_decoded() -> None:
    @llm.tool(strict=True)
    def store(values: dict[str, int], at: tuple[int, int], note: str = "none", extra: Any = None) -> str:
        return f"{values} {at} {note} {extra}"

    assert list(broken_rules(store.wire_parameters, COMMON)) == []
    args = {
        "values": [{"key": "a", "value": 1}],
        "at": {"item_0": 1, "item_1": 2},
        "note": None,
        "extra": '{"b": [null]}',
    }
    output = store.execute(llm.ToolCall(id="1", name="store", args=json.dumps(args)))
    assert output.result == "{'a': 1} (1, 2) none {'b': [None]}"
    assert isinstance(store.execute(llm.ToolCall(id="1", name="store", args="{")).error, llm.ToolExecutionError)
