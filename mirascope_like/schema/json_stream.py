"""JSON that arrives in pieces, read once.

A `JsonStream` is fed text and tells a `Sink` what begins, grows and ends in it; each piece costs time in proportion to
its own length. It looks for the first object or array, so prose and fences before it do no harm, and ignores what
follows it. A number counts only once something follows it, since another digit might; a string grows as it comes,
escapes whole.

States are functions that take one step: true when there was one to take, false when it needs more text. A state sets
the next one before it tells the sink, so that the sink may `rewind`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol, TypeAlias

__all__ = ["MAX_DEPTH", "JsonStream", "JsonSyntaxError", "Sink"]

MAX_DEPTH = 200
"""How deep arrays and objects may be nested."""

_MAX_SCALAR = 5000  # characters of a number; Python reads no longer ones either
_BLANK = " \t\n\r"
_HELD_BACK = 64  # characters of a name that may wait for its end
_OPENING = re.compile(r"[{\[]")
_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_ENDED = re.compile(rf"(?:{_SCALAR.pattern})(?=[ \t\n\r,\]}}])")
# What stands for itself and whole escapes; but not half a surrogate pair, whose other half may come.
_RUN = re.compile(
    r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u(?:(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))){0,1000}"
)
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_HALF = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")  # what may become a code, with what is still to come


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
        self._key: list[str] = []  # the pieces of a name that is long or has escapes
        self._state: _State = JsonStream._seek
        self._closing = ""  # what ends the innermost container, and how what follows a comma in it is read
        self._next: _State = JsonStream._value

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
        self._key = []
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
        self._within("{")
        self._state = JsonStream._first

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
        char = self._text[self._at : self._at + 1]
        if char <= " ":
            char = self._peek()
        if char == '"':
            return self._begin_string()
        if char == "{" or char == "[":
            return self._begin(char)
        return char != "" and self._scalar()

    def _first(self) -> bool:
        return self._end() if self._peek() == self._closing else self._next(self)

    def _name(self) -> bool:
        """A name, at once if it is short and plain, for which its end may be waited for."""
        char = self._text[self._at : self._at + 1]
        if char <= " ":
            char = self._peek()
        if char != '"':
            return self._unless_text("a name")
        text, start = self._text, self._at + 1
        end = text.find('"', start)
        if end < 0 and len(text) - start <= _HELD_BACK:
            return False
        name = text[start:end]
        if end < 0 or "\\" in name or not name.isprintable():
            self._at = start
            self._state = JsonStream._long_name
            return True
        self._at = end + 1
        self._state = JsonStream._colon
        self._sink.key(name)
        return True

    def _long_name(self) -> bool:
        return self._more_of_string(self._key.append, self._end_name)

    def _colon(self) -> bool:
        if self._text[self._at : self._at + 1] != ":" and self._peek() != ":":
            return self._unless_text("a colon")
        self._at += 1
        self._state = JsonStream._value
        return self._value()

    def _after(self) -> bool:
        """Behind a value in an object or array."""
        char = self._text[self._at : self._at + 1]
        if char <= " ":
            char = self._peek()
        if char == ",":
            self._at += 1
            self._state = self._next
            return self._next(self)
        return self._end() if char == self._closing else self._unless_text("a comma or the end")

    def _string(self) -> bool:
        text, start = self._text, self._at
        end = text.find('"', start)
        piece = text[start:] if end < 0 else text[start:end]
        if "\\" in piece or not piece.isprintable():
            return self._more_of_string(self._sink.grow_string, self._end_string)
        if piece:
            self._at += len(piece)
            self._sink.grow_string(piece)
        return end >= 0 and self._end_string()

    # -- steps --------------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character that is not white space; "" if it has not come."""
        text, at = self._text, self._at
        char = text[at : at + 1]
        if char and char in _BLANK:
            self._at = at = at + 1
            char = text[at : at + 1]
            if char and char in _BLANK:
                self._at = at = _end_of(_SPACE, text, at)
                char = text[at : at + 1]
        return char

    def _unless_text(self, expected: str) -> bool:
        """What was not found may still come, if nothing else has."""
        if self._at < len(self._text):
            raise self._error(expected)
        return False

    def _begin(self, opening: str) -> bool:
        if len(self._open) == MAX_DEPTH:
            raise JsonSyntaxError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        start = self._base + self._at
        self._open.append((start, opening))
        self._at += 1
        self._within(opening)
        self._state = JsonStream._first
        self._sink.begin(opening, start)
        return True

    def _within(self, opening: str) -> None:
        self._closing = "}" if opening == "{" else "]"
        self._next = JsonStream._name if opening == "{" else JsonStream._value

    def _end(self) -> bool:
        self._at += 1
        self._open.pop()
        if self._open:
            self._within(self._open[-1][1])
            self._state = JsonStream._after
        else:
            self._state = JsonStream._done
        self._sink.end()
        return True

    def _scalar(self) -> bool:
        found = _ENDED.match(self._text, self._at)
        if found is None or found.end() - self._at > _MAX_SCALAR:
            return self._no_scalar()
        self._at = found.end()
        self._state = JsonStream._after
        self._sink.scalar(found[0])
        return True

    def _no_scalar(self) -> bool:
        """False if it may yet become one."""
        end = _end_of(_WORD, self._text, self._at)
        if end < len(self._text) or end - self._at > _MAX_SCALAR:
            raise self._error("a value")
        return False

    def _begin_string(self) -> bool:
        start = self._base + self._at
        self._at += 1
        self._state = JsonStream._string
        self._sink.begin_string(start)
        return self._string()

    def _end_string(self) -> bool:
        self._at += 1
        self._state = JsonStream._after
        self._sink.end_string()
        return True

    def _end_name(self) -> bool:
        name = "".join(self._key)
        self._key.clear()
        self._at += 1
        self._state = JsonStream._colon
        self._sink.key(name)
        return True

    def _more_of_string(self, grow: Callable[[str], None], end_string: Callable[[], bool]) -> bool:
        """A piece of a string that may have escapes, which stay whole."""
        text, start = self._text, self._at
        self._at = end = _end_of(_RUN, text, start)
        if end > start:
            piece = text[start:end]
            grow(json.loads(f'"{piece}"') if "\\" in piece else piece)
            return True
        if text[start : start + 1] == '"':
            return end_string()
        return start < len(text) and self._half(grow)

    def _half(self, grow: Callable[[str], None]) -> bool:
        """What is no whole escape: half of a surrogate pair, the start of an escape, or wrong."""
        text, at = self._text, self._at
        code = _CODE.match(text, at)
        if _HALF.match(text, at if code is None else at + 6) is not None:
            return False
        if code is None:
            raise self._error("an escape, and no control character, in a string")
        self._at += 6
        grow(chr(int(code[1], 16)))
        return True

    def _error(self, expected: str) -> JsonSyntaxError:
        found = self._text[self._at : self._at + 20]
        return JsonSyntaxError(f"Expected {expected} at character {self._base + self._at}, found {found!r}.")
