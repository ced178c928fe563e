"""HTTP over httpx2: the default transport.

* One client a process for blocking calls; it is made anew after a fork, since two processes must not share a socket.
* Clients of their own for each event loop for native calls; they are closed when their loop ends.
* Redirects are not followed, and nothing is sent twice: retrying is the engine's.
* A TLS context costs tens of milliseconds, so the first https:// URL builds one, and every client shares it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from .channels import CONNECT_TIMEOUT, READ_TIMEOUT, BlockingChannel, NativeChannel, give_up

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["HttpTransport"]

# Seconds that an idle connection is kept: of use between the turns of a conversation, and shorter than the silence
# after which middleboxes drop a connection without a word.
KEEPALIVE = 60.0
# For every request, an httpx client looks at every connection it has. So in an event loop, where a thousand requests
# may be in flight, each client gets a share of them, and this many idle clients are kept for the next rush.
_SHARE = 16
_SPARE = 8


class HttpTransport:
    """Pooled HTTP/1.1 with keepalive and without a limit on connections: the default way to a server.

    `uds` is the path of a Unix domain socket to connect to in place of the URL's host. Safe to share between threads,
    event loops and forked processes. Proxies are taken from the environment (`HTTPS_PROXY` and so on) unless
    `trust_env` is false.
    """

    def __init__(self, *, uds: str | None = None, trust_env: bool = True) -> None:
        self._options = functools.partial(_client_options, uds, trust_env)
        self._blocking: dict[tuple[int, bool], httpx2.Client] = {}
        self._native: dict[object, _LoopClients] = {}

    def blocking(self) -> BlockingChannel:
        """A channel over this process's client."""
        return BlockingChannel(self._blocking_client)

    def native(self) -> NativeChannel:
        """A channel over the clients of the running event loop (asyncio or trio)."""
        from anyio.lowlevel import current_token

        token = current_token()
        clients = self._native.get(token)
        if clients is None:
            self._forget_closed_loops()
            clients = self._native[token] = _LoopClients(
                self._options, functools.partial(self._native.pop, token, None)
            )
        return NativeChannel(clients)

    def _blocking_client(self, url: str) -> httpx2.Client:
        # Clients of a parent process stay in the table untouched: closing them here could wait for a lock that one of
        # the parent's threads held when it forked.
        key = os.getpid(), _is_tls(url)
        client = self._blocking.get(key)
        if client is None:
            import httpx2

            made = httpx2.Client(**self._options(key[1], httpx2.HTTPTransport))
            client = self._blocking.setdefault(key, made)
            if client is made:
                weakref.finalize(self, _close_in, key[0], made)
        return client

    def _forget_closed_loops(self) -> None:
        """Drop what belongs to loops that were closed without `shutdown_asyncgens`, which tells nobody."""
        for token in list(self._native):
            is_closed = getattr(getattr(token, "native_token", None), "is_closed", None)
            if is_closed is not None and is_closed():
                self._native.pop(token, None)


class _LoopClients:
    """The clients of one event loop; `forget` is called when the loop ends.

    A suspended async generator is what both asyncio and trio wind up at the end of a loop, so one stands guard here.
    """

    def __init__(self, options: Callable[..., dict[str, Any]], forget: Callable[[], object]) -> None:
        self._options = options
        self._plain: dict[httpx2.AsyncClient, int] = {}  # client → requests in flight
        self._tls: dict[httpx2.AsyncClient, int] = {}
        self._guard = _until_loop_ends((self._plain, self._tls), forget)
        with contextlib.suppress(StopIteration):
            self._guard.asend(None).send(None)  # to its `yield`: nothing suspends on the way

    def client_for(self, url: str) -> httpx2.AsyncClient:
        """The first client with room for one more request."""
        tls = _is_tls(url)
        clients = self._tls if tls else self._plain
        client = next((client for client, busy in clients.items() if busy < _SHARE), None)
        if client is None:
            import httpx2

            client = httpx2.AsyncClient(**self._options(tls, httpx2.AsyncHTTPTransport))
            clients[client] = 0
        clients[client] += 1
        return client

    async def done(self, client: httpx2.AsyncClient) -> None:
        """Note that a request is over, and close the client if enough others are idle."""
        clients = self._tls if client in self._tls else self._plain
        if client in clients:  # until the loop ends
            clients[client] -= 1
            if not clients[client] and sum(not busy for busy in clients.values()) > _SPARE:
                del clients[client]
                await give_up(client.aclose)


async def _until_loop_ends(
    tables: tuple[dict[httpx2.AsyncClient, int], ...], forget: Callable[[], object]
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        forget()
        for clients in tables:
            while clients:
                await give_up(clients.popitem()[0].aclose)


def _close_in(pid: int, client: httpx2.Client) -> None:
    if os.getpid() == pid:
        client.close()


def _is_tls(url: str) -> bool:
    return url[:6].lower() == "https:"


@functools.cache
def _tls_context() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()


def _no_tls_context() -> ssl.SSLContext:
    """Cheap, and it trusts nobody: for clients that only ever see http:// URLs."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _client_options(uds: str | None, trust_env: bool, tls: bool, transport: Callable[..., Any]) -> dict[str, Any]:
    import httpx2

    common: dict[str, Any] = {
        "verify": _tls_context() if tls else _no_tls_context(),
        "trust_env": trust_env,
        "limits": httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE),
    }
    if uds is not None:  # a client takes no `uds` of its own
        common = {"transport": transport(uds=uds, **common)}
    return common | {"timeout": httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT), "follow_redirects": False}
