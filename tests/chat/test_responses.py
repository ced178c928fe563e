"""Responses: lazy, shared, honest about failure, and continued by `reply`."""

from __future__ import annotations

import contextlib
import gc
import inspect
import threading
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from mirascope_like import chat

from ..conftest import PATIENCE, Colour
from .conftest import AsyncScripted, Script, Scripted, call, events, scripted


async def broken_off(colour: Colour, response: Any) -> str:
    return await colour.next(aiter(response) if colour.is_async else iter(response))


async def failing(colour: Colour, reading: object, error: type[BaseException] = ValueError) -> None:
    with pytest.raises(error):
        await colour.got(reading()) if colour.is_async else reading()


def test_nothing_is_asked_until_it_is_read_and_then_once(colour: Colour) -> None:
    model = scripted(colour, ["one", " two"])
    response = model.prompt("Hi", system="Be brief.")
    assert model.script.prompts == []
    assert not response.done

    async def scenario() -> list[object]:
        texts = [await colour.all(response), await colour.got(response.text()), await colour.all(response)]
        seen = [await colour.all(events(response)) for _ in range(2)]
        assert all(one is other for one, other in zip(*seen, strict=True))
        return texts

    assert colour.run(scenario) == [["one", " two"], "one two", ["one", " two"]]
    assert len(model.script.prompts) == 1
    assert response.prompt.messages == [chat.system("Be brief."), chat.user("Hi")]


def test_reading_on_after_breaking_off_goes_on_with_the_same_answer_W28(colour: Colour) -> None:
    model = scripted(colour, ["a", "b", "c"])

    async def scenario() -> tuple[object, ...]:
        response = model.prompt("Hi")
        first = await broken_off(colour, response)
        second = [event.chunk async for event in colour.each(events(response))][:2]
        return first, second, await colour.got(response.text())

    assert colour.run(scenario) == ("a", ["a", "b"], "abc")
    assert len(model.script.prompts) == 1


def test_what_failed_stays_failed_W1(colour: Colour) -> None:
    model = scripted(colour, ["part", ValueError("broken")], "again")
    seen: list[object] = []

    async def scenario() -> None:
        conversation = model.conversation()
        response = conversation.prompt("Hi")
        await colour.got(response.on_done(seen.append))
        for reading in (response.text, response.usage, response.messages, response.tool_calls, response.text):
            await failing(colour, reading)
        assert conversation.responses == []
        assert not response.done

    colour.run(scenario)
    assert seen == []
    assert len(model.script.prompts) == 1


def test_closing_while_a_task_reads(native: Colour) -> None:
    async def scenario() -> None:
        waiting, go_on, closed = anyio.Event(), anyio.Event(), anyio.Event()

        class Slow(AsyncScripted):
            async def execute(self, prompt, *, stream, response, conversation):
                try:
                    yield "part"
                    waiting.set()
                    await go_on.wait()
                    yield "more"
                finally:
                    closed.set()

        response = Slow(Script()).prompt("Hi")

        async def read() -> None:
            await failing(native, response.text, chat.StreamClosedError)

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await waiting.wait()
            await response.aclose()
            go_on.set()
        assert closed.is_set() and not response.done

    native.run(scenario)


def test_closing_while_a_thread_reads() -> None:
    waiting, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(Scripted):
        def execute(self, prompt, *, stream, response, conversation):
            try:
                waiting.set()
                assert go_on.wait(PATIENCE)
                yield "more"
            finally:
                closed.set()

    response = Slow(Script()).prompt("Hi")
    failures: list[BaseException | None] = []

    def read() -> None:
        with pytest.raises(chat.StreamClosedError):
            response.text()
        failures.append(None)

    thread = threading.Thread(target=read)
    thread.start()
    assert waiting.wait(PATIENCE)
    response.close()
    go_on.set()
    thread.join(PATIENCE)
    assert failures == [None] and closed.is_set() and not response.done


def test_what_was_cancelled_stays_failed_W1(native: Colour) -> None:
    async def scenario() -> None:
        waiting = anyio.Event()

        class Endless(AsyncScripted):
            async def execute(self, prompt, *, stream, response, conversation):
                yield "part"
                waiting.set()
                await anyio.sleep_forever()

        response = Endless(Script()).prompt("Hi")
        async with anyio.create_task_group() as group:
            group.start_soon(response.text)
            await waiting.wait()
            group.cancel_scope.cancel()
        with pytest.raises(chat.StreamClosedError):
            await response.text()

    native.run(scenario)


def test_tasks_share_a_response_W5(native: Colour) -> None:
    model = scripted(native, ["a", "b"])

    async def scenario() -> None:
        response = model.prompt("Hi")
        texts: list[str] = []

        async def read() -> None:
            texts.append(await response.text())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read)
        assert texts == ["ab"] * 3

    native.run(scenario)
    assert len(model.script.prompts) == 1


