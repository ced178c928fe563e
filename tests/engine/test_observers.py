"""What observers are told, and that they cannot get in the way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.engine.observers import FinishedCall, observe

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import register
from ..transport.server import Server


@pytest.fixture
def told() -> Iterator[list[FinishedCall]]:
    calls: list[FinishedCall] = []
    remove = observe(calls.append)
    yield calls
    remove()


def test_a_call(colour: Colour, told: list[FinishedCall]) -> None:
    model = llm.scripted("Hello!")

    async def scenario() -> Any:
        return await colour.got(colour.ask(model, "Hi"))

    before = datetime.now(UTC)
    response = colour.run(scenario)
    (call,) = told
    assert call.message == response.messages[-1]
    assert call.plan.messages == tuple(response.messages[:-1])
    assert (call.provider_id, call.plan.model_id, call.streamed) == ("scripted", "scripted/model", False)
    assert (call.error, call.tool_call, call.raw) == (None, None, response.raw)
    assert before <= call.started <= datetime.now(UTC)
    assert call.duration > 0


def test_a_stream_is_told_of_when_it_is_over(colour: Colour, told: list[FinishedCall]) -> None:
    model = llm.scripted("one two three")

    async def scenario() -> Any:
        response = await colour.got(colour.stream(model, "Hi"))
        assert told == []
        assert await colour.all(response.text_stream())
        await colour.got(response.finish())
        await colour.close(response)
        return response

    response = colour.run(scenario)
    (call,) = told
    assert call.message == response.messages[-1]
    assert (call.error, call.streamed) == (None, True)
    assert call.raw[-1] == "[DONE]"


def test_a_stream_that_is_given_up(colour: Colour, told: list[FinishedCall]) -> None:
    model = llm.scripted("one two three")

    async def scenario() -> None:
        async with colour.within(await colour.got(colour.stream(model, "Hi"))) as response:
            await colour.next(texts := response.text_stream())
        del texts

    colour.run(scenario)
    gc.collect()
    (call,) = told
    assert isinstance(call.error, llm.StreamClosedError)
    assert call.message is not None
    assert call.message.content == (llm.Text("one"),)


def test_failures(colour: Colour, told: list[FinishedCall]) -> None:
    error = llm.RateLimitError("Slow down.", status_code=429)

    async def scenario() -> None:
        for ask in (colour.ask, colour.stream):
            with pytest.raises(llm.RateLimitError):
                await colour.got(ask(llm.scripted(error), "Hi"))

    colour.run(scenario)
    assert [call.error for call in told] == [error, error]
    assert [(call.message, call.provider_id) for call in told] == [(None, "scripted")] * 2


def test_a_stream_that_is_dropped_without_being_read(colour: Colour, told: list[FinishedCall]) -> None:
    async def scenario() -> None:
        await colour.got(colour.stream(llm.scripted("one two three"), "Hi"))

    colour.run(scenario)
    gc.collect()
    (call,) = told
    assert isinstance(call.error, llm.StreamClosedError)
    assert (call.message, call.streamed) == (None, True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_the_last_model_s(colour: Colour, told: list[FinishedCall], server: Server, stream: bool) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": "busy"}}, 503)
    register(server, "one/")
    register(server, "two/")
    retry = llm.RetryConfig(max_retries=0, fallback_models=["two/b"])

    async def scenario() -> None:
        ask = colour.stream if stream else colour.ask
        with pytest.raises(llm.RetriesExhausted):
            await colour.got(ask(llm.Model("one/a", retry=retry), "Hi", format=llm.format(int, mode="json")))

    colour.run(scenario)
    (call,) = told
    assert isinstance(call.error, llm.RetriesExhausted)
    assert (call.plan.model_id, call.provider_id, call.streamed) == ("two/b", "two", stream)
    assert call.prepared.format is not None and call.prepared.format.mode == "json"


def test_a_call_that_waits_in_line_has_not_begun(told: list[FinishedCall], server: Server) -> None:
    server.answer = server.hold
    register(server)
    model = llm.Model("test/model")

    async def begun(call: Any) -> int:
        told.clear()
        tasks = [asyncio.ensure_future(call("Hi")) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(told)

    async def scenario() -> tuple[int, int]:
        return await begun(model.call_async), await begun(model.stream_async)

    whole, streamed = asyncio.run(scenario())
    assert 0 < whole == streamed < 100


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling(native: Colour, told: list[FinishedCall], server: Server, stream: bool) -> None:
    server.answer = server.hold
    register(server)
    model = llm.Model("test/model")

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(model.stream_async if stream else model.call_async, "Hi")
            await anyio.to_thread.run_sync(lambda: server.arrived.get(timeout=PATIENCE))
            group.cancel_scope.cancel()

    native.run(scenario)
    (call,) = told
    assert call.error is not None
    assert call.streamed == stream
    assert call.message is None


def test_what_is_refused_is_no_call(colour: Colour, told: list[FinishedCall]) -> None:
    async def scenario() -> None:
        for model_id, error in (
            ("nobody/knows", llm.NoRegisteredProviderError),
            ("openai/gpt", llm.MissingAPIKeyError),
        ):
            for ask in (colour.ask, colour.stream):
                with pytest.raises(error):
                    await colour.got(ask(llm.Model(model_id), "Hi"))

    colour.run(scenario)
    assert told == []


def test_calls_in_tools_know_whose_they_are(colour: Colour, told: list[FinishedCall]) -> None:
    def plain(n: int) -> str:
        return llm.scripted("inner").call(f"plain {n}").text()

    async def native(n: int) -> str:
        return (await llm.scripted("inner").call_async(f"native {n}")).text()

    calls = [
        llm.ToolCall(id=f"{name}{n}", name=name, args=f'{{"n": {n}}}') for name in ("plain", "native") for n in (1, 2)
    ]
    model = llm.scripted(calls, "done")

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[plain, native]))
        outputs = await colour.got(response.execute_tools())
        await colour.got(response.resume(outputs))

    colour.run(scenario)
    first, *inner, last = told
    assert (first.tool_call, last.tool_call) == (None, None)
    assert {(call.tool_call, words(call)) for call in inner} == {(call, f"{call.name} {call.id[-1]}") for call in calls}


def words(call: FinishedCall) -> str:
    return "".join(part.text for part in call.plan.messages[-1].content)


def test_an_observer_that_fails_is_reported_once(colour: Colour) -> None:
    def failing(call: FinishedCall) -> None:
        raise ZeroDivisionError("oh")

    seen: list[FinishedCall] = []
    removers = [observe(failing), observe(seen.append)]
    model = llm.scripted("a", "b")

    async def scenario() -> list[str]:
        return [(await colour.got(colour.ask(model, "Hi"))).text() for _ in range(2)]

    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: oh") as warned:
        assert colour.run(scenario) == ["a", "b"]
    assert len(warned) == 1
    for remove in removers:
        remove()
        remove()
    assert len(seen) == 2


def test_an_observer_that_fails_where_warnings_are_errors() -> None:
    remove = observe(lambda call: 1 // 0)
    assert llm.scripted("a").call("Hi").text() == "a"
    remove()


def test_nobody_is_told_after_removal(told: list[FinishedCall]) -> None:
    others: list[FinishedCall] = []
    observe(others.append)()
    llm.scripted("a").call("Hi")
    assert (len(told), others) == (1, [])
