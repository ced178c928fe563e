"""The embedded model for real: form, not wording, except for one easy fact. Processes come and go as they should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import errors
from mirascope_like.local.codec import adapt_body
from mirascope_like.local.transport import LocalTransport, server_pid
from mirascope_like.local.weights import find_weights
from mirascope_like.transport.base import Channel, HttpRequest

from ..transport.conftest import drive, run

pytestmark = pytest.mark.local

Json = dict[str, Any]

CAPITAL = "What is the capital of Japan?"
CITY: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Json] = [
    {"type": "function", "function": {"name": name, "description": text, "parameters": CITY}}
    for name, text in [("get_weather", "Get the weather in a city."), ("get_time", "Get the time in a city.")]
]
WEATHER: Json = {"messages": [{"role": "user", "content": "What is the weather in Paris?"}], "tools": TOOLS}


@pytest.fixture(scope="session", autouse=True)
def embedded() -> None:
    """Skip where the embedded model is not installed; on CI it has to be."""
    try:
        import xllamacpp  # noqa: F401  # pyright: ignore[reportMissingTypeStubs]

        find_weights()
    except (ImportError, errors.ProviderError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def request(**body: Any) -> HttpRequest:
    adapted = adapt_body({"messages": [{"role": "user", "content": CAPITAL}], "max_tokens": 40, **body})
    return HttpRequest(
        "http://local/v1/chat/completions", {"content-type": "application/json"}, json.dumps(adapted).encode()
    )


async def ask(channel: Channel, **body: Any) -> Json:
    reply = await channel.post(request(**body))
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def stream(channel: Channel, **body: Any) -> list[Json]:
    """The events of a streamed answer."""
    source = await channel.open(request(stream=True, stream_options={"include_usage": True}, **body))
    text = b""
    while (piece := await source.next()) is not None:
        text += piece
    await source.close()
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith(b"data: {")]


def ask_now(**body: Any) -> Json:
    return run(ask(LocalTransport().blocking(), **body))


def text_of(answer: Json) -> str:
    return answer["choices"][0]["message"]["content"]


def channel_for(colour: str) -> Channel:
    return LocalTransport().blocking() if colour == "blocking" else LocalTransport().native()


def test_an_easy_question_whole_and_streamed(colour: str) -> None:
    async def main() -> None:
        channel = channel_for(colour)
        whole = await ask(channel)
        assert "Tokyo" in text_of(whole)
        *events, last = await stream(channel)
        deltas = [event["choices"][0]["delta"].get("content") or "" for event in events]
        assert "".join(deltas) == text_of(whole)
        assert sum(map(bool, deltas)) > 3
        for usage in (whole["usage"], last["usage"]):
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 20

    drive(colour, main)


def test_a_forced_call_whole_and_streamed() -> None:
    choice = ask_now(**WEATHER)["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"] or "") == ("tool_calls", "")
    assert call["function"]["name"] in ("get_weather", "get_time")
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)

    deltas = [event["choices"][0]["delta"] for event in run(stream(channel_for("blocking"), **WEATHER))[:-1]]
    assert not any(delta.get("content") for delta in deltas)
    pieces = [piece["function"] for delta in deltas for piece in delta.get("tool_calls", ())]
    assert pieces[0]["name"] == call["function"]["name"]
    assert "".join(piece["arguments"] for piece in pieces) == call["function"]["arguments"]


def test_the_named_tool_is_called() -> None:
    answer = ask_now(**WEATHER, tool_choice={"type": "function", "function": {"name": "get_time"}})
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_time"


def test_a_result_is_answered_in_words() -> None:
    called = ask_now(**WEATHER)["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "12 degrees, rain"}
    choice = ask_now(messages=[*WEATHER["messages"], called, result], tools=TOOLS)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"]
    assert "tool_calls" not in choice["message"]


def test_a_schema_is_kept_to() -> None:
    properties = {"name": {"type": "string"}, "age": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["name", "age"], "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "Person", "schema": schema, "strict": True}}
    answer = ask_now(messages=[{"role": "user", "content": "Ada is 36 years old."}], response_format=wanted)
    assert {key: type(value) for key, value in json.loads(text_of(answer)).items()} == {"name": str, "age": int}


def test_threads_share_one_child() -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: (text_of(ask_now()), server_pid()), range(4)))
    assert len(set(answers)) == 1


def test_one_event_loop_after_another() -> None:
    transport = LocalTransport()

    async def main() -> str:
        answers = await asyncio.gather(*(ask(transport.native()) for _ in range(2)))
        return text_of(answers[0])

    assert asyncio.run(main()) == asyncio.run(main())


def test_a_child_that_died_is_started_again() -> None:
    ask_now()
    pid = server_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # until it is dead, leaving it to be reaped by its owner
    assert server_pid() is None
    assert "Tokyo" in text_of(ask_now())
    assert server_pid() not in (None, pid)


SCRIPT = """
import json, os, sys, threading
from mirascope_like.transport import HttpRequest
from mirascope_like.local.transport import LocalTransport, server_pid

