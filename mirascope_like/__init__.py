"""Typed calls of language models, from plain Python functions.

Two APIs on one engine: `llm` (decorators) and `chat` (lazy models). Importing this package loads neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import chat as chat, llm as llm

__all__ = ["__version__", "chat", "llm"]

__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    if name in ("chat", "llm"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
