"""The first async call of a process: other threads import what it needs, so that its event loop goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import llm
from mirascope_like.engine.providers import registry
from mirascope_like.transport import loading

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import saying
from ..transport import server as loopback
from ..transport.server import Exchange, Server

CERTIFICATE = str(Path(loopback.__file__).with_name("localhost.pem"))

# Records on the loop's thread: modules that are first imported, and TLS contexts that are made.
RECORDER = """
import asyncio, ssl, sys, threading
if RUNNER == "trio":
    import trio
WATCHED = {
    "mirascope_like", "pydantic", "pydantic_core", "aiohttp", "httpx2", "httpcore2", "h11", "ssl", "anyio", "jiter",
    "docstring_parser",
}
seen, modules = [], set()

class Recorder:
    def find_spec(self, name, path=None, target=None):
        modules.add(name)
        if threading.current_thread() is threading.main_thread() and name.partition(".")[0] in WATCHED:
            seen.append(name)

new_context = ssl.SSLContext.__new__

def make_context(kind, *args, **kwargs):
    if threading.current_thread() is threading.main_thread():
        seen.append("a TLS context")
    return new_context(kind, *args, **kwargs)

def run_recorded(main):
    sys.meta_path.insert(0, Recorder())
    ssl.SSLContext.__new__ = make_context
    asyncio.run(main()) if RUNNER == "asyncio" else trio.run(main)
    print(*seen or ["nothing"], len(modules) > 30)
"""

SETUP = """
from dataclasses import dataclass
from mirascope_like import llm

@dataclass
class Point:
    x: int

@llm.tool
def add(a: int, b: int = 1) -> int:
    "Add numbers."
    return a + b

for provider in ("openai:completions", "openai:responses"):
    llm.register_provider(provider, provider + "/", base_url=URL, api_key="k")
MODEL = "openai:completions/m"
"""

SCENARIOS = {
    "text": """
@llm.call(MODEL)
async def ask(): return "Hi"
async def main(): assert (await ask()).text() == '{"x": 1}'
""",
    "stream": """
@llm.call(MODEL)
async def ask(): return "Hi"
async def main(): assert [text async for text in (await ask.stream()).text_stream()]
""",
    "time limit": """
model = llm.Model(MODEL, timeout=llm.Timeout(total=9))
async def main(): await model.call_async("Hi")
""",
    "Pydantic model": """
from pydantic import BaseModel
class Book(BaseModel): x: int
@llm.call(MODEL, format=Book)
async def ask(): return "Hi"
async def main(): assert (await ask()).parse().x == 1
""",
    "dataclass": """
model = llm.Model(MODEL)
async def main(): assert (await model.call_async("Hi", format=Point)).parse() == Point(1)
""",
    "tools": """
@llm.call(MODEL, tools=[add])
async def ask(): return "call"
async def main():
    response = await ask()
    outputs = await response.execute_tools()
    assert [output.result for output in outputs] == [3]
    await response.resume(outputs)
""",
    "streamed tools": """
@llm.call(MODEL, tools=[add])
async def ask(): return "call"
async def main():
    response = await ask.stream()
    await response.finish()
    await response.resume(await response.execute_tools())
""",
    "fallback": """
@llm.retry(max_retries=1, initial_delay=0.001, fallback_models=[MODEL])
@llm.call("openai:responses/fail")
async def ask(): return "Hi"
async def main(): assert (await ask()).text()
""",
    "chat": """
from mirascope_like import chat
model = chat.get_async_model(MODEL)
async def main(): assert await model.prompt("Hi").text()
""",
    "chat schema": """
from mirascope_like import chat
from pydantic import BaseModel
class Book(BaseModel): x: int
response = chat.get_async_model(MODEL).prompt("Hi", schema=Book)
async def main(): assert (await response.parsed()).x == 1
""",
    "chat tools": """
from mirascope_like import chat
def add(a: int, b: int = 1) -> int:
    "Add numbers."
    return a + b
response = chat.get_async_model(MODEL).chain("call", tools=[add])
async def main(): assert await response.text()
""",
}


def answer(exchange: Exchange) -> None:
    """Call the tool where the user asks for it, else give a value of the formats; fail in the other protocol."""
    if exchange.request.path == "/responses":
        exchange.json({"error": {"message": "overloaded"}}, status=503)
    else:
        saying(call_or_value)(exchange)


def call_or_value(body: dict[str, Any]) -> Any:
    if body["messages"][-1]["content"] == "call":
        return [llm.ToolCall(id="1", name="add", args='{"a": 2}')]
    return '{"x": 1}'


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with Server() as plain, Server(tls=context) as secure:
        plain.answer = secure.answer = answer
        yield {"http": plain, "https": secure}


def in_fresh_python(code: str) -> str:
    # On a busy machine, asyncio may not get to closing a TLS connection before its loop ends.
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", code]
    environment = os.environ | {"SSL_CERT_FILE": CERTIFICATE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("runner", ["asyncio", "trio"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_loops_thread_imports_nothing(scenario: str, runner: str, scheme: str, servers: dict[str, Server]) -> None:
    url = servers[scheme].url
    if scheme == "https":
        url = url.replace("http://127.0.0.1", "https://localhost")
    names = f"RUNNER, URL = {runner!r}, {url!r}\n"
    code = names + RECORDER + SETUP + SCENARIOS[scenario] + "run_recorded(main)"
    assert in_fresh_python(code) == "nothing True\n"


def test_a_cancelled_first_call_leaves_the_next_one_working(servers: dict[str, Server]) -> None:
    code = f"""
