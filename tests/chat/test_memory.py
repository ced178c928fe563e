"""What conversations keep in memory, and in pickles."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mirascope_like import chat

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server
from .conftest import scripted

TURNS = 100
TEXT = "".join(f" {n:015}" for n in range(256))  # 4 kB, in as many pieces


@pytest.fixture
def model(server: Server) -> chat.Model:
    server.answer = saying(TEXT)
    register(server)
    return chat.get_model("test/model")


def retained(make: Callable[[], Any]) -> tuple[int, Any]:
    """The bytes that something keeps, once caches are warm, without those of the server in this process."""
    make()
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*/tests/*")])
    tracemalloc.stop()
    return sum(each.size for each in snapshot.statistics("filename")), kept


def converse(model: chat.Model, turns: int = TURNS) -> chat.Conversation:
    conversation = model.conversation()
    for _ in range(turns):
        for _ in conversation.prompt("Go on."):
            pass
    return conversation


def test_streamed_responses_retain_little_more_than_their_text(model: chat.Model) -> None:
    size, conversation = retained(lambda: converse(model))
    text = sum(len(response.text()) for response in conversation.responses)
    assert text == TURNS * len(TEXT)
    assert size < 4 * text


def test_pickles_grow_with_the_conversation(model: chat.Model) -> None:
    def pickled(turns: int) -> int:
        return len(pickle.dumps(converse(model, turns)))

    assert pickled(20) < 2.5 * pickled(10)


# -- trimming ---------------------------------------------------------------------------------------------------------


def texts(messages: list[chat.Message]) -> list[str]:
    return [part.text for message in messages for part in message.parts if isinstance(part, chat.TextPart)]


def asked(conversation: Any) -> list[str]:
    """The prompts of its responses."""
    return [response.prompt.prompt for response in conversation.responses]


async def counted(colour: Colour, *, system: str = "") -> Any:
    """A conversation in which a model repeats 1, 2, 3 and 4."""
    conversation = scripted(colour).conversation(system=system)
    for number in range(1, 5):
        await colour.got(conversation.prompt(str(number)).text())
    return conversation


@pytest.mark.parametrize("copied", [lambda made: made, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_trimming_releases_responses(colour: Colour, copied: Callable[[Any], Any]) -> None:
    async def scenario() -> None:
        chat.register(scripted(Colour("blocking")), scripted(Colour("asyncio")))
        conversation = copied(await counted(colour, system="Count"))
        conversation.trim(max_messages=5)
        assert texts(conversation.messages) == ["Count", "3", "3", "4", "4"]
        assert asked(conversation) == ["3", "4"]
        assert [texts(each.prompt.messages) for each in conversation.responses] == [
            ["Count", "3"],
            ["Count", "3", "3", "4"],
        ]
        await colour.got(conversation.prompt("5").text())
        conversation.trim(max_messages=3)
        assert asked(conversation) == ["5"] and texts(conversation.messages) == ["Count", "5", "5"]

    colour.run(scenario)


def test_responses_of_dropped_exchanges_are_freed() -> None:
    conversation = scripted(Colour("blocking")).conversation()
    for text in ("first", "second", "third"):
        conversation.prompt(text).text()
    response = weakref.ref(conversation.responses[0])
    message = conversation.responses[0].messages()[0]
    conversation.model.script.prompts.clear()
    conversation.trim(max_messages=4)
    gc.collect()
    assert response() is None
    assert sys.getrefcount(message) == 2  # this variable, and the argument


def test_a_response_that_was_trimmed_off_keeps_its_history(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = await counted(colour)
        second = conversation.responses[1]
        conversation.trim(max_messages=2)
        assert asked(conversation) == ["4"]
        assert texts(second.prompt.messages) == ["1", "1", "2"]
        reply = await colour.got(second.reply("And?"))
        await colour.got(reply.text())
        assert texts(reply.prompt.messages) == ["1", "1", "2", "2", "And?"]
        assert reply.conversation is not conversation and asked(reply.conversation) == ["2", "And?"]
        assert asked(conversation) == ["4"]

    colour.run(scenario)


def test_trimming_nothing_changes_nothing(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = await counted(colour)
        prompts = [each.prompt for each in conversation.responses]
        conversation.trim(max_messages=100)
        assert [each.prompt for each in conversation.responses] == prompts

    colour.run(scenario)


def test_responses_share_their_messages_after_unpickling(model: chat.Model) -> None:
    conversation, response = pickle.loads(pickle.dumps((made := converse(model, 3), made.responses[-1])))
    assert conversation.responses[-1] is response
    assert all(each is known for each, known in zip(response.prompt.messages, conversation.messages, strict=False))
    assert conversation.messages == made.messages
