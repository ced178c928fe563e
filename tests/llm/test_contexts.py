"""What a caller hands to its tools by way of a context, and how a response remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour


@dataclass
class Deps:
    city: str


class Special(llm.Context[Deps]):
    """A context of one's own."""


def local_weather(ctx: llm.Context[Deps], day: str = "today") -> str:
    return f"{ctx.deps.city} {day}"


async def local_weather_async(context: Special | None, day: str = "today") -> str:
    assert context is not None
    return f"{context.deps.city} {day}"


def test_the_context_goes_to_tools_and_is_remembered(colour: Colour) -> None:
    calls = [llm.ToolCall(id=name, name=name, args="{}") for name in ("local_weather", "local_weather_async")]
    model = llm.scripted(calls, calls, calls)

    @llm.call(model, tools=[local_weather, local_weather_async])
    @colour.fn
    def ask(ctx: llm.Context[Deps]) -> str:
        return f"Weather in {ctx.deps.city}?"

    async def outputs(response: Any, *args: Any) -> list[Any]:
        return [output.output for output in await colour.got(response.execute_tools(*args))]

    async def scenario() -> None:
        rome, oslo = Special(deps=Deps("Rome")), Special(deps=Deps("Oslo"))
        response = await colour.got(ask(rome))
        assert await outputs(response) == ["Rome today", "Rome today"]
        assert await outputs(response, oslo) == ["Oslo today", "Oslo today"]
        response = await colour.got(response.resume("And now?"))
        assert await outputs(response) == ["Rome today", "Rome today"]
        response = await colour.got(response.resume(oslo, "And there?"))
        assert await outputs(response) == ["Oslo today", "Oslo today"]

    colour.run(scenario)
    assert [tool["function"]["parameters"]["properties"].keys() for tool in model.requests[0]["tools"]] == [
        {"day"},
        {"day"},
    ]


def test_a_context_by_name_only_and_one_that_is_falsy(colour: Colour) -> None:
    class Empty(llm.Context[str]):
        def __len__(self) -> int:
            return 0

    def whose(*, ctx: llm.Context[str], n: int = 1) -> str:
        return f"{ctx.deps} {n}"

    async def scenario() -> None:
        model = llm.scripted(llm.ToolCall(id="1", name="whose", args='{"n": 2}'), "Done.")
        call = model.context_call_async if colour.is_async else model.context_call
        response = await colour.got(call("Hi", ctx=llm.Context(deps="full"), tools=[whose]))
        assert [output.output for output in await colour.got(response.execute_tools())] == ["full 2"]
        other = Empty(deps="empty")
        outputs = await colour.got(response.execute_tools(other))
        assert [output.output for output in outputs] == ["empty 2"]
        assert (await colour.got(response.resume(other, outputs))).context is other

    colour.run(scenario)


def test_what_stands_beside_a_context_is_given_once(colour: Colour) -> None:
    ctx = llm.Context(deps=1)

    async def scenario() -> None:
        model = llm.scripted("one", "two", "three")
        call = model.context_call_async if colour.is_async else model.context_call
        response = await colour.got(call("Hi", ctx=ctx))
        for args, kwargs in (
            (("first", "second"), {}),
            (("first",), {"content": "second"}),
            ((ctx, "first"), {"ctx": ctx}),
            ((), {"text": "first"}),
        ):
            with pytest.raises(TypeError, match="at most one content and one context"):
                await colour.got(response.resume(*args, **kwargs))
        assert (await colour.got(response.resume(ctx, content="more"))).text() == "two"
        assert (await colour.got(response.resume(ctx=ctx, content="more"))).text() == "three"

    colour.run(scenario)


def test_bare_dependencies_are_no_context(colour: Colour) -> None:
    def look(ctx: llm.Context[Deps]) -> str:
        return ctx.deps.city

    model = llm.scripted([llm.ToolCall(id="1", name="look", args="{}")])

    async def scenario() -> None:
        call: Any = model.context_call_async if colour.is_async else model.context_call
        response = await colour.got(call("Hi", ctx=Deps("Rome"), tools=[look]))
        await colour.got(response.execute_tools())

    with pytest.raises(TypeError, match=r"takes a context, not a Deps: pass llm\.Context"):
        colour.run(scenario)


def test_a_context_tool_without_a_context_is_an_error(colour: Colour) -> None:
    model = llm.scripted([llm.ToolCall(id="1", name="local_weather", args="{}")])

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[local_weather]))
        await colour.got(response.execute_tools())

    with pytest.raises(TypeError, match="context"):
        colour.run(scenario)
