"""What partial values cost in other libraries, beside ours: CPU seconds to read one streamed answer to its end.

    python -m venv peers && peers/bin/pip install -e . instructor 'pydantic-ai-slim[openai]'
    peers/bin/python benchmarks/structured_peers.py

The same JSON arrives in pieces of 8 characters, by each library's own way to a model in this process: instructor reads
the chunks of OpenAI's client, pydantic-ai those of its `FunctionModel`. A library that is not installed is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from structured_stream import Library, Provider, events, library, pieces

from mirascope_like import llm

SIZES = (3_000, 12_000, 48_000)  # characters of JSON


def ours(text: str) -> Callable[[], int]:
    """Every partial value of `structured_stream()`."""
    response = llm.Model("bench/model", provider=Provider(text)).stream("Hi", format=Library)
    return lambda: sum(1 for _ in response.structured_stream())


def instructor(text: str) -> Callable[[], int]:
    """Every partial value of `create_partial`, over OpenAI's client."""
    httpx2, openai = import_module("httpx2"), import_module("openai")

    def answer(request: Any) -> Any:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Stream())

    class Stream(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(events(text))

    http = openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer))
    library = import_module("instructor")
    client = library.from_openai(openai.OpenAI(api_key="k", http_client=http), mode=library.Mode.JSON)
    question = [{"role": "user", "content": "Hi"}]
    return lambda: sum(1 for _ in client.create_partial(response_model=Library, model="m", messages=question))


def pydantic_ai(text: str) -> Callable[[], int]:
    """Every partial value of `stream_output`, without its pause between two."""
    ai = import_module("pydantic_ai")
    function = import_module("pydantic_ai.models.function")

    async def answer(messages: Any, info: Any) -> AsyncIterator[Any]:
        for number, piece in enumerate(pieces(text)):
            name = info.output_tools[0].name if number == 0 else None
            yield {0: function.DeltaToolCall(name=name, json_args=piece)}

    async def read() -> int:
        agent = ai.Agent(function.FunctionModel(stream_function=answer), output_type=Library)
        count = 0
        async with agent.run_stream("Hi") as result:
            async for _ in result.stream_output(debounce_by=None):
                count += 1
        return count

    return lambda: asyncio.run(read())


def main() -> None:
    """Print a table."""
    print(f"{'library':<12} {'JSON':>7} {'partials':>9} {'CPU s':>8}")
    for size in SIZES:
        for reader in (ours, instructor, pydantic_ai):
            if find_spec(reader.__name__) is None and reader is not ours:
                continue
            read = reader(text := library(size))
            start = time.process_time()
            partials = read()
            print(f"{reader.__name__:<12} {len(text):>7} {partials:>9} {time.process_time() - start:>8.2f}")


if __name__ == "__main__":
    main()
