"""Channels over a client of `httpx2`, or of the legacy `httpx`, which has the same interface.

This module imports neither. The transport supplies the clients and manages their lifetime.

* Closing a response before its end closes its connection, which is never reused.
* Redirects are not followed, even if the client would: another host must not see the key.
* The client's `auth` is not applied to a request that has an `Authorization` header, which it would replace.
* `translate_exception` is the one place that translates the client's exceptions.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .. import errors
from . import connection_errors
from .base import ByteStream, HttpReply, HttpRequest
from .httpx_internals import iterate_body, response_stream, shut_down

if TYPE_CHECKING:
    import httpx2

# Seconds. A model may think for minutes before its first byte; a running server answers a handshake at once.
READ_TIMEOUT = 600.0
CONNECT_TIMEOUT = 10.0
# Seconds that an idle connection is kept: useful between the turns of a conversation, and shorter than the idle time
# after which middleboxes drop a connection silently.
KEEPALIVE_TIMEOUT = 60.0
# Seconds. The timeout of a client that was created without one: too short for a model, and nobody chose it.
_HTTPX_DEFAULT_TIMEOUT = 5.0
# Seconds that closing a connection may take before it is dropped.
_CLOSE_TIMEOUT = 5.0


class BlockingSender(Protocol):
    """Sends requests for a `BlockingChannel`."""

    def __call__(self, request: HttpRequest, *, stream: bool) -> httpx2.Response:
        """Return the response of `httpx2`, or of the legacy `httpx`; read to its end unless `stream` is true."""
        ...


class BlockingChannel:
    """A channel over a function that sends by a client of the httpx family."""

    def __init__(self, send: BlockingSender) -> None:
        self._send = send

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        try:
            return make_reply(self._send(request, stream=False))
        except BaseException as exc:
            error = translate_exception(exc, request)
        raise error

    async def open(self, request: HttpRequest) -> BlockingByteStream:
        """Send the request and return once status and headers have arrived."""
        try:
            return BlockingByteStream(self._send(request, stream=True), request, self._send)
        except BaseException as exc:
            error = translate_exception(exc, request)
        raise error


def make_client_sender(client: httpx2.Client) -> BlockingSender:
    """Return a sender over an `httpx2.Client` or a legacy `httpx.Client`."""

    def send(request: HttpRequest, *, stream: bool) -> httpx2.Response:
        return client.send(_build_request(client, request), stream=stream, **_send_options(client, request))

    return send


class ClientPool(Protocol):
    """Supplies HTTP clients to a `NativeChannel`."""

    def acquire(self, url: str) -> httpx2.AsyncClient:
        """Return a client for one request: an `httpx2.AsyncClient`, or a legacy `httpx.AsyncClient`."""
        ...

    async def release(self, client: httpx2.AsyncClient) -> None:
        """Return the client to the pool when that request is over."""
        ...


class NativeChannel:
    """A channel over the clients of a pool."""

    def __init__(self, pool: ClientPool) -> None:
        self._pool = pool
        if "trio" in sys.modules:
            _defer_ctrl_c()

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        return await read_reply(await self.open(request))

    async def open(self, request: HttpRequest) -> NativeByteStream:
        """Send the request and return once status and headers have arrived."""
        client = self._pool.acquire(request.url)
        release = functools.partial(self._pool.release, client)
        try:
            response = await client.send(_build_request(client, request), stream=True, **_send_options(client, request))
            return NativeByteStream(response, request, self._pool, release)
        except BaseException as exc:
            error = translate_exception(exc, request)
        await release()
        raise error


@functools.cache
def _defer_ctrl_c() -> None:
    """Raise `KeyboardInterrupt` under trio only where the client waits, as under asyncio. Otherwise trio raises it
    anywhere in the main task, even while a client updates its list of connections, which are then never closed."""
    import trio

    for method in (NativeChannel.post, NativeChannel.open, NativeByteStream.next, NativeByteStream.close):
        trio.lowlevel.enable_ki_protection(method)


class _ResponseStream:
    """What the sync and async byte streams share: the response, and the reason why it can no longer be read.

    The stream keeps `owner`, whose garbage collection would close the connection.
    """

    def __init__(self, response: httpx2.Response, request: HttpRequest, owner: object) -> None:
        self._response = response
        self._request = request
        self._owner = owner
        self._failure: Exception | None = None
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers.items())

    def _raise_if_closed(self) -> None:
        if self._failure is not None:
            raise self._failure


class BlockingByteStream(_ResponseStream):
    """Reads the body of a streamed `httpx2.Response` by blocking calls.

    A forked process that closes its copy of the stream leaves the connection to its parent.
    """

    def __init__(self, response: httpx2.Response, request: HttpRequest, owner: object) -> None:
        super().__init__(response, request, owner)
        self._pid = os.getpid()
        self._pieces = response.iter_bytes()

    async def next(self) -> bytes | None:
        """Return the next bytes of the body, decompressed; `None` after the last. After an error, raise it again."""
        self._raise_if_closed()
        try:
            piece = next(self._pieces, None)
        except Exception as exc:
            error = translate_error(exc, self._request)
        except BaseException as exc:
            self._close_with(_stream_closed_error())
            exc.__traceback__ = None
            raise
        else:
            self._raise_if_closed()  # if another thread closed the stream, that can look like its end
            return piece
        raise self._close_with(error)

    async def close(self) -> None:
        """Free the connection. This wakes another thread that waits in `next`."""
        self._close_with(_stream_closed_error())

    def _close_with(self, reason: Exception) -> Exception:
        """Close the response for this reason, unless it is closed; return the reason that it was closed for."""
        if self._failure is None:
            self._failure = reason
            if os.getpid() == self._pid:
                _shut_down_connection(self._response)
            with contextlib.suppress(Exception):
                self._response.close()
        return self._failure


class NativeByteStream(_ResponseStream):
    """Reads the body of a streamed `httpx2.Response` under asyncio or trio."""

    def __init__(
        self,
        response: httpx2.Response,
        request: HttpRequest,
        owner: object,
        release: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(response, request, owner)
        self._pieces, self._raw = iterate_body(response)
        self._release = release

    async def next(self) -> bytes | None:
        """Return the next bytes of the body, decompressed; `None` after the last. After an error, raise it again."""
        self._raise_if_closed()
        try:
            piece = await anext(self._pieces, None)
        except Exception as exc:
            error = translate_error(exc, self._request)
        except BaseException as exc:
            await self._close_with(_stream_closed_error())
            exc.__traceback__ = None
            raise
        else:
            self._raise_if_closed()  # if another task closed the stream, that can look like its end
            if piece is None:
                await self._release_client()
            return piece
        raise await self._close_with(error)

    async def close(self) -> None:
        """Free the connection, even if the task is being cancelled."""
        await self._close_with(_stream_closed_error())

    async def _close_with(self, reason: Exception) -> Exception:
        """Close the response for this reason, unless it is closed; return the reason that it was closed for."""
        if self._failure is None:
            self._failure = reason
            if not self._response.is_closed:
                await close_quietly(self._response.aclose)
            await close_quietly(self._exhaust_generators)
            await self._release_client()
        return self._failure

    async def _release_client(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            await release()

    async def _exhaust_generators(self) -> None:
        """Run the client's nested generators to their end, which is immediate without a connection.

        If they were only dropped, the event loop would close each of them late, and trio warns of that.
        """
        for generator in (self._pieces, self._raw):
            while await anext(generator, None) is not None:
                pass


def _stream_closed_error() -> errors.StreamClosedError:
    return errors.StreamClosedError("This stream was closed; its unread data is lost.")


def _shut_down_connection(response: httpx2.Response) -> None:
    """Shut down the connection of an unfinished response: only closing its socket does not wake a thread that reads."""
    stream = None if response.is_closed else response_stream(response)
    if stream is not None:
        shut_down(stream)


async def close_quietly(close: Callable[[], Awaitable[object]]) -> None:
    """Await `close()` for at most 5 seconds, even if the task is cancelled, and ignore what it raises."""
    import anyio

    with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), contextlib.suppress(Exception):
        await close()


async def read_reply(stream: ByteStream) -> HttpReply:
    """Read a stream to its end and return it as a whole response."""
    pieces: list[bytes] = []
    while (piece := await stream.next()) is not None:
        pieces.append(piece)
    await stream.close()
    return HttpReply(stream.status, stream.headers, b"".join(pieces))


def make_reply(response: httpx2.Response) -> HttpReply:
    """Return the `HttpReply` for a response whose body was read."""
    return HttpReply(response.status_code, dict(response.headers.items()), response.content)


def _build_request(client: httpx2.Client | httpx2.AsyncClient, request: HttpRequest) -> httpx2.Request:
    family: Callable[[str], httpx2.URL] = type(client.base_url)
    url = parse_url(family, request.url)
    request.sent = sent = client.build_request(
        "POST", url, headers=request.headers, content=request.body, timeout=_make_timeout(client, request)
    )
    return sent


def _send_options(client: httpx2.Client | httpx2.AsyncClient, request: HttpRequest) -> dict[str, Any]:
    """Return arguments for the client's `send`. Its own `auth` must not replace an `Authorization` header."""
    has_header = any(name.lower() == "authorization" for name in request.headers)
    return {"follow_redirects": False, "auth": _keep_request if has_header else client.auth}