def test_threads_share_a_response_W28() -> None:
    model = Scripted(Script([str(n) for n in range(100)]))
    response = model.prompt("Hi")
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(response.text())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert texts == ["".join(map(str, range(100)))] * 4
    assert len(model.script.prompts) == 1


def test_leaving_its_block_closes_a_response_W6(colour: Colour) -> None:
    model = scripted(colour, ["a", "b"])

    async def scenario() -> None:
        response = model.prompt("Hi")
        async with colour.within(response):
            await broken_off(colour, response)
        assert model.script.closed == 1
        await failing(colour, response.text, chat.StreamClosedError)

    colour.run(scenario)


def test_a_response_that_is_dropped_is_closed_W6() -> None:
    model = Scripted(Script(["a", "b"]))
    next(iter(model.prompt("Hi")))
    gc.collect()
    assert model.script.closed == 1


def test_times_are_of_the_first_reading_W29(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, "a").prompt("Hi")
        await colour.all(response)
        first = await colour.got(response.datetime_utc()), await colour.got(response.duration_ms())
        await colour.all(response)
        assert (await colour.got(response.datetime_utc()), await colour.got(response.duration_ms())) == first
        assert first[0] and first[1] >= 0

    colour.run(scenario)


def test_callbacks_run_once_it_is_done_in_order(colour: Colour) -> None:
    async def scenario() -> list[object]:
        seen: list[object] = []
        conversation = scripted(colour, "a").conversation()
        response = conversation.prompt("Hi")
        await colour.got(response.on_done(lambda done: seen.append((1, done.done, conversation.responses == [done]))))
        await colour.got(response.on_done(colour.fn(lambda done: seen.append(2))))
        await colour.got(response.text())
        await colour.got(response.on_done(lambda done: seen.append(3)))
        await colour.got(response.text())
        return seen

    assert colour.run(scenario) == [(1, True, True), 2, 3]


def test_a_callback_that_fails_is_told_and_the_response_is_done(colour: Colour) -> None:
    def fail(_: object) -> None:
        raise LookupError("callback")

    seen: list[str] = []

    async def scenario() -> str:
        response = scripted(colour, "a").prompt("Hi")
        await colour.got(response.on_done(fail))
        await colour.got(response.on_done(lambda done: seen.append(done.text_or_raise())))
        await failing(colour, response.text, LookupError)
        return await colour.got(response.text())

    assert colour.run(scenario) == "a"
    assert seen == ["a"]


def test_what_is_known_before_and_after(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, ["ok", call("look")]).prompt("Hi", fragments=["long text"])
        state = "not yet awaited" if colour.is_async else "not yet done"
        assert repr(response) == f"<{type(response).__name__} prompt='long text\\nHi' text='... {state} ...'>"
        for read in (response.text_or_raise, response.tool_calls_or_raise):
            with pytest.raises(ValueError, match=f"Response {state}"):
                read()
        await colour.got(response.text())
        assert repr(response) == f"<{type(response).__name__} prompt='long text\\nHi' text='ok'>"
        assert response.text_or_raise() == "ok"
        assert response.tool_calls_or_raise() == [call("look")]
        assert response.token_usage() == "10 input, 1 output"
        assert await colour.got(response.json()) is None
        assert await colour.got(response.usage()) == chat.Usage(10, 1)

    colour.run(scenario)


def test_ids_grow() -> None:
    ids = [Scripted(Script()).prompt("Hi").id for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(id) for id in ids} == {26}


class Dog(BaseModel):
    name: str
    age: int


def test_an_answer_of_a_type_W32(colour: Colour) -> None:
    async def scenario() -> object:
        model = scripted(colour, '{"name": "Rex", "age": 3}', "woof")
        response = model.prompt("A dog", schema=Dog)
        assert response.prompt.schema["properties"].keys() == {"name", "age"}
        assert await colour.got(response.text()) == '{"name": "Rex", "age": 3}'
        await failing(colour, model.prompt("A dog", schema=Dog).parsed, chat.ParseError)
        await failing(colour, model.prompt("A dog").parsed)
        return await colour.got(response.parsed())

    assert colour.run(scenario) == Dog(name="Rex", age=3)


def test_an_answer_of_a_json_schema(colour: Colour) -> None:
    async def scenario() -> object:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        response = scripted(colour, '{"name": "Rex"}').prompt("A dog", schema=schema)
        assert response.prompt.schema == schema
        return await colour.got(response.parsed())

    assert colour.run(scenario) == {"name": "Rex"}


# -- reply ------------------------------------------------------------------------------------------------------------


def look(where: str = "") -> str:
    return f"seen {where}"


