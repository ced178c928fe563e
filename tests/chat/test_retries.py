"""A chat model's `retry`: the engine's attempts, for the library's models and for those that users write."""

from __future__ import annotations

import pytest

from mirascope_like import chat, errors

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Exchange, Server
from .conftest import scripted

AT_ONCE = chat.RetryConfig(max_retries=2, initial_delay=0)


def busy(exchange: Exchange) -> None:
    exchange.json({"error": {"message": "busy"}}, status=503)


def get(colour: Colour, name: str):
    return (chat.get_async_model if colour.is_async else chat.get_model)(name)


@pytest.mark.parametrize("stream", [True, False])
def test_a_library_model_is_asked_again(colour: Colour, server: Server, stream: bool) -> None:
    register(server)

    def second_time(exchange: Exchange) -> None:
        (busy if len(server.received) < 2 else saying("It is Paris."))(exchange)

    server.answer = second_time
    model = get(colour, "test/model")
    model.retry = AT_ONCE
    try:
        assert colour.run(lambda: colour.got(model.prompt("Where?", stream=stream).text())) == "It is Paris."
        assert len(server.received) == 2
    finally:
        model.retry = None


def test_the_last_failure_stays_W1(colour: Colour, server: Server) -> None:
    register(server)
    server.answer = busy
    model = get(colour, "test/model")
    model.retry = AT_ONCE

    async def scenario() -> None:
        response = model.prompt("Where?")
        for _ in range(2):
            with pytest.raises(errors.RetriesExhausted, match="busy"):
                await colour.got(response.text())

    try:
        colour.run(scenario)
        assert len(server.received) == 3
    finally:
        model.retry = None


def test_a_fallback_model_answers(colour: Colour, server: Server) -> None:
    register(server)

    def other(exchange: Exchange) -> None:
        (saying("From the other.") if exchange.request.json["model"] == "other" else busy)(exchange)

    server.answer = other
    model = get(colour, "test/model")
    model.retry = chat.RetryConfig(max_retries=0, fallback_models=["test/other"])
    try:

        async def scenario() -> None:
            response = model.prompt("Where?")
            assert await colour.got(response.text()) == "From the other."
            assert (await colour.got(response.to_llm()))[-1].model_id == "test/other"

        colour.run(scenario)
    finally:
        model.retry = None


def test_a_model_of_ones_own_is_asked_again(colour: Colour) -> None:
    failing = errors.ServerError("busy")
    model = scripted(colour, [failing], "It is Paris.")
    model.retry = AT_ONCE
    assert colour.run(lambda: colour.got(model.prompt("Where?").text())) == "It is Paris."
    assert len(model.script.prompts) == 2


def test_what_was_seen_is_not_asked_again(colour: Colour) -> None:
    model = scripted(colour, ["It", errors.ServerError("busy")], "never said")
    model.retry = AT_ONCE

    async def scenario() -> None:
        with pytest.raises(errors.ServerError):
            await colour.got(model.prompt("Where?").text())

    colour.run(scenario)
    assert len(model.script.prompts) == 1


def test_a_model_of_ones_own_has_no_fallbacks(colour: Colour) -> None:
    model = scripted(colour, "never said")
    model.retry = chat.RetryConfig(fallback_models=["test/other"])
    with pytest.raises(ValueError, match="only the library's own"):
        colour.run(lambda: colour.got(model.prompt("Where?").text()))
