"""The gate: each attempt passes it before its request is made, and settles its lease once, however it ends."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.engine import run
from mirascope_like.engine.plan import Plan

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Exchange, Server

Settled = tuple[llm.Usage | None, Mapping[str, str], BaseException | None]


class RecordingGate:
    """A gate that lets all pass, and notes what it sees."""

    can_wait = True

    def __init__(self) -> None:
        self.acquired: list[Plan] = []
        self.settled: list[Settled] = []
        self.open = 0

    async def acquire(self, plan: Plan) -> Any:
        self.acquired.append(plan)
        self.open += 1
        return _Lease(self)


class _Lease:
    def __init__(self, gate: RecordingGate) -> None:
        self._gate = gate

    def settle(self, *settled: Any) -> None:
        self._gate.open -= 1
        self._gate.settled.append(settled)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> RecordingGate:
    gate = RecordingGate()
    monkeypatch.setattr(run, "start_gate", lambda runtime: gate)
    return gate


@pytest.mark.parametrize("stream", [False, True])
def test_a_call(colour: Colour, gate: RecordingGate, server: Server, stream: bool) -> None:
    server.answer = saying("Hello")
    register(server)

    async def scenario() -> None:
        response = await colour.got((colour.stream if stream else colour.ask)(llm.Model("test/model"), "Hi"))
        if stream:
            assert (gate.open, gate.settled) == (1, [])
            await colour.got(response.finish())

    colour.run(scenario)
    ((usage, headers, error),) = gate.settled
    assert usage is not None and usage.output_tokens == 1
    assert "content-type" in headers
    assert error is None


@pytest.mark.parametrize("stream", [False, True])
def test_each_attempt_has_its_own(colour: Colour, gate: RecordingGate, server: Server, stream: bool) -> None:
    statuses = iter([503, 429, 200])

    def answer(exchange: Exchange) -> None:
        status = next(statuses)
        if status == 200:
            saying("Hello")(exchange)
        else:
            assert gate.open == 1
            exchange.json({"error": {"message": "busy"}}, status)

    server.answer = answer
    register(server)
    model = llm.Model("test/model", retry=llm.RetryConfig(initial_delay=0))

    async def scenario() -> None:
        response = await colour.got((colour.stream if stream else colour.ask)(model, "Hi"))
        if stream:
            await colour.got(response.finish())

    colour.run(scenario)
    assert [type(error) for _, _, error in gate.settled] == [llm.ServerError, llm.RateLimitError, type(None)]
    assert gate.open == 0


def test_streams_that_are_given_up(colour: Colour, gate: RecordingGate) -> None:
    async def scenario() -> None:
        closed = await colour.got(colour.stream(llm.scripted("one two"), "Hi"))
        await colour.close(closed)
        await colour.got(colour.stream(llm.scripted("one two"), "Hi"))  # dropped
        read = await colour.got(colour.stream(llm.scripted("one two"), "Hi"))
        texts = read.text_stream()
        await colour.next(texts)
        del texts

    colour.run(scenario)
    gc.collect()
    assert (gate.open, len(gate.settled)) == (0, 3)
    assert {type(error) for _, _, error in gate.settled} == {llm.StreamClosedError}


def test_calls_that_are_never_sent(colour: Colour, gate: RecordingGate) -> None:
    async def scenario() -> None:
        for ask in (colour.ask, colour.stream):
            with pytest.raises(llm.NoRegisteredProviderError):
                await colour.got(ask(llm.Model("nobody/knows"), "Hi"))

    colour.run(scenario)
    assert (gate.open, len(gate.settled)) == (0, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling(native: Colour, gate: RecordingGate, server: Server, stream: bool) -> None:
    server.answer = server.hold
    register(server)

    async def scenario() -> None:
        with anyio.move_on_after(0.05), suppress(llm.StreamClosedError):
            await (native.stream if stream else native.ask)(llm.Model("test/model"), "Hi")

    native.run(scenario)
    assert (gate.open, len(gate.settled)) == (0, 1)
