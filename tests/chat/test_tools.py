"""Tools of the lazy face: what the model is told, and what comes of its calls."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import gc
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any, Optional

import anyio
import pytest
from pydantic import BaseModel, Field

from mirascope_like.chat.messages.attachments import Attachment
from mirascope_like.chat.tools.tool import (
    CancelToolCall,
    PauseChain,
    Tool,
    ToolCall,
    ToolOutput,
    ToolResult,
    make_toolkit,
    run_calls,
)
from mirascope_like.engine.runtime import BLOCKING, NATIVE, run
from mirascope_like.llm import Context, Image

from ..conftest import PATIENCE, Colour


def results(
    colour: Colour, tools: Sequence[Tool | Callable[..., Any]], *calls: ToolCall, **options: Any
) -> list[ToolResult]:
    made = [tool if isinstance(tool, Tool) else Tool.function(tool) for tool in tools]
    runtime = NATIVE if colour.is_async else BLOCKING
    return colour.run(lambda: run_calls(runtime, made, calls, **options))


def result(colour: Colour, tool: Callable[..., Any] | Tool, **arguments: Any) -> ToolResult:
    """The result of one call of one tool."""
    name = tool.name if isinstance(tool, Tool) else tool.__name__
    (only,) = results(colour, [tool], ToolCall(name, arguments, "id"))
    return only


class Sky(Enum):
    CLEAR = "clear"


class Place(BaseModel):
    city: str
    title: str = ""


# -- what the model is told -------------------------------------------------------------------------------------------


def test_a_function_says_all_of_its_tool() -> None:
    def weather(city: str, days: int = 1) -> str:
        """The weather to come.

        Args:
            city: The name of a city.
        """
        return city

    tool = Tool.function(weather)
    assert (tool.name, tool.description, tool.implementation) == ("weather", "The weather to come.", weather)
    assert tool.input_schema["properties"] == {
        "city": {"type": "string", "description": "The name of a city."},
        "days": {"type": "integer", "default": 1},
    }
    assert tool.input_schema["required"] == ["city"]
    other = Tool.function(weather, name="forecast", description="Else")
    assert (other.name, other.description) == ("forecast", "Else")


def test_a_function_without_a_docstring_has_no_description() -> None:
    def nothing() -> None: ...

    tool = Tool.function(nothing)
    assert tool.description is None
    assert tool.input_schema["properties"] == {}


def test_lambdas_need_a_name() -> None:
    with pytest.raises(ValueError, match="lambda"):
        Tool.function(lambda x: x)
    assert Tool.function(lambda x: x, name="same").name == "same"


def test_partials_and_callable_objects_are_tools(colour: Colour) -> None:
    class Adder:
        def __call__(self, a: int, b: int) -> int:
            return a + b

    def add(a: int, b: int) -> int:
        return a + b

    assert Tool.function(Adder()).name == "Adder"
    assert result(colour, Tool.function(Adder(), name="add"), a="1", b=2).output == "3"
    assert result(colour, Tool.function(functools.partial(add, b=2), name="add"), a="1").output == "3"


def test_w15_a_parameter_named_title_stays() -> None:
    def book(title: str, place: Place) -> None: ...

    schema = Tool.function(book).input_schema
    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["$defs"]["Place"]["properties"]["title"] == {"type": "string", "default": ""}


def test_w18_parameters_are_described_and_may_have_any_name() -> None:
    def search(
        query: Annotated[str, Field(description="What to look for")],
        model_config: str,
        schema: Optional[int],  # noqa: UP045
        _x: bool,
        *args: int,
        json: float = 1.5,
        copy: str = "",
        **kwargs: int,
    ) -> None: ...

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = Tool.function(search).input_schema
    assert list(schema["properties"]) == ["query", "model_config", "schema", "_x", "json", "copy"]
    assert schema["properties"]["query"]["description"] == "What to look for"
    assert schema["required"] == ["query", "model_config", "schema", "_x"]


def test_tools_have_names_by_content() -> None:
    def fn(a: int) -> None: ...

    assert Tool.function(fn).hash() == Tool.function(fn).hash()
    assert len({Tool("a").hash(), Tool("b").hash(), Tool("a", "x").hash(), Tool("a", plugin="p").hash()}) == 4


def test_a_schema_may_be_a_model_or_given() -> None:
    assert Tool("a", input_schema=Place).input_schema["properties"]["city"] == {"type": "string"}
    assert Tool("a", input_schema={"type": "object"}).runnable.parameters == {"type": "object"}


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two tools are named 'a'"):
        make_toolkit([Tool("a"), Tool("a")])


# -- arguments --------------------------------------------------------------------------------------------------------


def test_w19_arguments_are_checked_and_converted(colour: Colour) -> None:
    got: list[Any] = []

    def plan(n: int, sky: Sky, on: dt.date, at: Place) -> None:
        got.extend((n, sky, on, at))

    result(colour, plan, n="1", sky="clear", on="2024-02-29", at={"city": "Zürich"})
    assert got == [1, Sky.CLEAR, dt.date(2024, 2, 29), Place(city="Zürich")]
    wrong = result(colour, plan, n="many", sky="clear", on="2024-02-29", at={"city": "x"})
    assert wrong.output.startswith("Error: The arguments of plan do not fit:\n- n: Input should be a valid integer")
    assert wrong.exception is not None


def test_a_given_schema_s_function_says_how_arguments_are_read(colour: Colour) -> None:
    def double(n: int) -> int:
        return 2 * n

    assert result(colour, Tool("double", None, {"type": "object"}, double), n="21").output == "42"
    anything = Tool("anything", None, {"type": "object"}, lambda **given: sorted(given))
    assert result(colour, anything, b=1, a=2).output == '["a","b"]'


def test_what_is_no_json_does_not_reach_the_tool(colour: Colour) -> None:
    def double(n: int) -> int:
        return 2 * n

    assert "Invalid JSON" in result(colour, double, _raw='{"n": ').output


def test_a_tool_may_ask_for_its_call(colour: Colour) -> None:
    class Box:
        def method(self, x: int, llm_tool_call: ToolCall) -> str | None:
            return llm_tool_call.tool_call_id

    def sync(llm_tool_call, x: int) -> str | None:  # type: ignore[no-untyped-def]
        return llm_tool_call.tool_call_id

    async def native(x: int, llm_tool_call: ToolCall) -> str | None:
        return llm_tool_call.tool_call_id

    def catch_all(x: int, **rest: Any) -> list[str]:
        return list(rest)

    for fn in (sync, native, Box().method):
        assert list(Tool.function(fn).input_schema["properties"]) == ["x"]
        assert result(colour, fn, x=1).output == "id"
    assert result(colour, catch_all, x=1).output == "[]"


def test_w33_a_tool_may_ask_for_the_caller_s_context(colour: Colour) -> None:
    def whose(ctx: Context[str], n: int) -> str:
        return f"{ctx.deps} {n}"

    call = ToolCall("whose", {"n": 1})
    assert results(colour, [whose], call, context=Context(deps="ours"))[0].output == "ours 1"
    with pytest.raises(TypeError, match="takes a context"):
        results(colour, [whose], call)


# -- results ----------------------------------------------------------------------------------------------------------


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (None, "null"),
        ((1, "ü"), '[1,"ü"]'),
        (dt.date(2024, 2, 29), '"2024-02-29"'),
        (Place(city="Łódź"), '{"city":"Łódź","title":""}'),
        ({"odd": Odd()}, '{"odd":"<odd>"}'),
    ],
)
def test_results_as_text(colour: Colour, value: object, text: str) -> None:
    def give() -> object:
        return value

    assert result(colour, give) == ToolResult("give", text, tool_call_id="id")


def test_a_tool_may_attach_files(colour: Colour) -> None:
    dot = Attachment(type="image/png", content=b"dot")

    def draw() -> ToolOutput:
        return ToolOutput({"drawn": 1}, [dot])

    assert result(colour, draw) == ToolResult("draw", '{"drawn":1}', [dot], "id")


def test_the_images_of_a_result_are_attached(colour: Colour) -> None:
    pixels = b"\x89PNG\r\n\x1a\n" + b"0" * 8

    def draw() -> object:
        return ["a dot", Image.from_bytes(pixels)]

    def scan() -> object:
        return {"scan": Image.from_bytes(pixels)}

    assert result(colour, draw) == ToolResult("draw", "a dot", [Attachment(type="image/png", content=pixels)], "id")
    assert isinstance(result(colour, scan).exception, TypeError)


def test_a_method_s_result_names_its_object(colour: Colour) -> None:
    class Box:
        def method(self) -> str:
            return "x"

    box = Box()
    assert result(colour, box.method).instance is box


def fail() -> None:
    raise ValueError("no such city")


def fail_silently() -> None:
    raise LookupError


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def fail_unprintably() -> None:
    raise Unprintable


def cancel_itself() -> None:
    raise CancelToolCall("too late")


@pytest.mark.parametrize(
    ("tool", "output"),
    [
        (fail, "Error: no such city"),
        (fail_silently, "Error: LookupError"),
        (fail_unprintably, "Error: Unprintable"),
        (cancel_itself, "Error: too late"),
    ],
)
def test_failures_are_told(colour: Colour, tool: Callable[..., Any], output: str) -> None:
    failed = result(colour, tool)
    assert failed.output == output
    assert isinstance(failed.exception, Exception)


def test_missing_tools_are_told(colour: Colour) -> None:
    (missing,) = results(colour, [fail], ToolCall("x", {}, "7"))
    assert (missing.output, missing.tool_call_id) == ('Error: tool "x" does not exist', "7")
    assert isinstance(missing.exception, KeyError)


def test_w31_a_tool_without_a_function_is_told(colour: Colour) -> None:
    told = result(colour, Tool("elsewhere"))
    assert told.output == 'Error: tool "elsewhere" has no implementation'


def test_w12_a_plain_function_may_give_something_to_await(colour: Colour) -> None:
    async def slow() -> str:
        return "slow"

    assert result(colour, Tool.function(lambda: slow(), name="plain")).output == "slow"


def test_w3_async_tools_run_in_blocking_calls_inside_a_loop() -> None:
    async def slow() -> str:
        await asyncio.sleep(0)
        return "slow"

    async def scenario() -> ToolResult:
        return run(run_calls(BLOCKING, [Tool.function(slow)], [ToolCall("slow", {})]))[0]

    assert asyncio.run(scenario()).output == "slow"


def test_w2_blocking_tools_do_not_stall_the_loop(native: Colour) -> None:
    inside, release = threading.Event(), threading.Event()

    def block() -> str:
        inside.set()
        return str(release.wait(PATIENCE))

    async def let_go() -> None:
        while not inside.is_set():
            await anyio.sleep(0.001)
        release.set()

    async def scenario() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            return (await run_calls(NATIVE, [Tool.function(block)], [ToolCall("block", {})]))[0].output

    assert native.run(scenario) == "True"


# -- limits -----------------------------------------------------------------------------------------------------------


class Crowd:
    """Counts how many of each tool, and of all, run at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: dict[str, int] = {}
        self.most: dict[str, int] = {}

    async def visit(self, llm_tool_call: ToolCall) -> None:
        self._count(llm_tool_call.name, 1)
        for _ in range(5):
            await anyio.sleep(0)
        self._count(llm_tool_call.name, -1)

    def _count(self, name: str, change: int) -> None:
        with self.lock:
            self.inside[name] = self.inside.get(name, 0) + change
            now = {name: self.inside[name], "all": sum(self.inside.values())}
            self.most = {each: max(self.most.get(each, 0), now.get(each, 0)) for each in {*self.most, *now}}


