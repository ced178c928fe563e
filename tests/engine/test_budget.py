"""What retries cost: those that succeed nothing, unless the server itself had failed, and what rate limits ask for."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import threading
import warnings
from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm
from mirascope_like.engine.calls import ask
from mirascope_like.engine.retry_budget import PROCESS_BUDGET, RetryBudget
from mirascope_like.engine.runtime import BLOCKING, NATIVE, Native

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import pieces, register, saying
from ..transport.server import Exchange, Server
from .test_attempts import Answer, broken, cut, failing, model, script

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MAKES_TOO_MANY = "this process makes too many retries"


@pytest.fixture(autouse=True)
def served(server: Server) -> None:
    register(server)


def each_time(*answers: Answer) -> Answer:
    """These answers in turn, over and over."""
    lock, turn = threading.Lock(), [0]

    def answer(exchange: Exchange) -> None:
        with lock:
            chosen = answers[turn[0] % len(answers)]
            turn[0] += 1
        chosen(exchange)

    return answer


async def answered(colour: Colour, how: str, asked: llm.Model) -> str:
    """The text that a call gets."""
    if how == "chat":
        return await answered_in_chat(colour, asked)
    response = await colour.got((colour.ask if how == "whole" else colour.stream)(asked, "Hi"))
    if how == "streamed":
        await colour.got(response.finish())
    return response.text()


async def answered_in_chat(colour: Colour, asked: llm.Model) -> str:
    lazy = (chat.get_async_model if colour.is_async else chat.get_model)("test/a")
    lazy.retry = asked.retry_config
    try:
        return await colour.got(lazy.prompt("Hi", options=dict(asked.params)).text())
    finally:
        lazy.retry = None


WAYS = pytest.mark.parametrize("how", ["whole", "streamed", "chat"])
SILENCE = 1.0  # seconds


def silent(exchange: Exchange) -> None:
    """Say nothing for longer than the call waits."""
    exchange.wait_gone()
    raise ConnectionAbortedError


# -- the thresholds ---------------------------------------------------------------------------------------------------


@pytest.fixture
def script_of_benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`benchmarks/retries.py`, which has the same servers and slower clients."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("retries")


CLIENTS = pytest.mark.parametrize("way", ["asyncio", "trio", "threads"])


@CLIENTS
def test_an_ordinary_rate_limit_loses_no_call(script_of_benchmark: Any, way: str) -> None:
    outcome = script_of_benchmark.run(way, script_of_benchmark.limited(), initial_delay=0.01)
    assert outcome.without_budget == 0
    assert outcome.requests > 1.2 * outcome.calls  # there was something to retry


@CLIENTS
def test_a_rate_limit_that_reserves_slots_loses_no_call(script_of_benchmark: Any, way: str) -> None:
    outcome = script_of_benchmark.run(way, script_of_benchmark.Bucket(100, 10), calls=200, initial_delay=0.01)
    assert outcome.answered == outcome.calls
    assert outcome.requests > outcome.calls  # of the first 20, at the latest, some were refused


@CLIENTS
@pytest.mark.parametrize("fails", ["always", "every other time"])
def test_a_server_that_fails_gets_few_more_requests_than_calls(script_of_benchmark: Any, way: str, fails: str) -> None:
    retries = script_of_benchmark
    answer = retries.down() if fails == "always" else each_time(failing(503), saying("Hello"))
    outcome = retries.run(way, answer, initial_delay=0)
    assert outcome.calls < outcome.requests <= 1.1 * outcome.calls + 10


# -- what costs, and what is given back -------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("trouble", [cut, failing(429), failing(429, retry_after="0")])
def test_a_retry_that_succeeds_gives_back_its_cost(colour: Colour, server: Server, how: str, trouble: Answer) -> None:
    llm.set_retry_budget(ratio=0, reserve=1)
    server.answer = each_time(trouble, saying("Hello"))

    async def scenario() -> None:
        for _ in range(3):
            assert await answered(colour, how, model()) == "Hello"

    colour.run(scenario)
    assert len(server.received) == 6


def test_so_does_one_after_a_silence(colour: Colour, server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=1)
    server.answer = each_time(silent, saying("Hello"))
    asked = llm.Model("test/a", retry=llm.RetryConfig(initial_delay=0), timeout=llm.Timeout(idle=SILENCE))

    async def scenario() -> None:
        for _ in range(2):
            assert await answered(colour, "whole", asked) == "Hello"

    colour.run(scenario)
    assert len(server.received) == 4


@WAYS
def test_a_retry_that_fails_does_not(colour: Colour, server: Server, how: str) -> None:
    llm.set_retry_budget(ratio=0, reserve=2)
    server.answer = each_time(cut, cut, saying("Hello"))

    async def scenario() -> None:
        assert await answered(colour, how, model()) == "Hello"
        with pytest.raises(llm.RetriesExhausted, match=MAKES_TOO_MANY):
            await answered(colour, how, model())

    colour.run(scenario)
    assert len(server.received) == 3 + 2


@WAYS
def test_a_rate_limit_that_names_a_wait_costs_nothing(colour: Colour, server: Server, how: str) -> None:
    llm.set_retry_budget(ratio=0, reserve=0)
    script(server, *[failing(429, retry_after_ms="1")] * 3, saying("Hello"))
    assert colour.run(lambda: answered(colour, how, model())) == "Hello"


@WAYS
@pytest.mark.parametrize("trouble", [failing(503), failing(529), failing(503, retry_after_ms="1")])
def test_a_server_error_always_costs(colour: Colour, server: Server, how: str, trouble: Answer) -> None:
    llm.set_retry_budget(ratio=0, reserve=2)
    server.answer = each_time(trouble, saying("Hello"))

    async def scenario() -> None:
        for _ in range(2):
            assert await answered(colour, how, model()) == "Hello"
        with pytest.raises(llm.RetriesExhausted, match=MAKES_TOO_MANY):
            await answered(colour, how, model())

    colour.run(scenario)
    assert len(server.received) == 5


def test_a_stream_that_breaks_again_after_some_content_costs(colour: Colour, server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=2)
    script(server, broken("one two", 3))

    async def scenario() -> None:
        asked = model(max_retries=5, after_output="restart")
        with pytest.raises(llm.RetriesExhausted, match=MAKES_TOO_MANY):
            await answered(colour, "streamed", asked)

    colour.run(scenario)
    assert len(server.received) == 3


def test_a_stream_that_its_reader_leaves_costs_nothing(colour: Colour, server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=1)

    def well(exchange: Exchange) -> None:
        exchange.start()
        for piece in pieces("one two three")[:3]:
            exchange.send(piece)
        server.hold(exchange)

    server.answer = each_time(cut, well)

    async def scenario() -> None:
        for _ in range(3):
            response = await colour.got(colour.stream(model(), "Hi"))
            async with colour.within(response):
                assert await colour.next(response.text_stream()) == "one"

    colour.run(scenario)
    assert len(server.received) == 6


def test_a_retry_that_is_cancelled_before_it_is_sent_costs_nothing(
    native: Colour, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.set_retry_budget(ratio=0, reserve=1)
    script(server, cut, cut, saying("Hello"))

    async def scenario() -> None:
        waits = anyio.Event()

        class Waiting:
            def ring(self) -> None: ...

            async def rest(self, seconds: float) -> None:
                waits.set()
                await anyio.sleep_forever()

        with monkeypatch.context() as patch:
            patch.setattr(Native, "bell", lambda runtime: Waiting())
            async with anyio.create_task_group() as group:
                group.start_soon(answered, native, "whole", model())
                await waits.wait()
                group.cancel_scope.cancel()
        assert await answered(native, "whole", model()) == "Hello"

    native.run(scenario)


def test_a_call_without_budget_takes_the_next_model(colour: Colour, server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=0)

    def answer(exchange: Exchange) -> None:
        (saying("Hello") if exchange.request.json["model"] == "b" else failing(503))(exchange)

    server.answer = answer
    assert colour.run(lambda: answered(colour, "whole", model(fallback_models=["test/b"]))) == "Hello"
    assert len(server.received) == 2


# -- budgets of their own ---------------------------------------------------------------------------------------------


def test_calls_with_different_budgets_share_no_tokens(colour: Colour, server: Server) -> None:
    llm.set_retry_budget(ratio=0, reserve=0)
    script(server, failing(503))
    first, second = RetryBudget(ratio=0, reserve=1), RetryBudget(ratio=0, reserve=2)

    async def requests(budget: RetryBudget | None) -> int:
        before = len(server.received)
        plan = model().plan("Hi")
        if budget is not None:
            plan = replace(plan, retry_budget=budget)
        with pytest.raises(llm.RetriesExhausted, match=MAKES_TOO_MANY if budget is None else "budget is used up"):
            await ask(NATIVE if colour.is_async else BLOCKING, plan)
        return len(server.received) - before

    async def scenario() -> list[int]:
        return [await requests(budget) for budget in (first, second, first, None)]

    assert colour.run(scenario) == [2, 3, 1, 1]


def test_a_budget_is_that_of_the_process_unless_given() -> None:
    assert model().plan("Hi").retry_budget is PROCESS_BUDGET


def test_copies_of_a_budget_share_its_tokens_and_pickles_have_its_rules() -> None:
    budget = RetryBudget(ratio=0, reserve=2)
    assert budget.take(now=0.0)
    assert copy(budget) is deepcopy(budget) is budget
    other: RetryBudget = pickle.loads(pickle.dumps(budget))
    assert [sum(each.take(now=0.0) for _ in range(9)) for each in (other, budget)] == [2, 1]
    assert pickle.loads(pickle.dumps(PROCESS_BUDGET)) is PROCESS_BUDGET


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_finds_every_budget_unlocked() -> None:
    budget = RetryBudget(ratio=0, reserve=1)
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with budget._lock:
            held.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))
        os._exit(0 if budget.take(now=0.0) else 1)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- the bucket -------------------------------------------------------------------------------------------------------

LOST = llm.ConnectionError("The line went dead.")
LIMITED = llm.RateLimitError("Slow down.", retry_after=1.0)
DOWN = llm.ServerError("Down.", status_code=503)


def test_a_payment_is_given_back_once() -> None:
    budget = RetryBudget(ratio=0, reserve=1)
    payment = budget.pay(LOST, now=0.0)
    assert payment is not None
    assert budget.pay(LOST, now=0.0) is None
    payment.refund()
    payment.refund()
    assert budget.pay(LOST, now=0.0) is not None
    assert budget.pay(LOST, now=0.0) is None


def test_asking_whether_there_is_budget_takes_none() -> None:
    budget = RetryBudget(ratio=0, reserve=1)
    assert all(budget.allows(DOWN, now=0.0) for _ in range(9))
    assert budget.pay(DOWN, now=0.0) is not None
    assert (budget.allows(DOWN, now=0.0), budget.allows(LIMITED, now=0.0)) == (False, True)


def test_refunds_save_up_no_more_than_quiet_times() -> None:
    budget = RetryBudget(ratio=1, reserve=0)
    for _ in range(100):
        budget.deposit()
    payment = budget.pay(LOST, now=0.0)
    budget.deposit()
    assert payment is not None
    payment.refund()
    assert sum(budget.take(now=0.0) for _ in range(200)) == 100


def test_the_reserve_is_for_times_with_few_calls() -> None:
    """Where calls add as much as the reserve would gain in the same time, it gains nothing beside them."""
    budget = RetryBudget(ratio=0.25, reserve=15)
    taken = sum(budget.take(now=0.0) for _ in range(20))
    for second in range(1, 61):  # a minute of a call a second, and as many retries as there can be
        budget.deposit()
        taken += sum(budget.take(now=float(second)) for _ in range(20))
    assert taken == 15 + 15
