"""Asking again: how often, of whom, after what, and what the caller is told. Requests are counted at the server."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mirascope_like import llm
from mirascope_like.engine.retry_budget import RetryBudget
from mirascope_like.engine.runtime import Blocking, Native

from ..conftest import Colour
from ..llm.chat_server import pieces, register, saying
from ..transport.server import Exchange, Server

Answer = Callable[[Exchange], None]
QUICK = llm.RetryConfig(initial_delay=0)


@pytest.fixture(autouse=True)
def served(server: Server) -> None:
    register(server)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, none of which is waited for."""
    waits: list[float] = []

    class Noted:
        def ring(self) -> None: ...

        async def rest(self, seconds: float) -> None:
            waits.append(seconds)

    for runtime in (Blocking, Native):
        monkeypatch.setattr(runtime, "bell", lambda self: Noted())
    return waits


def script(server: Server, *answers: Answer) -> None:
    """One answer after the other; the last one goes on."""
    left = list(answers)

    def answer(exchange: Exchange) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(exchange)

    server.answer = answer


def failing(status: int, **headers: str) -> Answer:
    """An error status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.json({"error": {"message": f"status {status}"}}, status, named)


def broken(text: str, keep: int) -> Answer:
    """A stream that breaks after so many of its events."""

    def answer(exchange: Exchange) -> None:
        exchange.start()
        for piece in pieces(text)[:keep]:
            exchange.send(piece)
        exchange.hang_up()

    return answer


def cut(exchange: Exchange) -> None:
    """The connection is reset."""
    exchange.cut()


def models(server: Server) -> list[str]:
    """Who was asked, in order."""
    return [request.json["model"] for request in server.received]


def model(name: str = "test/a", **retrying: Any) -> llm.Model:
    """A model that is asked again at once."""
    return llm.Model(name, retry=llm.RetryConfig(**{"initial_delay": 0, **retrying}))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("max_retries", [0, 1, 4])
def test_n_retries_are_n_plus_one_requests(colour: Colour, server: Server, max_retries: int, streamed: bool) -> None:
    script(server, failing(503))

    async def scenario() -> None:
        ask = colour.stream if streamed else colour.ask
        with pytest.raises(llm.RetriesExhausted) as caught:
            await colour.got(ask(model(max_retries=max_retries), "Hi"))
        assert len(caught.value.failures) == max_retries + 1
        assert isinstance(caught.value.__cause__, llm.ServerError)
        assert caught.value.__cause__ is caught.value.failures[-1].exception

    colour.run(scenario)
    assert len(server.received) == max_retries + 1


@pytest.mark.parametrize("streamed", [False, True])
def test_plain_calls_are_made_once(colour: Colour, server: Server, streamed: bool) -> None:
    script(server, failing(503))

    async def scenario() -> None:
        with pytest.raises(llm.ServerError):
            await colour.got((colour.stream if streamed else colour.ask)(llm.Model("test/a"), "Hi"))

    colour.run(scenario)
    assert len(server.received) == 1


@pytest.mark.parametrize("trouble", [*map(failing, (408, 409, 425, 429, 500, 529)), cut])
def test_what_passes_is_tried_again(colour: Colour, server: Server, trouble: Answer) -> None:
    script(server, trouble, trouble, saying("Hello"))

    async def scenario() -> None:
        response = await colour.got(colour.ask(model(), "Hi"))
        assert response.text() == "Hello"
        assert [failure.model.model_id for failure in response.retry_failures] == ["test/a", "test/a"]

    colour.run(scenario)


def test_what_does_not_pass_is_raised_at_once(colour: Colour, server: Server) -> None:
    script(server, failing(400))

    async def scenario() -> None:
        with pytest.raises(llm.BadRequestError):
            await colour.got(colour.ask(model(fallback_models=["test/b"]), "Hi"))

    colour.run(scenario)
    assert len(server.received) == 1


def test_the_body_is_the_same_each_time(server: Server) -> None:
    script(server, failing(503), failing(503), saying("Hello"))
    model().call("Hi", tools=[lambda_tool])
    first, *others = [request.body for request in server.received]
    assert others == [first, first]


def lambda_tool(x: int) -> int:
    """A tool."""
    return x


def test_fallbacks_come_in_order_each_with_all_its_retries(colour: Colour, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        (saying("Hello") if exchange.request.json["model"] == "c" else failing(503))(exchange)

    server.answer = answer

    async def scenario() -> None:
        asked = model(max_retries=1, fallback_models=["test/b", "test/c", "test/d"])
        response = await colour.got(colour.ask(asked, "Hi"))
        assert response.model_id == "test/c"
        assert [failure.model.model_id for failure in response.retry_failures] == ["test/a"] * 2 + ["test/b"] * 2
        # The conversation goes on with the one that answered, and the others are still there.
        again = await colour.got(response.resume("And?"))
        assert (again.model_id, again.retry_failures) == ("test/c", ())
        fallbacks = [each.model_id for each in again.retry_config.fallback_models]
        assert fallbacks == ["test/a", "test/b", "test/d"]

    colour.run(scenario)
    assert models(server) == ["a", "a", "b", "b", "c", "c"]


def test_params_of_fallbacks(server: Server) -> None:
    script(server, failing(503))
    other = llm.Model("test/c", max_tokens=7)
    asked = llm.Model(
        "test/a", temperature=0.5, retry=llm.RetryConfig(max_retries=0, fallback_models=["test/b", other])
    )
    with pytest.raises(llm.RetriesExhausted):
        asked.call("Hi")
    sent = [{name: request.json.get(name) for name in ("temperature", "max_tokens")} for request in server.received]
    assert sent == [
        {"temperature": 0.5, "max_tokens": None},
        {"temperature": 0.5, "max_tokens": None},
        {"temperature": None, "max_tokens": 7},
    ]


@pytest.mark.parametrize(("fallback", "gets"), [("test/b", True), ("other/b", False), ("nobody/knows", False)])
def test_what_is_sent_as_it_is_is_for_one_provider(server: Server, fallback: str, gets: bool) -> None:
    register(server, "other/", api_key="their own")
    script(server, failing(503))
    asked = llm.Model(
        "test/a",
        temperature=0.5,
        extra_headers={"Authorization": "Bearer ours"},
        extra_body={"user": "us"},
        retry=llm.RetryConfig(max_retries=0, fallback_models=[fallback]),
    )
    with pytest.raises((llm.RetriesExhausted, llm.NoRegisteredProviderError)):
        asked.call("Hi")
    first, *others = server.received
    assert (first.headers["authorization"], first.json["user"]) == ("Bearer ours", "us")
    for other in others:
        assert other.json["temperature"] == 0.5
        assert (other.headers["authorization"] == "Bearer ours", "user" in other.json) == (gets, gets)


# -- waits ------------------------------------------------------------------------------------------------------------


def test_waits_grow_up_to_the_longest(colour: Colour, server: Server, waits: list[float]) -> None:
    script(server, failing(503))

    async def scenario() -> None:
        asked = model(max_retries=5, initial_delay=1, max_delay=5, backoff_multiplier=2, jitter=0)
        with pytest.raises(llm.RetriesExhausted):
            await colour.got(colour.ask(asked, "Hi"))

    colour.run(scenario)
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(("jitter", "least"), [(1, 0), (0.25, 0.75)])
def test_jitter_shortens_waits(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch, jitter: float, least: float
) -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    script(server, failing(503), saying("Hello"))
    model(initial_delay=1, jitter=jitter).call("Hi")
    assert drawn == [(least, 1)]


@pytest.mark.parametrize(("header", "seconds"), [({"retry_after": "7"}, 7), ({"retry_after_ms": "40"}, 0.04)])
def test_the_server_says_how_long(
    colour: Colour, server: Server, waits: list[float], header: dict[str, str], seconds: float
) -> None:
    script(server, failing(429, **header), saying("Hello"))

    async def scenario() -> None:
        await colour.got(colour.ask(model(), "Hi"))

    colour.run(scenario)
    assert waits == [seconds]


@pytest.mark.parametrize("header", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_server_that_asks_for_no_wait_is_not_hammered(server: Server, waits: list[float], header: str) -> None:
    script(server, failing(429, retry_after=header), failing(429, retry_after="0.5"), saying("Hello"))
    model(initial_delay=1, jitter=0).call("Hi")
    assert waits == [1, 2]


def test_nobody_waits_longer_than_allowed(colour: Colour, server: Server, waits: list[float]) -> None:
    script(server, failing(429, retry_after="120"))

    async def scenario() -> None:
        with pytest.raises(llm.RetriesExhausted, match="wait for 120 s, and max_delay is 60 s"):
            await colour.got(colour.ask(model(fallback_models=["test/b"]), "Hi"))

    colour.run(scenario)
    assert models(server) == ["a", "b"]
    assert waits == []


def test_nobody_waits_beyond_the_end_of_the_call(colour: Colour, server: Server, waits: list[float]) -> None:
    script(server, failing(429, retry_after="50"))
    asked = llm.Model("test/a", retry=llm.RetryConfig(), timeout=llm.Timeout(total=30))

    async def scenario() -> None:
        with pytest.raises(llm.RetriesExhausted, match="left of the call's time"):
            await colour.got(colour.ask(asked, "Hi"))

    colour.run(scenario)
    assert (len(server.received), waits) == (1, [])


# -- the budget -------------------------------------------------------------------------------------------------------


def test_retries_stop_when_the_process_makes_too_many(server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=2)
    script(server, failing(503))
    with pytest.raises(llm.RetriesExhausted, match="set_retry_budget"):
        model(max_retries=10).call("Hi")
    assert len(server.received) == 3


def test_a_storm_is_not_made_worse(server: Server) -> None:
    llm.set_retry_budget(ratio=0.1, reserve=5)
    script(server, failing(503))

    def call(_: int) -> None:
        with pytest.raises(llm.RetriesExhausted):
            model(max_retries=5).call("Hi")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(100)))
    assert 100 < len(server.received) <= 100 + 10 + 5 + 1  # 1: what the reserve gains meanwhile


def test_the_reserve_is_back_after_a_minute() -> None:
    budget = RetryBudget(ratio=0, reserve=6)
    assert [budget.take(now=0.0) for _ in range(7)] == [True] * 6 + [False]
    assert [budget.take(now=10.0) for _ in range(2)] == [True, False]
    assert [budget.take(now=1000.0) for _ in range(7)] == [True] * 6 + [False]


def test_quiet_times_save_up_for_a_burst_but_not_without_end() -> None:
    budget = RetryBudget(ratio=0.5, reserve=0)
    for _ in range(1000):
        budget.deposit()
    assert sum(budget.take(now=0.0) for _ in range(200)) == 100


@pytest.mark.parametrize("wrong", [{"ratio": -0.1}, {"reserve": -1}, {"ratio": math.nan}])
def test_wrong_budgets(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="retry budget"):
        llm.set_retry_budget(**wrong)


# -- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [failing(503), cut, broken("one two", 1)], ids=["503", "cut", "no content yet"])
def test_a_stream_of_which_nothing_was_seen_is_asked_for_again(colour: Colour, server: Server, trouble: Answer) -> None:
    script(server, trouble, trouble, saying("one two"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(), "Hi"))
        assert await colour.all(response.text_stream()) == ["one", " two"]
        assert len(response.retry_failures) == 2
        assert response.consumed

    colour.run(scenario)
    assert len(server.received) == 3


def test_a_stream_that_was_seen_is_not_asked_for_again_unasked(colour: Colour, server: Server) -> None:
    script(server, broken("one two three", 3))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(), "Hi"))
        with pytest.raises(llm.ConnectionError) as caught:
            await colour.got(response.finish())
        assert caught.value.partial is not None
        assert response.text() == "one two"

    colour.run(scenario)
    assert len(server.received) == 1


def test_a_restart_is_told_to_each_reader(colour: Colour, server: Server) -> None:
    script(server, broken("one two three", 3), saying("uno dos"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(after_output="restart"), "Hi"))
        reader, other = response.text_stream(), response.text_stream()
        assert [await colour.next(reader), await colour.next(reader)] == ["one", " two"]
        assert await colour.next(other) == "one"
        with pytest.raises(llm.StreamRestarted) as caught:
            await colour.next(reader)
        assert isinstance(caught.value.failure.exception, llm.ConnectionError)
        assert response.text() == ""
        with pytest.raises(llm.StreamRestarted):
            await colour.next(other)
        assert await colour.all(response.text_stream()) == ["uno", " dos"]
        assert response.retry_failures == (caught.value.failure,)

    colour.run(scenario)
    assert len(server.received) == 2


@pytest.mark.parametrize("read", ["finish", "execute_tools", "resume", "validate"])
def test_whole_reads_go_on_with_the_new_answer(colour: Colour, server: Server, read: str) -> None:
    script(server, broken("[1, 2, 3]", 3), saying("[4]"))

    async def scenario() -> None:
        asked = colour.stream(model(after_output="restart"), "Hi", format=list[int])
        response = await colour.got(asked)
        await colour.got(getattr(response, read)(*["More."] if read == "resume" else ()))
        assert response.parse() == [4]
        assert len(response.retry_failures) == 1

    colour.run(scenario)


def test_validating_goes_on_with_each_new_answer(colour: Colour, server: Server) -> None:
    script(server, saying("none"), broken("[1, 2, 3]", 3), saying("[4]"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(after_output="restart"), "Hi", format=list[int]))
        value, last = await colour.got(response.validate())
        assert value == last.parse() == [4]

    colour.run(scenario)


def test_whole_reads_tell_whoever_has_seen_some_of_the_old_answer(colour: Colour, server: Server) -> None:
    script(server, broken("one two three", 3), saying("uno dos"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(after_output="restart"), "Hi"))
        reader = response.text_stream()
        assert await colour.next(reader) == "one"
        with pytest.raises(llm.StreamRestarted):
            await colour.got(response.finish())
        with pytest.raises(llm.StreamRestarted):
            await colour.next(reader)
        await colour.got(response.finish())
        assert response.text() == "uno dos"

    colour.run(scenario)


def test_the_loop_of_the_reference(colour: Colour, server: Server) -> None:
    script(server, broken("one two three", 2), broken("one two three", 3), failing(503), saying("one two three"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(after_output="restart"), "Hi"))
        restarts = 0
        while True:
            try:
                shown = await colour.all(response.text_stream())
                break
            except llm.StreamRestarted:
                restarts += 1
        assert (shown, restarts, len(response.retry_failures)) == (["one", " two", " three"], 2, 3)

    colour.run(scenario)
    assert len(server.received) == 4


def test_a_stream_that_breaks_too_often(colour: Colour, server: Server) -> None:
    script(server, broken("one two three", 3))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(max_retries=1, after_output="restart"), "Hi"))
        with pytest.raises(llm.StreamRestarted):
            await colour.all(response.text_stream())
        for _ in range(2):  # it stays failed
            with pytest.raises(llm.RetriesExhausted) as caught:
                await colour.got(response.finish())
        partial = caught.value.partial
        assert partial is not None
        assert list(partial.content) == [llm.Text("one two")]
        assert response.text() == "one two"

    colour.run(scenario)
    assert len(server.received) == 2


def test_errors_in_the_stream_count_too(colour: Colour, server: Server) -> None:
    def overloaded(exchange: Exchange) -> None:
        error = {"error": {"message": "Overloaded", "code": 503, "type": "server_error"}}
        exchange.stream(f"data: {json.dumps(error)}\n\n".encode())

    script(server, overloaded, saying("Hello"))

    async def scenario() -> None:
        response = await colour.got(colour.stream(model(), "Hi"))
        await colour.got(response.finish())
        assert response.text() == "Hello"

    colour.run(scenario)
