"""The user's own HTTP clients: their settings hold, their colour and their event loop are minded."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio
import httpx
import httpx2
import pytest

from mirascope_like import errors
from mirascope_like.transport.base import HttpRequest, Timeouts
from mirascope_like.transport.clients import ClientTransport, is_http_client

from .conftest import NO_TLS, drive, run
from .server import PATIENCE, PATIENT, Exchange, Server

T = TypeVar("T")
FAMILIES: list[Any] = [httpx2, httpx]


class HouseClient(httpx2.AsyncClient):
    """A client as a company might define it."""


@pytest.mark.parametrize("make", [*(f.Client for f in FAMILIES), *(f.AsyncClient for f in FAMILIES), HouseClient])
def test_clients_are_recognised(make: Callable[..., object]) -> None:
    assert is_http_client(make(verify=NO_TLS))


@pytest.mark.parametrize("other", [None, "httpx", httpx2, httpx2.Client, object()])
def test_nothing_else_is_a_client(other: object) -> None:
    assert not is_http_client(other)
    with pytest.raises(TypeError):
        ClientTransport(other)


def test_one_client_of_each_colour_at_most() -> None:
    client = httpx2.Client(verify=NO_TLS)
    with pytest.raises(TypeError, match="one of each"):
        ClientTransport(client, client)
    with pytest.raises(TypeError):
        ClientTransport()


def test_an_async_client_cannot_serve_a_blocking_call() -> None:
    transport = ClientTransport(httpx2.AsyncClient(verify=NO_TLS))
    with pytest.raises(TypeError, match="give a sync client too"):
        transport.blocking()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_clients_settings_hold(family: Any, server: Server) -> None:
    with family.Client(verify=NO_TLS, headers={"x-house": "1"}, auth=("me", "pw")) as client:
        run(ClientTransport(client).blocking().post(HttpRequest(server.url, {"x-call": "2"}, b"{}")))
    sent = server.received[0].headers
    assert (sent["x-house"], sent["x-call"], sent["authorization"]) == ("1", "2", "Basic bWU6cHc=")


@pytest.mark.parametrize("family", FAMILIES)
def test_redirects_are_not_followed_even_if_the_client_would(family: Any, colour: str, server: Server) -> None:
    """The other host would be shown the key."""
    server.answer = lambda exchange: exchange.json({}, 307, {"location": server.url.replace("127.0.0.1", "localhost")})
    client = (family.Client if colour == "blocking" else family.AsyncClient)(verify=NO_TLS, follow_redirects=True)

    async def main() -> None:
        transport = ClientTransport(client)
        channel = transport.blocking() if colour == "blocking" else transport.native()
        assert (await channel.post(HttpRequest(server.url, {"x-api-key": "k"}, b"{}", PATIENT))).status == 307
        stream = await channel.open(HttpRequest(server.url, {"x-api-key": "k"}, b"{}", PATIENT))
        assert stream.status == 307
        await stream.close()
        if colour == "blocking":
            client.close()
        else:
            await client.aclose()

    drive(colour, main)
    assert len(server.received) == 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("of_client", "of_request", "expected"),
    [
        ({}, None, {"connect": 10.0, "read": 600.0, "write": 600.0, "pool": 600.0}),
        ({"timeout": 7.0}, None, dict.fromkeys(("connect", "read", "write", "pool"), 7.0)),
        ({"timeout": 7.0}, 3.0, dict.fromkeys(("connect", "read", "write", "pool"), 3.0)),
    ],
)
def test_the_timeout_is_the_requests_or_the_clients_but_not_httpxs(
    family: Any, of_client: dict[str, float], of_request: float | None, expected: dict[str, float]
) -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request.extensions["timeout"])
        return family.Response(200, json={})

    with family.Client(transport=family.MockTransport(answer), **of_client) as client:
        run(
            ClientTransport(client)
            .blocking()
            .post(HttpRequest("http://host/", {}, b"{}", Timeouts(of_request, of_request)))
        )
    assert seen == [expected]


def test_a_busy_pool_is_a_timeout_that_says_so(server: Server) -> None:
    server.answer = server.drip
    limits = httpx2.Limits(max_connections=1)
    with httpx2.Client(verify=NO_TLS, limits=limits) as client:
        channel = ClientTransport(client).blocking()
        stream = run(channel.open(HttpRequest(server.url, {}, b"{}")))
        server.push(None)
        with pytest.raises(errors.TimeoutError, match="no free connection"):
            run(channel.post(HttpRequest(server.url, {}, b"{}", Timeouts(0.05, 0.05))))
        run(stream.close())


@pytest.mark.parametrize("family", FAMILIES)
def test_an_async_client_belongs_to_its_first_loop(family: Any, async_colour: str, server: Server) -> None:
    client = family.AsyncClient(verify=NO_TLS)
    transport = ClientTransport(client)

    async def first() -> None:
        async with client:
            await transport.native().post(HttpRequest(server.url, {}, b"{}", PATIENT))
            await transport.native().post(HttpRequest(server.url, {}, b"{}", PATIENT))

    async def second() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            transport.native()

    drive(async_colour, first)
    drive(async_colour, second)
    assert len(server.received) == 2


def test_a_sync_client_serves_several_loops(server: Server) -> None:
    async def main() -> None:
        assert (await transport.native().post(HttpRequest(server.url, {}, b"{}", PATIENT))).status == 200

    with httpx2.Client(verify=NO_TLS) as client:
        transport = ClientTransport(client)
        for colour in ("asyncio", "trio", "asyncio"):
            drive(colour, main)
    assert server.connections == 1


# A sync client in an event loop


class Gated(httpx2.HTTPTransport):
    """A transport that stops where nothing outside can wake it, `before` or after it has its answer, until `go`."""

    def __init__(self, *, before: bool) -> None:
        super().__init__(verify=NO_TLS)
        self.before = before
        self.stopped, self.go = threading.Event(), threading.Event()

    def stop(self) -> None:
        self.stopped.set()
        assert self.go.wait(PATIENCE)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.before:
            self.stop()
        response = super().handle_request(request)
        if not self.before:
            self.stop()
        return response


async def in_worker(fn: Callable[[], T]) -> T:
    """The loop goes on while a thread waits."""
    return await anyio.to_thread.run_sync(fn)


async def cancelled(call: Callable[[], Coroutine[Any, Any, object]], when: Callable[[], object]) -> None:
    """Cancel the call when `when` returns; that it ends at once is what is waited for."""
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await in_worker(when)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("method", ["post", "open"])
@pytest.mark.parametrize("before", [True, False])
def test_what_cannot_be_closed_when_its_task_is_cancelled_is_closed_later(
    async_colour: str, server: Server, method: str, before: bool
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        server.hold(exchange)

    server.answer = answer
    transport = Gated(before=before)

    async def main() -> None:
        channel = ClientTransport(client).native()
        request = HttpRequest(server.url, {}, b"{}", PATIENT)
        await cancelled(lambda: getattr(channel, method)(request), transport.stopped.wait)

    with httpx2.Client(transport=transport) as client:
        drive(async_colour, main)  # the loop ends, and the thread goes on
        transport.go.set()
        assert server.gone.get(timeout=PATIENCE)


STUCK = """
import anyio, httpx2, threading
from mirascope_like.transport import HttpRequest
from mirascope_like.transport.clients import ClientTransport

stuck = threading.Event()
def answer(request):
    stuck.set()
    threading.Event().wait(60)

async def main():
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(ClientTransport(client).native().post, HttpRequest("http://host/", {{}}, b"{{}}"))
            await anyio.to_thread.run_sync(stuck.wait)
            scope.cancel()

client = httpx2.Client(transport=httpx2.MockTransport(answer))
anyio.run(main, backend="{colour}")
print("over")
"""


def test_what_cannot_be_closed_does_not_hold_up_the_end_of_the_process(async_colour: str) -> None:
    code = STUCK.format(colour=async_colour)
    shown = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, timeout=30
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "over\n", "")


def test_a_closed_client_is_the_callers_error() -> None:
    client = httpx2.Client(verify=NO_TLS)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        run(ClientTransport(client).blocking().post(HttpRequest("http://host/", {}, b"{}")))


def test_the_client_stays_open(server: Server) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient(verify=NO_TLS) as client:
            for _ in range(2):
                await ClientTransport(client).native().post(HttpRequest(server.url, {}, b"{}", PATIENT))
                gc.collect()
            assert not client.is_closed

    asyncio.run(main())
    assert server.connections == 1
