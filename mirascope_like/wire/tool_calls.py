"""Helpers of all decoders: unique call ids, open parts, and arguments that arrive in pieces or twice."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from os import urandom
from typing import Generic, TypeVar

from .json_parsing import parse_json

K = TypeVar("K", bound=Hashable)

_JSON_DELIMITER = re.compile(r'\\.|\\\Z|["{}\[\]]', re.DOTALL)


class UniqueIds:
    """Keeps the ids of one response's tool calls unique, since results are matched to calls by id."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._used: set[str] = set()

    def make_unique(self, id: str) -> str:
        """Return the id, or a generated one if it is empty or already used."""
        if not id or id in self._used:
            id = f"{self._prefix}{urandom(16).hex()}"
        self._used.add(id)
        return id


class OpenParts(Generic[K]):
    """The keys of parts that have begun and not ended. Every operation takes constant time."""

    def __init__(self) -> None:
        self._open: set[K] = set()
        self._order: list[K] = []  # open keys, and some that have ended

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: K) -> bool:
        return key in self._open

    def add(self, key: K) -> None:
        """Add a part that begins."""
        self._open.add(key)
        self._order.append(key)

    def remove(self, key: K) -> None:
        """Remove a part that ends, if it is open."""
        self._open.discard(key)

    @property
    def newest(self) -> K | None:
        """The open part that began last; `None` if none is open."""
        while self._order and self._order[-1] not in self._open:
            self._order.pop()
        return self._order[-1] if self._order else None


class ArgumentsBuffer:
    """Collects the JSON text of a call's arguments, which arrives in pieces. Each piece is read once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._taken_count = 0  # pieces that `take_new_pieces` has returned
        self._scanned_count = 0  # pieces that `_end_finder` has read
        self._end_finder = _JSONEndFinder()
        self._equal_text: str | None = None  # the last text found to have the same value

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        if self._equal_text is not None and piece.strip():
            self._equal_text = None

    def take_new_pieces(self) -> list[str]:
        """Return the pieces that were added since the last call."""
        pieces, self._taken_count = self._pieces[self._taken_count :], len(self._pieces)
        return pieces

    def is_complete(self) -> bool:
        """Return whether an object or array has ended."""
        self._end_finder.feed("".join(self._pieces[self._scanned_count :]))
        self._scanned_count = len(self._pieces)
        return self._end_finder.is_closed

    def has_same_value(self, args: str) -> bool:
        """Return whether a text has the same JSON value. Equal texts are compared with each other, so many short texts
        after a long one take little time."""
        if not _has_same_json_value(self.text if self._equal_text is None else self._equal_text, args):
            return False
        self._equal_text = args
        return True


class _JSONEndFinder:
    """Finds the end of a JSON object or array that arrives in pieces."""

    def __init__(self) -> None:
        self.is_closed = False
        self._depth = 0
        self._in_string = False
        self._escape = ""  # a backslash at the end of the last piece

    def feed(self, piece: str) -> None:
        text, self._escape = self._escape + piece, ""
        for mark in _JSON_DELIMITER.findall(text):
            if mark == "\\":
                self._escape = mark
            elif mark == '"':
                self._in_string = not self._in_string
            elif mark in "{}[]" and not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                self.is_closed = self.is_closed or self._depth == 0


def arguments_text(value: object) -> str:
    """Return arguments as JSON text. Some servers send the object itself, or an empty list for an empty object."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value or {}, ensure_ascii=False, separators=(",", ":"))


def normalize_index(value: object) -> object:
    """Return the index of a call, item or block in a comparable form: a number even if it is sent as text, `None` if it
    is missing."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value or None
    return value if isinstance(value, int | float) else None


def _has_same_json_value(one: str, other: str) -> bool:
    try:
        return one == other or _parse_text(one) == _parse_text(other)
    except (ValueError, RecursionError):
        return False


def _parse_text(text: str) -> object:
    return parse_json(text.encode("utf-8", "surrogatepass"))
