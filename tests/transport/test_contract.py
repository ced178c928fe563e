"""What every HTTP transport keeps to, in every colour."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest

from mirascope_like import errors
from mirascope_like.transport.base import ByteStream, Channel

from .conftest import Wire
from .server import PATIENCE, Exchange, Server


async def read(stream: ByteStream) -> list[bytes]:
    pieces: list[bytes] = []
    while (piece := await stream.next()) is not None:
        pieces.append(piece)
    return pieces


async def failing(call: Callable[[], Awaitable[object]]) -> Exception:
    with pytest.raises(Exception) as caught:
        await call()
    return caught.value


def test_post_sends_the_request_once_and_returns_the_reply(wire: Wire, server: Server) -> None:
    async def scenario(channel: Channel) -> None:
        reply = await channel.post(wire.request(b'{"model": "m", "text": "\xc3\xa4"}'))
        assert (reply.status, reply.body) == (200, b'{"echo": {"model": "m", "text": "\\u00e4"}}')
        assert reply.headers["content-type"] == "application/json"

    wire.run(scenario)
    (received,) = server.received
    assert received.path == "/post"
    assert received.json == {"model": "m", "text": "ä"}
    assert received.headers["x-mark"] == "7"
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [307, 400, 401, 429, 500, 529])
def test_error_statuses_are_returned_and_not_retried(wire: Wire, server: Server, status: int) -> None:
    headers = {"Retry-After": "3", "location": f"{server.url}/elsewhere"}
    server.answer = lambda exchange: exchange.json({"error": "no"}, status, headers)

    async def scenario(channel: Channel) -> None:
        reply = await channel.post(wire.request())
        assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, b'{"error": "no"}', "3")
        stream = await channel.open(wire.request())
        assert (stream.status, stream.headers["retry-after"]) == (status, "3")
        assert await read(stream) == [b'{"error": "no"}']
        await stream.close()

    wire.run(scenario)
    assert len(server.received) == 2


def test_a_stream_gives_each_piece_as_it_comes(wire: Wire, server: Server) -> None:
    server.answer = server.drip

    async def scenario(channel: Channel) -> None:
        stream = await channel.open(wire.request())
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        for piece in (b"one", b"two", b"three"):
            server.push(piece)
            assert await stream.next() == piece
        server.push(None)
        await stream.close()

    wire.run(scenario)


def test_a_finished_stream_gives_its_connection_back(wire: Wire, server: Server) -> None:
    server.answer = lambda exchange: exchange.stream(b"one", b"two")

    async def scenario(channel: Channel) -> None:
        for _ in range(3):
            stream = await channel.open(wire.request())
            assert b"".join(await read(stream)) == b"onetwo"
            assert await stream.next() is None
            await stream.close()

    wire.run(scenario)
    assert server.connections == 1


def test_close_hangs_up_at_once(wire: Wire, server: Server) -> None:
    server.answer = server.drip

    async def scenario(channel: Channel) -> None:
        unread = await channel.open(wire.request())
        server.push(None)
        await unread.close()
        assert server.gone.get(timeout=PATIENCE)

        begun = await channel.open(wire.request())
        server.push(b"one")
        assert await begun.next() == b"one"
        server.push(None)
        await begun.close()
        assert server.gone.get(timeout=PATIENCE)

        await begun.close()
        for stream in (unread, begun):
            assert isinstance(await failing(stream.next), errors.StreamClosedError)

    wire.run(scenario)
    gc.collect()  # whatever was left open would warn


def test_silence_is_a_timeout(wire: Wire, server: Server) -> None:
    server.answer = server.hold

    async def scenario(channel: Channel) -> None:
        for call in (channel.post, channel.open):
            error = await failing(lambda call=call: call(wire.request(timeout=0.1)))
            assert isinstance(error, errors.TimeoutError)
            assert "127.0.0.1" in str(error)
            assert type(error.original_exception).__name__ in ("ReadTimeout", "SocketTimeoutError")
            assert server.gone.get(timeout=PATIENCE)

    wire.run(scenario)
    assert len(server.received) == 2


def test_silence_within_a_stream_is_a_timeout_that_stays(wire: Wire, server: Server) -> None:
    server.answer = server.drip

    async def scenario(channel: Channel) -> None:
        server.push(b"one")
        stream = await channel.open(wire.request(timeout=0.2))
        assert await stream.next() == b"one"
        error = await failing(stream.next)
        assert isinstance(error, errors.TimeoutError)
        server.push(None)
        assert server.gone.get(timeout=PATIENCE)
        assert await failing(stream.next) is error
        await stream.close()

    wire.run(scenario)


def test_a_refused_connection_is_an_error(wire: Wire) -> None:
    with Server() as closed:
        pass

    async def scenario(channel: Channel) -> None:
        for call in (channel.post, channel.open):
            error = await failing(lambda call=call: call(wire.request(url=closed.url)))
            assert isinstance(error, errors.ConnectionError)
            assert closed.url.removeprefix("http://") in str(error)
            assert error.original_exception is not None

    wire.run(scenario, closed.url)


def test_a_cut_connection_is_an_error_that_stays(wire: Wire, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.request.json:
            exchange.start()
            exchange.send(b"one")
        exchange.cut()

    server.answer = answer

    async def scenario(channel: Channel) -> None:
        for call in (channel.post, channel.open):
            assert isinstance(await failing(lambda call=call: call(wire.request())), errors.ConnectionError)
        assert isinstance(await failing(lambda: channel.post(wire.request(b"[1]"))), errors.ConnectionError)
        error = await failing(lambda: stream_all(channel))
        assert isinstance(error, errors.ConnectionError)

    async def stream_all(channel: Channel) -> None:
        stream = await channel.open(wire.request(b"[1]"))
        try:
            await read(stream)
        except errors.ConnectionError as error:
            assert await failing(stream.next) is error
            await stream.close()
            raise

    wire.run(scenario)
    assert len(server.received) == 4


def test_a_body_that_ends_too_early_is_an_error(wire: Wire, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"one")
        exchange.hang_up()

    server.answer = answer

    async def scenario(channel: Channel) -> None:
        stream = await channel.open(wire.request())
        assert await stream.next() == b"one"
        assert isinstance(await failing(stream.next), errors.ConnectionError)

    wire.run(scenario)


def test_cancelling_hangs_up(async_wire: Wire, server: Server) -> None:
    """But for a read that can be repeated: that stream is still there."""

    async def scenario(channel: Channel) -> None:
        server.answer = server.drip
        stream = await channel.open(async_wire.request())
        server.push(b"one")
        assert await stream.next() == b"one"
        if getattr(stream, "cancel_safe", False):
            await cancelled(stream.next)
            server.push(b"two")
            assert await stream.next() == b"two"
            server.push(None)
            await cancelled(stream.next)
            await stream.close()
        else:
            server.push(None)
            await cancelled(stream.next)
        assert await anyio.to_thread.run_sync(lambda: server.gone.get(timeout=PATIENCE))
        assert isinstance(await failing(stream.next), errors.StreamClosedError)
        if async_wire.in_threads:  # there, a request that is not yet answered is left to its thread
            return
        server.answer = server.hold
        for call in (channel.post, channel.open):
            await cancelled(lambda call=call: call(async_wire.request()))
            assert await anyio.to_thread.run_sync(lambda: server.gone.get(timeout=PATIENCE))

    async def cancelled(call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        before = len(server.received)
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            with anyio.fail_after(PATIENCE):
                while len(server.received) == before and server.answer == server.hold:
                    await anyio.sleep(0.001)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    async_wire.run(scenario)


def test_closing_wakes_the_reader(async_wire: Wire, server: Server) -> None:
    server.answer = server.drip

    async def scenario(channel: Channel) -> None:
        stream = await channel.open(async_wire.request())
        server.push(b"one")
        assert await stream.next() == b"one"
        server.push(None)
        caught: list[Exception] = []

        async def reader() -> None:
            caught.append(await failing(stream.next))

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(reader)
                await anyio.wait_all_tasks_blocked()
                await stream.close()
        assert isinstance(caught[0], errors.StreamClosedError)

    async_wire.run(scenario)


def test_many_posts_at_once(async_wire: Wire, server: Server) -> None:
    async def scenario(channel: Channel) -> None:
        seen: list[bytes] = []

        async def one(number: int) -> None:
            seen.append((await channel.post(async_wire.request(b"%d" % number))).body)

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
        assert sorted(seen) == sorted(b'{"echo": %d}' % number for number in range(50))

    async_wire.run(scenario)
