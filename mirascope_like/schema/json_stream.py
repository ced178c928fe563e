"""JSON that arrives in pieces, read once.

A `JsonStream` is fed text and tells a `Sink` what begins, grows and ends in it; each piece costs time in proportion to
its own length. It looks for the first object or array, so prose and fences before it do no harm, and ignores what
follows it. A number counts only once something follows it, since another digit might; a string grows as it comes,
escapes whole.

States are functions that take one step: true when there was one to take, false when it needs more text. A state sets
the next one before it tells the sink, so that the sink may `rewind`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol, TypeAlias

__all__ = ["MAX_DEPTH", "JsonStream", "JsonSyntaxError", "Sink"]

MAX_DEPTH = 200
"""How deep arrays and objects may be nested."""

_MAX_SCALAR = 5000  # characters of a number; Python reads no longer ones either
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_OPENING = re.compile(r"[{\[]")
_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_HALF = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")  # what may become a code, with what is still to come
_LOW = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


class JsonSyntaxError(ValueError):
    """What came is not JSON, or is nested too deeply."""


class Sink(Protocol):
    """Who is told what is in the text. Positions count characters from the start of the text."""

    def begin(self, opening: str, start: int) -> None:
        """An object or array opens, with "{" or "[" at `start`."""

    def key(self, name: str) -> None:
        """The name of the next value of the open object."""

    def end(self) -> None:
        """The innermost object or array is complete; the text is read up to its end."""

    def scalar(self, token: str) -> None:
        """A number, `true`, `false` or `null`, as written."""

    def begin_string(self, start: int) -> None:
        """A string opens, with its quotation mark at `start`."""

    def grow_string(self, piece: str) -> None:
        """The open string goes on."""

    def end_string(self) -> None:
        """The open string is complete; the text is read up to its end."""


_State: TypeAlias = "Callable[[JsonStream], bool]"


class JsonStream:
    """See the module's docstring."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pieces: list[str] = []
        self._starts: list[int] = []  # of the pieces
        self._text = ""  # what is being read: the last piece, behind what was left of those before
        self._base = 0  # where it starts
        self._at = 0  # how much of it has been read
        self._open: list[tuple[int, str]] = []  # where the open containers start, and with what
        self._key: list[str] | None = None  # the pieces of the name that is open
        self._state: _State = JsonStream._seek

    @property
    def text(self) -> str:
        """All that came."""
        return "".join(self._pieces)

    @property
    def is_open(self) -> bool:
        """Whether an object or array has begun and not ended."""
        return bool(self._open)

    def since(self, start: int) -> str:
        """The text from a position to where it has been read."""
        return self._from(start)[: self._base + self._at - start]

    def _from(self, start: int) -> str:
        first = bisect_right(self._starts, start) - 1
        return "".join(self._pieces[first:])[start - self._starts[first] :]

    def feed(self, delta: str) -> None:
        """Take in more text. Raises `JsonSyntaxError`; then `seek` may go on behind what is wrong."""
        if delta:
            self._starts.append(self._base + len(self._text))
            self._pieces.append(delta)
            self._base += self._at
            self._text = self._text[self._at :] + delta
            self._at = 0
        while self._state(self):
            pass

    def seek(self) -> None:
        """Forget what is open, and look for the next object or array, from where the text has been read."""
        self._open = []
        self._key = None
        self._state = JsonStream._seek

    def stop(self) -> None:
        """Read nothing more."""
        self._open = []
        self._state = JsonStream._done

    def rewind(self, start: int) -> None:
        """Read an open object again, from its first name; it begins at `start`."""
        while self._open[-1][0] > start:
            self._open.pop()
        self._text, self._base, self._at = self._from(start), start, 1
        self._state = JsonStream._first_key

    # -- states -------------------------------------------------------------------------------------------------------

    def _seek(self) -> bool:
        found = _OPENING.search(self._text, self._at)
        if found is None:
            self._at = len(self._text)
            return False
        self._at = found.start()
        self._state = JsonStream._value
        return True

    def _done(self) -> bool:
        return False

    def _value(self) -> bool:
        char = self._peek()
        if not char:
            return False
        if char == '"':
            self._begin_string()
        elif char in "{[":
            self._begin(char)
        else:
            return self._scalar()
        return True

    def _first_item(self) -> bool:
        if self._peek() != "]":
            return self._value()
        self._end()
        return True

    def _first_key(self) -> bool:
        if self._peek() != "}":
            return self._name()
        self._end()
        return True

    def _name(self) -> bool:
        char = self._peek()
        if char == '"':
            self._at += 1
            self._key = []
            self._state = JsonStream._string
        elif char:
            raise self._error("a name")
        return bool(char)

    def _colon(self) -> bool:
        char = self._peek()
        if char == ":":
            self._at += 1
            self._state = JsonStream._value
        elif char:
            raise self._error("a colon")
        return bool(char)

    def _after_value(self) -> bool:
        char = self._peek()
        in_object = self._open[-1][1] == "{"
        if char == ",":
            self._at += 1
            self._state = JsonStream._name if in_object else JsonStream._value
        elif char == ("}" if in_object else "]"):
            self._end()
        elif char:
            raise self._error("a comma or the end")
        return bool(char)

    def _string(self) -> bool:
        start, text = self._at, self._text
        end = _end_of(_PLAIN, text, start)
        self._at = end
        if end > start:
            self._grow(text[start:end])
        if end == len(text):
            return False
        if text[end] == '"':
            self._at += 1
            self._end_string()
            return True
        if text[end] == "\\":
            return self._escape()
        raise self._error("no control character in a string")

    # -- steps --------------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character that is not white space; "" if it has not come."""
        at = self._at
        char = self._text[at : at + 1]
        if char and char in " \t\n\r":
            self._at = at = _end_of(_SPACE, self._text, at)
            char = self._text[at : at + 1]
        return char

    def _begin(self, opening: str) -> None:
        if len(self._open) == MAX_DEPTH:
            raise JsonSyntaxError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        start = self._base + self._at
        self._open.append((start, opening))
        self._at += 1
        self._state = JsonStream._first_key if opening == "{" else JsonStream._first_item
        self._sink.begin(opening, start)

    def _end(self) -> None:
        self._at += 1
        self._open.pop()
        self._state = JsonStream._after_value if self._open else JsonStream._done
        self._sink.end()

    def _scalar(self) -> bool:
        end = _end_of(_WORD, self._text, self._at)
        if end == len(self._text) and end - self._at <= _MAX_SCALAR:
            return False
        token = self._text[self._at : end]
        if len(token) > _MAX_SCALAR or _SCALAR.fullmatch(token) is None:
            raise self._error("a value")
        self._at = end
        self._state = JsonStream._after_value
        self._sink.scalar(token)
        return True

    def _begin_string(self) -> None:
        start = self._base + self._at
        self._at += 1
        self._state = JsonStream._string
        self._sink.begin_string(start)

    def _grow(self, piece: str) -> None:
        if self._key is None:
            self._sink.grow_string(piece)
        else:
            self._key.append(piece)

    def _end_string(self) -> None:
        if self._key is None:
            self._state = JsonStream._after_value
            self._sink.end_string()
        else:
            name, self._key = "".join(self._key), None
            self._state = JsonStream._colon
            self._sink.key(name)

    def _escape(self) -> bool:
        text, at = self._text, self._at
        if len(text) < at + 2:
            return False
        if text[at + 1] == "u":
            return self._code()
        if text[at + 1] not in _ESCAPES:
            raise self._error("an escape")
        self._at += 2
        self._grow(_ESCAPES[text[at + 1]])
        return True

    def _code(self) -> bool:
        """`\\uXXXX`, and the other half of a surrogate pair with it."""
        text, at = self._text, self._at
        if len(text) < at + 6:
            return False
        if (code := _CODE.match(text, at)) is None:
            raise self._error("an escape")
        value, end = int(code[1], 16), at + 6
        if 0xD800 <= value < 0xDC00:
            if _HALF.match(text, end) is not None:
                return False
            if (low := _LOW.match(text, end)) is not None:
                value, end = 0x10000 + ((value & 0x3FF) << 10) + (int(low[1], 16) & 0x3FF), end + 6
        self._at = end
        self._grow(chr(value))
        return True

    def _error(self, expected: str) -> JsonSyntaxError:
        found = self._text[self._at : self._at + 20]
        return JsonSyntaxError(f"Expected {expected} at character {self._base + self._at}, found {found!r}.")