def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value

def request(**body):
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 3, **body}
    return HttpRequest("http://local/v1/chat/completions", {}, json.dumps(body).encode())

def status():
    return run(LocalTransport().blocking().post(request())).status
"""


def python(code: str, **env: str) -> subprocess.Popen[str]:
    """A Python of its own, in which every warning is an error."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT + code]
    environment, pipe = {**os.environ, **env}, subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def output_of(code: str, **env: str) -> list[str]:
    """What the code prints, word by word. It must end well and silently."""
    with python(code, **env) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.split()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_uses_its_parents_child_and_leaves_it_running() -> None:
    mine, forked, after, *pids = output_of("""
print(status(), flush=True)
pid = server_pid()
if (child := os.fork()) == 0:
    print(status(), flush=True)
    sys.exit(server_pid() != pid)
_, code = os.waitpid(child, 0)
print(status(), pid, server_pid(), code)
""")
    assert (mine, forked, after) == ("200", "200", "200")
    assert pids == [pids[0], pids[0], "0"]
    assert is_gone(int(pids[0]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_that_outlives_its_parent_starts_a_child_of_its_own() -> None:
    pid, status, own = output_of("""
status()
pid = server_pid()
reading, writing = os.pipe()
if os.fork():
    sys.exit()
os.close(writing)
os.read(reading, 1)
print(pid, status(), server_pid())
""")
    assert status == "200"
    assert pid != own
    assert is_gone(int(own))


def test_leaving_with_a_request_in_flight_leaves_no_child() -> None:
    (pid,) = output_of("""
started = threading.Event()
def long():
    stream = run(LocalTransport().blocking().open(request(stream=True, max_tokens=2000, ignore_eos=True)))
    run(stream.next())
    started.set()
    try:
        while run(stream.next()): pass
    except Exception: pass
threading.Thread(target=long, daemon=True).start()
started.wait()
print(server_pid())
""")
    assert is_gone(int(pid))


def test_a_killed_process_takes_its_child_with_it() -> None:
    with python("status(); print(server_pid(), flush=True); sys.stdin.read()") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert not is_gone(pid)
        process.kill()
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.02)


FAILURE = """
try:
    status()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (
            "sys.path = [path for path in sys.path if 'site-packages' not in path]",
            'pip install "mirascope-like[local]" (in a checkout: ".[local]")',
        ),
        ("", "python -m mirascope_like weights"),
    ],
)
def test_what_has_to_be_installed_is_named(before: str, said: str, tmp_path: Path) -> None:
    words = " ".join(output_of(before + FAILURE, MIRASCOPE_LIKE_HOME=str(tmp_path), MIRASCOPE_LIKE_LOCAL_MODEL=""))
    assert words.startswith("ProviderError local: The embedded model")
    assert words.endswith(said)


@pytest.mark.parametrize(
    ("name", "variable", "said"),
    [
        ("smollm2-135m-instruct-q4_1.gguf", "MIRASCOPE_LIKE_HOME", "ProviderError local: {path} is damaged."),
        (
            "own.gguf",
            "MIRASCOPE_LIKE_LOCAL_MODEL",
            "ConnectionError local: The embedded model did not start with {path}",
        ),
    ],
)
def test_a_file_that_is_no_model_is_named(name: str, variable: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"not a model")
    env = {"MIRASCOPE_LIKE_LOCAL_MODEL": "", variable: str(tmp_path if variable.endswith("HOME") else path)}
    assert " ".join(output_of(FAILURE, **env)).startswith(said.format(path=path))


def install_runtime(site: Path, code: str) -> None:
    """A package of the engine's name that does this when it is imported."""
    (site / "xllamacpp").mkdir()
    (site / "xllamacpp" / "__init__.py").write_text(code)


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("raise ImportError('libgomp.so.1: cannot open shared object file')", "apt-get install libgomp1"),
        ("import os; os.kill(os.getpid(), 4)", "AVX2"),
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    ],
)
def test_a_runtime_that_does_not_start_is_explained(runtime: str, said: str, tmp_path: Path) -> None:
    install_runtime(tmp_path, runtime)
    assert said in " ".join(output_of(FAILURE, PYTHONPATH=str(tmp_path)))


def test_a_runtime_that_never_starts_is_given_up(tmp_path: Path) -> None:
    install_runtime(tmp_path, "import time; time.sleep(600)")
    impatient = "from mirascope_like.local import transport; transport.START_TIMEOUT = 0.5\n"
    assert "loading took too long" in " ".join(output_of(impatient + FAILURE, PYTHONPATH=str(tmp_path)))
