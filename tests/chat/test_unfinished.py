"""Chains, replies and conversations after a response that did not end well: its tool calls are not run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import chat, llm

from ..conftest import Colour
from ..faults.endings import (
    CHAT,
    MESSAGES,
    Reason,
    Wipe,
    calling,
    each_ending,
    saying,
    streamed_or_whole,
    wiping,
)
from ..faults.protocols import MODEL, PROTOCOLS, Protocol
from ..faults.server import in_turn
from ..transport.server import Exchange, Server
from .conftest import Ending, call, events, scripted


@pytest.fixture
def wipe() -> Wipe:
    return Wipe()


each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)


def model_of(colour: Colour) -> Any:
    return (chat.get_async_model if colour.is_async else chat.get_model)(MODEL)


def serve(server: Server, protocol: Protocol, *answers: Callable[[Exchange], None]) -> None:
    protocol.register(server)
    server.answer = in_turn(*answers)


@each_protocol
@streamed_or_whole
def test_a_chain_goes_on_after_one_truncated_response(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, stream: bool
) -> None:
    whole = calling(protocol, None, stream, wiping(protocol, '{"path": "/tmp"}', "call_b"))
    cut = calling(protocol, Reason.MAX_TOKENS, stream)
    again = calling(protocol, Reason.MAX_TOKENS, stream, wiping(protocol, '{"path": "/var"}', "call_c"))
    serve(server, protocol, cut, whole, again, saying(protocol, "Done.", stream))
    seen: list[str] = []

    async def scenario() -> None:
        chain = model_of(colour).chain(
            "Go", tools=[wipe.tool], stream=stream, after_call=lambda tool, call, result: seen.append(result.output)
        )
        assert await colour.got(chain.text()) == "Done."
        told = [event async for event in colour.each(events(chain)) if event.type == "tool_result"]
        assert [("not run" in event.chunk, event.message_index) for event in told] == [(True, 1), (False, 3), (True, 5)]

    colour.run(scenario)
    assert (wipe.ran, seen) == (["/tmp"], ["wiped /tmp"])
    assert [b"not run" in request.body for request in server.received] == [False, True, True, True]


@each_protocol
@streamed_or_whole
def test_the_second_truncated_response_in_a_row_ends_a_chain(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, stream: bool
) -> None:
    serve(server, protocol, calling(protocol, Reason.MAX_TOKENS, stream))

    async def scenario() -> None:
        chain = model_of(colour).chain("Go", tools=[wipe.tool], stream=stream)
        assert await colour.got(chain.text()) == ""
        assert chain.done
        responses = await colour.all(chain.responses())
        assert [response.finish_reason for response in responses] == [Reason.MAX_TOKENS] * 2
        assert [call.name for call in await colour.got(responses[-1].tool_calls())] == ["wipe"]

    colour.run(scenario)
    assert (wipe.ran, len(server.received)) == ([], 2)


@each_ending
@streamed_or_whole
def test_other_endings_end_a_chain_at_once(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, reason: Reason, stream: bool
) -> None:
    serve(server, protocol, calling(protocol, reason, stream))

    async def scenario() -> None:
        chain = model_of(colour).chain("Go", tools=[wipe.tool], stream=stream)
        await colour.got(chain.text())
        *_, last = await colour.all(chain.responses())
        assert last.finish_reason is reason
        assert chain.to_dict()["responses"][-1]["finish_reason"] == reason

    colour.run(scenario)
    assert (wipe.ran, len(server.received)) == ([], 2 if reason.cuts_off else 1)


def test_a_truncated_text_ends_a_chain(colour: Colour, wipe: Wipe) -> None:
    async def scenario() -> None:
        model = scripted(colour, ["Once upon", Ending("max_tokens")], "Never.")
        chain = model.chain("Go", tools=[wipe.tool])
        assert await colour.got(chain.text()) == "Once upon"
        assert (await colour.all(chain.responses()))[-1].finish_reason is Reason.MAX_TOKENS

    colour.run(scenario)


def test_a_paused_turn_goes_on(colour: Colour, server: Server, wipe: Wipe) -> None:
    paused = calling(MESSAGES, Reason.PAUSE, False, wiping(MESSAGES, '{"path": "/tmp"}'))
    serve(server, MESSAGES, paused, saying(MESSAGES, "Done.", False))

    async def scenario() -> None:
        assert await colour.got(model_of(colour).chain("Go", tools=[wipe.tool], stream=False).text()) == "Done."

    colour.run(scenario)
    assert wipe.ran == ["/tmp"]


def test_step_by_step(colour: Colour, server: Server, wipe: Wipe) -> None:
    serve(server, CHAT, calling(CHAT, Reason.MAX_TOKENS, False), saying(CHAT, "Sorry.", False))

    async def scenario() -> None:
        response = model_of(colour).prompt("Go", tools=[wipe.tool], stream=False)
        calls = await colour.got(response.tool_calls())
        (result,) = await colour.got(response.execute_tool_calls())
        assert (result.tool_call_id, wipe.ran) == (calls[0].tool_call_id, [])
        assert "not run" in result.output and isinstance(result.exception, llm.ToolExecutionError)
        (result,) = await colour.got(response.execute_tool_calls(tool_calls_list=calls))
        assert (result.output, wipe.ran) == ("wiped /", ["/"])

        told = await colour.got(response.reply())
        assert await colour.got(told.text()) == "Sorry."
        assert b"not run" in server.received[-1].body
        assert wipe.ran == ["/"]

        insisted = await colour.got(response.reply(tool_results=[result]))
        await colour.got(insisted.text())
        assert b"wiped /" in server.received[-1].body and b"not run" not in server.received[-1].body

    colour.run(scenario)


def test_a_stored_response_is_as_unfinished_as_before(colour: Colour, server: Server, wipe: Wipe) -> None:
    serve(server, CHAT, calling(CHAT, Reason.MAX_TOKENS, False), saying(CHAT, "Sorry.", False))

    async def scenario() -> None:
        response = model_of(colour).prompt("Go", tools=[wipe.tool], stream=False)
        await colour.got(response.text())
        stored = type(response).from_dict(json.loads(json.dumps(response.to_dict())), model=model_of(colour))
        for options in ({}, {"tools": [wipe.tool]}):  # whether or not there is something to run
            assert await colour.got((await colour.got(stored.reply(**options))).text()) == "Sorry."
            assert b"not run" in server.received[-1].body

    colour.run(scenario)
    assert wipe.ran == []


def asking(tool: Any, call: chat.ToolCall) -> None:
    raise chat.PauseChain("ask somebody")


def test_nobody_is_asked_about_a_call_that_was_cut_off(colour: Colour, server: Server, wipe: Wipe) -> None:
    serve(server, CHAT, calling(CHAT, Reason.MAX_TOKENS, False), saying(CHAT, "Sorry.", False))

    async def scenario() -> None:
        chain = model_of(colour).chain("Go", tools=[wipe.tool], before_call=asking, stream=False)
        assert await colour.got(chain.text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == []


@pytest.mark.parametrize("reason", [Reason.MAX_TOKENS, Reason.REFUSAL])
@pytest.mark.parametrize("stored", [False, True])
def test_a_conversation_does_not_go_on_with_calls_that_were_not_run(
    colour: Colour, server: Server, wipe: Wipe, reason: Reason, stored: bool
) -> None:
    """A chain without a prompt runs calls that wait at the end of the history; these do not wait."""
    serve(server, CHAT, calling(CHAT, reason, False))

    async def scenario() -> None:
        conversation = model_of(colour).conversation(tools=[wipe.tool], stream=False)
        await colour.got(conversation.chain("Go").text())
        server.answer = saying(CHAT, "Yes.", False)
        if stored:
            data = json.loads(json.dumps(conversation.to_dict()))
            conversation = type(conversation).from_dict(data, model=model_of(colour), tools=[wipe.tool])
        branch = conversation.branch()
        assert await colour.got(conversation.chain().text()) == "Yes."
        assert await colour.got(branch.prompt("And now?").text()) == "Yes."
        sent = server.received[-1].json["messages"]
        assert [message["role"] for message in sent[-3:]] == ["assistant", "tool", "user"]
        assert "not run" in sent[-2]["content"]

    colour.run(scenario)
    assert wipe.ran == []


def test_what_the_program_ran_itself_takes_the_place_of_the_error(colour: Colour, server: Server, wipe: Wipe) -> None:
    serve(server, CHAT, calling(CHAT, Reason.MAX_TOKENS, False), saying(CHAT, "Yes.", False))

    async def scenario() -> None:
        conversation = model_of(colour).conversation(tools=[wipe.tool], stream=False)
        response = conversation.prompt("Go")
        calls = await colour.got(response.tool_calls())
        results = await colour.got(response.execute_tool_calls(tool_calls_list=calls))
        assert await colour.got(conversation.prompt(tool_results=results).text()) == "Yes."
        assert [message.role for message in conversation.messages] == ["user", "assistant", "tool", "assistant"]

    colour.run(scenario)
    sent = server.received[-1].json["messages"]
    assert [message["content"] for message in sent[2:]] == ["wiped /"]


def test_nor_does_a_conversation_out_of_a_log(colour: Colour, server: Server, wipe: Wipe, tmp_path: Path) -> None:
    serve(server, CHAT, calling(CHAT, Reason.REFUSAL, False), saying(CHAT, "Yes.", False))
    path = tmp_path / "log.db"
    load = chat.load_async_conversation if colour.is_async else chat.load_conversation

    async def scenario() -> None:
        with llm.log(path):
            await colour.got(model_of(colour).prompt("Go", tools=[wipe.tool], stream=False).text())
        conversation: Any = load(path, model=model_of(colour), tools=[wipe.tool], stream=False)
        assert await colour.got(conversation.chain().text()) == "Yes."

    colour.run(scenario)
    assert wipe.ran == []
    assert b"not run" in server.received[-1].body


class Filter(BaseModel):
    path: str = "/"


@pytest.mark.parametrize("stored", [False, True])
def test_the_hidden_tool_of_a_schema_gives_no_value(colour: Colour, server: Server, stored: bool) -> None:
    llm.register_provider("anthropic", scope="test/", base_url=server.url, api_key="key")
    answer = llm.ToolCall(id="call_a", name="__output__", args='{"path": "/"}')
    server.answer = calling(MESSAGES, Reason.MAX_TOKENS, False, answer)

    async def scenario() -> None:
        schema = llm.format(Filter, mode="tool")
        response = model_of(colour).prompt("Go", schema=schema, stream=False)
        await colour.got(response.text())
        if stored:
            response = type(response).from_dict(response.to_dict(), model=model_of(colour))
        with pytest.raises(chat.ParseError, match="truncated") as caught:
            await colour.got(response.parsed())
        assert caught.value.cut_off

    colour.run(scenario)


# -- models that users write ------------------------------------------------------------------------------------------


def test_a_model_of_ones_own_says_why_it_ended(colour: Colour, wipe: Wipe) -> None:
    async def scenario() -> None:
        for reason, asked in (("max_tokens", 2), ("refusal", 1)):
            model = scripted(colour, *([Ending(reason), call("wipe")] for _ in range(3)))
            chain = model.chain("Go", tools=[wipe.tool])
            await colour.got(chain.text())
            assert (await colour.all(chain.responses()))[-1].finish_reason is Reason(reason)
            assert len(model.script.prompts) == asked
        model = scripted(colour, [Ending(None), call("wipe", path="/tmp")], "Done.")
        assert await colour.got(model.chain("Go", tools=[wipe.tool]).text()) == "Done."

    colour.run(scenario)
    assert wipe.ran == ["/tmp"]


def test_a_reason_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="boredom"):
        scripted(Colour("blocking"), [Ending("boredom")]).prompt("Go").text()


class Wrapped(chat.Model):
    """A model that is made of one of the library's."""

    model_id = "wrapped"
    supports_tools = True

    def execute(self, prompt: Any, **how: Any) -> Iterator[chat.StreamEvent]:
        yield from chat.get_model(MODEL).execute(prompt, **how)


