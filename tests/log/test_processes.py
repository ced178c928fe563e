"""A log and the lives of processes: killed, forked, several at once, and ended without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..test_docs import ROOT, blocks
from .databases import opened

HEAD = """
import multiprocessing, os, sys, time
from mirascope_like import llm
"""


def start(code: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", HEAD + code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def run(code: str, path: Path) -> None:
    process = start(code, path)
    process.communicate(timeout=3 * PATIENCE)
    assert process.returncode == 0


def said(path: Path) -> list[str]:
    with llm.open_log(path) as reader:
        assert reader.verify() == []
        return sorted(response.text for response in reader.responses())


def test_the_end_of_a_program_writes_all(path: Path) -> None:
    code = """
llm.log(sys.argv[1])
for n in range(50):
    llm.scripted(f"{n:02}").call("Hi")
"""
    run(code, path)
    assert said(path) == [f"{n:02}" for n in range(50)]


def test_a_writer_that_is_killed(path: Path) -> None:
    """What was flushed is there, and the log goes on."""
    code = """
log = llm.log(sys.argv[1])
n = 0
while True:
    llm.scripted(f"{n:04}").call("Hi")
    n += 1
    if n == 20:
        log.flush()
        print("flushed", flush=True)
"""
    process = start(code, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    process.kill()
    process.communicate()
    found = said(path)
    assert found[:20] == [f"{n:04}" for n in range(20)]
    assert found == [f"{n:04}" for n in range(len(found))]
    with llm.log(path):
        llm.scripted("next").call("Hi")
    assert said(path) == [*found, "next"]


def test_two_processes_that_begin_at_once(path: Path) -> None:
    code = """
sys.stdin.readline()
llm.log(sys.argv[1])
for n in range(50):
    llm.scripted(f"{n:02}").call("Hi")
"""
    processes = [start(code, path) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0
    assert said(path) == sorted(2 * [f"{n:02}" for n in range(50)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("end", ["log.close(); os._exit(0)", "sys.exit()"])
def test_a_fork(path: Path, end: str) -> None:
    """Each writes its own; the child does not write what the parent has still to write."""
    code = f"""
log = llm.log(sys.argv[1])
llm.scripted("before").call("Hi")
child = os.fork()
llm.scripted("child" if child == 0 else "parent").call("Hi")
if child == 0:
    {end}
os.waitpid(child, 0)
"""
    run(code, path)
    assert said(path) == ["before", "child", "parent"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing(path: Path, method: str, tmp_path: Path) -> None:
    """They end without the handlers of `atexit`."""
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    script = tmp_path / "program.py"
    script.write_text(f"""
import multiprocessing, sys
from mirascope_like import llm

def work(text):
    if {method!r} == "spawn":
        llm.log(sys.argv[1])
    llm.scripted(text).call("Hi")

if __name__ == "__main__":
    llm.log(sys.argv[1])
    llm.scripted("parent").call("Hi")
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(text,)) for text in ("one", "two")]
    for child in children:
        child.start()
    for child in children:
        child.join()
