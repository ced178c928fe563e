"""Sync functions of async calls: on threads of the library's own, with their time, and when nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from mirascope_like import llm
from mirascope_like.engine import tasks

from ..conftest import PATIENCE, Colour
from .test_tools import calling, run_tools

MOST = 40  # threads that tools of one event loop may have
SOON, LONG = 0.05, 2 * PATIENCE


class Gate:
    """A sync tool, `wait`, that goes on when the gate is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.ended = threading.Event()
        self.inside = 0

    def wait(self) -> str:
        """Wait."""
        self.inside += 1
        assert self.opened.wait(LONG)
        self.ended.set()
        return "opened"

    async def holds(self, number: int) -> None:
        """Return when so many calls wait."""
        with anyio.fail_after(PATIENCE):
            while self.inside < number:
                await anyio.sleep(0.001)


@pytest.fixture
def gate() -> Any:
    gate = Gate()
    yield gate
    gate.opened.set()


async def use(tool: Any, *names: str, **options: Any) -> list[llm.ToolOutput[Any]]:
    """The outputs of calls of a tool."""
    names = names or (getattr(tool, "name", None) or tool.__name__,)
    response = await calling(*names).call_async("Hi", tools=[tool])
    return await response.execute_tools(**options)


async def fill(group: Any, gate: Gate) -> None:
    """Let waiting tools have all threads."""
    for _ in range(MOST + 1):
        group.start_soon(use, gate.wait)
    await gate.holds(MOST)


# -- threads ----------------------------------------------------------------------------------------------------------


def test_threads_of_the_application_stay_free(native: Colour, gate: Gate) -> None:
    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            await fill(group, gate)
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert await anyio.to_thread.run_sync(threading.get_ident)
            assert gate.inside == MOST  # the last one waits in line
            gate.opened.set()
        assert gate.inside == MOST + 1

    native.run(scenario)


def test_context_variables_come_along(colour: Colour) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")

    def read() -> str:
        """Read."""
        return variable.get()

    variable.set("mine")
    assert [output.result for output in run_tools(colour, [read], calling("read", "read"))] == ["mine"] * 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("inner", ["asyncio", "trio"])
def test_a_sync_tool_may_run_an_event_loop(backend: str, inner: str) -> None:
    """Its thread has none, though its context variables are of one that has."""

    def nested() -> str:
        """Run."""
        return anyio.run(use_inside, backend=inner)

    async def use_inside() -> str:
        await anyio.lowlevel.checkpoint()
        return (await use(plain, "plain", "plain"))[1].result

    def plain() -> str:
        """Say so."""
        return "inside"

    outputs = anyio.run(use, nested, "nested", "nested", backend=backend)
    assert [output.result for output in outputs] == ["inside"] * 2


def test_a_sync_tool_may_call_back_into_the_loop(native: Colour) -> None:
    async def scenario() -> str:
        token = anyio.lowlevel.current_token()

        def call_back() -> int:
            """Call back."""
            return anyio.from_thread.run(where, token=token)

        return (await use(call_back))[0].output

    async def where() -> int:
        return threading.get_ident()

    assert native.run(scenario) == threading.get_ident()


# -- time -------------------------------------------------------------------------------------------------------------


def test_the_clock_of_a_tool_starts_when_it_starts(native: Colour, gate: Gate) -> None:
    @llm.tool(timeout=2)
    def quick() -> str:
        """Answer."""
        return "here"

    results: list[str] = []

    async def ask() -> None:
        results.extend(output.result for output in await use(quick))

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            await fill(group, gate)
            group.start_soon(ask)
            await anyio.sleep(2.2)  # longer than it may take
            assert results == []
            gate.opened.set()

    native.run(scenario)
    assert results == ["here"]


def test_a_tool_that_is_cancelled_in_line_never_starts(native: Colour, gate: Gate) -> None:
    started: list[int] = []

    def start() -> None:
        """Start."""
        started.append(1)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            await fill(group, gate)
            with anyio.move_on_after(SOON):
                await use(start)
            gate.opened.set()

    native.run(scenario)
    assert started == []


def test_a_tool_inside_a_tool_has_no_more_time_than_that(colour: Colour, gate: Gate) -> None:
    started: list[int] = []
    inner: list[llm.ToolOutput[Any]] = []
    over = threading.Event()

    def late() -> None:
        """Start too late."""
        started.append(1)

    tools = [gate.wait, late]

    def outer() -> None:
        """Use other tools, one after the other."""
        response = calling("wait", "late").call("Hi", tools=tools)
        inner.extend(response.execute_tools(max_concurrency=1))
        over.set()

    (output,) = run_tools(colour, [llm.tool(timeout=SOON)(outer)], calling("outer"))
    assert over.wait(PATIENCE)
    assert started == []
    assert all("was given up" in each.result for each in inner)
    assert output.error is None or "was given up" in output.result  # whoever notices first


