"""Sources of tools: prepared once, listed for each call, closed at the end of their block."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm
from mirascope_like.chat.tools.toolbox import Toolbox
from mirascope_like.engine.runtime import Runtime
from mirascope_like.engine.tool_sources import ToolSource

from ..conftest import PATIENCE, Colour


def plain(n: int) -> int:
    """Count."""
    return n


def first() -> str:
    return "1st"


def second() -> str:
    return "2nd"


class Server(ToolSource):
    """Lists what it has now, and notes what happens to it."""

    def __init__(self, *tools: Callable[..., Any]) -> None:
        self.tools: list[Callable[..., Any]] = list(tools)
        self.log: list[str] = []

    async def __open_tools__(self, runtime: Runtime) -> None:
        self.log.append("open")

    async def __list_tools__(self, runtime: Runtime) -> Iterable[Callable[..., Any]]:
        assert self.log[-1] == "open"
        return list(self.tools)

    async def __close_tools__(self, runtime: Runtime) -> None:
        self.log.append("close")


def sent(model: llm.ScriptedModel) -> list[list[str]]:
    """The names of the tools in each request."""
    return [[tool["function"]["name"] for tool in request.get("tools", ())] for request in model.requests]


def call_of(*names: str) -> list[llm.ToolCall]:
    return [llm.ToolCall(id=name, name=name, args="{}") for name in names]


STREAMED = pytest.mark.parametrize("streamed", [False, True])


async def answer(colour: Colour, streamed: bool, model: llm.Model, tools: Any) -> Any:
    response = await colour.got((colour.stream if streamed else colour.ask)(model, "Hi", tools=tools))
    if streamed:
        await colour.got(response.finish())
    return response


# -- what a call knows of its tools -----------------------------------------------------------------------------------


@STREAMED
def test_tools_are_listed_for_each_call(colour: Colour, streamed: bool) -> None:
    server = Server(first)
    model = llm.scripted(call_of("first"), call_of("second"), "done", "done")

    async def scenario() -> None:
        response = await answer(colour, streamed, model, [plain, server])
        assert [tool.name for tool in response.toolkit.tools] == ["plain", "first"]
        server.tools.append(second)
        outputs = await colour.got(response.execute_tools())
        assert [output.result for output in outputs] == ["1st"]
        resumed = await colour.got(response.resume(outputs))
        if streamed:
            await colour.got(resumed.finish())
        assert [output.result for output in await colour.got(resumed.execute_tools())] == ["2nd"]
        assert [tool.name for tool in response.toolkit.tools] == ["plain", "first"]
        server.tools.clear()
        await answer(colour, streamed, model, [server, plain])

    colour.run(scenario)
    assert sent(model) == [["plain", "first"], ["plain", "first", "second"], ["plain"]]
    assert server.log == ["open"]


def test_decorated_calls_and_prompts_take_sources(colour: Colour) -> None:
    server = Server(first)
    model = llm.scripted("done", repeat=True)
    fn = colour.fn(lambda: "Hi")
    call = llm.call(model, tools=[server])(fn)
    prompt = llm.prompt(tools=[plain, server])(fn)
    assert (len(call.toolkit), server.log) == (0, [])  # decorating neither prepares nor lists

    async def scenario() -> None:
        await colour.got(call())
        await colour.got(prompt(model))
        await colour.got(call.options(tools=[server, plain])())

    colour.run(scenario)
    assert sent(model) == [["first"], ["plain", "first"], ["first", "plain"]]


def test_names_are_unique_among_all_tools(colour: Colour) -> None:
    model = llm.scripted("done", repeat=True)

    async def scenario() -> None:
        for tools in ([first, Server(first)], [Server(first), Server(first)], [Server(first, first)]):
            with pytest.raises(ValueError, match="Two tools are named 'first'"):
                await colour.got(colour.ask(model, "Hi", tools=tools))

    colour.run(scenario)
    assert model.requests == []


def test_what_only_looks_like_a_source_is_refused_when_it_is_passed() -> None:
    class Lookalike:
        async def __list_tools__(self, runtime: Runtime) -> Iterable[Callable[..., Any]]:
            return [first]

    tools: Any = [plain, Lookalike()]
    with pytest.raises(TypeError, match="must inherit from ToolSource, which Lookalike does not"):
        llm.Toolkit(tools)
    with pytest.raises(TypeError, match="ToolSource"):
        llm.call("any/model", tools=tools)(lambda: "Hi")


class Clerk:
    """Has tools of its own beside those of a source."""

    server = Server(first)

    @llm.tool
    def own(self) -> str:
        return "own"

    @llm.prompt(tools=[own, server])
    def ask(self) -> str:
        return "Hi"


def test_tools_of_a_class_are_bound_beside_a_source() -> None:
    model = llm.scripted(call_of("own", "first"))
    response = Clerk().ask(model)
    assert [output.result for output in response.execute_tools()] == ["own", "1st"]
    assert sent(model) == [["own", "first"]]


# -- preparing --------------------------------------------------------------------------------------------------------


def test_what_opening_raises_is_raised_before_anything_is_sent(colour: Colour) -> None:
    class Unlucky(Server):
        async def __open_tools__(self, runtime: Runtime) -> None:
            await super().__open_tools__(runtime)
            if len(self.log) == 1:
                raise OSError("no connection")

    server, model = Unlucky(first), llm.scripted("done", repeat=True)

    async def scenario() -> None:
        with pytest.raises(OSError, match="no connection"):
            await colour.got(colour.stream(model, "Hi", tools=[server]))
        assert model.requests == []
        await colour.got(colour.ask(model, "Hi", tools=[server]))

    colour.run(scenario)
    assert sent(model) == [["first"]]
    assert server.log == ["open", "open"]


def test_threads_prepare_a_source_once() -> None:
    begun, release = threading.Event(), threading.Event()

    class Slow(Server):
        async def __open_tools__(self, runtime: Runtime) -> None:
            begun.set()
            assert release.wait(PATIENCE)
            await super().__open_tools__(runtime)

    server, model = Slow(first), llm.scripted("done", repeat=True)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(model.call, "Hi", tools=[server]) for _ in range(4)]
        assert begun.wait(PATIENCE)
        release.set()
        assert [future.result(PATIENCE).text() for future in futures] == ["done"] * 4
    assert server.log == ["open"]
    assert sent(model) == [["first"]] * 4


def test_a_blocking_call_does_not_wait_for_its_own_event_loop(native: Colour) -> None:
    begun, release = anyio.Event(), anyio.Event()

    class Slow(Server):
        async def __open_tools__(self, runtime: Runtime) -> None:
            begun.set()
            await release.wait()
            await super().__open_tools__(runtime)

    server, model = Slow(first), llm.scripted("done", repeat=True)

    async def ask() -> None:
        await native.ask(model, "Hi", tools=[server])

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await begun.wait()
            with pytest.raises(RuntimeError, match="its own thread is just preparing"):
                model.call("Hi", tools=[server])
            release.set()
        model.call("Hi", tools=[server])

    native.run(scenario)
    assert sent(model) == [["first"]] * 2
    assert server.log == ["open"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    begun, release = threading.Event(), threading.Event()

    class Slow(Server):
        async def __open_tools__(self, runtime: Runtime) -> None:
            if not begun.is_set():
                begun.set()
                assert release.wait(PATIENCE)
            await super().__open_tools__(runtime)

    server, model = Slow(first), llm.scripted("done", repeat=True)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(model.call, "Hi", tools=[server])
        assert begun.wait(PATIENCE)
        child = multiprocessing.get_context("fork").Process(target=model.call, args=["Hi"], kwargs={"tools": [server]})
        child.start()
        child.join(PATIENCE)
        exit_code = child.exitcode
        child.kill()
        release.set()
        assert asked.result(PATIENCE).text() == "done"
    assert exit_code == 0


def test_a_closed_source_is_prepared_again_for_its_tools(colour: Colour) -> None:
    server = Server(first)

    async def scenario() -> None:
        async with colour.within(server):
            response = await colour.got(colour.ask(llm.scripted(call_of("first")), "Hi", tools=[server]))
        assert server.log == ["open", "close"]
        assert [output.result for output in await colour.got(response.execute_tools())] == ["1st"]

    colour.run(scenario)
    assert server.log == ["open", "close", "open"]


# -- closing ----------------------------------------------------------------------------------------------------------


def test_a_source_is_closed_at_the_end_of_the_outermost_block(colour: Colour) -> None:
    server = Server()

    async def scenario() -> None:
        async with colour.within(server):
            async with colour.within(server):
                pass
            assert server.log == ["open"]
        assert server.log == ["open", "close"]
        with pytest.raises(ValueError, match="enough"):
            async with colour.within(server):
                raise ValueError("enough")

    colour.run(scenario)
    assert server.log == ["open", "close"] * 2


def test_a_block_that_cannot_begin_counts_for_nothing(colour: Colour) -> None:
    class Unlucky(Server):
        async def __open_tools__(self, runtime: Runtime) -> None:
            await super().__open_tools__(runtime)
            if len(self.log) == 1:
                raise OSError("no connection")

    server = Unlucky()

    async def scenario() -> None:
        with pytest.raises(OSError, match="no connection"):
            async with colour.within(server):
                raise AssertionError
        async with colour.within(server):
            pass

    colour.run(scenario)
    assert server.log == ["open", "open", "close"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_cancelled_block_is_torn_down_to_the_end(native: Colour, is_async: bool) -> None:
    log: list[str] = []

    class Sync(Toolbox):
        def teardown(self) -> None:
            log.append("torn down")

    class Async(Toolbox):
        async def teardown_async(self) -> None:
            await anyio.sleep(0)
            log.append("torn down")

    async def scenario() -> None:
        with anyio.CancelScope() as scope:
            async with Async() if is_async else Sync():
                scope.cancel()
                await anyio.sleep_forever()

    native.run(scenario)
    assert log == ["torn down"]


def test_closing_waits_for_preparing_and_the_next_use_for_closing() -> None:
    opening, closing, go_on = threading.Event(), threading.Event(), threading.Event()

    class Slow(Server):
        async def __close_tools__(self, runtime: Runtime) -> None:
            closing.set()
            assert go_on.wait(PATIENCE)
            await super().__close_tools__(runtime)

    server, model = Slow(first), llm.scripted("done")

    def leave() -> None:
        with server:
            opening.set()

    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(leave)
        assert closing.wait(PATIENCE)
        asked = pool.submit(model.call, "Hi", tools=[server])
        go_on.set()
        left.result(PATIENCE)
        asked.result(PATIENCE)
    assert server.log == ["open", "close", "open"]


# -- toolboxes in llm -------------------------------------------------------------------------------------------------

PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Notes(Toolbox):
    """Keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def prepare(self) -> None:
        self.add_tool(plain)

    def write(self, note: str, llm_tool_call: chat.ToolCall) -> str:
        """Keep a note."""
        self.notes.append(note)
        return f"{llm_tool_call.name} {llm_tool_call.arguments} {llm_tool_call.tool_call_id}"

    async def all(self) -> list[str]:
        return self.notes

    def picture(self) -> chat.ToolOutput:
        return chat.ToolOutput("a picture", [chat.Attachment(type="image/png", content=PIXEL)])

    def fail(self) -> None:
        raise KeyError("lost")


