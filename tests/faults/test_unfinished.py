"""Nothing acts on a response that did not end well: its tool calls may be incomplete, whatever they look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .endings import (
    CHAT,
    MESSAGES,
    Reason,
    Wipe,
    calling,
    each_ending,
    ended,
    saying,
    streamed_or_whole,
    wiping,
)
from .protocols import MODEL, Protocol
from .server import Answer, chunked, in_turn


@pytest.fixture
def wipe() -> Wipe:
    return Wipe()


async def asked(colour: Colour, stream: bool, **options: Any) -> Any:
    """A response, read to its end."""
    ask = colour.stream if stream else colour.ask
    return await finished(colour, stream, await colour.got(ask(llm.Model(MODEL), "Hi", **options)))


async def finished(colour: Colour, stream: bool, response: Any) -> Any:
    if stream:
        await colour.got(response.finish())
    return response


@each_ending
@streamed_or_whole
def test_no_tool_runs_and_the_model_is_told(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, reason: Reason, stream: bool
) -> None:
    protocol.register(server)
    server.answer = in_turn(calling(protocol, reason, stream), saying(protocol, "Sorry.", stream))

    async def scenario() -> None:
        response = await asked(colour, stream, tools=[wipe.tool])
        assert response.finish_reason is reason
        (call,) = response.tool_calls
        (output,) = outputs = await colour.got(response.execute_tools())
        assert (wipe.ran, output.id, output.name) == ([], call.id, "wipe")
        assert isinstance(output.error, llm.ToolExecutionError)
        assert output.result == str(output.error)
        last = await finished(colour, stream, await colour.got(response.resume(outputs)))
        assert last.text() == "Sorry."

    colour.run(scenario)
    assert b"This tool call was not run, because" in server.received[-1].body


@each_ending
@streamed_or_whole
def test_a_program_may_insist(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, reason: Reason, stream: bool
) -> None:
    protocol.register(server)
    server.answer = calling(protocol, reason, stream)

    async def scenario() -> None:
        response = await asked(colour, stream, tools=[wipe.tool])
        (output,) = await colour.got(response.execute_tools(unfinished="run"))
        assert (wipe.ran, output.output) == (["/"], "wiped /")
        output = response.toolkit.execute(response.tool_calls[0])
        assert (wipe.ran, output.output) == (["/", "/"], "wiped /")
        with pytest.raises(ValueError, match="'refuse' or 'run'"):
            await colour.got(response.execute_tools(unfinished="maybe"))

    colour.run(scenario)


def test_tools_with_a_context(colour: Colour, server: Server) -> None:
    CHAT.register(server)
    server.answer = calling(CHAT, Reason.MAX_TOKENS, stream=False)
    ran: list[int] = []

    def wipe(ctx: llm.Context[int]) -> None:
        ran.append(ctx.deps)

    @colour.fn
    def ask(ctx: llm.Context[int]) -> str:
        return "Hi"

    async def scenario() -> None:
        ctx = llm.Context(deps=7)
        response = await colour.got(llm.call(MODEL, tools=[wipe])(ask)(ctx))
        (output,) = await colour.got(response.execute_tools(ctx))
        assert output.error is not None and not ran
        await colour.got(response.execute_tools(ctx, unfinished="run"))
        assert ran == [7]

    colour.run(scenario)


def test_a_stream_that_broke_off(colour: Colour, server: Server, wipe: Wipe, protocol: Protocol) -> None:
    """A call came whole. Then the connection breaks, the server fails, or the program closes the stream."""
    protocol.register(server)
    events = protocol.events(wiping(protocol, '{"path": "/tmp"}'), llm.Text("That is all."))
    before = events[: next(i for i, event in enumerate(events) if protocol.end in event)]

    async def broken(answer: Answer) -> Any:
        server.answer = answer
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[wipe.tool]))
        if answer.end == "stall":
            await colour.next(response.text_stream())
            await colour.close(response)
            return response
        with pytest.raises(llm.ProviderError):
            await colour.got(response.finish())
        return response

    async def scenario() -> None:
        cut = chunked(before).first(-1)
        seen = 0
        for answer in (cut.then("close"), chunked([*before, protocol.failure]), cut.then("stall")):
            response = await broken(answer)
            outputs = await colour.got(response.execute_tools())
            assert [output.id for output in outputs] == [call.id for call in response.tool_calls]
            assert all("before its end" in output.result for output in outputs)
            assert wipe.ran == []
            await colour.got(response.execute_tools(unfinished="run"))
            assert wipe.ran == ["/tmp"] * len(outputs)
            wipe.ran.clear()
            seen += len(outputs)
        # In chat completions only the end of the response says that a call is whole.
        assert seen == (0 if protocol is CHAT else 3)

    colour.run(scenario)


@streamed_or_whole
def test_a_paused_turn_runs_its_tools(colour: Colour, server: Server, wipe: Wipe, stream: bool) -> None:
    MESSAGES.register(server)
    server.answer = calling(MESSAGES, Reason.PAUSE, stream, wiping(MESSAGES, '{"path": "/tmp"}'))

    async def scenario() -> None:
        response = await asked(colour, stream, tools=[wipe.tool])
        assert response.finish_reason is Reason.PAUSE
        assert [output.output for output in await colour.got(response.execute_tools())] == ["wiped /tmp"]

    colour.run(scenario)


def test_arguments_that_were_cut_off(colour: Colour, server: Server, wipe: Wipe, protocol: Protocol) -> None:
    """They go back with the error, and without an output not at all; where a server takes only whole JSON, empty."""
    protocol.register(server)
    events = protocol.events(wiping(protocol, '{"path": "/tmp"}'))
    cut = [ended(protocol, Reason.MAX_TOKENS, event.replace(rb"/tmp\"}", b"/t")) for event in events]
    answer = saying(protocol, "So?", stream=True)
    server.answer = in_turn(chunked(cut), answer, answer)

    async def scenario() -> None:
        response = await asked(colour, True, tools=[wipe.tool])
        assert [call.args for call in response.tool_calls] == ['{"path": "/t']
        for content in ("Never mind.", await colour.got(response.execute_tools())):
            await finished(colour, True, await colour.got(response.resume(content)))

    colour.run(scenario)
    _, without, told = (request.body for request in server.received)
    assert b"call_a" not in without and b"/t" not in without
    assert b"was not run" in told
    sent = {"chat": b'"arguments":"{}"', "responses": rb'"arguments":"{\"path\": \"/t"', "messages": b'"input":{}'}
    assert sent[protocol.name] in told
    assert wipe.ran == []


class Filter(BaseModel):
    path: str = "/"


@each_ending
@streamed_or_whole
def test_the_hidden_tool_of_a_format_gives_no_value(
    colour: Colour, server: Server, protocol: Protocol, reason: Reason, stream: bool
) -> None:
    """Some providers close the arguments of a call that was cut off, so that they look whole."""
    protocol.register(server)
    answer = llm.ToolCall(id="call_a", name="__output__", args="{}")
    server.answer = calling(protocol, reason, stream, answer)

    async def scenario() -> None:
        response = await asked(colour, stream, format=llm.format(Filter, mode="tool"))
        with pytest.raises(llm.ParseError) as caught:
            response.parse()
        assert caught.value.cut_off is reason.cuts_off
        with pytest.raises(llm.ParseError):
            await colour.got(response.validate(2))
        assert len(server.received) == 1
        whole = llm.ToolCall(id="call_a", name="__output__", args='{"path": "/tmp"}')
        server.answer = calling(protocol, None, stream, whole)
        assert (await asked(colour, stream, format=llm.format(Filter, mode="tool"))).parse() == Filter(path="/tmp")

    colour.run(scenario)


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.UNKNOWN])
def test_a_response_that_failed_goes_on_without_content(colour: Colour, server: Server, reason: Reason) -> None:
    CHAT.register(server)
    server.answer = in_turn(calling(CHAT, reason, False), saying(CHAT, "Yes.", False))

    async def scenario() -> None:
        response = await asked(colour, False, tools=[])
        last = await colour.got(response.resume())
        assert (last.text(), last.continues) == ("Yes.", "restart")

    colour.run(scenario)
    first, second = (request.json["messages"] for request in server.received)
    assert first == second


# -- the number of calls ----------------------------------------------------------------------------------------------


def many(protocol: Protocol, count: int) -> list[llm.ToolCall]:
    return [wiping(protocol, '{"path": "/tmp"}', f"call_{number}") for number in range(count)]


@streamed_or_whole
def test_too_many_calls_are_not_run(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, stream: bool
) -> None:
    protocol.register(server)
    server.answer = calling(protocol, None, stream, *many(protocol, 129))

    async def scenario() -> None:
        response = await asked(colour, stream, tools=[wipe.tool])
        for unfinished in ("refuse", "run"):
            with pytest.raises(llm.ToolCallLimitExceeded, match="129 tool calls, but at most 128") as caught:
                await colour.got(response.execute_tools(unfinished=unfinished))
            assert (caught.value.count, caught.value.limit) == (129, 128)
        assert wipe.ran == []

    colour.run(scenario)


def test_the_limit_of_calls_can_be_changed(colour: Colour, server: Server, wipe: Wipe) -> None:
    CHAT.register(server)

    async def called(count: int, limit: int) -> Any:
        server.answer = calling(CHAT, None, False, *many(CHAT, count))
        model = llm.Model(MODEL, tool_call_limit=limit)
        return await colour.got(colour.ask(model, "Hi", tools=[wipe.tool]))

    async def scenario() -> None:
        await colour.got((await called(129, 129)).execute_tools())
        assert len(wipe.ran) == 129
        with pytest.raises(llm.ToolCallLimitExceeded, match="2 tool calls, but at most 1 "):
            await colour.got((await called(2, 1)).execute_tools())
        assert len(wipe.ran) == 129

    colour.run(scenario)
    assert "tool_call_limit" not in server.received[-1].json
    with pytest.raises(ValueError, match="at least 1"):
        llm.Model(MODEL, tool_call_limit=0)
