"""`wire`: each transport in each colour, over a loopback server; `server`: that server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import anthropic
import httpx
import httpx2
import openai
import pytest
import trio

from mirascope_like.transport.base import Channel, HttpRequest, Timeouts, Transport
from mirascope_like.transport.clients import ClientTransport
from mirascope_like.transport.http import HttpTransport
from mirascope_like.transport.sdk_clients import SDKTransport

from .server import Server

T = TypeVar("T")

COLOURS = ["blocking", "asyncio", "trio"]
KINDS = ["http", "http-httpx2", "httpx2", "httpx", "threads", "openai", "anthropic", "sdk-threads"]
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading certificates for each client is slow
# Threads are for event loops; only under asyncio is there a choice.
NONE = ["threads blocking", "sdk-threads blocking", "http-httpx2 blocking", "http-httpx2 trio"]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Step a coroutine that must never suspend."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("suspended in the blocking colour")


def drive(colour: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` as its colour is run."""
    if colour == "blocking":
        return run(main())
    if colour == "asyncio":
        return asyncio.run(main())
    return trio.run(main)


def clients(kind: str, url: str) -> list[Any]:
    """The clients for a transport of this kind, the sync one first."""
    if kind == "httpx":
        return [httpx.Client(verify=NO_TLS), httpx.AsyncClient(verify=NO_TLS)]
    plain, native = httpx2.Client(verify=NO_TLS), httpx2.AsyncClient(verify=NO_TLS)
    if kind == "httpx2":
        return [plain, native]
    if kind == "threads":
        return [plain]
    if kind == "sdk-threads":
        return [openai.OpenAI(base_url=url, api_key="k", http_client=plain)]
    make, make_async = {
        "openai": (openai.OpenAI, openai.AsyncOpenAI),
        "anthropic": (anthropic.Anthropic, anthropic.AsyncAnthropic),
    }[kind]
    return [
        make(base_url=url, api_key="k", http_client=plain),
        make_async(base_url=url, api_key="k", http_client=native),
    ]


class Wire:
    """A transport of one kind, used in one colour."""

    def __init__(self, kind: str, colour: str, server: Server) -> None:
        self.kind, self.colour, self.server = kind, colour, server
        self.is_sdk = kind in ("openai", "anthropic", "sdk-threads")
        self.in_threads = colour != "blocking" and kind in ("threads", "sdk-threads")

    def request(self, body: bytes = b"{}", timeout: float | None = 10.0, url: str | None = None) -> HttpRequest:
        where = "/post" if self.is_sdk else f"{url or self.server.url}/post"
        return HttpRequest(where, {"content-type": "application/json", "x-mark": "7"}, body, Timeouts(timeout, timeout))

    def channel(self, transport: Transport) -> Channel:
        return transport.blocking() if self.colour == "blocking" else transport.native()

    def run(self, scenario: Callable[[Channel], Awaitable[T]], url: str | None = None) -> T:
        """Run the scenario with a fresh transport, whose clients are closed at its end."""

        async def main() -> T:
            if self.kind in ("http", "http-httpx2"):
                return await scenario(self.channel(HttpTransport(asyncio="httpx2" if "-" in self.kind else None)))
            mine = clients(self.kind, url or self.server.url)
            try:
                transport = SDKTransport(*mine) if self.is_sdk else ClientTransport(*mine)
                return await scenario(self.channel(transport))
            finally:
                for client in mine[:1] if self.colour == "blocking" else mine:
                    closing = client.aclose() if hasattr(client, "aclose") else client.close()
                    if closing is not None:
                        await closing

        return drive(self.colour, main)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def async_colour(request: pytest.FixtureRequest) -> str:
    return request.param


WIRES = [f"{kind} {colour}" for kind in KINDS for colour in COLOURS if f"{kind} {colour}" not in NONE]


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest, server: Server) -> Wire:
    kind, colour = request.param.split()
    return Wire(kind, colour, server)


@pytest.fixture(
    params=[f"{kind} {colour}" for kind in KINDS for colour in COLOURS[1:] if f"{kind} {colour}" not in NONE]
)
def async_wire(request: pytest.FixtureRequest, server: Server) -> Wire:
    kind, colour = request.param.split()
    return Wire(kind, colour, server)
