"""The end of a process: nothing of the library keeps it from ending, and its exit code is the program's.

The tools here sleep for a minute. Their processes have to be over long before that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mirascope_like import llm

from ..conftest import PATIENCE
from ..transport.server import Exchange, Server
from .protocols import PROTOCOLS
from .server import chunked, sized
from .test_interrupts import interrupt

ROOT = Path(__file__).parents[2]
CHAT = PROTOCOLS[0]

# A test adds `blocking()` or `native()`.
HEAD = """
import asyncio, os, signal, sys, threading, time
import anyio
from mirascope_like import chat, llm

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored where the tests were started
HOW, URL = sys.argv[1:3]
llm.register_provider("openai:completions", scope="test/", base_url=URL)
asleep = []

def slow() -> str:
    "Sleep."
    asleep.append(1)
    os.write(1, b"asleep\\n")
    time.sleep(60)

async def slow_async() -> str:
    "Sleep."
    # Import what sleeping needs. Imports may call exec(), and CPython then forgets that another thread was interrupted,
    # which it looks up for its exit code.
    await anyio.sleep(0)
    asleep.append(1)
    os.write(1, b"asleep\\n")
    await anyio.sleep(60)

def leave(after: int = 0) -> str:
    "Exit when so many others are asleep."
    while len(asleep) < after:
        time.sleep(0.01)
    sys.exit(2)

async def leave_async(after: int = 0) -> str:
    "Exit when so many others are asleep."
    while len(asleep) < after:
        await anyio.sleep(0.01)
    sys.exit(2)

def interrupt(after: int = 0) -> str:
    "Stop when so many others are asleep."
    while len(asleep) < after:
        time.sleep(0.01)
    raise KeyboardInterrupt

TOOLS = [slow, slow_async, leave, leave_async, interrupt]

def calling(*names):
    after = sum(name.startswith("slow") for name in names)
    args = {name: "{}" if name.startswith("slow") or name == "outer" else f'{{"after": {after}}}' for name in names}
    return llm.scripted([llm.ToolCall(id=str(at), name=name, args=args[name]) for at, name in enumerate(names)])

def use(*names, tools=TOOLS):
    return calling(*names).call("Hi", tools=tools).execute_tools()

async def use_async(*names, tools=TOOLS):
    return await (await calling(*names).call_async("Hi", tools=tools)).execute_tools()
"""
TAIL = """
if HOW == "blocking":
    blocking()
elif HOW == "asyncio":
    asyncio.run(native())
else:
    import trio
    trio.run(native)
"""
NO_URL = "http://127.0.0.1:9"
HOWS = pytest.mark.parametrize("how", ["blocking", "asyncio", "trio"])
NATIVE = pytest.mark.parametrize("how", ["asyncio", "trio"])


def start(body: str, how: str, url: str = NO_URL, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + body + TAIL, how, url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code, and what was written to standard output, but for who fell asleep, and to standard error."""
    try:
        out, err = process.communicate(timeout=4 * PATIENCE)  # less than a tool sleeps
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it does not end; it says {process.communicate()}") from None
    return process.returncode, out.replace("asleep\n", ""), err


def run(body: str, how: str, url: str = NO_URL, *arguments: str) -> tuple[int, str, str]:
    return end(start(body, how, url, *arguments))


# -- a tool that stops the program ------------------------------------------------------------------------------------


@HOWS
@pytest.mark.parametrize("names", [["leave", "slow"], ["leave_async", "slow", "slow_async"], ["leave"]])
def test_a_tool_exits(how: str, names: list[str]) -> None:
    body = f"""
def blocking(): use(*{names})
async def native(): await use_async(*{names})
"""
    assert run(body, how) == (2, "", "")


@HOWS
def test_a_tool_interrupts(how: str) -> None:
    body = """
def blocking(): use("slow", "interrupt")
async def native(): await use_async("slow", "interrupt")
"""
    code, _, err = run(body, how)
    assert (code, err.splitlines()[-1]) == (-2, "KeyboardInterrupt")


