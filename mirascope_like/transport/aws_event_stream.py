"""Convert Amazon's binary event stream (`application/vnd.amazon.eventstream`) to server-sent events.

A message is: total length, length of headers, checksum of these two; headers; payload; checksum of all before it.
A header is: length of name, name, type, value. The integers are big-endian. In Bedrock's messages, the payload of an
event is JSON whose "bytes" is one of the model's own events in base64; that of an exception is JSON with a "message".
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from .. import errors
from .base import ByteStream

_PRELUDE = struct.Struct(">II")
_CHECKSUM = struct.Struct(">I")
# Amazon's own limit on one message, in bytes. A larger one is not a message of this format.
_MAX_MESSAGE_BYTES = 24 * 1024 * 1024
# Size in bytes of a header's value by type; values of types 6 (bytes) and 7 (text) begin with their length.
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_TEXT_TYPE = 7
# Amazon's error type → Anthropic's.
_ERROR_TYPES = {
    "internalServerException": "api_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}


class AWSByteStream:
    """Reads a stream of Amazon's messages as server-sent events."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._decoder = EventStreamDecoder()
        self.status: int = stream.status
        self.headers: Mapping[str, str] = {**stream.headers, "content-type": "text/event-stream"}

    @staticmethod
    def can_read(stream: ByteStream) -> bool:
        """Return True if the stream has Amazon's content type."""
        return stream.headers.get("content-type", "").startswith("application/vnd.amazon.eventstream")

    async def next(self) -> bytes | None:
        """Return the next events; `None` after the last. Raises `ResponseValidationError` for a damaged message."""
        while (piece := await self._stream.next()) is not None:
            try:
                events = self._decoder.feed(piece)
            except errors.ResponseValidationError:
                await self.close()
                raise
            if events:
                return events
        return None

    async def close(self) -> None:
        """Free the connection."""
        await self._stream.close()


class EventStreamDecoder:
    """Decodes bytes, split anywhere, to the server-sent events that they complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """Return the events that `piece` completes. Raises `ResponseValidationError` for a damaged message."""
        self._buffer += piece
        events: list[bytes] = []
        while (message := self._take_message()) is not None:
            events.append(_encode_event(*message))
        return b"".join(events)

    def _take_message(self) -> tuple[dict[str, str], bytes] | None:
        buffer, start = self._buffer, _PRELUDE.size + _CHECKSUM.size
        if len(buffer) < start:
            return None
        total, headers = _PRELUDE.unpack_from(buffer)
        _verify_checksum(buffer, _PRELUDE.size)
        if not start + headers + _CHECKSUM.size <= total <= _MAX_MESSAGE_BYTES:
            raise errors.ResponseValidationError("A message of the event stream has an impossible length.")
        if len(buffer) < total:
            return None
        message = bytes(buffer[:total])
        del buffer[:total]
        end = total - _CHECKSUM.size
        _verify_checksum(message, end)
        return _parse_headers(message[start : start + headers]), message[start + headers : end]


def _verify_checksum(data: bytes | bytearray, size: int) -> None:
    """Check the checksum that follows `size` bytes."""
    (checksum,) = _CHECKSUM.unpack_from(data, size)
    if zlib.crc32(data[:size]) != checksum:
        raise errors.ResponseValidationError("A message of the event stream is damaged: its checksum is wrong.")


def _parse_headers(data: bytes) -> dict[str, str]:
    """Return the headers of type text; no others matter."""
    headers: dict[str, str] = {}
    try:
        while data:
            name, kind, data = data[1 : 1 + data[0]], data[1 + data[0]], data[2 + data[0] :]
            size = _FIXED_SIZES.get(kind)
            if size is None:
                size, data = int.from_bytes(data[:2], "big"), data[2:]
            if kind == _TEXT_TYPE:
                headers[name.decode()] = data[:size].decode()
            data = data[size:]
    except (IndexError, UnicodeDecodeError):
        raise errors.ResponseValidationError("A message of the event stream has broken headers.") from None
    return headers


def _encode_event(headers: dict[str, str], payload: bytes) -> bytes:
    if headers.get(":message-type") in ("exception", "error"):
        return _encode_error_event(headers, payload)
    try:
        wrapped = json.loads(payload).get("bytes")
        return b"data: %b\n\n" % base64.b64decode(wrapped) if wrapped else b""
    except (ValueError, AttributeError, TypeError) as exc:
        raise errors.ResponseValidationError(
            "A message of the event stream contains no event.", original_exception=exc
        ) from exc


def _encode_error_event(headers: dict[str, str], payload: bytes) -> bytes:
    code = headers.get(":exception-type") or headers.get(":error-code", "")
    try:
        message: Any = json.loads(payload)["message"]
    except (ValueError, KeyError, TypeError):
        message = headers.get(":error-message") or payload.decode(errors="replace") or code
    error = {"type": _ERROR_TYPES.get(code, code), "message": message}
    return b"event: error\ndata: %b\n\n" % json.dumps({"type": "error", "error": error}).encode()
