"""What decorated functions are: calls and prompts, plain and async."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from mirascope_like import llm


class Book(BaseModel):
    title: str


@llm.call("openai/gpt-5-mini", temperature=0.5)
def recommend(genre: str, count: int = 1) -> str:
    return f"Recommend {count} {genre} books."


@llm.call("openai/gpt-5-mini")
async def recommend_async(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.call("openai/gpt-5-mini", format=Book)
def recommend_book(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.call(llm.Model("openai/gpt-5-mini"), format=Book)
async def recommend_book_async(genre: str) -> list[llm.Message]:
    return [llm.messages.system("Be brief."), llm.messages.user(f"Recommend a {genre} book.")]


@llm.prompt
def plain(genre: str) -> str:
    return genre


@llm.prompt
async def plain_async(genre: str) -> str:
    return genre


@llm.prompt(format=Book)
def book(genre: str) -> str:
    return genre


@llm.prompt(format=Book)
async def book_async(genre: str) -> str:
    return genre


def calls() -> None:
    assert_type(recommend("fantasy"), llm.Response[None])
    assert_type(recommend("fantasy", count=2), llm.Response[None])
    assert_type(recommend.call("fantasy", 2), llm.Response[None])
    assert_type(recommend.stream("fantasy"), llm.StreamResponse[None])
    assert_type(recommend.messages("fantasy"), list[llm.Message])
    assert_type(recommend.model, llm.Model)
    assert_type(recommend.options(temperature=0)("fantasy"), llm.Response[None])
    assert_type(recommend("fantasy").text(), str)
    recommend.prompt("openai/gpt-5-mini", "fantasy")


def formats() -> None:
    assert_type(recommend_book("fantasy"), llm.Response[Book])
    assert_type(recommend_book("fantasy").parse(), Book)
    assert_type(recommend_book("fantasy").validate(), tuple[Book, llm.Response[Book]])
    assert_type(recommend_book("fantasy").resume("Another!"), llm.Response[Book])
    assert_type(recommend("fantasy").parse(), None)


async def async_calls() -> None:
    assert_type(await recommend_async("fantasy"), llm.AsyncResponse[None])
    assert_type(await recommend_async.call("fantasy"), llm.AsyncResponse[None])
    assert_type(await recommend_async.stream("fantasy"), llm.AsyncStreamResponse[None])
    assert_type(await recommend_async.messages("fantasy"), list[llm.Message])
    assert_type((await recommend_book_async("fantasy")).parse(), Book)
    assert_type(await (await recommend_book_async("fantasy")).resume("Another!"), llm.AsyncResponse[Book])


def prompts() -> None:
    assert_type(plain("openai/gpt-5-mini", "fantasy"), llm.Response[None])
    assert_type(plain.stream(llm.Model("openai/gpt-5-mini"), "fantasy"), llm.StreamResponse[None])
    assert_type(plain.messages("fantasy"), list[llm.Message])
    assert_type(book("openai/gpt-5-mini", "fantasy").parse(), Book)


async def async_prompts() -> None:
    assert_type(await plain_async("openai/gpt-5-mini", "fantasy"), llm.AsyncResponse[None])
    assert_type((await book_async("openai/gpt-5-mini", genre="fantasy")).parse(), Book)
