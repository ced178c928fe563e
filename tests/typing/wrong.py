"""What type checkers must find wrong: each line below is an error, and an ignore that nothing needs is one too."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from pydantic import BaseModel

from mirascope_like import llm


class Book(BaseModel):
    title: str


@llm.call("openai/gpt-5-mini", format=Book)
def recommend(genre: str) -> str:
    return genre


@llm.prompt
def prompt(genre: str) -> str:
    return genre


@llm.tool
def add(a: int) -> int:
    """Add."""
    return a


model = llm.Model("openai/gpt-5-mini")

recommend()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
recommend(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
recommend("fantasy", "more")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
recommend.stream(topic="fantasy")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
prompt("openai/gpt-5-mini")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

title: int = recommend("fantasy").parse().title  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
nothing: str = model.call("Hi").parse()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

llm.Model("openai/gpt-5-mini", temprature=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
llm.Model("openai/gpt-5-mini", temperature="hot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.call()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
model.call(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
add.execute("1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
model.call("Hi").execute_tools(unfinished="ask")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.call("Hi", format=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# A prompt says text, parts or messages.
@llm.call("openai/gpt-5-mini")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator]
def number() -> int:
    return 1


async def forgets_to_await() -> None:
    response = model.call_async("Hi")
    response.text()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
