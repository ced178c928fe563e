"""The examples run and print what they should: with scripted models, and the tour with the embedded one."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import errors, llm

from .llm.chat_server import saying
from .test_docs import played
from .transport.server import Server

EXAMPLES = Path(__file__).parents[1] / "examples"

Show = Callable[..., list[str]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """Run an example with arguments and scripted replies, and give the lines that it prints."""

    def run(name: str, *replies: Any, arguments: list[str] | None = None) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *(arguments or [])])
        with played(*replies):
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


def call(name: str, id: str = "1", **args: Any) -> llm.ToolCall:
    return llm.ToolCall(id=id, name=name, args=json.dumps(args))


def test_parallel_calls(show: Show) -> None:
    def summary(body: dict[str, Any]) -> str:
        chapter = body["messages"][0]["content"].split()[-3]
        if chapter == "second":
            raise llm.ServerError("No.", status_code=500)
        return f"The {chapter} one."

    lines = show("parallel_calls.py", summary, summary, summary)
    assert [lines[0], lines[2]] == ["The first one.", "The third one."]
    assert lines[1].startswith("failed: ") and "No." in lines[1]


def test_tools_with_context(show: Show) -> None:
    calls = [call("borrow", "1", title="Emma", weeks=2), call("borrow", "2", title="Sanditon"), call("borrow", "3")]
    lines = show("tools_with_context.py", call("count_copies", title="Emma"), calls, "You have Emma.")
    assert lines[0] == "count_copies: 1"
    assert lines[1] == "borrow: Ada has Emma for 2 weeks."
    assert lines[2] == "borrow: LookupError: No copy of Sanditon is left."
    assert lines[-1] == "You have Emma."


def test_streaming_parts(show: Show) -> None:
    first = [llm.Thought("I could win."), "Here I go.", call("roll_dice", sides=6)]
    assert show("streaming_parts.py", first, "Three!")[:4] == [
        "thinks: I could win.",
        "says: Here I go.",
        'calls: roll_dice {"sides": 6}',
        "says: Three!",
    ]


def test_structured_output(show: Show) -> None:
    good = {"title": "Toast", "effort": "low", "ingredients": [{"name": "bread", "grams": 40}]}
    bad = {**good, "ingredients": [{"name": "bread", "grams": 0}]}
    lines = show("structured_output.py", json.dumps(good), json.dumps(bad), json.dumps(good))
    assert lines[-2:] == ["so far: Toast, 1 ingredients", "40 g bread"]


def test_own_server(show: Show, server: Server) -> None:
    def run(url: str = server.url) -> str:
        return show("own_server.py", arguments=[url, "some/model"])[0]

    server.answer = saying("Hello, Ada!")
    assert run() == "Hello, Ada!"
    body = server.received[0].json
    assert (body["model"], body["repetition_penalty"]) == ("some/model", 1.1)

    server.answer = lambda exchange: exchange.json({"error": {"message": "No such model."}}, 404)
    assert run() == "The server says: mine/some/model: No such model. (HTTP 404)"
    assert run("http://127.0.0.1:1").startswith("Is the server running? ")


def test_saved_conversation(show: Show, tmp_path: Path) -> None:
    file = str(tmp_path / "chat.json")
    assert show("saved_conversation.py", "Hello, Ada.", arguments=[file, "My name is Ada."]) == ["Hello, Ada."]
    asked: list[dict[str, Any]] = []

    def remember(body: dict[str, Any]) -> str:
        asked.extend(body["messages"])
        return "Ada."

    assert show("saved_conversation.py", remember, arguments=[file, "What is my name?"]) == ["Ada."]
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "user"]


def test_approval(show: Show, tmp_path: Path) -> None:
    file = str(tmp_path / "waiting.json")
    asking = [call("pay", person="Ada", euros=120)]
    question = "May I pay {'person': 'Ada', 'euros': 120}?"
    assert show("approval.py", asking, arguments=[file, "Pay Ada's invoice."]) == [question]
    told: list[dict[str, Any]] = []

    def confirm(body: dict[str, Any]) -> str:
        told.extend(body["messages"])
        return "Ada is paid."

    assert show("approval.py", confirm, arguments=[file, "--approve"]) == ["Ada is paid."]
    assert told[-1] == {"role": "tool", "tool_call_id": "1", "content": "Ada has 120 euros more."}
    assert not Path(file).exists()


def test_testing_calls() -> None:
    tests = {name: test for name, test in runpy.run_path(str(EXAMPLES / "testing_calls.py")).items() if "test_" in name}
    assert len(tests) == 4
    for test in tests.values():
        test()


@pytest.mark.local
def test_tour() -> None:
    try:
        from mirascope_like.local.weights import find_weights

        find_weights()
    except errors.ProviderError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    shown = subprocess.run([sys.executable, EXAMPLES / "tour.py"], capture_output=True, text=True, timeout=180)
    assert shown.returncode == 0, shown.stderr
    assert "135 million" in shown.stdout
    assert "Tokyo" in shown.stdout
    assert 'fetch_weather({"city": "Paris"})' in shown.stdout


def test_every_example_has_a_test() -> None:
    assert {f"test_{path.stem}" for path in EXAMPLES.glob("*.py")} <= set(globals())
