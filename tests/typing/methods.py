"""Decorated methods are bound as methods are."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from mirascope_like import llm


class Book(BaseModel):
    title: str


class Library:
    @llm.call("openai/gpt-5-mini")
    def find(self, title: str) -> str:
        return title

    @llm.call("openai/gpt-5-mini", format=Book)
    async def find_async(self, title: str) -> str:
        return title

    @llm.call("openai/gpt-5-mini")
    def find_for(self, ctx: llm.Context[int], title: str) -> str:
        return title

    @llm.call("openai/gpt-5-mini", format=Book)
    async def find_for_async(self, ctx: llm.Context[int], title: str) -> str:
        return title

    @llm.prompt
    def ask(self, title: str) -> str:
        return title

    @llm.prompt
    def ask_for(self, ctx: llm.Context[int], title: str) -> str:
        return title

    @llm.prompt
    async def ask_for_async(self, ctx: llm.Context[int], title: str) -> str:
        return title

    @llm.call("openai/gpt-5-mini")
    @classmethod
    def of_class(cls, title: str) -> str:
        return title

    @classmethod
    @llm.call("openai/gpt-5-mini")
    def of_class_above(cls, title: str) -> str:
        return title

    @llm.call("openai/gpt-5-mini")
    @staticmethod
    def of_nothing(title: str) -> str:
        return title

    @llm.tool
    def shelf(self, title: str) -> int:
        """Where it stands."""
        return len(title)

    @llm.tool(strict=True)
    async def shelf_for(self, ctx: llm.Context[int], title: str) -> int:
        """Where it stands."""
        return ctx.deps

    @llm.tool
    @classmethod
    def shelves(cls, row: int) -> int:
        """How many shelves there are."""
        return row


ctx = llm.Context(deps=1)


async def methods() -> None:
    assert_type(Library().find("Emma"), llm.Response[None])
    assert_type(Library().find.stream("Emma"), llm.StreamResponse[None])
    assert_type((await Library().find_async("Emma")).parse(), Book)
    assert_type(Library.find(Library(), "Emma"), llm.Response[None])
    assert_type(Library().ask("openai/gpt-5-mini", "Emma"), llm.Response[None])


async def methods_with_a_context() -> None:
    assert_type(Library().find_for(ctx, "Emma"), llm.ContextResponse[int, None])
    assert_type(Library().find_for.stream(ctx, title="Emma"), llm.ContextStreamResponse[int, None])
    assert_type((await Library().find_for_async(ctx, "Emma")).parse(), Book)
    assert_type(Library().ask_for("openai/gpt-5-mini", ctx, "Emma"), llm.ContextResponse[int, None])
    assert_type(await Library().ask_for_async("openai/gpt-5-mini", ctx, "Emma"), llm.AsyncContextResponse[int, None])


def of_classes() -> None:
    assert_type(Library.of_class("Emma"), llm.Response[None])
    assert_type(Library().of_class("Emma"), llm.Response[None])
    assert_type(Library.of_class.stream("Emma"), llm.StreamResponse[None])
    assert_type(Library.of_class_above("Emma"), llm.Response[None])
    assert_type(Library().of_class_above("Emma"), llm.Response[None])
    assert_type(Library.of_nothing("Emma"), llm.Response[None])
    assert_type(Library().of_nothing("Emma"), llm.Response[None])


async def tools() -> None:
    assert_type(Library().shelf(title="Emma"), int)
    assert_type(Library.shelf(Library(), "Emma"), int)
    assert_type(await Library().shelf_for(ctx, "Emma"), int)
    assert_type(Library.shelves(1), int)
    assert_type(Library().shelves(row=1), int)
