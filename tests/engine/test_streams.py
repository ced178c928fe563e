"""A stream and its connection: whoever is done with the one is rid of the other, at once."""

from __future__ import annotations

import asyncio
import gc
import json
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.engine import run as engine_run
from mirascope_like.engine.results import Result
from mirascope_like.engine.runtime import BLOCKING, run
from mirascope_like.engine.streams import Stream
from mirascope_like.transport.aiohttp_channel import AiohttpByteStream
from mirascope_like.types.chunks import TextChunk

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import pieces, register, saying
from ..transport.server import Exchange, Server


@pytest.fixture(autouse=True)
def dripping(server: Server) -> None:
    """The server streams what the test pushes."""
    server.answer = server.drip
    register(server)


def begin(server: Server, text: str = "one two") -> None:
    """The beginning of an answer, which does not go on."""
    for piece in pieces(text)[:-3]:
        server.push(piece)
    server.push(None)


async def opened(colour: Colour, server: Server) -> Any:
    """A stream of which "one two" has been sent and nothing has been read."""
    begin(server)
    return await colour.got(colour.stream(llm.Model("test/model"), "Hi"))


async def gone(colour: Colour, server: Server) -> bool:
    """Whether the client hangs up."""

    def wait() -> bool:
        server.wait_all_gone()
        return False not in server.gone.queue

    return await anyio.to_thread.run_sync(wait) if colour.is_async else wait()


async def first_text(response: Any) -> str:
    """Break out of a loop over the text."""
    if isinstance(response, llm.AsyncStreamResponse):
        async for text in response.text_stream():
            return text
    else:
        for text in response.text_stream():
            return text
    raise AssertionError("nothing came")