def test_w8_limits_hold_for_all_tools_and_for_each(colour: Colour) -> None:
    crowd = Crowd()
    narrow = Tool("narrow", None, {}, crowd.visit, max_concurrency=1)
    wide = Tool("wide", None, {}, crowd.visit)
    calls = [ToolCall(name, {}, str(at)) for at, name in enumerate(["narrow", "wide"] * 5)]
    told = results(colour, [narrow, wide], *calls, limit=4)
    assert [each.tool_call_id for each in told] == [call.tool_call_id for call in calls]
    assert [each.exception for each in told] == [None] * 10
    assert crowd.most["narrow"] == 1
    assert crowd.most["all"] <= 4
    with pytest.raises(ValueError, match="at least one call"):
        _ = Tool("none", max_concurrency=0).runnable


def test_w8_one_at_a_time_is_where_the_caller_is() -> None:
    def where() -> int:
        return threading.get_ident()

    calls = [ToolCall("where", {})] * 3
    told = run(run_calls(BLOCKING, [Tool.function(where)], calls, limit=1))
    assert {each.output for each in told} == {str(threading.get_ident())}


# -- hooks ------------------------------------------------------------------------------------------------------------


class Log:
    """Hooks that note what they see; plain functions or async ones."""

    def __init__(self, colour: Colour, before: dict[str, Exception] | None = None, **after: Exception) -> None:
        self.seen: list[tuple[str, ...]] = []
        self.before_call = colour.fn(self._before)
        self.after_call = colour.fn(self._after)
        self._raised = before or {}
        self._raised_after = after

    def _before(self, tool: Tool | None, call: ToolCall) -> None:
        self.seen.append(("before", call.name, str(tool and tool.name)))
        if call.name in self._raised:
            raise self._raised[call.name]

    def _after(self, tool: Tool, call: ToolCall, told: ToolResult) -> None:
        self.seen.append(("after", call.name, told.output))
        if call.name in self._raised_after:
            raise self._raised_after[call.name]

    def of(self, name: str) -> list[str]:
        return [kind for kind, of, _ in self.seen if of == name]

    @property
    def hooks(self) -> dict[str, Any]:
        return {"before_call": self.before_call, "after_call": self.after_call}


