"""Parses server-sent events, whichever way the bytes are split.

Follows the parsing rules of the WHATWG HTML standard, section "Server-sent events": lines end with LF, CR or CR LF; a
byte-order mark at the start, comments and unknown fields are ignored; several `data` lines join with LF. One rule is
relaxed on purpose: a last event without its blank line is returned by `end`, since some servers omit that line. The
decoder decides whether the response is then complete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from ..types.chunks import Chunk, FinishReason, FinishReasonChunk, RawMessageChunk, ResponseInfoChunk
from .codec import JsonObject, MalformedResponseError, TruncatedStreamError, WireError
from .error_bodies import SHAPE_ERRORS, make_malformed_error, raise_for_error
from .json_parsing import parse_json
from .part_writer import PartWriter
from .tool_calls import UniqueIds

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n" + _BOM


class SSEParser:
    """An incremental parser. Work is linear in the bytes, even if one line comes in many pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has not ended yet
        self._after_cr = False  # the last line ended with CR: an LF that follows belongs to it
        self._is_start = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Return the (event name, data) pairs that these bytes complete. The name is '' if there was none."""
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
        """Return the last event if the stream ended without its blank line."""
        return self._parse_lines([b"".join(self._pieces), b""])

    def _parse_lines(self, lines: list[bytes]) -> list[tuple[str, str]]:
        if self._is_start:
            self._is_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[tuple[str, str]] = []
        for line in lines:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            elif name == b"event":
                self._name = value.removeprefix(b" ").decode("utf-8", "replace")
            elif not line:
                if self._data:
                    events.append((self._name, "\n".join(self._data)))
                    self._data = []
                self._name = ""
        return events


class EventDecoder:
    """Base of decoders of JSON over server-sent events: subclasses define what an event means and what ends a stream.

    The subclass sets `is_complete` once the response is known to be complete. Some servers send one JSON value though a
    stream was requested, mostly to report an error: it is decoded as a non-streamed response. Events without data are
    ignored, unless they are named "error". `id_prefix` begins the ids of tool calls that have none.
    """

    def __init__(self, id_prefix: str = "call_") -> None:
        self._sse: SSEParser | None = None  # once the first bytes have come
        self.raw_events: list[str] = []
        self.is_complete: bool = False
        self.writer: PartWriter = PartWriter(UniqueIds(id_prefix))
        self.info: tuple[str | None, str | None] = (None, None)
        self._has_begun = False
        self._body: list[bytes] | None = None  # of a response that is not a stream

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        try:
            self.on_response(body)
        except SHAPE_ERRORS as error:
            raise make_malformed_error(body, error) from error
        return self.writer.take_chunks()

    def feed(self, data: bytes) -> list[Chunk]:
        """See `Decoder.feed`."""
        if not self._has_begun and (start := data.lstrip(_BLANK)):
            self._has_begun = True
            if start.startswith((b"{", b"[")):
                self._body, data = [], start
        if self._body is not None:
            self._body.append(data)
            return []
        if self._sse is None:
            self._sse = SSEParser()
        self._decode_events(self._sse.feed(data))
        return self.writer.take_chunks()

    def end(self) -> list[Chunk]:
        """See `Decoder.end`."""
        if self._body is not None:
            self.raw_events.append(b"".join(self._body).decode("utf-8", "replace"))
            return self.decode(self.parse_event(self.raw_events[0]))
        try:
            self._decode_events(self._sse.end() if self._sse is not None else [])
        except MalformedResponseError as error:
            # The event is incomplete because the connection closed, not because the server sent it so.
            raise _attach_chunks(TruncatedStreamError("the last event is cut off"), error.chunks) from None
        self.on_end()
        if not self.is_complete:
            reason = "the connection closed before the server marked the response as complete"
            raise _attach_chunks(TruncatedStreamError(reason), self.writer.take_chunks())
        return self.writer.take_chunks()

    def _decode_events(self, events: list[tuple[str, str]]) -> None:
        try:
            for name, text in events:
                self.raw_events.append(text)
                if not text.strip() and name != "error":
                    continue
                self.on_event(name, text)
        except WireError as error:
            raise _attach_chunks(error, self.writer.take_chunks()) from error.__cause__
        except SHAPE_ERRORS as error:
            malformed = make_malformed_error(self.raw_events[-1], error)
            raise _attach_chunks(malformed, self.writer.take_chunks()) from error

    def on_event(self, name: str, text: str) -> None:
        """Write the chunks of an event."""
        raise NotImplementedError

    def on_response(self, body: Any) -> None:
        """Write the chunks of a non-streamed response."""
        raise NotImplementedError

    def on_end(self) -> None:
        """Handle the end of the bytes: write what is still missing, and set `is_complete` if the response is
        complete."""

    def note_info(self, id: str | None, model: str | None) -> None:
        """Write the provider's id of the response and its name of the model, where they are given and new."""
        info = (id or self.info[0], model or self.info[1])
        if info != self.info:
            self.info = info
            self.writer.write(ResponseInfoChunk(*info))

    def complete(self, reason: FinishReason | None, raw_reason: str | None, message: JsonObject | list[Any]) -> None:
        """Mark the response as complete: write why it ended, and the message in the provider's own form."""
        self.writer.write(FinishReasonChunk(reason, raw_reason))
        self.writer.write(RawMessageChunk(message))
        self.is_complete = True

    @staticmethod
    def parse_event(text: str) -> dict[str, Any]:
        """Return the JSON object of an event's data. Raises `MalformedResponseError` if it is none, and `ReportedError`
        for a list that reports an error."""
        try:
            value = parse_json(text.encode())
        except (ValueError, RecursionError) as error:
            raise MalformedResponseError("an event is not JSON", text) from error
        if not isinstance(value, dict):
            raise_for_error(value)
            raise MalformedResponseError("an event is not a JSON object", text)
        return cast("dict[str, Any]", value)


def _attach_chunks(error: WireError, chunks: Sequence[Chunk]) -> WireError:
    error.chunks = chunks
    return error
