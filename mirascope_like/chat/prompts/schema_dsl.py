"""JSON Schemas: what may be given as `schema=`, and a short way to write one.

    >>> from mirascope_like.chat.prompts.schema_dsl import schema_dsl
    >>> schema_dsl("name: the dog's name, age int")
    {'type': 'object', 'properties': {'name': {'type': 'string', 'description': "the dog's name"}, \
'age': {'type': 'integer'}}, 'required': ['name', 'age']}
"""

from __future__ import annotations

from typing import Any, Final

_TYPES: Final = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


def schema_dsl(text: str, multi: bool = False) -> dict[str, Any]:
    """The JSON Schema of fields in a short form: `name [type][: description]`, one a line, or with commas between them
    on a single line.

    Types are `int`, `float`, `bool` and `str`; other words and none mean `str`. All fields are required. `multi` asks
    for a list of such objects, as `{"items": […]}`. Raises `ValueError` for a description without a name.
    """
    lines = text.strip().split("\n") if "\n" in text.strip() else text.split(",")
    fields = [_field(line.strip()) for line in lines if line.strip()]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name, _ in fields],
    }
    return _several(schema) if multi else schema


def _field(text: str) -> tuple[str, dict[str, str]]:
    head, _, description = text.partition(":")
    words = head.split()
    if not words:
        raise ValueError(f"This field has a description but no name: {text!r}")
    schema = {"type": _TYPES.get(words[1], "string") if len(words) > 1 else "string"}
    if description.strip():
        schema["description"] = description.strip()
    return words[0], schema


def _several(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": schema}},
        "required": ["items"],
    }
