"""The type of `format=` is the type of `parse()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict, assert_type

from pydantic import BaseModel

from mirascope_like import llm


class Book(BaseModel):
    title: str


@dataclass
class Point:
    x: int


class Movie(TypedDict):
    title: str


@llm.output_parser(formatting_instructions="Write one word.")
def first_word(response: llm.Response) -> str:
    return response.text().split()[0]


model = llm.Model("openai/gpt-5-mini", max_tokens=100)


def whole() -> None:
    assert_type(model.call("Hi"), llm.Response[None])
    assert_type(model.call("Hi").parse(), None)
    assert_type(model.call("Hi", format=None).parse(), None)
    assert_type(model.call("Hi", format=Book).parse(), Book)
    assert_type(model.call("Hi", format=list[Book]).parse(), list[Book])
    assert_type(model.call("Hi", format=dict[str, int]).parse(), dict[str, int])
    assert_type(model.call("Hi", format=int).parse(), int)
    assert_type(model.call("Hi", format=Point).parse(), Point)
    assert_type(model.call("Hi", format=Movie).parse(), Movie)
    assert_type(model.call("Hi", format=llm.format(Book, mode="tool")).parse(), Book)
    assert_type(model.call("Hi", format=first_word).parse(), str)
    assert_type(model.call("Hi", format=Book).format, llm.Format[Book] | None)


@llm.call("openai/gpt-5-mini", format=llm.format(Literal["good", "bad"]))
def judge(text: str) -> str:
    return text


def no_classes() -> None:
    maybe = llm.format(Book | None, mode="json")
    assert_type(maybe, llm.Format[Book | None])
    assert_type(model.call("Hi", format=maybe).parse(), Book | None)
    assert_type(judge("Hi").parse(), Literal["good", "bad"])
    assert_type(llm.format(Annotated[int, "even"]), llm.Format[int])
    # mypy does not find these in the union that `format=` takes.
    response = model.call("Hi", format=Book | None)  # type: ignore[arg-type]
    assert_type(response.parse(), Book | None)  # type: ignore[assert-type]
    words = model.call("Hi", format=Literal["good", "bad"])  # type: ignore[arg-type]
    assert_type(words.parse(), Literal["good", "bad"])  # type: ignore[assert-type]


def any_response(response: llm.AnyResponse) -> str:
    return response.text()


any_response(model.call("Hi", format=Book))
any_response(model.stream("Hi"))


def streamed() -> None:
    response = model.stream("Hi", format=Book)
    assert_type(response, llm.StreamResponse[Book])
    assert_type(next(response.structured_stream()), llm.Partial[Book])
    assert_type(response.parse(), Book)
    assert_type(response.parse(partial=True), llm.Partial[Book] | None)


async def asynchronous() -> None:
    assert_type((await model.call_async("Hi", format=list[Book])).parse(), list[Book])
    response = await model.stream_async("Hi", format=Book)
    assert_type(await anext(response.structured_stream()), llm.Partial[Book])
    assert_type(await response.validate(), tuple[Book, llm.AsyncStreamResponse[Book]])


def resumed() -> None:
    response = model.call("Hi", format=Book)
    assert_type(response.resume("More"), llm.Response[Book])
    assert_type(model.resume(response=response, content="More"), llm.Response[Book])