def test_reply_runs_the_tools_and_keeps_what_was_asked_for_W20(colour: Colour) -> None:
    hooked: list[object] = []

    async def scenario() -> None:
        model = scripted(colour, ["Wait.", call("look", where="there")], "done")
        conversation = model.conversation()
        response = conversation.prompt(
            "Look",
            tools=[look],
            options={"temperature": 0.5},
            schema=Dog,
            key="k",
            hide_reasoning=True,
            before_call=lambda tool, call: hooked.append(call.name),
        )
        follow = await colour.got(response.reply("And?"))
        assert hooked == ["look"]
        assert not follow.done
        await colour.got(follow.text())
        prompt = follow.prompt
        assert (prompt.options.temperature, prompt.key, prompt.hide_reasoning) == (0.5, "k", True)
        assert prompt.schema == response.prompt.schema and prompt.tools == response.prompt.tools
        assert follow.conversation is conversation and conversation.responses == [response, follow]
        said = [message.role for message in prompt.messages]
        assert said == ["user", "assistant", "tool", "user"]
        assert prompt.messages[2] == chat.tool_message(chat.ToolResultPart("look", "seen there", "call_look"))

    colour.run(scenario)


def test_a_reply_keeps_the_schema_unless_it_is_told_otherwise(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, *['{"name": "Rex"}'] * 3)
        response, chain = (ask("Invent", schema=Dog) for ask in (model.prompt, model.chain))
        for begun in (response, chain):
            kept = await colour.got(begun.reply("Another"))
            assert kept.prompt.schema == response.prompt.schema
            plain = await colour.got(begun.reply("Why?", schema=None))
            assert (plain.prompt.schema, plain.prompt.format) == (None, None)

    colour.run(scenario)


def test_reply_with_results_runs_no_tools(colour: Colour) -> None:
    def never() -> None:
        raise AssertionError

    async def scenario() -> None:
        model = scripted(colour, [call("never")], "done")
        response = model.prompt("Go", tools=[never])
        given = chat.ToolResult("never", "given", tool_call_id="call_never")
        follow = await colour.got(response.reply(tool_results=[given]))
        assert follow.prompt.messages[-1] == chat.tool_message(chat.ToolResultPart("never", "given", "call_never"))
        none = await colour.got(response.reply("Never mind", tool_results=[]))
        assert none.prompt.messages == [chat.user("Go"), chat.user("Never mind")]  # W24: no call without a result

    colour.run(scenario)


@pytest.mark.parametrize(
    ("tools", "output", "sent"),
    [("given", "other", ["look"]), ([], 'Error: tool "look" does not exist', []), (None, "seen ", [])],
)
def test_the_tools_of_a_reply(colour: Colour, tools: object, output: str, sent: list[str]) -> None:
    other = chat.Tool.function(lambda: "other", name="look")

    async def scenario() -> None:
        response = scripted(colour, [call("look")]).prompt("Go", tools=[look])
        follow = await colour.got(response.reply(tools=[other] if tools == "given" else tools))
        assert follow.prompt.messages[-1].parts[0].output == output
        assert [tool.name for tool in follow.prompt.tools] == sent

    colour.run(scenario)


def test_the_order_of_what_a_reply_says(colour: Colour) -> None:
    picture = chat.Attachment(type="image/png", content=b"png")

    def draw() -> chat.ToolOutput:
        return chat.ToolOutput("drawn", [picture])

    async def scenario() -> None:
        response = scripted(colour, [call("draw")]).prompt("Draw", tools=[draw])
        follow = await colour.got(response.reply("Nice?", messages=[chat.assistant("Yes"), chat.user("Why?")]))
        roles = [message.role for message in follow.prompt.messages]
        assert roles == ["user", "assistant", "tool", "user", "user", "assistant", "user"]
        assert follow.prompt.messages[3] == chat.user(picture)
        assert follow.prompt.messages[4] == chat.user("Nice?")

    colour.run(scenario)


def test_reply_without_anything_sends_the_history_again(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, "one", "two").prompt("Hi")
        follow = await colour.got(response.reply())
        assert follow.prompt.messages == [chat.user("Hi"), chat.assistant("one")]

    colour.run(scenario)


# -- what tools give --------------------------------------------------------------------------------------------------


