"""Values of half-received text.

A `GrowingValue` is fed text as it comes and is the same object all the time, filled in place: each piece costs time in
proportion to its own length, however much there is already. What is shown of a value is said in `shapes`. When the
JSON is complete the whole is validated, and the last thing to be had is what `Format.parse` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from typing_extensions import TypeVar

from ..errors import ParseError
from .formats import Format
from .frames import RootContainer
from .json_stream import JsonStream, JsonSyntaxError
from .kinds import plan_for
from .objects import EnvelopePlan
from .reading import is_closed_json

__all__ = ["GrowingValue"]

F = TypeVar("F", default=Any)


class GrowingValue(Generic[F]):
    """The value of a format while its text arrives."""

    def __init__(self, format: Format[F]) -> None:
        self._format = format
        self._plan = EnvelopePlan(plan_for(format.formattable))
        self._root = RootContainer(self._plan)
        self._stream = JsonStream(self._root)
        self._is_final = False
        self._value: Any = None
        self._parsed_json = ""  # its JSON, where that was found

    @property
    def value(self) -> Any:
        """The value so far, filled further by later pieces; `None` while there is nothing."""
        return self._value if self._is_final else self._root.slots[0]

    def feed(self, delta: str) -> Sequence[Any]:
        """Take in a piece of text. Gives the value if the piece changed it, else nothing."""
        stream = self._stream
        try:
            stream.feed(delta)
        except JsonSyntaxError:
            self._skip_prose()
        if stream.outermost_json is not None and self._parse_outermost():
            return (self._value,)
        return (self._root.slots[0],) if stream.has_changed else ()

    def end(self) -> Sequence[Any]:
        """The text has ended. Gives the value if it is not what was shown last: it may stand there alone, as a number
        does, or further on, behind JSON that fits as well."""
        text = self._stream.text
        if text.strip() == self._parsed_json or (self._stream.is_open and not is_closed_json(text)):
            return ()  # it is known, or broken off; what is open in a closed text was none, as a brace in a string
        was_final, has_content = self._is_final, self._value
        return (self._value,) if self._parse(text) and not (was_final and self._value == has_content) else ()

    def _skip_prose(self) -> None:
        """What turns out not to be JSON was prose, as long as nothing came of it: read on behind it."""
        while not self._stream.has_content:
            self._root = RootContainer(self._plan)
            self._stream.seek(self._root)
            try:
                return self._stream.feed("")
            except JsonSyntaxError:
                pass
        self._stream.stop()

    def _parse_outermost(self) -> bool:
        """The outermost value is all there. If it is of another type, it was prose too."""
        while (text := self._stream.outermost_json) is not None:
            if self._parse(text):
                self._parsed_json = text
                return True
            self._skip_prose()
        return False

    def _parse(self, text: str) -> bool:
        try:
            self._value = self._format.parse(text)
        except ParseError:
            return False
        self._is_final = True
        self._stream.stop()
        return True
