"""The lazy face's calls in a log, and conversations out of it (W4, W34, W39)."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr

from mirascope_like import chat, llm

from ..conftest import Colour
from ..test_docs import played
from .conftest import call, scripted


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def model(colour: Colour) -> Any:
    return (chat.get_async_model if colour.is_async else chat.get_model)("openai/gpt-5-mini")


def load(colour: Colour, *args: Any, **options: Any) -> Any:
    return (chat.load_async_conversation if colour.is_async else chat.load_conversation)(*args, **options)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


CALL = llm.ToolCall(id="1", name="add", args='{"b": 2, "a": 1}')


def test_a_chain_of_a_conversation(colour: Colour, path: Path) -> None:
    async def scenario() -> Any:
        conversation = model(colour).conversation(system="Be brief.", tools=[add], options={"temperature": 0.5})
        await colour.got(conversation.chain("Add").text())
        return conversation

    with played([CALL], "It is 3."), chat.log(path):
        conversation = colour.run(scenario)
    with chat.open_log(path) as log:
        logged = list(log.responses())
        assert [each.id for each in logged] == [response.id for response in conversation.responses][::-1]
        assert {each.conversation_id for each in logged} == {conversation.id}
        assert log.conversation(conversation.id).messages == conversation.to_llm()
        assert [each.text for each in log.search("it is")] == ["It is 3."]
        assert log.verify() == []


def test_a_response_that_is_dropped_half_read(colour: Colour, path: Path) -> None:
    async def scenario() -> None:
        response = model(colour).prompt("Count")
        assert await colour.next(aiter(response) if colour.is_async else iter(response)) == "one"

    with played("one two three"), chat.log(path):
        colour.run(scenario)
        gc.collect()
    with chat.open_log(path) as log:
        (logged,) = log.responses()
        assert (logged.text, logged.error_type) == ("one", "StreamClosedError")


def test_going_on_with_a_conversation(colour: Colour, path: Path) -> None:
    async def begin() -> Any:
        conversation = model(colour).conversation(system="Be brief.", tools=[add], options={"temperature": 0.5})
        await colour.got(conversation.chain("Add").text())
        return conversation

    async def go_on() -> Any:
        conversation = load(colour, path)
        await colour.got(conversation.prompt("And then?").text())
        return conversation

    with chat.log(path) as log, played([CALL], "It is 3.", "Nothing.") as scripted:
        before = colour.run(begin)
        log.flush()
        after = colour.run(go_on)
    assert after.id == before.id
    assert after.messages[: len(before.messages)] == before.messages
    assert scripted.requests[2]["messages"][:-1] == [
        *scripted.requests[1]["messages"],
        {"role": "assistant", "content": "It is 3."},
    ]
    assert scripted.requests[2]["temperature"] == 0.5
    assert scripted.requests[2]["tools"] == scripted.requests[1]["tools"]
    with chat.open_log(path) as log:
        assert log.conversation(before.id).messages == after.to_llm()


def test_time_limits_come_back_with_a_conversation(path: Path) -> None:
    limit = chat.Timeout(total=9, tool=2)
    with chat.log(path), played("Hi.", "Again."):
        model(Colour("blocking")).conversation(options={"timeout": limit}).prompt("Hello").text()
    conversation = chat.load_conversation(path)
    with played("Again."):
        assert conversation.prompt("And now?").prompt.timeout == limit


def test_what_is_read_only_once_is_left_to_a_model_of_ones_own(path: Path, tmp_path: Path) -> None:
    class Reader(chat.Model):
        model_id = "mine/reader"
        attachment_types = frozenset({"text/plain"})

        def execute(
            self, prompt: chat.Prompt, stream: bool, response: chat.Response, conversation: chat.Conversation | None
        ) -> Iterator[str]:
            yield Path(prompt.attachments[0].path or "").read_text()

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_text, args=("once",))
    feeder.start()
    with chat.log(path):
        response = Reader().prompt("Read", attachments=[chat.Attachment(path=str(pipe), type="text/plain")])
        assert response.text() == "once"
    feeder.join()
    with chat.open_log(path) as log:
        assert [each.text for each in log.responses()] == ["once"]


def pay() -> str:
    raise chat.PauseChain("ask somebody")


def look() -> str:
    return "5 to pay"


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_pause_goes_on_in_its_conversation(colour: Colour, path: Path, by_hand: bool) -> None:
    async def begin() -> None:
        if by_hand:
            second = await colour.got(model(colour).prompt("Pay", tools=[look, pay]).reply())
            await colour.got(second.execute_tool_calls())
        await colour.got(model(colour).chain("Pay", tools=[look, pay]).text())

    async def go_on() -> str:
        with pytest.raises(chat.PauseChain) as raised:
            await begin()
        state = json.loads(json.dumps(raised.value.to_dict()))
        resume = chat.resume_async if colour.is_async else chat.resume
        chain = resume(state, tools=[chat.Tool.function(lambda: "paid", name="pay")])
        await colour.got(chain.text())
        return chain.conversation.id

    calls = [llm.ToolCall(id=name, name=name, args="{}") for name in ("look", "pay")]
    with played([calls[0]], [calls[1]], "Paid."), chat.log(path):
        id = colour.run(go_on)
    with chat.open_log(path) as log:
        (conversation,) = log.conversations()
        assert conversation.id == id
        roles = ["user", "assistant", "user", "assistant", "user", "assistant"]
        assert [message.role for message in conversation.messages] == roles


def test_replies_without_a_conversation(colour: Colour, path: Path) -> None:
    """They are found by their messages, as those of the other face are."""

    async def scenario() -> None:
        first = model(colour).prompt("Begin")
        await colour.got(first.text())
        reply = await colour.got(first.reply("Go on"))
        await colour.got(reply.text())

    with played("one", "two"), chat.log(path):
        colour.run(scenario)
    with chat.open_log(path) as log:
        second, first = log.responses()
        assert (second.text, second.conversation_id) == ("two", first.conversation_id)


def test_a_pause_in_a_branch_leaves_the_conversation_as_it_is(colour: Colour, path: Path) -> None:
    def pay() -> str:
        if not approved:
            raise chat.PauseChain("approve it")
        return "paid"

    approved: list[bool] = []

    async def scenario() -> Any:
        conversation = model(colour).conversation(tools=[pay])
        first = conversation.prompt("Pay")
        await colour.got(first.text())
        await colour.got(conversation.prompt("Wait").text())
        with pytest.raises(chat.PauseChain) as raised:
            await colour.got(first.execute_tool_calls())
        approved.append(True)
        resume = chat.resume_async if colour.is_async else chat.resume
        await colour.got(resume(raised.value.to_dict(), model=model(colour), tools=[pay]).text())
        return conversation

    with played([llm.ToolCall(id="1", name="pay", args="{}")], "Waiting.", "Paid."), chat.log(path):
        conversation = colour.run(scenario)
    assert chat.load_conversation(path, conversation.id).messages == conversation.messages


def test_a_model_of_ones_own(path: Path) -> None:
    class Echo(chat.Model):
        model_id = "echo"
        attachment_types = frozenset({"image/png"})

        def execute(self, prompt, *, stream, response, conversation):
            yield prompt.prompt.upper()

    with chat.log(path):
        response = Echo().prompt("hello", attachments=[chat.Attachment(path="no/such.png", type="image/png")])
        assert response.text() == "HELLO"
    with chat.open_log(path) as log:
        (logged,) = log.responses()
    assert (logged.id, logged.model_id, logged.text) == (response.id, "echo", "HELLO")
    assert logged.prompt == "hello\n[no/such.png]"
    loaded = chat.load_conversation(path, response.id, model=Echo())
    assert [part.text for part in loaded.messages[-1].parts] == ["HELLO"]


def test_a_model_of_ones_own_tells_its_schema_and_files(colour: Colour, path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    schema = chat.schema_dsl("a int")
    files = [chat.Attachment(path=tmp_path / "a.png"), chat.Attachment(url="http://nowhere.invalid/b.png")]

    async def scenario() -> None:
        model = scripted(colour, '{"a": 1}')
        assert await colour.got(model.prompt("Look", schema=schema, attachments=files).parsed()) == {"a": 1}

    with chat.log(path):
        colour.run(scenario)
    with chat.open_log(path) as log:
        (logged,) = log.responses()
    assert logged.format_schema == schema
    (asked, _) = chat.load_conversation(path, model=scripted(Colour("blocking"))).messages
    read = chat.Attachment(type="image/png", content=b"\x89PNG\r\n\x1a\n")
    assert asked == chat.user("Look", read, chat.Attachment(url="http://nowhere.invalid/b.png"))


def test_a_model_of_ones_own_tells_its_usage_and_what_it_was_shown(path: Path) -> None:
    class Counting(chat.Model):
        model_id = "counting"
        attachment_types = frozenset({"text/plain", "image/png"})

        def execute(self, prompt, *, stream, response, conversation):
            response.set_usage(input=3, output=4)
            yield "seen"

    unreadable = chat.Attachment(type="text/plain", content="café".encode("latin-1"))
    picture = chat.Attachment(type="image/png", content=b"\x89PNG")
    with chat.log(path):
        response = Counting().prompt("Look", attachments=[unreadable, picture])
        assert response.text() == "seen"
    with chat.open_log(path) as log:
        (logged,) = log.responses()
    assert (logged.usage.input_tokens, logged.usage.output_tokens) == (3, 4)
    loaded = chat.load_conversation(path, response.id, model=Counting())
    assert loaded.messages[0] == chat.user("Look", "[text/plain]", picture)


def test_a_model_of_ones_own_tells_its_options_and_the_details_of_its_usage(path: Path) -> None:
    class Counting(chat.Model):
        model_id = "counting"

        class Options(chat.Options):
            warmth: float | None = Field(None, validation_alias="heat")
            token: SecretStr | None = None
            timeout: str | None = None

        def execute(self, prompt, *, stream, response, conversation):
            response.set_usage(details={"cached": 2})
            yield prompt.options.timeout

    with chat.log(path):
        response = Counting().prompt("Count", options={"heat": 0.5, "token": "secret", "timeout": "soon"})
        assert response.text() == "soon"  # the author's affair
    with chat.open_log(path) as log:
        (logged,) = log.responses()
    assert logged.params == {"heat": 0.5, "token": "**********"}
    assert logged.usage.raw == {"cached": 2}


def test_replies_of_a_model_of_ones_own(colour: Colour, path: Path) -> None:
    """They are one conversation, unless they go several ways."""

    async def scenario() -> None:
        first = scripted(colour, [call("add", a=1, b=2)], "three").prompt("Add", tools=[add])
        await colour.got(first.text())
        second = await colour.got(first.reply())
        await colour.got(second.text())
        third = await colour.got(second.reply("And then?"))
        await colour.got(third.text())
        aside = await colour.got(second.reply("Or else?"))
        await colour.got(aside.text())

    with chat.log(path):
        colour.run(scenario)
    with chat.open_log(path) as log:
        aside, *others = log.responses()
        assert {each.conversation_id for each in others} == {others[-1].id}
        assert aside.conversation_id == aside.id
        roles = [message.role for message in log.conversation(others[-1].id).messages]
        assert roles == ["user", "assistant"] * 3
        assert log.verify() == []


def test_what_is_not_there(path: Path) -> None:
    with pytest.raises(chat.LogError, match="There is no log"):
        chat.load_conversation(path)
