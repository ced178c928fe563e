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
from collections.abc import Callable
from io import SEEK_END, StringIO
from typing import Protocol, TypeAlias

__all__ = ["MAX_DEPTH", "JsonStream", "JsonSyntaxError", "Sink"]

MAX_DEPTH = 200
"""How deep arrays and objects may be nested."""

_MAX_SCALAR = 5000  # characters of a number; Python reads no longer ones either
_BLANK = " \t\n\r"
_OPENING = re.compile(r"[{\[]")
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")

# Each of these reads as much at once as mostly comes at once. What none of them takes is read step by step.
_W = rf"[{_BLANK}]*"
_PLAIN = r'[^"\\\x00-\x1f]'
_SPACE = re.compile(_W)
_VALUE = re.compile(rf'{_W}(?:"({_PLAIN}*)("?)|([{{\[])|({_SCALAR.pattern})(?=[{_BLANK},\]}}]))')
_STRING_VALUE, _CONTAINER = 2, 3  # which of its groups is the last
_NAME = re.compile(rf'{_W}"({_PLAIN}*)"{_W}:{_W}')
_MEMBER = re.compile(rf"{_W}(?:,{_NAME.pattern}|(}}))")
_CLOSING = re.compile(rf"{_W}([\]}}])")
_ITEM = re.compile(rf"{_W}(?:,|(\]))")
# What may become one, and is short enough to be waited for.
_SHORT = rf"[{_BLANK}]{{0,64}}"
_PART_OF_NAME = re.compile(rf'{_SHORT}(?:"{_PLAIN}{{0,64}})?\Z')
_PART_OF_MEMBER = re.compile(rf"{_SHORT}(?:,{_PART_OF_NAME.pattern})?\Z")
# What stands for itself and whole escapes; but not half a surrogate pair, whose other half may come.
_RUN = re.compile(
    r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u(?:(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))){0,1000}"
)
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_HALF = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")  # what may become a code, with what is still to come

_unescaped = json.JSONDecoder().raw_decode  # without a look for white space around it


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

    def begin_string(self, piece: str, start: int) -> None:
        """A string opens, with its quotation mark at `start`, and a first piece, which may be empty."""

    def grow_string(self, piece: str) -> None:
        """The open string goes on."""

    def end_string(self) -> None:
        """The open string is complete; the text is read up to its end."""


_State: TypeAlias = "Callable[[JsonStream], bool]"