def test_a_toolbox_is_a_source_in_llm(colour: Colour) -> None:
    args = {"write": '{"note": "a"}', "all": "", "picture": "{}", "fail": "{}"}
    calls = [llm.ToolCall(id=name, name=f"Notes_{name}", args=text) for name, text in args.items()]
    model = llm.scripted([*calls, llm.ToolCall(id="p", name="plain", args='{"n": 3}')], "done")

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[Notes()]))
        outputs = await colour.got(response.execute_tools(max_concurrency=1))
        said, notes, picture, number = (output.output for output in outputs if output.error is None)
        assert said == "Notes_write {'note': 'a'} write"
        assert (notes, number) == (["a"], 3)
        assert isinstance(picture[1], llm.Image)
        assert [str(output.error) for output in outputs if output.error is not None] == ["KeyError: 'lost'"]
        assert (await colour.got(response.resume(outputs))).text() == "done"

    colour.run(scenario)
    assert sorted(sent(model)[0]) == ["Notes_all", "Notes_fail", "Notes_picture", "Notes_write", "plain"]


# -- copies -----------------------------------------------------------------------------------------------------------


class Unpicklable(Server):
    def __reduce__(self) -> Any:
        raise TypeError("a connection")


@pytest.mark.parametrize("copied", [lambda kit: pickle.loads(pickle.dumps(kit)), copy.copy, copy.deepcopy])
def test_a_copied_toolkit_keeps_its_sources_and_what_they_listed(copied: Callable[[Any], Any]) -> None:
    model = llm.scripted("done", repeat=True)
    toolkit = copied(model.call("Hi", tools=[first, Notes()]).toolkit)
    assert len(toolkit) == 6
    assert toolkit.execute(llm.ToolCall(id="1", name="plain", args='{"n": 3}')).result == 3
    assert [type(source) for source in toolkit.sources] == [Notes]
    model.call("Hi", tools=toolkit)
    assert sent(model)[0] == sent(model)[1]


def test_a_source_that_cannot_be_pickled_becomes_its_tools() -> None:
    model = llm.scripted("done", repeat=True)
    toolkit = pickle.loads(pickle.dumps(model.call("Hi", tools=[plain, Unpicklable(first)]).toolkit))
    assert [tool.name for tool in toolkit.tools] == ["plain", "first"]
    assert toolkit.sources == ()
    with pytest.raises(TypeError, match="a connection"):
        pickle.dumps(llm.Toolkit([plain, Unpicklable(first)]))  # what it would list is not known
