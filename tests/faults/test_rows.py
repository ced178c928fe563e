"""Each row in each protocol and colour: the answer or the typed error, the requests made, and nothing lost."""

from __future__ import annotations

import pytest

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .protocols import MODEL, PROTOCOLS, TEXT, Protocol
from .rows import ROWS, Row, ask, expected_text, observe
from .server import Answer, chunked, sized
from .table import PAGE, table, within


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{'again' if row.retry else 'stream' if row.stream else 'whole'}-{row.scenario}"
)
def test_row(row: Row, protocol: Protocol, colour: Colour, server: Server) -> None:
    async def scenario() -> None:
        outcome = await observe(row, protocol, colour, server)
        assert type(outcome.error) in (row.raises or type(None), row.may_raise), outcome.error
        assert {name: getattr(outcome.error, name) for name, _ in row.has} == dict(row.has)
        expected = expected_text(row, protocol)
        assert outcome.text == expected or (row.may_lose and expected.startswith(outcome.text))
        assert outcome.requests == row.requests
        if getattr(row.answer(protocol), "end", "keep") != "keep":
            await colour.wait(server.wait_all_gone)
        # and the next call is not touched by it
        for stream in (False, True):
            server.answer = chunked(protocol.events()) if stream else sized(protocol.whole())
            assert await ask(colour, llm.Model(MODEL), stream) == TEXT

    colour.run(scenario)


def test_bytes_behind_an_answer_are_not_the_next_answer(
    colour: Colour, server: Server, request: pytest.FixtureRequest
) -> None:
    if colour.name != "asyncio":
        reason = "httpcore2 takes what follows an answer for the beginning of the next"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    protocol = PROTOCOLS[0]
    protocol.register(server)
    planted = b"".join(sized(protocol.whole(llm.Text("planted"))).writes)

    async def scenario() -> None:
        server.answer = Answer((b"".join(sized(protocol.whole()).writes) + planted,))
        assert await ask(colour, llm.Model(MODEL), stream=False) == TEXT
        server.answer = sized(protocol.whole())
        assert await ask(colour, llm.Model(MODEL), stream=False) == TEXT

    colour.run(scenario)


def test_the_page_shows_what_happens() -> None:
    """`python -m tests.faults.table` writes it anew."""
    assert within(PAGE.read_text("utf-8")) == table()
