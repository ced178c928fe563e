"""Conversations: ordered, branched, trimmed, stored; never a prompt lost."""

from __future__ import annotations

import json

import anyio
import pytest
from pydantic import BaseModel, Field

from mirascope_like import chat, llm

from ..conftest import Colour
from .conftest import Script, Scripted, call, scripted


def look(where: str = "") -> str:
    return f"seen {where}"


def heard(prompt: chat.Prompt) -> str:
    """Says what the user said, all of it."""
    said = [part.text for message in prompt.messages if message.role == "user" for part in message.parts]
    return "+".join(said)


def listening(colour: Colour) -> object:
    return scripted(colour, *[heard] * 9)


def test_each_prompt_sees_those_before(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = listening(colour).conversation()
        first, second = conversation.prompt("a", system="S"), conversation.prompt("b")
        assert await colour.got(first.text()) == "a"
        assert await colour.got(second.text()) == "a+b"
        assert second.prompt.messages[0] == chat.system("S")
        assert conversation.responses == [first, second]
        assert conversation.messages == [*second.prompt.messages, chat.assistant("a+b")]
        assert repr(conversation) == f"<{type(conversation).__name__}: {conversation.id} - 2 responses>"

    colour.run(scenario)


def test_a_changed_system_prompt_takes_effect_W26(colour: Colour) -> None:
    async def scenario() -> None:
        model = listening(colour)
        conversation = model.conversation()
        for system in ("S1", None, "S2"):
            await colour.got(conversation.prompt("a", system=system).text())
        assert [prompt.messages[0] for prompt in model.script.prompts] == [chat.system(s) for s in ("S1", "S1", "S2")]
        given = model.prompt("b", system="S3", messages=[chat.system("S0"), chat.user("a")])
        assert given.prompt.messages == [chat.system("S3"), chat.user("a"), chat.user("b")]

    colour.run(scenario)


def test_what_it_was_made_with_goes_with_each_prompt_W17(colour: Colour) -> None:
    async def scenario() -> None:
        seen: list[str] = []
        model = scripted(colour, "one", [call("look")], "two", "three")
        conversation = model.conversation(
            tools=[look], options={"temperature": 1}, before_call=lambda tool, call: seen.append(call.name)
        )
        await colour.got(conversation.prompt("a").text())
        await colour.got(conversation.chain("b").text())
        await colour.got(conversation.prompt("c", tools=[]).text())
        assert [len(prompt.tools) for prompt in model.script.prompts] == [1, 1, 1, 0]
        assert {prompt.options.temperature for prompt in model.script.prompts} == {1}
        assert seen == ["look"] and len(conversation.responses) == 4

    colour.run(scenario)


def test_prompts_at_the_same_time_are_ordered_W25(native: Colour) -> None:
    async def scenario() -> None:
        conversation = listening(native).conversation()
        responses = [conversation.prompt(letter) for letter in "abc"]
        async with anyio.create_task_group() as group:
            for response in responses:
                group.start_soon(response.text)
        said = [await response.text() for response in conversation.responses]
        assert sorted(said[-1].split("+")) == ["a", "b", "c"]
        assert [len(text.split("+")) for text in said] == [1, 2, 3]
        assert len(conversation.messages) == 6

    native.run(scenario)


def test_a_chain_is_not_broken_into_W25(native: Colour) -> None:
    async def scenario() -> None:
        started, go_on = anyio.Event(), anyio.Event()

        async def wait() -> str:
            started.set()
            await go_on.wait()
            return "waited"

        model = scripted(native, [call("wait")], "after", heard)
        conversation = model.conversation(tools=[wait])
        async with anyio.create_task_group() as group:
            group.start_soon(conversation.chain("a").text)
            await started.wait()
            second = conversation.prompt("b")
            group.start_soon(second.text)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        roles = [message.role for message in second.prompt.messages]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]

    native.run(scenario)


