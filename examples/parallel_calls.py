"""Several calls at once, the answers as they come in, and no more than two under way."""

from __future__ import annotations

import asyncio

from mirascope_like import llm


@llm.call("openai/gpt-6-luna", max_tokens=100)
async def summarise(text: str):
    return f"Summarise in one sentence:\n\n{text}"


async def main() -> None:
    texts = ["The first chapter …", "The second chapter …", "The third chapter …"]
    gate = asyncio.Semaphore(2)

    async def gently(text: str) -> llm.AsyncResponse:
        async with gate:
            return await summarise(text)

    responses = await asyncio.gather(*[gently(text) for text in texts], return_exceptions=True)
    for response in responses:
        if isinstance(response, llm.AsyncResponse):
            print(response.text())
        else:
            print(f"failed: {response}")


if __name__ == "__main__":
    asyncio.run(main())