class JsonStream:
    """See the module's docstring."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._all = StringIO()
        self._text = ""  # what is being read: the last piece, behind what was left of those before
        self._base = 0  # where it starts
        self._at = 0  # how much of it has been read
        self._open: list[tuple[int, str]] = []  # where the open containers start, and with what
        self._key: list[str] = []  # the pieces of a name that is long or has escapes
        self._state: _State = JsonStream._seek
        self._within("[")

    @property
    def text(self) -> str:
        """All that came."""
        return self._all.getvalue()

    @property
    def is_open(self) -> bool:
        """Whether an object or array has begun and not ended."""
        return bool(self._open)

    def since(self, start: int) -> str:
        """The text from a position to where it has been read."""
        return self._from(start, self._base + self._at - start)

    def _from(self, start: int, length: int = -1) -> str:
        self._all.seek(start)
        text = self._all.read(length)
        self._all.seek(0, SEEK_END)
        return text

    def feed(self, delta: str) -> None:
        """Take in more text. Raises `JsonSyntaxError`; then `seek` may go on behind what is wrong."""
        if delta:
            self._all.write(delta)
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
        found = _VALUE.match(self._text, self._at)
        if found is None:
            return self._peek() != "" and self._no_scalar()
        if found.lastindex == _STRING_VALUE:
            return self._begin_string(found)
        return self._begin(found) if found.lastindex == _CONTAINER else self._scalar(found)

    def _first(self) -> bool:
        """What is first in an object or array."""
        found = _CLOSING.match(self._text, self._at)
        if found is not None and found[1] == self._closing:
            return self._end(found)
        return self._name() if self._closing == "}" else self._value()

    def _name(self) -> bool:
        """A name, with its colon if that has come."""
        text, at = self._text, self._at
        found = _NAME.match(text, at)
        if found is not None:
            return self._named(found)
        if _PART_OF_NAME.match(text, at) is not None:
            return False
        if self._peek() != '"':
            return self._unless_text("a name")
        self._at += 1
        self._state = JsonStream._long_name
        return True

    def _long_name(self) -> bool:
        """A name that is long or has escapes."""
        if self._text[self._at : self._at + 1] != '"':
            return self._more_of_string(self._key.append)
        self._at += 1
        name = "".join(self._key)
        self._key.clear()
        self._state = JsonStream._colon
        self._sink.key(name)
        return True

    def _colon(self) -> bool:
        if self._text[self._at : self._at + 1] != ":" and self._peek() != ":":
            return self._unless_text("a colon")
        self._at += 1
        self._state = JsonStream._value
        return self._value()

    def _after_member(self) -> bool:
        """Behind a value in an object: a comma, a name and its colon, or the end."""
        text, at = self._text, self._at
        found = _MEMBER.match(text, at)
        if found is not None:
            return self._named(found) if found.lastindex == 1 else self._end(found)
        return _PART_OF_MEMBER.match(text, at) is None and self._comma(JsonStream._name)

    def _after_item(self) -> bool:
        """Behind a value in an array: a comma, or the end."""
        found = _ITEM.match(self._text, self._at)
        if found is None:
            return self._comma(JsonStream._value)
        if found.lastindex is not None:
            return self._end(found)
        self._at = found.end()
        self._state = JsonStream._value
        return self._value()

    def _string(self) -> bool:
        text, start = self._text, self._at
        end = text.find('"', start)
        piece = text[start:] if end < 0 else text[start:end]
        if "\\" in piece or not piece.isprintable():
            return self._more_of_string(self._sink.grow_string)
        if piece:
            self._sink.grow_string(piece)
        if end < 0:
            self._at = len(text)
            return False
        self._at = end + 1
        self._state = self._behind
        self._sink.end_string()
        return True

    # -- steps --------------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character that is not white space; "" if it has not come."""
        self._at = at = _end_of(_SPACE, self._text, self._at)
        return self._text[at : at + 1]

    def _unless_text(self, expected: str) -> bool:
        """What was not found may still come, if nothing else has."""
        if self._at < len(self._text):
            raise self._error(expected)
        return False

    def _comma(self, state: _State) -> bool:
        if self._peek() != ",":
            return self._unless_text("a comma or the end")
        self._at += 1
        self._state = state
        return True

    def _named(self, found: re.Match[str]) -> bool:
        self._at = found.end()
        self._state = JsonStream._value
        self._sink.key(found[1])
        return self._at < len(self._text)

    def _begin(self, found: re.Match[str]) -> bool:
        if len(self._open) == MAX_DEPTH:
            raise JsonSyntaxError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        opening, start = found[_CONTAINER], self._base + found.end() - 1
        self._open.append((start, opening))
        self._at = found.end()
        self._within(opening)
        self._state = JsonStream._first
        self._sink.begin(opening, start)
        return True

    def _within(self, opening: str) -> None:
        """Note what ends the innermost container, and how what is behind a value in it is read."""
        self._closing = "}" if opening == "{" else "]"
        self._behind: _State = JsonStream._after_member if opening == "{" else JsonStream._after_item

    def _end(self, found: re.Match[str]) -> bool:
        self._at = found.end()
        self._open.pop()
        if self._open:
            self._within(self._open[-1][1])
            self._state = self._behind
        else:
            self._state = JsonStream._done
        self._sink.end()
        return True

    def _scalar(self, found: re.Match[str]) -> bool:
        token = found[found.lastindex or 0]
        if len(token) > _MAX_SCALAR:
            raise self._error("a shorter number")
        self._at = found.end()
        self._state = self._behind
        self._sink.scalar(token)
        return self._at < len(self._text)

    def _no_scalar(self) -> bool:
        """False if it may yet become one."""
        end = _end_of(_WORD, self._text, self._at)
        if end < len(self._text) or end - self._at > _MAX_SCALAR:
            raise self._error("a value")
        return False

    def _begin_string(self, found: re.Match[str]) -> bool:
        piece, closing = found.group(1, 2)
        self._at = found.end()
        self._state = self._behind if closing else JsonStream._string
        self._sink.begin_string(piece, self._base + found.start(1) - 1)
        if closing:
            self._sink.end_string()
        return self._at < len(self._text)

    def _more_of_string(self, grow: Callable[[str], None]) -> bool:
        """A piece of a string that may have escapes, which stay whole."""
        text, start = self._text, self._at
        if start == len(text):
            return False
        self._at = end = _end_of(_RUN, text, start)
        if end == start:
            return self._half(grow)
        piece = text[start:end]
        grow(_unescaped(f'"{piece}"')[0] if "\\" in piece else piece)
        return True

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
