"""Texts with a source, and how a prompt is put together from texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class Fragment(str):
    """A text that remembers where it comes from: a file, a URL, a name. It is a `str` in every other way."""

    __slots__ = ("source",)
    source: str

    def __new__(cls, content: str, source: str = "") -> Fragment:
        made = super().__new__(cls, content)
        made.source = source
        return made

    def id(self) -> str:
        """A name by content, in hex: the SHA-256 of the text."""
        return hashlib.sha256(self.encode("utf-8", "surrogatepass")).hexdigest()

    def __reduce__(self) -> tuple[type[Fragment], tuple[str, str]]:
        return type(self), (str(self), self.source)


def joined(prompt: str | None, fragments: Iterable[str] = ()) -> str:
    """The text of a prompt: fragments, then the prompt, one below the other."""
    return "\n".join([*fragments, *([prompt] if prompt else [])])


def joined_system(system: str | None, fragments: Iterable[str] = ()) -> str:
    """The system prompt: fragments, then the text, with blank lines between; those that are blank are left out."""
    pieces = [piece.strip() for piece in [*fragments, system or ""]]
    return "\n\n".join(piece for piece in pieces if piece)
