"""A context's type goes from the function to the call and its responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from pydantic import BaseModel

from mirascope_like import llm


@dataclass
class Deps:
    user: str


class Book(BaseModel):
    title: str


@llm.tool
def whoami(ctx: llm.Context[Deps], polite: bool) -> str:
    """Who is asking."""
    return ctx.deps.user


@llm.tool
async def whoami_async(ctx: llm.Context[Deps]) -> str:
    """Who is asking."""
    return ctx.deps.user


@llm.call("openai/gpt-5-mini", tools=[whoami, whoami_async])
def ask(ctx: llm.Context[Deps], question: str) -> str:
    return f"{ctx.deps.user} asks: {question}"


@llm.call("openai/gpt-5-mini", tools=[whoami_async], format=Book)
async def ask_async(ctx: llm.Context[Deps], question: str) -> str:
    return question


@llm.prompt
def ask_any(ctx: llm.Context[Deps], question: str) -> str:
    return question


ctx = llm.Context(deps=Deps("Ada"))


def blocking() -> None:
    assert_type(ctx, llm.Context[Deps])
    response = ask(ctx, "Who am I?")
    assert_type(response, llm.ContextResponse[Deps, None])
    assert_type(ask.stream(ctx, "Who am I?"), llm.ContextStreamResponse[Deps, None])
    assert_type(response.resume(response.execute_tools()), llm.ContextResponse[Deps, None])
    assert_type(response.resume(ctx, response.execute_tools(ctx)), llm.ContextResponse[Deps, None])
    assert_type(ask_any("openai/gpt-5-mini", ctx, "?"), llm.ContextResponse[Deps, None])
    assert_type(whoami(ctx, polite=True), str)


async def native() -> None:
    response = await ask_async(ctx, question="Who am I?")
    assert_type(response, llm.AsyncContextResponse[Deps, Book])
    assert_type(response.parse(), Book)
    assert_type(await response.resume(await response.execute_tools()), llm.AsyncContextResponse[Deps, Book])
    assert_type(await whoami_async(ctx), str)


def models() -> None:
    model = llm.Model("openai/gpt-5-mini")
    assert_type(model.context_call("?", ctx=ctx, tools=[whoami]), llm.ContextResponse[Deps, None])
    assert_type(model.context_call("?", ctx=ctx, format=Book).parse(), Book)
