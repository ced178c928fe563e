"""HTTP over aiohttp, the default for async calls under asyncio. Importing this module imports aiohttp.

* Each event loop has one session, without cookies, redirects or a limit on connections.
* The pool checks an idle connection before each use, and does not reuse one that the server has closed: a POST must
  neither fail for it nor be sent twice. (aiohttp sees the end only when the loop does, which may be late.)
* Closing a response before its end closes its connection at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import string
import weakref
from collections.abc import Awaitable, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from .. import errors
from . import connection_errors
from .aiohttp_internals import (
    CONNECTION_LOST,
    CheckedConnector,
    CheckedTCPConnector,
    CheckedUnixConnector,
    ChunkedBody,
    find_encoding_error,
    is_connection_lost,
    read_buffered,
)
from .base import HttpReply, HttpRequest
from .environment import make_proxy_finder, tls_context
from .httpx_channel import CONNECT_TIMEOUT, KEEPALIVE_TIMEOUT, READ_TIMEOUT
from .threads import run_in_thread

# Bytes. A body of this size or more is sent in slices, each within the timeout; less fits into a socket's buffer.
_BODY_SLICE = 64 * 1024
# Maximum bytes of a response's header line: some servers send long policies, and aiohttp's own limit is 8 KiB.
_MAX_HEADER_LINE = 64 * 1024
# The characters allowed in a header's name (RFC 9110, section 5.6.2).
_HEADER_NAME_CHARACTERS = "!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits


class Connections:
    """The session of a channel, and its open streams."""

    def __init__(self, uds: str | None) -> None:
        self.connector: CheckedConnector = _make_connector(uds)
        self.session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=self.connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MAX_HEADER_LINE,
            max_field_size=_MAX_HEADER_LINE,
        )
        self.streams: weakref.WeakSet[AiohttpByteStream] = weakref.WeakSet()
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close the streams and the session at the end of the loop."""
        self._close_streams()
        await self.session.close()

    def abandon(self) -> None:
        """Close all connections from anywhere: another thread, after the loop was closed, at exit, after a fork."""
        if os.getpid() != self.connector.pid:
            self.session.detach()
        elif self._loop.is_running():
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._close_now)
        else:
            self._close_now()

    def _close_now(self) -> None:
        self._close_streams()
        self.session.detach()  # unlike `close`, this awaits nothing
        self.connector.close_now()

    def _close_streams(self) -> None:
        for stream in list(self.streams):
            stream.close_now()


class AiohttpChannel:
    """A channel over the connections of one event loop. `proxies` maps schemes to URLs. It keeps `owner` alive."""

    def __init__(self, connections: Connections, proxies: Mapping[str, str], owner: object) -> None:
        self._owner = owner
        self._connections = connections
        self._session = connections.session
        self._find_proxy = make_proxy_finder(proxies) if proxies else None
        weakref.finalize(self, connections.abandon)

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        try:
            return await self._post(request)
        except Exception as exc:
            error = _translate_error(exc, request)
        except BaseException as exc:
            exc.__traceback__ = None  # the variables of aiohttp's frames hold API keys
            raise
        await _yield_to_loop()
        raise error

    async def open(self, request: HttpRequest) -> AiohttpByteStream:
        """Send the request and return once status and headers have arrived."""
        try:
            return await self._open(request)
        except Exception as exc:
            error = _translate_error(exc, request)
        except BaseException as exc:
            exc.__traceback__ = None  # the variables of aiohttp's frames hold API keys
            raise
        await _yield_to_loop()
        raise error

    async def _post(self, request: HttpRequest) -> HttpReply:
        response = await self._send(request)
        self._connections.connector.watch_response(response)
        return HttpReply(response.status, response.headers, await response.read())

    async def _open(self, request: HttpRequest) -> AiohttpByteStream:
        response = await self._send(request)
        self._connections.connector.watch_response(response)
        stream = AiohttpByteStream(response, request, self)
        self._connections.streams.add(stream)
        return stream

    def _send(self, request: HttpRequest) -> Awaitable[aiohttp.ClientResponse]:
        if not _is_sendable(request.headers):
            raise connection_errors.invalid_header_error(request)
        read = request.timeouts.read or READ_TIMEOUT
        return self._session.post(
            request.url,
            headers=request.headers,
            data=request.body if len(request.body) < _BODY_SLICE else ChunkedBody(request.body, _BODY_SLICE, read),
            timeout=_client_timeout(request.timeouts.connect or CONNECT_TIMEOUT, read),
            allow_redirects=False,
            ssl=tls_context() if request.url[:6].lower() == "https:" else True,
            proxy=self._find_proxy(request.url) if self._find_proxy is not None else None,
        )