def good() -> str:
    return "good"


async def pausing() -> str:
    raise PauseChain("ask somebody")


TOOLS = [Tool.function(fn) for fn in (good, fail, cancel_itself, pausing)] + [
    Tool("other"),
    Tool.function(good, "unwanted"),
]


def calls(*names: str) -> list[ToolCall]:
    return [ToolCall(name, {}, str(at)) for at, name in enumerate(names)]


def test_when_hooks_fire(colour: Colour) -> None:
    log = Log(colour, {"unwanted": CancelToolCall("not now")})
    told = results(colour, TOOLS, *calls("good", "fail", "nowhere", "unwanted", "cancel_itself"), **log.hooks)
    assert [each.output for each in told] == [
        "good",
        "Error: no such city",
        'Error: tool "nowhere" does not exist',
        "Cancelled: not now",
        "Error: too late",
    ]
    assert isinstance(told[3].exception, CancelToolCall)
    assert log.of("good") == log.of("fail") == log.of("cancel_itself") == ["before", "after"]
    assert log.of("nowhere") == log.of("unwanted") == ["before"]
    assert ("before", "nowhere", "None") in log.seen
    assert ("before", "good", "good") in log.seen


def test_sync_hooks_serve_async_calls_and_the_other_way_round(colour: Colour) -> None:
    seen: list[str] = []

    def before(tool: Tool | None, call: ToolCall) -> None:
        seen.append("before")

    async def after(tool: Tool, call: ToolCall, told: ToolResult) -> None:
        await anyio.sleep(0)
        seen.append(told.output)

    results(colour, TOOLS, *calls("good"), before_call=before, after_call=after)
    assert seen == ["before", "good"]


