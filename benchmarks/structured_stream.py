"""What partial values cost: CPU time per chunk of `structured_stream()`, beside the same stream read as text.

    python benchmarks/structured_stream.py

A library of books as JSON arrives in pieces of 8 characters: over an in-process transport, where nothing but reading
costs time, and over HTTP from another process. The shapes: many small objects, and one long string. Times are of this
process, the medians of several runs: on a shared machine the best of few long runs and the best of many short ones are
not the same thing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import BaseModel, Field

from mirascope_like import llm
from mirascope_like.engine.requests import HTTPEndpoint
from mirascope_like.transport.in_memory import MemoryTransport, StreamedBody
from mirascope_like.types.messages import Message
from mirascope_like.wire.features import Features, get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat

PIECE = 8  # characters
SIZES = (3_000, 12_000, 48_000, 192_000, 1_000_000)  # characters of JSON


class Author(BaseModel):
    name: str
    born: int | None = None


class Book(BaseModel):
    title: str
    author: Author
    pages: int = Field(ge=1)
    price: float
    tags: list[str]
    available: bool


class Library(BaseModel):
    name: str
    books: list[Book]


class Letter(BaseModel):
    subject: str
    body: str


def library(size: int) -> str:
    """The JSON of a library, of about `size` characters."""
    books: list[dict[str, Any]] = []
    length = 0
    while length < size:
        number = len(books)
        author = {"name": f'Jane "JA" Doe {number}', "born": 1775 + number % 200}
        book = {"title": f"A tale of {number} cities", "author": author, "pages": 100 + number, "price": 9.5}
        books.append({**book, "tags": ["novel", "classic", "été"], "available": number % 2 == 0})
        length += len(json.dumps(books[-1])) + 2
    return json.dumps({"name": "All", "books": books})


def letter(size: int) -> str:
    """The JSON of a letter with a long text."""
    return json.dumps(
        {"subject": "On and on", "body": 'It was said that,\nin truth, "nothing" was said. ' * (size // 46)}
    )


@dataclass(frozen=True)
class Provider:
    """Answers with a text in small pieces."""

    text: str
    id: str = "bench"

    def endpoint(self, name: str, messages: Sequence[Message]) -> HTTPEndpoint:
        """See `llm.Provider`."""
        answer = StreamedBody(events(self.text))
        return HTTPEndpoint(
            provider_id=self.id,
            model=name,
            codec=OpenAIChat(get_chat_dialect("bench")),
            transport=MemoryTransport(lambda request: answer),
            base_url="http://bench",
            features=Features(strict_format=True),
        )


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """A server-sent event of the chat protocol."""
    body = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "bench"}
    body |= {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def pieces(text: str) -> list[str]:
    """The text as it arrives."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def events(text: str) -> list[bytes]:
    """The server-sent events of an answer with this text."""
    return [*(event({"content": piece}) for piece in pieces(text)), event({}, "stop"), b"data: [DONE]\n\n"]


def seconds(read: Callable[[], Iterable[object]]) -> float:
    """CPU seconds to read all. What comes before the first piece does not count."""
    source = read()
    gc.collect()
    start = time.process_time()
    for _ in source:
        pass
    return time.process_time() - start


def measure(name: str, make: Callable[[int], str], kind: type[BaseModel]) -> None:
    """Print a table for one kind of value."""
    print(f"\n{name}\n{'size':>9} {'chunks':>7} {'text':>7} {'structured':>11} {'ratio':>6}   (µs a chunk)")
    for size in SIZES:
        text = make(size)
        model = llm.Model("bench/model", provider=Provider(text))

        def stream(model: llm.Model = model) -> llm.StreamResponse[Any]:
            return model.stream("Hi", format=kind)

        # By turns, so that what else the machine does meets both.
        runs = range(max(5, 200_000 // size))
        both = [(seconds(lambda: stream().text_stream()), seconds(lambda: stream().structured_stream())) for _ in runs]
        chunks = -(-len(text) // PIECE)
        plain, structured = (median(times) / chunks * 1e6 for times in zip(*both, strict=True))
        print(f"{len(text):>9} {chunks:>7} {plain:>7.2f} {structured:>11.2f} {structured / plain:>6.2f}")


# -- over HTTP --------------------------------------------------------------------------------------------------------

OVER_HTTP = 48_000  # characters
PAUSES = {"all events at once": None, "event by event": 0.0, "an event in half a millisecond": 0.0005}  # seconds


async def serve() -> None:
    """Answer with the library. The path begins with the number of one of `PAUSES`."""
    stream = events(library(OVER_HTTP))
    pauses = list(PAUSES.values())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return writer.close()
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
            pause = pauses[int(head.split(b"/")[1])]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for data in stream:
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                if pause is not None:
                    await asyncio.sleep(pause)
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def read_blocking(model: llm.Model, kind: str) -> float:
    """CPU seconds to read a stream, as "text" or as "structured"."""
    response = model.stream("Hi", format=Library)
    return seconds(response.text_stream if kind == "text" else response.structured_stream)


def read_async(model: llm.Model, kind: str) -> float:
    """The same, under asyncio."""

    async def read() -> float:
        response = await model.stream_async("Hi", format=Library)
        source: AsyncIterator[object] = response.text_stream() if kind == "text" else response.structured_stream()
        gc.collect()
        start = time.process_time()
        async for _ in source:
            pass
        return time.process_time() - start

    return asyncio.run(read())


def measure_over_http(port: str) -> None:
    """Print a table of the ways that events arrive, for both colours."""
    chunks = -(-len(library(OVER_HTTP)) // PIECE)
    print(f"\n{OVER_HTTP} characters over HTTP\n{'':>38} {'text':>7} {'structured':>11} {'ratio':>6}   (µs a chunk)")
    for number, title in enumerate(PAUSES):
        llm.register_provider("openai:completions", "http/", base_url=f"http://127.0.0.1:{port}/{number}", api_key="k")
        model = llm.Model("http/model")
        for colour, read in {"blocking": read_blocking, "async": read_async}.items():
            both = [(read(model, "text"), read(model, "structured")) for _ in range(7)]
            plain, structured = (median(times) / chunks * 1e6 for times in zip(*both, strict=True))
            print(f"{title + ', ' + colour:>38} {plain:>7.2f} {structured:>11.2f} {structured / plain:>6.2f}")


def main() -> None:
    measure("many objects", library, Library)
    measure("one long string", letter, Letter)
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        measure_over_http(server.stdout.readline().strip())
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