def test_results_of_tools_in_the_order_of_the_calls(colour: Colour) -> None:
    def fail() -> None:
        raise ValueError("bad luck")

    def cancel(tool: chat.Tool | None, call: chat.ToolCall) -> None:
        seen.append(("before", tool and tool.name, call.name))
        if call.name == "stop":
            raise chat.CancelToolCall("not now")

    seen: list[object] = []
    tools = [look, fail, chat.Tool.function(look, name="stop"), chat.Tool("empty")]
    calls = [call(name) for name in ("fail", "look", "stop", "unknown", "empty")]

    async def scenario() -> list[chat.ToolResult]:
        response = scripted(colour, calls).prompt("Go", tools=tools, max_concurrency=1)
        after = colour.fn(lambda tool, call, result: seen.append(("after", tool.name)))
        return await colour.got(response.execute_tool_calls(before_call=colour.fn(cancel), after_call=after))

    results = colour.run(scenario)
    assert [result.output for result in results] == [
        "Error: bad luck",
        "seen ",
        "Cancelled: not now",
        'Error: tool "unknown" does not exist',
        'Error: tool "empty" has no implementation',
    ]
    assert [type(result.exception) for result in results][:4] == [ValueError, type(None), chat.CancelToolCall, KeyError]
    assert ("before", None, "unknown") in seen
    assert ("after", "fail") in seen and ("after", "look") in seen
    assert not {("after", "stop"), ("after", "unknown")} & set(seen)


def test_a_model_that_runs_its_tools_itself(colour: Colour) -> None:
    class OwnLoop(Scripted):
        def execute(self, prompt, *, stream, response, conversation):
            result = response.execute_tool_call(chat.ToolCall("look", {"where": "here"}))
            yield result.output

    class AsyncOwnLoop(AsyncScripted):
        async def execute(self, prompt, *, stream, response, conversation):
            result = await response.execute_tool_call(chat.ToolCall("look", {"where": "here"}))
            yield result.output

    async def scenario() -> None:
        seen: list[str] = []
        model = (AsyncOwnLoop if colour.is_async else OwnLoop)(Script())
        chain = model.chain("Go", tools=[look], after_call=lambda tool, call, result: seen.append(result.output))
        assert await colour.got(chain.text()) == "seen here"
        assert await colour.got(chain.tool_calls()) == []
        assert seen == ["seen here"]

    colour.run(scenario)


def test_a_response_may_be_made_outside_of_the_loop_that_reads_it(native: Colour) -> None:
    response = scripted(native, "Hi").prompt("Hi")
    chain = scripted(native, "Hi").chain("Hi")

    async def scenario() -> tuple[str, str]:
        return await response.text(), await chain.text()

    assert native.run(scenario) == ("Hi", "Hi")
    assert native.run(scenario) == ("Hi", "Hi")


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        (chat.Response, chat.AsyncResponse),
        (chat.ChainResponse, chat.AsyncChainResponse),
        (chat.Conversation, chat.AsyncConversation),
        (chat.Model, chat.AsyncModel),
    ],
)
def test_the_two_colours_take_the_same(sync: type, asynchronous: type) -> None:
    plain, native = ({n: m for n, m in inspect.getmembers(k, callable) if n[0] != "_"} for k in (sync, asynchronous))
    twins = {"aclose": "close", "astream_events": "stream_events"}
    native = {twins.get(name, name): member for name, member in native.items() if name != "to_sync_response"}
    assert plain.keys() == native.keys()
    for name, member in plain.items():
        assert list(inspect.signature(member).parameters) == list(inspect.signature(native[name]).parameters), name
        assert member.__doc__ and native[name].__doc__, name


@pytest.mark.parametrize("kind", ["text", "events"])
def test_closing_a_view_leaves_the_response_open(colour: Colour, kind: str) -> None:
    model = scripted(colour, ["a", "b", "c"], "next")

    async def scenario() -> None:
        response = model.prompt("Hi")
        view = events(response) if kind == "events" else (aiter(response) if colour.is_async else iter(response))
        unread = events(response)
        await colour.close(unread)
        assert await colour.all(unread) == []
        assert model.script.prompts == []  # nothing was asked
        first = await colour.next(view)
        assert getattr(first, "chunk", first) == "a"
        for _ in range(2):
            await colour.close(view)
        assert await colour.all(view) == []
        assert not response.done
        assert await colour.got(response.text()) == "abc"
        assert (len(model.script.prompts), model.script.closed) == (1, 0)

    colour.run(scenario)


def test_closing_a_view_of_a_chain_leaves_the_chain_open(colour: Colour) -> None:
    model = scripted(colour, [call("look")], "done")

    async def scenario() -> None:
        chain = model.chain("Hi", tools=[look])
        for view in (chain.responses(), events(chain)):
            await colour.close(view)
            assert await colour.all(view) == []
        assert await colour.got(chain.text()) == "done"

    colour.run(scenario)


def test_closing_the_view_of_a_response_that_nobody_holds_closes_it() -> None:
    model = Scripted(Script(["a", "b"]))
    view = iter(model.prompt("Hi"))
    with contextlib.closing(view):
        next(view)
        assert model.script.closed == 0
    gc.collect()
    assert model.script.closed == 1