def test_breaking_out(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        assert await first_text(response) == "one"
        assert "StreamClosedError" in repr(response)  # at once, and its connection soon
        with pytest.raises(llm.StreamClosedError, match="closed before its end"):
            await colour.got(response.finish())
        assert await gone(colour, server)
        assert response.text() in ("one", "one two")  # as much as had come

    colour.run(scenario)


def test_going_on_right_after_breaking_out(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        assert await first_text(response) == "one"
        server.answer = saying("again")
        resumed = await colour.got(response.resume())
        assert await colour.all(resumed.text_stream()) == ["again"]

    colour.run(scenario)


def test_reading_again_after_breaking_out(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        assert await first_text(response) == "one"
        again = response.chunk_stream()
        for chunk in response.chunks:
            assert await colour.next(again) == chunk
        with pytest.raises(llm.StreamClosedError, match="closed before its end"):
            await colour.next(again)

    colour.run(scenario)


def test_cancelling_the_body_of_a_loop(native: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(native, server)
        with anyio.CancelScope() as scope:
            async for _ in response.text_stream():
                scope.cancel()
                await anyio.sleep_forever()
        server.answer = saying("again")
        resumed = await response.resume("Go on.")
        assert await native.all(resumed.text_stream()) == ["again"]

    native.run(scenario)


def test_leaving_the_with_block(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        async with colour.within(await opened(colour, server)) as response:
            texts = response.text_stream()
            assert await colour.next(texts) == "one"
        assert await gone(colour, server)

    colour.run(scenario)


def test_leaving_it_by_an_error(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            async with colour.within(await opened(colour, server)) as response:
                assert await first_text(response)
                raise ZeroDivisionError
        assert await gone(colour, server)

    colour.run(scenario)


def test_closing(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        await colour.close(response)
        assert await gone(colour, server)

    colour.run(scenario)


def test_dropping_a_response_unread(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        del response
        gc.collect()
        assert await gone(colour, server)

    colour.run(scenario)


def test_dropping_sub_streams(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        parts = response.streams()
        part = await colour.next(parts)
        assert await colour.next(part) == "one"
        del parts, part
        assert await gone(colour, server)

    colour.run(scenario)


@pytest.mark.parametrize("view", ["text_stream", "streams"])
def test_closing_a_view(colour: Colour, server: Server, view: str) -> None:
    async def scenario() -> None:
        response = await opened(colour, server)
        views = getattr(response, view)()
        assert await colour.next(views)
        await colour.close(views)
        assert await colour.all(views) == []
        assert "StreamClosedError" in repr(response)
        assert await gone(colour, server)

    colour.run(scenario)


def test_a_view_made_before_a_restart_and_begun_after_it_does_not_keep_the_stream_open(colour: Colour) -> None:
    async def scenario() -> None:
        script = llm.scripted(["It is a long", llm.ConnectionError("x")], "one two three")
        model = llm.retry(script, max_retries=1, initial_delay=0.0, after_output="restart")
        response = await colour.got(colour.stream(model, "Hi"))
        early, late = response.text_stream(), response.text_stream()
        assert await colour.next(early) == "It"
        for each in (early, late):
            with pytest.raises(llm.StreamRestarted):
                await colour.all(each)
        assert await first_text(response) == "one"
        assert "StreamClosedError" in repr(response)

    colour.run(scenario)


def test_a_dropped_view_that_another_outlives_does_not_close(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        server.answer = saying("one two three")
        response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
        mine = response.text_stream()
        assert await colour.next(mine) == "one"
        assert await first_text(response) == "one"
        assert await colour.all(mine) == [" two", " three"]

    colour.run(scenario)


def test_cancelling_a_reader(native: Colour, server: Server) -> None:
    async def scenario() -> None:
        response = await opened(native, server)
        texts = response.text_stream()
        assert [await anext(texts), await anext(texts)] == ["one", " two"]
        with anyio.move_on_after(0.02) as scope:
            await anext(texts)
        assert scope.cancelled_caught
        assert await gone(native, server)
        with pytest.raises(llm.StreamClosedError):
            await anext(texts)
        assert response.text() == "one two"

    native.run(scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_a_call(native: Colour, server: Server, stream: bool) -> None:
    server.answer = server.hold
    ask = native.stream if stream else native.ask

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: ask(llm.Model("test/model"), "Hi"))
            await anyio.to_thread.run_sync(lambda: server.arrived.get(timeout=PATIENCE))
            group.cancel_scope.cancel()
        assert await gone(native, server)
        server.answer = saying("in time")
        assert (await native.ask(llm.Model("test/model"), "Hi")).text() == "in time"

    native.run(scenario)


def test_a_connection_that_breaks(colour: Colour, server: Server) -> None:
    def break_off(exchange: Exchange) -> None:
        exchange.start()
        for piece in pieces("one two three")[:-3]:
            exchange.send(piece)
        exchange.hang_up()

    server.answer = break_off

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
        with pytest.raises(llm.ConnectionError) as caught:
            await colour.got(response.finish())
        error = caught.value
        assert (error.provider, error.model) == ("test", "model")
        assert error.partial.content == (llm.Text("one two three"),)

    colour.run(scenario)


async def told_it_is_closed(colour: Colour, response: Any, close: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Read to the end while another thread or task closes the stream, which the reader is told."""
    if colour.is_async:
        async with anyio.create_task_group() as group:
            group.start_soon(close)
            with pytest.raises(llm.StreamClosedError):
                await response.finish()
    else:
        thread = threading.Thread(target=colour.run, args=(close,))
        thread.start()
        with pytest.raises(llm.StreamClosedError):
            response.finish()
        thread.join(PATIENCE)


def break_off(exchange: Exchange) -> None:
    """Begin an answer, and no more."""
    exchange.start()
    exchange.hang_up()


def test_breaking_out_of_a_later_attempt(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: (break_off if len(server.received) == 1 else server.drip)(exchange)
    begin(server)

    async def scenario() -> None:
        model = llm.retry_model("test/model", max_retries=1, initial_delay=0.0)
        response = await colour.got(colour.stream(model, "Hi"))
        assert await first_text(response) == "one"
        assert "StreamClosedError" in repr(response)

    colour.run(scenario)


def test_closing_between_two_attempts(colour: Colour, server: Server) -> None:
    server.answer = break_off
    model = llm.retry_model("test/model", max_retries=1, initial_delay=50.0, jitter=0.0)

    async def scenario() -> None:
        response = await colour.got(colour.stream(model, "Hi"))

        async def close() -> None:
            while not response.retry_failures:
                await colour.wait(lambda: time.sleep(0.001))
            await colour.close(response)

        await told_it_is_closed(colour, response, close)

    colour.run(scenario)
    assert len(server.received) == 1


def test_closing_before_the_next_attempt_is_answered(colour: Colour, server: Server) -> None:
    released = threading.Event()

    def answer(exchange: Exchange) -> None:
        if len(server.received) == 1:
            return break_off(exchange)
        released.wait(PATIENCE)
        exchange.start()
        server.hold(exchange)

    server.answer = answer
    model = llm.retry_model("test/model", max_retries=1, initial_delay=0.0)

    async def scenario() -> None:
        response = await colour.got(colour.stream(model, "Hi"))

        async def close() -> None:
            await colour.wait(lambda: [server.arrived.get(timeout=PATIENCE) for _ in range(2)])
            await colour.close(response)
            released.set()

        await told_it_is_closed(colour, response, close)
        assert await gone(colour, server)

    colour.run(scenario)


def test_cancelling_one_reader_of_two(native: Colour, server: Server) -> None:
    both_wait, one_is_cancelled = threading.Event(), threading.Event()

    def answer(exchange: Exchange) -> None:
        head, one, two, *rest = pieces("one two three")
        exchange.start()
        exchange.send(head + one)
        both_wait.wait(PATIENCE)
        exchange.send(two)
        one_is_cancelled.wait(PATIENCE)
        exchange.send(b"".join(rest))
        exchange.end()

    server.answer = answer

    async def scenario() -> None:
        response = await native.got(native.stream(llm.Model("test/model"), "Hi"))
        aside = anyio.CancelScope()

        async def read_aside() -> None:
            with aside:
                async for _ in response.chunk_stream():
                    pass

        async def go_on() -> None:
            await anyio.wait_all_tasks_blocked()  # one reads, the other waits for its turn
            both_wait.set()

        texts = response.text_stream()
        said = [await anext(texts)]
        async with anyio.create_task_group() as group:
            group.start_soon(read_aside)
            group.start_soon(go_on)
            async for text in texts:
                said.append(text)
                aside.cancel()
                one_is_cancelled.set()
        assert "".join(said) == "one two three"

    native.run(scenario)


def test_dropping_a_stream_on_another_thread(native: Colour, server: Server) -> None:
    async def scenario() -> None:
        held = [await opened(native, server)]
        await native.wait(held.clear)
        assert await gone(native, server)

    native.run(scenario)


def test_silence_ends_a_stream(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        begin(server)
        response = await colour.got(colour.stream(llm.Model("test/model", timeout=0.5), "Hi"))
        with pytest.raises(llm.TimeoutError):
            await colour.got(response.finish())
        assert await gone(colour, server)
        assert response.text() == "one two"

    colour.run(scenario)


def test_an_error_inside_a_stream(colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        failure = {"error": {"message": "The server is overloaded.", "type": "overloaded_error", "code": 503}}
        for piece in pieces("one two")[:2]:
            server.push(piece)
        server.push(b"data: %b\n\n" % json.dumps(failure).encode())
        server.push(None)
        response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
        with pytest.raises(llm.ServerError) as caught:
            await colour.got(response.finish())
        assert "overloaded" in str(caught.value)
        assert caught.value.partial.content == (llm.Text("one"),)
        assert await gone(colour, server)

    colour.run(scenario)


def test_a_stream_that_is_read_to_its_end_gives_its_connection_back(colour: Colour, server: Server) -> None:
    server.answer = saying("one two")

    async def scenario() -> None:
        for _ in range(3):
            response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
            assert "".join(await colour.all(response.text_stream())) == "one two"

    colour.run(scenario)
    assert {request.connection for request in server.received} == {1}


def test_text_that_came_with_a_failure_is_not_in_the_response_after_a_restart(colour: Colour, server: Server) -> None:
    failed = b"".join([*pieces("old words")[:2], b'data: {"error": {"message": "Overloaded", "code": 503}}\n\n'])

    def answer(exchange: Exchange) -> None:
        if len(server.received) == 1:
            exchange.start()
            exchange.send(failed)
            exchange.hang_up()
        else:
            saying("new")(exchange)

    server.answer = answer

    async def scenario() -> None:
        model = llm.retry_model("test/model", max_retries=1, initial_delay=0.0, after_output="restart")
        response = await colour.got(colour.stream(model, "Hi"))
        with suppress(llm.StreamRestarted):
            await colour.all(response.text_stream())
        assert await colour.all(response.text_stream()) == ["new"]
        assert await colour.all(response.pretty_stream()) == ["new"]
        assert response.text() == "new"

    colour.run(scenario)
    assert len(server.received) == 2


def test_a_response_shows_what_its_readers_have_seen(colour: Colour, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"".join(pieces("one two three")))  # all at once
        server.hold(exchange)

    server.answer = answer

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
        assert await first_text(response) == "one"
        assert response.text() == "one"
        assert [chunk.delta for chunk in response.chunks if isinstance(chunk, TextChunk)] == ["one"]

    colour.run(scenario)


# -- tasks and event loops --------------------------------------------------------------------------------------------


def test_a_reader_that_is_cancelled_leaves_the_stream_to_the_others(server: Server) -> None:
    """Under asyncio, where the HTTP client can repeat the read that was cancelled."""
    server.answer = server.drip
    register(server)
    first_piece, *rest = pieces("one two three")

    async def scenario() -> list[str]:
        server.push(first_piece)
        response = await llm.Model("test/model").stream_async("Hi")
        begun = asyncio.Event()

        async def read() -> list[str]:
            texts: list[str] = []
            async for text in response.text_stream():
                texts.append(text)
                begun.set()
            return texts

        reading = asyncio.create_task(read())
        other = asyncio.create_task(read())
        server.push(rest.pop(0))
        server.push(rest.pop(0))
        await begun.wait()
        await asyncio.sleep(0)  # both wait for more now, the first one at the connection
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        for piece in [*rest, None]:
            server.push(piece)
        return await other

    assert asyncio.run(scenario()) == ["one", " two", " three"]


def test_the_last_reader_that_is_cancelled_closes_the_stream(native: Colour, server: Server) -> None:
    server.answer = server.drip
    register(server)

    async def scenario() -> None:
        server.push(pieces("one two three")[0])
        response = await llm.Model("test/model").stream_async("Hi")
        with anyio.move_on_after(0.05):
            await response.finish()
        with pytest.raises(llm.StreamClosedError):
            await response.finish()
        server.push(None)
        assert await anyio.to_thread.run_sync(server.gone.get)

    native.run(scenario)


def test_a_stream_is_not_read_in_another_loop(native: Colour, server: Server) -> None:
    server.answer = server.drip
    register(server)
    made: queue.Queue[Any] = queue.Queue()
    over = threading.Event()

    async def make() -> None:
        server.push(pieces("one two three")[0])
        made.put(await llm.Model("test/model").stream_async("Hi"))
        await anyio.to_thread.run_sync(over.wait)

    async def read(response: Any) -> None:
        with pytest.raises(llm.StreamClosedError, match="another event loop"):
            await response.finish()
        server.push(None)
        assert await anyio.to_thread.run_sync(server.gone.get)  # the connection is closed

    thread = threading.Thread(target=native.run, args=(make,))
    thread.start()
    response = made.get(timeout=PATIENCE)
    try:
        native.run(lambda: read(response))
    finally:
        over.set()
        thread.join()


def test_a_retried_stream_that_is_dropped_after_its_loop(native: Colour, server: Server) -> None:
    answers: Iterator[Callable[[Exchange], None]] = iter([lambda exchange: exchange.json({}, 503), server.drip])
    server.answer = lambda exchange: next(answers)(exchange)
    register(server)
    kept: list[Any] = []

    async def scenario() -> None:
        model = llm.Model("test/model", retry=llm.RetryConfig(initial_delay=0))
        server.push(pieces("one two")[0])
        server.push(None)
        response = await model.stream_async("Hi")
        kept.append((response, response.text_stream()))

    native.run(scenario)
    kept.clear()
    gc.collect()  # what fails here is reported as an unraisable exception


# -- an end while something else is under way -------------------------------------------------------------------------


def test_nothing_is_sent_after_an_end_while_the_request_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    model = llm.scripted("one two")
    stream = Stream(BLOCKING, model.plan("Hi"))
    events: list[llm.Event] = []

    def prepare_and_close(*args: Any, **kwargs: Any) -> Any:
        prepared = prepare(*args, **kwargs)
        run(stream.close())
        return prepared

    prepare = engine_run.prepare
    monkeypatch.setattr(engine_run, "prepare", prepare_and_close)
    remove = llm.subscribe(events.append)
    with pytest.raises(llm.StreamClosedError):
        run(stream.open())
    remove()
    assert model.requests == []
    assert [type(event) for event in events] == [llm.CallStarted, llm.CallEnded]


def test_two_ends_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(BLOCKING, llm.scripted("one two").plan("Hi"))
    events: list[llm.Event] = []

    def close_and_make_result(**fields: Any) -> Any:
        monkeypatch.setattr(engine_run, "Result", Result)
        run(stream.close())
        return Result(**fields)

    remove = llm.subscribe(events.append)
    run(stream.open())
    monkeypatch.setattr(engine_run, "Result", close_and_make_result)
    run(stream.finish())
    remove()
    assert stream.result.reply.content == (llm.Text("one two"),)
    assert (stream.finished, stream.failure) == (True, None)
    assert [type(event) for event in events].count(llm.CallEnded) == 1


def test_a_failure_is_not_lost_when_the_reader_is_cancelled_that_met_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *rest = pieces("one two")
    answers = iter([[first], [first, *rest]])
    server.answer = lambda exchange: exchange.stream(*next(answers))
    register(server)
    close = AiohttpByteStream.close
    closing = asyncio.Event()

    async def hang_once(stream: AiohttpByteStream) -> None:
        monkeypatch.setattr(AiohttpByteStream, "close", close)
        closing.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await close(stream)

    async def scenario() -> tuple[str, list[llm.RetryFailure]]:
        model = llm.Model("test/model", retry=llm.RetryConfig(initial_delay=0, after_output="restart"))
        response = await model.stream_async("Hi")
        monkeypatch.setattr(AiohttpByteStream, "close", hang_once)
        reading = asyncio.create_task(response.finish())
        other = asyncio.create_task(response.finish())
        await closing.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await other
        return response.text(), list(response.retry_failures)

    text, failures = asyncio.run(scenario())
    assert text == "one two"
    assert [type(failure.exception) for failure in failures] == [llm.IncompleteStreamError]


def test_a_task_that_waits_for_a_shared_view_leaves_the_stream_to_the_one_that_reads(server: Server) -> None:
    server.answer = server.drip
    register(server)
    all_pieces = pieces("one two")

    async def scenario() -> list[str]:
        for piece in all_pieces[:2]:
            server.push(piece)
        response = await llm.Model("test/model").stream_async("Hi")
        view = response.text_stream()
        texts = [await anext(view)]
        reading = asyncio.ensure_future(anext(view))
        waiting = asyncio.ensure_future(anext(view))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for piece in [*all_pieces[2:], None]:
            server.push(piece)
        texts.append(await reading)
        await response.finish()
        return texts

    assert asyncio.run(scenario()) == ["one", " two"]
