"""Toolboxes and server-side tools."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.chat.tools.tool import Tool, ToolCall, make_toolkit, run_calls
from mirascope_like.chat.tools.toolbox import (
    ServerSideTool,
    Toolbox,
    check_server_side,
    config_of,
    flatten,
    prepare_all,
)
from mirascope_like.engine.runtime import BLOCKING, NATIVE

from ..conftest import PATIENCE, Colour


def prepare(colour: Colour, *tools: Any) -> None:
    colour.run(lambda: prepare_all(NATIVE if colour.is_async else BLOCKING, tools))


def names(*tools: Any) -> list[str]:
    return [tool.name for tool in flatten(tools)]


class Notes(Toolbox):
    """Keeps notes."""

    def __init__(self, size: int, title: str = "none", *rest: int, **options: int) -> None:
        self.size = size
        self.notes: list[str] = []

    def write(self, note: str) -> int:
        "Keep a note."
        self.notes.append(note)
        return len(self.notes)

    async def all(self) -> list[str]:
        return self.notes

    @staticmethod
    def count(text: str) -> int:
        return len(text)

    @classmethod
    def kind(cls) -> str:
        return cls.__name__

    @property
    def trap(self) -> str:
        raise AssertionError("looked at")

    class Inner: ...

    def _private(self) -> None: ...


def plain(x: int) -> int:
    return x


def test_public_methods_are_tools() -> None:
    assert names(Notes(1)) == ["Notes_all", "Notes_count", "Notes_kind", "Notes_write"]
    assert flatten([Notes(1)])[-1].description == "Keep a note."


def test_a_toolbox_keeps_its_state(colour: Colour) -> None:
    notes = Notes(1)
    called = [ToolCall("Notes_write", {"note": note}) for note in ("a", "b")]

    async def scenario() -> list[str]:
        runtime = NATIVE if colour.is_async else BLOCKING
        for call in called:
            await run_calls(runtime, flatten([notes]), [call])
        (told,) = await run_calls(runtime, flatten([notes]), [ToolCall("Notes_all", {})])
        assert told.instance is notes
        return [told.output]

    assert colour.run(scenario) == ['["a","b"]']


def test_tools_can_be_added(colour: Colour) -> None:
    notes, other = Notes(1), Notes(1)

    def size(box: Notes, plus: int) -> int:
        return box.size + plus

    notes.add_tool(plain)
    notes.add_tool(Tool("described"))
    notes.add_tool(size, pass_self=True)
    notes.add_tool(Tool("sized", None, {}, size), pass_self=True)
    assert names(notes)[-4:] == ["plain", "described", "size", "sized"]
    notes.add_tool(plain)  # again: it takes the place of the first
    assert names(other) == names(Notes(2))
    runtime = NATIVE if colour.is_async else BLOCKING
    asked = [ToolCall(name, {"plus": 2}) for name in ("size", "sized")]
    told = colour.run(lambda: run_calls(runtime, flatten([notes]), asked))
    assert [each.output for each in told] == ["3", "3"]
    with pytest.raises(TypeError, match="not 5"):
        notes.add_tool(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_s_tools_are_its_own(colour: Colour, copied: Callable[[Notes], Notes]) -> None:
    def size(box: Notes, plus: int) -> int:
        return box.size + plus

    notes = Notes(1)
    notes.add_tool(plain)
    notes.add_tool(size, pass_self=True)
    runtime = NATIVE if colour.is_async else BLOCKING
    asked = [ToolCall("Notes_all", {}), ToolCall("size", {"plus": 2})]
    before = colour.run(lambda: run_calls(runtime, flatten([notes]), asked))
    other = copied(notes)
    other.size = 5
    told = colour.run(lambda: run_calls(runtime, flatten([other]), asked))
    assert [each.instance for each in (*before, *told)] == [notes, notes, other, other]
    assert [each.output for each in told[1:]] == ["7"]
    assert names(other) == names(notes) and config_of(other) == config_of(notes)
    other.add_tool(Tool("more"))
    assert "more" not in names(notes)


def test_what_a_toolbox_was_made_with_is_kept() -> None:
    assert config_of(Notes(3, "x", 4, 5, more=6)) == {"size": 3, "title": "x"}
    assert config_of(Notes(size=3)) == {"size": 3, "title": "none"}
    assert list(inspect.signature(Notes).parameters) == ["size", "title", "rest", "options"]
    with pytest.raises(TypeError, match="size"):
        Notes()  # type: ignore[call-arg]


def test_w30_subclasses_of_subclasses() -> None:
    class More(Notes):
        def __init__(self, colour: str) -> None:
            self.add_tool(plain)
            super().__init__(size=7)

    more = More("red")
    assert config_of(more) == {"colour": "red"}
    assert names(more)[-1] == "plain"
    assert more.size == 7


def test_what_is_no_tool_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Notes is a class: give an instance of it, Notes\(…\)"):
        flatten([Notes])
    with pytest.raises(TypeError, match="not 'name'"):
        flatten(["name"])  # type: ignore[list-item]
    assert names(plain, Tool("t")) == ["plain", "t"]


# -- preparing --------------------------------------------------------------------------------------------------------


class Sync(Toolbox):
    """Finds its tools out first; has none of its own."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def prepare(self) -> None:
        self.log.append("prepare")
        self.add_tool(plain)

    def teardown(self) -> None:
        self.log.append("teardown")


