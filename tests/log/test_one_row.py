"""Each call that was sent has one row, whatever ends it: cancelled, dropped, interrupted, or still under way when the
log is closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm

from ..conftest import PATIENCE, Colour
from ..faults.server import failing, in_turn
from ..llm.chat_server import pieces, register
from ..transport.server import Exchange, Server

MODEL = llm.Model("test/model")
SLOW = llm.retry_model("test/model", max_retries=3, initial_delay=60.0, max_delay=60.0, jitter=0)


@pytest.fixture(autouse=True)
def served(server: Server) -> None:
    """Two words of an answer that never ends."""

    def answer(exchange: Exchange) -> None:
        exchange.start()
        for piece in pieces("one two three")[:3]:
            exchange.send(piece)
        exchange.wait_gone()

    server.answer = answer
    register(server)


def rows(path: Path) -> list[llm.LoggedResponse]:
    with llm.open_log(path) as reader:
        assert reader.verify() == []
        return list(reader.responses())


def only(path: Path) -> llm.LoggedResponse:
    (row,) = rows(path)
    return row


async def arrived(server: Server, count: int = 1) -> None:
    for _ in range(count):
        await anyio.to_thread.run_sync(lambda: server.arrived.get(timeout=PATIENCE))


# -- cancelling -------------------------------------------------------------------------------------------------------


async def between_two_chunks(scope: anyio.CancelScope) -> None:
    async with await MODEL.stream_async("Hi") as response:
        async for _ in response.text_stream():
            scope.cancel()


async def without_a_block(scope: anyio.CancelScope) -> None:
    response = await MODEL.stream_async("Hi")
    async for _ in response.text_stream():
        scope.cancel()


async def while_something_else_is_awaited(scope: anyio.CancelScope) -> None:
    async with await MODEL.stream_async("Hi") as response:
        async for _ in response.text_stream():
            scope.cancel()
            await anyio.sleep_forever()


async def between_a_stream_and_its_first_chunk(scope: anyio.CancelScope) -> None:
    async with await MODEL.stream_async("Hi") as response:
        scope.cancel()
        await response.finish()


async def two_readers(scope: anyio.CancelScope) -> None:
    async with await MODEL.stream_async("Hi") as response:

        async def read() -> None:
            async for _ in response.text_stream():
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()


async def a_generator_around_it(scope: anyio.CancelScope) -> None:
    async def words() -> AsyncIterator[str]:
        response = await MODEL.stream_async("Hi")
        async for text in response.text_stream():
            yield text

    generator = words()
    await anext(generator)
    await generator.aclose()


async def a_lazy_response(scope: anyio.CancelScope) -> None:
    async with chat.get_async_model("test/model").prompt("Hi") as response:
        async for _ in response:
            scope.cancel()


async def a_lazy_response_without_a_block(scope: anyio.CancelScope) -> None:
    async for _ in chat.get_async_model("test/model").prompt("Hi"):
        scope.cancel()


async def a_chain(scope: anyio.CancelScope) -> None:
    async with chat.get_async_model("test/model").conversation().chain("Hi") as chain:
        async for _ in chain:
            scope.cancel()


ENDINGS: list[Callable[[anyio.CancelScope], Awaitable[None]]] = [
    between_two_chunks,
    without_a_block,
    while_something_else_is_awaited,
    between_a_stream_and_its_first_chunk,
    two_readers,
    a_generator_around_it,
    a_lazy_response,
    a_lazy_response_without_a_block,
    a_chain,
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
def test_a_stream_that_is_cancelled(
    native: Colour, path: Path, ending: Callable[[anyio.CancelScope], Awaitable[None]]
) -> None:
    async def scenario() -> None:
        with anyio.CancelScope() as scope:
            await ending(scope)

    with llm.log(path) as log:
        native.run(scenario)
        gc.collect()
        log.flush(PATIENCE)
        row = only(path)
    assert (row.prompt, row.error_type) == ("Hi", "StreamClosedError")
    assert rows(path) == [row]


@pytest.mark.parametrize("way", ["cancel", "timeout", "fail_after"])
@pytest.mark.parametrize("block", [True, False])
def test_a_task_that_is_cancelled_between_two_chunks(path: Path, way: str, block: bool) -> None:
    """As event loops cancel, and as time limits around a call do."""

    async def read(pause: Callable[[], Awaitable[object]]) -> None:
        response = await MODEL.stream_async("Hi")
        if block:
            async with response:
                async for _ in response.text_stream():
                    await pause()
        else:
            async for _ in response.text_stream():
                await pause()

    async def cancelled() -> None:
        reached = asyncio.Event()

        async def pause() -> None:
            reached.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(read(pause))
        await reached.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def limited() -> None:
        with suppress(TimeoutError):
            if way == "timeout":
                async with asyncio.timeout(0.05):
                    await read(asyncio.Event().wait)
            else:
                with anyio.fail_after(0.05):
                    await read(anyio.sleep_forever)

    with llm.log(path):
        asyncio.run(cancelled() if way == "cancel" else limited())
        gc.collect()
    assert only(path).error_type in ("StreamClosedError", "CancelledError")


@pytest.mark.parametrize("ask", [MODEL.call_async, MODEL.stream_async])
def test_cancelled_before_the_answer_begins(native: Colour, path: Path, server: Server, ask: Any) -> None:
    server.answer = server.hold

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "Hi")
            await arrived(server)
            group.cancel_scope.cancel()

    with llm.log(path):
        native.run(scenario)
    assert only(path).error_type is not None


@pytest.mark.parametrize("ask", [SLOW.call_async, SLOW.stream_async])
def test_cancelled_between_two_attempts(native: Colour, path: Path, server: Server, ask: Any) -> None:
    server.answer = in_turn(failing(503))

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "Hi")
            await arrived(server)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    with llm.log(path):
        native.run(scenario)
    assert only(path).error_type is not None


def test_a_reader_that_is_cancelled_in_line_leaves_the_stream_to_the_other(
    native: Colour, path: Path, server: Server
) -> None:
    seen = threading.Event()
    events = pieces("one two three")

    def answer(exchange: Exchange) -> None:
        exchange.start()
        for event in events[:3]:
            exchange.send(event)
        assert seen.wait(PATIENCE)
        for event in events[3:]:
            exchange.send(event)
        exchange.end()

    server.answer = answer

    async def scenario() -> str:
        response = await MODEL.stream_async("Hi")
        first, second = response.text_stream(), response.text_stream()
        text = await anext(first)
        await anext(second)

        async def read() -> None:
            nonlocal text
            text += "".join([piece async for piece in first])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.01) as scope:
                async for _ in second:
                    pass
            assert scope.cancelled_caught
            seen.set()
        return text

    with llm.log(path):
        assert native.run(scenario) == "one two three"
    row = only(path)
    assert (row.text, row.error_type) == ("one two three", None)


# -- interrupted, and dropped -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
@pytest.mark.parametrize("block", [True, False])
def test_a_loop_that_ends_with_an_error(colour: Colour, path: Path, error: type[BaseException], block: bool) -> None:
    async def loop(response: Any) -> None:
        if not colour.is_async:
            for _ in response.text_stream():
                raise error
        async for _ in response.text_stream():
            raise error

    async def scenario() -> None:
        response = await colour.got(colour.stream(MODEL, "Hi"))
        with suppress(error):
            if block:
                async with colour.within(response):
                    await loop(response)
            else:
                await loop(response)

    with llm.log(path) as log:
        colour.run(scenario)
        gc.collect()
        log.flush(PATIENCE)
        row = only(path)
    assert (row.text in ("one", "one two"), row.error_type) == (True, "StreamClosedError")
    assert rows(path) == [row]


def test_a_coroutine_that_is_dropped(path: Path) -> None:
    """As a loop that is closed drops its tasks: nobody cancels them."""

    async def wait(self: object, request: object) -> None:
        await forever

    class Stuck:
        def native(self) -> Any:
            return self

        blocking = native
        post = open = wait

    forever: asyncio.Future[None] = asyncio.Future(loop=(loop := asyncio.new_event_loop()))
    llm.register_provider("openai:completions", scope="test/", base_url="http://stuck", transport=Stuck())

    async def begin() -> Any:
        coroutine = MODEL.call_async("Hi")
        assert coroutine.send(None) is forever
        return coroutine

    with llm.log(path) as log:
        coroutine = loop.run_until_complete(begin())
        loop.close()
        del coroutine
        log.flush(PATIENCE)
        row = only(path)
    assert (row.prompt, row.error_type) == ("Hi", "GeneratorExit")
    assert rows(path) == [row]


def test_a_response_that_nobody_reads_sends_nothing(colour: Colour, path: Path, server: Server) -> None:
    async def scenario() -> None:
        model = (chat.get_async_model if colour.is_async else chat.get_model)("test/model")
        async with colour.within(model.prompt("Hi")):
            pass

    with llm.log(path):
        colour.run(scenario)
    assert (rows(path), server.received) == ([], [])


# -- still under way when the log is closed ---------------------------------------------------------------------------


@pytest.fixture
def unfinished(path: Path) -> Iterator[Any]:
    """A stream that outlives its log, of which one word came."""
    with llm.log(path):
        response = MODEL.stream("Hi")
        texts = response.text_stream()
        assert next(texts) == "one"
    yield response
    response.close()


def test_a_stream_that_outlives_the_log(path: Path, unfinished: llm.StreamResponse) -> None:
    row = only(path)
    assert (row.text, row.error_type, row.error) == (
        "one",
        "LogError",
        "The call had not ended when the log was closed.",
    )
    unfinished.close()
    with llm.log(path):
        gc.collect()
    assert only(path) == row


def test_a_whole_call_that_outlives_the_log(native: Colour, path: Path, server: Server) -> None:
    server.answer = server.hold

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            with llm.log(path):
                group.start_soon(MODEL.call_async, "Hi")
                await arrived(server)
            group.cancel_scope.cancel()

    native.run(scenario)
    row = only(path)
    assert (row.prompt, row.text, row.error_type) == ("Hi", "", "LogError")


def test_another_log_of_the_same_file_writes_the_end(path: Path) -> None:
    with llm.log(path):
        with llm.log(path):
            response = MODEL.stream("Hi")
            texts = response.text_stream()
            next(texts)
        response.close()
    assert only(path).error_type == "StreamClosedError"


def test_a_stream_of_before_is_not_written(path: Path) -> None:
    response = MODEL.stream("Hi")
    with llm.log(path):
        response.close()
    assert rows(path) == []


# -- whose call it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [None, "b"])
@pytest.mark.parametrize("same_file", [True, False])
def test_a_log_that_is_opened_later_never_gets_the_call(path: Path, tenant: str | None, same_file: bool) -> None:
    later = path if same_file else path.with_name("later.db")
    with llm.log(path):
        response = MODEL.stream("Hi")
        texts = response.text_stream()
        next(texts)
    row = only(path)
    assert (row.text, row.error_type) == ("one", "LogError")
    with llm.log(later, tenant=tenant):
        pass
    with llm.log(later, tenant=tenant):
        response.close()
    assert rows(later) == ([row] if same_file else [])
    assert rows(path) == [row]


def test_a_call_belongs_to_the_logs_that_were_open_when_it_began(colour: Colour, path: Path) -> None:
    paths = {name: path.with_name(f"{name}.db") for name in ("first", "second", "later")}

    async def scenario() -> None:
        logs = [llm.log(paths["first"]), llm.log(paths["second"])]
        response = await colour.got(colour.stream(MODEL, "Hi"))
        await colour.next(texts := response.text_stream())
        logs.append(llm.log(paths["later"]))
        logs[0].close()
        await colour.close(response)
        del texts
        for log in logs:
            log.close()

    colour.run(scenario)
    assert [row.error_type for row in rows(paths["first"])] == ["LogError"]
    assert [row.error_type for row in rows(paths["second"])] == ["StreamClosedError"]
    assert rows(paths["later"]) == []


def test_an_unfinished_call_is_not_left_to_a_log_of_the_same_file_that_never_gets_it(path: Path) -> None:
    first = llm.log(path)
    response = MODEL.stream("Hi")
    next(texts := response.text_stream())
    with llm.log(path):
        first.close()
        del texts
        response.close()
    assert only(path).error_type == "LogError"


def test_a_whole_call_of_before_is_not_written(native: Colour, path: Path, server: Server) -> None:
    server.answer = server.hold

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(MODEL.call_async, "Hi")
            await arrived(server)
            async with llm.log(path):
                pass
            later = llm.log(path)
            group.cancel_scope.cancel()
        await later.aclose()

    with llm.log(path.with_name("first.db")):
        native.run(scenario)
    assert len(rows(path.with_name("first.db"))) == 1
    assert rows(path) == []


def test_a_stream_of_before_is_not_written_if_it_tries_again(colour: Colour, path: Path, server: Server) -> None:
    def failing_with_a_log(exchange: Exchange) -> None:
        opened.append(llm.log(path))
        failing(503)(exchange)

    server.answer = in_turn(failing_with_a_log, server.answer)
    opened: list[llm.LogWriter] = []
    model = llm.retry_model("test/model", max_retries=1, initial_delay=0)

    async def scenario() -> None:
        response = await colour.got(colour.stream(model, "Hi"))
        await colour.close(response)

    colour.run(scenario)
    (later,) = opened
    later.close()
    assert len(server.received) == 2
    assert rows(path) == []
