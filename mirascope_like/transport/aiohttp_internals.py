"""The only module that uses private or undocumented parts of aiohttp.

`tests/transport/test_internals.py` fails if aiohttp changes them.
"""

from __future__ import annotations

import asyncio
import os
import select
import weakref
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError

CONNECTION_LOST = "it was closed in the middle of the response"

# Text of the RuntimeError that aiohttp's reader raises if you read on after the connection was lost.
_READ_AFTER_LOSS = "Connection closed."
# Maximum number of connections being opened at a time. More of them overflow the server's queue, and take so long all
# together that each of them counts as failed.
_MAX_CONNECTING = 1000


class CheckedConnector(aiohttp.BaseConnector):
    """A connection pool that checks an idle connection before it hands it out."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pid: int = os.getpid()
        self._connecting = asyncio.Semaphore(_MAX_CONNECTING)
        # The latest response on each open connection. The reference is weak because a response knows its connection.
        self._responses: dict[Any, weakref.ref[aiohttp.ClientResponse] | None] = {}

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Connection:
        """See `aiohttp.BaseConnector.connect`."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol not in self._responses:
                self._watch_for_end(connection.protocol)
                return connection
            if not _has_input(connection):
                return connection
            connection.close()

    def watch_response(self, response: aiohttp.ClientResponse) -> None:
        """Fail the response if its connection ends early. aiohttp does so too, except for a broken chunk that its
        parser meets: a reader would then wait for ever."""
        connection = response.connection
        if connection is not None and connection.protocol in self._responses:
            self._responses[connection.protocol] = weakref.ref(response)

    def close_now(self) -> None:
        """Close all connections, without awaiting anything."""
        self.__exit__(None, None, None)

    def _watch_for_end(self, protocol: Any) -> None:
        connection, responses = weakref.ref(protocol), self._responses

        def fail_response(closed: asyncio.Future[None]) -> None:
            if not closed.cancelled():
                closed.exception()  # or asyncio would report that nobody retrieved it
            reference = responses.pop(connection(), None)
            response = reference() if reference is not None else None
            if response is not None and not response.content.is_eof() and response.content.exception() is None:
                response.content.set_exception(aiohttp.ClientConnectionError(CONNECTION_LOST))

        if protocol.closed is not None:
            responses[protocol] = None
            protocol.closed.add_done_callback(fail_response)

    async def _create_connection(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        """See `aiohttp.BaseConnector`. The connect timeout excludes the time in the queue and the delay of a busy
        loop."""
        async with self._connecting:
            await asyncio.sleep(0)
            async with asyncio.timeout(timeout.sock_connect):
                return await super()._create_connection(req, traces, timeout)

    def __del__(self, *args: Any) -> None:
        # In a forked child, closing would take the parent's sockets out of the parent's event loop.
        if os.getpid() == self.pid:
            super().__del__(*args)


class CheckedTCPConnector(CheckedConnector, aiohttp.TCPConnector):
    """A `CheckedConnector` for hosts and ports."""


class CheckedUnixConnector(CheckedConnector, aiohttp.UnixConnector):
    """A `CheckedConnector` for one Unix socket."""


def _has_input(connection: Connection) -> bool:
    """Return True if there is something to read: on an idle connection, that is its end."""
    transport = connection.transport
    sock: Any = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return True
    if not hasattr(select, "poll"):  # on Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class ChunkedBody(aiohttp.Payload):
    """A request body that is written in slices of `size` bytes.

    Raises `TimeoutError` if the server does not take a slice within `timeout` seconds.
    """

    def __init__(self, body: bytes, size: int, timeout: float) -> None:
        super().__init__(body, content_type="application/json")
        self._size = len(body)
        self._slice_size = size
        self._timeout = timeout

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """See `aiohttp.Payload.decode`."""
        text: str = self._value.decode(encoding, errors)
        return text

    async def write(self, writer: AbstractStreamWriter) -> None:
        """See `aiohttp.Payload.write`."""
        body = memoryview(self._value)
        try:
            for start in range(0, len(body), self._slice_size):
                async with asyncio.timeout(self._timeout):
                    await writer.write(body[start : start + self._slice_size])
        except BaseException:
            if (transport := getattr(writer, "transport", None)) is not None:
                transport.abort()  # closing it would first wait until the server has taken what was written
            raise


def read_buffered(response: aiohttp.ClientResponse) -> bytes:
    """Return the bytes that arrived before the body failed. aiohttp's reader returns none once it has an error, so this
    clears the error."""
    content: Any = response.content
    content.set_exception(None)
    buffered: bytes = content.read_nowait()
    return buffered


def is_connection_lost(exc: Exception) -> bool:
    """Return True for the plain `RuntimeError` of a read after the connection was lost."""
    return isinstance(exc, RuntimeError) and str(exc) == _READ_AFTER_LOSS


def find_encoding_error(exc: BaseException) -> ContentEncodingError | None:
    """Return the parser's error about `content-encoding` among the causes of `exc`."""
    cause = exc.__cause__
    while cause is not None and not isinstance(cause, ContentEncodingError):
        cause = cause.__cause__
    return cause
