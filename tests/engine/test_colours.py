"""One call object wherever it may be used: in loops and out of them, in threads, in tools, in loop after loop."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import echo, register, saying
from ..transport.server import Server


@llm.call("test/model")
def ask(question: str) -> str:
    return question


@llm.call("test/model")
async def ask_async(question: str) -> str:
    return question


@pytest.fixture(autouse=True)
def echoing(server: Server) -> None:
    server.answer = saying(echo)
    register(server)


def test_blocking_calls_work_inside_a_running_loop(native: Colour) -> None:
    async def scenario() -> list[str]:
        streamed = "".join(ask.stream("streamed").text_stream())
        return [ask("whole").text(), streamed, (await ask_async("async")).text()]

    assert native.run(scenario) == ["whole", "streamed", "async"]


def test_blocking_calls_work_in_a_sync_tool_of_an_async_call(colour: Colour) -> None:
    def look_up(term: str) -> str:
        return ask(f"What is {term}?").text()

    model = llm.scripted([llm.ToolCall(id="1", name="look_up", args='{"term": "tea"}')])

    async def scenario() -> list[object]:
        response = await colour.got(colour.ask(model, "Hi", tools=[look_up]))
        return [output.output for output in await colour.got(response.execute_tools())]

    assert colour.run(scenario) == ["What is tea?"]


def test_async_tools_that_make_blocking_calls_with_async_tools() -> None:
    async def sum_below(n: int) -> int:
        await asyncio.sleep(0)
        if n == 0:
            return 0
        calls = [llm.ToolCall(id=str(i), name="sum_below", args=f'{{"n": {i}}}') for i in range(n)]
        response = llm.scripted(calls).call("go", tools=[sum_below])
        return n + sum(output.output for output in response.execute_tools())

    calls = [llm.ToolCall(id=id, name="sum_below", args='{"n": 4}') for id in "ab"]
    response = llm.scripted(calls).call("go", tools=[sum_below])
    with ThreadPoolExecutor(1) as pool:  # in a thread, so that a deadlock is a failure
        outputs = pool.submit(response.execute_tools).result(PATIENCE)
    assert [output.output for output in outputs] == [15, 15]


def test_one_loop_after_another() -> None:
    async def talk(round: int) -> list[str]:
        whole, stream = await asyncio.gather(ask_async(f"whole {round}"), ask_async.stream(f"stream {round}"))
        await stream.finish()
        return [whole.text(), stream.text()]

    said = [asyncio.run(talk(round)) for round in range(4)]
    assert said == [[f"whole {round}", f"stream {round}"] for round in range(4)]


def test_threads_share_a_call() -> None:
    def many(thread: int) -> list[str]:
        return [ask(f"{thread}.{n}").text() for n in range(8)]

    assert in_threads(many) == expected()


def test_threads_with_loops_share_a_call() -> None:
    async def many(thread: int) -> list[str]:
        return [response.text() for response in await asyncio.gather(*(ask_async(f"{thread}.{n}") for n in range(8)))]

    assert in_threads(lambda thread: asyncio.run(many(thread))) == expected()


def in_threads(work) -> list[list[str]]:
    start = threading.Barrier(8)

    def begin(thread: int) -> list[str]:
        start.wait(PATIENCE)
        return work(thread)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(begin, range(8)))


def expected() -> list[list[str]]:
    return [[f"{thread}.{n}" for n in range(8)] for thread in range(8)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_has_a_life_of_its_own() -> None:
    async def shout(word: str) -> str:
        await asyncio.sleep(0)
        return word.upper()

    def both() -> str:
        call = llm.ToolCall(id="1", name="shout", args='{"word": "tool"}')
        tool = llm.scripted([call]).call("go", tools=[shout]).execute_tools()[0].output
        return f"{ask('call').text()} {tool}"

    assert both() == "call TOOL"  # now the parent has a connection and a background loop
    child = multiprocessing.get_context("fork").Process(target=_exit_well_if, args=(both, "call TOOL"))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0
    assert both() == "call TOOL"


def _exit_well_if(work, expected: str) -> None:
    sys.exit(work() != expected)


def test_context_variables_reach_tools(colour: Colour) -> None:
    from contextvars import ContextVar

    who: ContextVar[str] = ContextVar("who", default="nobody")

    def plain() -> str:
        return who.get()

    async def native() -> str:
        await anyio.lowlevel.checkpoint()
        return who.get()

    model = llm.scripted([llm.ToolCall(id=name, name=name, args="") for name in ("plain", "native")])

    async def scenario() -> list[object]:
        who.set("me")
        response = await colour.got(colour.ask(model, "Hi", tools=[plain, native]))
        return [output.output for output in await colour.got(response.execute_tools())]

    assert colour.run(scenario) == ["me", "me"]