class AiohttpByteStream:
    """The body of a response that is still arriving. It keeps `owner`, whose end would close the connection."""

    cancel_safe = True  # what has arrived stays in aiohttp's buffer

    def __init__(self, response: aiohttp.ClientResponse, request: HttpRequest, owner: object) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._read = response.content.readany
        self._request = request
        self._owner = owner
        self._failure: Exception | None = None

    async def next(self) -> bytes | None:
        """Return the next bytes of the body, decompressed; `None` after the last. After an error, raise it again."""
        if self._failure is not None:
            raise self._failure
        try:
            return await self._read() or None
        except Exception as exc:
            error = self._close_with(_translate_error(exc, self._request))
        except BaseException as exc:
            exc.__traceback__ = None
            raise
        if buffered := read_buffered(self._response):
            return buffered
        await _yield_to_loop()
        raise error

    async def close(self) -> None:
        """Free the connection. This wakes another task that waits in `next`."""
        unfinished = not self._response.closed
        self.close_now()
        if unfinished:
            await _yield_to_loop()

    def close_now(self) -> None:
        """Do the same as `close`, without awaiting."""
        self._close_with(errors.StreamClosedError("This stream was closed; its unread data is lost."))

    def _close_with(self, reason: Exception) -> Exception:
        """Close the response for this reason, unless it is closed; return the reason that it was closed for."""
        if self._failure is None:
            self._failure = reason
            self._response.close()
        return self._failure


def _make_connector(uds: str | None) -> CheckedConnector:
    options: dict[str, Any] = {"limit": 0, "keepalive_timeout": KEEPALIVE_TIMEOUT}
    if uds is not None:
        return CheckedUnixConnector(uds, **options)
    # With aiodns installed, aiohttp looks names up without a thread.
    resolver = _Resolver() if aiohttp.DefaultResolver is aiohttp.ThreadedResolver else None
    return CheckedTCPConnector(resolver=resolver, **options)


class _Resolver(AbstractResolver):
    """Looks up names as aiohttp does, but on daemon threads. asyncio's own threads would keep the program from ending
    while a name server is silent, long after the call was abandoned."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await run_in_thread(functools.partial(_look_up, host, port, family))

    async def close(self) -> None: ...


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except socket.gaierror:
        if host.rstrip(".").lower() != "localhost":
            raise
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)  # Windows, without a network
    return [_make_resolve_result(host, kind, protocol, address) for kind, _, protocol, _, address in found]


def _make_resolve_result(host: str, family: int, protocol: int, address: tuple[Any, ...]) -> ResolveResult:
    numeric, port = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=numeric, port=int(port), family=family, proto=protocol, flags=flags)


async def _yield_to_loop() -> None:
    """Let the loop run one iteration: only then does asyncio close a socket, and the caller may block the loop next."""
    await asyncio.sleep(0)


@functools.lru_cache
def _client_timeout(connect: float, read: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)


def _is_sendable(headers: Mapping[str, str]) -> bool:
    """Return True if HTTP allows these headers. aiohttp would send nearly anything."""
    names, values = "".join(headers), "".join(headers.values())
    return "" not in headers and not names.strip(_HEADER_NAME_CHARACTERS) and values.isascii() and values.isprintable()


def _translate_error(exc: Exception, request: HttpRequest) -> Exception:
    """Return the library's error for an exception of aiohttp. If it is not about the connection, return the same
    exception without aiohttp's frames."""
    error = _library_error(exc, request)
    if error is exc:
        return exc.with_traceback(None)
    if isinstance(error, errors.ProviderError):
        error.__cause__ = error.original_exception
    return error


def _library_error(exc: Exception, request: HttpRequest) -> Exception:
    """Return the error without its cause. Where the repr of aiohttp's exception shows the request's headers or the
    proxy's password, the original exception is that exception's own cause."""
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return connection_errors.connect_timeout_error(request, exc)
    if isinstance(exc, TimeoutError):
        return connection_errors.read_timeout_error(request, exc)
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return connection_errors.invalid_url_error(request, "It must be a valid http:// or https:// URL.")
    if (encoding_error := find_encoding_error(exc)) is not None:
        return connection_errors.decoding_error(encoding_error.message, encoding_error)
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return connection_errors.connect_error(
            request, f"the proxy responded {exc.status} {exc.message}", exc.__cause__
        )
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        return connection_errors.connect_error(
            request, f"the proxy {exc.host}:{exc.port} cannot be reached: {exc.os_error}", exc.os_error
        )
    if isinstance(exc, aiohttp.ClientConnectorError):
        return connection_errors.connect_error(request, str(exc.__cause__ or exc), exc.__cause__)
    if isinstance(exc, aiohttp.ClientResponseError):
        return connection_errors.broken_connection_error(request, exc.message, exc.__cause__)
    if is_connection_lost(exc):
        return connection_errors.broken_connection_error(request, CONNECTION_LOST, exc)
    if isinstance(exc, aiohttp.ClientError | OSError):
        return connection_errors.broken_connection_error(request, str(exc) or type(exc).__name__, exc)
    return exc
