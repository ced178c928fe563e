"""The one place that knows how a transport looks from inside: transports that answer from memory, and step by step.

Their form is that of `mirascope_like.transport.Transport`, which docs/transports.md lets users write. If that form
changes, this file changes with it, and no other file of the guards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio


@dataclass(frozen=True)
class Sent:
    """A request as the transport got it."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        headers = sorted(f"{name}: {value}" for name, value in self.headers.items())
        return "\n".join([self.url, *headers, self.body.decode()])


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


@dataclass
class Source:
    """The body of a streamed response. It brings what is `put` into it, raises the errors among it, and ends at `None`.

    `waits` says whether a reader may wait for more; in blocking code it must not, since nobody would wake it.
    """

    waits: bool
    closed: int = 0
    read_after_close: bool = False
    ended: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    items: deque[bytes | Exception | None] = field(default_factory=deque)
    _arrived: anyio.Event | None = None

    def put(self, *items: bytes | Exception | None) -> None:
        self.items.extend(items)
        self.ended = self.ended or not isinstance(items[-1], bytes)
        if self._arrived is not None:
            self._arrived.set()

    async def next(self) -> bytes | None:
        self.read_after_close = self.read_after_close or bool(self.closed)
        while not self.items:
            assert self.waits, "a blocking reader would wait for ever"
            self._arrived = anyio.Event()
            await self._arrived.wait()
        item = self.items[0]
        if item is not None:
            self.items.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    async def close(self) -> None:
        self.closed += 1


class StepwiseTransport:
    """Opens the source that `opened` returns for each request, or raises what it raises."""

    def __init__(self, opened: Callable[[], Source]) -> None:
        self._opened = opened

    def blocking(self) -> StepwiseTransport:
        return self

    def native(self) -> StepwiseTransport:
        return self

    async def open(self, request: Sent) -> Source:
        return self._opened()

    async def post(self, request: Sent) -> _Whole:
        raise AssertionError("a stream was asked for")
