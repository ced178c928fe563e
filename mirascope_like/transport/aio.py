"""HTTP over aiohttp: what async calls use under asyncio. Importing this module imports aiohttp.

* One session for each event loop, with neither cookies nor redirects nor a limit on connections.
* A connection that the server closed while it lay idle is not used again: it is looked at before each use, because a
  POST must neither fail for it nor be sent twice. (aiohttp sees the end only when the loop does, which may be late.)
* A connection whose answer was not read to its end is closed at once.
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
from . import HttpReply, HttpRequest, failures
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
from .channels import CONNECT_TIMEOUT, KEEPALIVE_TIMEOUT, READ_TIMEOUT
from .environment import make_proxy_finder, tls_context
from .threads import run_in_thread

__all__ = ["AiohttpByteStream", "AiohttpChannel", "Connections"]

# Bytes of a body from which on it is sent in pieces, each within the timeout; less fits into a socket's buffer.
_BODY_SLICE = 64 * 1024
# Bytes of a line of an answer's head: some servers send long policies, and aiohttp's own limit is 8 KiB.
_MAX_HEADER_LINE = 64 * 1024
# What a header's name is made of (RFC 9110, section 5.6.2).
_HEADER_NAME_CHARACTERS = "!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits


class Connections:
    """What a channel holds: a session, and the streams that are open in it."""

    def __init__(self, uds: str | None) -> None:
        self.connector = _make_connector(uds)
        self.session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=self.connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MAX_HEADER_LINE,
            max_field_size=_MAX_HEADER_LINE,
        )
        self.streams: weakref.WeakSet[AiohttpByteStream] = weakref.WeakSet()
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close all at the end of the loop."""
        self._close_streams()
        await self.session.close()

    def abandon(self) -> None:
        """Close all from anywhere: from another thread, when the loop was closed before, at exit, after a fork."""
        if os.getpid() != self.connector.pid:
            self.session.detach()
        elif self._loop.is_running():
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._close_now)
        else:
            self._close_now()

    def _close_now(self) -> None:
        self._close_streams()
        self.session.detach()  # which, unlike closing it, needs no waiting
        self.connector.close_now()

    def _close_streams(self) -> None:
        for stream in list(self.streams):
            stream.close_now()


class AiohttpChannel:
    """A channel over the connections of one event loop. `proxies` are URLs by scheme; `owner` is kept."""

    def __init__(self, connections: Connections, proxies: Mapping[str, str], owner: object) -> None:
        self._owner = owner
        self._connections = connections
        self._session = connections.session
        self._find_proxy = make_proxy_finder(proxies) if proxies else None
        weakref.finalize(self, connections.abandon)

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole answer."""
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
        """Send the request and return as soon as status and headers are there."""
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
            raise failures.invalid_header_error(request)
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
    """The body of an answer that is still arriving. `owner` would close the connection if it were collected."""

    def __init__(self, response: aiohttp.ClientResponse, request: HttpRequest, owner: object) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._read = response.content.readany
        self._request = request
        self._owner = owner
        self._failure: Exception | None = None

    async def next(self) -> bytes | None:
        """The next bytes of the body, decompressed; `None` after the last. What it raises, it raises again."""
        if self._failure is not None:
            raise self._failure
        try:
            return await self._read() or None
        except Exception as exc:
            error = self._close_with(_translate_error(exc, self._request))
        except BaseException as exc:
            self.close_now()
            exc.__traceback__ = None
            raise
        if buffered := read_buffered(self._response):
            return buffered
        await _yield_to_loop()
        raise error

    async def close(self) -> None:
        """Free the connection. Another task that waits in `next` is woken by it."""
        unfinished = not self._response.closed
        self.close_now()
        if unfinished:
            await _yield_to_loop()

    def close_now(self) -> None:
        """As `close`, from where nothing can be awaited."""
        self._close_with(errors.StreamClosedError("This stream was closed; what had not been read of it is lost."))

    def _close_with(self, reason: Exception) -> Exception:
        """Close the answer, unless it is; the first reason is the one that counts, and is returned."""
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
    """Looks names up as aiohttp does, but on threads that nobody waits for. asyncio's own would keep the program from
    ending while a name server is silent, long after the call was given up."""

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
    """asyncio closes a socket in the loop's next round, and what runs before may hold up the loop."""
    await asyncio.sleep(0)


@functools.lru_cache
def _client_timeout(connect: float, read: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)


def _is_sendable(headers: Mapping[str, str]) -> bool:
    """Whether HTTP allows these headers: aiohttp would send nearly anything."""
    names, values = "".join(headers), "".join(headers.values())
    return "" not in headers and not names.strip(_HEADER_NAME_CHARACTERS) and values.isascii() and values.isprintable()


def _translate_error(exc: Exception, request: HttpRequest) -> Exception:
    """Return the library's error for what aiohttp raised; the same exception, without aiohttp's frames, if it is not
    about the connection."""
    error = _library_error(exc, request)
    if error is exc:
        return exc.with_traceback(None)
    if isinstance(error, errors.ProviderError):
        error.__cause__ = error.original_exception
    return error


def _library_error(exc: Exception, request: HttpRequest) -> Exception:
    """The repr of some of aiohttp's errors has the request's headers or the proxy's password: their cause stands for
    them."""
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return failures.connect_timeout_error(request, exc)
    if isinstance(exc, TimeoutError):
        return failures.read_timeout_error(request, exc)
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return failures.invalid_url_error(request, "It must be a valid http:// or https:// URL.")
    if (encoding_error := find_encoding_error(exc)) is not None:
        return failures.decoding_error(encoding_error.message, encoding_error)
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return failures.connect_error(request, f"the proxy said {exc.status} {exc.message}", exc.__cause__)
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        return failures.connect_error(
            request, f"the proxy {exc.host}:{exc.port} is not there: {exc.os_error}", exc.os_error
        )
    if isinstance(exc, aiohttp.ClientConnectorError):
        return failures.connect_error(request, str(exc.__cause__ or exc), exc.__cause__)
    if isinstance(exc, aiohttp.ClientResponseError):
        return failures.broken_connection_error(request, exc.message, exc.__cause__)
    if is_connection_lost(exc):
        return failures.broken_connection_error(request, CONNECTION_LOST, exc)
    if isinstance(exc, aiohttp.ClientError | OSError):
        return failures.broken_connection_error(request, str(exc) or type(exc).__name__, exc)
    return exc
