"""The hash of a message that a log has worked out, kept with the message object.

The hash stands for a message and all before it, so it is kept with the hash of the message before it: histories share
message objects, and each is hashed once. It is not a field; copies, pickles and new messages have none.
"""

from __future__ import annotations

from typing import cast

from .content import Image, ToolOutput

_UNCHANGEABLE = (str, int, float, Image, type(None))


class HasKnownHash:
    """Base of messages: of dataclasses that are frozen and have slots."""

    __slots__ = ("_known_hash",)
    _known_hash: tuple[str | None, str]


def get_known_hash(message: HasKnownHash, parent: str | None) -> str | None:
    """Return the hash of a message behind one with the hash `parent`, if it is known."""
    known_parent, hash = getattr(message, "_known_hash", (None, None))
    return hash if known_parent == parent else None


def set_known_hash(message: HasKnownHash, parent: str | None, hash: str) -> None:
    """Keep the hash of a message, unless the message may change: results of tools belong to their functions."""
    content: object = getattr(message, "content", None)
    parts = cast("tuple[object, ...]", content) if isinstance(content, tuple) else (content,)
    if all(map(_is_unchangeable, parts)):
        object.__setattr__(message, "_known_hash", (parent, hash))


def _is_unchangeable(part: object) -> bool:
    return not isinstance(part, ToolOutput) or isinstance(cast("ToolOutput[object]", part).result, _UNCHANGEABLE)
