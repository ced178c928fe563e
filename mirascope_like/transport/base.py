"""The interfaces between the engine and HTTP: a transport sends bytes to a server and receives bytes.

A transport knows no wire protocol and no messages. It provides a sync and an async API, both of type `Channel`:

* `Transport.blocking()` returns a channel whose coroutines make ordinary blocking calls and therefore **never
  suspend**; the engine's `run` steps them to the end without an event loop.
* `Transport.native()` returns a channel whose coroutines really await, under asyncio or trio. The engine calls it in
  the running loop, and all that the channel holds (sockets, clients) belongs to that loop: no two loops share a client.

Failures raise the library's own errors: `errors.ConnectionError` if connecting failed or the connection broke,
`errors.TimeoutError` if the server was silent for longer than `HttpRequest.timeouts`. HTTP error statuses are *not*
failures here: the channel returns them, and the engine reads them.

A wrapper (recording, fault injection, limits) is a transport that wraps another's channels, written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Maximum seconds to connect, and maximum seconds without data after that. `None` means the transport's default."""

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
        """All headers, including those that the client added."""
        ...


@dataclass(slots=True)
class HttpRequest:
    """One POST of a JSON body.

    `url` is absolute; `body` is UTF-8 JSON text. A transport over the user's client sets `sent` to the request as the
    client sends it: servers may repeat secrets that only the client knows, and errors must not show them.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeouts: Timeouts = Timeouts()
    sent: SentRequest | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class HttpReply:
    """A whole response. Look headers up by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ByteStream(Protocol):
    """A response whose body is still arriving. Look headers up by lower-case names.

    If it has an attribute `cancel_safe` that is true, `next` can be called again after a call of it was cancelled, and
    nothing is lost. If it has an attribute `loop_bound` that is false, it can be read in any event loop.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def next(self) -> bytes | None:
        """Return the next bytes of the body as they arrive; `None` after the last."""
        ...

    async def close(self) -> None:
        """Free the connection and discard unread bytes. Safe to call at any time, and twice."""
        ...


class Channel(Protocol):
    """Sends the engine's requests to a server, either by blocking calls or asynchronously."""

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        ...

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return once status and headers have arrived."""
        ...


@runtime_checkable
class Transport(Protocol):
    """Provides channels to a server; see the module's docstring."""

    def blocking(self) -> Channel:
        """Return a channel whose coroutines never suspend."""
        ...

    def native(self) -> Channel:
        """Return a channel for the running event loop."""
        ...