def test_a_prompt_finishes_what_was_broken_off_before_it(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = scripted(colour, ["a", "b"], heard).conversation()
        first = conversation.prompt("1")
        await colour.next(aiter(first) if colour.is_async else iter(first))
        await colour.got(conversation.prompt("2").text())
        assert conversation.messages[1] == chat.assistant("ab") and first.done

    colour.run(scenario)


def test_a_tool_cannot_wait_for_its_own_chain(colour: Colour) -> None:
    async def scenario() -> None:
        def ask() -> str:
            return str(conversation.prompt("from within").text())

        async def ask_async() -> str:
            return await conversation.prompt("from within").text()

        tool = chat.Tool.function(ask_async if colour.is_async else ask, name="ask")
        conversation = scripted(colour, [call("ask")], lambda prompt: prompt.tool_results[0].output).conversation()
        assert "use conversation.branch()" in await colour.got(conversation.chain("go", tools=[tool]).text())

    colour.run(scenario)


def test_a_failed_prompt_leaves_no_trace(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = scripted(colour, [ValueError("no")], heard).conversation()
        with pytest.raises(ValueError, match="no"):
            await colour.got(conversation.prompt("a").text())
        assert await colour.got(conversation.prompt("b").text()) == "b"

    colour.run(scenario)


def test_branches_go_their_own_ways(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = listening(colour).conversation()
        first = conversation.prompt("a")
        await colour.got(first.text())
        branch = conversation.branch()
        assert await colour.got(conversation.prompt("b").text()) == "a+b"
        assert await colour.got(branch.prompt("c").text()) == "a+c"
        reply = await colour.got(first.reply("d"))  # from the middle: a branch of its own
        assert await colour.got(reply.text()) == "a+d"
        assert await colour.got(conversation.prompt("e").text()) == "a+b+e"
        assert reply.conversation is not conversation

    colour.run(scenario)


@pytest.mark.parametrize("other", ["reply", "prompt"])
def test_a_reply_loses_nothing_that_was_said_since_it_was_made(colour: Colour, other: str) -> None:
    async def scenario() -> None:
        conversation = listening(colour).conversation()
        first = conversation.prompt("a")
        await colour.got(first.text())
        late = await colour.got(first.reply("late"))
        sooner = await colour.got(first.reply("b")) if other == "reply" else conversation.prompt("b")
        assert await colour.got(sooner.text()) == "a+b"
        assert await colour.got(late.text()) == "a+late"
        assert conversation.responses == [first, sooner]
        assert conversation.messages[2:] == [chat.user("b"), chat.assistant("a+b")]
        assert late.conversation is not conversation and late.conversation.responses == [first, late]
        assert await colour.got(late.conversation.prompt("c").text()) == "a+late+c"
        assert await colour.got(conversation.prompt("d").text()) == "a+b+d"

    colour.run(scenario)


def test_replies_at_the_same_time_lose_nothing(native: Colour) -> None:
    async def scenario() -> None:
        conversation = listening(native).conversation()
        first = await conversation.prompt("a")
        replies = [await first.reply(letter) for letter in "bc"]
        async with anyio.create_task_group() as group:
            for reply in replies:
                group.start_soon(reply.text)
        assert sorted([await reply.text() for reply in replies]) == ["a+b", "a+c"]
        assert len(conversation.responses) == 2 and len(conversation.messages) == 4
        assert [reply.conversation is conversation for reply in replies].count(True) == 1

    native.run(scenario)


def test_results_of_tools_outlive_a_failure(colour: Colour) -> None:
    async def scenario() -> None:
        ran: list[str] = []
        model = scripted(colour, [call("act")], [ValueError("busy")], "done")
        conversation = model.conversation(tools=[chat.Tool.function(lambda: ran.append("act"), name="act")])
        with pytest.raises(ValueError, match="busy"):
            await colour.got(conversation.chain("go").text())
        assert [message.role for message in conversation.messages] == ["user", "assistant", "tool"]
        assert await colour.got(conversation.chain().text()) == "done"
        assert ran == ["act"]

    colour.run(scenario)


def test_results_of_tools_outlive_a_reply_that_fails(colour: Colour) -> None:
    async def scenario() -> None:
        ran: list[str] = []
        model = scripted(colour, [call("act")], [ValueError("busy")], "done")
        conversation = model.conversation(tools=[chat.Tool.function(lambda: ran.append("act"), name="act")])
        first = conversation.prompt("go")
        await colour.got(first.text())
        reply = await colour.got(first.reply("well?"))
        with pytest.raises(ValueError, match="busy"):
            await colour.got(reply.text())
        assert [message.role for message in conversation.messages] == ["user", "assistant", "tool"]
        assert await colour.got(conversation.chain().text()) == "done"
        assert ran == ["act"]

    colour.run(scenario)


@pytest.mark.parametrize("loops", [("asyncio", "trio"), ("trio", "asyncio")])
def test_a_conversation_goes_from_one_kind_of_loop_to_another(loops: tuple[str, str]) -> None:
    conversation = scripted(Colour("asyncio"), *[heard] * 3).conversation()

    async def scenario() -> list[str]:
        """The second is asked for while the first is under way, and waits for it."""
        said: list[str] = []

        async def read(word: str) -> None:
            said.append(await conversation.prompt(word).text())

        async with anyio.create_task_group() as group:
            group.start_soon(read, "a")
            group.start_soon(read, "a")
        return said

    counts = [max(len(text) for text in Colour(loop).run(scenario)) for loop in loops]
    assert counts == [len("a+a"), len("a+a+a")]


def test_execute_cannot_wait_for_its_own_answer(colour: Colour) -> None:
    def ask() -> str:
        return str(conversation.prompt("from a tool").text())

    async def ask_async() -> str:
        return await conversation.prompt("from a tool").text()

    class Asking(chat.Model):
        model_id, supports_tools = "asking", True

        def execute(self, prompt, *, stream, response, conversation):
            if prompt.tools:
                yield response.execute_tool_call(call("ask")).output
            else:
                yield conversation.prompt("from execute").text()

    class AsyncAsking(chat.AsyncModel):
        model_id, supports_tools = "asking", True

        async def execute(self, prompt, *, stream, response, conversation):
            if prompt.tools:
                yield (await response.execute_tool_call(call("ask"))).output
            else:
                yield await conversation.prompt("from execute").text()

    conversation = (AsyncAsking if colour.is_async else Asking)().conversation()

    async def scenario() -> None:
        tool = chat.Tool.function(ask_async if colour.is_async else ask, name="ask")
        for asked in (conversation.prompt, conversation.chain):
            assert "use conversation.branch()" in await colour.got(asked("go", tools=[tool]).text())
            with pytest.raises(RuntimeError, match="branch"):
                await colour.got(asked("go").text())

    colour.run(scenario)


def test_trimming_splits_no_call_from_its_result(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, "one", [call("look")], "two", heard)
        conversation = model.conversation(tools=[look], system="S")
        await colour.got(conversation.prompt("a").text())
        await colour.got(conversation.chain("b").text())
        conversation.trim(max_messages=4)  # the last exchange has four, and the system prompt stays
        assert [message.role for message in conversation.messages] == [
            "system",
            "user",
            "assistant",
            "tool",
            "assistant",
        ]
        assert await colour.got(conversation.prompt("c").text()) == "b+c"
        conversation.trim(max_tokens=3, count=lambda message: 1)
        assert [message.role for message in conversation.messages] == ["system", "user", "assistant"]
        conversation.trim(max_tokens=1)
        assert len(conversation.messages) == 3

    colour.run(scenario)


def test_trimming_counts_what_is_said_and_no_files(colour: Colour) -> None:
    picture = chat.Attachment(type="image/png", content=bytes(100_000))
    history = [chat.user("Look", picture), chat.assistant("Nice."), chat.user("a" * 400), chat.assistant("b" * 400)]
    conversation = scripted(colour).conversation(messages=history)
    conversation.trim(max_tokens=210)
    assert conversation.messages == history
    conversation.trim(max_tokens=200)
    assert conversation.messages == history[2:]


# -- stored, and moved ------------------------------------------------------------------------------------------------


def test_a_stored_response_goes_on_elsewhere_W34(colour: Colour) -> None:
    signed = {"signature": "abc"}

    async def scenario() -> None:
        model = scripted(
            colour,
            [
                chat.StreamEvent("reasoning", "Hm.", provider_metadata=signed),
                chat.StreamEvent("text", "Look.", message_index=0),
                call("look", where="here"),
            ],
            "done",
        )
        picture = chat.Attachment(type="image/png", content=b"\x89PNG")
        response = model.prompt(
            "Hi", attachments=[picture], system="S", tools=[look], options={"temperature": 1}, schema={"type": "object"}
        )
        await colour.got(response.text())
        data = json.loads(json.dumps(response.to_dict()))
        assert data["version"] == 1

        rebuilt = type(response).from_dict(data, model=model)
        assert rebuilt.to_dict() == data
        assert rebuilt.prompt.messages == response.prompt.messages
        for read in ("text", "messages", "usage", "tool_calls", "datetime_utc", "duration_ms"):
            assert await colour.got(getattr(rebuilt, read)()) == await colour.got(getattr(response, read)())
        assert repr(rebuilt) == repr(response)
        assert (rebuilt.id, rebuilt.prompt.schema) == (response.id, {"type": "object"})
        assert rebuilt.prompt.options.temperature == 1
        shown = await colour.all(rebuilt.astream_events() if colour.is_async else rebuilt.stream_events())
        assert [event.type for event in shown] == ["reasoning", "text", "tool_call_name", "tool_call_args"]

        follow = await colour.got(rebuilt.reply(tools=[look]))
        assert await colour.got(follow.text()) == "done"
        sent = model.script.prompts[-1].messages
        assert sent[:3] == [*response.prompt.messages, *await colour.got(response.messages())]
        assert sent[3].parts[0].output == "seen here"

    colour.run(scenario)


def test_pending_calls_of_a_stored_response_need_tools_W34(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, [call("look")])
        response = model.prompt("Hi", tools=[look])
        await colour.got(response.text())
        rebuilt = type(response).from_dict(response.to_dict(), model=model)
        with pytest.raises(ValueError, match="tools="):
            await colour.got(rebuilt.reply())

    colour.run(scenario)


def test_sync_and_async_forms_are_one(native: Colour) -> None:
    model = scripted(native, "Hi")

    async def scenario() -> None:
        response = model.prompt("Hi")
        with pytest.raises(ValueError, match="Response not yet awaited"):
            response.to_dict()
        sync = await response.to_sync_response()
        assert isinstance(sync, chat.Response) and sync.text() == "Hi"
        assert chat.AsyncResponse.from_dict(sync.to_dict(), model=model).text_or_raise() == "Hi"

    native.run(scenario)


def test_the_other_form_keeps_schema_and_tools(native: Colour) -> None:
    async def scenario() -> None:
        model = scripted(native, '{"name": "x"}', [call("look", where="here")], heard)
        sync = await model.prompt("Hi", schema=Leaf).to_sync_response()
        assert sync.parsed() == Leaf(name="x")
        sync = await model.prompt("Look", tools=[look]).to_sync_response()
        assert sync.reply().prompt.tool_results[0].output == "seen here"

    native.run(scenario)


def test_what_is_no_form_is_refused(colour: Colour) -> None:
    model = scripted(colour)
    response, conversation, resume = (
        (chat.AsyncResponse, chat.AsyncConversation, chat.resume_async)
        if colour.is_async
        else (chat.Response, chat.Conversation, chat.resume)
    )
    stored = {"id": "1", "model": "scripted", "prompt": {}, "messages": []}
    for data, missing in [
        ({}, "has no 'id'"),
        (None, "an object, not 'None'"),
        (stored, "a prompt: it has no 'messages'"),
    ]:
        with pytest.raises(ValueError, match=missing):
            response.from_dict(data, model=model)
    with pytest.raises(ValueError, match="a conversation: it has no 'id'"):
        conversation.from_dict({}, model=model)
    for data in (None, {}, {"type": "response", "model": "scripted", "messages": []}):
        with pytest.raises(ValueError, match="pause"):
            resume(data, model=model)


def test_forms_of_another_version_are_refused() -> None:
    with pytest.raises(ValueError, match="Version 2"):
        chat.Response.from_dict({"version": 2})
    with pytest.raises(ValueError, match="not the JSON form of a pause"):
        chat.resume({"version": 1, "model": "gpt-4o"})
    for nothing in ({}, {"type": "pause"}):
        with pytest.raises(ValueError, match="not the JSON form of a pause"):
            chat.resume(nothing)


def test_a_stored_conversation_goes_on(colour: Colour) -> None:
    async def scenario() -> None:
        model = listening(colour)
        conversation = model.conversation(system="S", options={"temperature": 1}, tools=[look])
        await colour.got(conversation.prompt("a").text())
        data = json.loads(json.dumps(conversation.to_dict()))
        rebuilt = type(conversation).from_dict(data, model=model, tools=[look])
        assert rebuilt.to_dict() == data and rebuilt.id == conversation.id
        assert await colour.got(rebuilt.prompt("b").text()) == "a+b"
        assert model.script.prompts[-1].options.temperature == 1
        assert model.script.prompts[-1].messages[0] == chat.system("S")

    colour.run(scenario)


def test_what_it_was_made_with_is_stored_before_anything_is_said(colour: Colour) -> None:
    async def scenario() -> None:
        model = listening(colour)
        conversation = model.conversation(system="S", stream=False, chain_limit=None, temperature=1)
        data = json.loads(json.dumps(conversation.to_dict()))
        rebuilt = type(conversation).from_dict(data, model=model)
        assert rebuilt.to_dict() == data and not rebuilt.chain_limit
        await colour.got(rebuilt.prompt("a").text())
        assert model.script.prompts[-1].messages[0] == chat.system("S") and model.script.streams == [False]
        other = type(conversation).from_dict(data, model=model, temperature=0.5, chain_limit=3)
        assert other.chain_limit == 3 and other.prompt("b").prompt.options.temperature == 0.5

    colour.run(scenario)


def test_fragments_and_files_of_a_conversation_go_with_each_prompt(colour: Colour) -> None:
    picture = chat.Attachment(type="image/png", content=b"\x89PNG")

    async def scenario() -> None:
        model = scripted(colour, "one", [call("look")], "two", "three")
        conversation = model.conversation(fragments=["F"], attachments=[picture], tools=[look])
        stored = json.loads(json.dumps(conversation.to_dict()))
        conversation = type(conversation).from_dict(stored, model=model, tools=[look])
        await colour.got(conversation.prompt("a").text())
        conversation.messages += [chat.user("b"), chat.assistant(chat.ToolCallPart("look", {}, "1"))]
        await colour.got(conversation.chain().text())
        assert await colour.got(conversation.prompt("c", fragments=(), attachments=()).text()) == "three"
        said = [message for message in conversation.messages if message.role == "user"]
        assert said == [chat.user("F\na", picture), chat.user("b"), chat.user("c")]

    colour.run(scenario)


def test_options_are_stored_by_the_names_they_are_given_by() -> None:
    class Named(Scripted):
        class Options(chat.Options):
            top: int | None = Field(default=None, alias="top-k")

    model = Named(Script("Hi"))
    response = model.prompt("Hi", options={"top-k": 3})
    rebuilt = chat.Response.from_dict(response.to_dict(), model=model)
    assert rebuilt.prompt.options.top == 3 and rebuilt.to_dict() == response.to_dict()


class Leaf(BaseModel):
    name: str


class Branch(BaseModel):
    leaf: Leaf
    branches: list[Branch] = []


LEAF = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    "schema",
    [
        Branch.model_json_schema(),
        {"title": "Branch", "definitions": {"Leaf": LEAF}, "properties": {"leaf": {"$ref": "#/definitions/Leaf"}}},
    ],
    ids=["recursive", "older"],
)
def test_a_schema_with_definitions(colour: Colour, schema: dict[str, object]) -> None:
    async def scenario() -> None:
        model = scripted(colour, '{"leaf": {"name": "x"}}')
        response = model.prompt("Hi", schema=schema)
        assert response.prompt.format.name == "Branch"
        assert await colour.got(response.parsed()) == {"leaf": {"name": "x"}}
        rebuilt = type(response).from_dict(json.loads(json.dumps(response.to_dict())), model=model)
        assert await colour.got(rebuilt.parsed()) == {"leaf": {"name": "x"}}
        with pytest.raises(ValueError, match="Nothing"):
            model.prompt("Hi", schema={"$ref": "#/$defs/Nothing"})

    colour.run(scenario)


def test_a_chain_s_json_is_that_of_its_responses(colour: Colour) -> None:
    async def scenario() -> None:
        chain = scripted(colour, [call("look")], "two").chain("go", tools=[look])
        await colour.got(chain.text())
        data = json.loads(json.dumps(chain.to_dict()))
        assert [each["messages"] for each in data["responses"]][-1][0]["parts"][0]["text"] == "two"

    colour.run(scenario)


def test_fakes(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, heard)
        kind = chat.AsyncResponse if colour.is_async else chat.Response
        fake = kind.fake(model, "Hi", system="S", response="Hello")
        assert await colour.got(fake.text()) == "Hello" and fake.done
        follow = await colour.got(fake.reply("More"))
        assert await colour.got(follow.text()) == "Hi+More"

    colour.run(scenario)


def test_the_other_face_takes_a_conversation_over_and_gives_it_back(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, [call("look", where="x")]).prompt("Look", system="S", tools=[look])
        follow = await colour.got(response.reply("Well?"))
        messages = await colour.got(follow.to_llm())
        other = llm.scripted("It is there.")
        answer = await colour.got(colour.ask(other, messages))
        roles = [message["role"] for message in other.requests[0]["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "user", "assistant"]
        back = chat.from_llm(answer.messages)
        assert [message.role for message in back][-1] == "assistant"
        again = scripted(colour, heard).prompt("Thanks", messages=back)
        assert await colour.got(again.text()) == "Look+Well?+Thanks"
        assert chat.to_llm(chat.from_llm(messages)) == list(messages)

    colour.run(scenario)
