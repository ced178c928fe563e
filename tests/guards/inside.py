"""The one place that knows how a transport looks from inside: a transport that answers from memory.

Its form is that of `mirascope_like.transport.Transport`, which docs/transports.md lets users write. If that form changes,
this file changes with it, and no other file of the guards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """A request as the transport got it."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Reply:
    """A response: `pieces` is its body in the pieces in which a stream brings it."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Whole:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Stream:
    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = reply.headers or {}
        self._pieces: Iterator[bytes] = iter(reply.pieces)

    async def next(self) -> bytes | None:
        return next(self._pieces, None)

    async def close(self) -> None:
        self._pieces = iter(())


class MemoryTransport:
    """Answers each request with what `answer` returns for it. It never waits, so one object serves sync and async."""

    def __init__(self, answer: Callable[[Sent], Reply]) -> None:
        self._answer = answer

    def blocking(self) -> MemoryTransport:
        return self

    def native(self) -> MemoryTransport:
        return self

    async def post(self, request: Sent) -> _Whole:
        reply = self._replied(request)
        return _Whole(reply.status, reply.headers or {}, b"".join(reply.pieces))

    async def open(self, request: Sent) -> _Stream:
        return _Stream(self._replied(request))

    def _replied(self, request: Sent) -> Reply:
        return self._answer(Sent(request.url, dict(request.headers), bytes(request.body)))
