"""Chains: rounds of asking and running tools, read in whatever way, limited, paused and resumed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time

import anyio
import pytest
from pydantic import BaseModel

from mirascope_like import chat

from ..conftest import PATIENCE, Colour
from .conftest import call, events, scripted


def look(where: str = "") -> str:
    return f"seen {where}"


def rounds(colour: Colour, *more: object) -> object:
    return scripted(colour, ["One.", call("look", where="here")], ["Two.", call("look", "c2", where="there")], *more)


def test_a_chain_is_its_rounds_and_runs_once_W21(colour: Colour) -> None:
    async def scenario() -> None:
        model = rounds(colour, "Three")
        chain = model.chain("Go", tools=[look])
        assert await colour.got(chain.text()) == "One. Two. Three"
        assert "".join(await colour.all(chain)) == "One. Two. Three"
        assert len(model.script.prompts) == 3
        assert await colour.got(chain.usage()) == chat.Usage(30, 3)
        assert [await colour.got(each.text()) for each in await colour.all(chain.responses())] == [
            "One.",
            "Two.",
            "Three",
        ]
        messages = await colour.got(chain.messages())
        assert [message.role for message in messages] == ["assistant", "tool", "assistant", "tool", "assistant"]
        assert await colour.got(chain.tool_calls()) == [call("look", where="here"), call("look", "c2", where="there")]
        data = chain.to_dict()
        assert json.loads(json.dumps(data)) == data and len(data["responses"]) == 3
        last = model.script.prompts[-1]
        assert last.messages == [chat.user("Go"), *messages[:-1]]
        assert (last.prompt, [result.output for result in last.tool_results]) == ("", ["seen there"])

    colour.run(scenario)


def test_a_tool_s_error_without_words_is_told_and_the_chain_goes_on(colour: Colour) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def look() -> str:
        raise Unprintable

    async def scenario() -> None:
        chain = scripted(colour, [call("look")], "done").chain("Go", tools=[look])
        assert await colour.got(chain.text()) == "done"
        told = (await colour.got(chain.messages()))[1].parts[0]
        assert (told.output, told.exception) == ("Error: Unprintable", "Unprintable")

    colour.run(scenario)


def test_a_chain_can_be_awaited(native: Colour) -> None:
    async def scenario() -> None:
        chain = await rounds(native, "Three").chain("Go", tools=[look])
        assert chain.done and await chain.text() == "One. Two. Three"

    native.run(scenario)


@pytest.mark.parametrize(
    ("one", "two", "shown"), [("a", "b", "a b"), ("a ", "b", "a b"), ("a", "\nb", "a\nb"), ("", "b", "b")]
)
def test_a_space_where_two_rounds_would_touch(colour: Colour, one: str, two: str, shown: str) -> None:
    async def scenario() -> None:
        chain = scripted(colour, [one, call("look")], two).chain("Go", tools=[look])
        assert await colour.got(chain.text()) == shown
        assert [await colour.got(each.text()) for each in await colour.all(chain.responses())] == [one, two]

    colour.run(scenario)


def test_events_tell_whose_they_are_W22(colour: Colour) -> None:
    async def scenario() -> None:
        chain = rounds(colour, "Three").chain("Go", tools=[look])
        seen = [event for event in await colour.all(events(chain)) if event.chunk != " "]
        messages = await colour.got(chain.messages())
        assert [(event.type, event.chunk, event.message_index) for event in seen] == [
            ("text", "One.", 0),
            ("tool_result", "seen here", 1),
            ("text", "Two.", 2),
            ("tool_result", "seen there", 3),
            ("text", "Three", 4),
        ]
        for event in seen:
            assert event.chunk in str(messages[event.message_index])

    colour.run(scenario)


def test_a_limit_counts_calls_of_the_model_W14(colour: Colour) -> None:
    async def scenario() -> None:
        assert await colour.got(scripted(colour, "One").chain("Go", chain_limit=1).text()) == "One"
        assert await colour.got(rounds(colour, "Three").chain("Go", tools=[look], chain_limit=3).text())
        for limited in (
            rounds(colour, "Three").chain("Go", tools=[look], chain_limit=2),
            rounds(colour, "Three").conversation(chain_limit=2).chain("Go", tools=[look]),
            rounds(colour, "Three").conversation().chain("Go", tools=[look], chain_limit=2),
        ):
            for _ in range(2):
                with pytest.raises(chat.ChainLimitExceeded, match="Chain limit of 2 exceeded") as raised:
                    await colour.got(limited.text())
                assert [response.text_or_raise() for response in raised.value.responses] == ["One.", "Two."]
            assert isinstance(raised.value, ValueError)
        endless = scripted(colour, *([[call("look")]] * 150), "end")
        assert await colour.got(endless.chain("Go", tools=[look], chain_limit=None).text()) == "end"

    colour.run(scenario)


class Found(BaseModel):
    where: str


def test_what_was_asked_for_stays_in_every_round_W13(colour: Colour) -> None:
    async def scenario() -> None:
        model = rounds(colour, '{"where": "there"}')
        hooked: list[str] = []
        chain = model.chain(
            "Go",
            tools=[look],
            schema=Found,
            system="Look well.",
            options={"temperature": 1},
            key="k",
            stream=False,
            hide_reasoning=True,
            before_call=lambda tool, call: hooked.append(call.arguments["where"]),
        )
        assert await colour.got(chain.parsed()) == Found(where="there")
        assert hooked == ["here", "there"]
        for prompt in model.script.prompts:
            assert prompt.schema == Found.model_json_schema() | {"additionalProperties": False} or prompt.schema
            assert (prompt.key, prompt.options.temperature, prompt.hide_reasoning) == ("k", 1, True)
            assert prompt.system == "Look well." and prompt.messages[0] == chat.system("Look well.")
            assert [tool.name for tool in prompt.tools] == ["look"]
        assert {prompt.schema["required"][0] for prompt in model.script.prompts} == {"where"}
        assert model.script.streams == [False] * 3

    colour.run(scenario)


# -- tools of both colours --------------------------------------------------------------------------------------------


def test_async_tools_run_at_the_same_time(native: Colour) -> None:
    async def scenario() -> list[str]:
        both = anyio.Event()
        here: list[int] = []

        async def meet(number: int) -> str:
            here.append(number)
            if len(here) == 2:
                both.set()
            await both.wait()
            return str(number)

        model = scripted(native, [call("meet", "a", number=1), call("meet", "b", number=2)], "done")
        chain = model.chain("Go", tools=[meet])
        return [event.chunk async for event in chain.astream_events() if event.type == "tool_result"]

    assert native.run(scenario) == ["1", "2"]


def test_a_sync_tool_does_not_block_the_loop_W2(native: Colour) -> None:
    async def scenario() -> None:
        ticked = asyncio.Event() if native.name == "asyncio" else anyio.Event()
        done: list[bool] = []

        def slow() -> str:
            deadline = time.monotonic() + PATIENCE
            while not done and time.monotonic() < deadline:
                time.sleep(0.001)
            return "ticked" if done else "blocked"

        async def ticker() -> None:
            await anyio.sleep(0.01)
            done.append(True)
            ticked.set()

        async with anyio.create_task_group() as group:
            group.start_soon(ticker)
            chain = scripted(native, [call("slow")], "done").chain("Go", tools=[slow])
            results = [event.chunk async for event in chain.astream_events() if event.type == "tool_result"]
        assert results == ["ticked"]

    native.run(scenario)


def test_an_async_tool_of_a_sync_model_inside_a_running_loop_W3() -> None:
    async def hello(name: str) -> str:
        await asyncio.sleep(0)
        return f"Hello {name}"

    async def scenario() -> str:
        model = scripted(Colour("blocking"), [call("hello", name="Ada")], lambda prompt: prompt.tool_results[0].output)
        return model.chain("Go", tools=[hello]).text()

    assert asyncio.run(scenario()) == "Hello Ada"


def test_cancelling_leaves_no_tool_running_W7(native: Colour) -> None:
    async def scenario() -> None:
        running: list[str] = []
        ended: list[str] = []
        started = anyio.Event()

        async def wait(name: str) -> None:
            running.append(name)
            try:
                if len(running) == 2:
                    started.set()
                await anyio.sleep_forever()
            finally:
                ended.append(name)

        model = scripted(native, [call("wait", "1", name="a"), call("wait", "2", name="b")])
        chain = model.chain("Go", tools=[wait])
        async with anyio.create_task_group() as group:
            group.start_soon(chain.text)
            await started.wait()
            group.cancel_scope.cancel()
        assert sorted(ended) == ["a", "b"]
        with pytest.raises(chat.StreamClosedError):
            await chain.text()

    native.run(scenario)


def test_a_toolbox_that_finds_its_tools_shows_them_at_once_W16(colour: Colour) -> None:
    class Found(chat.Toolbox):
        prepared = 0

        def prepare(self) -> None:
            self.prepared += 1
            self.add_tool(look)

    async def scenario() -> None:
        toolbox = Found()
        model = scripted(colour, lambda prompt: [tool.name for tool in prompt.tools], [call("look")], "done")
        assert await colour.got(model.prompt("What?", tools=[toolbox]).text()) == "look"
        chain = model.chain("Go", tools=[toolbox])
        results = [event.chunk for event in await colour.all(events(chain)) if event.type == "tool_result"]
        assert results == ["seen "] and toolbox.prepared == 1

    colour.run(scenario)


# -- pause and resume -------------------------------------------------------------------------------------------------


class Approval:
    """A tool that waits for a person, and another that is done meanwhile."""

    def __init__(self) -> None:
        self.approved = False
        self.ran: list[str] = []

    def delete(self, what: str) -> str:
        self.ran.append("delete")
        if not self.approved:
            raise chat.PauseChain("ask somebody")
        return f"deleted {what}"

    def count(self) -> int:
        self.ran.append("count")
        return 3


def asking(colour: Colour) -> object:
    return scripted(
        colour, ["Wait.", call("count"), call("delete", what="it")], lambda prompt: str(len(prompt.messages))
    )


async def paused(colour: Colour, chain: object) -> chat.PauseChain:
    with pytest.raises(chat.PauseChain) as raised:
        await colour.got(chain.text())
    return raised.value


def test_a_pause_is_json_that_another_chain_goes_on_from_W23(colour: Colour) -> None:
    async def scenario() -> None:
        approval = Approval()
        tools = [approval.count, approval.delete]
        model = asking(colour)
        pause = await paused(
            colour, model.chain("Go", tools=tools, schema={"type": "object"}, options={"temperature": 1})
        )
        assert (pause.tool_call, [result.output for result in pause.tool_results]) == (call("delete", what="it"), ["3"])
        state = json.loads(json.dumps(pause.to_dict()))
        assert state["tool_call"]["name"] == "delete" and state["reason"] == "ask somebody"

        resume = chat.resume_async if colour.is_async else chat.resume
        again = await paused(colour, resume(state, model=model, tools=tools))  # still nobody there
        approval.approved = True
        approval.ran.clear()
        chain = resume(json.loads(json.dumps(again.to_dict())), model=model, tools=tools)
        assert await colour.got(chain.text()) == "4"
        assert approval.ran == ["delete"]
        prompt = model.script.prompts[-1]
        assert prompt.schema == {"type": "object"} and prompt.options.temperature == 1
        assert [part.output for message in prompt.messages[2:] for part in message.parts] == ["3", "deleted it"]
        assert len(model.script.prompts) == 2

    colour.run(scenario)


def test_the_results_of_other_tools_are_events_before_a_pause(colour: Colour) -> None:
    async def seen(chain: object) -> list[tuple[str, str, int]]:
        seen: list[tuple[str, str, int]] = []
        with pytest.raises(chat.PauseChain):
            async for event in colour.each(events(chain)):
                seen.append((event.type, event.chunk, event.message_index))
        return seen

    async def scenario() -> None:
        approval = Approval()
        model = asking(colour)
        tools = [approval.count, approval.delete]
        chain = model.chain("Go", tools=tools)
        for _ in range(2):
            assert await seen(chain) == [("text", "Wait.", 0), ("tool_result", "3", 1)]
        pause = await paused(colour, chain)
        assert await seen(model.chain(messages=pause.messages, tools=tools)) == []  # nothing else is left to run

    colour.run(scenario)


def test_a_chain_resumes_from_its_history(colour: Colour) -> None:
    async def scenario() -> None:
        approval = Approval()
        model = asking(colour)
        pause = await paused(colour, model.chain("Go", tools=[approval.count, approval.delete]))
        approval.approved = True
        chain = model.chain(messages=pause.messages, tools=[approval.count, approval.delete])
        results = [event.chunk for event in await colour.all(events(chain)) if event.type == "tool_result"]
        assert results == ["deleted it"]

    colour.run(scenario)


def test_what_is_given_to_resume_stands_in_place_of_what_is_stored(colour: Colour) -> None:
    def louder(tool: chat.Tool | None, call: chat.ToolCall) -> None:
        call.arguments["what"]["name"] = "IT"

    async def scenario() -> None:
        approval = Approval()
        model = scripted(colour, [call("delete", what={"name": "it"})], "gone")
        tools = [chat.Tool.function(lambda what: approval.delete(str(what["name"])), name="delete")]
        pause = await paused(colour, model.chain("Go", tools=tools, temperature=1, stream=False))
        approval.approved = True
        resume = chat.resume_async if colour.is_async else chat.resume
        chain = resume(pause.to_dict(), model=model, tools=tools, temperature=0.5)
        assert await colour.got(chain.text()) == "gone"
        assert model.script.prompts[-1].options.temperature == 0.5 and model.script.streams[-1] is False
        model.script.turns.append("gone again")
        await colour.got(model.chain(messages=pause.messages, tools=tools, before_call=louder).text())
        assert model.script.prompts[-1].messages[-1].parts[0].output == "deleted IT"
        assert pause.messages[-1].parts[0].arguments == {"what": {"name": "it"}}  # the caller's are as they were

    colour.run(scenario)


def test_resume_refuses_to_go_on_without_the_tool_that_the_pause_waits_for(colour: Colour) -> None:
    class Desk(chat.Toolbox):
        def delete(self, what: str) -> str:
            return f"deleted {what}"

    class LateDesk(Desk):
        def prepare(self) -> None:
            self.add_tool(added)

    added = chat.Tool.function(lambda what: f"deleted {what}", name="delete")

    async def scenario() -> None:
        approval = Approval()
        model = asking(colour)
        state = (await paused(colour, model.chain("Go", tools=[approval.count, approval.delete]))).to_dict()
        resume = chat.resume_async if colour.is_async else chat.resume
        for tools in [
            {},
            {"tools": None},
            {"tools": [approval.count]},
            {"tools": [Desk()]},
        ]:  # of a toolbox: Desk_delete
            with pytest.raises(ValueError, match="waits for 'delete'"):
                resume(state, model=model, **tools)
        chain = resume(state, model=model, tools=iter([LateDesk()]))  # known when it is prepared
        assert [result.output for result in (await colour.all(chain.responses()))[0].ran] == ["deleted it"]

    colour.run(scenario)


def ask_first(*_: object) -> None:
    raise chat.PauseChain("ask somebody about everything")


def test_resume_needs_each_tool_that_there_was_and_none_that_the_model_made_up(colour: Colour) -> None:
    async def scenario() -> None:
        approval = Approval()
        approval.approved = True
        tools = [approval.count, approval.delete]
        resume = chat.resume_async if colour.is_async else chat.resume
        model = scripted(colour, [call("count"), call("delete", what="it"), call("invent")], [call("invent")], "done")
        state = (await paused(colour, model.chain("Go", tools=tools, before_call=ask_first))).to_dict()
        assert state["tools"] == ["count", "delete"]
        with pytest.raises(ValueError, match="waits for 'delete': give"):
            resume(state, model=model, tools=[approval.count])
        ran = (await colour.all(resume(state, model=model, tools=tools).responses()))[0].ran
        assert [result.output for result in ran[:2]] == ["3", "deleted it"]
        assert ran[2].exception is not None

        state = (await paused(colour, scripted(colour, [call("invent")]).chain("Go", before_call=ask_first))).to_dict()
        assert await colour.got(resume(state, model=scripted(colour, "done")).text()) == "done"

    colour.run(scenario)


PNG = chat.Attachment(type="image/png", content=b"pixels")


def photograph() -> chat.ToolOutput:
    return chat.ToolOutput("taken", [PNG])


def files(messages: list[chat.Message]) -> list[chat.Attachment]:
    return [part.attachment for part in messages[-1].parts if isinstance(part, chat.AttachmentPart)]


def test_a_pause_keeps_the_files_of_the_tools_that_ended(colour: Colour) -> None:
    async def scenario() -> None:
        approval = Approval()
        tools = [photograph, approval.delete]
        model = scripted(colour, [call("photograph"), call("delete", what="it")], "Gone.", "Gone.")
        conversation = model.conversation(tools=tools)
        pause = await paused(colour, conversation.chain("Go"))
        approval.approved = True
        resume = chat.resume_async if colour.is_async else chat.resume
        for chain in [resume(json.loads(json.dumps(pause.to_dict())), model=model, tools=tools), conversation.chain()]:
            told = (await colour.got(chain.messages()))[:-1]
            assert [message.role for message in told] == ["tool", "user"] and files(told) == [PNG]
            sent = model.script.prompts[-1].messages
            assert [message.role for message in sent] == ["user", "assistant", "tool", "tool", "user"]
            assert files(sent) == [PNG]

    colour.run(scenario)


def test_a_hook_that_raises_keeps_the_files_of_the_tools_that_ran(colour: Colour) -> None:
    def refuse(tool: chat.Tool, call: chat.ToolCall, result: chat.ToolResult) -> None:
        raise LookupError

    async def scenario() -> None:
        conversation = scripted(colour, [call("photograph")], "a cat").conversation(tools=[photograph])
        with pytest.raises(LookupError):
            await colour.got(conversation.chain("Go", after_call=refuse).text())
        assert files(conversation.messages) == [PNG]
        assert await colour.got(conversation.chain().text()) == "a cat"

    colour.run(scenario)


def test_a_paused_conversation_goes_on_or_changes_the_subject_W24(colour: Colour) -> None:
    async def scenario() -> None:
        approval = Approval()
        tools = [approval.count, approval.delete]
        model = asking(colour)
        conversation = model.conversation(tools=tools)
        await paused(colour, conversation.chain("Go"))
        other = conversation.branch()
        assert await colour.got(other.prompt("Never mind").text())
        sent = model.script.prompts[-1].messages
        assert [part.type for part in sent[1].parts] == ["text", "tool_call"]  # the one with a result
        approval.approved = True
        approval.ran.clear()
        assert await colour.got(conversation.chain().text()) == ""
        assert approval.ran == ["delete"]

    colour.run(scenario)


def test_a_hook_may_pause(colour: Colour) -> None:
    def hold(tool: chat.Tool | None, call: chat.ToolCall) -> None:
        raise chat.PauseChain("hold")

    async def scenario() -> None:
        pause = await paused(colour, asking(colour).chain("Go", tools=[Approval().count], before_call=hold))
        assert pause.tool_call == call("count")

    colour.run(scenario)


PROCESS = """
    import json, sys
    from mirascope_like import chat

    class Clerk(chat.Model):
        model_id = "clerk"
        supports_tools = True

        def execute(self, prompt, *, stream, response, conversation):
            if not prompt.tool_results:
                response.add_tool_call(chat.ToolCall("note", {}))
                response.add_tool_call(chat.ToolCall("pay", {"amount": 5}))
            else:
                yield prompt.tool_results[-1].output

    def note():
        print("noted")

    def pay(amount: int):
        if "approved" not in sys.argv:
            raise chat.PauseChain("approve")
        return f"paid {amount}"

    chat.register(Clerk())
    if "approved" in sys.argv:
        print(chat.resume(json.load(sys.stdin), tools=[note, pay]).text())
    else:
        try:
            chat.get_model("clerk").chain("Pay", tools=[note, pay]).text()
        except chat.PauseChain as pause:
            print(json.dumps(pause.to_dict()))
