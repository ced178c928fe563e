"""The private and undocumented parts of HTTP clients and SDKs that the package uses, against the installed versions.

A failure here means that a library has changed such a part. The message says what the package needs it for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import aiohttp
import anthropic
import httpx
import httpx2
import openai
import pytest
from aiohttp.abc import AbstractStreamWriter

from mirascope_like.transport.aiohttp_internals import (
    CheckedConnector,
    CheckedTCPConnector,
    CheckedUnixConnector,
    ChunkedBody,
    find_encoding_error,
    is_connection_lost,
    read_buffered,
)
from mirascope_like.transport.httpx_internals import (
    NetworkStream,
    iterate_body,
    opened_stream,
    response_stream,
    shut_down,
)
from mirascope_like.transport.sdk_internals import ASYNC_BASE, SYNC_BASE, find_httpx, omit_own_headers

from .conftest import NO_TLS
from .server import PATIENCE, Exchange, Server

T = TypeVar("T")


@contextlib.contextmanager
def saying(broken: str) -> Iterator[None]:
    """Say what is broken if a library raises something unexpected."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{broken} ({error!r})") from error


class CountingConnector(CheckedTCPConnector):
    """Counts the connections that it opens."""

    opened = 0

    async def _create_connection(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        self.opened += 1
        return await super()._create_connection(req, traces, timeout)


def with_session(
    scenario: Callable[[aiohttp.ClientSession], Awaitable[T]],
    make: Callable[[], aiohttp.BaseConnector] = CheckedTCPConnector,
) -> T:
    async def main() -> T:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(connector=make()) as session:
            return await scenario(session)

    return asyncio.run(main())


# aiohttp: connections


@saying("the connector cannot keep track of connections")
def test_aiohttp_gives_the_protocol_of_a_connection(server: Server) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        protocols: list[Any] = []
        for _ in range(2):
            read.clear()
            async with session.post(server.url) as response:
                assert response.connection is not None
                protocols.append(response.connection.protocol)
                read.set()
                await response.read()
        assert protocols[0] is protocols[1] is not None, "Connection.protocol does not tell connections apart"
        assert weakref.ref(protocols[0])() is protocols[0], "protocols allow no weak references: each would leak"
        closed = protocols[0].closed
        assert isinstance(closed, asyncio.Future), "protocol.closed is no future: lost connections go unnoticed"

    def answer(exchange: Exchange) -> None:
        exchange.start()
        read.wait(PATIENCE)
        exchange.end()

    read = threading.Event()
    server.answer = answer
    with_session(scenario)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_aiohttp_asks_the_connector_for_a_connection_per_request(kind: str, server: Server, tmp_path: Path) -> None:
    looked_at: list[bool] = []

    async def scenario(session: aiohttp.ClientSession, url: str) -> None:
        connector: Any = session.connector
        connect = connector.connect

        async def counted(*args: Any, **kwargs: Any) -> Any:
            looked_at.append(True)
            return await connect(*args, **kwargs)

        connector.connect = counted
        for _ in range(2):
            async with session.post(url, json={}) as response:
                await response.read()
        assert len(looked_at) == 2, "the session no longer calls connector.connect: idle connections are not checked"

    if kind == "tcp":
        with_session(lambda session: scenario(session, server.url))
    else:
        path = str(tmp_path / "socket")
        with Server(uds=path):
            with_session(lambda session: scenario(session, "http://host"), lambda: CheckedUnixConnector(path))


@saying("connections cannot be opened with a time limit")
def test_aiohttp_opens_connections_by_create_connection(server: Server) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        for _ in range(2):
            async with session.post(server.url, json={}) as response:
                await response.read()
        connector = session.connector
        assert isinstance(connector, CountingConnector)
        assert connector.opened == 1, "_create_connection is not what opens connections: connecting has no time limit"

    with_session(scenario, CountingConnector)


@saying("abandoned connections cannot be closed")
def test_aiohttp_closes_a_connector_without_awaiting(server: Server) -> None:
    async def main() -> None:
        connector = CheckedTCPConnector()
        session = aiohttp.ClientSession(connector=connector)
        async with session.post(server.url, json={}) as response:
            await response.read()
        session.detach()
        connector.close_now()
        assert connector.closed, "BaseConnector.__exit__ no longer closes: abandoned connections stay open"

    asyncio.run(main())
    server.wait_all_gone()


# aiohttp: responses


@saying("what arrived before a failure cannot be read")
def test_aiohttp_keeps_what_arrived_before_a_failure(server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"arrived")
        exchange.hang_up()

    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.post(server.url) as response:
            while response.content.exception() is None:
                await asyncio.sleep(0.01)
            buffered = read_buffered(response)
        assert buffered == b"arrived", (
            "StreamReader.set_exception(None) keeps no bytes: the end of a cut stream is lost"
        )

    server.answer = answer
    with_session(scenario)


@saying("a response does not fail with its connection")
def test_a_response_fails_with_its_connection(server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        server.hold(exchange)

    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.post(server.url) as response:
            connector, connection = session.connector, response.connection
            assert (
                isinstance(connector, CheckedConnector) and connection is not None and connection.transport is not None
            )
            connector.watch_response(response)
            connection.transport.abort()
            with pytest.raises(aiohttp.ClientError):
                await response.content.readany()

    server.answer = answer
    with_session(scenario)


@saying("a read after the connection was lost is not recognised")
def test_aiohttp_reports_a_read_after_the_connection_was_lost(server: Server) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        server.answer = lambda exchange: exchange.start()
        async with session.post(server.url) as response:
            assert response.connection is not None and response.connection.protocol is not None
            protocol, loop = response.connection.protocol, asyncio.get_running_loop()
            reader = aiohttp.StreamReader(protocol, 2**16, loop=loop)
        await asyncio.sleep(0)  # the response is closed, and so is its connection
        with pytest.raises(Exception) as caught:
            await reader.readany()
        assert is_connection_lost(caught.value), f"{caught.value!r} would not be reported as a broken connection"

    with_session(scenario)


def test_aiohttp_names_a_wrong_content_encoding(server: Server) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError) as caught:
            async with session.post(server.url) as response:
                await response.read()
        found = find_encoding_error(caught.value)
        assert found is not None and found.message, "a body that cannot be decompressed looks like a broken connection"

    server.answer = lambda exchange: exchange.whole(b"no gzip", headers={"content-encoding": "gzip"})
    with_session(scenario)


# aiohttp: request bodies


@saying("a large body cannot be sent in slices")
def test_aiohttp_lets_a_payload_write_its_slices(server: Server) -> None:
    writers: list[Any] = []

    class Body(ChunkedBody):
        async def write(self, writer: AbstractStreamWriter) -> None:
            writers.append(writer)
            await super().write(writer)

    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.post(server.url, data=Body(b'"%b"' % (b"x" * 1000), 64, PATIENCE)) as response:
            assert (await response.json())["echo"] == "x" * 1000
        aborts = [callable(getattr(writer.transport, "abort", None)) for writer in writers]
        assert aborts, "Payload.write is not called: a server that reads nothing holds up the call"

    with_session(scenario)
    (received,) = server.received
    assert received.headers["content-length"] == "1002", "Payload._size is not the content length"
    assert hasattr(writers[0], "transport"), "StreamWriter.transport is gone: an unfinished body is not aborted"


# httpx2 and httpx


FAMILIES = pytest.mark.parametrize("family", [httpx2, httpx], ids=["httpx2", "httpx"])


@FAMILIES
def test_a_response_gives_its_connection_and_shutting_it_down_wakes_a_reader(family: Any, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"first")
        server.hold(exchange)

    server.answer = answer
    with family.Client(verify=NO_TLS) as client, client.stream("POST", server.url) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"first"
        stream = response_stream(response)
        assert stream is not None, 'extensions["network_stream"] is gone: closing does not wake a thread that reads'
        assert isinstance(stream.get_extra_info("socket"), socket.socket), "the network stream gives no socket"
        threading.Timer(0.05, shut_down, [stream]).start()
        with pytest.raises(family.TransportError):
            next(pieces)


@saying("a download cannot be closed while it waits")
def test_httpx2_traces_the_connection_that_it_opens(server: Server) -> None:
    opened: list[NetworkStream] = []

    def trace(event: str, info: Any) -> None:
        stream = opened_stream(event, info)
        if stream is not None:
            opened.append(stream)

    with httpx2.HTTPTransport(verify=NO_TLS) as transport:
        request = httpx2.Request("POST", server.url, json={}, extensions={"trace": trace})
        transport.handle_request(request).close()
        assert len(opened) == 1, "no trace event reports the connection: a download cannot be closed while it waits"
        assert isinstance(opened[0].get_extra_info("socket"), socket.socket), "the opened stream gives no socket"


@FAMILIES
def test_a_failing_decoder_leaves_the_raw_body_open(family: Any, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(headers={"content-encoding": "gzip"})
        exchange.send(b"no gzip")
        go_on.wait(PATIENCE)
        exchange.send(b"second")
        exchange.end()

    async def main() -> None:
        async with family.AsyncClient(verify=NO_TLS) as client, client.stream("POST", server.url) as response:
            pieces, raw = iterate_body(response)
            with pytest.raises(family.DecodingError):
                await anext(pieces)
            assert "aiter_raw" not in vars(response), "aiter_bytes does not read from the instance's aiter_raw"
            go_on.set()
            assert await anext(raw) == b"second", "the decoder closed the raw body: trio would warn of its generators"
            assert await anext(raw, None) is None

    go_on = threading.Event()
    server.answer = answer
    asyncio.run(main())


# openai and anthropic


SDKS = pytest.mark.parametrize(
    ("sdk", "names"),
    [(openai, ("OpenAI", "AsyncOpenAI")), (anthropic, ("Anthropic", "AsyncAnthropic"))],
    ids=["openai", "anthropic"],
)


@SDKS
def test_sdk_clients_have_the_base_classes_by_which_they_are_recognised(sdk: Any, names: tuple[str, str]) -> None:
    for name, base in zip(names, (SYNC_BASE, ASYNC_BASE), strict=True):
        bases = [each.__name__ for each in getattr(sdk, name).__mro__]
        assert base in bases, f"{name} does not inherit from {base}: client={name}(…) would be refused"


@SDKS
def test_an_sdk_tells_which_httpx_it_uses(sdk: Any, names: tuple[str, str]) -> None:
    family = find_httpx(sdk)
    assert isinstance(family, ModuleType)
    assert issubclass(sdk.DefaultHttpxClient, family.Client), "cast_to=Response would be of another httpx"


@SDKS
def test_an_sdk_leaves_out_its_own_headers_for_omit(sdk: Any, names: tuple[str, str], server: Server) -> None:
    with sdk.DefaultHttpxClient(verify=NO_TLS) as http:
        client = getattr(sdk, names[0])(base_url=server.url, api_key="own", http_client=http)
        replaced = {"AUTHORIZATION": "Bearer mine", "X-API-KEY": "mine", "USER-AGENT": "mine"}
        headers = {**omit_own_headers(client, sdk, replaced), **replaced}
        assert len(headers) > len(replaced), "auth_headers and default_headers are empty: both headers would be sent"
        options = {"headers": headers, "max_retries": 0}
        client.post("/post", body={}, cast_to=find_httpx(sdk).Response, options=options)
    (received,) = server.received
    for name, value in replaced.items():
        assert received.all(name.lower()) == [value], f"the client sends its own {name} beside the request's"
