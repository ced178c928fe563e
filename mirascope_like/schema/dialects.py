"""What each provider takes of JSON Schema when it is to hold a model to it, as data.

A dialect says which keywords may stand; how types are rewritten for it is in `compile`. All dialects but `PLAIN` are
closed: objects have the properties that are named, and no others.

Sources: platform.openai.com/docs/guides/structured-outputs, "Supported schemas" (with the limits of size);
docs.claude.com/en/docs/build-with-claude/structured-outputs, "JSON Schema limitations" and "Schema complexity limits";
llama.cpp, grammars/README.md. A keyword that a page does not name is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["ANTHROPIC", "COMMON", "LOCAL", "OPENAI", "PLAIN", "Dialect", "InexpressibleError", "SizeLimits"]

# No look-around, references or word boundaries: what is enforced while writing cannot look back or ahead.
_SIMPLE_PATTERNS = r"(?!.*(\(\?|\\[1-9bBAZzkG]))(?s:.*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """How large a schema may be; `None` where nothing is said of it."""

    properties: int | None = None
    """Properties of all objects together."""
    levels: int | None = None
    """Objects within objects."""
    enum_values: int | None = None
    """Values of all enums together."""
    name_characters: int | None = None
    """Characters of the names of properties and definitions and of the values of enums, together."""
    optional: int | None = None
    """Properties that may be left out."""
    unions: int | None = None
    """Properties of several types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A subset of JSON Schema."""

    name: str
    keywords: frozenset[str] = frozenset()
    """The constraints that may stand in a schema; others are said in words."""
    formats: frozenset[str] = frozenset()
    """The values of `format` that are known."""
    patterns: str = _SIMPLE_PATTERNS
    """Which regular expressions are known: a regular expression for all of their text."""
    max_min_items: int | None = None
    """The greatest `minItems` that is taken; `None` if any is."""
    optional: bool = False
    """Whether properties may be left out. Where they may not, `null` stands for what would be."""
    recursive: bool = True
    """Whether a type may contain itself."""
    limits: SizeLimits = SizeLimits()
    """How large a schema may be."""

    def can_express(self, keyword: str, value: Any) -> bool:
        """Whether a constraint may stand in a schema."""
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
"""JSON Schema as it is: nothing is rewritten."""

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
"""What providers have in common, for a schema that is made before it is known where it goes."""


class InexpressibleError(ValueError):
    """A type has no form in a dialect."""