"""


def test_another_process_resumes() -> None:
    def process(*args: str, **options: str) -> list[str]:
        command = [sys.executable, "-c", textwrap.dedent(PROCESS), *args]
        return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout.splitlines()

    noted, state = process()
    assert noted == "noted"
    assert process("approved", input=state) == ["paid 5"]


def test_one_of_two_readers_may_go_away_W5(native: Colour) -> None:
    async def scenario() -> None:
        in_tool, go_on = anyio.Event(), anyio.Event()

        async def wait() -> str:
            in_tool.set()
            await go_on.wait()
            return "waited"

        chain = scripted(native, [call("wait")], "done").conversation().chain("Go", tools=[wait])
        async with anyio.create_task_group() as group:
            group.start_soon(chain.text)
            await in_tool.wait()
            with anyio.move_on_after(0.01):
                await chain.text()
            assert not chain.conversation.queue.is_empty
            go_on.set()
        assert await chain.text() == "done" and chain.conversation.queue.is_empty

    native.run(scenario)


def test_hooks_change_what_runs_and_not_what_the_model_said(colour: Colour) -> None:
    def elsewhere(tool: chat.Tool | None, call: chat.ToolCall) -> None:
        call.arguments["where"] = "elsewhere"

    async def scenario() -> None:
        chain = rounds(colour, "Three").chain("Go", tools=[look], before_call=elsewhere)
        messages = await colour.got(chain.messages())
        assert messages[1].parts[0].output == "seen elsewhere"
        assert messages[0].parts[1].arguments == {"where": "here"}

    colour.run(scenario)


def test_tools_get_a_context_that_the_model_does_not_see_W33(colour: Colour) -> None:
    def greet(ctx: chat.Context[str], name: str) -> str:
        return f"{ctx.deps} {name}"

    async def scenario() -> None:
        model = scripted(colour, [call("greet", name="Ada")], "done")
        chain = model.chain("Go", tools=[greet], context=chat.Context(deps="Hello"))
        assert (await colour.got(chain.messages()))[1].parts[0].output == "Hello Ada"
        assert list(model.script.prompts[0].tools[0].input_schema["properties"]) == ["name"]

    colour.run(scenario)


def test_two_tools_of_one_name_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="Two tools are named"):
        scripted(Colour("blocking")).prompt("Go", tools=[look, chat.Tool("look")])