@HOWS
def test_the_program_may_go_on(how: str) -> None:
    """`SystemExit` comes out where the tools were called, so that everything around it is left in good order."""
    body = """
def ending(error):
    print(type(error).__name__, "at the caller")

def blocking():
    try: use("leave_async", "slow")
    except SystemExit as error: ending(error)

async def native():
    try: await use_async("leave_async", "slow")
    except SystemExit as error: ending(error)
"""
    assert run(body, how) == (0, "SystemExit at the caller\n", "")


@HOWS
@pytest.mark.parametrize("where", ["tool", "hook"])
def test_a_chain_exits(server: Server, how: str, where: str) -> None:
    names = ["leave"] if how == "blocking" else ["slow", "leave"]  # in sync chains, one after the other
    args = f'{{"after": {len(names) - 1}}}'
    calls = [llm.ToolCall(id=name, name=name, args="{}" if name == "slow" else args) for name in names]
    server.answer = chunked(CHAT.events(*calls))
    hook = "lambda tool, call: sys.exit(2)" if where == "hook" else "None"
    body = f"""
def blocking(): chat.get_model("test/m").chain("Hi", tools=TOOLS, before_call={hook}).text()
async def native(): await chat.get_async_model("test/m").chain("Hi", tools=TOOLS, before_call={hook}).text()
"""
    assert run(body, how, server.url) == (2, "", "")


@NATIVE
def test_a_tool_of_another_task_exits(how: str) -> None:
    """Tasks that are cancelled for it do not wait for their threads, whether they run one tool or several."""
    body = """
async def native():
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(use_async, "slow")
            group.start_soon(use_async, "slow", "slow_async")
            while len(asleep) < 3:
                await anyio.sleep(0.01)
            group.start_soon(use_async, "leave")
    except BaseExceptionGroup as error:
        print(error.exceptions)
"""
    code, out, _ = run(body, how)
    assert code == 2 if how == "asyncio" else out == "(SystemExit(2),)\n"  # asyncio lets it end the loop at once


# -- what was given up ------------------------------------------------------------------------------------------------


@HOWS
def test_a_tool_took_too_long(how: str) -> None:
    body = """
def limited(): return [llm.tool(timeout=0.1)(slow), llm.tool(timeout=0.1)(slow_async)]
def blocking(): print([bool(output.error) for output in use("slow", "slow_async", tools=limited())])
async def native(): print([bool(output.error) for output in await use_async("slow", "slow_async", tools=limited())])
"""
    assert run(body, how) == (0, "[True, True]\n", "")


@HOWS
def test_a_tool_of_a_chain_took_too_long(server: Server, how: str) -> None:
    def answer(exchange: Exchange) -> None:
        asked = exchange.request.json["messages"][-1]["role"] == "user"
        chunked(CHAT.events(*[llm.ToolCall(id="a", name="slow", args="{}")] if asked else ()))(exchange)

    server.answer = answer
    body = """
OPTIONS = {"timeout": chat.Timeout(tool=0.1)}
def blocking(): chat.get_model("test/m").chain("Hi", tools=TOOLS, options=OPTIONS).text()
async def native(): await chat.get_async_model("test/m").chain("Hi", tools=TOOLS, options=OPTIONS).text()
"""
    assert run(body, how, server.url) == (0, "", "")


@HOWS
def test_the_tool_around_a_tool_took_too_long(how: str) -> None:
    body = """
def outer(): use("slow", "slow"); time.sleep(60)  # it may notice first that its time is over
async def outer_async(): await use_async("slow"); await use_async("slow", "slow")
def blocking(): print(bool(use("outer", tools=[llm.tool(timeout=0.1)(outer)])[0].error))

async def native():
    outer = llm.tool(timeout=0.1, name="outer")(outer_async)
    with anyio.fail_after(30):
        await use_async("outer", tools=[outer])
    print(True)
"""
    assert run(body, how) == (0, "True\n", "")


