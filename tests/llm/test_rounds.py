"""The tool loop over responses of `llm` sends what the loop by hand sends, and ends where it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.errors import ChainLimitExceeded
from mirascope_like.llm.rounds import finish_rounds, make_rounds

from ..conftest import Colour

STREAMED = pytest.mark.parametrize("streamed", [False, True])


def add(a: int, b: int) -> int:
    return a + b


async def fetch(city: str) -> str:
    return f"sunny in {city}"


def fail() -> None:
    raise KeyError("lost")


def call(name: str, args: str = "{}", *, id: str = "1") -> llm.ToolCall:
    return llm.ToolCall(id=id, name=name, args=args)


SCRIPT: list[Any] = [
    [llm.Text("First."), call("add", '{"a": 1, "b": 2}'), call("fetch", '{"city": "Zürich"}', id="2")],
    [call("fail"), call("missing", id="2"), call("add", '{"a": "x"}', id="3")],
    [call("add", '{"a": 3, "b": 4}')],
    "done",
]


async def ask(colour: Colour, streamed: bool, model: llm.Model, **options: Any) -> Any:
    return await colour.got((colour.stream if streamed else colour.ask)(model, "Hi", **options))


async def by_hand(colour: Colour, streamed: bool, model: llm.Model) -> Any:
    response = await ask(colour, streamed, model, tools=[add, fetch, fail])
    while True:
        if streamed:
            await colour.got(response.finish())
        if not response.tool_calls:
            return response
        response = await colour.got(response.resume(await colour.got(response.execute_tools())))


@STREAMED
def test_the_loop_sends_what_the_loop_by_hand_sends(colour: Colour, streamed: bool) -> None:
    model, other = llm.scripted(*SCRIPT), llm.scripted(*SCRIPT)

    async def scenario() -> None:
        response = await ask(colour, streamed, model, tools=[add, fetch, fail])
        responses = await finish_rounds(make_rounds(response))
        expected = await by_hand(colour, streamed, other)
        assert (responses[0], len(responses), responses[-1].text()) == (response, 4, "done")
        assert type(responses[-1]) is type(expected)
        assert [m.content for m in responses[-1].messages] == [m.content for m in expected.messages]

    colour.run(scenario)
    assert model.requests == other.requests


@STREAMED
def test_a_response_without_calls_is_the_only_round(colour: Colour, streamed: bool) -> None:
    model = llm.scripted("done")

    async def scenario() -> None:
        response = await ask(colour, streamed, model)
        assert await finish_rounds(make_rounds(response)) == [response]

    colour.run(scenario)
    assert len(model.requests) == 1


@STREAMED
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_limit_counts_requests_and_runs_no_tool_beyond_it(colour: Colour, streamed: bool, limit: int) -> None:
    ran: list[int] = []

    def note(n: int) -> None:
        ran.append(n)

    model = llm.scripted(*([call("note", f'{{"n": {n}}}')] for n in range(9)))

    async def scenario() -> None:
        rounds = make_rounds(await ask(colour, streamed, model, tools=[note]), max_rounds=limit)
        for _ in range(2):  # and no later reader gets further
            with pytest.raises(ChainLimitExceeded) as caught:
                await finish_rounds(rounds)
            assert len(caught.value.responses) == limit

    colour.run(scenario)
    assert (len(model.requests), ran) == (limit, list(range(limit - 1)))


@STREAMED
@pytest.mark.parametrize(
    ("script", "requests"),
    [
        ([[call("add"), llm.FinishReason.MAX_TOKENS], [call("add", '{"a": 1, "b": 2}')], "done"], 3),
        ([[call("add"), llm.FinishReason.MAX_TOKENS]] * 9, 2),
        ([[call("add"), llm.FinishReason.REFUSAL]] * 9, 1),
    ],
)
def test_a_response_that_did_not_end_well(colour: Colour, streamed: bool, script: list[Any], requests: int) -> None:
    ran: list[tuple[int, int]] = []

    @llm.tool(name="add")
    def noting(a: int, b: int) -> int:
        ran.append((a, b))
        return a + b

    model = llm.scripted(*script)

    async def scenario() -> None:
        responses = await finish_rounds(make_rounds(await ask(colour, streamed, model, tools=[noting])))
        assert len(responses) == requests

    colour.run(scenario)
    assert len(model.requests) == requests
    assert ran == ([(1, 2)] if requests == 3 else [])


@STREAMED
def test_an_error_of_a_request_stops_the_loop(colour: Colour, streamed: bool) -> None:
    ran: list[str] = []

    def note() -> None:
        ran.append("ran")

    model = llm.scripted([call("note")], llm.ServerError("Down.", status_code=503), "never")

    async def scenario() -> None:
        rounds = make_rounds(await ask(colour, streamed, model, tools=[note]))
        for _ in range(2):
            with pytest.raises(llm.ServerError, match="Down"):
                await finish_rounds(rounds)
        assert len(rounds.turns) == 1

    colour.run(scenario)
    assert (ran, len(model.requests)) == (["ran"], 2)


def test_a_stream_that_breaks_off_stops_the_loop(colour: Colour) -> None:
    model = llm.scripted([llm.Text("Half"), llm.ConnectionError("gone")])

    async def scenario() -> None:
        rounds = make_rounds(await ask(colour, True, model, tools=[add]))
        with pytest.raises(llm.ConnectionError, match="gone"):
            await finish_rounds(rounds)

    colour.run(scenario)


def test_tools_get_the_context(colour: Colour) -> None:
    def who(ctx: llm.Context[str]) -> str:
        return ctx.deps

    async def scenario() -> None:
        for ctx, expected in [(None, "first"), (llm.Context(deps="second"), "second")]:
            model = llm.scripted([call("who")], "done")
            ask_with = model.context_call_async if colour.is_async else model.context_call
            response = await colour.got(ask_with("Hi", ctx=llm.Context(deps="first"), tools=[who]))
            responses: list[Any] = await finish_rounds(make_rounds(response, ctx))
            assert model.requests[1]["messages"][-1]["content"] == expected
            assert responses[-1].context.deps == expected

    colour.run(scenario)


def test_a_missing_context_is_the_callers_error(colour: Colour) -> None:
    def who(ctx: llm.Context[str]) -> str:
        return ctx.deps

    async def scenario() -> None:
        response = await ask(colour, False, llm.scripted([call("who")]), tools=[who])
        with pytest.raises(TypeError, match="takes a context"):
            await finish_rounds(make_rounds(response))

    colour.run(scenario)


def test_a_cancelled_loop_runs_its_tools_no_second_time(native: Colour) -> None:
    ran: list[str] = []
    model = llm.scripted([call("wait")], "never")

    async def scenario() -> None:
        begun = anyio.Event()

        async def wait() -> None:
            ran.append("ran")
            begun.set()
            await anyio.sleep_forever()

        rounds = make_rounds(await ask(native, False, model, tools=[wait]))
        async with anyio.create_task_group() as group:
            group.start_soon(finish_rounds, rounds)
            await begun.wait()
            group.cancel_scope.cancel()
        with pytest.raises(llm.StreamClosedError, match="interrupted"):
            await finish_rounds(rounds)

    native.run(scenario)
    assert (ran, len(model.requests)) == (["ran"], 1)


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_below_one_is_an_error(wrong: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make_rounds(llm.scripted("done").call("Hi"), max_rounds=wrong)


def test_no_limit(colour: Colour) -> None:
    replies: list[Callable[..., Any] | Any] = [[call("add", '{"a": 1, "b": 2}')]] * 120
    model = llm.scripted(*replies, "done")

    async def scenario() -> None:
        response = await ask(colour, False, model, tools=[add])
        assert len(await finish_rounds(make_rounds(response, max_rounds=None))) == 121

    colour.run(scenario)
