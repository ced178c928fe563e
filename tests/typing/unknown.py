"""Where a type is not known, nothing is said that may be wrong: what returns `Any` is a plain function, and a first
parameter that takes anything is no context."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mirascope_like import llm

TEXTS: dict[str, Any] = json.loads("{}")


def untyped(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


@llm.call("openai/gpt-5-mini")
def greet(name: str):  # type: ignore[no-untyped-def]
    return TEXTS["hi"].format(name=name)


@llm.call("openai/gpt-5-mini")
def greet_any(name: str) -> Any:
    return name


@llm.call("openai/gpt-5-mini")
async def greet_async(name: str) -> Any:
    return name


@llm.call("openai/gpt-5-mini")
def with_context(ctx: llm.Context[int], name: str) -> Any:
    return name


@llm.call("openai/gpt-5-mini")
def describe(thing: Any, words: int) -> str:
    return f"{thing} {words}"


@llm.call("openai/gpt-5-mini")
def describe_object(thing: object) -> str:
    return f"{thing}"


@llm.call("openai/gpt-5-mini")
async def describe_async(*things: object) -> str:
    return f"{things}"


@llm.call("openai/gpt-5-mini")
@untyped
def wrapped(name: str) -> str:
    return name


@llm.prompt
def prompt(name: str) -> Any:
    return name


@llm.prompt(format=int)
def prompt_of_anything(name: Any) -> str:
    return f"{name}"


@llm.tool
def fetch(url: str) -> Any:
    """Fetch."""


@llm.tool(strict=True)
def fetch_anything(thing: Any) -> Any:
    """Fetch."""


class Library:
    @llm.call("openai/gpt-5-mini")
    def find(self, thing: Any) -> str:
        return f"{thing}"


# Assignments, not `assert_type`: where several overloads fit, mypy, ty and pyrefly say `Any`.
def blocking() -> None:
    response: llm.Response[None] = greet("Ada")
    response = greet_any("Ada")
    response = describe(1, words=3)
    response = describe_object(1)
    response = wrapped("Ada")
    response = prompt("openai/gpt-5-mini", "Ada")
    response = Library().find(1)
    print(response.text())
    of_context: llm.ContextResponse[int, None] = with_context(llm.Context(deps=1), "Ada")
    print(of_context.text())
    number: int = prompt_of_anything("openai/gpt-5-mini", 1).parse()
    print(number, fetch("x")["a"], fetch_anything(1)["a"])


async def native() -> None:
    response: llm.AsyncResponse[None] = await greet_async("Ada")
    response = await describe_async(1, 2)
    print(response.text())
