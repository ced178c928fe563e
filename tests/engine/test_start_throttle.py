"""Many calls asked for at once: they begin in turn, a few in each round of the event loop, and never hold it up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from mirascope_like import chat, llm
from mirascope_like.transport.base import HttpReply, HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

from ..conftest import Colour

Asking = Callable[[str], Awaitable[Any]]


class Rounds:
    """Counts the rounds of the running loop."""

    now = 0

    def __enter__(self) -> Rounds:
        self._counting = asyncio.ensure_future(self._count())
        return self

    def __exit__(self, *_: object) -> None:
        self._counting.cancel()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.now += 1


class Seen:
    """What a server in memory was asked, and in which round."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.asked: list[tuple[str, int]] = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        question = request.body.decode().split("question ")[1].split('"')[0]
        self.asked.append((question, self.rounds.now))
        said = [llm.Text("Hello.")]
        body, kind = encode_response(said), "application/json"
        if b'"stream":true' in request.body:
            body, kind = b"".join(encode_events(said)), "text/event-stream"
        return HttpReply(200, {"content-type": kind}, body)


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    llm.register_provider("openai:completions", "test/", base_url="http://x", transport=MemoryTransport(seen))
    for ask in (asked, streamed, prompted):
        asyncio.run(ask("first"))  # the first calls of a process wait until other threads have imported what they need
    seen.asked.clear()
    yield seen


async def asked(question: str) -> None:
    await llm.Model("test/a").call_async(f"question {question}")


async def streamed(question: str) -> None:
    await (await llm.Model("test/a").stream_async(f"question {question}")).finish()


async def prompted(question: str) -> None:
    await chat.get_async_model("test/a").prompt(f"question {question}").text()


@pytest.mark.parametrize("ask", [asked, streamed, prompted])
def test_they_begin_in_turn_and_others_run_meanwhile(seen: Seen, ask: Asking) -> None:
    async def scenario() -> None:
        with seen.rounds:
            await asyncio.gather(*(ask(str(number)) for number in range(200)))

    asyncio.run(scenario())
    assert [question for question, _ in seen.asked] == [str(number) for number in range(200)]
    assert max(Counter(round for _, round in seen.asked).values()) <= 16


def test_a_few_begin_at_once(seen: Seen) -> None:
    async def scenario() -> None:
        with seen.rounds:
            await asyncio.gather(*(asked(str(number)) for number in range(4)))

    asyncio.run(scenario())
    assert len({round for _, round in seen.asked}) == 1


def test_one_that_is_cancelled_leaves_the_line(seen: Seen) -> None:
    async def scenario() -> list[Any]:
        tasks = [asyncio.ensure_future(asked(str(number))) for number in range(100)]
        await asyncio.sleep(0)
        for task in tasks[50:90]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(scenario())
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [50 <= n < 90 for n in range(100)]
    assert [int(question) for question, _ in seen.asked] == [*range(50), *range(90, 100)]


def test_each_loop_has_its_own_line(seen: Seen) -> None:
    async def left_waiting() -> None:
        for number in range(100):
            asyncio.ensure_future(asked(f"early {number}"))  # noqa: RUF006
        await asyncio.sleep(0)

    async def scenario() -> None:
        await asyncio.gather(*(asked(f"late {number}") for number in range(20)))

    asyncio.run(left_waiting())
    asyncio.run(scenario())
    assert [question for question, _ in seen.asked if question.startswith("late")] == [f"late {n}" for n in range(20)]


def test_all_are_answered_in_every_colour(native: Colour, seen: Seen) -> None:
    import anyio

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(asked, str(number))

    native.run(scenario)
    assert sorted(int(question) for question, _ in seen.asked) == list(range(100))


@pytest.mark.parametrize("stream", [False, True])
def test_the_wait_counts_in_the_time_limit_of_the_call(seen: Seen, stream: bool) -> None:
    events: list[llm.Event] = []
    model = llm.Model("test/a", timeout=llm.Timeout(total=0.2))

    def answer_slowly(request: HttpRequest) -> HttpReply:
        time.sleep(0.005)
        return seen(request)

    async def ask(number: int) -> None:
        if stream:
            await (await model.stream_async(f"question {number}")).finish()
        else:
            await model.call_async(f"question {number}")

    async def ask_without_limit() -> None:  # the first call of a process waits for imports
        await (await llm.Model("test/a").stream_async("question 0")).finish()

    async def scenario() -> list[Any]:
        return await asyncio.gather(*(ask(number) for number in range(200)), return_exceptions=True)

    llm.register_provider("openai:completions", "test/", base_url="http://x", transport=MemoryTransport(answer_slowly))
    asyncio.run(ask_without_limit())
    remove = llm.subscribe(events.append)
    results = asyncio.run(scenario())
    remove()
    late = [result for result in results if isinstance(result, llm.TimeoutError)]
    sent = {event.call_id for event in events if isinstance(event, llm.AttemptStarted)}
    assert len(sent) < 200
    assert len(late) >= 200 - len(sent)
    assert max(event.waited for event in events if isinstance(event, llm.AttemptStarted)) > 0
    ended = [event for event in events if isinstance(event, llm.CallEnded)]
    assert len(ended) == 200
    assert [event for event in ended if event.call_id not in sent and event.duration <= 0.1] == []


def test_a_call_is_not_overtaken_by_one_that_begins_while_it_waits() -> None:
    async def scenario() -> None:
        model = llm.scripted("x", repeat=True)
        for _ in range(8):
            await model.call_async("one after another")
        model.requests.clear()
        first = asyncio.create_task(model.call_async("first"))
        await asyncio.sleep(0)
        await asyncio.gather(first, asyncio.create_task(model.call_async("second")))
        assert [request["messages"][-1]["content"] for request in model.requests] == ["first", "second"]

    asyncio.run(scenario())
