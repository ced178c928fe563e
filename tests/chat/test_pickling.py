"""Responses, conversations, chains and pauses of `chat` can be pickled and deep-copied; their pickles hold no key."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import chat, llm

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server

KEY = "sk-very-secret-key"


class Book(BaseModel):
    title: str


@pytest.fixture
def model_id(server: Server) -> str:
    server.answer = saying('{"title": "Dune"}')
    register(server, api_key=KEY)
    return "test/model"


def get_model(colour: Colour, model_id: str) -> Any:
    return chat.get_async_model(model_id) if colour.is_async else chat.get_model(model_id)


def pickled(value: Any) -> Any:
    stored = pickle.dumps(value)
    assert KEY.encode() not in stored
    return pickle.loads(stored)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
def test_a_response(colour: Colour, model_id: str, copied: Any, stream: bool) -> None:
    async def scenario() -> None:
        response = get_model(colour, model_id).prompt("Which?", schema=Book, stream=stream, key=KEY)
        with pytest.raises(TypeError, match="read it first"):
            copied(response)
        text = await colour.got(response.text())
        other = copied(response)
        assert type(other) is type(response)
        assert await colour.got(other.text()) == text
        assert await colour.got(other.parsed()) == Book(title="Dune")
        assert other.to_dict() == response.to_dict()
        assert await colour.got(other.messages()) == await colour.got(response.messages())
        reply = await colour.got(other.reply("And another?"))
        assert await colour.got(reply.text()) == text

    colour.run(scenario)


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
def test_a_conversation(colour: Colour, model_id: str, copied: Any) -> None:
    async def scenario() -> None:
        conversation = get_model(colour, model_id).conversation(system="Be brief.")
        for question in ("Which?", "And another?"):
            await colour.got(conversation.prompt(question).text())
        other = copied(conversation)
        assert other.messages == conversation.messages
        assert [each.to_dict()["messages"] for each in other.responses] == [
            each.to_dict()["messages"] for each in conversation.responses
        ]
        reply = await colour.got(other.responses[-1].reply("Go on."))
        await colour.got(reply.text())
        await colour.got(other.prompt("And on.").text())
        assert len(other.messages) == len(conversation.messages) + 4
        assert len(other.responses) == 4 and len(conversation.responses) == 2

    colour.run(scenario)


def ask_in_another_process(url: str) -> tuple[chat.Response[Any], chat.Conversation]:
    llm.register_provider("openai:completions", scope="test/", base_url=url, api_key=KEY)
    conversation = chat.get_model("test/model").conversation()
    response = conversation.prompt("Which?")
    response.text()
    return response, conversation


def test_they_come_back_from_other_processes(model_id: str, server: Server) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        response, conversation = pool.submit(ask_in_another_process, server.url).result()
    assert response.text() == '{"title": "Dune"}'
    assert conversation.responses[0] is response
    assert len(conversation.messages) == 2


def look(at: str) -> str:
    return f"seen: {at}"


def test_tools_that_pickle_stay(colour: Colour, server: Server) -> None:
    replies = iter([[llm.ToolCall(id="1", name="look", args='{"at": "it"}')], "Done.", "Again."])
    server.answer = saying(lambda body: next(replies))
    register(server)

    async def scenario() -> None:
        conversation = get_model(colour, "test/model").conversation(tools=[look])
        await colour.got(conversation.chain("Look.").text())
        other = pickled(conversation)
        assert [tool.name for tool in other.responses[0].prompt.tools] == ["look"]
        (result,) = await colour.got(other.responses[0].execute_tool_calls())
        assert result.output == "seen: it"
        await colour.got(other.prompt("Again?").text())
        assert server.received[-1].json["tools"][0]["function"]["name"] == "look"

    colour.run(scenario)


def test_models_and_prompts_pickle_without_keys(model_id: str) -> None:
    model = chat.get_model(model_id)
    model.key = KEY
    response = model.prompt("Which?", key=KEY, extra_headers={"x-key": KEY})
    response.text()
    assert pickled(model).key is None
    assert pickled(response.prompt).prompt == "Which?"
    assert copy.copy(model).key == copy.deepcopy(model).key == KEY


COPIES = [pickled, copy.deepcopy, copy.copy]
SEEN = [[llm.ToolCall(id="1", name="look", args='{"at": "it"}')], "Done.", "Again."]


def hook(*_: object) -> None: ...


async def events_of(colour: Colour, chain: Any) -> list[chat.StreamEvent]:
    return [event async for event in chain.astream_events()] if colour.is_async else list(chain.stream_events())


def forms_of(chain: Any) -> list[dict[str, Any]]:
    forms = chain.to_dict()["responses"]
    return [{name: value for name, value in form.items() if name != "conversation"} for form in forms]


def joined(events: Sequence[chat.StreamEvent]) -> list[tuple[str, int, str]]:
    """The events, with neighbours of one type as one: copies do not keep how the text was cut."""
    groups = groupby(events, lambda event: (event.type, event.message_index))
    return [(*key, "".join(event.chunk for event in group)) for key, group in groups]


async def responses_of(colour: Colour, chain: Any) -> list[Any]:
    return [each async for each in chain.responses()] if colour.is_async else list(chain.responses())


@pytest.mark.parametrize("copied", COPIES)
def test_a_chain(colour: Colour, server: Server, copied: Any) -> None:
    replies = iter(SEEN)
    server.answer = saying(lambda body: next(replies))
    register(server, api_key=KEY)

    async def scenario() -> None:
        model = get_model(colour, "test/model")
        chain = model.chain("Look.", tools=[look], key=KEY, before_call=hook, context=chat.Context(deps=KEY))
        with pytest.raises(TypeError, match="read it first"):
            copied(chain)
        text = await colour.got(chain.text())
        other = copied(chain)
        assert type(other) is type(chain) and other.done
        assert await colour.got(other.text()) == text == "Done."
        assert forms_of(other) == forms_of(chain)
        assert (other.conversation.id == chain.conversation.id) is (copied is pickled)  # copies are branches
        for read in ("messages", "usage", "tool_calls"):
            assert await colour.got(getattr(other, read)()) == await colour.got(getattr(chain, read)())
        assert joined(await events_of(colour, other)) == joined(await events_of(colour, chain))
        assert [each.id for each in await responses_of(colour, other)] == [
            each.id for each in await responses_of(colour, chain)
        ]
        assert other.conversation.messages == chain.conversation.messages
        reply = await colour.got(other.reply("And now?"))
        assert await colour.got(reply.text()) == "Again."
        assert reply.conversation is other.conversation and len(other.conversation.responses) == 3
        assert len(chain.conversation.responses) == 2

    colour.run(scenario)


def draw(at: str) -> chat.ToolOutput:
    return chat.ToolOutput(f"drawn: {at}", [chat.Attachment(content=b"%PDF-1.7 x", type="application/pdf")])


def fail(at: str) -> str:
    raise ValueError(at)


@pytest.mark.parametrize("copied", COPIES)
def test_files_and_failures_of_tools_stay_in_a_chain(colour: Colour, server: Server, copied: Any) -> None:
    calls = [llm.ToolCall(id=name, name=name, args='{"at": "it"}') for name in ("draw", "fail")]
    replies = iter([calls, "Done."])
    server.answer = saying(lambda body: next(replies))
    register(server)

    async def scenario() -> None:
        chain = get_model(colour, "test/model").chain("Draw.", tools=[draw, fail])
        await colour.got(chain.text())
        other = copied(chain)
        messages = await colour.got(other.messages())
        assert [message.role for message in messages] == ["assistant", "tool", "user", "assistant"]
        assert [message.to_dict() for message in messages] == [
            message.to_dict() for message in await colour.got(chain.messages())
        ]

    colour.run(scenario)


def test_tools_that_do_not_pickle_become_their_schemas(colour: Colour, server: Server) -> None:
    replies = iter(SEEN)
    server.answer = saying(lambda body: next(replies))
    register(server)

    async def scenario() -> None:
        def look(at: str) -> str:
            return f"seen: {at}"

        chain = get_model(colour, "test/model").chain("Look.", tools=[look])
        await colour.got(chain.text())
        other = pickled(chain)
        first = (await responses_of(colour, other))[0]
        (tool,) = first.prompt.tools
        assert tool.name == "look" and tool.implementation is None
        assert tool.input_schema == chat.Tool.function(look).input_schema
        (result,) = await colour.got(first.execute_tool_calls())
        assert "has no implementation" in result.output

    colour.run(scenario)


def wait_for(at: str) -> str:
    raise chat.PauseChain("Who approves?")


@pytest.mark.parametrize("copied", COPIES)
def test_a_pause(colour: Colour, server: Server, copied: Any) -> None:
    calls = [llm.ToolCall(id=name, name=name, args='{"at": "it"}') for name in ("look", "fail", "wait_for")]
    replies = iter([calls, "Done."])
    server.answer = saying(lambda body: next(replies))
    register(server, api_key=KEY)

    async def scenario() -> None:
        chain = get_model(colour, "test/model").chain(
            "Look.", tools=[look, fail, wait_for], key=KEY, after_call=hook, context=chat.Context(deps=KEY)
        )
        with pytest.raises(chat.PauseChain) as caught:
            await colour.got(chain.text())
        pause = caught.value
        other = copied(pause)
        assert type(other) is chat.PauseChain and str(other) == "Who approves?"
        assert other.to_dict() == pause.to_dict()
        assert other.messages == pause.messages
        assert other.tool_call == pause.tool_call and list(other.paused) == list(pause.paused)
        assert [result.output for result in other.tool_results] == [result.output for result in pause.tool_results]
        resume = chat.resume_async if colour.is_async else chat.resume
        going_on = resume(other.to_dict(), tools=[look, fail, chat.Tool.function(look, name="wait_for")])
        assert await colour.got(going_on.text()) == "Done."

    colour.run(scenario)


class Notes(chat.Toolbox):
    def __init__(self, key: str) -> None:
        self.key = key

    def look(self, at: str) -> str:
        return f"seen: {at}"


def test_pickled_results_hold_no_toolbox(colour: Colour, server: Server) -> None:
    replies = iter([[llm.ToolCall(id="1", name="Notes_look", args='{"at": "it"}')], "Done."])
    server.answer = saying(lambda body: next(replies))
    register(server)

    async def scenario() -> None:
        response = get_model(colour, "test/model").prompt("Look.", tools=[Notes("other key")])
        (result,) = await colour.got(response.execute_tool_calls())
        assert isinstance(result.instance, Notes)
        assert copy.copy(result) == copy.deepcopy(result) == result
        assert pickled(result) == chat.ToolResult("Notes_look", "seen: it", tool_call_id="1")

    colour.run(scenario)


def test_an_exception_that_does_not_pickle_becomes_its_name_and_text() -> None:
    class Refused(Exception): ...

    other = pickled(chat.ToolResult("look", "Error: no", exception=Refused("no")))
    assert type(other.exception) is Exception and str(other.exception) == "Refused: no"
