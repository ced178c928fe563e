"""The subset of JSON Schema that each provider supports for constrained output, as data.

A dialect says which keywords are supported; `encode` writes schemas in it. All dialects but `PLAIN` are
closed: objects have the properties that are named, and no others.

Sources: platform.openai.com/docs/guides/structured-outputs, "Supported schemas" (with the limits of size);
docs.claude.com/en/docs/build-with-claude/structured-outputs, "JSON Schema limitations" and "Schema complexity limits";
llama.cpp, grammars/README.md. Keywords that a page does not name are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# No look-around, references or word boundaries: constrained decoding cannot look back or ahead.
_SIMPLE_PATTERNS = r"(?!.*(\(\?|\\[1-9bBAZzkG]))(?s:.*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """The maximum size of a schema; `None` where the provider documents no limit."""

    properties: int | None = None
    """Total number of properties of all objects."""
    levels: int | None = None
    """Levels of nested objects."""
    enum_values: int | None = None
    """Total number of values of all enums."""
    name_characters: int | None = None
    """Total characters of the names of properties and definitions and of the values of enums."""
    optional: int | None = None
    """Number of optional properties."""
    unions: int | None = None
    """Number of properties of several types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A subset of JSON Schema."""

    name: str
    keywords: frozenset[str] = frozenset()
    """The constraints that are supported; others go into descriptions in words."""
    formats: frozenset[str] = frozenset()
    """The supported values of `format`."""
    patterns: str = _SIMPLE_PATTERNS
    """The supported regular expressions: an expression that matches the whole of their text."""
    max_min_items: int | None = None
    """The greatest supported `minItems`; `None` if there is no limit."""
    optional: bool = False
    """Whether properties may be optional. Where they may not, `null` stands for one that is left out."""
    recursive: bool = True
    """Whether a type may contain itself."""
    limits: SizeLimits = SizeLimits()
    """The maximum size of a schema."""

    def can_express(self, keyword: str, value: Any) -> bool:
        """Whether a constraint can be expressed as a keyword."""
        if keyword not in self.keywords:
            return False
        match keyword:
            case "format":
                return value in self.formats
            case "pattern":
                return re.fullmatch(self.patterns, value) is not None
            case "minItems":
                return self.max_min_items is None or value <= self.max_min_items
            case _:
                return True


_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

PLAIN = Dialect(name="plain", optional=True)
"""JSON Schema unchanged."""

OPENAI = Dialect(
    name="openai",
    keywords=_BOUNDS | {"pattern", "format", "minItems", "maxItems"},
    formats=_FORMATS,
    limits=SizeLimits(properties=5_000, levels=10, enum_values=1_000, name_characters=120_000),
)
ANTHROPIC = Dialect(
    name="anthropic",
    keywords=frozenset({"pattern", "format", "minItems"}),
    formats=_FORMATS | {"uri"},
    max_min_items=1,
    optional=True,
    recursive=False,
    limits=SizeLimits(optional=24, unions=16),
)
LOCAL = Dialect(
    name="local",
    keywords=frozenset({"minimum", "maximum", "pattern", "format", "minLength", "maxLength", "minItems", "maxItems"}),
    formats=frozenset({"date-time", "time", "date", "uuid"}),
    patterns=r"\^" + _SIMPLE_PATTERNS + r"(?<=\$)",
)
COMMON = Dialect(
    name="common",
    keywords=OPENAI.keywords & ANTHROPIC.keywords,
    formats=_FORMATS,
    max_min_items=1,
    limits=OPENAI.limits,
)
"""What all providers support, for a schema that is made before its provider is known."""


class InexpressibleError(ValueError):
    """A type cannot be expressed in a dialect."""
