"""What becomes of jobs that run together when one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.engine.runtime import BLOCKING, NATIVE, Runtime

from ..conftest import PATIENCE, Colour


class Waiting:
    """An async function that never ends by itself, and what is known of it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()):
                self.cancelled.set()
            raise


def runtime_of(colour: Colour) -> Runtime:
    return NATIVE if colour.is_async else BLOCKING


async def fail_after(runtime: Runtime, *events: threading.Event) -> None:
    for event in events:
        await runtime.wait(event)
    raise ValueError("enough")


def check_together(colour: Colour, jobs: Callable[[Runtime], list[Callable[[], Awaitable[Any]]]], limit: int) -> None:
    runtime = runtime_of(colour)

    async def scenario() -> None:
        with pytest.raises(ValueError, match="enough"):
            await runtime.together(jobs(runtime), limit)

    colour.run(scenario)


def test_async_functions_of_the_other_jobs_are_cancelled(colour: Colour) -> None:
    waiting = Waiting()
    check_together(
        colour, lambda runtime: [partial(runtime.invoke, waiting), partial(fail_after, runtime, waiting.begun)], 2
    )
    assert waiting.cancelled.wait(PATIENCE)


def test_so_are_those_of_jobs_inside_of_jobs(colour: Colour) -> None:
    first, second = Waiting(), Waiting()

    def jobs(runtime: Runtime) -> list[Callable[[], Awaitable[Any]]]:
        inner = [partial(runtime.invoke, first), partial(runtime.invoke, second)]
        return [partial(runtime.together, inner, 2), partial(fail_after, runtime, first.begun, second.begun)]

    check_together(colour, jobs, 2)
    assert first.cancelled.wait(PATIENCE) and second.cancelled.wait(PATIENCE)


def test_jobs_that_have_not_begun_never_do(colour: Colour) -> None:
    waiting, failed = Waiting(), threading.Event()
    begun_late: list[int] = []

    async def late() -> None:  # trio begins with any of the jobs
        if failed.is_set():
            begun_late.append(1)

    async def failing(runtime: Runtime) -> None:
        await runtime.wait(waiting.begun)
        failed.set()
        raise ValueError("enough")

    check_together(
        colour, lambda runtime: [partial(runtime.invoke, waiting), partial(failing, runtime), *[late] * 9], 2
    )
    assert waiting.cancelled.wait(PATIENCE)
    assert begun_late == []


def test_a_job_that_is_on_a_thread_calls_nothing_more(colour: Colour) -> None:
    begun, leave, ended = threading.Event(), threading.Event(), threading.Event()
    called: list[str] = []

    def hold() -> None:
        begun.set()
        assert leave.wait(PATIENCE)
        called.append("first")

    async def job(runtime: Runtime) -> None:
        try:
            await runtime.invoke(hold)
            await runtime.invoke(lambda: called.append("second"))
        finally:
            ended.set()

    async def failing(runtime: Runtime) -> None:
        if colour.is_async:  # where the thread is waited for
            leave.set()
        await fail_after(runtime, begun)

    check_together(colour, lambda runtime: [partial(job, runtime), partial(failing, runtime)], 2)
    leave.set()
    assert ended.wait(PATIENCE)
    assert called[:1] == ["first"]
    if not colour.is_async:
        assert called == ["first"]


def test_jobs_that_succeed_are_unharmed_by_what_failed_before(colour: Colour) -> None:
    runtime = runtime_of(colour)

    async def one() -> int:
        return 1

    async def scenario() -> list[int]:
        with pytest.raises(ValueError, match="enough"):
            await runtime.together([partial(fail_after, runtime)] * 2, 2)
        return await runtime.together([one, one], 2)

    assert colour.run(scenario) == [1, 1]


def test_an_async_tool_is_cancelled_when_another_stops_the_program(colour: Colour) -> None:
    waiting = Waiting()

    async def wait() -> None:
        await waiting()

    def stop() -> None:
        waiting.begun.wait(PATIENCE)
        raise SystemExit

    async def scenario() -> None:
        calls = [llm.ToolCall(id=name, name=name, args="{}") for name in ("wait", "stop")]
        response = await colour.got(colour.ask(llm.scripted(calls), "Hi", tools=[wait, stop]))
        with pytest.raises(SystemExit):
            await colour.got(response.execute_tools())

    colour.run(scenario)
    assert waiting.cancelled.wait(PATIENCE)