def test_an_async_tool_that_refuses_to_end() -> None:
    body = """
async def slow_async() -> str:
    while True:
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: pass

def blocking(): print(bool(use("slow_async", tools=[llm.tool(timeout=0.1)(slow_async)])[0].error))
"""
    assert run(body, "blocking") == (0, "True\n", "")


@HOWS
def test_a_call_took_too_long(server: Server, how: str) -> None:
    server.answer = server.hold
    body = """
model = llm.Model("test/m", timeout=llm.Timeout(total=0.1, idle=60))

def blocking():
    try: model.call("Hi")
    except llm.TimeoutError: print("late")

async def native():
    try: await model.call_async("Hi")
    except llm.TimeoutError: print("late")
"""
    assert run(body, how, server.url) == (0, "late\n", "")


@HOWS
def test_a_stream_was_not_read_to_its_end(server: Server, how: str) -> None:
    if how == "blocking" and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("this Python crashes if what it collects at its end uses datetime, as httpx2 does")
    server.answer = chunked(CHAT.events()).first(3).then("stall")
    body = """
kept = []
def blocking():
    kept.append(llm.Model("test/m").stream("Hi").text_stream())
    next(kept[0])

async def native():
    kept.append((await llm.Model("test/m").stream_async("Hi")).text_stream())
    await anext(kept[0])
"""
    code, printed, warnings = run(body, how, server.url)
    if how == "trio" and version("httpcore2") == "2.10.0":  # it warns about a generator of its own
        warnings = ""
    assert (code, printed, warnings) == (0, "", "")


def test_a_name_is_looked_up_for_too_long() -> None:
    body = """
import socket
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **options: time.sleep(60) if host == "name.test" else look_up(host, *args)
model = llm.Model("test/m", timeout=llm.Timeout(connect=0.1))

async def native():
    try: await model.call_async("Hi")
    except llm.TimeoutError: print("late")
"""
    assert run(body, "asyncio", "http://name.test:9") == (0, "late\n", "")


# -- Ctrl-C, and the end of main --------------------------------------------------------------------------------------


@HOWS
@pytest.mark.parametrize("names", [["slow"], ["slow", "slow"], ["slow", "slow_async"]])
def test_ctrl_c_waits_for_no_tool(how: str, names: list[str]) -> None:
    if how == "blocking" and names == ["slow"]:
        names = ["slow", "slow", "slow"]  # one alone runs on the main thread, which Ctrl-C stops anyway
    body = f"""
def blocking(): use(*{names})
async def native(): await use_async(*{names})
"""
    process = start(body, how)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in names] == ["asleep\n"] * len(names)
    interrupt(process)
    code, _, err = end(process)
    assert (code, err.splitlines()[-1]) == (-2, "KeyboardInterrupt")


@NATIVE
def test_a_chain_that_is_read_in_the_background(server: Server, how: str) -> None:
    """A prompt has the chain before it read to its end, in a task that is cancelled when the loop ends."""
    calls = [llm.ToolCall(id=id, name="slow", args="{}") for id in "ab"]
    server.answer = sized(CHAT.whole(*calls))
    body = """
async def native():
    conversation = chat.get_async_model("test/m").conversation(tools=TOOLS)
    chain = conversation.chain("First", stream=False)
    async for response in chain.responses():
        break
    async with anyio.create_task_group() as group:
        group.start_soon(conversation.prompt("Second").text)
        while len(asleep) < 2:
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    print("left")
"""
    assert run(body, how, server.url) == (0, "left\n", "")


@HOWS
def test_the_log_is_written(tmp_path: Path, how: str) -> None:
    body = """
log = llm.log(sys.argv[3])
def blocking(): use("slow", "leave")
async def native(): await use_async("slow", "leave")
"""
    path = tmp_path / "log.db"
    assert run(body, how, NO_URL, str(path)) == (2, "", "")
    with llm.open_log(path) as reader:
        assert len(list(reader.responses())) == 1
