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


async def methods() -> None:
    assert_type(Library().find("Emma"), llm.Response[None])
    assert_type(Library().find.stream("Emma"), llm.StreamResponse[None])
    assert_type((await Library().find_async("Emma")).parse(), Book)
