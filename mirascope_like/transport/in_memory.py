"""A transport that responds from memory, for tests, examples and demos.

You pass a function that maps a request to an `HttpReply` (whole) or to the pieces of a body (streamed). It opens and
awaits nothing, so one channel serves sync and async calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .base import HttpReply, HttpRequest

__all__ = ["MemoryTransport", "Pieces"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A body that arrives in pieces. After the last, the stream raises `error`, if there is one."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    error: Exception | None = None


class MemoryTransport:
    """Responds to each request with what `answer` returns for it; exceptions of `answer` propagate."""

    def __init__(self, answer: Callable[[HttpRequest], HttpReply | Pieces]) -> None:
        self._answer = answer

    def blocking(self) -> MemoryTransport:
        """See `Transport`."""
        return self

    def native(self) -> MemoryTransport:
        """See `Transport`."""
        return self

    async def post(self, request: HttpRequest) -> HttpReply:
        """See `Channel`."""
        answer = self._answer(request)
        if isinstance(answer, HttpReply):
            return answer
        if answer.error is not None:
            raise answer.error
        return HttpReply(answer.status, answer.headers, b"".join(answer.pieces))

    async def open(self, request: HttpRequest) -> _MemoryStream:
        """See `Channel`."""
        answer = self._answer(request)
        if isinstance(answer, HttpReply):
            answer = Pieces([answer.body], answer.status, answer.headers)
        return _MemoryStream(answer)


class _MemoryStream:
    def __init__(self, answer: Pieces) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._error = answer.error
        self._pieces = iter(answer.pieces)

    async def next(self) -> bytes | None:
        piece = next(self._pieces, None)
        if piece is None and self._error is not None:
            raise self._error
        return piece

    async def close(self) -> None:
        self._pieces = iter(())
