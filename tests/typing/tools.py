"""Tools keep the signature of their function, and their outputs go back to the model."""

from __future__ import annotations

from typing import Any, assert_type

from mirascope_like import llm


@llm.tool
def add(a: int, b: int = 0) -> int:
    """Add."""
    return a + b


@llm.tool
async def fetch(url: str) -> bytes:
    """Fetch."""
    return url.encode()


@llm.tool(strict=True)
def named(a: int) -> str:
    """Name."""
    return str(a)


@llm.tool()
async def renamed(a: int) -> list[str]:
    """Name."""
    return [str(a)]


@llm.tool(timeout=1)
def counted(ctx: llm.Context[int], a: int) -> int:
    """Count."""
    return ctx.deps + a


def plain(a: int) -> int:
    """Undecorated functions are tools too."""
    return a


@llm.call("openai/gpt-5-mini", tools=[add, fetch, named, plain, llm.WebSearchTool()])
def ask(question: str) -> str:
    return question


@llm.call("openai/gpt-5-mini", tools=[add, fetch])
async def ask_async(question: str) -> str:
    return question


async def tools() -> None:
    assert_type(add(1, b=2), int)
    assert_type(await fetch("x"), bytes)
    assert_type(add.name, str)
    assert_type(named(a=1), str)
    assert_type(await renamed(1), list[str])
    assert_type(counted(llm.Context(deps=1), a=2), int)


async def executed(call: llm.ToolCall, ctx: llm.Context[int]) -> None:
    assert_type(add.execute(call), llm.ToolOutput[Any])
    assert_type(counted.execute(call, ctx), llm.ToolOutput[Any])
    assert_type(counted.execute(ctx, call), llm.ToolOutput[Any])
    assert_type(await fetch.execute(ctx, call), llm.ToolOutput[Any])
    llm.Toolkit([counted]).execute(ctx, call)


def loop() -> None:
    response = ask("?")
    while response.tool_calls:
        outputs = response.execute_tools(max_concurrency=2, unfinished="run")
        assert_type(outputs, list[llm.ToolOutput[Any]])
        response = response.resume(outputs)
    assert_type(response, llm.Response[None])


async def loop_async() -> None:
    response = await ask_async("?")
    while response.tool_calls:
        response = await response.resume(await response.execute_tools(max_concurrency=2))
    assert_type(response, llm.AsyncResponse[None])
