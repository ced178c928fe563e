"""Time limits: which ends what, in every colour; and that nothing is left open behind it.

Limits are short, and what they end would last for ever, so that it ends at all is the point.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp  # noqa: F401 - loading these takes longer than some limits here
import anyio
import httpx2  # noqa: F401
import pytest

from mirascope_like import llm
from mirascope_like.engine.timers import Alarms
from mirascope_like.types.timeout import Timeout

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import pieces, register, saying
from ..transport.server import Exchange, Server

SOON = 0.4  # seconds
LONG = 60.0


@pytest.fixture(autouse=True)
def served(server: Server) -> Iterator[None]:
    register(server)
    yield


def silent(server: Server) -> None:
    """The server takes requests, and says nothing."""

    def answer(exchange: Exchange) -> None:
        server.gone.put(exchange.wait_gone())

    server.answer = answer


def stalling(server: Server, text: str = "one two") -> None:
    """The server begins an answer, and does not go on."""

    def answer(exchange: Exchange) -> None:
        exchange.start()
        for piece in pieces(text)[:-3]:
            exchange.send(piece)
        server.gone.put(exchange.wait_gone())

    server.answer = answer


def headers_only(server: Server) -> None:
    """The server says that it will answer, and does not."""

    def answer(exchange: Exchange) -> None:
        exchange.start()
        server.gone.put(exchange.wait_gone())

    server.answer = answer


async def has_gone(colour: Colour, server: Server) -> bool:
    """Whether the client has hung up."""
    if colour.is_async:
        return await anyio.to_thread.run_sync(lambda: server.gone.get(timeout=PATIENCE))
    return server.gone.get(timeout=PATIENCE)


def model(**timeouts: float) -> llm.Model:
    return llm.Model("test/a", timeout=Timeout(**timeouts))


@pytest.mark.parametrize(
    ("limit", "streamed"),
    [("total", False), ("total", True), ("idle", False), ("idle", True), ("first_token", True)],
)
def test_a_silent_server(colour: Colour, server: Server, limit: str, streamed: bool) -> None:
    silent(server)

    async def scenario() -> None:
        asked = model(**{"idle": 2.0, limit: SOON})
        with pytest.raises(llm.TimeoutError, match=f"within {SOON} s"):
            await colour.got((colour.stream if streamed else colour.ask)(asked, "Hi"))
        assert await has_gone(colour, server)

    colour.run(scenario)


@pytest.mark.parametrize("limit", ["total", "idle"])
def test_a_stream_that_stalls(colour: Colour, server: Server, limit: str) -> None:
    stalling(server)

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(**{limit: SOON}), "Hi"))
        with pytest.raises(llm.TimeoutError) as caught:
            await colour.got(response.finish())
        assert caught.value.partial is not None
        assert response.text() == "one two"
        assert await has_gone(colour, server)
        with pytest.raises(llm.TimeoutError):
            await colour.got(response.finish())

    colour.run(scenario)


def test_headers_are_no_token(colour: Colour, server: Server) -> None:
    headers_only(server)

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(first_token=SOON, idle=LONG), "Hi"))
        with pytest.raises(llm.TimeoutError, match="first_token"):
            await colour.got(response.finish())
        assert await has_gone(colour, server)

    colour.run(scenario)


def test_after_the_first_token_only_silence_counts(colour: Colour, server: Server) -> None:
    go_on = threading.Event()

    def pausing(exchange: Exchange) -> None:
        first, second, *rest = pieces("one two three")
        exchange.start()
        exchange.send(first + second)
        go_on.wait(PATIENCE)
        for piece in rest:
            exchange.send(piece)
        exchange.end()

    server.answer = pausing

    async def scenario() -> list[str]:
        response = await colour.got(colour.stream(model(first_token=1.0, idle=LONG), "Hi"))
        texts = response.text_stream()
        shown = [await colour.next(texts)]
        threading.Timer(1.5, go_on.set).start()  # when the time for the first token is long over
        return [*shown, *await colour.all(texts)]

    assert colour.run(scenario) == ["one", " two", " three"]


def test_who_reads_late_finds_what_has_come(colour: Colour, server: Server) -> None:
    server.answer = saying("one two")
    asked = llm.Model("test/a", retry=llm.RetryConfig(), timeout=Timeout(first_token=SOON, idle=LONG))

    async def scenario() -> None:
        response = await colour.got(colour.stream(asked, "Hi"))
        await colour.wait(lambda: time.sleep(2 * SOON))
        assert await colour.all(response.text_stream()) == ["one", " two"]
        assert response.retry_failures == ()

    colour.run(scenario)


def test_a_slow_answer_that_never_pauses_ends_with_the_total(colour: Colour, server: Server) -> None:
    stop = threading.Event()

    def dripping(exchange: Exchange) -> None:
        exchange.start()
        head, word, *_ = pieces("word")
        exchange.send(head)
        while not stop.wait(SOON / 10):
            exchange.send(word)

    server.answer = dripping

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(total=SOON, idle=LONG), "Hi"))
        with pytest.raises(llm.TimeoutError, match="total"):
            await colour.got(response.finish())

    try:
        colour.run(scenario)
    finally:
        stop.set()


def test_the_total_holds_for_all_attempts(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": "busy"}}, 503)
    retry = llm.RetryConfig(max_retries=1000, initial_delay=SOON / 10, backoff_multiplier=1, jitter=0)
    asked = llm.Model("test/a", retry=retry, timeout=Timeout(total=SOON))

    async def scenario() -> None:
        with pytest.raises((llm.RetriesExhausted, llm.TimeoutError), match=r"left of the call's time|total"):
            await colour.got(colour.ask(asked, "Hi"))

    colour.run(scenario)
    assert 1 < len(server.received) < 100


def test_silence_is_retried_the_total_is_not(colour: Colour, server: Server) -> None:
    silent(server)
    retry = llm.RetryConfig(max_retries=2, initial_delay=0)

    async def scenario() -> None:
        with pytest.raises(llm.RetriesExhausted):
            await colour.got(colour.ask(llm.Model("test/a", retry=retry, timeout=SOON), "Hi"))
        assert len(server.received) == 3
        with pytest.raises(llm.TimeoutError):
            await colour.got(colour.ask(llm.Model("test/a", retry=retry, timeout=Timeout(total=SOON)), "Hi"))
        assert len(server.received) == 4

    colour.run(scenario)


def test_limits_that_are_kept_change_nothing(colour: Colour, server: Server) -> None:
    server.answer = saying("one two")
    asked = model(total=LONG, connect=LONG, first_token=LONG, idle=LONG, tool=LONG)

    async def scenario() -> None:
        assert (await colour.got(colour.ask(asked, "Hi"))).text() == "one two"
        response = await colour.got(colour.stream(asked, "Hi"))
        assert await colour.all(response.text_stream()) == ["one", " two"]

    colour.run(scenario)


# -- tools ------------------------------------------------------------------------------------------------------------


def outputs(colour: Colour, tool: Any, **params: Any) -> list[llm.ToolOutput[Any]]:
    """What a call of this tool gives."""
    scripted = llm.scripted(llm.ToolCall(id="1", name=tool.name, args="{}"), "done")

    async def scenario() -> Any:
        asked = llm.Model("scripted/model", provider=scripted.provider_override, **params)
        response = await colour.got(colour.ask(asked, "Hi", tools=[tool]))
        return await colour.got(response.execute_tools())

    return colour.run(scenario)


@pytest.mark.parametrize("own", [True, False], ids=["of the tool", "of the call"])
def test_an_async_tool_is_cancelled(colour: Colour, own: bool) -> None:
    cancelled = threading.Event()

    @llm.tool(timeout=SOON if own else None)
    async def endless() -> str:
        """Wait."""
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.set()
            raise
        return "never"

    (output,) = outputs(colour, endless, timeout=Timeout(tool=LONG if own else SOON))
    assert isinstance(output.error, llm.ToolExecutionError)
    assert output.result == f"The tool took longer than {SOON} s, and was given up."
    assert cancelled.wait(PATIENCE)


def test_a_sync_tool_is_left_to_itself(colour: Colour) -> None:
    release, ended = threading.Event(), threading.Event()

    @llm.tool(timeout=SOON)
    def slow() -> str:
        """Wait."""
        release.wait(PATIENCE)
        ended.set()
        return "too late"

    (output,) = outputs(colour, slow)
    assert "took longer" in output.result
    assert not ended.is_set()
    release.set()
    assert ended.wait(PATIENCE)


def test_tools_in_time(colour: Colour) -> None:
    @llm.tool(timeout=LONG)
    def quick() -> str:
        """Answer."""
        return "here"

    @llm.tool(timeout=LONG)
    async def raising() -> str:
        """Fail."""
        raise TimeoutError("mine")

    assert outputs(colour, quick)[0].result == "here"
    assert outputs(colour, raising)[0].result == "TimeoutError: mine"


def test_calls_inside_a_tool_end_with_it(colour: Colour, server: Server) -> None:
    silent(server)
    raised: list[BaseException] = []

    @llm.tool(timeout=SOON)
    def nested() -> str:
        """Ask a model that does not answer, with all the time in the world."""
        try:
            llm.Model("test/a", timeout=LONG).call("Hi")
        except llm.TimeoutError as error:
            raised.append(error)
            ended.set()
        return "gave up"

    ended = threading.Event()
    (output,) = outputs(colour, nested)
    assert output.result in ("gave up", f"The tool took longer than {SOON} s, and was given up.")
    assert ended.wait(PATIENCE)
    assert len(raised) == 1


def test_an_inline_tool_has_no_timeout() -> None:
    with pytest.raises(ValueError, match="inline"):
        llm.tool(inline=True, timeout=1)(lambda_tool)


def lambda_tool() -> None:
    """Do nothing."""


# -- what can be set --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e10])
@pytest.mark.parametrize("name", ["total", "connect", "first_token", "idle", "tool"])
def test_wrong_times(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=name):
        Timeout(**{name: wrong})


def test_times_are_numbers() -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        Timeout(total="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="number of seconds"):
        llm.Model("test/a", timeout="5")  # type: ignore[arg-type]


# -- alarms -----------------------------------------------------------------------------------------------------------


def test_alarms_ring_in_order_unless_cancelled() -> None:
    alarms, rung, last = Alarms(), [], threading.Event()
    alarms.after(0.06, last.set)
    alarms.after(0.04, lambda: rung.append("second"))
    alarms.after(0.02, lambda: rung.append("first"))
    alarms.cancel(alarms.after(0.01, lambda: rung.append("cancelled")))
    assert last.wait(PATIENCE)
    assert rung == ["first", "second"]


def test_an_alarm_that_fails_stops_no_other() -> None:
    alarms, rung = Alarms(), threading.Event()
    alarms.after(0.01, lambda: 1 // 0)
    alarms.after(0.02, rung.set)
    assert rung.wait(PATIENCE)


def test_alarms_that_were_cancelled_are_forgotten() -> None:
    alarms = Alarms()
    for _ in range(10_000):
        alarms.cancel(alarms.after(LONG, lambda: None))
    assert len(alarms) < 1000
