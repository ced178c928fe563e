"""What is left when something ends early: chains that are closed, prompts that give up waiting, tools that ran when
others failed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import pieces, register
from ..transport.server import Exchange, Server
from .conftest import call, events, scripted


def roles(conversation: Any) -> list[str]:
    return [message.role for message in conversation.messages]


# -- chains that are closed -------------------------------------------------------------------------------------------


def test_a_chain_that_is_closed_while_its_tools_run_asks_no_more(colour: Colour) -> None:
    async def scenario() -> None:
        def act() -> str:
            chain.close()
            return "acted"

        async def act_async() -> str:
            await chain.aclose()
            return "acted"

        model = scripted(colour, [call("act")], "more", "other")
        conversation = model.conversation()
        chain = conversation.chain("Go", tools=[chat.Tool.function(act_async if colour.is_async else act, name="act")])
        for _ in range(2):
            with pytest.raises(chat.StreamClosedError, match="chain was closed"):
                await colour.got(chain.text())
        assert len(model.script.prompts) == 1
        assert roles(conversation) == ["user", "assistant", "tool"] and conversation.queue.is_empty
        assert await colour.got(conversation.prompt("b").text()) == "more"

    colour.run(scenario)


def test_what_comes_behind_a_closed_chain_waits_for_its_tools(native: Colour) -> None:
    async def scenario() -> None:
        in_tool, go_on = anyio.Event(), anyio.Event()

        async def act() -> str:
            in_tool.set()
            await go_on.wait()
            return "acted"

        async def closed() -> None:
            with pytest.raises(chat.StreamClosedError):
                await chain.text()

        model = scripted(native, [call("act")], "other")
        conversation = model.conversation()
        chain, other = conversation.chain("Go", tools=[act]), conversation.prompt("b")
        async with anyio.create_task_group() as group:
            group.start_soon(closed)
            await in_tool.wait()
            await chain.aclose()
            group.start_soon(other.text)
            await anyio.wait_all_tasks_blocked()
            assert len(model.script.prompts) == 1
            go_on.set()
        assert roles(conversation) == ["user", "assistant", "tool", "user", "assistant"]

    native.run(scenario)


def test_a_chain_that_is_closed_in_the_queue_runs_no_tools(native: Colour) -> None:
    async def scenario() -> None:
        ran: list[str] = []
        first_asked, go_on = anyio.Event(), anyio.Event()

        async def wait() -> str:
            first_asked.set()
            await go_on.wait()
            return "waited"

        async def closed() -> None:
            with pytest.raises(chat.StreamClosedError):
                await chain.text()

        conversation = scripted(native, [call("wait")], "done").conversation()
        act = chat.Tool.function(lambda: ran.append("act"), name="act")
        pending = [chat.user("Go"), chat.assistant(chat.ToolCallPart("act", {}, "1"))]
        chain = conversation.chain(messages=pending, tools=[act])
        async with anyio.create_task_group() as group:
            group.start_soon(conversation.chain("a", tools=[wait]).text)
            await first_asked.wait()
            group.start_soon(closed)
            await anyio.wait_all_tasks_blocked()
            await chain.aclose()
            go_on.set()
        assert ran == [] and conversation.queue.is_empty

    native.run(scenario)


# -- who waits for the answers of others ------------------------------------------------------------------------------


class Gated(chat.AsyncModel):
    """Says one letter whenever the gate opens."""

    model_id = "gated"
    can_stream = True

    def __init__(self) -> None:
        self.gate = anyio.Semaphore(0)
        self.said = 0

    async def execute(self, prompt, *, stream, response, conversation) -> AsyncIterator[str]:
        for letter in "abc":
            await self.gate.acquire()
            self.said += 1
            yield letter

    def open(self, times: int) -> None:
        for _ in range(times):
            self.gate.release()


async def given_up(text: Any) -> None:
    """Wait for a text, and be cancelled when that leads nowhere."""
    async with anyio.create_task_group() as group:
        group.start_soon(text)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()


def test_who_gives_up_waiting_takes_no_answer_from_others(native: Colour) -> None:
    async def scenario() -> None:
        model = Gated()
        conversation = model.conversation()
        first, second = conversation.prompt("1"), conversation.prompt("2")
        reader = aiter(first)
        model.open(1)
        assert await anext(reader) == "a"
        await given_up(second.text)  # the first is being read on for it
        with pytest.raises(chat.StreamClosedError):
            await second.text()
        model.open(1)
        await anyio.wait_all_tasks_blocked()
        model.open(1)
        await anyio.wait_all_tasks_blocked()
        assert model.said == 2  # nobody reads on
        assert [letter async for letter in reader] == ["b", "c"]
        assert conversation.responses == [first] and conversation.queue.is_empty

        model.open(3)
        assert await conversation.prompt("3").text() == "abc"
        assert roles(conversation) == ["user", "assistant"] * 2

    native.run(scenario)


def test_one_of_two_that_wait_may_give_up(native: Colour) -> None:
    async def scenario() -> None:
        model = Gated()
        conversation = model.conversation()
        first, second, third = (conversation.prompt(word) for word in "123")
        model.open(1)
        assert await anext(aiter(first)) == "a"
        async with anyio.create_task_group() as group:
            group.start_soon(third.text)
            await anyio.wait_all_tasks_blocked()
            await given_up(second.text)
            model.open(5)
        assert conversation.responses == [first, third]

    native.run(scenario)


def test_a_round_of_a_chain_outlives_who_waits_for_it(native: Colour) -> None:
    async def scenario() -> None:
        ran: list[str] = []
        go_on = anyio.Event()

        async def act() -> str:
            await go_on.wait()
            ran.append("act")
            return "acted"

        model = scripted(native, ["One.", call("act")], "Two.")
        conversation = model.conversation()
        chain = conversation.chain("Go", tools=[act])
        reader = aiter(chain)
        assert await anext(reader) == "One."
        await given_up(conversation.prompt("b").text)
        assert len(model.script.prompts) == 1
        go_on.set()
        assert [text async for text in reader] == [" ", "Two."]
        assert ran == ["act"] and len(conversation.responses) == 2

    native.run(scenario)


user: ContextVar[str] = ContextVar("user", default="nobody")


def test_tools_see_the_context_of_who_began_their_chain(colour: Colour) -> None:
    async def scenario() -> None:
        seen: list[str] = []
        conversation = scripted(colour, ["One.", call("who")], "Two.", "b").conversation()
        chain = conversation.chain("Go", tools=[chat.Tool.function(lambda: seen.append(user.get()), name="who")])
        user.set("alice")
        await colour.next(events(chain))
        user.set("bob")
        assert await colour.got(conversation.prompt("b").text()) == "b"  # has the chain finished
        assert (seen, user.get()) == (["alice"], "bob")

    colour.run(scenario)


# -- tools that ran when others failed --------------------------------------------------------------------------------


class Pay:
    """A tool that had better not run twice."""

    def __init__(self) -> None:
        self.ran: list[int] = []

    def pay(self, n: int) -> str:
        self.ran.append(n)
        return f"paid {n}"


def paying(colour: Colour) -> Any:
    return scripted(colour, [call("pay", "c1", n=1), call("pay", "c2", n=2)], "done")


@pytest.mark.parametrize("hook", ["before_call", "after_call"])
@pytest.mark.parametrize("error", [RuntimeError("log full"), chat.PauseChain("later")], ids=["fails", "pauses"])
def test_tools_that_ran_do_not_run_again_after_a_hook(colour: Colour, hook: str, error: Exception) -> None:
    failing = [True]

    def hooked(tool: chat.Tool | None, asked: chat.ToolCall, *_: chat.ToolResult) -> None:
        if asked.arguments["n"] == 2 and failing:
            raise error

    async def scenario() -> None:
        tool = Pay()
        conversation = paying(colour).conversation(tools=[tool.pay], **{hook: hooked})
        for asked in ["Go", None] if hook == "before_call" else ["Go"]:  # the second call has not run then
            with pytest.raises(type(error)):
                await colour.got(conversation.chain(asked).text())
            assert roles(conversation) == ["user", "assistant", "tool"]
        failing.clear()
        assert await colour.got(conversation.chain().text()) == "done"
        assert sorted(tool.ran) == [1, 2]
        said = [part.output for message in conversation.messages[2:-1] for part in message.parts]
        assert said == ["paid 1", "paid 2"]

    colour.run(scenario)


def test_a_pause_of_after_call_carries_all_results(colour: Colour) -> None:
    def hold(tool: chat.Tool, asked: chat.ToolCall, told: chat.ToolResult) -> None:
        raise chat.PauseChain("look at it")

    async def scenario() -> None:
        tool, model = Pay(), paying(colour)
        with pytest.raises(chat.PauseChain) as raised:
            await colour.got(model.chain("Go", tools=[tool.pay], after_call=hold).text())
        resume = chat.resume_async if colour.is_async else chat.resume
        assert await colour.got(resume(raised.value.to_dict(), model=model, tools=[tool.pay]).text()) == "done"
        assert sorted(tool.ran) == [1, 2]

    colour.run(scenario)


def test_tools_that_ran_do_not_run_again_after_cancellation(native: Colour) -> None:
    async def scenario() -> None:
        ran: list[int] = []

        async def pay(n: int) -> str:
            ran.append(n)
            if len(ran) == 2:
                await anyio.sleep_forever()
            return f"paid {n}"

        conversation = paying(native).conversation(tools=[pay], max_concurrency=1)
        await given_up(conversation.chain("Go").text)
        assert roles(conversation) == ["user", "assistant", "tool"]
        assert await conversation.chain().text() == "done"
        assert ran == [1, 2, 2]

    native.run(scenario)


def test_tools_that_ran_do_not_run_again_after_ctrl_c() -> None:
    ran: list[int] = []

    def pay(n: int) -> str:
        ran.append(n)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return f"paid {n}"

    conversation = paying(Colour("blocking")).conversation(tools=[pay], max_concurrency=1)
    with pytest.raises(KeyboardInterrupt):
        conversation.chain("Go").text()
    assert conversation.chain().text() == "done"
    assert ran == [1, 2, 2]


def test_an_answer_that_its_event_loop_left_unfinished_is_not_taken_for_whole(native: Colour) -> None:
    conversation = scripted(native, ["Half", " of it"]).conversation()
    response = conversation.prompt("Go")
    pieces = aiter(response)

    async def begin() -> None:
        assert await anext(pieces) == "Half"

    async def finish() -> None:
        with pytest.raises(chat.StreamClosedError):
            await response.text()
        assert not response.done and conversation.messages == []

    native.run(begin)
    native.run(finish)


# -- readers that are cancelled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_whole", [True, False])
def test_a_reader_that_is_cancelled_leaves_the_response_to_the_others(server: Server, read_whole: bool) -> None:
    """Under asyncio, where the HTTP client can repeat the read that was cancelled."""
    server.answer = server.drip
    register(server)
    rest = pieces("one two three")

    async def scenario() -> list[str]:
        response = chat.get_async_model("test/model").prompt("Hi")
        begun = asyncio.Event()

        async def read() -> list[str]:
            texts: list[str] = []
            async for text in response:
                texts.append(text)
                begun.set()
            return texts

        reading = asyncio.create_task(read())
        for _ in range(3):
            server.push(rest.pop(0))
        await begun.wait()
        other: asyncio.Task[Any] = asyncio.create_task(response.text() if read_whole else read())
        await asyncio.sleep(0)  # both wait for more now, the first one at the connection
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        for piece in [*rest, None]:
            server.push(piece)
        return ["".join(await other), await response.text()]

    assert asyncio.run(scenario()) == ["one two three"] * 2


def test_the_last_reader_that_is_cancelled_closes_the_response(native: Colour, server: Server) -> None:
    server.answer = server.drip
    register(server)

    async def scenario() -> None:
        response = chat.get_async_model("test/model").prompt("Hi")
        server.push(pieces("one two three")[0])
        async with anyio.create_task_group() as group:
            group.start_soon(response.text)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(server.arrived.get)
            group.cancel_scope.cancel()
        with pytest.raises(chat.StreamClosedError, match="interrupted"):
            await response.text()
        server.push(None)
        assert await anyio.to_thread.run_sync(server.gone.get)

    native.run(scenario)


# -- what an early end leaves to others -------------------------------------------------------------------------------


def test_what_came_before_a_close_can_still_be_read(server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"".join(pieces("one two three four")[:5]))
        exchange.wait_gone()

    server.answer = answer
    register(server)
    response = chat.get_model("test/m").prompt("x")
    iterator = iter(response)
    read = [next(iterator)]
    response.close()
    with pytest.raises(chat.StreamClosedError):
        read += iterator
    assert "".join(read) in "one two three four" and read[0] == "one"


def test_the_last_of_several_cancelled_readers_closes_the_connection(server: Server) -> None:
    gone = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b"".join(pieces("one two")[:2]))
        exchange.wait_gone()
        gone.set()

    async def read(response: chat.AsyncResponse, begun: asyncio.Event) -> None:
        async for _ in response:
            begun.set()

    async def scenario() -> None:
        response = chat.get_async_model("test/m").prompt("x")
        begun = [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(read(response, each)) for each in begun]
        for each in begun:
            await each.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.to_thread(gone.wait, PATIENCE)
        with pytest.raises(chat.StreamClosedError):
            await response.text()

    server.answer = answer
    register(server)
    asyncio.run(scenario())


def test_a_callback_that_reads_its_response_does_not_call_the_next_one(colour: Colour) -> None:
    async def scenario() -> None:
        log: list[str] = []
        response = scripted(colour, "hi").prompt("x")

        def first(given: Any) -> None:
            log.append("first begins")
            given.text()
            log.append("first ends")

        async def first_async(given: Any) -> None:
            log.append("first begins")
            await given.text()
            log.append("first ends")

        def second(given: Any) -> None:
            log.append("second")
            raise RuntimeError("second's error")

        await colour.got(response.on_done(first_async if colour.is_async else first))
        await colour.got(response.on_done(second))
        with pytest.raises(RuntimeError, match="second's error"):
            await colour.got(response.text())
        assert log == ["first begins", "first ends", "second"]

    colour.run(scenario)


def test_a_close_while_a_response_ends_leaves_its_result_to_subscribers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lease:
        def settle(self, *_: object) -> None:
            response.close()

    class Gate:
        can_wait = False

        async def acquire(self, plan: object) -> Lease:
            return Lease()

    monkeypatch.setattr("mirascope_like.engine.run.start_gate", lambda runtime: Gate())
    ended: list[llm.CallEnded] = []
    remove = llm.subscribe(lambda event: ended.append(event) if isinstance(event, llm.CallEnded) else None)
    server.answer = lambda exchange: exchange.stream(*pieces("Hello there"))
    register(server)
    response = chat.get_model("test/m").prompt("x")
    assert response.text() == "Hello there"
    remove()
    assert [event.message is not None for event in ended] == [True]
