"""Partial values of structured output, while its text streams in.

Feed text to a `PartialValueParser`. Its value is one object that is filled in place, so each piece takes time in
proportion to its own length, however much came before. `type_plans` has the rules for partial values. Complete JSON is
validated, and the last value is the one that `Format.parse` returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from typing_extensions import TypeVar

from ...errors import ParseError
from ..formats import Format
from ..json_extract import is_closed_json
from .containers import RootContainer
from .json_stream import JsonStream, JsonSyntaxError
from .object_plans import EnvelopePlan
from .type_dispatch import plan_for

F = TypeVar("F", default=Any)


class PartialValueParser(Generic[F]):
    """Parses the partial value of a format while its text arrives."""

    def __init__(self, format: Format[F]) -> None:
        self._format = format
        self._plan = EnvelopePlan(plan_for(format.formattable))
        self._root = RootContainer(self._plan, self._format.dialect)
        self._stream = JsonStream(self._root)
        self._is_final = False
        self._value: Any = None
        self._parsed_json = ""  # the JSON that was parsed into the final value

    @property
    def value(self) -> Any:
        """The value so far, which later pieces fill further; `None` while there is nothing."""
        return self._value if self._is_final else self._root.slots[0]

    def feed(self, delta: str) -> Sequence[Any]:
        """Read a piece of text. Return the value in a list if the piece changed it, else an empty one."""
        stream = self._stream
        try:
            stream.feed(delta)
        except JsonSyntaxError:
            self._skip_prose()
        if stream.outermost_json is not None and self._parse_outermost():
            return (self._value,)
        return (self._root.slots[0],) if stream.has_changed else ()

    def end(self) -> Sequence[Any]:
        """Read the end of the text. Return the value if it differs from the one shown last: it may be a bare value such
        as a number, or stand behind other JSON that also fits."""
        text = self._stream.text
        if text.strip() == self._parsed_json or (self._stream.is_open and not is_closed_json(text)):
            return ()  # parsed already, or cut off; an open brace in a text that ends like JSON is part of a string
        was_final, previous_value = self._is_final, self._value
        return (self._value,) if self._parse(text) and not (was_final and self._value == previous_value) else ()

    def _skip_prose(self) -> None:
        """Read on behind text that is not JSON. It was prose, as long as no content was shown from it."""
        while not self._stream.has_content:
            self._root = RootContainer(self._plan, self._format.dialect)
            self._stream.seek(self._root)
            try:
                return self._stream.feed("")
            except JsonSyntaxError:
                pass
        self._stream.stop()

    def _parse_outermost(self) -> bool:
        """Parse the complete outermost value. If it does not fit the type, it was prose too."""
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
