"""Calls with retries against servers that limit, fail and recover: how many are lost, and how many requests are sent.

    python benchmarks/retries.py [asyncio|trio|threads …]

Each row is a server, and 500 calls of it, 20 at once, with `max_retries=5` and the default retry budget. A call is lost
"for lack of budget" if `llm.set_retry_budget` forbids its next retry. The first three rows have a limit that must hold;
the exit status is 1 if one does not. The others show what the budget does between calm and storm.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mirascope_like import llm
from tests.llm.chat_server import register, saying
from tests.transport.server import Exchange, Server

CALLS = 500
AT_ONCE = 20
SEED = 7

Answer = Callable[[Exchange], None]
WELL = saying("Hello")


@dataclass(frozen=True)
class Outcome:
    """What became of some calls of a server."""

    calls: int
    requests: int
    answered: int
    without_budget: int
    seconds: float

    @property
    def lost_otherwise(self) -> int:
        return self.calls - self.answered - self.without_budget

    @property
    def loses_nothing(self) -> bool:
        return self.without_budget == 0

    @property
    def adds_little_load(self) -> bool:
        return self.requests <= 1.1 * self.calls + 10


def failing(status: int, **headers: str) -> Answer:
    """An error status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.json({"error": {"message": f"status {status}"}}, status, named)


def reset(exchange: Exchange) -> None:
    """The connection breaks."""
    exchange.cut()


def in_turn(answers: Iterable[Answer]) -> Answer:
    """The next of these answers to each request."""
    left, lock = iter(answers), threading.Lock()

    def answer(exchange: Exchange) -> None:
        with lock:
            chosen = next(left)
        chosen(exchange)

    return answer


def sometimes(*faults: tuple[float, Answer]) -> Answer:
    """Each fault with its probability, and else a right answer."""
    chance = random.Random(SEED)
    answers, weights = [answer for _, answer in faults], [share for share, _ in faults]
    rest = 1 - sum(weights)
    return in_turn(chance.choices([*answers, WELL], [*weights, rest])[0] for _ in itertools.count())


class Bucket:
    """A rate limit: `rate` requests a second after the first `burst`. It reserves a slot for each caller it refuses,
    and names the time until then."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1 / rate
        self._burst = burst
        self._last = -math.inf  # the last slot that is taken
        self._slots: dict[str, float] = {}  # of callers who were refused
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        wait = self._wait(exchange.request.json["messages"][-1]["content"])
        (WELL if wait <= 0 else failing(429, retry_after_ms=str(math.ceil(wait * 1000))))(exchange)

    def _wait(self, caller: str) -> float:
        with self._lock:
            now = time.monotonic()
            slot = self._slots.pop(caller, None)
            if slot is None:
                slot = self._last = max(self._last + self._interval, now - (self._burst - 1) * self._interval)
            if slot > now:
                self._slots[caller] = slot
            return slot - now


def limited() -> Answer:
    """Threshold (a)."""
    return sometimes((0.2, failing(429, retry_after_ms="50")), (0.04, failing(503)))


def down() -> Answer:
    """Threshold (c)."""
    return failing(503)


Check = Callable[[Outcome], bool]
ROWS: dict[str, tuple[Callable[[], Answer], Check | None]] = {
    "20 % 429 with a wait of 50 ms, 4 % 503": (limited, lambda outcome: outcome.loses_nothing),
    "40 requests a second, burst 10": (lambda: Bucket(40, 10), lambda outcome: outcome.loses_nothing),
    "503, always": (down, lambda outcome: outcome.adds_little_load),
    "503, every other time": (lambda: in_turn(itertools.cycle([failing(503), WELL])), None),
    "50 % 503": (lambda: sometimes((0.5, failing(503))), None),
    "8 % 503": (lambda: sometimes((0.08, failing(503))), None),
    "20 % 429 without a wait": (lambda: sometimes((0.2, failing(429))), None),
    "20 % of connections are reset": (lambda: sometimes((0.2, reset)), None),
    "50 % of connections are reset": (lambda: sometimes((0.5, reset)), None),
    "all connections are reset": (lambda: reset, None),
}


def call(model: llm.Model, number: int) -> str | None:
    """Make a call; return why it failed, or `None`."""
    try:
        model.call(f"call {number}")
    except llm.RetriesExhausted as error:
        return error.reason or "all retries failed"
    return None


async def call_async(model: llm.Model, number: int) -> str | None:
    """See `call`."""
    try:
        await model.call_async(f"call {number}")
    except llm.RetriesExhausted as error:
        return error.reason or "all retries failed"
    return None


def in_threads(model: llm.Model, calls: int) -> list[str | None]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda number: call(model, number), range(calls)))


async def in_tasks(model: llm.Model, calls: int) -> list[str | None]:
    import anyio

    ends: list[str | None] = []
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            ends.append(await call_async(model, number))

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(work)
    return ends


def with_trio(model: llm.Model, calls: int) -> list[str | None]:
    import trio

    return trio.run(in_tasks, model, calls)


WAYS: dict[str, Callable[[llm.Model, int], list[str | None]]] = {
    "asyncio": lambda model, calls: asyncio.run(in_tasks(model, calls)),
    "trio": with_trio,
    "threads": in_threads,
}


def run(way: str, answer: Answer, *, calls: int = CALLS, **retrying: float) -> Outcome:
    """Make calls of a server that answers so, with a full budget, and count."""
    llm.set_retry_budget()
    random.seed(SEED)  # of the waits
    with Server() as server:
        server.answer = answer
        register(server)
        model = llm.Model("test/model", retry=llm.RetryConfig(**{"max_retries": 5, **retrying}))  # type: ignore[arg-type]
        start = time.perf_counter()
        ends = WAYS[way](model, calls)
        seconds = time.perf_counter() - start
        without_budget = sum("set_retry_budget" in (end or "") for end in ends)
        return Outcome(len(ends), len(server.received), ends.count(None), without_budget, seconds)


def main(ways: list[str]) -> int:
    failed = False
    print(f"{CALLS} calls, {AT_ONCE} at once, max_retries=5\n")
    print("| | server | requests | answered | lost for lack of budget | lost otherwise | s | limit |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for way in ways or list(WAYS):
        for name, (answer, check) in ROWS.items():
            outcome = run(way, answer())
            held = "" if check is None else "held" if check(outcome) else "BROKEN"
            failed |= held == "BROKEN"
            counts = f"{outcome.requests} | {outcome.answered} | {outcome.without_budget} | {outcome.lost_otherwise}"
            print(f"| {way} | {name} | {counts} | {outcome.seconds:.1f} | {held} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
