"""Streams cut at every event and at every few bytes, in every way: never taken for whole, and nothing is lost."""

from __future__ import annotations

import pytest

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .protocols import MODEL, TEXT, Protocol
from .rows import said_in
from .server import Answer, End, chunked, until_close

CALL = llm.ToolCall(id="call_1", name="look_up", args='{"word": "naïve 狐"}')


async def check(
    colour: Colour, server: Server, protocol: Protocol, answer: Answer, body: bytes, end: End = "close"
) -> None:
    """Whatever came of an answer, the caller has it: as the answer if it is whole, else beside the error.

    Calls whose arguments are not complete are in no `partial`, so that nobody runs them; their pieces can be read."""
    server.answer = answer
    said = [protocol.says(body), protocol.says(body + b"\n\n")]  # the last event may lack its empty line
    pieces: list[str] = []
    try:
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi"))
        async for chunk in colour.each(response.chunk_stream()):
            pieces.append(getattr(chunk, "delta", ""))
    except llm.ConnectionError as error:
        # A reset throws away what the reader has not fetched yet.
        assert said[0].startswith("".join(pieces)) if end == "reset" else "".join(pieces) in said
        assert said_in(error.partial) == "".join(pieces)[: len(TEXT)]
        assert error.partial.content[1:] in ((), (CALL,))
    else:
        assert protocol.end in body, "an answer that was cut is taken for whole"
        assert "".join(pieces) == said[1] == TEXT + CALL.args
        assert response.content == (llm.Text(TEXT), CALL)
    assert len(server.received) == 1
    server.received.clear()


@pytest.mark.parametrize("end", ["keep", "close", "half-close", "reset"])
def test_cut_at_each_event(colour: Colour, server: Server, protocol: Protocol, end: End) -> None:
    protocol.register(server)
    events = protocol.events(llm.Text(TEXT), CALL)

    async def scenario() -> None:
        for count in range(len(events) + 1):
            answer = chunked(events[:count])  # for "keep", a stream that ends in good order, but too early
            if end != "keep":
                answer = answer.first(-1).then(end)
            await check(colour, server, protocol, answer, b"".join(events[:count]), end)

    colour.run(scenario)


@pytest.mark.parametrize("framing", [chunked, until_close])
def test_cut_at_bytes(colour: Colour, server: Server, protocol: Protocol, framing) -> None:
    protocol.register(server)
    answer = framing(protocol.events(llm.Text(TEXT), CALL))
    start, size = len(answer.writes[0]), len(b"".join(answer.writes))

    async def scenario() -> None:
        for cut in (*range(start, size, 1 + size // 60), *range(size - 12, size)):
            cut_off = answer.cut(cut).then("close")
            await check(colour, server, protocol, cut_off, cut_off.writes[0][start:])

    colour.run(scenario)


def test_nothing_depends_on_how_the_bytes_arrive(colour: Colour, server: Server, protocol: Protocol) -> None:
    protocol.register(server)
    data = b"".join(protocol.events(llm.Text(TEXT), CALL))

    async def scenario() -> None:
        for size in (1, 2, 3, 7, 61, len(data)):
            pieces = [data[start : start + size] for start in range(0, len(data), size)]
            await check(colour, server, protocol, chunked(pieces), data)

    colour.run(scenario)
