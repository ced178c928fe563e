"""Hidden names: Pydantic reads them, but the JSON Schema does not list them, as with fields with `SkipJsonSchema`.

While a schema is made, each object in it is marked with its hidden names. `allowed_names` reads the marks; they are
removed before a model sees the schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

HIDDEN = "\0hidden"
"""The keyword for the marks, which no schema has otherwise."""


def remove_marks(schema: Any) -> Any:
    """Return a schema without the marks in it."""
    if isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema).items()
        return {name: remove_marks(value) for name, value in fields if name != HIDDEN}
    return [remove_marks(each) for each in cast("Iterable[Any]", schema)] if isinstance(schema, list) else schema
