"""Messages of a response that did not end well, which a program passes on as history: their tool calls are not run."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mirascope_like import chat, llm

from ..conftest import Colour
from ..faults.endings import CHAT, Reason, Wipe, calling, each_ending, saying, streamed_or_whole, wiping
from ..faults.protocols import MODEL, Protocol
from ..faults.server import Answer, in_turn
from ..transport.server import Server
from .conftest import Ending, call, scripted

HI = chat.user("Hi")


@pytest.fixture
def wipe() -> Wipe:
    return Wipe()


def model_of(colour: Colour) -> Any:
    return (chat.get_async_model if colour.is_async else chat.get_model)(MODEL)


async def unfinished(colour: Colour, server: Server, wipe: Wipe, reason: Reason = Reason.MAX_TOKENS) -> Any:
    """A response that ended so, with a call of the tool; the next one says "Sorry."."""
    CHAT.register(server)
    server.answer = in_turn(calling(CHAT, reason, False), saying(CHAT, "Sorry.", False))
    response = model_of(colour).prompt("Hi", tools=[wipe.tool], stream=False)
    await colour.got(response.text())
    return response


@each_ending
@streamed_or_whole
def test_a_chain_does_not_run_their_calls(
    colour: Colour, server: Server, wipe: Wipe, protocol: Protocol, reason: Reason, stream: bool
) -> None:
    protocol.register(server)
    server.answer = in_turn(calling(protocol, reason, stream), saying(protocol, "Sorry.", stream))

    async def scenario() -> None:
        model = model_of(colour)
        messages = await colour.got(model.prompt("Hi", tools=[wipe.tool], stream=stream).messages())
        chain = model.chain(messages=[HI, *messages], tools=[wipe.tool], stream=stream)
        assert await colour.got(chain.text()) == "Sorry."
        told = (await colour.got(chain.messages()))[0].parts[0]
        assert isinstance(told, chat.ToolResultPart) and "This tool call was not run" in told.output

    colour.run(scenario)
    assert wipe.ran == []
    assert b"This tool call was not run" in server.received[-1].body


def through_llm(messages: list[chat.Message]) -> list[chat.Message]:
    return chat.from_llm(chat.to_llm(messages))


KEPT: dict[str, Callable[[list[chat.Message]], list[chat.Message]]] = {
    "copy": lambda messages: [copy.copy(message) for message in messages],
    "deepcopy": copy.deepcopy,
    "pickle": lambda messages: pickle.loads(pickle.dumps(messages)),
    "replace": lambda messages: [replace(message, provider_metadata=None) for message in messages],
    "with_parts": lambda messages: [message.with_parts([chat.TextPart("So"), *message.parts]) for message in messages],
    "by hand": lambda messages: [chat.assistant(message.parts) for message in messages],
    "llm": through_llm,
    "llm, copied": lambda messages: chat.from_llm(copy.deepcopy(chat.to_llm(messages))),
    "llm, as said": lambda messages: through_llm([replace(each, provider_metadata={"a": {}}) for each in messages]),
    "llm, pickled": lambda messages: chat.from_llm(pickle.loads(pickle.dumps(chat.to_llm(messages)))),
}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
def test_copies_are_as_unfinished(colour: Colour, server: Server, wipe: Wipe, kept: Any) -> None:
    async def scenario() -> None:
        response = await unfinished(colour, server, wipe)
        messages = kept(await colour.got(response.messages()))
        assert await colour.got(model_of(colour).chain(messages=[HI, *messages], tools=[wipe.tool]).text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == []
    assert b"This tool call was not run" in server.received[-1].body


def test_the_mark_is_hidden(colour: Colour, server: Server, wipe: Wipe) -> None:
    async def scenario() -> None:
        marked = await colour.got((await unfinished(colour, server, wipe)).messages())
        plain = [chat.Message.from_dict(message.to_dict()) for message in marked]
        assert (marked, repr(marked)) == (plain, repr(plain))
        assert [message.to_dict() for message in marked] == [message.to_dict() for message in plain]
        assert llm.dump_messages(chat.to_llm(marked)) == llm.dump_messages(chat.to_llm(plain))
        assert chat.to_llm(marked) == chat.to_llm(plain)

    colour.run(scenario)


def made_again(response: Any) -> Any:
    return type(response).from_dict(json.loads(json.dumps(response.to_dict())))


@streamed_or_whole
def test_messages_of_the_other_api(colour: Colour, server: Server, wipe: Wipe, stream: bool) -> None:
    CHAT.register(server)
    server.answer = in_turn(calling(CHAT, Reason.REFUSAL, stream), saying(CHAT, "Sorry.", False))

    async def scenario() -> None:
        ask = colour.stream if stream else colour.ask
        response = await colour.got(ask(llm.Model(MODEL), "Hi", tools=[wipe.tool]))
        if stream:
            await colour.got(response.finish())
        chain = model_of(colour).chain(messages=chat.from_llm(response.messages), tools=[wipe.tool], stream=False)
        assert await colour.got(chain.text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == []
    assert b"This tool call was not run" in server.received[-1].body


def test_a_stored_response(colour: Colour, server: Server, wipe: Wipe) -> None:
    async def scenario() -> None:
        response = made_again(await unfinished(colour, server, wipe))
        messages = await colour.got(response.messages())
        assert await colour.got(model_of(colour).chain(messages=[HI, *messages], tools=[wipe.tool]).text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == []


@pytest.mark.parametrize("stored", [False, True])
def test_a_conversation_that_begins_with_them(colour: Colour, server: Server, wipe: Wipe, stored: bool) -> None:
    async def scenario() -> None:
        messages = await colour.got((await unfinished(colour, server, wipe)).messages())
        conversation = model_of(colour).conversation(messages=[HI, *messages], tools=[wipe.tool])
        if stored:
            data = json.loads(json.dumps(conversation.to_dict()))
            conversation = type(conversation).from_dict(data, model=model_of(colour), tools=[wipe.tool])
        assert await colour.got(conversation.chain().text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == []
    assert b"This tool call was not run" in server.received[-1].body


def test_a_chain_s_own_messages(colour: Colour, wipe: Wipe) -> None:
    async def scenario() -> None:
        model = scripted(colour, [call("wipe", path="/tmp")], [Ending("refusal"), call("wipe", "call_b")], "Sorry.")
        chain = model.chain("Hi", tools=[wipe.tool])
        messages = await colour.got(chain.messages())
        assert await colour.got(model.chain(messages=[HI, *messages], tools=[wipe.tool]).text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == ["/tmp"]


def test_calls_of_a_good_response_run(colour: Colour, wipe: Wipe) -> None:
    async def scenario() -> None:
        model = scripted(colour, [call("wipe", path="/tmp")], "Done.")
        messages = await colour.got(model.prompt("Hi", tools=[wipe.tool]).messages())
        assert await colour.got(model.chain(messages=[HI, *messages], tools=[wipe.tool]).text()) == "Done."

    colour.run(scenario)
    assert wipe.ran == ["/tmp"]


def paused(answer: Answer, server: Server) -> None:
    CHAT.register(server)
    server.answer = in_turn(answer, saying(CHAT, "Done.", False))


@pytest.mark.parametrize("stored", [False, True])
def test_a_pause_of_calls_that_the_program_runs(colour: Colour, server: Server, wipe: Wipe, stored: bool) -> None:
    """Those that it asked for go on after the pause, and no others."""
    calls = [wiping(CHAT, '{"path": "/a"}', "call_a"), wiping(CHAT, '{"path": "/b"}', "call_b")]
    paused(calling(CHAT, Reason.MAX_TOKENS, False, *calls), server)

    def ask_first(tool: Any, call: chat.ToolCall) -> None:
        raise chat.PauseChain("ask somebody")

    async def scenario() -> None:
        model = model_of(colour)
        response = model.prompt("Hi", tools=[wipe.tool], stream=False)
        (wanted, _) = await colour.got(response.tool_calls())
        with pytest.raises(chat.PauseChain) as caught:
            await colour.got(response.execute_tool_calls(before_call=ask_first, tool_calls_list=[wanted]))
        if stored:
            resume = chat.resume_async if colour.is_async else chat.resume
            chain: Any = resume(json.loads(json.dumps(caught.value.to_dict())), tools=[wipe.tool], stream=False)
        else:
            chain = model.chain(messages=caught.value.messages, tools=[wipe.tool], stream=False)
        assert await colour.got(chain.text()) == "Done."

    colour.run(scenario)
    assert wipe.ran == ["/a"]
    told = {
        each["tool_call_id"]: each["content"] for each in server.received[-1].json["messages"] if "tool" in each["role"]
    }
    assert told["call_a"] == "wiped /a" and "This tool call was not run" in told["call_b"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_pause_among_them(colour: Colour, server: Server, wipe: Wipe, stored: bool) -> None:
    """A message with calls of a good response and calls of another: only the good ones run, also after a pause."""

    def ask_first(tool: Any, call: chat.ToolCall) -> None:
        raise chat.PauseChain("ask somebody")

    async def scenario() -> None:
        bad = await colour.got((await unfinished(colour, server, wipe)).messages())
        good = chat.ToolCallPart("wipe", {"path": "/good"}, "call_good")
        model = model_of(colour)
        history = [HI, chat.assistant(good, bad[0].parts)]
        with pytest.raises(chat.PauseChain) as caught:
            await colour.got(model.chain(messages=history, tools=[wipe.tool], before_call=ask_first).text())
        if stored:
            resume = chat.resume_async if colour.is_async else chat.resume
            chain: Any = resume(json.loads(json.dumps(caught.value.to_dict())), tools=[wipe.tool])
        else:
            chain = model.chain(messages=caught.value.messages, tools=[wipe.tool])
        assert await colour.got(chain.text()) == "Sorry."

    colour.run(scenario)
    assert wipe.ran == ["/good"]
    assert b"This tool call was not run" in server.received[-1].body
