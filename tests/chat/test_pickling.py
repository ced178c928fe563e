"""Responses and conversations of `chat` can be pickled and deep-copied; their pickles hold no key."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
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
