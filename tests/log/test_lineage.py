"""Which conversation a call is logged in: that of the call which it continues, and never one of equal words."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import chat, llm

from ..conftest import Colour
from ..test_docs import played


@pytest.fixture
def reader(path: Path) -> Iterator[llm.LogReader]:
    llm.log(path).close()
    with llm.open_log(path) as reader:
        yield reader


def threads(reader: llm.LogReader) -> list[list[str]]:
    """The words of each conversation's messages, the one that went on last first."""
    return [[words(message) for message in each.messages] for each in reader.conversations()]


def words(message: llm.Message) -> str:
    parts = (message.content,) if isinstance(message.content, llm.Text) else message.content
    return "".join(part.text for part in parts if isinstance(part, llm.Text))


def conversations(reader: llm.LogReader) -> list[str]:
    """The conversation of each call, in order."""
    return [response.conversation_id for response in reader.responses()][::-1]


@pytest.mark.parametrize("streamed", [False, True])
def test_two_users_who_say_the_same(colour: Colour, path: Path, reader: llm.LogReader, streamed: bool) -> None:
    """And who get the same answer: what each says then stays in a conversation of its own."""
    model = llm.scripted("Hello! How can I help?", repeat=True)
    ask = colour.stream if streamed else colour.ask

    async def scenario() -> None:
        first, second = [await colour.got(ask(model, "Hi")) for _ in range(2)]
        for response, secret in ((first, "I am Alice"), (second, "I am Bob")):
            resumed = await colour.got(response.resume(secret))
            if streamed:
                await colour.got(resumed.finish())

    with llm.log(path):
        colour.run(scenario)
    answer = "Hello! How can I help?"
    assert threads(reader) == [["Hi", answer, "I am Bob", answer], ["Hi", answer, "I am Alice", answer]]