# -- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["wait"], ["wait", "wait"]])
def test_a_cancel_scope_waits_for_the_thread(native: Colour, gate: Gate, names: list[str]) -> None:
    async def scenario() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(use, gate.wait, *names)
                await gate.holds(len(names))
                scope.cancel()
                threading.Timer(0.01, gate.opened.set).start()
        assert gate.ended.is_set()

    native.run(scenario)


@pytest.mark.parametrize("names", [["wait"], ["wait", "wait"]])
def test_asyncio_s_own_cancellation_does_not(gate: Gate, names: list[str]) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(use(gate.wait, *names))
        await gate.holds(len(names))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gate.ended.is_set()

    asyncio.run(scenario())


def test_nor_does_it_in_tools_of_tools(gate: Gate) -> None:
    async def outer() -> None:
        """Use other tools."""
        await use(gate.wait, "wait", "wait")

    async def scenario() -> None:
        task = asyncio.create_task(use(outer, "outer", "outer"))
        await gate.holds(4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gate.ended.is_set()

    asyncio.run(scenario())


def test_a_timeout_of_asyncio_leaves_the_tools_of_others_alone(gate: Gate) -> None:
    """Only what it cancels stops waiting for threads."""

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(within, scope)
            await gate.holds(2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON):
                    await use(gate.wait, "wait", "wait")
            scope.cancel()
            threading.Timer(0.01, gate.opened.set).start()
        assert ended == [True]

    ended: list[bool] = []

    async def within(scope: anyio.CancelScope) -> None:
        with scope:
            await use(gate.wait, "wait", "wait")
        ended.append(gate.ended.is_set())

    asyncio.run(scenario())


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_a_tool_that_stops_the_program_cancels_the_others(
    colour: Colour, gate: Gate, stop: type[BaseException]
) -> None:
    """Those that can be. The exception comes out where they were called."""
    cleaned_up = threading.Event()

    async def cleans_up() -> None:
        """Clean up."""
        gate.inside += 1
        try:
            await anyio.sleep_forever()
        finally:
            cleaned_up.set()

    async def stops() -> None:
        """Stop."""
        await gate.holds(2)
        raise stop

    tools: list[Callable[[], Any]] = [gate.wait, cleans_up, stops]
    with pytest.raises(stop):
        run_tools(colour, tools, calling("wait", "cleans_up", "stops"))
    assert not gate.ended.is_set()
    if colour.is_async:
        assert cleaned_up.is_set()


class Line:
    """The line for a thread, with all threads taken."""

    def __init__(self) -> None:
        self._limiter = tasks._threads.get()
        self._taken = [object() for _ in range(MOST)]
        for each in self._taken:
            self._limiter.acquire_on_behalf_of_nowait(each)

    async def holds(self, number: int) -> None:
        """Return when so many calls wait in it."""
        with anyio.fail_after(PATIENCE):
            while self._limiter.statistics().tasks_waiting < number:
                await anyio.sleep(0.001)

    def give_thread(self) -> None:
        """Give a thread to the first in line."""
        self._limiter.release_on_behalf_of(self._taken.pop())


@pytest.mark.parametrize("names", [["wait", "stops"], ["stops", "wait"]])
def test_a_tool_that_gets_a_thread_when_another_stops_the_program_never_starts(
    native: Colour, gate: Gate, names: list[str]
) -> None:
    async def scenario() -> None:
        line = Line()

        async def stops() -> None:
            """Stop."""
            await line.holds(1)
            line.give_thread()
            raise SystemExit

        with pytest.raises(SystemExit):
            await (await calling(*names).call_async("Hi", tools=[gate.wait, stops])).execute_tools()

    opening = threading.Timer(PATIENCE, gate.opened.set)
    opening.start()
    native.run(scenario)
    opening.cancel()
    assert gate.inside == 0


def test_a_tool_that_starts_after_another_stopped_the_program_is_not_waited_for(native: Colour, gate: Gate) -> None:
    """Though it was called before."""

    async def scenario() -> None:
        line = Line()

        async def stops() -> None:
            """Stop."""
            line.give_thread()
            raise SystemExit

        async with anyio.create_task_group() as group:
            group.start_soon(use, gate.wait)
            await line.holds(1)
            with pytest.raises(SystemExit):
                await use(stops)
            await gate.holds(1)
            group.cancel_scope.cancel()

    opening = threading.Timer(PATIENCE, gate.opened.set)
    opening.start()
    native.run(scenario)
    opening.cancel()
    assert not gate.ended.is_set()


def test_what_stops_the_program_may_be_caught(native: Colour, gate: Gate) -> None:
    """Then cancel scopes wait for threads again."""

    def stops() -> None:
        """Stop."""
        raise SystemExit(2)

    async def scenario() -> None:
        with pytest.raises(SystemExit):
            await use(stops, "stops", "stops")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(use, gate.wait, "wait", "wait")
                await gate.holds(2)
                scope.cancel()
                threading.Timer(0.01, gate.opened.set).start()
        assert gate.ended.is_set()

    native.run(scenario)
