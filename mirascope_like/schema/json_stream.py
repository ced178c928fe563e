"""JSON that arrives in pieces, read once.

A `JsonStream` is fed text and tells `Sink`s what begins, grows and ends in it; each piece costs time in proportion to
its own length. It looks for the first object or array, so prose and fences before it do no harm, and ignores what
follows it. A number counts only once something follows it, since another digit might; a string grows as it comes,
escapes whole.

What may come next is a pattern, whose groups are named after what they find; in an object it is a name with its value.
A pattern also finds what may become that once `more` has come. What none finds is read step by step: it is a name that
is long or has escapes, has much space in it, is half of an escape, or is wrong. The patterns are possessive (`*+`),
since nothing in JSON needs a second way to be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import SEEK_END, StringIO
from typing import Any, ClassVar, Protocol

__all__ = ["MAX_DEPTH", "JsonStream", "JsonSyntaxError", "Sink"]

MAX_DEPTH = 200
"""How deep arrays and objects may be nested."""

_MAX_SCALAR = 5000  # characters of a number; Python reads no longer ones either
_BLANK = " \t\n\r"
_SPACES = rf"[{_BLANK}]*+"
_PLAIN_CHARACTER = r'[^"\\\x00-\x1f]'
_SCALAR_PATTERN = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|true|false|null"
_VALUE_PATTERN = (
    rf'(?:"(?P<piece>{_PLAIN_CHARACTER}*+)(?P<closed>")?|(?P<opening>[{{\[])'
    rf"|(?P<scalar>{_SCALAR_PATTERN})(?=[{_BLANK},\]}}]))"
)
_MEMBER_PATTERN = rf'"(?P<name>{_PLAIN_CHARACTER}*+)"{_SPACES}:{_SPACES}{_VALUE_PATTERN}'
# A whole escape; but not half a surrogate pair, whose other half may come.
_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:(?![dD][89abAB])[0-9a-fA-F]{4}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))'
)
# What may become one, and is short enough to be waited for and looked at again.
_PARTIAL_VALUE = rf"[-+.0-9A-Za-z]{{0,{_MAX_SCALAR}}}+"
_PARTIAL_MEMBER = (
    rf'(?:"{_PLAIN_CHARACTER}{{0,64}}+(?:"[{_BLANK}]{{0,64}}+(?::[{_BLANK}]{{0,64}}+{_PARTIAL_VALUE})?)?)?'
)


@dataclass(frozen=True, slots=True)
class _Expectation:
    """What may come next."""

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
_PARTIAL_ESCAPE = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")  # what may become a code, with what is still to come

_decode_json = json.JSONDecoder().raw_decode  # without a look for white space around it


class JsonSyntaxError(ValueError):
    """What came is not JSON, or is nested too deeply."""


class Sink(Protocol):
    """Who is told what is in an object or array; or in the text, where the outermost value is all there is."""

    value: Any
    """What is shown of it; `None` if nothing is."""
    is_undecided: bool
    """Whether what is in it may be for another sink. A value that is not shown may tell; see `chosen_sink`."""
    needs_whole_string: bool
    """Whether the string that is open is told once more when it is complete."""

    def add_key(self, name: str) -> bool:
        """The name of the next value, in an object. Gives whether it makes clear that the object is for another sink,
        see `chosen_sink`."""
        ...

    def begin_container(self, opening: str) -> Sink:
        """The next value is an object ("{") or array ("["). Gives who is told what is in it."""
        ...

    def add_scalar(self, token: str) -> bool:
        """The next value is a number, `true`, `false` or `null`, as written. Gives whether it is shown."""
        ...

    def begin_string(self, piece: str) -> bool:
        """The next value is a string, of which this has come. Gives whether it is shown as it grows."""
        ...

    def grow_string(self, piece: str) -> None:
        """The string, which is shown, goes on."""

    def complete(self, text: str) -> bool:
        """The value that had begun is complete: its JSON. Gives whether it is shown."""
        ...

    def end(self) -> bool:
        """The object or array is complete. Gives whether `complete` is to be told of it."""
        ...

    def chosen_sink(self) -> Sink | None:
        """Who is told of this object instead, from its first name on; `None` if that is not clear yet."""


class JsonStream:
    """See the module's docstring."""

    def __init__(self, sink: Sink) -> None:
        self._buffer = StringIO()
        self._unbuffered: list[str] = []  # what has come and is not in it yet
        self._text = ""  # what is being read: the last piece, behind what was left of those before
        self._offset = 0  # where it starts
        self._position = 0  # how much of it has been read
        self.has_changed: bool = False
        """Whether the last piece changed what is shown."""
        self.seek(sink)

    def seek(self, sink: Sink) -> None:
        """Look for an object or array, from where the text has been read, and tell a sink of it."""
        self._sink = sink  # who is told of what is next
        self.has_content: bool = False
        """Whether there is anything to see but empty objects and arrays."""
        self.outermost_json: str | None = None
        """The JSON of the object or array that was found, once it is complete."""
        self._open_containers: list[tuple[int, str, Sink]] = []  # start, opening and outer sink of each
        self._innermost = ""  # with what the innermost began
        self._expected = _ANYTHING
        self._start_of_string = 0
        self._string_is_shown = False
        self._name: list[str] | None = None  # the pieces of a name that is long or has escapes, while it is open

    def stop(self) -> None:
        """Read nothing more."""
        self.outermost_json = None
        self._open_containers = []
        self._expected = _WHATEVER

    @property
    def text(self) -> str:
        """All that came."""
        return self._text_from(0)

    @property
    def is_open(self) -> bool:
        """Whether an object or array has begun and not ended."""
        return bool(self._open_containers)

    def _text_since(self, start: int) -> str:
        """The text from a position to where it has been read."""
        return self._text_from(start, self._offset + self._position - start)

    def _text_from(self, start: int, length: int = -1) -> str:
        self._buffer.writelines(self._unbuffered)
        self._unbuffered.clear()
        self._buffer.seek(start)
        text = self._buffer.read(length)
        self._buffer.seek(0, SEEK_END)
        return text

    def feed(self, delta: str) -> None:
        """Take in more text. Raises `JsonSyntaxError`; then `seek` may go on behind what is wrong."""
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

    # -- what patterns find -------------------------------------------------------------------------------------------

    def _read_ignored(self, found: re.Match[str]) -> None:
        """What comes when nothing is read any more."""

    def _read_opening(self, found: re.Match[str]) -> None:
        if len(self._open_containers) == MAX_DEPTH:
            raise JsonSyntaxError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        self._innermost = found["opening"]
        self._open_containers.append((self._offset + self._position - 1, self._innermost, self._sink))
        self._expected = _FIRST[self._innermost]
        self._switch_sink(self._sink.begin_container(self._innermost))

    def _read_closing(self, found: re.Match[str]) -> None:
        start, _, outer = self._open_containers.pop()
        needs_value = self._sink.end()
        self._sink = outer
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
        self._note_value(self._sink.add_scalar(token))

    def _read_piece(self, found: re.Match[str]) -> None:
        """The beginning of a string."""
        self._expected = _STRING
        self._string_is_shown = self._sink.begin_string(found["piece"])
        if self._string_is_shown:
            self.has_changed = self.has_content = True
        if self._sink.needs_whole_string:
            self._start_of_string = self._offset + found.start("piece") - 1

    def _read_closed(self, found: re.Match[str]) -> None:
        """A whole string."""
        self._read_piece(found)
        self._end_string()

    def _read_rest(self, found: re.Match[str]) -> None:
        """More of a string, or of a name."""
        self._grow(found["rest"])

    def _read_end(self, found: re.Match[str]) -> None:
        """The rest of a string, or of a name."""
        self._grow(found["rest"])
        self._end_string()

    def _read_quote(self, found: re.Match[str]) -> None:
        """The end of a string, or of a name."""
        self._end_string()

    def _read_escaped(self, found: re.Match[str]) -> None:
        """A piece of a string, or of a name, that has escapes, which stay whole."""
        self._grow(_decode_json(f'"{found["escaped"]}"')[0])

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

    # -- what was read ------------------------------------------------------------------------------------------------

    def _switch_sink(self, sink: Sink) -> None:
        """Tell another sink of what is next."""
        self._sink = sink
        if sink.value is not None:
            self.has_changed = True

    def _grow(self, piece: str) -> None:
        if self._name is not None:
            self._name.append(piece)
        elif self._string_is_shown:
            self._sink.grow_string(piece)
            self.has_changed = True

    def _end_string(self) -> None:
        if self._name is not None:
            name, self._name = "".join(self._name), None
            self._expected = _COLON
            self._add_key(name)
            return
        self._expected = _NEXT[self._innermost]
        if self._sink.needs_whole_string:
            self._note_value(self._sink.complete(self._text_since(self._start_of_string)))

    def _note_value(self, has_content: bool) -> None:
        """The sink was told of a value."""
        if has_content:
            self.has_changed = self.has_content = True
        elif self._sink.is_undecided:
            self._switch_to_chosen_sink()

    def _add_key(self, name: str) -> bool:
        """The name of the next value. Gives whether the object is read again."""
        return self._sink.add_key(name) and self._switch_to_chosen_sink()

    def _switch_to_chosen_sink(self) -> bool:
        """Read an object again from its first name, if it is clear now who is told of it."""
        sink = self._sink.chosen_sink()
        if sink is None:
            return False
        start = self._open_containers[-1][0]
        self._text, self._offset, self._position = self._text_from(start), start, 1
        self._expected = _FIRST["{"]
        self._switch_sink(sink)
        return True

    # -- what no pattern finds: true if there was something, false if it needs more text ------------------------------

    def _read_unusual(self) -> bool:
        """Half an escape; a comma, or a name, before what no pattern finds; or an error."""
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
        """What is no whole escape: half of a surrogate pair, the start of an escape, or wrong."""
        text, at = self._text, self._position
        code = _UNICODE_ESCAPE.match(text, at)
        if _PARTIAL_ESCAPE.match(text, at if code is None else at + 6) is not None:
            return False
        if code is None:
            raise self._error("an escape, and no control character, in a string")
        self._position += 6
        self._grow(chr(int(code[1], 16)))
        return True

    def _error(self, expected: str) -> JsonSyntaxError:
        found = self._text[self._position : self._position + 20]
        return JsonSyntaxError(f"Expected {expected} at character {self._offset + self._position}, found {found!r}.")


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