class AsyncWrapped(chat.AsyncModel):
    model_id = "wrapped"
    supports_tools = True

    async def execute(self, prompt: Any, **how: Any) -> Any:
        async for event in chat.get_async_model(MODEL).execute(prompt, **how):
            yield event


@streamed_or_whole
def test_a_model_made_of_the_library_s_passes_it_on(colour: Colour, server: Server, wipe: Wipe, stream: bool) -> None:
    serve(server, CHAT, calling(CHAT, Reason.REFUSAL, stream))

    async def scenario() -> None:
        model: Any = AsyncWrapped() if colour.is_async else Wrapped()
        chain = model.chain("Go", tools=[wipe.tool], stream=stream)
        await colour.got(chain.text())
        assert (await colour.all(chain.responses()))[-1].finish_reason is Reason.REFUSAL

    colour.run(scenario)
    assert (wipe.ran, len(server.received)) == ([], 1)


# -- the number of calls ----------------------------------------------------------------------------------------------


@streamed_or_whole
def test_too_many_calls_are_not_run(colour: Colour, server: Server, wipe: Wipe, stream: bool) -> None:
    calls = [wiping(CHAT, '{"path": "/tmp"}', f"call_{number}") for number in range(129)]
    serve(server, CHAT, calling(CHAT, None, stream, *calls))

    async def scenario() -> None:
        conversation = model_of(colour).conversation(tools=[wipe.tool], stream=stream)
        for prompt in ("Go", None):  # neither at once nor when it goes on
            with pytest.raises(chat.ToolCallLimitExceeded, match="129 tool calls, but at most 128"):
                await colour.got(conversation.chain(prompt).text())
        assert wipe.ran == []
        server.answer = in_turn(calling(CHAT, None, stream, *calls), saying(CHAT, "Done.", stream))
        chain = model_of(colour).chain("Go", tools=[wipe.tool], tool_call_limit=129, stream=stream)
        assert await colour.got(chain.text()) == "Done."
        assert len(wipe.ran) == 129

    colour.run(scenario)


def test_the_limit_holds_for_models_of_ones_own(colour: Colour, wipe: Wipe) -> None:
    async def scenario() -> None:
        calls = [call("wipe", f"call_{number}", path="/tmp") for number in range(2)]
        model = scripted(colour, calls, calls, "Done.")
        chain = model.chain("Go", tools=[wipe.tool], options={"tool_call_limit": 1})
        with pytest.raises(chat.ToolCallLimitExceeded, match="2 tool calls, but at most 1 "):
            await colour.got(chain.text())
        assert wipe.ran == []
        chain = model.chain("Go", tools=[wipe.tool], tool_call_limit=2)
        assert await colour.got(chain.text()) == "Done."
        stored = chain.to_dict()["responses"][0]["prompt"]["options"]
        assert stored == {"tool_call_limit": 2}
        with pytest.raises(ValueError, match="at least 1"):
            model.chain("Go", tool_call_limit=0)

    colour.run(scenario)
    assert wipe.ran == ["/tmp", "/tmp"]