class Async(Sync):
    prepare, teardown = Toolbox.prepare, Toolbox.teardown

    async def prepare_async(self) -> None:
        await anyio.sleep(0)
        self.log.append("prepare")
        self.add_tool(plain)

    async def teardown_async(self) -> None:
        await anyio.sleep(0)
        self.log.append("teardown")


KINDS = pytest.mark.parametrize("kind", [Sync, Async])


@KINDS
def test_w16_what_preparing_adds_is_there_at_once(colour: Colour, kind: type[Sync]) -> None:
    box = kind()
    assert names(box) == []
    prepare(colour, plain, box)
    assert names(box) == ["plain"]


@KINDS
def test_w11_preparing_happens_once(colour: Colour, kind: type[Sync]) -> None:
    box = kind()
    runtime = NATIVE if colour.is_async else BLOCKING

    async def scenario() -> None:
        await runtime.together([lambda: prepare_all(runtime, [box])] * 3, 3)
        await prepare_all(runtime, [box])

    colour.run(scenario)
    assert box.log == ["prepare"]


def test_w11_preparing_happens_once_among_threads_and_loops() -> None:
    begun, release = threading.Event(), threading.Event()

    class Slow(Sync):
        def prepare(self) -> None:
            begun.set()
            release.wait(PATIENCE)
            super().prepare()

    box = Slow()

    def in_loop(_: int) -> list[str]:
        asyncio.run(prepare_all(NATIVE, [box]))
        return list(box.log)

    with ThreadPoolExecutor(4) as pool:
        seen = [pool.submit(in_loop, at) for at in range(4)]
        begun.wait(PATIENCE)
        release.set()
        assert [each.result(PATIENCE) for each in seen] == [["prepare"]] * 4


def test_w11_more_may_wait_than_there_are_worker_threads(native: Colour) -> None:
    box = Sync()

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(prepare_all, NATIVE, [box])

    native.run(scenario)
    assert box.log == ["prepare"]


def test_w11_failed_preparing_is_tried_again(colour: Colour) -> None:
    class Unlucky(Sync):
        def prepare(self) -> None:
            super().prepare()
            if len(self.log) == 1:
                raise OSError("no connection")

    box = Unlucky()
    with pytest.raises(OSError, match="no connection"):
        prepare(colour, box)
    prepare(colour, box)
    prepare(colour, box)
    assert box.log == ["prepare", "prepare"]


