"""The default transport: pooled HTTP/1.1, over aiohttp under asyncio, over httpx2 in blocking calls and under trio.

* Blocking calls share one client per process; a forked process creates its own, since two processes must not share a
  socket.
* Async calls have their own clients for each event loop, which are closed when the loop ends.
* Redirects are not followed, and nothing is sent twice: only the engine retries.
* Cookies are neither stored nor sent: one client serves the keys of many users.
* Creating a TLS context takes tens of milliseconds, so the first https:// URL creates one, and all clients share it.
* No event loop waits for that, or for the import of an HTTP client: worker threads do both.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from .base import ByteStream, Channel, HttpReply, HttpRequest
from .httpx_channel import (
    CONNECT_TIMEOUT,
    KEEPALIVE_TIMEOUT,
    READ_TIMEOUT,
    BlockingChannel,
    NativeChannel,
    close_quietly,
)
from .loading import load_anyio, load_once
from .loop_local import Closer, LoopResource, asyncio_loop

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpTransport"]

# For every request, an httpx client looks at every connection it has. So in an event loop, where a thousand requests
# may be in flight, each client gets a limited number of them, and some idle clients are kept for the next burst.
_MAX_REQUESTS_PER_CLIENT = 16
_MAX_IDLE_CLIENTS = 8

AsyncioClient = Literal["aiohttp", "httpx2"]


class HttpTransport:
    """The default transport: pooled HTTP/1.1 with keepalive and without a limit on connections.

    `uds` is the path of a Unix domain socket to connect to in place of the URL's host. Proxies come from the
    environment (`HTTPS_PROXY` and so on) unless `trust_env` is false; SOCKS needs `httpx2[socks]`. `asyncio` is the
    client for calls under asyncio, "aiohttp" or "httpx2"; the default is the value of
    `MIRASCOPE_LIKE_ASYNCIO_CLIENT`, or else aiohttp. Safe to share between threads, event loops and forked processes.

    Raises `ValueError` for any other client.
    """

    def __init__(self, *, uds: str | None = None, trust_env: bool = True, asyncio: AsyncioClient | None = None) -> None:
        asyncio_client = asyncio or os.environ.get("MIRASCOPE_LIKE_ASYNCIO_CLIENT") or "aiohttp"
        if asyncio_client not in ("aiohttp", "httpx2"):
            raise ValueError(f"The HTTP client for asyncio must be 'aiohttp' or 'httpx2', got {asyncio_client!r}.")
        self._options = functools.partial(_client_options, uds, trust_env)
        self._blocking_clients: dict[tuple[int, bool], httpx2.Client] = {}
        self._native_channels = LoopResource[Channel](
            functools.partial(_open_loop_channel, asyncio_client, uds, trust_env)
        )

    def blocking(self) -> BlockingChannel:
        """Return a channel over this process's client."""
        return BlockingChannel(self._get_blocking_client)

    def native(self) -> Channel:
        """Return a channel over the clients of the running event loop (asyncio or trio)."""
        return self._native_channels.get()

    def _get_blocking_client(self, url: str) -> httpx2.Client:
        # Clients of a parent process stay in the dict, unused: closing them here could wait for a lock that one of the
        # parent's threads held when it forked.
        key = os.getpid(), _is_tls(url)
        client = self._blocking_clients.get(key)
        if client is None:
            import httpx2

            new = httpx2.Client(**self._options(key[1], httpx2.HTTPTransport))
            client = self._blocking_clients.setdefault(key, new)
            if client is new:
                weakref.finalize(self, _close_in_process, key[0], new)
        return client


