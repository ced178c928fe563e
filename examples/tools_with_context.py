"""An assistant with sync and async tools, which share a database that the model never sees."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mirascope_like import llm


@dataclass
class Library:
    """What the tools need."""

    reader: str
    shelves: dict[str, int]


Books = llm.Context[Library]


@llm.tool
def count_copies(ctx: Books, title: str) -> int:
    """How many copies of a book there are."""
    return ctx.deps.shelves.get(title, 0)


@llm.tool
async def borrow(ctx: Books, title: str, weeks: Annotated[int, Field(ge=1, le=8)] = 4) -> str:
    """Borrow a book for the reader.

    Args:
        title: The book's exact title.
        weeks: For how long.
    """
    await asyncio.sleep(0.01)  # a database, say
    if not ctx.deps.shelves.get(title):
        raise LookupError(f"No copy of {title} is left.")
    ctx.deps.shelves[title] -= 1
    return f"{ctx.deps.reader} has {title} for {weeks} weeks."


@llm.call("openai/gpt-6-luna", tools=[count_copies, borrow])
async def librarian(ctx: Books, request: str):
    return [llm.messages.system("You are a librarian. Look before you lend."), llm.messages.user(request)]


async def main() -> None:
    ctx = llm.Context(deps=Library("Ada", {"Emma": 1}))
    response = await librarian(ctx, "May I have Emma for two weeks, and Sanditon?")
    for _ in range(5):  # a model that never stops calling tools is stopped here
        if not response.tool_calls:
            break
        outputs = await response.execute_tools()
        for output in outputs:
            print(f"{output.name}: {output.result}")
        response = await response.resume(outputs)
    print(response.text())


if __name__ == "__main__":
    asyncio.run(main())