URL = {servers["http"].url!r}
{SETUP}
import asyncio
@llm.call(MODEL, tools=[add])
async def ask(): return "Hi"
async def main():
    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    task.cancel()
    print((await asyncio.gather(task, ask(), ask(), return_exceptions=True))[1].text())
asyncio.run(main())
"""
    assert in_fresh_python(code) == '{"x": 1}\n'


def test_threads_make_first_calls_at_once(servers: dict[str, Server]) -> None:
    code = f"""
URL = {servers["http"].url!r}
{SETUP}
import asyncio, threading
@llm.call(MODEL, tools=[add])
async def ask(): return "Hi"
@llm.call(MODEL, format=Point)
def ask_sync(): return "Hi"
async def main(): return [response.text() for response in await asyncio.gather(*(ask() for _ in range(20)))]
answers = []
threads = [threading.Thread(target=lambda: answers.extend(asyncio.run(main()))) for _ in range(3)]
threads.append(threading.Thread(target=lambda: answers.append(ask_sync().text())))
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(answers))
"""
    assert in_fresh_python(code) == "61\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_during_a_first_call_makes_its_own(servers: dict[str, Server]) -> None:
    code = f"""
URL = {servers["http"].url!r}
{SETUP}
import asyncio, os, threading
@llm.call(MODEL, tools=[add])
async def ask(): return "Hi"
async def main():
    call = asyncio.ensure_future(ask())
    while threading.active_count() == 1:
        await asyncio.sleep(0)
    if not (child := os.fork()):
        threads = [threading.Thread(target=lambda: asyncio.run(ask()))]
        threads[0].start()
        threads[0].join()
        os._exit(0)
    print((await call).text(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
asyncio.run(main())
"""
    assert in_fresh_python(code) == '{"x": 1} 0\n'


def load_on_loop(key: str, load: Callable[[], object]) -> None:
    asyncio.run(asyncio.wait_for(loading.load_once(key, load), PATIENCE))


def test_a_load_is_done_once_and_waited_for_by_all() -> None:
    begun, go_on = threading.Event(), threading.Event()
    loads: list[int] = []

    def load() -> None:
        loads.append(threading.get_ident())
        begun.set()
        go_on.wait(PATIENCE)

    threads = [threading.Thread(target=load_on_loop, args=("once", load)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(PATIENCE)
    assert all(thread.is_alive() for thread in threads)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    load_on_loop("once", load)
    assert len(loads) == 1
    assert loads[0] not in {thread.ident for thread in threads}


def test_a_load_that_fails_raises_nothing() -> None:
    def load() -> None:
        raise SystemExit

    load_on_loop("fails", load)


def test_many_loads_are_not_all_remembered() -> None:
    class Key:
        pass

    async def load_many() -> None:
        for number in range(2000):
            await loading.load_once(("many", number), list)

    key = Key()
    remembered = weakref.ref(key)
    asyncio.run(loading.load_once(key, list))
    del key
    gc.collect()
    assert remembered() is not None
    asyncio.run(load_many())
    gc.collect()
    assert remembered() is None


def test_each_provider_of_a_model_id_is_loaded(native: Colour, server: Server) -> None:
    server.answer = saying(lambda _: "Hi")
    chat = registry.built_in("openai:completions")
    used: list[tuple[str, bool]] = []  # which codec, and whether on the loop's thread

    def make_provider(number: str) -> llm.HTTPProvider:
        def make_codec(*args: Any) -> Any:
            used.append((number, threading.current_thread() is threading.main_thread()))
            return chat.codec(*args)

        return replace(chat, id="same", codec=make_codec, base_url=server.url, needs_key=False)

    async def scenario() -> None:
        for provider in (make_provider("1st"), make_provider("2nd")):
            await native.ask(llm.Model(f"same/{native.name}", provider=provider), "Hi")

    native.run(scenario)
    first_uses = dict(reversed(used))
    assert first_uses == {"1st": False, "2nd": False}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_a_load_that_is_under_way() -> None:
    code = """
import asyncio, os, sys, threading, time
from mirascope_like.transport import loading
begun, ended = threading.Event(), threading.Event()
def load():
    begun.set()
    time.sleep(0.3)
    ended.set()
async def main():
    task = asyncio.ensure_future(loading.load_once("slow", load))
    while not begun.is_set():
        await asyncio.sleep(0)
    if not (child := os.fork()):
        os._exit(0 if ended.is_set() else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    await task
asyncio.run(main())
"""
    assert in_fresh_python(code) == "0\n"
