"""How the tool calls of an answer are run: together, in order, without stalling anybody, and never fatally."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mirascope_like import llm

from ..conftest import PATIENCE, Colour


def calling(*names: str, **args: Any) -> llm.ScriptedModel:
    """A model that calls these tools, with the arguments that are given for them by name, and then says "done"."""
    calls = [llm.ToolCall(id=str(at), name=name, args=args.get(name, "{}")) for at, name in enumerate(names)]
    return llm.scripted(calls, "done")


def run_tools(colour: Colour, tools: list[Any], model: llm.ScriptedModel, **options: Any) -> list[llm.ToolOutput[Any]]:
    """The outputs of one answer's calls."""

    async def scenario() -> Any:
        response = await colour.got(colour.ask(model, "Hi", tools=tools))
        return await colour.got(response.execute_tools(**options))

    return colour.run(scenario)


class Meeting:
    """Tools that call it go on once `size` of them are there, and fail if that does not happen."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._there = 0
        self._threads = threading.Barrier(size, timeout=PATIENCE)
        self._all_there: anyio.Event | None = None

    async def join(self) -> None:
        """For async tools, which are all on one loop."""
        self._all_there = self._all_there or anyio.Event()
        self._there += 1
        if self._there == self._size:
            self._all_there.set()
        with anyio.fail_after(PATIENCE):
            await self._all_there.wait()

    def join_in_thread(self) -> None:
        """For sync tools."""
        self._threads.wait()


def test_the_loop_goes_on_until_the_answer(colour: Colour) -> None:
    @llm.tool
    async def fetch(city: str) -> str:
        """Fetch."""
        return f"sunny in {city}"

    def count(n: int) -> dict[str, int]:
        return {"n": n}

    model = calling("fetch", "count", fetch='{"city": "Zürich"}', count='{"n": "3"}')

    @llm.call(model, tools=[fetch, count])
    @colour.fn
    def ask(question: str) -> str:
        return question

    async def scenario() -> Any:
        response = await colour.got(ask("Weather?"))
        while response.tool_calls:
            response = await colour.got(response.resume(await colour.got(response.execute_tools())))
        return response

    response = colour.run(scenario)
    assert response.text() == "done"
    assert [message.role for message in response.messages] == ["user", "assistant", "user", "assistant"]
    assert model.requests[1]["messages"][-2:] == [
        {"role": "tool", "tool_call_id": "0", "content": "sunny in Zürich"},
        {"role": "tool", "tool_call_id": "1", "content": '{"n":3}'},
    ]


def test_async_tools_overlap_and_answer_in_order(colour: Colour) -> None:
    meeting = Meeting(4)
    finished: list[int] = []
    turn: list[anyio.Event] = []

    async def wait(n: int) -> int:
        turn.append(anyio.Event())
        await meeting.join()
        if n < 3:  # the last call ends first
            await turn[n + 1].wait()
        finished.append(n)
        turn[n].set()
        return n

    calls = [llm.ToolCall(id=str(n), name="wait", args=f'{{"n": {n}}}') for n in range(4)]
    outputs = run_tools(colour, [wait], llm.scripted(calls))
    assert [output.output for output in outputs] == [0, 1, 2, 3]
    if colour.is_async:  # in the blocking colour, calls may enter in any order
        assert finished == [3, 2, 1, 0]


def test_sync_tools_overlap(colour: Colour) -> None:
    meeting = Meeting(3)

    def wait() -> str:
        meeting.join_in_thread()
        return "met"

    assert [output.output for output in run_tools(colour, [wait], calling(*["wait"] * 3))] == ["met"] * 3


def test_sync_and_async_tools_run_together(colour: Colour) -> None:
    came, went = threading.Event(), threading.Event()

    def sync() -> bool:
        came.set()
        return went.wait(PATIENCE)

    async def native() -> bool:
        while not came.is_set():
            await anyio.sleep(0.001)
        went.set()
        return True

    assert [output.output for output in run_tools(colour, [sync, native], calling("sync", "native"))] == [True, True]


def test_a_blocking_tool_does_not_stall_the_loop(native: Colour) -> None:
    inside, release = threading.Event(), threading.Event()

    def block() -> bool:
        inside.set()
        return release.wait(PATIENCE)

    async def scenario() -> bool:
        response = await native.ask(calling("block"), "Hi", tools=[block])
        async with anyio.create_task_group() as group:
            group.start_soon(let_go_from_the_loop)
            return (await response.execute_tools())[0].output

    async def let_go_from_the_loop() -> None:
        while not inside.is_set():
            await anyio.sleep(0.001)
        release.set()

    assert native.run(scenario) is True


def test_a_limit_holds(colour: Colour) -> None:
    running, most = 0, 0
    meeting = Meeting(2)

    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await meeting.join()
        await anyio.sleep(0)
        running -= 1

    run_tools(colour, [count], calling(*["count"] * 6), max_concurrency=2)
    assert most == 2
    with pytest.raises(ValueError, match="at least one"):
        run_tools(colour, [count], calling("count"), max_concurrency=0)


def test_a_tool_s_own_limit_holds(colour: Colour) -> None:
    running, most = 0, 0

    @llm.tool(max_concurrency=2)
    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await meeting.join()
        await anyio.sleep(0)
        running -= 1

    meeting = Meeting(2)
    run_tools(colour, [count], calling(*["count"] * 6))
    assert most == 2
    with pytest.raises(ValueError, match="at least one"):
        llm.tool(max_concurrency=0)(broken)


def test_inline_tools_run_on_the_calling_thread_one_at_a_time(colour: Colour) -> None:
    @llm.tool(inline=True)
    def where() -> int:
        return threading.get_ident()

    outputs = run_tools(colour, [where], calling("where", "where", "where"))
    assert {output.output for output in outputs} == {threading.get_ident()}


def test_cancelling_leaves_nothing_running(native: Colour) -> None:
    inside, release = threading.Event(), threading.Event()
    ended: list[str] = []

    async def sleep() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("async")

    def block() -> None:
        inside.set()
        release.wait(PATIENCE)
        ended.append("sync")

    async def scenario() -> None:
        response = await native.ask(calling("sleep", "sleep", "block"), "Hi", tools=[sleep, block])
        async with anyio.create_task_group() as group:
            group.start_soon(response.execute_tools)
            while not inside.is_set():
                await anyio.sleep(0.001)
            group.cancel_scope.cancel()
            threading.Timer(0.01, release.set).start()

    native.run(scenario)
    assert sorted(ended) == ["async", "async", "sync"]


def test_stopping_the_program_goes_through(colour: Colour) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tools(colour, [stop], calling("stop"))


@pytest.mark.parametrize("tools", [["awaits_cancelled"], ["awaits_cancelled", "takes_number"]])
def test_a_cancellation_of_its_own_is_a_tools_error(tools: list[str]) -> None:
    async def awaits_cancelled() -> None:
        task = asyncio.create_task(asyncio.sleep(PATIENCE))
        task.cancel()
        await task

    kit = [awaits_cancelled, takes_number]

    def model() -> llm.ScriptedModel:
        return calling(*tools, takes_number='{"n": 1}')

    async def scenario() -> list[llm.ToolOutput[Any]]:
        return await (await model().call_async("Hi", tools=kit)).execute_tools()

    for outputs in (asyncio.run(scenario()), model().call("Hi", tools=kit).execute_tools()):
        assert "CancelledError" in outputs[0].result and isinstance(outputs[0].error, llm.ToolExecutionError)
        assert [output.output for output in outputs[1:]] == [1] * (len(tools) - 1)


def test_cancelling_the_caller_goes_through() -> None:
    inside = asyncio.Event()

    async def sleep() -> None:
        inside.set()
        await asyncio.sleep(PATIENCE)

    async def scenario() -> None:
        response = await calling("sleep", "sleep").call_async("Hi", tools=[llm.tool(timeout=PATIENCE)(sleep)])
        task = asyncio.create_task(response.execute_tools())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def broken() -> None:
    raise ValueError("no such city")


async def broken_async() -> None:
    raise LookupError


def unserialisable() -> object:
    return object()


def unserialisable_beside_an_image() -> object:
    return [llm.Image.from_url("https://example.com/a.png"), object()]


def stops() -> None:
    raise StopIteration("no more")


async def stops_async() -> None:
    raise StopIteration("no more")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


def unspeakable() -> None:
    raise Unspeakable


def takes_number(n: int) -> int:
    return n


@pytest.mark.parametrize(
    ("tool", "args", "told"),
    [
        (broken, "{}", "ValueError: no such city"),
        (broken_async, "{}", "LookupError"),
        (unserialisable, "{}", "object"),
        (unserialisable_beside_an_image, "{}", "object"),
        (stops, "{}", "StopIteration: no more"),
        (stops_async, "{}", "StopIteration: no more"),
        (unspeakable, "{}", "Unspeakable"),
        (takes_number, '{"n": "many"}', "n: Input should be a valid integer"),
        (takes_number, "{}", "n: Field required"),
        (takes_number, '{"n": 1, "m": 2}', "m: Extra inputs are not permitted"),
        (takes_number, '{"n": ', "Invalid JSON"),
        (takes_number, "[1]", "should be an object"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(colour: Colour, tool: Callable[..., Any], args: str, told: str) -> None:
    (output,) = run_tools(colour, [tool], calling(tool.__name__, **{tool.__name__: args}))
    assert isinstance(output.error, llm.ToolExecutionError)
    assert isinstance(output.error.tool_exception, Exception)
    assert told in output.result
    with pytest.raises(llm.ToolError):
        _ = output.output


def test_a_result_that_can_be_read_once_is_a_list(colour: Colour) -> None:
    def squares() -> Any:
        yield from (1, 4)

    def words() -> Any:
        return map(str, [1, 2])

    outputs = run_tools(colour, [squares, words], calling("squares", "words"))
    assert [output.output for output in outputs] == [[1, 4], ["1", "2"]]


def test_so_is_one_inside_of_a_result(colour: Colour) -> None:
    pair = (1, 2)

    def table() -> Any:
        return {"rows": (map(str, row) for row in ([1], [2])), "pairs": [pair], "last": (pair, iter("ab"))}

    model = calling("table")

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[table]))
        (output,) = await colour.got(response.execute_tools())
        assert output.output == {"rows": [["1"], ["2"]], "pairs": [pair], "last": [pair, ["a", "b"]]}
        await colour.got(response.resume([output]))

    colour.run(scenario)
    told = '{"rows":[["1"],["2"]],"pairs":[[1,2]],"last":[[1,2],["a","b"]]}'
    assert model.requests[-1]["messages"][-1]["content"] == told


IMAGE = llm.Image.from_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 8)
AUDIO = llm.Audio.from_bytes(b"RIFF\x04\x00\x00\x00WAVEfmt ")
DOCUMENT = llm.Document.from_bytes(b"%PDF-1.7 ")


@pytest.mark.parametrize(
    "result", [AUDIO, DOCUMENT, {"scan": DOCUMENT}, {"image": IMAGE}, [[IMAGE]], [IMAGE, {"image": IMAGE}]], ids=str
)
def test_a_file_that_no_model_would_see_is_an_error(colour: Colour, result: object) -> None:
    def show() -> object:
        return result

    (output,) = run_tools(colour, [show], calling("show"))
    assert isinstance(output.error, llm.ToolExecutionError)
    assert isinstance(output.error.tool_exception, TypeError)
    assert "A tool's result cannot contain this" in output.result


def test_what_a_model_can_see_stays_as_it_is_and_texts_are_their_words(colour: Colour) -> None:
    linked = llm.Document.from_url("https://example.com/a.pdf")

    def give() -> object:
        return [llm.Text("a dot"), IMAGE, linked]

    def say() -> object:
        return {"said": llm.Text("hi")}

    outputs = run_tools(colour, [give, say], calling("give", "say"))
    assert [output.output for output in outputs] == [["a dot", IMAGE, linked], {"said": "hi"}]


def test_a_missing_tool_is_told_to_the_model(colour: Colour) -> None:
    bad, good = run_tools(colour, [takes_number], calling("nothing", "takes_number", takes_number='{"n": 1}'))
    assert isinstance(bad.error, llm.ToolNotFoundError)
    assert bad.error.tool_name == "nothing"
    assert "takes_number" in bad.result
    assert good.output == 1


def test_one_failure_does_not_stop_the_others(colour: Colour) -> None:
    outputs = run_tools(
        colour,
        [broken, broken_async, takes_number],
        calling("broken", "takes_number", "broken_async", takes_number='{"n": 7}'),
    )
    assert [output.error is None for output in outputs] == [False, True, False]
    assert outputs[1].output == 7


def test_results_go_out_as_compact_json(colour: Colour) -> None:
    from datetime import date
    from enum import Enum

    from pydantic import BaseModel

    class Sky(Enum):
        CLEAR = "clear"

    class Weather(BaseModel):
        city: str
        sky: Sky
        on: date

    def weather() -> list[Weather]:
        return [Weather(city="København", sky=Sky.CLEAR, on=date(2024, 2, 29))]

    def nothing() -> None: ...

    def text() -> str:
        return 'plain "text"'

    def image() -> list[object]:
        return ["a dot", llm.Image.from_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 8)]

    model = calling("weather", "nothing", "text", "image")

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", tools=[weather, nothing, text, image]))
        await colour.got(response.resume(await colour.got(response.execute_tools())))

    colour.run(scenario)
    *_, said, empty, plain, dot, shown = model.requests[1]["messages"]
    assert said["content"] == '[{"city":"København","sky":"clear","on":"2024-02-29"}]'
    assert empty["content"] == "null"
    assert plain["content"] == 'plain "text"'
    assert dot["content"].startswith("a dot")
    assert shown["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_awaitables_of_plain_functions_are_awaited(colour: Colour) -> None:
    async def slow() -> str:
        await anyio.lowlevel.checkpoint()
        return "slow"

    def plain() -> Any:
        return slow()

    assert run_tools(colour, [plain], calling("plain"))[0].output == "slow"


def test_an_async_call_object_is_a_tool(colour: Colour) -> None:
    inner = llm.scripted("tea is a drink")

    @llm.call(inner)
    async def define(term: str) -> str:
        return f"What is {term}?"

    @llm.tool
    async def look_up(term: str) -> str:
        return (await define(term)).text()

    (output,) = run_tools(colour, [look_up], calling("look_up", look_up='{"term": "tea"}'))
    assert output.output == "tea is a drink"


def test_asyncio_tools_see_their_loop() -> None:
    async def loop_of_mine() -> int:
        return id(asyncio.get_running_loop())

    async def scenario() -> tuple[int, int]:
        response = await calling("loop_of_mine").call_async("Hi", tools=[loop_of_mine])
        return (await response.execute_tools())[0].output, id(asyncio.get_running_loop())

    mine, tools = asyncio.run(scenario())
    assert mine == tools


def test_one_after_the_other_is_in_the_order_of_the_calls(colour: Colour) -> None:
    done: list[str] = []

    def write(x: int) -> None:
        done.append(f"write {x}")

    def read() -> None:
        done.append("read")

    tools = [llm.tool(inline=True)(colour.fn(read)), llm.tool(colour.fn(write))]
    calls = [("write", '{"x": 1}'), ("read", "{}"), ("write", '{"x": 2}')]
    model = llm.scripted([llm.ToolCall(id=str(at), name=name, args=args) for at, (name, args) in enumerate(calls)])
    run_tools(colour, tools, model, max_concurrency=1)
    assert done == ["write 1", "read", "write 2"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_async_tool_that_ends_the_program(kind: type[BaseException]) -> None:
    async def leave() -> None:
        raise kind

    async def stay() -> str:
        return "here"

    blocking = Colour("blocking")
    with pytest.raises(kind):
        run_tools(blocking, [leave], calling("leave"))
    assert [output.result for output in run_tools(blocking, [stay], calling("stay"))] == ["here"]


def test_a_tool_that_ends_the_program_waits_for_no_other() -> None:
    left = threading.Event()

    def linger() -> bool:
        return left.wait(PATIENCE)

    def leave() -> None:
        raise SystemExit

    ended: list[bool] = []
    with pytest.raises(SystemExit):
        run_tools(
            Colour("blocking"),
            [llm.tool(lambda: ended.append(linger()), name="linger"), leave],
            calling("linger", "leave"),
        )
    assert ended == []
    left.set()
