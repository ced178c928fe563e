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

from .base import ByteStream, Channel, HttpReply, HttpRequest, Timeouts
from .httpx_channel import (
    CONNECT_TIMEOUT,
    KEEPALIVE_TIMEOUT,
    READ_TIMEOUT,
    BlockingChannel,
    NativeChannel,
    close_quietly,
    parse_url,
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
        self._send = _BlockingPool(uds, trust_env).send
        self._native_channels = LoopResource[Channel](
            functools.partial(_open_loop_channel, asyncio_client, uds, trust_env)
        )

    def blocking(self) -> BlockingChannel:
        """Return a channel over this process's connections."""
        return BlockingChannel(self._send)

    def native(self) -> Channel:
        """Return a channel over the clients of the running event loop (asyncio or trio)."""
        return self._native_channels.get()


class _BlockingPool:
    """Sends blocking requests by transports of httpx2: one for each process and proxy, with TLS or without.

    A client of httpx2 would use the same transports, and take a fifth of a call's time for cookies, redirects and
    hooks, of which this needs none. As with a client, a name and password in a URL are sent unless the request has an
    `Authorization` header. The transports are closed with this object, which its channels and streams keep.
    """

    def __init__(self, uds: str | None, trust_env: bool) -> None:
        self._uds = uds
        self._proxies_allowed = trust_env and uds is None
        self._trust_env = trust_env
        self._transports: dict[tuple[int, bool, str | None], httpx2.HTTPTransport] = {}

    def send(self, request: HttpRequest, *, stream: bool) -> httpx2.Response:
        """See `BlockingSender`."""
        import httpx2

        transport = self._get_transport(request.url)
        url = parse_url(httpx2.URL, request.url)
        headers = dict(_default_headers())
        if url.userinfo:
            headers |= _authorization(url)
        headers |= {name.lower(): value for name, value in request.headers.items()}
        response = transport.handle_request(
            httpx2.Request(
                "POST",
                url,
                headers=headers,
                content=request.body,
                extensions={"timeout": _make_timeouts(request.timeouts)},
            )
        )
        if not stream:
            try:
                response.read()
            except BaseException:
                response.close()
                raise
        return response

    def _get_transport(self, url: str) -> httpx2.HTTPTransport:
        # Those of a parent process stay in the dict, unused: closing them here could wait for a lock that one of the
        # parent's threads held when it forked.
        key = os.getpid(), _is_tls(url), self._find_proxy(url)
        transport = self._transports.get(key)
        if transport is None:
            import httpx2

            new = httpx2.HTTPTransport(**_pool_options(key[1], self._trust_env), uds=self._uds, proxy=key[2])
            transport = self._transports.setdefault(key, new)
            if transport is new:
                weakref.finalize(self, _close_in_process, key[0], new)
        return transport

    @functools.cached_property
    def _find_proxy(self) -> Callable[[str], str | None]:
        from .environment import environment_proxies, make_proxy_finder

        if self._proxies_allowed and (proxies := environment_proxies()):
            return make_proxy_finder(proxies)
        return lambda _: None


@functools.cache
def _default_headers() -> dict[str, str]:
    """Return the headers that a client of httpx2 sends with each request, by lower-case names."""
    import httpx2

    from .environment import no_tls_context

    with httpx2.Client(verify=no_tls_context()) as client:
        return dict(client.headers)


def _authorization(url: httpx2.URL) -> dict[str, str]:
    """Return the header for the name and password in a URL."""
    from base64 import b64encode

    return {"authorization": f"Basic {b64encode(f'{url.username}:{url.password}'.encode()).decode()}"}


@functools.lru_cache
def _make_timeouts(timeouts: Timeouts) -> dict[str, float]:
    read = timeouts.read or READ_TIMEOUT
    return {"connect": timeouts.connect or CONNECT_TIMEOUT, "read": read, "write": read, "pool": read}


class _LoopChannel:
    """The channel of one event loop. Worker threads import the HTTP client and make the TLS context when a request
    first needs them."""

    def __init__(self, client: str, uds: str | None, trust_env: bool, owner: object, closers: list[Closer]) -> None:
        self._client = client
        self._trust_env = trust_env
        self._make = functools.partial(_make_native_channel, client, uds, trust_env, owner)
        self._channel: Channel | None = None
        self._closers = closers  # apart: what closes the connections must not keep the channel
        self._has_tls = False

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        channel = self._get_channel(request) or await self._load_channel(request)
        return await channel.post(request)

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return once status and headers have arrived."""
        channel = self._get_channel(request) or await self._load_channel(request)
        return await channel.open(request)

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
            self._channel, close = self._make()
            self._closers.append(close)
        return self._channel


def _open_loop_channel(asyncio_client: str, uds: str | None, trust_env: bool, owner: object) -> tuple[Channel, Closer]:
    """Return a channel for the running loop, which keeps its owner alive, and the function that closes it."""
    closers: list[Closer] = []
    client = "httpx2" if asyncio_loop() is None else asyncio_client
    return _LoopChannel(client, uds, trust_env, owner, closers), functools.partial(_close_all, closers)


async def _close_all(closers: list[Closer]) -> None:
    for close in closers:
        await close()


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

            client = httpx2.AsyncClient(**self._options(tls))
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


def _close_in_process(pid: int, transport: httpx2.HTTPTransport) -> None:
    if os.getpid() == pid:
        transport.close()


def _is_tls(url: str) -> bool:
    return url[:6].lower() == "https:"


def _pool_options(tls: bool, trust_env: bool) -> dict[str, Any]:
    import httpx2

    from .environment import no_tls_context, tls_context

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_TIMEOUT)
    return {"verify": tls_context() if tls else no_tls_context(), "trust_env": trust_env, "limits": limits}


def _client_options(uds: str | None, trust_env: bool, tls: bool) -> dict[str, Any]:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    options = _pool_options(tls, trust_env)
    if uds is not None:  # a client takes no `uds` of its own
        options = {"transport": httpx2.AsyncHTTPTransport(uds=uds, **options), **options}
    return options | {
        "timeout": httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        "follow_redirects": False,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # stores none: clients are shared by all keys
    }