def test_users_who_say_the_same_all_along(path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("yes", repeat=True)
    with llm.log(path):
        responses = [model.call("a") for _ in range(3)]
        for _ in range(3):
            responses = [response.resume("b") for response in responses]
    found = conversations(reader)
    assert found == found[:3] * 4 and len(set(found)) == 3
    assert {len(each.messages) for each in reader.conversations()} == {8}


def built_by_hand(message: llm.AssistantMessage) -> llm.Message:
    return llm.messages.assistant(
        message.content,
        provider_id=message.provider_id,
        model_id=message.model_id,
        provider_model_name=message.provider_model_name,
        raw_message=message.raw_message,
    )


def stored(message: llm.Message) -> llm.Message:
    (loaded,) = llm.load_messages(json.loads(json.dumps(llm.dump_messages([message]))))
    return loaded


@pytest.mark.parametrize(
    "again",
    [built_by_hand, stored, dataclasses.replace, lambda message: llm.from_dict(llm.to_dict(message))],
    ids=["by hand", "stored", "replaced", "from a dict"],
)
def test_equal_messages_without_lineage_begin_a_conversation(
    path: Path, reader: llm.LogReader, again: Callable[[llm.Message], llm.Message]
) -> None:
    model = llm.scripted("one", "two")
    with llm.log(path):
        first = model.call("Hi")
        *before, last = first.messages
        equal = again(last)
        assert (equal, hash_of(equal), repr(equal)) == (last, hash_of(last), repr(last))
        model.call([*before, equal, llm.messages.user("Go on")])
    assert len(set(conversations(reader))) == 2


def hash_of(message: llm.Message) -> int | None:
    try:
        return hash(message)
    except TypeError:  # of a raw message that is a dict
        return None


@pytest.mark.parametrize(
    "kept",
    [
        lambda message: message,
        copy.copy,
        copy.deepcopy,
        lambda message: pickle.loads(pickle.dumps(message)),
        lambda message: chat.to_llm(chat.from_llm([message]))[0],
        lambda message: chat.to_llm(copy.deepcopy(chat.from_llm([message])))[0],
        lambda message: chat.to_llm(pickle.loads(pickle.dumps(chat.from_llm([message]))))[0],
    ],
)
def test_messages_that_keep_their_lineage(path: Path, reader: llm.LogReader, kept: Callable[[Any], Any]) -> None:
    model = llm.scripted("one", "two")
    with llm.log(path):
        first = model.call("Hi")
        same = [kept(message) for message in first.messages]
        assert same == first.messages
        model.call([*same, llm.messages.user("Go on")])
    assert threads(reader) == [["Hi", "one", "Go on", "two"]]


def test_messages_that_were_pickled_before_they_had_lineage() -> None:
    message = llm.messages.assistant("one", name="a")
    state = message.__getstate__()
    made = object.__new__(llm.AssistantMessage)
    made.__setstate__(state)
    assert (made, pickle.loads(pickle.dumps(made))) == (message, message)


def test_a_list_of_messages(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("one", "two", "three", "aside")

    async def scenario() -> None:
        first = await colour.got(colour.ask(model, [llm.messages.system("Be brief."), llm.messages.user("a")]))
        second = await colour.got(colour.ask(model, [*first.messages, llm.messages.user("b")]))
        await colour.got(colour.ask(model, [*second.messages, llm.messages.user("c")]))
        await colour.got(colour.ask(model, [*first.messages, llm.messages.user("d")]))

    with llm.log(path):
        colour.run(scenario)
    first, second, third, aside = conversations(reader)
    assert first == second == third != aside


def test_calls_between_that_were_not_logged(path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("one", "two", "three")
    with llm.log(path):
        first = model.call("a")
    second = first.resume("b")
    with llm.log(path):
        second.resume("c")
    assert threads(reader) == [["a", "one", "b", "two", "c", "three"]]


def test_an_answer_that_several_go_on_from(path: Path, reader: llm.LogReader) -> None:
    """Such as examples that a program gives to all its users: at most one user goes on in that conversation."""
    model = llm.scripted("yes", repeat=True)
    with llm.log(path):
        examples = model.call("An example?").messages
        users = [model.call([*examples, llm.messages.user("Hi")]) for _ in range(3)]
        for number, user in enumerate(users):
            user.resume(f"I am {number}")
    mine = [[word for word in each if word.startswith("I am")] for each in threads(reader)]
    assert sorted(mine) == [["I am 0"], ["I am 1"], ["I am 2"]]


def test_going_on_with_an_answer_that_broke_off(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    """Without a new message; twice from the same one is two conversations."""
    model = llm.scripted("one two three", "again", "elsewhere")

    async def scenario() -> None:
        async with colour.within(await colour.got(colour.stream(model, "Hi"))) as response:
            await colour.next(response.text_stream())
        for _ in range(2):
            resumed = await colour.got(response.resume())
            await colour.got(resumed.finish())

    with llm.log(path):
        colour.run(scenario)
    broken, again, elsewhere = conversations(reader)
    assert broken == again != elsewhere


def test_validating_again(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path):
        llm.scripted("no number", "3").call("How many?", format=int).validate()
    assert len(set(conversations(reader))) == 1


# -- what a reader gives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        lambda reader, id: reader.conversation(id).messages,
        lambda reader, id: reader.messages(id),
        lambda reader, id: [llm.messages.user("Hi"), reader.response(id).message],
        lambda reader, id: chat.to_llm(chat.from_llm(reader.messages(id))),
    ],
)
def test_going_on_from_a_reader(path: Path, reader: llm.LogReader, messages: Any) -> None:
    model = llm.scripted("same", repeat=True)
    with llm.log(path) as log:
        responses = [model.call("Hi") for _ in range(3)]
        log.flush()
        ids = [response.id for response in reader.responses()][::-1]
        model.call([*messages(reader, ids[1]), llm.messages.user("Go on")])
    assert conversations(reader) == [*ids, ids[1]]
    assert len(responses) == 3


def test_asking_again_what_failed(path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("one", llm.ServerError("No.", status_code=500), "two")
    with llm.log(path) as log:
        first = model.call("a")
        with pytest.raises(llm.ServerError):
            first.resume("b")
        log.flush()
        model.call(reader.messages(next(reader.responses()).id))
    assert threads(reader) == [["a", "one", "b", "two"]]


# -- chat -------------------------------------------------------------------------------------------------------------


def get(colour: Colour) -> Any:
    return (chat.get_async_model if colour.is_async else chat.get_model)("openai/gpt-5-mini")


async def history(colour: Colour, how: str) -> list[chat.Message]:
    """What was said in an answer, however it was asked for."""
    if how == "a prompt":
        response = get(colour).prompt("Hi")
        return [*response.prompt.messages, *await colour.got(response.messages())]
    conversation = get(colour).conversation()
    if how == "a chain":
        chain = conversation.chain("Hi")
        return [chat.user("Hi"), *await colour.got(chain.messages())]
    await colour.got(conversation.prompt("Hi").text())
    return conversation.messages


@pytest.mark.parametrize("how", ["a prompt", "a conversation", "a chain"])
@pytest.mark.parametrize("then", ["chat", "llm"])
def test_messages_of_chat(colour: Colour, path: Path, reader: llm.LogReader, how: str, then: str) -> None:
    async def scenario() -> None:
        await history(colour, how)
        messages = await history(colour, how)
        if then == "chat":
            await colour.got(get(colour).prompt("Go on", messages=messages).text())
        else:
            model = llm.Model("openai/gpt-5-mini")
            await colour.got(colour.ask(model, [*chat.to_llm(messages), llm.messages.user("Go on")]))

    with played("same", repeat=True), llm.log(path):
        colour.run(scenario)
    assert threads(reader) == [["Hi", "same", "Go on", "same"], ["Hi", "same"]]


def test_stored_messages_of_chat_begin_a_conversation(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    async def scenario() -> None:
        messages = await history(colour, "a prompt")
        again = [chat.Message.from_dict(json.loads(json.dumps(message.to_dict()))) for message in messages]
        assert again == messages
        await colour.got(get(colour).prompt("Go on", messages=again).text())

    with played("same", repeat=True), llm.log(path):
        colour.run(scenario)
    assert len(set(conversations(reader))) == 2


@pytest.mark.parametrize("reply", ["reply", "reply to a reply"])
def test_replies_to_stored_responses_begin_a_conversation(
    colour: Colour, path: Path, reader: llm.LogReader, reply: str
) -> None:
    """Whoever changed the JSON could name the response of somebody else."""
    kind: Any = chat.AsyncResponse if colour.is_async else chat.Response

    async def scenario() -> None:
        theirs = get(colour).prompt("Theirs")
        await colour.got(theirs.text())
        data = json.loads(json.dumps(theirs.to_dict()))
        evil = chat.Message("user", [chat.TextPart("evil")]).to_dict()
        mine = kind.from_dict({**data, "prompt": {"messages": [evil]}, "messages": [evil]})
        made = await colour.got(mine.reply("Mine"))
        await colour.got(made.text())
        if reply == "reply to a reply":
            await colour.got((await colour.got(made.reply("More"))).text())

    with played("same", repeat=True), llm.log(path):
        colour.run(scenario)
    assert len(threads(reader)) == 2
    assert ["Theirs", "same"] in threads(reader)


def test_messages_of_a_model_of_ones_own(path: Path, reader: llm.LogReader) -> None:
    class Echo(chat.Model):
        model_id = "echo"

        def execute(self, prompt: Any, *, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
            yield "same"

    with llm.log(path):
        for _ in range(2):
            response = Echo().prompt("Hi")
            said = response.messages()
        Echo().prompt("Go on", messages=[*response.prompt.messages, *said]).text()
    assert threads(reader) == [["Hi", "same", "Go on", "same"], ["Hi", "same"]]


def test_two_loaded_conversations(path: Path, reader: llm.LogReader) -> None:
    """The same words, and each goes on in its own."""
    with played("same", repeat=True), llm.log(path) as log:
        ids = []
        for _ in range(2):
            conversation = chat.get_model("openai/gpt-5-mini").conversation()
            conversation.prompt("Hi").text()
            ids.append(conversation.id)
        log.flush()
        for id in ids:
            loaded = chat.load_conversation(path, id)
            assert loaded.id == id
            loaded.prompt("Go on").text()
            chat.get_model("openai/gpt-5-mini").prompt("Aside", messages=loaded.messages).text()
    assert conversations(reader)[2:] == [ids[0], ids[0], ids[1], ids[1]]
