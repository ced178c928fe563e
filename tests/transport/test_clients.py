"""The user's own HTTP clients: their settings hold, their colour and their event loop are minded."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from mirascope_like import errors
from mirascope_like.transport import HttpRequest, Timeouts
from mirascope_like.transport.clients import ClientTransport, is_http_client

from .conftest import NO_TLS, drive, run
from .server import PATIENCE, PATIENT, Exchange, Server

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
    client = family.Client(verify=NO_TLS, headers={"x-house": "1"}, auth=("me", "pw"), follow_redirects=True)
    server.answer = lambda exchange: (
        exchange.json({}) if exchange.request.path == "/new" else exchange.json({}, 307, {"location": "/new"})
    )
    with client:
        assert (
            run(ClientTransport(client).blocking().post(HttpRequest(server.url, {"x-call": "2"}, b"{}"))).status == 200
        )
    assert [received.path for received in server.received] == ["/", "/new"]
    sent = server.received[0].headers
    assert (sent["x-house"], sent["x-call"], sent["authorization"]) == ("1", "2", "Basic bWU6cHc=")


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


def test_a_stream_that_opens_after_its_task_was_cancelled_is_closed(async_colour: str, server: Server) -> None:
    cancelled = threading.Event()

    def answer(exchange: Exchange) -> None:
        cancelled.wait(PATIENCE)
        exchange.start()
        server.hold(exchange)

    server.answer = answer

    async def main() -> None:
        with httpx2.Client(verify=NO_TLS) as client:
            channel = ClientTransport(client).native()
            async with anyio.create_task_group() as group:
                group.start_soon(channel.open, HttpRequest(server.url, {}, b"{}", PATIENT))
                await anyio.to_thread.run_sync(server.arrived.get)  # the loop goes on while a thread waits
                group.cancel_scope.cancel()
            cancelled.set()
            assert await anyio.to_thread.run_sync(lambda: server.gone.get(timeout=PATIENCE))

    drive(async_colour, main)


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
