"""Server-sent events: bytes in, events out, however the bytes are cut.

Follows the parsing rules of the WHATWG HTML standard, section "Server-sent events": lines end with LF, CR or CR LF; a
byte-order mark at the start, comments and unknown fields are ignored; several `data` lines join with LF. One rule is
relaxed on purpose: an event that the end of the stream leaves without its blank line is delivered by `end`, since
some servers omit it. Whether the answer is then complete is for the decoder to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from ..values.chunks import Chunk
from . import MalformedResponseError, TruncatedStreamError, WireError
from .failures import SHAPE_ERRORS, make_malformed_error, raise_for_error
from .parsing import parse_json

__all__ = ["EventDecoder", "SSEParser"]

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n" + _BOM


class SSEParser:
    """An incremental parser. Work is linear in the bytes, also when one line comes in many pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has not ended yet
        self._after_cr = False  # the last line ended with CR: an LF that follows belongs to it
        self._is_start = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """The (event name, data) pairs that are complete with these bytes. The name is '' if there was none."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\n" not in data and b"\r" not in data:
            self._pieces.append(data)
            return []
        text = b"".join((*self._pieces, data))
        *lines, rest = _LINE_END.split(text) if b"\r" in text else text.split(b"\n")
        self._pieces = [rest]
        self._after_cr = not rest and data.endswith(b"\r")
        return self._parse_lines(lines)

    def end(self) -> list[tuple[str, str]]:
        """The event that the end of the stream cut short of its blank line, if any."""
        return self._parse_lines([b"".join(self._pieces), b""])

    def _parse_lines(self, lines: list[bytes]) -> list[tuple[str, str]]:
        events: list[tuple[str, str]] = []
        for line in lines:
            if self._is_start:
                self._is_start = False
                line = line.removeprefix(_BOM)
            if line:
                self._parse_field(line)
                continue
            if self._data:
                events.append((self._name, "\n".join(self._data)))
                self._data = []
            self._name = ""
        return events

    def _parse_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")


class EventDecoder:
    """Base of decoders of JSON over server-sent events: subclasses say what an event means and what ends a stream.

    `complete` is set by the subclass once the answer is known to be whole. Some servers answer with one JSON value
    though a stream was asked for, above all when they report a failure: it is read as the whole answer that it is.
    Events without data say nothing, unless their name does.
    """

    def __init__(self) -> None:
        self._sse = SSEParser()
        self.raw_events: list[str] = []
        self.is_complete = False
        self._has_begun = False
        self._body: list[bytes] | None = None  # of an answer that is no stream

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        chunks: list[Chunk] = []
        try:
            self.on_response(body, chunks)
        except SHAPE_ERRORS as error:
            raise make_malformed_error(body, error) from error
        return chunks

    def feed(self, data: bytes) -> list[Chunk]:
        """See `Decoder.feed`."""
        if not self._has_begun and (start := data.lstrip(_BLANK)):
            self._has_begun = True
            if start.startswith((b"{", b"[")):
                self._body, data = [], start
        if self._body is not None:
            self._body.append(data)
            return []
        chunks: list[Chunk] = []
        self._decode_events(self._sse.feed(data), chunks)
        return chunks

    def end(self) -> list[Chunk]:
        """See `Decoder.end`."""
        if self._body is not None:
            self.raw_events.append(b"".join(self._body).decode("utf-8", "replace"))
            return self.decode(self.parse_event(self.raw_events[0]))
        chunks: list[Chunk] = []
        try:
            self._decode_events(self._sse.end(), chunks)
        except MalformedResponseError as error:
            # Half an event: the cut, not the server, made it so.
            raise _attach_chunks(TruncatedStreamError("the last event is cut off"), error.chunks) from None
        self.on_end(chunks)
        if not self.is_complete:
            reason = "the connection closed before the answer was announced complete"
            raise _attach_chunks(TruncatedStreamError(reason), chunks)
        return chunks

    def _decode_events(self, events: list[tuple[str, str]], chunks: list[Chunk]) -> None:
        try:
            for name, text in events:
                self.raw_events.append(text)
                if not text.strip() and name != "error":
                    continue
                self.on_event(name, text, chunks)
        except WireError as error:
            raise _attach_chunks(error, chunks) from error.__cause__
        except SHAPE_ERRORS as error:
            raise _attach_chunks(make_malformed_error(self.raw_events[-1], error), chunks) from error

    def on_event(self, name: str, text: str, chunks: list[Chunk]) -> None:
        """Append what an event says to `chunks`."""
        raise NotImplementedError

    def on_response(self, body: Any, chunks: list[Chunk]) -> None:
        """Append all that a whole answer says to `chunks`."""
        raise NotImplementedError

    def on_end(self, chunks: list[Chunk]) -> None:
        """The bytes have ended: append what is still owed, and set `complete` if the answer is whole after all."""

    @staticmethod
    def parse_event(text: str) -> dict[str, Any]:
        """The JSON object of an event's data; `MalformedResponseError` if it is none, but for a list that tells of an
        error."""
        try:
            value = parse_json(text.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise MalformedResponseError("an event is no JSON", text) from error
        if not isinstance(value, dict):
            raise_for_error(value)
            raise MalformedResponseError("an event is no JSON object", text)
        return cast("dict[str, Any]", value)


def _attach_chunks(error: WireError, chunks: Sequence[Chunk]) -> WireError:
    error.chunks = chunks
    return error