def _keep_request(request: httpx2.Request) -> httpx2.Request:
    """Change nothing. If `auth` were `None`, a name and password in the URL would replace the header."""
    return request


@functools.lru_cache(maxsize=256)
def parse_url(family: Callable[[str], httpx2.URL], url: str) -> httpx2.URL:
    """Parse a URL, once: both families parse in Python, which takes a fourteenth of the time of a call."""
    return family(url)


def _make_timeout(client: httpx2.Client | httpx2.AsyncClient, request: HttpRequest) -> Any:
    defaults: dict[str, float | None] = client.timeout.as_dict()
    if set(defaults.values()) == {_HTTPX_DEFAULT_TIMEOUT}:
        defaults = {"connect": CONNECT_TIMEOUT, "read": READ_TIMEOUT, "write": READ_TIMEOUT, "pool": READ_TIMEOUT}
    requested = {"connect": request.timeouts.connect, **dict.fromkeys(("read", "write", "pool"), request.timeouts.read)}
    return tuple(defaults[name] if seconds is None else seconds for name, seconds in requested.items())


def translate_exception(exc: BaseException, request: HttpRequest) -> BaseException:
    """Return the exception to raise for one that a client of the httpx family raised; see `translate_error`. Ctrl-C and
    cancellation stay the same, but lose the client's frames, whose variables hold API keys.

    Raise it outside of the `except` block, so that the client's exception does not become its context."""
    return translate_error(exc, request) if isinstance(exc, Exception) else exc.with_traceback(None)


