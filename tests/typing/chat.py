"""What type checkers make of the lazy face. Checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from pydantic import BaseModel

from mirascope_like import chat


class Dog(BaseModel):
    name: str


class Cat(BaseModel):
    lives: int


class Echo(chat.Model):
    model_id = "echo"

    class Options(chat.Options):  # ty: ignore[incompatible-attribute-override]
        loud: bool = False

    def execute(
        self,
        prompt: chat.Prompt,
        *,
        stream: bool,
        response: chat.Response[Any],
        conversation: chat.Conversation | None,
    ) -> Iterator[str]:
        yield prompt.prompt


class AsyncEcho(chat.AsyncModel):
    model_id = "echo"

    async def execute(
        self,
        prompt: chat.Prompt,
        *,
        stream: bool,
        response: chat.AsyncResponse[Any],
        conversation: chat.AsyncConversation | None,
    ) -> AsyncIterator[str]:
        yield prompt.prompt


def sync() -> None:
    model = chat.get_model("echo")
    assert_type(model.prompt("Hi").text(), str)
    assert_type(model.prompt("Hi", schema=Dog).parsed(), Dog)
    assert_type(model.prompt("Hi", schema=list[int]).parsed(), list[int])
    assert_type(model.prompt("Hi", schema={"type": "object"}).parsed(), Any)
    assert_type(model.prompt("Hi", schema=Dog).reply("More").parsed(), Dog)
    assert_type(model.prompt("Hi", schema=Dog).reply("More", schema=Cat).parsed(), Cat)
    assert_type(model.chain("Hi", schema=Dog, system="S", temperature=0.5).parsed(), Dog)
    assert_type(model.conversation().chain("Hi", schema=Dog, chain_limit=3).parsed(), Dog)
    maybe = model.prompt("Hi", schema=Dog | None)  # type: ignore[arg-type]  # mypy: a union in a union
    assert_type(maybe.parsed(), Dog | None)  # type: ignore[assert-type]
    for piece in model.prompt("Hi"):
        assert_type(piece, str)
    model.prompt("Hi", temprature=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def asynchronous() -> None:
    model = chat.get_async_model("echo")
    response = model.prompt("Hi", schema=Dog)
    assert_type(await response, chat.AsyncResponse[Dog])
    assert_type(await (await response.reply("More", schema=Cat)).parsed(), Cat)
    chain = await model.chain("Hi", schema=Dog)
    assert_type(await chain.parsed(), Dog)
    async for event in chain.astream_events():
        assert_type(event, chat.StreamEvent)


chat.register(Echo(), AsyncEcho(), aliases=["e"])
