"""A stream whose plan is made when it is first read, and whose result goes to an owner."""

from __future__ import annotations

import gc
import sys
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.engine.plan import Plan
from mirascope_like.engine.results import Result, State
from mirascope_like.engine.runtime import BLOCKING, NATIVE, Runtime
from mirascope_like.engine.streams import Reader, Stream

from ..conftest import Colour


class Owner:
    """Makes the plan of a stream, and keeps its result."""

    def __init__(self, colour: Colour, model: Any, *, fails: Exception | None = None) -> None:
        self.model = model
        self.fails = fails
        self.planned = 0
        self.results: list[Result | None] = []
        self.seen_over: list[bool] = []
        runtime: Runtime = NATIVE if colour.is_async else BLOCKING
        self.stream = Stream(runtime, self.plan, on_end=self.end)

    async def plan(self) -> Plan:
        self.planned += 1
        if self.fails is not None:
            raise self.fails
        return self.model.plan("Hi")

    def end(self, result: Result | None) -> None:
        self.results.append(result)
        self.seen_over.append(self.stream.finished or self.stream.failure is not None)


def test_the_plan_is_made_once_by_the_first_reader(colour: Colour) -> None:
    async def scenario() -> None:
        owner = Owner(colour, llm.scripted("one two"))
        assert owner.planned == 0 and owner.model.requests == []
        await owner.stream.finish()
        await Reader(owner.stream).next()
        assert owner.planned == 1 and len(owner.model.requests) == 1

    colour.run(scenario)


def test_the_owner_has_the_result_before_readers_see_the_end(colour: Colour) -> None:
    async def scenario() -> None:
        owner = Owner(colour, llm.scripted("one two"))
        await owner.stream.finish()
        (result,) = owner.results
        assert result is not None and result.state is State.DONE and owner.seen_over == [False]
        known = sys.getrefcount(result)
        del owner.stream
        gc.collect()
        assert sys.getrefcount(result) == known  # the stream did not keep what the owner has taken over

    colour.run(scenario)


def test_a_plan_that_fails_is_not_made_again(colour: Colour) -> None:
    async def scenario() -> None:
        owner = Owner(colour, llm.scripted("one two"), fails=ValueError("no plan"))
        for _ in range(2):
            with pytest.raises(ValueError, match="no plan"):
                await owner.stream.finish()
        assert owner.planned == 1 and owner.results == [None]

    colour.run(scenario)


def test_an_owner_that_fails_makes_the_call_fail(colour: Colour) -> None:
    class Failing(Owner):
        def end(self, result: Result | None) -> None:
            raise ValueError("no end")

    async def scenario() -> None:
        owner = Failing(colour, llm.scripted("one two"))
        for _ in range(2):
            with pytest.raises(ValueError, match="no end"):
                await owner.stream.finish()
        assert len(owner.model.requests) == 1

    colour.run(scenario)


def test_nothing_is_sent_if_it_is_closed_while_the_plan_is_made(colour: Colour) -> None:
    class Closing(Owner):
        async def plan(self) -> Plan:
            await self.stream.close(llm.StreamClosedError("closed meanwhile"))
            return await super().plan()

    async def scenario() -> None:
        owner = Closing(colour, llm.scripted("one two"))
        for _ in range(2):
            with pytest.raises(llm.StreamClosedError, match="closed meanwhile"):
                await owner.stream.finish()
        assert owner.planned == 1 and owner.results == [None] and owner.model.requests == []

    colour.run(scenario)


def test_an_owner_keeps_the_stream_open_without_readers(colour: Colour) -> None:
    async def scenario() -> None:
        owner = Owner(colour, llm.scripted("one two"))
        reader = Reader(owner.stream)
        await reader.next()
        reader.leave()
        await owner.stream.finish()
        assert owner.stream.finished and len(owner.model.requests) == 1

    colour.run(scenario)


def test_a_cancelled_plan_closes_the_stream(native: Colour) -> None:
    class Waiting(Owner):
        async def plan(self) -> Plan:
            await anyio.sleep_forever()
            raise AssertionError

    async def scenario() -> None:
        owner = Waiting(native, llm.scripted("one two"))
        async with anyio.create_task_group() as group:
            group.start_soon(owner.stream.finish)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        with pytest.raises(llm.StreamClosedError, match="interrupted"):
            await owner.stream.finish()
        assert owner.results == [None] and owner.model.requests == []

    native.run(scenario)