def test_what_hooks_change_counts(colour: Colour) -> None:
    def double(n: int) -> int:
        return 2 * n

    def before(tool: Tool | None, call: ToolCall) -> None:
        call.arguments["n"] = "21"

    def after(tool: Tool, call: ToolCall, told: ToolResult) -> None:
        told.output += "!"

    (told,) = results(colour, [double], ToolCall("double", {"n": 1}), before_call=before, after_call=after)
    assert told.output == "42!"


@pytest.mark.parametrize("where", ["before", "after"])
def test_what_hooks_raise_goes_through_when_all_have_ended(colour: Colour, where: str) -> None:
    error = RuntimeError("hook")
    log = Log(colour, {"fail": error}) if where == "before" else Log(colour, fail=error)
    with pytest.raises(RuntimeError) as caught:
        results(colour, TOOLS, *calls("fail", "good"), **log.hooks)
    assert caught.value is error
    assert log.of("good") == ["before", "after"]


def test_cancelling_in_after_call_goes_through(colour: Colour) -> None:
    with pytest.raises(CancelToolCall, match="late"):
        results(colour, TOOLS, *calls("good"), **Log(colour, good=CancelToolCall("late")).hooks)


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_w23_a_pause_waits_for_the_others_and_carries_their_results(colour: Colour) -> None:
    log = Log(colour)
    with pytest.raises(PauseChain, match="ask somebody") as caught:
        results(colour, TOOLS, *calls("pausing", "good", "nowhere", "fail", "pausing"), **log.hooks)
    pause = caught.value
    assert pause.tool_call is not None
    assert (pause.tool_call.name, pause.tool_call.tool_call_id) == ("pausing", "0")
    assert [(each.tool_call_id, each.output) for each in pause.tool_results] == [
        ("1", "good"),
        ("2", 'Error: tool "nowhere" does not exist'),
        ("3", "Error: no such city"),
    ]
    assert pause.paused == [ToolCall("pausing", {}, id) for id in ("0", "4")]
    assert log.of("pausing") == ["before", "before"]


