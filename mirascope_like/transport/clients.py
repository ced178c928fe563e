"""Transport over the user's own HTTP clients: `httpx2` or legacy `httpx`, sync, async, or one of each.

* The client's own settings apply: proxies, certificates, authentication, hooks, limits, and its timeout (unless that is
  the default of 5 seconds, which is too short for a model). Redirects are not followed.
* The client belongs to the user: the transport never closes it.
* A sync client serves async calls too, in worker threads. An async client cannot serve blocking calls.
* An async client belongs to the event loop in which it is first used.
* Clients are recognised by the names of their classes, so this module imports neither family.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .base import ByteStream, Channel, HttpReply, HttpRequest
from .httpx_channel import BlockingChannel, NativeChannel, make_client_sender, read_reply
from .threads import run_in_thread, thread_limiters

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

_FAMILIES = ("httpx2", "httpx")
_thread_limiters = thread_limiters(40)


class ClientTransport:
    """Sends requests through the user's clients: `ClientTransport(client)` or `ClientTransport(client, async_client)`.

    Raises `TypeError` for anything else, and for two sync or two async clients.
    """

    def __init__(self, *clients: object) -> None:
        self._clients = ClientPair(clients, _FAMILIES, "Client", "AsyncClient")

    def blocking(self) -> BlockingChannel:
        """Return a channel over the sync client. Raises `TypeError` if there is none."""
        client = self._clients.get_sync_client()
        return BlockingChannel(make_client_sender(client))

    def native(self) -> NativeChannel | ThreadedChannel:
        """Return a channel over the async client, or over the sync one in worker threads.

        Raises `RuntimeError` if the async client is in use in another event loop.
        """
        client = self._clients.get_async_client()
        return ThreadedChannel(self.blocking()) if client is None else NativeChannel(_SingleClientPool(client))


class _SingleClientPool:
    """A `ClientPool` of one client, which takes any number of requests."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    def acquire(self, url: str) -> httpx2.AsyncClient:
        return self._client

    async def release(self, client: httpx2.AsyncClient) -> None:
        pass


def is_http_client(candidate: object) -> bool:
    """Return True for a client of `httpx2` or `httpx`."""
    return has_base(candidate, _FAMILIES, "Client") or has_base(candidate, _FAMILIES, "AsyncClient")


def has_base(candidate: object, packages: Collection[str], name: str) -> bool:
    """Return True if the candidate is an instance of a class of this name from one of these packages."""
    bases = type(candidate).__mro__
    return any(base.__name__ == name and base.__module__.partition(".")[0] in packages for base in bases)


class ClientPair:
    """At most one sync and one async client, recognised by base classes of `packages`: `sync_name` and `async_name`."""

    def __init__(self, clients: Collection[object], packages: Collection[str], sync_name: str, async_name: str) -> None:
        self._sync: Any = None
        self._async: Any = None
        self._loop: object = None
        for client in clients:
            if has_base(client, packages, sync_name) and self._sync is None:
                self._sync = client
            elif has_base(client, packages, async_name) and self._async is None:
                self._async = client
            else:
                raise TypeError(
                    f"Expected one sync client, one async client, or one of each, of {' or '.join(packages)}; "
                    f"got {', '.join(type(each).__name__ for each in clients)}."
                )
        if not clients:
            raise TypeError("Expected a client.")

    def get_sync_client(self) -> Any:
        """Return the sync client. Raises `TypeError` if there is none."""
        if self._sync is None:
            name = type(self._async).__name__
            raise TypeError(
                f"A blocking call cannot use the async client {name}: make the call async, "
                f"or give a sync client too, as in client=(sync_client, async_client)."
            )
        return self._sync

    def get_async_client(self) -> Any | None:
        """Return the async client, if there is one. Raises `RuntimeError` in a second event loop."""
        if self._async is None:
            return None
        from anyio.lowlevel import current_token

        token = current_token()
        if self._loop is None:
            self._loop = token
        elif self._loop != token:
            raise RuntimeError(
                f"This {type(self._async).__name__} is already used in another event loop, to which its connections "
                "belong. Create one client for each event loop, or pass none: then the library creates them."
            )
        return self._async


class ThreadedChannel:
    """Runs a blocking channel for an event loop, each step in a thread, at most 40 at a time.

    Cancelling returns at once and closes a response that has begun. A request without a response goes on in the
    background until the response begins or the timeout expires; it delays nothing, not even the end of the process.
    """

    def __init__(self, blocking: Channel) -> None:
        self._blocking = blocking

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        return await self._run_step(request, _ThreadedRequest.post)

    async def open(self, request: HttpRequest) -> ThreadedByteStream:
        """Send the request and return once status and headers have arrived."""
        return ThreadedByteStream(await self._run_step(request, _ThreadedRequest.open))

    async def _run_step(self, request: HttpRequest, step: Callable[[_ThreadedRequest], Coroutine[Any, Any, T]]) -> T:
        threaded = _ThreadedRequest(functools.partial(self._blocking.open, request))
        try:
            return await _run_in_thread(functools.partial(step, threaded))
        except BaseException:
            threaded.cancel()
            raise


class ThreadedByteStream:
    """Reads a blocking stream in worker threads."""

    def __init__(self, blocking: ByteStream) -> None:
        self._blocking = blocking

    @property
    def status(self) -> int:
        return self._blocking.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._blocking.headers

    async def next(self) -> bytes | None:
        """Return the next bytes of the body; `None` after the last."""
        try:
            return await _run_in_thread(self._blocking.next)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Free the connection. This wakes a thread that is still reading."""
        await self._blocking.close()  # never suspends, and does not wait


class _ThreadedRequest:
    """A request in a thread. If it is cancelled, its stream is closed as soon as it is open; therefore a whole response
    is read as a stream, too."""

    def __init__(self, open_stream: Callable[[], Coroutine[Any, Any, ByteStream]]) -> None:
        self._open_stream = open_stream
        self._lock = threading.Lock()
        self._stream: ByteStream | None = None
        self._is_cancelled = False

    async def open(self) -> ByteStream:
        stream = await self._open_stream()
        with self._lock:
            self._stream = stream
            is_cancelled = self._is_cancelled
        if is_cancelled:
            await stream.close()
        return stream

    async def post(self) -> HttpReply:
        return await read_reply(await self.open())

    def cancel(self) -> None:
        """Close the stream, now or as soon as it is open. Does not wait."""
        with self._lock:
            self._is_cancelled = True
            stream = self._stream
        if stream is not None:
            _run_to_end(stream.close())


async def _run_in_thread(blocking: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run blocking work in a thread and return its result."""
    async with _thread_limiters.get():
        return await run_in_thread(lambda: _run_to_end(blocking()))


def _run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends: one step takes it to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError(f"{coroutine!r} suspended in a blocking call")
