"""One call object for all: threads, event loops of both kinds one after the other and at once, and forked processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from mirascope_like import llm

from ..conftest import PATIENCE
from ..llm.chat_server import echo, register, saying
from ..transport.server import Server

THREADS, EACH = 8, 8


@llm.call("test/model")
def ask(question: str) -> str:
    return question


@llm.call("test/model")
async def ask_async(question: str) -> str:
    return question


@pytest.fixture(autouse=True)
def echoing(server: Server) -> None:
    server.answer = saying(echo)
    register(server)


def blocking(name: str) -> list[str]:
    whole = [ask(f"{name}.{n}").text() for n in range(EACH // 2)]
    return whole + ["".join(ask.stream(f"{name}.{n}").text_stream()) for n in range(EACH // 2, EACH)]


async def native(name: str) -> list[str]:
    answers: dict[int, str] = {}

    async def whole(n: int) -> None:
        answers[n] = (await ask_async(f"{name}.{n}")).text()

    async def stream(n: int) -> None:
        response = await ask_async.stream(f"{name}.{n}")
        answers[n] = "".join([text async for text in response.text_stream()])

    async with anyio.create_task_group() as group:
        for n in range(EACH):
            group.start_soon(whole if n % 2 else stream, n)
    return [answers[n] for n in range(EACH)]


WAYS: dict[str, Any] = {
    "blocking": blocking,
    "asyncio": lambda name: asyncio.run(native(name)),
    "trio": lambda name: trio.run(native, name),
    "a blocking call in a running loop": lambda name: asyncio.run(_in_loop(name)),
}


async def _in_loop(name: str) -> list[str]:
    return blocking(name)


def expected(name: str) -> list[str]:
    return [f"{name}.{n}" for n in range(EACH)]


@pytest.mark.parametrize("ways", [[way] for way in WAYS] + [list(WAYS)], ids=[*WAYS, "all at once"])
def test_eight_threads(server: Server, ways: list[str]) -> None:
    start = threading.Barrier(THREADS)

    def work(thread: int) -> list[str]:
        start.wait(PATIENCE)
        return WAYS[ways[thread % len(ways)]](str(thread))

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(work, range(THREADS)))
    assert answers == [expected(str(thread)) for thread in range(THREADS)]
    assert len(server.received) == THREADS * EACH


def test_loops_one_after_the_other(server: Server) -> None:
    order = ["asyncio", "trio", "asyncio", "blocking", "trio", "trio", "asyncio"]
    assert [WAYS[way](f"{turn}") for turn, way in enumerate(order)] == [
        expected(f"{turn}") for turn in range(len(order))
    ]
    assert len(server.received) == len(order) * EACH


FORKING = """
import asyncio, os, sys, threading, trio
from mirascope_like import llm

llm.register_provider("openai:completions", scope="test/", base_url=sys.argv[1])
model = llm.Model("test/model")

def call():
    return "".join(model.stream("stream").text_stream()) + model.call("whole").text()

async def call_async():
    whole = await model.call_async("whole")
    stream = await model.stream_async("stream")
    await stream.finish()
    return stream.text() + whole.text()

def all_calls():
    assert [call(), asyncio.run(call_async()), trio.run(call_async)] == 3 * ["streamwhole"]

def keep_calling():
    while not done.is_set():
        assert call() == "streamwhole"
        calls.release()

done, calls = threading.Event(), threading.Semaphore(0)
threads = [threading.Thread(target=keep_calling) for _ in range(4)]
for thread in threads:
    thread.start()
all_calls()
for _ in range(8):
    calls.acquire()  # the threads are in the middle of something
    child = os.fork()
    if child == 0:
        all_calls()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
done.set()
for thread in threads:
    thread.join()
all_calls()
print("all is well")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forks_in_the_middle_of_calls(server: Server) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, server.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("all is well\n", "", 0)
