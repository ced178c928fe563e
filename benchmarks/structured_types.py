"""Everyday output types: which are sent so that the provider holds the model to them, in the forms it documents.

    python -m benchmarks.structured_types

The types and the documented rules are those of the tests.
"""

from __future__ import annotations

from typing import Any

from mirascope_like.schema.dialects.definitions import ANTHROPIC, COMMON, LOCAL, OPENAI, Dialect, InexpressibleError
from mirascope_like.schema.formats import Format
from tests.schema.everyday import SIXTEEN
from tests.schema.test_dialects import broken_rules

DIALECTS = (OPENAI, ANTHROPIC, COMMON, LOCAL)


def verdict(kind: Any, dialect: Dialect) -> str:
    """What is sent: "strict", "strict, but" with the rules that it breaks, or "other mode"."""
    try:
        broken = list(broken_rules(Format[Any](kind, "strict", dialect).wire_schema, dialect))
    except InexpressibleError:
        return "other mode"
    return f"strict, but {'; '.join(broken)}" if broken else "strict"


def main() -> None:
    """Print a table."""
    print("| type |", " | ".join(dialect.name for dialect in DIALECTS), "|")
    print("| --- |", " | ".join("---" for _ in DIALECTS), "|")
    for name, kind in SIXTEEN.items():
        print(f"| {name} |", " | ".join(verdict(kind, dialect) for dialect in DIALECTS), "|")


if __name__ == "__main__":
    main()
