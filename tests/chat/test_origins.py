"""Messages remember which messages of the library they came from or were sent as, and never send stale content."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like import chat, llm
from mirascope_like.types import serialization
from mirascope_like.wire import message_encoding

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server
from ..types import strategies
from .test_parts import answers, asked, attachments, instructed, metadata, told

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda message: pickle.loads(pickle.dumps(message)),
    "with_parts": lambda message: message.with_parts(list(message.parts)),
    "JSON": lambda message: chat.Message.from_dict(json.loads(json.dumps(message.to_dict()))),
}
CALL = llm.ToolCall(id="1", name="look", args='{"where":  [1, {"at": 2}]}')


def model_of(colour: Colour) -> Any:
    return (chat.get_async_model if colour.is_async else chat.get_model)("test/model")


def sent(message: chat.Message) -> Any:
    """What is sent of a message, as JSON text: `1 == True`."""
    return json.dumps(llm.dump_messages(chat.to_llm([message])), sort_keys=True)


def afresh(message: chat.Message) -> chat.Message:
    """A message that says the same and remembers nothing."""
    metadata = copy.deepcopy(message.provider_metadata)
    return chat.Message(message.role, [replace(copy.deepcopy(part)) for part in message.parts], metadata)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_messages_of_a_response_say_what_it_says(colour: Colour, server: Server, stream: bool) -> None:
    server.answer = saying("hi")
    register(server)

    async def scenario() -> None:
        response = model_of(colour).prompt("Hi", stream=stream)
        messages = await colour.got(response.messages())
        assert messages == [chat.assistant("hi")]
        assert messages[0].provider_metadata is None
        assert "raw_message" in messages[0].to_dict()["provider_metadata"]["mirascope_like"]
        (back,) = chat.to_llm(messages)
        assert (back.provider_id, back.model_id) == ("test", "test/model")
        assert back.raw_message is not None

    colour.run(scenario)


def test_a_conversation_decodes_each_raw_message_once(
    colour: Colour, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = saying("hi")
    register(server)
    turns, decoded = 200, [0]
    is_unedited = message_encoding._is_unedited

    def counting(*args: Any) -> bool:
        decoded[0] += 1
        return is_unedited(*args)

    monkeypatch.setattr(message_encoding, "_is_unedited", counting)

    async def scenario() -> None:
        conversation = model_of(colour).conversation()
        for number in range(turns):
            await colour.got(conversation.prompt(str(number), stream=False).text())
        assert len(server.received[-1].json["messages"]) == 2 * turns - 1
        assert decoded[0] == turns - 1

    colour.run(scenario)


@pytest.mark.parametrize("changed", [True, False])
def test_arguments_go_back_byte_for_byte_unless_they_are_changed(colour: Colour, server: Server, changed: bool) -> None:
    server.answer = saying(lambda body: "Done." if len(body["messages"]) > 1 else [CALL])
    register(server)

    def look(where: list[Any]) -> str:
        return "there"

    async def scenario() -> None:
        response = model_of(colour).prompt("Hi", tools=[look])
        (message,) = await colour.got(response.messages())
        (part,) = message.parts
        assert isinstance(part, chat.ToolCallPart)
        if changed:
            part.arguments["where"][1]["at"] = True
            part.arguments["where"][0] = True
        history = [chat.user("Hi"), message, chat.tool_message(chat.ToolResultPart("look", "there", "1"))]
        await colour.got(model_of(colour).prompt("And?", messages=history).text())
        (call,) = server.received[-1].json["messages"][1]["tool_calls"]
        expected = '{"where": [true, {"at": true}]}' if changed else CALL.args
        assert call["function"]["arguments"] == expected

    colour.run(scenario)


@given(st.lists(strategies.messages, max_size=4), st.sampled_from(sorted(COPIES)))
def test_copies_remember_the_library_s_messages(said: list[Any], name: str) -> None:
    here = chat.from_llm(said)
    there = [COPIES[name](message) for message in here]
    assert there == here
    assert [message.to_dict() for message in there] == [message.to_dict() for message in here]
    assert chat.to_llm(there) == said
    assert all("mirascope_like" not in (each.provider_metadata or {}) for each in there)


@given(st.lists(strategies.messages, max_size=4))
def test_the_library_s_own_data_never_counts_in_comparisons(said: list[Any]) -> None:
    here = chat.from_llm(said)
    assert [afresh(message) for message in here] == here


@given(answers | asked | told | instructed)
def test_a_message_is_encoded_once(message: chat.Message) -> None:
    before = message.to_dict()
    (first,), (second,) = chat.to_llm([message]), chat.to_llm([message])
    assert first is second
    assert message.to_dict() == before


# -- changes ----------------------------------------------------------------------------------------------------------


def change(message: chat.Message, data: st.DataObject) -> None:
    """Change something in a message in place."""
    holders: list[Any] = [*message.parts, message]
    values: list[Any] = [message.parts]
    for holder in holders:
        for name in ("arguments", "attachments", "provider_metadata"):
            if (value := getattr(holder, name, None)) is not None:
                values += [value, *inner(value)]
    chosen = data.draw(st.sampled_from(values))
    if isinstance(chosen, dict):
        if chosen and data.draw(st.booleans()):
            del chosen[data.draw(st.sampled_from(sorted(chosen)))]
        else:
            chosen[data.draw(strategies.names)] = data.draw(strategies.json_values)
    elif chosen and data.draw(st.booleans()):
        chosen.pop(data.draw(st.integers(0, len(chosen) - 1)))
    else:
        chosen.insert(data.draw(st.integers(0, len(chosen))), new_item(message, chosen, data))


def new_item(message: chat.Message, held: list[Any], data: st.DataObject) -> Any:
    if held is message.parts:
        return chat.TextPart(data.draw(strategies.words))
    if any(held is getattr(part, "attachments", None) for part in message.parts):
        return data.draw(attachments)
    return data.draw(strategies.json_values)


def inner(value: Any) -> list[Any]:
    """The dicts and lists in a JSON value."""
    held = value.values() if isinstance(value, dict) else value
    found = [each for each in held if isinstance(each, dict | list)]
    return [*found, *(deeper for each in found for deeper in inner(each))]


def outcome(message: chat.Message) -> Any:
    try:
        return sent(message)
    except ValueError as error:
        return str(error)


@given(answers | asked | told | instructed, st.data())
def test_no_change_is_lost(message: chat.Message, data: st.DataObject) -> None:
    """A message sends what one would that was made now, however often it was sent before."""
    for _ in range(3):
        assert outcome(message) == outcome(afresh(message))
        change(message, data)
    assert outcome(message) == outcome(afresh(message))


@given(strategies.messages, st.data())
def test_no_change_of_a_model_s_message_is_lost(said: Any, data: st.DataObject) -> None:
    """Unchanged parts go back as they came; for changed ones, the content is that of a new message."""
    (message, *others) = chat.from_llm([said])
    if others or message.role == "system":
        return
    unchanged = {id(part): held for part, held in zip(message.parts, said.content, strict=True)}
    state = {id(part): json.dumps(part.to_dict()) for part in message.parts}
    change(message, data)
    try:
        (now,) = chat.to_llm([message])
    except ValueError:  # a file, say, whose type is unknown
        with pytest.raises(ValueError):
            chat.to_llm([afresh(message)])
        return
    for part, held in zip(message.parts, now.content, strict=False):
        if json.dumps(part.to_dict()) == state.get(id(part)):
            assert held == unchanged[id(part)]
        else:
            (alone,) = chat.to_llm([chat.Message(message.role, [part])])
            assert [serialization.to_dict(held)] == [serialization.to_dict(alone.content[0])]


@pytest.mark.parametrize(
    ("arguments", "changed"), [({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.0}), ({"a": [0]}, {"a": [False]})]
)
def test_equal_values_of_other_types_are_changes(arguments: dict[str, Any], changed: dict[str, Any]) -> None:
    message = chat.assistant(chat.ToolCallPart("look", arguments, "1"))
    chat.to_llm([message])
    arguments.update(changed)
    assert chat.to_llm([message])[0].content[0].args == json.dumps(changed)


def test_files_are_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    message = chat.user(chat.Attachment(path=path))
    for text in ("one", "two"):
        path.write_text(text)
        assert chat.to_llm([message])[0].content[0].source.data == text


def test_messages_that_hold_no_json_are_encoded_each_time() -> None:
    message = chat.user(chat.ToolResultPart("look", "there", provider_metadata={"a": {1}}))
    assert chat.to_llm([message]) == chat.to_llm([message])
    assert pickle.loads(pickle.dumps(message)) == message


def test_an_edited_json_form_counts() -> None:
    (message,) = chat.from_llm([llm.messages.assistant([CALL])])
    data: Any = message.to_dict()
    data["parts"][0]["arguments"] = {"where": [True, {"at": 2}]}
    (back,) = chat.to_llm([chat.Message.from_dict(data)])
    assert json.loads(back.content[0].args) == {"where": [True, {"at": 2}]}
    data["parts"][0]["arguments"] = {"where": [1, {"at": 2}]}
    assert chat.to_llm([chat.Message.from_dict(data)])[0].content[0].args == CALL.args


def test_own_data_that_a_caller_took_over_from_a_json_form_counts() -> None:
    cited = llm.messages.assistant([llm.Text("tea", (llm.Citation(url="https://x"),))], name="Ann")
    data: Any = chat.from_llm([cited])[0].to_dict()
    part = chat.TextPart("tea", data["parts"][0]["provider_metadata"])
    assert chat.to_llm([chat.Message("assistant", [part], data["provider_metadata"])]) == [cited]
    with pytest.raises(ValueError, match="is an object"):
        chat.Message.from_dict({"role": "user", "parts": [], "provider_metadata": {"mirascope_like": 5}})


def test_the_library_s_messages_of_a_user_are_not_changed() -> None:
    said = llm.messages.assistant("hi")
    (here,) = chat.from_llm([said])
    assert chat.to_llm([here])[0] is said


@given(metadata)
def test_metadata_of_others_stays(held: Any) -> None:
    message = chat.assistant("hi", provider_metadata=held)
    assert chat.from_llm(chat.to_llm([message])) == [message]
