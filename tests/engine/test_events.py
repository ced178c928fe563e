"""The events of calls and tools, and that subscribers cannot get in the way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import pytest

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server

E = TypeVar("E", bound=llm.Event)


@pytest.fixture
def events() -> Iterator[list[llm.Event]]:
    events: list[llm.Event] = []
    remove = llm.subscribe(events.append)
    yield events
    remove()


def of(events: list[llm.Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def ended(events: list[llm.Event]) -> list[llm.CallEnded]:
    """The calls that sent a request and are over."""
    return [call for call in of(events, llm.CallEnded) if call.result is not None]


def test_a_call(colour: Colour, events: list[llm.Event]) -> None:
    model = llm.scripted("Hello!")

    async def scenario() -> Any:
        return await colour.got(colour.ask(model, "Hi"))

    before = datetime.now(UTC)
    response = colour.run(scenario)
    (call,) = ended(events)
    assert call.message == response.messages[-1]
    assert call.result.plan.messages == tuple(response.messages[:-1])
    assert (call.result.provider_id, call.result.plan.model_id, call.started.streamed) == (
        "scripted",
        "scripted/model",
        False,
    )
    assert (call.error, call.started.tool_call, call.result.body) == (None, None, response.raw)
    assert before <= call.started.time <= datetime.now(UTC)
    assert call.duration > 0


def test_a_stream_is_told_of_when_it_is_over(colour: Colour, events: list[llm.Event]) -> None:
    model = llm.scripted("one two three")

    async def scenario() -> Any:
        response = await colour.got(colour.stream(model, "Hi"))
        assert ended(events) == []
        assert await colour.all(response.text_stream())
        await colour.got(response.finish())
        await colour.close(response)
        return response

    response = colour.run(scenario)
    (call,) = ended(events)
    assert call.message == response.messages[-1]
    assert (call.error, call.started.streamed) == (None, True)


def test_a_stream_that_is_given_up(colour: Colour, events: list[llm.Event]) -> None:
    model = llm.scripted("one two three")

    async def scenario() -> None:
        async with colour.within(await colour.got(colour.stream(model, "Hi"))) as response:
            await colour.next(texts := response.text_stream())
        del texts

    colour.run(scenario)
    gc.collect()
    (call,) = ended(events)
    assert isinstance(call.error, llm.StreamClosedError)
    assert call.message is not None
    assert call.message.content == (llm.Text("one"),)


def test_failures(colour: Colour, events: list[llm.Event]) -> None:
    error = llm.RateLimitError("Slow down.", status_code=429)

    async def scenario() -> None:
        for ask in (colour.ask, colour.stream):
            with pytest.raises(llm.RateLimitError):
                await colour.got(ask(llm.scripted(error), "Hi"))

    colour.run(scenario)
    assert [call.error for call in ended(events)] == [error, error]
    assert [(call.message, call.result.provider_id) for call in ended(events)] == [(None, "scripted")] * 2


def test_a_stream_that_is_dropped_without_being_read(colour: Colour, events: list[llm.Event]) -> None:
    async def scenario() -> None:
        await colour.got(colour.stream(llm.scripted("one two three"), "Hi"))

    colour.run(scenario)
    gc.collect()
    (call,) = ended(events)
    assert isinstance(call.error, llm.StreamClosedError)
    assert (call.message, call.started.streamed) == (None, True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_the_last_model_s(colour: Colour, events: list[llm.Event], server: Server, stream: bool) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": "busy"}}, 503)
    register(server, "one/")
    register(server, "two/")
    retry = llm.RetryConfig(max_retries=0, fallback_models=["two/b"])

    async def scenario() -> None:
        ask = colour.stream if stream else colour.ask
        with pytest.raises(llm.RetriesExhausted):
            await colour.got(ask(llm.Model("one/a", retry=retry), "Hi", format=llm.format(int, mode="json")))

    colour.run(scenario)
    (call,) = ended(events)
    assert isinstance(call.error, llm.RetriesExhausted)
    assert (call.result.plan.model_id, call.result.provider_id, call.started.streamed) == ("two/b", "two", stream)
    assert call.result.format is not None and call.result.format.mode == "json"


def test_a_call_that_waits_for_its_turn_was_not_sent(events: list[llm.Event], server: Server) -> None:
    register(server)
    model = llm.Model("test/model")
    server.answer = saying("Hello")
    asyncio.run(model.call_async("Hi"))  # the first call of a process waits longer
    server.answer = server.hold

    async def sent(call: Any) -> int:
        events.clear()
        tasks = [asyncio.ensure_future(call("Hi")) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(of(events, llm.CallStarted)) == len(of(events, llm.CallEnded)) == 100
        return len(ended(events))

    async def scenario() -> tuple[int, int]:
        return await sent(model.call_async), await sent(model.stream_async)

    whole, streamed = asyncio.run(scenario())
    assert 0 < whole == streamed < 100


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling(native: Colour, events: list[llm.Event], server: Server, stream: bool) -> None:
    server.answer = server.hold
    register(server)
    model = llm.Model("test/model")

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(model.stream_async if stream else model.call_async, "Hi")
            await anyio.to_thread.run_sync(lambda: server.arrived.get(timeout=PATIENCE))
            group.cancel_scope.cancel()

    native.run(scenario)
    (call,) = ended(events)
    assert call.error is not None
    assert call.started.streamed == stream
    assert call.message is None


def test_what_is_refused_was_not_sent(colour: Colour, events: list[llm.Event]) -> None:
    async def scenario() -> None:
        for model_id, error in (
            ("nobody/knows", llm.NoRegisteredProviderError),
            ("openai/gpt", llm.MissingAPIKeyError),
        ):
            for ask in (colour.ask, colour.stream):
                events.clear()
                with pytest.raises(error):
                    await colour.got(ask(llm.Model(model_id), "Hi"))
                started, over = events
                assert isinstance(started, llm.CallStarted) and isinstance(over, llm.CallEnded)
                assert (started.model_id, over.result, type(over.error)) == (model_id, None, error)

    colour.run(scenario)


def test_calls_in_tools_know_whose_they_are(colour: Colour, events: list[llm.Event]) -> None:
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
    first, *inner, last = ended(events)
    assert (first.started.tool_call, last.started.tool_call) == (None, None)
    assert {(call.started.tool_call, words(call)) for call in inner} == {
        (call, f"{call.name} {call.id[-1]}") for call in calls
    }


def words(call: llm.CallEnded) -> str:
    return "".join(part.text for part in call.started.messages[-1].content)


def test_tools_are_between_the_call_and_the_calls_that_they_make(colour: Colour, events: list[llm.Event]) -> None:
    def look(n: int) -> str:
        return llm.scripted("inner").call(f"look {n}").text()

    def fail() -> None:
        raise ZeroDivisionError("oh")

    calls = [llm.ToolCall(id="1", name="look", args='{"n": 1}'), llm.ToolCall(id="2", name="fail", args="{}")]
    model = llm.scripted(calls)

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[look, fail]))
        await colour.got(response.execute_tools(max_concurrency=1))

    colour.run(scenario)
    outer, inner = of(events, llm.CallStarted)
    look_started, fail_started = of(events, llm.ToolStarted)
    look_ended, fail_ended = of(events, llm.ToolEnded)
    assert outer.parent_id is None
    assert look_started.parent_id == fail_started.parent_id == outer.call_id
    assert (inner.parent_id, inner.tool_call) == (look_started.call_id, calls[0])
    assert (look_ended.call_id, fail_ended.call_id) == (look_started.call_id, fail_started.call_id)
    assert len({event.call_id for event in events}) == 4
    assert look_ended.output is not None and look_ended.output.result == "inner"
    assert fail_ended.output is not None and isinstance(fail_ended.output.error, llm.ToolExecutionError)
    order = [type(event) for event in events]
    assert order.index(llm.ToolEnded) > order.index(llm.ToolStarted)


@pytest.mark.parametrize("stream", [False, True])
def test_attempts(colour: Colour, events: list[llm.Event], server: Server, stream: bool) -> None:
    replies = iter([503, 200])

    def answer(exchange: Any) -> None:
        if next(replies) == 503:
            exchange.json({"error": {"message": "busy"}}, 503)
        else:
            saying("Hello")(exchange)

    server.answer = answer
    register(server)
    model = llm.Model("test/model", retry=llm.RetryConfig(initial_delay=0))

    async def scenario() -> None:
        response = await colour.got((colour.stream if stream else colour.ask)(model, "Hi"))
        if stream:
            await colour.got(response.finish())
        assert response.text() == "Hello"

    colour.run(scenario)
    assert [type(event) for event in events] == [
        llm.CallStarted,
        llm.AttemptStarted,
        llm.AttemptFailed,
        llm.AttemptStarted,
        llm.FirstChunk,
        llm.CallEnded,
    ]
    assert [event.number for event in of(events, llm.AttemptStarted)] == [1, 2]
    (failed,) = of(events, llm.AttemptFailed)
    assert (failed.number, type(failed.error)) == (1, llm.ServerError)
    (call,) = ended(events)
    assert [failure.exception for failure in call.result.failures] == [failed.error]
    assert {event.call_id for event in events} == {call.call_id}
    times = [event.time for event in events]
    assert times == sorted(times)


def test_a_subscriber_that_fails_is_reported_once(colour: Colour) -> None:
    def failing(event: llm.Event) -> None:
        raise ZeroDivisionError("oh")

    seen: list[llm.Event] = []
    removers = [llm.subscribe(failing), llm.subscribe(seen.append)]
    model = llm.scripted("a", "b")

    async def scenario() -> list[str]:
        return [(await colour.got(colour.ask(model, "Hi"))).text() for _ in range(2)]

    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: oh") as warned:
        assert colour.run(scenario) == ["a", "b"]
    assert len(warned) == 1
    for remove in removers:
        remove()
        remove()
    assert len(ended(seen)) == 2


def test_a_subscriber_that_fails_where_warnings_are_errors() -> None:
    remove = llm.subscribe(lambda event: 1 // 0)
    assert llm.scripted("a").call("Hi").text() == "a"
    remove()


def test_nothing_is_reported_after_removal(events: list[llm.Event]) -> None:
    others: list[llm.Event] = []
    llm.subscribe(others.append)()
    llm.scripted("a").call("Hi")
    assert (len(ended(events)), others) == (1, [])


def test_raw_events_are_kept_for_those_who_want_them(colour: Colour) -> None:
    async def stream() -> Any:
        response = await colour.got(colour.stream(llm.scripted("one two three"), "Hi"))
        await colour.got(response.finish())
        return response

    with pytest.raises(ValueError, match=r"llm\.subscribe\(callback, raw=True\)"):
        _ = colour.run(stream).raw_stream_events
    remove = llm.subscribe(lambda event: None, raw=True)
    response = colour.run(stream)
    remove()
    assert response.raw_stream_events[-1] == "[DONE]"
    assert len(response.raw_stream_events) > 3


@pytest.mark.parametrize("kind", [llm.CallStarted, llm.AttemptStarted, llm.FirstChunk, llm.CallEnded])
@pytest.mark.parametrize("stream", [False, True])
def test_ctrl_c_in_a_subscriber(events: list[llm.Event], kind: type[llm.Event], stream: bool) -> None:
    """The call ends, and the other subscribers hear of all of it."""

    def interrupt(event: llm.Event) -> None:
        if isinstance(event, kind):
            raise KeyboardInterrupt

    later: list[llm.Event] = []
    removers = [llm.subscribe(interrupt), llm.subscribe(later.append)]
    model = llm.scripted("a", "b")
    with pytest.raises(KeyboardInterrupt):
        if stream:
            model.stream("Hi").finish()
        else:
            model.call("Hi")
    for remove in removers:
        remove()
    assert later == events
    assert len(of(events, llm.CallStarted)) == len(of(events, llm.CallEnded)) == 1
    assert model.call("Hi").text() in ("a", "b")


def test_a_subscriber_cannot_cancel_the_call(native: Colour) -> None:
    def cancel(event: llm.Event) -> None:
        raise asyncio.CancelledError

    class Silent(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    def fail(event: llm.Event) -> None:
        raise Silent

    async def scenario() -> str:
        return (await llm.scripted("a").call_async("Hi")).text()

    for callback in (cancel, fail):
        remove = llm.subscribe(callback)
        with pytest.warns(RuntimeWarning, match="subscriber"):
            assert native.run(scenario) == "a"
        remove()


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_that_is_refused_is_not_mixed_with_the_first_model(events: list[llm.Event], stream: bool) -> None:
    error = llm.RateLimitError("Slow down.", status_code=429)
    model = llm.scripted(error)
    model = model.with_retry(llm.RetryConfig(max_retries=0, fallback_models=["anthropic/claude-x"]))
    with pytest.raises(llm.MissingAPIKeyError):
        (model.stream if stream else model.call)("Hi")
    (call,) = ended(events)
    assert (call.result.plan.model_id, call.result.provider_id) == ("scripted/model", "scripted")
