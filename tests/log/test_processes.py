"""A log and the lives of processes: killed, forked, several at once, and ended without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirascope_like import llm

from ..conftest import PATIENCE

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
