"""A chat model's `retry`: the engine's attempts, for the library's models and for those that users write."""

from __future__ import annotations

import pytest

from mirascope_like import chat, errors, llm

from ..conftest import Colour
from ..llm.chat_server import pieces, register, saying
from ..transport.server import Exchange, Server
from .conftest import call, events, scripted

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


# -- answers that break off -------------------------------------------------------------------------------------------

RESTART = chat.RetryConfig(max_retries=2, initial_delay=0, after_output="restart")
BUSY = errors.ServerError("busy")


def cut_once(server: Server) -> None:
    """The first answer breaks off after two words; the second says other ones."""

    def answer(exchange: Exchange) -> None:
        exchange.stream(*(pieces("It was London.")[:3] if len(server.received) < 2 else pieces("It is Paris.")))

    server.answer = answer


@pytest.mark.parametrize("after_output", ["restart", "continue"])
def test_a_whole_read_goes_on_with_the_new_answer(colour: Colour, server: Server, after_output: str) -> None:
    register(server)
    cut_once(server)
    model = get(colour, "test/model")
    model.retry = chat.RetryConfig(max_retries=2, initial_delay=0, after_output=after_output)
    try:

        async def scenario() -> None:
            response = model.prompt("Where?")
            assert await colour.got(response.text()) == "It is Paris."
            assert len(await colour.got(response.messages())) == 1
            assert "".join(await colour.all(response)) == "It is Paris."

        colour.run(scenario)
        assert len(server.received) == 2
    finally:
        model.retry = None


def test_who_has_shown_some_of_the_old_answer_is_told(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, ["It was ", BUSY], ["It is ", "Paris."])
        model.retry = RESTART
        conversation = model.conversation()
        response = conversation.prompt("Where?")
        begun, waiting = (colour.each(response) for _ in range(2))
        assert await anext(begun) == "It was "
        with pytest.raises(chat.StreamRestarted) as raised:
            await anext(begun)
        assert isinstance(raised.value.failure.exception, errors.ServerError)
        assert [piece async for piece in waiting] == ["It is ", "Paris."]
        assert await colour.all(response) == ["It is ", "Paris."]
        assert conversation.messages == [chat.user("Where?"), chat.assistant("It is Paris.")]

    colour.run(scenario)


def test_a_chain_goes_on_with_the_new_answer(colour: Colour) -> None:
    def look() -> str:
        return "seen"

    async def scenario() -> None:
        def chain():
            model = scripted(colour, [call("look")], ["It was ", BUSY], "It is Paris.")
            model.retry = RESTART
            return model.chain("Where?", tools=[look])

        assert await colour.got(chain().text()) == "It is Paris."
        watched = chain()
        with pytest.raises(chat.StreamRestarted):
            await colour.all(watched)
        assert await colour.all(watched) == ["It is Paris."]
        assert [event.type for event in await colour.all(events(watched))] == ["tool_result", "text"]

    colour.run(scenario)


@pytest.mark.parametrize("retry", [AT_ONCE, RESTART])
def test_nothing_is_kept_of_a_failed_attempt(colour: Colour, retry: chat.RetryConfig) -> None:
    found = chat.StreamEvent("tool_result", "found", tool_name="search", tool_call_id="s", server_executed=True)
    shown = ["Hm. "] if retry is RESTART else []

    async def scenario() -> None:
        model = scripted(colour, [*shown, found, call("look"), BUSY], [found, call("look"), "Done."])
        if retry is AT_ONCE:  # a result is shown at once, and then nothing is asked again
            model = scripted(colour, [call("look", "old"), BUSY], [found, call("look"), "Done."])
        model.retry = retry
        response = model.prompt("Where?")
        assert await colour.got(response.text()) == "Done."
        (message,) = await colour.got(response.messages())
        assert [part.type for part in message.parts] == ["tool_result", "text", "tool_call"]
        assert [each.tool_call_id for each in await colour.got(response.tool_calls())] == ["call_look"]

    colour.run(scenario)


def test_a_restart_of_what_execute_reads_is_its_failure(colour: Colour) -> None:
    async def scenario() -> None:
        failure = llm.RetryFailure(llm.model("test/inner"), BUSY)
        model = scripted(colour, ["It was ", errors.StreamRestarted(failure)], "never said")
        response = model.prompt("Where?")
        for _ in range(2):
            with pytest.raises(errors.StreamRestarted):
                await colour.got(response.text())

    colour.run(scenario)
