"""`python -m mirascope_like logs`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from mirascope_like import llm
from mirascope_like.__main__ import main
from mirascope_like.log.cli import format_message, replace_control_characters


@pytest.fixture(autouse=True)
def logged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that failed, a conversation with a tool, and words that are no ASCII."""

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    call = llm.ToolCall(id="1", name="add", args='{"a": 1, "b": 2}')
    model = llm.scripted(llm.RateLimitError("Slow down.", status_code=429), [call], "It is 3.", "日本語\x1b[31m")
    with llm.log(path):
        with pytest.raises(llm.RateLimitError):
            model.call("Too much")
        first = model.call("Add", tools=[add])
        first.resume(first.execute_tools())
        model.call("Several\nlines of it")
    monkeypatch.setenv("MIRASCOPE_LIKE_LOG", str(path))


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> str:
        assert main(["logs", *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_listing(shown) -> None:
    lines = shown("list").splitlines()
    assert [line.rpartition("s  ")[2] for line in lines] == [
        "Too much │ RateLimitError: scripted/model: Slow down. (HTT…",
        'Add │ → add({"a": 1, "b": 2})',
        "(tool outputs) │ It is 3.",
        "Several lines of it │ 日本語\ufffd[31m",
    ]
    assert all("scripted/model" in line for line in lines)
    for arguments in ((), ("-n", "9"), ("list", "-n", "9")):
        assert [line[:8] for line in shown(*arguments).splitlines()] == [line[:8] for line in lines]
    for arguments in (("-n", "1"), ("list", "-n", "1")):
        assert [line[:8] for line in shown(*arguments).splitlines()] == [lines[-1][:8]]


def test_one_conversation(shown, path: Path) -> None:
    with llm.open_log(path) as reader:
        id = next(reader.search("It is 3")).conversation_id
    for arguments in (("list", "--conversation", id), ("-c", id), ("-c", id, "list")):
        assert len(shown(*arguments).splitlines()) == 2


@pytest.mark.parametrize("count", ["-1", "some", "1.5"])
def test_counts(path: Path, count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["logs", "-n", count])
    assert "is not a number of calls" in capsys.readouterr().err


def test_more_than_sqlite_can_count(shown) -> None:
    assert len(shown("-n", "9" * 20).splitlines()) == 4
    assert len(shown("search", "ADD", "-n", "9" * 20).splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that takes nothing")
@pytest.mark.parametrize("output", [">&-", "> /dev/full"])
def test_what_cannot_be_shown(path: Path, output: str) -> None:
    command = f'"{sys.executable}" -m mirascope_like logs -f "{path}" {output}'
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_help_is_for_users(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "show a log of calls" in capsys.readouterr().out


def test_showing(shown, path: Path) -> None:
    id = shown("search", "it is 3").split()[0]
    text = shown("show", id)
    for line in ("tools         add", '→ add({"a": 1, "b": 2})', "← add: 3", "It is 3.", "assistant", "model "):
        assert line in text
    assert "\x1b" not in text


def test_searching(shown) -> None:
    assert len(shown("search", "ADD").splitlines()) == 1
    assert len(shown("search", "several", "日本").splitlines()) == 1
    assert shown("search", "nothing") == "No calls.\n"


def test_exporting(shown, path: Path) -> None:
    entries = [json.loads(line) for line in shown("export", "--json").splitlines()]
    with llm.open_log(path) as reader:
        responses = list(reader.responses())[::-1]
        assert [entry["id"] for entry in entries] == [response.id for response in responses]
        for entry in entries:
            assert llm.load_messages(entry) == reader.messages(entry["id"])
    assert [entry["error_type"] for entry in entries] == ["RateLimitError", None, None, None]
    assert datetime.fromisoformat(entries[0]["started"]) == responses[0].started
    assert entries[1]["tools"][0]["name"] == "add"
    assert "It is 3." in shown("export")


@pytest.mark.parametrize("arguments", [("list", "-n", "1"), ("search", "several"), ("--json",), ("show",)])
def test_json_for_every_action(shown, arguments: tuple[str, ...]) -> None:
    last = json.loads(shown("export", "--json").splitlines()[-1])
    arguments = (*arguments, last["id"]) if arguments == ("show",) else arguments
    assert json.loads(shown(*arguments, "--json").splitlines()[-1]) == last


def test_columns_are_aligned(shown) -> None:
    lines = shown("list").splitlines()
    assert len({line.index("scripted/model") for line in lines}) == 1
    datetime.fromisoformat(lines[0].split("  ")[1])


def test_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["logs", "show", "nothing"]) == 1
    assert "There is no response 'nothing'" in capsys.readouterr().err
    assert main(["logs", "-f", str(tmp_path / "none.db")]) == 1
    assert "There is no log" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "cp1252"])
def test_terminals_that_cannot_show_all(path: Path, encoding: str) -> None:
    for arguments in (["list"], ["export", "--json"], ["export"]):
        shown = subprocess.run(
            [sys.executable, "-m", "mirascope_like", "logs", *arguments],
            capture_output=True,
            env={"PYTHONIOENCODING": encoding, "MIRASCOPE_LIKE_LOG": str(path), "PYTHONPATH": ":".join(sys.path)},
        )
        assert (shown.returncode, shown.stderr) == (0, b"")
        if "--json" in arguments:
            assert json.loads(shown.stdout.decode(encoding).splitlines()[-1])["text"] == "日本語\x1b[31m"


def test_what_could_steer_a_terminal() -> None:
    assert replace_control_characters("a\x1b[2Jb\x07\x9b\ud800\n\tnaïve") == "a\ufffd[2Jb\ufffd\ufffd\ufffd\n\tnaïve"


def test_messages_to_be_read() -> None:
    image = llm.Image.from_url("https://example.org/a.png")
    user = llm.messages.user(["Look", image, llm.ToolOutput(id="1", name="t", result=[image, "words"])])
    assert format_message(user) == (
        'Look\n[image: https://example.org/a.png]\n← t: ["[image: https://example.org/a.png]", "words"]'
    )
    said = [llm.Thought("hm"), llm.ServerToolCall(id="1", name="search", args="{}"), llm.ProviderBlock(kind="odd")]
    assert format_message(llm.messages.assistant(said)) == "(thought) hm\n→ search({})\n[odd]"
    assert format_message(llm.messages.system("Be brief.")) == "Be brief."