def test_w23_a_pause_of_before_call_carries_the_call(colour: Colour) -> None:
    log = Log(colour, {"good": PauseChain("may I?")})
    with pytest.raises(PauseChain) as caught:
        results(colour, TOOLS, *calls("fail", "good"), **log.hooks)
    assert caught.value.tool_call is not None
    assert caught.value.tool_call.name == "good"
    assert [each.name for each in caught.value.tool_results] == ["fail"]


def test_a_hook_s_failure_counts_for_more_than_a_pause(colour: Colour) -> None:
    with pytest.raises(RuntimeError, match="hook"):
        results(colour, TOOLS, *calls("pausing", "good"), **Log(colour, good=RuntimeError("hook")).hooks)


def test_a_pause_of_after_call_is_a_hook_s_failure(colour: Colour) -> None:
    with pytest.raises(PauseChain, match="done already") as caught:
        results(colour, TOOLS, *calls("pausing", "good"), **Log(colour, good=PauseChain("done already")).hooks)
    assert caught.value.tool_call is None


def test_w7_cancelling_leaves_no_tool_and_no_hook_running(native: Colour) -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def stay(what: str) -> None:
        begun.append(what)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(what)

    async def sleep() -> None:
        await stay("tool")

    async def before(tool: Tool | None, call: ToolCall) -> None:
        if call.tool_call_id == "1":
            await stay("hook")

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            tools = [Tool.function(sleep)]
            group.start_soon(lambda: run_calls(NATIVE, tools, calls("sleep", "sleep", "sleep"), before_call=before))
            while len(begun) < 3:
                await anyio.sleep(0)
            group.cancel_scope.cancel()

    native.run(scenario)
    assert sorted(ended) == ["hook", "tool", "tool"]


def test_functions_are_described_once_and_let_go() -> None:
    def fn(a: int) -> None: ...

    first = Tool.function(fn)
    assert Tool.function(fn) == first
    gone = weakref.ref(fn)
    del fn, first
    gc.collect()
    assert gone() is None