""")
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), str(path)], check=True, timeout=3 * PATIENCE
    )
    assert said(path) == ["one", "parent", "two"]


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="signals are otherwise there")
def test_ctrl_c(path: Path) -> None:
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored where the tests were started
llm.log(sys.argv[1])
llm.scripted("written").call("Hi")
print("ready", flush=True)
while True:
    time.sleep(0.01)  # a longer wait might begin just after the signal, and not see it
"""
    process = start(code, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    process.communicate()
    assert said(path) == ["written"]


# -- closing, and signals ---------------------------------------------------------------------------------------------


def ended(code: str, path: Path, *, send: signal.Signals | None = None) -> int:
    """Run a program, to which a signal is sent once it says that it is ready; its exit code."""
    process = start(code, path)
    assert process.stdout is not None
    if send is not None:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(send)
    process.communicate(timeout=3 * PATIENCE)
    return process.returncode


MANY = """
def many():
    model = llm.scripted("Hello!", repeat=True)
    for n in range(300):
        model.call(f"{n}")
"""


@pytest.mark.parametrize(
    "code",
    [
        "with llm.log(sys.argv[1]):\n    many()\nos._exit(0)",
        "log = llm.log(sys.argv[1])\nmany()\nlog.close()\nos._exit(0)",
        """
async def main():
    async with llm.log(sys.argv[1]):
        many()
    os._exit(0)
asyncio.run(main())""",
        """
async def main():
    log = llm.log(sys.argv[1])
    many()
    await log.aclose()
    assert log.waiting == 0
    os._exit(0)
trio.run(main)""",
        """
async def main():
    with anyio.CancelScope() as scope:
        async with llm.log(sys.argv[1]):
            many()
            scope.cancel()
            await anyio.sleep_forever()
    os._exit(0)
trio.run(main)""",
        """
async def main(called):
    async with llm.log(sys.argv[1]):
        many()
        called.set()
        await asyncio.sleep(60)
async def cancelled():
    called = asyncio.Event()
    task = asyncio.create_task(main(called))
    await called.wait()
    task.cancel()
    await asyncio.wait([task])
    os._exit(0)
asyncio.run(cancelled())""",
    ],
)
def test_what_was_queued_is_written_when_the_log_is_closed(path: Path, code: str) -> None:
    """The process ends at once afterwards, without another word."""
    assert ended(f"import anyio, asyncio, trio\n{MANY}\n{code}", path) == 0
    assert len(said(path)) == 300


def test_closing_leaves_the_event_loop_free(native: Colour, path: Path) -> None:
    """Another process holds the file, until the loop has gone round."""

    async def scenario() -> None:
        with opened(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            llm.scripted("Hello!").call("Hi")
            async with anyio.create_task_group() as group:
                group.start_soon(log.aclose)
                await anyio.wait_all_tasks_blocked()
                assert log.waiting == 1
                other.execute("ROLLBACK")
        assert log.waiting == 0

    log = llm.log(path)
    native.run(scenario)
    assert said(path) == ["Hello!"]


def test_closing_in_time(native: Colour, path: Path) -> None:
    log = llm.log(path)

    async def scenario() -> None:
        await log.aclose(timeout=0.01)

    with opened(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        llm.scripted("Hello!").call("Hi")
        with pytest.raises(llm.LogError, match="locked"):
            native.run(scenario)
        assert log.waiting == 1
        other.execute("ROLLBACK")
    log.close()
    assert (log.waiting, said(path)) == (0, ["Hello!"])


def test_how_many_wait(path: Path) -> None:
    log = llm.log(path)
    model = llm.scripted("Hello!", repeat=True)
    assert log.waiting == 0
    with opened(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for count in range(1, 600):  # more than are written at once
            model.call("Hi")
            assert log.waiting == count
        other.execute("ROLLBACK")
    log.flush(PATIENCE)
    assert log.waiting == 0
    log.close()


def test_closing_from_several_threads(path: Path) -> None:
    log = llm.log(path)
    for _ in range(20):
        llm.scripted("Hello!").call("Hi")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(close) for close in (log.close, log.flush) * 4]:
            done.result(PATIENCE)
    assert len(said(path)) == 20


UNFINISHED = """
log = llm.log(sys.argv[1])
response = llm.scripted("one two three").stream("Hi")
texts = response.text_stream()
next(texts)
"""


NO_THREADS = """
import atexit, threading
def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")
atexit.register(lambda: setattr(threading.Thread, "start", refuse))
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", NO_THREADS])
def test_a_stream_that_is_open_when_the_program_ends(path: Path, end: str) -> None:
    """No thread was needed before, and some versions of Python start none any more."""
    assert ended(UNFINISHED + end, path) == 0
    assert said(path) == ["one"]


needs_signals = pytest.mark.skipif(os.name == "nt", reason="signals are otherwise there")


@needs_signals
@pytest.mark.parametrize("place", ["between two chunks", "at the end"])
def test_ctrl_c_beside_a_stream(path: Path, place: str) -> None:
    wait = 'print("ready", flush=True)\nwhile True: time.sleep(0.01)\n'
    head = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = UNFINISHED + wait
    if place == "between two chunks":
        code = UNFINISHED.replace("next(texts)", 'for _ in texts:\n    print("ready", flush=True)\n    time.sleep(60)')
    assert ended(head + code, path, send=signal.SIGINT) != 0
    assert said(path) == ["one"]


@needs_signals
def test_a_handler_that_ends_the_program(path: Path) -> None:
    """What the page says for programs without an event loop."""
    (handler,) = [block.code for block in blocks(ROOT / "docs" / "logging.md") if "SIGTERM" in block.code]
    code = f"""
{handler}
llm.log(sys.argv[1])
many()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
    assert ended(MANY + code, path, send=signal.SIGTERM) == 143
    assert len(said(path)) == 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_beside_a_stream(path: Path) -> None:
    """It is the parent's: the child does not report it, neither when it ends nor when the stream goes away."""
    code = (
        UNFINISHED
        + """
if os.fork() == 0:
    del texts, response
    sys.exit()
os.wait()
assert list(texts) == [" two", " three"]
"""
    )
    assert ended(code, path) == 0
    assert said(path) == ["one two three"]
