"""An incremental JSON parser that tells `Container`s what begins, grows and ends.

A `JsonStream` reads each piece of text once, in time proportional to its length. It looks for the first object or
array, so prose and fences before it do no harm, and ignores what follows it. A number is complete only once another
character follows it, since that might be a digit; a string grows as it arrives, one whole escape at a time.

What may come next is a regular expression, whose groups are named after what they match; in an object it is a name with
its value. The group `more` matches text that may become that with more input. Text that no pattern matches is read step
by step: a name that is long or has escapes, much space, half an escape, or an error. The patterns are possessive
(`*+`), since JSON never needs backtracking.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import SEEK_END, StringIO
from typing import ClassVar

from .containers import Container

MAX_DEPTH = 200
"""How deep arrays and objects may be nested."""

_MAX_SCALAR = 5000  # characters of a number; Python does not read longer ones either
_BLANK = " \t\n\r"
_SPACES = rf"[{_BLANK}]*+"
_PLAIN_CHARACTER = r'[^"\\\x00-\x1f]'
_SCALAR_PATTERN = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|true|false|null"
_VALUE_PATTERN = (
    rf'(?:"(?P<piece>{_PLAIN_CHARACTER}*+)(?P<closed>")?|(?P<opening>[{{\[])'
    rf"|(?P<scalar>{_SCALAR_PATTERN})(?=[{_BLANK},\]}}]))"
)
_MEMBER_PATTERN = rf'"(?P<name>{_PLAIN_CHARACTER}*+)"{_SPACES}:{_SPACES}{_VALUE_PATTERN}'
# A whole escape, but not half a surrogate pair, whose other half may follow.
_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:(?![dD][89abAB])[0-9a-fA-F]{4}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))'
)
# The start of a value or member that is short enough to be read again with the next piece.
_PARTIAL_VALUE = rf"[-+.0-9A-Za-z]{{0,{_MAX_SCALAR}}}+"
_PARTIAL_MEMBER = (
    rf'(?:"{_PLAIN_CHARACTER}{{0,64}}+(?:"[{_BLANK}]{{0,64}}+(?::[{_BLANK}]{{0,64}}+{_PARTIAL_VALUE})?)?)?'
)


@dataclass(frozen=True, slots=True)
class _Expectation:
    """What may come next, as a pattern."""

    description: str
    match: Callable[[str, int], re.Match[str] | None]
    has_name: bool
    """Whether a value has a name before it."""


def _make_expectation(description: str, *options: str, prefix: str = _SPACES) -> _Expectation:
    pattern = re.compile(f"{prefix}(?:{'|'.join(options)})")
    return _Expectation(description, pattern.match, "name" in pattern.groupindex)


_ANYTHING = _make_expectation("an object or array", r"(?P<opening>[{\[])", r"(?P<more>\Z)", prefix=r"[^{\[]*")
_NOTHING = _make_expectation("nothing", "(?P<more>)", prefix="")
_WHATEVER = _make_expectation("whatever comes", r"(?P<ignored>[\s\S]+)", prefix="")
_VALUE = _make_expectation("a value", _VALUE_PATTERN, rf"(?P<more>{_PARTIAL_VALUE}\Z)")
_MEMBER = _make_expectation("a name", _MEMBER_PATTERN, rf"(?P<more>{_PARTIAL_MEMBER}\Z)")
_COLON = _make_expectation("a colon", "(?P<colon>:)", r"(?P<more>\Z)")
_STRING = _make_expectation(
    "more of a string",
    rf'(?P<rest>{_PLAIN_CHARACTER}++)(?P<end>")?|(?P<quote>")|(?P<escaped>{_ESCAPE}(?:{_PLAIN_CHARACTER}++|{_ESCAPE}){{0,1000}})',
    prefix="",
)
_FIRST = {
    "{": _make_expectation("a name or the end", _MEMBER_PATTERN, "(?P<closing>})", rf"(?P<more>{_PARTIAL_MEMBER}\Z)"),
    "[": _make_expectation("a value or the end", _VALUE_PATTERN, r"(?P<closing>\])", rf"(?P<more>{_PARTIAL_VALUE}\Z)"),
}
_NEXT = {
    "{": _make_expectation(
        "a comma or the end",
        f",{_SPACES}{_MEMBER_PATTERN}",
        "(?P<closing>})",
        rf"(?P<more>(?:,[{_BLANK}]{{0,64}}+{_PARTIAL_MEMBER})?\Z)",
    ),
    "[": _make_expectation(
        "a comma or the end",
        f",{_SPACES}{_VALUE_PATTERN}",
        r"(?P<closing>\])",
        rf"(?P<more>(?:,[{_BLANK}]{{0,64}}+{_PARTIAL_VALUE})?\Z)",
    ),
}
_AFTER_COMMA = {"{": _MEMBER, "[": _VALUE}

_SPACE = re.compile(_SPACES)
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_PARTIAL_ESCAPE = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")  # the start of an escape at the end of the text

_decode_json = json.JSONDecoder().raw_decode  # without skipping white space


class JsonSyntaxError(ValueError):
    """The text is not JSON, or is nested too deeply."""


class JsonStream:
    """Reads JSON in pieces into a container; see the module's docstring."""

    def __init__(self, container: Container) -> None:
        self._buffer = StringIO()
        self._unbuffered: list[str] = []  # pieces that are not in the buffer yet
        self._text = ""  # the text being read: what was left of earlier pieces, and the last piece
        self._offset = 0  # where it starts in the whole text
        self._position = 0  # how much of it has been read
        self.has_changed: bool = False
        """Whether the last piece changed what is shown."""
        self.seek(container)

    def seek(self, container: Container) -> None:
        """Look for an object or array from the current position on, and read it into this container."""
        self._container = container  # receives what comes next
        self.has_content: bool = False
        """Whether anything is shown but empty objects and arrays."""
        self.outermost_json: str | None = None
        """The JSON of the outermost object or array, once it is complete."""
        self._open_containers: list[tuple[int, str, Container]] = []  # start, opening and outer container of each
        self._innermost = ""  # the opening of the innermost container
        self._expected = _ANYTHING
        self._start_of_string = 0
        self._string_is_shown = False
        self._name: list[str] | None = None  # the pieces of an open name that is long or has escapes

    def stop(self) -> None:
        """Ignore the rest of the text."""
        self.outermost_json = None
        self._open_containers = []
        self._expected = _WHATEVER

    @property
    def text(self) -> str:
        """The whole text so far."""
        return self._text_from(0)

    @property
    def is_open(self) -> bool:
        """Whether an object or array has begun and not ended."""
        return bool(self._open_containers)

    def _text_since(self, start: int) -> str:
        """Return the text from a position to the current one."""
        return self._text_from(start, self._offset + self._position - start)

    def _text_from(self, start: int, length: int = -1) -> str:
        self._buffer.writelines(self._unbuffered)
        self._unbuffered.clear()
        self._buffer.seek(start)
        text = self._buffer.read(length)
        self._buffer.seek(0, SEEK_END)
        return text

    def feed(self, delta: str) -> None:
        """Read more text. Raises `JsonSyntaxError`; then `seek` may continue behind the error."""
        self.has_changed = False
        self._unbuffered.append(delta)
        self._offset += self._position
        self._text = self._text[self._position :] + delta
        self._position = 0
        while self._position < len(self._text):
            expected = self._expected
            found = expected.match(self._text, self._position)
            if found is None:
                if not self._read_unusual():
                    return
            elif (kind := found.lastgroup) == "more":
                self._position = found.start("more")
                return
            elif not (expected.has_name and (name := found["name"]) is not None and self._add_key(name)):
                self._position = found.end()
                self._readers[kind](self, found)

    # -- what patterns match ------------------------------------------------------------------------------------------

    def _read_ignored(self, found: re.Match[str]) -> None:
        """Ignore text behind the outermost value."""

    def _read_opening(self, found: re.Match[str]) -> None:
        if len(self._open_containers) == MAX_DEPTH:
            raise JsonSyntaxError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        self._innermost = found["opening"]
        self._open_containers.append((self._offset + self._position - 1, self._innermost, self._container))
        self._expected = _FIRST[self._innermost]
        self._switch_container(self._container.begin_container(self._innermost))

    def _read_closing(self, found: re.Match[str]) -> None:
        start, _, outer = self._open_containers.pop()
        needs_value = self._container.end()
        self._container = outer
        if not self._open_containers:
            self.outermost_json = self._text_since(start)
            self._expected = _NOTHING
            return
        self._innermost = self._open_containers[-1][1]
        self._expected = _NEXT[self._innermost]
        if needs_value:
            self._note_value(outer.complete(self._text_since(start)))

    def _read_colon(self, found: re.Match[str]) -> None:
        self._expected = _VALUE

    def _read_scalar(self, found: re.Match[str]) -> None:
        token = found["scalar"]
        if len(token) > _MAX_SCALAR:
            self._position -= len(token)
            raise self._error("a shorter number")
        self._expected = _NEXT[self._innermost]
        self._note_value(self._container.add_scalar(token))

    def _read_piece(self, found: re.Match[str]) -> None:
        """Read the beginning of a string."""
        self._expected = _STRING
        self._string_is_shown = self._container.begin_string(found["piece"])
        if self._string_is_shown:
            self.has_changed = self.has_content = True
        if self._container.needs_whole_string:
            self._start_of_string = self._offset + found.start("piece") - 1

    def _read_closed(self, found: re.Match[str]) -> None:
        """Read a whole string."""
        self._read_piece(found)
        self._end_string()

    def _read_rest(self, found: re.Match[str]) -> None:
        """Read more of a string or name."""
        self._append(found["rest"])

    def _read_end(self, found: re.Match[str]) -> None:
        """Read the rest of a string or name."""
        self._append(found["rest"])
        self._end_string()

    def _read_quote(self, found: re.Match[str]) -> None:
        """Read the end of a string or name."""
        self._end_string()

    def _read_escaped(self, found: re.Match[str]) -> None:
        """Read a piece of a string or name that has whole escapes."""
        self._append(_decode_json(f'"{found["escaped"]}"')[0])

    _readers: ClassVar[Mapping[str | None, Callable[..., None]]] = {
        "ignored": _read_ignored,
        "opening": _read_opening,
        "closing": _read_closing,
        "colon": _read_colon,
        "scalar": _read_scalar,
        "piece": _read_piece,
        "closed": _read_closed,
        "rest": _read_rest,
        "end": _read_end,
        "quote": _read_quote,
        "escaped": _read_escaped,
    }

    # -- calling containers ------------------------------------------------------------------------------------------

    def _switch_container(self, container: Container) -> None:
        """Read into another container from now on."""
        self._container = container
        if container.value is not None:
            self.has_changed = True

    def _append(self, piece: str) -> None:
        if self._name is not None:
            self._name.append(piece)
        elif self._string_is_shown:
            self._container.append_to_string(piece)
            self.has_changed = True

    def _end_string(self) -> None:
        if self._name is not None:
            name, self._name = "".join(self._name), None
            self._expected = _COLON
            self._add_key(name)
            return
        self._expected = _NEXT[self._innermost]
        if self._container.needs_whole_string:
            self._note_value(self._container.complete(self._text_since(self._start_of_string)))

    def _note_value(self, is_shown: bool) -> None:
        """Update the state after the container received a value, which it shows or not."""
        if is_shown:
            self.has_changed = self.has_content = True
        elif self._container.is_undecided:
            self._switch_to_chosen_container()

    def _add_key(self, name: str) -> bool:
        """Give the container the name of the next value. Return whether the object is read again."""
        return self._container.add_key(name) and self._switch_to_chosen_container()

    def _switch_to_chosen_container(self) -> bool:
        """Read an object again from its first name, if its type has become clear. Return whether it has."""
        container = self._container.chosen_container()
        if container is None:
            return False
        start = self._open_containers[-1][0]
        self._text, self._offset, self._position = self._text_from(start), start, 1
        self._expected = _FIRST["{"]
        self._switch_container(container)
        return True

    # -- what no pattern matches: return True if something was read, False if more text is needed ---------------------

    def _read_unusual(self) -> bool:
        """Read half an escape, or the comma or quote before text that no pattern matches; or raise."""
        if self._expected is _STRING:
            return self._read_partial_escape()
        self._position = _match_end(_SPACE, self._text, self._position)
        following = self._text[self._position]
        if following == "," and self._expected is _NEXT[self._innermost]:
            self._expected = _AFTER_COMMA[self._innermost]
        elif following == '"' and (self._expected is _MEMBER or self._expected is _FIRST["{"]):
            self._name = []
            self._expected = _STRING
        else:
            raise self._error(self._expected.description)
        self._position += 1
        return True

    def _read_partial_escape(self) -> bool:
        """Read half of a surrogate pair or the start of an escape; or raise."""
        text, at = self._text, self._position
        code = _UNICODE_ESCAPE.match(text, at)
        if _PARTIAL_ESCAPE.match(text, at if code is None else at + 6) is not None:
            return False
        if code is None:
            raise self._error("an escape, and no control character, in a string")
        self._position += 6
        self._append(chr(int(code[1], 16)))
        return True

    def _error(self, expected: str) -> JsonSyntaxError:
        found = self._text[self._position : self._position + 20]
        return JsonSyntaxError(f"Expected {expected} at character {self._offset + self._position}, found {found!r}.")


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
