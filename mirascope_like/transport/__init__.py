"""Bytes out, bytes in: the narrow waist between the engine and the world.

A transport knows no protocol and no message. It has two faces, one a colour, and both speak the same `Channel`:

* `Transport.blocking()` gives a channel whose coroutines do ordinary blocking calls and therefore **never suspend**;
  the engine's `run` steps them to the end without an event loop.
* `Transport.native()` gives a channel whose coroutines really await, under asyncio or trio. It is asked for inside
  the running loop, and whatever it holds (sockets, clients) belongs to that loop alone: no client is shared by two
  loops.

Failures are raised as the library's own errors: `errors.ConnectionError` when no connection could be had or it broke,
`errors.TimeoutError` when the server was silent for longer than `HttpRequest.timeouts`. HTTP error statuses are *not*
failures here: they are returned, and the engine reads them.

A wrapper (recording, fault injection, limits) is a transport that wraps another's channels, written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

__all__ = ["ByteStream", "Channel", "HttpReply", "HttpRequest", "SentRequest", "Timeouts", "Transport"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may be silent, in seconds: until there is a connection, and then between two signs of life.
    `None` leaves it to the transport."""

    connect: float | None = None
    read: float | None = None


class SentRequest(Protocol):
    """A request as an HTTP client sent it."""

    @property
    def url(self) -> object:
        """The URL; `str` gives its text."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers, those that the client added too."""
        ...


@dataclass(slots=True)
class HttpRequest:
    """One POST of a JSON body.

    `url` is absolute; `body` is UTF-8 JSON text. A transport over a client of the user's sets `sent` to what the client
    makes of this: servers may repeat secrets that only the client knows, and errors must not show them.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeouts: Timeouts = Timeouts()
    sent: SentRequest | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class HttpReply:
    """A whole answer. Headers are looked up by names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ByteStream(Protocol):
    """An answer whose body is still arriving. Headers are looked up by names in lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def next(self) -> bytes | None:
        """The next bytes of the body, as they come; `None` after the last."""
        ...

    async def close(self) -> None:
        """Free the connection. Safe to call at any time, and twice. Unread bytes are given up."""
        ...


class Channel(Protocol):
    """What the engine uses to reach a server, in one colour."""

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole answer."""
        ...

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return as soon as status and headers are there."""
        ...


@runtime_checkable
class Transport(Protocol):
    """A way to a server: see the module's docstring."""

    def blocking(self) -> Channel:
        """A channel whose coroutines never suspend."""
        ...

    def native(self) -> Channel:
        """A channel for the event loop that is running now."""
        ...