def translate_error(exc: Exception, request: HttpRequest) -> Exception:
    """Return the library's error for an exception of a client of the httpx family; the same exception if it is not
    about the connection."""
    error = _library_error(exc, request)
    if isinstance(error, errors.ProviderError):
        error.__cause__ = error.original_exception
    return error


def _library_error(exc: Exception, request: HttpRequest) -> Exception:
    reason = connection_errors.describe_error(exc)
    if _is_httpx_error(exc, "ConnectTimeout"):
        return connection_errors.connect_timeout_error(request, exc)
    if _is_httpx_error(exc, "PoolTimeout"):
        return connection_errors.pool_timeout_error(request, exc)
    if _is_httpx_error(exc, "TimeoutException"):
        return connection_errors.read_timeout_error(request, exc)
    if isinstance(exc, UnicodeEncodeError) and exc.encoding == "utf-8":
        return connection_errors.invalid_text_error(request)
    if _is_httpx_error(exc, "LocalProtocolError") or isinstance(exc, UnicodeEncodeError):
        return connection_errors.invalid_header_error(request)
    if _is_httpx_error(exc, "UnsupportedProtocol", "InvalidURL"):
        return connection_errors.invalid_url_error(request, reason)
    if _is_httpx_error(exc, "DecodingError"):
        return connection_errors.decoding_error(reason, exc)
    if _is_httpx_error(exc, "ProxyError"):
        return connection_errors.connect_error(request, f"the proxy responded {reason}", exc)
    if _is_httpx_error(exc, "ConnectError"):
        return connection_errors.connect_error(request, reason, exc)
    if _is_httpx_error(exc, "RequestError", "StreamError") or isinstance(exc, OSError):
        return connection_errors.broken_connection_error(request, reason, exc)
    return exc


def _is_httpx_error(exc: Exception, *names: str) -> bool:
    """Return True if `exc` is one of these exceptions of an httpx family that is loaded."""
    families = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return any(isinstance(exc, getattr(family, name)) for family in families if family for name in names)