class _LoopChannel:
    """The channel of one event loop. Worker threads import the HTTP client and make the TLS context when a request
    first needs them."""

    def __init__(self, client: str, uds: str | None, trust_env: bool, owner: object) -> None:
        self._client = client
        self._trust_env = trust_env
        self._make = functools.partial(_make_native_channel, client, uds, trust_env, owner)
        self._channel: Channel | None = None
        self._close_channel: Closer | None = None
        self._has_tls = False

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        channel = self._get_channel(request) or await self._load_channel(request)
        return await channel.post(request)

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return once status and headers have arrived."""
        channel = self._get_channel(request) or await self._load_channel(request)
        return await channel.open(request)

    async def close(self) -> None:
        """Close the connections at the end of the loop."""
        if self._close_channel is not None:
            await self._close_channel()

    def _get_channel(self, request: HttpRequest) -> Channel | None:
        return self._channel if self._has_tls or not _is_tls(request.url) else None

    async def _load_channel(self, request: HttpRequest) -> Channel:
        await load_once(
            (self._client, self._trust_env), functools.partial(_import_client, self._client, self._trust_env)
        )
        if self._client == "httpx2":
            await load_anyio()
        if _is_tls(request.url):
            from .environment import tls_context

            await load_once("TLS context", tls_context)
            self._has_tls = True
        if self._channel is None:
            self._channel, self._close_channel = self._make()
        return self._channel


def _open_loop_channel(asyncio_client: str, uds: str | None, trust_env: bool, owner: object) -> tuple[Channel, Closer]:
    """Return a channel for the running loop, which keeps its owner alive, and the function that closes it."""
    channel = _LoopChannel("httpx2" if asyncio_loop() is None else asyncio_client, uds, trust_env, owner)
    return channel, channel.close


def _import_client(client: str, trust_env: bool) -> None:
    from .environment import no_tls_context

    if client == "aiohttp" and not _has_socks_proxy(trust_env):
        from . import aiohttp_channel as aiohttp_channel
    else:
        import httpx2

        httpx2.AsyncHTTPTransport(verify=no_tls_context())  # the first one imports httpcore2


def _has_socks_proxy(trust_env: bool) -> bool:
    from .environment import environment_proxies

    return trust_env and any(url.startswith("socks") for url in environment_proxies().values())


def _make_native_channel(client: str, uds: str | None, trust_env: bool, owner: object) -> tuple[Channel, Closer]:
    if client == "aiohttp" and not _has_socks_proxy(trust_env):  # which aiohttp does not speak
        from .aiohttp_channel import AiohttpChannel, Connections
        from .environment import environment_proxies

        connections = Connections(uds)
        return AiohttpChannel(connections, environment_proxies() if trust_env else {}, owner), connections.close
    clients = _LoopClientPool(functools.partial(_client_options, uds, trust_env), owner)
    return NativeChannel(clients), clients.close


class _LoopClientPool:
    """The httpx2 clients of one event loop, each with a limited number of requests in flight."""

    def __init__(self, options: Callable[..., dict[str, Any]], owner: object) -> None:
        self._options = options
        self._owner = owner
        self._plain_clients: dict[httpx2.AsyncClient, int] = {}  # client → requests in flight
        self._tls_clients: dict[httpx2.AsyncClient, int] = {}

    def acquire(self, url: str) -> httpx2.AsyncClient:
        """Return the first client that can take one more request, or a new one."""
        tls = _is_tls(url)
        clients = self._tls_clients if tls else self._plain_clients
        client = next((client for client, busy in clients.items() if busy < _MAX_REQUESTS_PER_CLIENT), None)
        if client is None:
            import httpx2

            client = httpx2.AsyncClient(**self._options(tls, httpx2.AsyncHTTPTransport))
            clients[client] = 0
        clients[client] += 1
        return client

    async def release(self, client: httpx2.AsyncClient) -> None:
        """Count down the client's requests, and close it if enough others are idle."""
        clients = self._tls_clients if client in self._tls_clients else self._plain_clients
        if client in clients:  # until the loop ends
            clients[client] -= 1
            if not clients[client] and sum(not busy for busy in clients.values()) > _MAX_IDLE_CLIENTS:
                del clients[client]
                await close_quietly(client.aclose)

    async def close(self) -> None:
        """Close all clients at the end of the loop."""
        for clients in (self._plain_clients, self._tls_clients):
            while clients:
                await close_quietly(clients.popitem()[0].aclose)


def _close_in_process(pid: int, client: httpx2.Client) -> None:
    if os.getpid() == pid:
        client.close()


def _is_tls(url: str) -> bool:
    return url[:6].lower() == "https:"


def _client_options(uds: str | None, trust_env: bool, tls: bool, transport: Callable[..., Any]) -> dict[str, Any]:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    from .environment import no_tls_context, tls_context

    common: dict[str, Any] = {
        "verify": tls_context() if tls else no_tls_context(),
        "trust_env": trust_env,
        "limits": httpx2.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_TIMEOUT
        ),
    }
    if uds is not None:  # a client takes no `uds` of its own
        common = {"transport": transport(uds=uds, **common)}
    return common | {
        "timeout": httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        "follow_redirects": False,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # stores none: clients are shared by all keys
    }
