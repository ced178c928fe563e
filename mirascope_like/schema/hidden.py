"""Names that Pydantic reads for a type though its JSON Schema does not list them, such as fields with `SkipJsonSchema`.

While a schema is made, each object in it is marked with these names. The marks are for `offers`, and are removed from
what a model is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

__all__ = ["HIDDEN", "remove_marks"]

HIDDEN = "\0hidden"
"""The keyword of the names, which no schema has otherwise."""


def remove_marks(schema: Any) -> Any:
    """Return a schema without the marks in it."""
    if isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema).items()
        return {name: remove_marks(value) for name, value in fields if name != HIDDEN}
    return [remove_marks(each) for each in cast("Iterable[Any]", schema)] if isinstance(schema, list) else schema