@KINDS
def test_w11_what_was_prepared_is_torn_down(colour: Colour, kind: type[Sync]) -> None:
    box = kind()

    async def scenario() -> None:
        for _ in range(2):
            async with colour.within(box):
                assert box.log[-1] == "prepare"

    if colour.is_async:
        colour.run(scenario)
    else:
        for _ in range(2):
            with box:
                assert box.log[-1] == "prepare"
    assert box.log == ["prepare", "teardown"] * 2


def test_of_two_ways_to_prepare_that_of_the_colour_is_taken(colour: Colour) -> None:
    class Both(Toolbox):
        way = ""

        def prepare(self) -> None:
            self.way += "sync"

        async def prepare_async(self) -> None:
            self.way += "async"

    box = Both()
    prepare(colour, box)
    assert box.way == ("async" if colour.is_async else "sync")


# -- server-side tools ------------------------------------------------------------------------------------------------


class Search(ServerSideTool):
    """Looks things up."""

    name = "web_search"

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit

    def tool_spec(self, model: object) -> dict[str, Any]:
        return {"type": "search", "limit": self.limit}


def test_server_side_tools() -> None:
    search = Search(5)
    assert (search.name, search.description, search.tool_spec(None)["limit"]) == ("web_search", "Looks things up.", 5)
    assert config_of(search) == {"limit": 5}
    assert Search(5).hash() == search.hash() != Search(6).hash()
    raw = ServerSideTool({"type": "code", "size": 1})
    assert (raw.name, raw.tool_spec(None)) == ("code", {"type": "code", "size": 1})
    with pytest.raises(TypeError, match="tool_spec"):
        ServerSideTool().tool_spec(None)
    assert list(make_toolkit(flatten([search, plain])).provider_tools_dict) == ["web_search"]


def test_models_take_only_the_server_side_tools_they_name() -> None:
    raw = ServerSideTool({"type": "code"})
    check_server_side([Search(), Tool("t")], [Search], "m")
    check_server_side([raw], [ServerSideTool], "m")
    for tool, supported in ((raw, [Search]), (Search(), [ServerSideTool]), (raw, [])):
        with pytest.raises(ValueError, match=f"m does not support the server-side tool {tool.name}"):
            check_server_side([tool], supported, "m")


# -- tools of `llm` ---------------------------------------------------------------------------------------------------


def test_tools_of_llm_keep_what_they_say() -> None:
    @llm.tool(name="pay_it", description="Pay.", timeout=3, max_concurrency=1, strict=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    @llm.tool(name="tap", inline=True)
    def tap(box: Toolbox, times: int) -> str:
        return f"{type(box).__name__} {times}"

    (made,), described = flatten([pay]), Tool.function(pay, name="other", description="Else.")
    assert made == Tool("pay_it", "Pay.", pay.parameters, pay.fn, timeout=3, max_concurrency=1, strict=True)
    assert isinstance(made, Tool)
    for each in (made.runnable, described.runnable):
        assert (each.timeout, each.max_concurrency, each.strict) == (3, 1, True)
    assert (described.name, described.description) == ("other", "Else.")
    box = Toolbox()
    box.add_tool(tap, pass_self=True)
    for owner in (box, copy.deepcopy(box)):
        (added,) = owner.tools()
        assert added.name == "tap" and added.runnable.inline and list(added.input_schema["properties"]) == ["times"]
        assert added.implementation is not None and added.implementation(2) == "Toolbox 2"


def test_tools_of_llm_run_in_either_colour(colour: Colour) -> None:
    @llm.tool(name="slow", timeout=0.01)
    async def sleepy() -> None:
        await anyio.sleep_forever()

    @llm.tool(name="greet")
    def greeting(ctx: llm.Context[str], name: str) -> str:
        return f"{ctx.deps} {name}"

    async def scenario() -> None:
        runtime = NATIVE if colour.is_async else BLOCKING
        calls = [ToolCall("slow", {}, "1"), ToolCall("greet", {"name": "Ada"}, "2")]
        slow, greet = await run_calls(runtime, flatten([sleepy, greeting]), calls, context=llm.Context(deps="Hello"))
        assert "longer than 0.01 s" in slow.output and greet.output == "Hello Ada"

    colour.run(scenario)
