"""A transport that responds from memory, for tests, examples and demos.

You pass a function that maps a request to an `HttpReply` (whole) or to the pieces of a body (streamed). It opens and
awaits nothing, so one channel serves sync and async calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .base import HttpReply, HttpRequest


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """A body that arrives in pieces. After the last, the stream raises `error`, if there is one."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    error: Exception | None = None


class MemoryTransport:
    """Responds to each request with what `respond` returns for it; its exceptions propagate."""

    def __init__(self, respond: Callable[[HttpRequest], HttpReply | StreamedBody]) -> None:
        self._respond = respond

    def blocking(self) -> MemoryTransport:
        """See `Transport`."""
        return self

    def native(self) -> MemoryTransport:
        """See `Transport`."""
        return self

    async def post(self, request: HttpRequest) -> HttpReply:
        """See `Channel`."""
        reply = self._respond(request)
        if isinstance(reply, HttpReply):
            return reply
        if reply.error is not None:
            raise reply.error
        return HttpReply(reply.status, reply.headers, b"".join(reply.pieces))

    async def open(self, request: HttpRequest) -> _MemoryStream:
        """See `Channel`."""
        reply = self._respond(request)
        if isinstance(reply, HttpReply):
            reply = StreamedBody([reply.body], reply.status, reply.headers)
        return _MemoryStream(reply)


class _MemoryStream:
    cancel_safe = True
    loop_bound = False

    def __init__(self, reply: StreamedBody) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._error = reply.error
        self._pieces = iter(reply.pieces)

    async def next(self) -> bytes | None:
        piece = next(self._pieces, None)
        if piece is None and self._error is not None:
            raise self._error
        return piece

    async def close(self) -> None:
        self._pieces = iter(())
