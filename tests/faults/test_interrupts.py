"""Ctrl-C in a real process: it ends at once, hangs up, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..conftest import PATIENCE
from ..transport.server import Server
from .protocols import PROTOCOLS
from .server import chunked, raw, sized

ROOT = Path(__file__).parents[2]
CHAT = PROTOCOLS[0]

SCRIPT = """
import asyncio, os, signal, sys, threading
from mirascope_like import llm

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored where the tests were started
llm.register_provider("openai:completions", scope="test/", base_url=sys.argv[1])
model = llm.Model("test/model")

async def linger_async() -> str:
    "Wait."
    os.write(1, b"ready\\n")  # whole, whatever interrupts it
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        os.write(1, b"cancelled\\n")
        raise

def linger() -> str:
    "Wait."
    os.write(1, b"ready\\n")
    threading.Event().wait(60)

def whole():
    model.call("Hi")

def stream():
    for _ in model.stream("Hi").text_stream():
        os.write(1, b"ready\\n")

def async_tool():
    model.call("Hi", tools=[linger_async]).execute_tools()

def sync_tools():
    model.call("Hi", tools=[linger]).execute_tools()

async def whole_async():
    await model.call_async("Hi")

async def stream_async():
    async for _ in (await model.stream_async("Hi")).text_stream():
        os.write(1, b"ready\\n")

how, what = sys.argv[2].split()
function = globals()[what]
try:
    if how == "blocking":
        function()
    elif how == "asyncio":
        asyncio.run(function())
    else:
        import trio
        trio.run(function)
except KeyboardInterrupt:
    pass
finally:
    left = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{fd}")]
    os.write(1, f"sockets {sum(name.startswith('socket:') for name in left)}\\n".encode())
    os.read(0, 1)  # until the test has seen that the connection is gone
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="processes cannot be looked into here")
CALLING = ["blocking whole", "asyncio whole_async", "trio whole_async"]
STREAMING = ["blocking stream", "asyncio stream_async", "trio stream_async"]


@needs_proc
@pytest.mark.parametrize("what", [*CALLING, *STREAMING])
def test_ctrl_c_hangs_up(server: Server, what: str) -> None:
    streams = what in STREAMING
    server.answer = (chunked(CHAT.events()).first(3) if streams else raw()).then("stall")
    with started(server, what) as process:
        server.arrived.get(timeout=PATIENCE)
        if streams:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        interrupt(process)
        server.wait_all_gone()  # while the process is still there
        out, err = process.communicate("\n", timeout=PATIENCE)
    if what == "trio stream_async":  # where Ctrl-C may strike between any two lines, and Python tells what it cut off
        err = ""
    assert (out.splitlines()[-1], err, process.returncode) == ("sockets 0", "", 0)


@needs_proc
def test_ctrl_c_cancels_async_tools_of_blocking_calls(server: Server) -> None:
    from mirascope_like import llm

    server.answer = sized(CHAT.whole(llm.ToolCall(id="a", name="linger_async", args="{}")))
    with started(server, "blocking async_tool") as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        interrupt(process)
        said = {process.stdout.readline().split()[0] for _ in range(2)}  # in any order
        _, err = process.communicate("\n", timeout=PATIENCE)
    assert (said, err, process.returncode) == ({"cancelled", "sockets"}, "", 0)


@needs_proc
def test_ctrl_c_leaves_sync_tools_of_blocking_calls(server: Server) -> None:
    from mirascope_like import llm

    calls = [llm.ToolCall(id=id, name="linger", args="{}") for id in "ab"]
    server.answer = sized(CHAT.whole(*calls))
    with started(server, "blocking sync_tools") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in calls] == ["ready\n"] * 2
        interrupt(process)
        out, err = process.communicate("\n", timeout=PATIENCE)  # it ends, though they do not
    assert (out.split()[0], err, process.returncode) == ("sockets", "", 0)


HANDING_OVER = """
import asyncio, sys, threading
from mirascope_like import llm

async def tool() -> str:
    "Wait."
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

hand_over = asyncio.run_coroutine_threadsafe
gate, loops = threading.Event(), []

def strike(tool, loop):
    loops.append(loop)
    if sys.argv[1] == "before":
        loop.call_soon_threadsafe(gate.wait)
    hand_over(tool, loop)
    if sys.argv[1] == "after":
        hand_over(asyncio.sleep(0.01), loop).result()
    raise KeyboardInterrupt

asyncio.run_coroutine_threadsafe = strike
response = llm.scripted([llm.ToolCall(id="a", name="tool", args="{}")]).call("Hi", tools=[tool])
try:
    response.execute_tools()
except KeyboardInterrupt:
    gate.set()
    print(hand_over(asyncio.sleep(0.01, "interrupted"), loops[0]).result(), flush=True)
"""


@pytest.mark.parametrize(("when", "said"), [("after", "cancelled\ninterrupted\n"), ("before", "interrupted\n")])
def test_ctrl_c_while_a_tool_is_handed_over(when: str, said: str) -> None:
    """It strikes before the tool begins, or after that, and always before anything could wait for it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HANDING_OVER, when],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


MIDST = """
import signal, trio, httpx2
from mirascope_like import llm

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored where the tests were started

class Busy(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request):
        signal.raise_signal(signal.SIGINT)
        print("noted")
        await trio.sleep_forever()

client = httpx2.AsyncClient(transport=Busy())
llm.register_provider("openai:completions", scope="test/", base_url="http://test", client=client)
try:
    trio.run(llm.Model("test/model").call_async, "Hi")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_under_trio_strikes_where_the_client_waits() -> None:
    """And not between two of its lines, of which the second notes what the first has opened."""
    done = subprocess.run(
        [sys.executable, "-c", MIDST],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.returncode) == ("noted\ninterrupted\n", 0), done.stderr


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, once the process waits: a signal just before a system call that waits is seen by Python only after it."""
    status = Path(f"/proc/{process.pid}/stat")
    end = time.monotonic() + PATIENCE
    while status.read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < end, "the process never waits"
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)


def started(server: Server, what: str) -> subprocess.Popen[str]:
    """The script in a process of its own, with `what` to do."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, server.url, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
