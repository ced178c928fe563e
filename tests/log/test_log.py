"""A log of calls: all of them, as they were, without holding any of them up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mirascope_like import llm
from mirascope_like.llm import LogError

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import register
from ..transport.server import Server
from ..types.strategies import messages as any_messages
from .databases import opened

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.fixture
def reader(path: Path) -> Iterator[llm.LogReader]:
    llm.log(path).close()
    with llm.open_log(path) as reader:
        yield reader


def only(reader: llm.LogReader) -> llm.LoggedResponse:
    (response,) = reader.responses()
    return response


def made(**changes: Any) -> llm.CallEnded:
    """A call, with changes in what was asked."""
    events: list[llm.Event] = []
    remove = llm.subscribe(events.append)
    llm.scripted("Hello!").call("Hi")
    remove()
    call = events[-1]
    assert isinstance(call, llm.CallEnded) and call.result is not None
    return replace(call, result=replace(call.result, plan=replace(call.result.plan, **changes)))


def test_a_conversation_with_tools(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    """Of both kinds of call; what is loaded is what the response has."""

    def add(a: int, b: Annotated[int, "The other."]) -> int:
        """Add two numbers."""
        return a + b

    call = llm.ToolCall(id="1", name="add", args='{"b": 2, "a": 1}')
    model = llm.Model("test/model", temperature=0.5, extra_headers={"authorization": "secret"})
    scripted = llm.scripted([call], "It is 3.")
    llm.register_provider(scripted.provider_override, scope="test/")

    async def scenario() -> Any:
        question = [llm.messages.system("Be brief."), llm.messages.user(["Add", llm.Image.from_bytes(PNG)])]
        first = await colour.got(colour.stream(model, question, tools=[add]))
        return await colour.got(first.resume(await colour.got(first.execute_tools())))

    with llm.log(path):
        response = colour.run(scenario)
        colour.run(lambda: colour.got(response.finish()))
    last, first = reader.responses()
    assert reader.messages(last.id) == response.messages
    assert reader.messages(first.id) == response.messages[:3]
    assert [last.text, last.prompt, last.message] == ["It is 3.", "", response.messages[-1]]
    assert [first.text, first.prompt, first.streamed] == ["", "Add", True]
    assert (last.model_id, last.provider_id) == ("test/model", "scripted")
    assert (last.usage, last.response_id, last.error) == (response.usage, response.response_id, None)
    assert first.params == {"temperature": 0.5}
    assert reader.conversation() == reader.conversation(first.id)
    assert reader.conversation().messages == response.messages
    (tool,) = reader.tools(first.id)
    assert (tool.name, tool.description, tool.parameters) == ("add", "Add two numbers.", llm.tool(add).parameters)
    assert reader.verify() == []
    assert b"secret" not in path.read_bytes()


def test_what_is_shared_is_stored_once(path: Path) -> None:
    model = llm.scripted("a", "b", "c")
    with llm.log(path):
        first = model.call([llm.messages.user(["Look", llm.Image.from_bytes(PNG), llm.Image.from_bytes(PNG)])])
        first.resume("and then?")
        first.resume("or else?")
    with opened(path) as connection:
        count = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("responses", "messages", "attachments", "conversations")
        }
    connection.close()
    assert count == {"responses": 3, "messages": 6, "attachments": 1, "conversations": 2}


def test_conversations(path: Path, reader: llm.LogReader) -> None:
    """What goes on from an answer is of its conversation; a fork is one of its own."""
    model = llm.scripted("one", "two", "fork", "again", "other")
    with llm.log(path):
        first = model.call("Begin")
        second = first.resume("Go on")
        fork = first.resume("Go elsewhere")
        again = second.resume("Go on again")
        other = model.call("Begin")
    ids = {response.text: response.conversation_id for response in reader.responses()}
    assert ids["one"] == ids["two"] == ids["again"]
    assert len({ids["one"], ids["fork"], ids["other"]}) == 3
    assert reader.conversation(ids["one"]).messages == again.messages
    assert reader.conversation(ids["fork"]).messages == fork.messages
    assert reader.conversation().messages == other.messages
    assert [each.name for each in reader.conversations()] == ["Begin", "Begin", "Begin"]
    assert [each.text for each in reader.responses(conversation=ids["one"])] == ["again", "two", "one"]
    assert [each.text for each in reader.responses(conversation=ids["one"], limit=1)] == ["again"]


def test_a_conversation_goes_on_from_what_was_loaded(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path):
        llm.scripted("one").call("Begin")
    with llm.log(path):
        llm.scripted("two").call([*reader.conversation().messages, llm.messages.user("Go on")])
    first, second = reader.responses()
    assert first.conversation_id == second.conversation_id


def test_formats(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path):
        llm.scripted('{"output": 3}').call("How many?", format=int)
    assert only(reader).format_schema == llm.Format(int).schema
    assert reader.verify() == []


def test_tools_of_the_provider(path: Path, reader: llm.LogReader) -> None:
    call = made(toolkit=llm.Toolkit([llm.WebSearchTool()]))
    with llm.log(path) as log:
        log.write(call)
    (tool,) = reader.tools(call.call_id)
    assert (tool.name, tool.parameters) == ("web_search", None)
    assert reader.verify() == []


def test_failures(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    error = llm.RateLimitError("Slow down. \ud800", status_code=429)

    async def scenario() -> None:
        for ask in (colour.ask, colour.stream):
            with pytest.raises(llm.RateLimitError):
                await colour.got(ask(llm.scripted(error), "Hi"))

    with llm.log(path):
        colour.run(scenario)
    for response in reader.responses():
        assert (response.error_type, response.prompt, response.text) == ("RateLimitError", "Hi", "")
        assert response.error is not None
        assert "Slow down." in response.error
        assert reader.messages(response.id) == [llm.messages.user("Hi")]
        assert reader.conversation(response.id).messages == []


def test_what_a_broken_stream_had_brought(path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("one two three", "more")
    with llm.log(path):
        with model.stream("Hi") as response:
            next(response.text_stream())
        resumed = response.resume("Go on")
        resumed.finish()
    more, broken = reader.responses()
    assert (broken.text, broken.error_type) == ("one", "StreamClosedError")
    assert more.conversation_id == broken.conversation_id
    assert reader.conversation().messages == resumed.messages


def test_calls_in_tools(path: Path, reader: llm.LogReader) -> None:
    def ask(question: str) -> str:
        return llm.scripted("inner").call(question).text()

    call = llm.ToolCall(id="call_7", name="ask", args='{"question": "Why?"}')
    with llm.log(path):
        llm.scripted([call]).call("Hi", tools=[ask]).execute_tools()
    inner, _ = reader.responses()
    assert (inner.text, inner.in_tool_call) == ("inner", "call_7")


def test_raw_answers_are_kept_if_wanted(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path, raw=True):
        response = llm.scripted("Hello!").call("Hi")
    assert only(reader).raw == response.raw
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    assert next(reader.responses()).raw is None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(any_messages, min_size=1, max_size=3))
def test_any_messages(path: Path, messages: list[llm.Message]) -> None:
    """As equal as their JSON forms are: an error of a tool, for one, is equal by type and text."""
    call = made(messages=tuple(messages))
    with llm.log(path) as log:
        log.write(call)
    with llm.open_log(path) as reader:
        loaded = reader.messages(call.call_id)
        assert llm.dump_messages(loaded[:-1]) == llm.dump_messages(messages)
        assert loaded[-1] == call.message
        assert reader.verify() == []


def test_writing_again_changes_nothing(path: Path, reader: llm.LogReader) -> None:
    call = made()
    for _ in range(2):
        with llm.log(path) as log:
            log.write(call)
            log.write(call)
    assert only(reader).id == call.call_id


def test_two_logs(tmp_path: Path) -> None:
    with llm.log(tmp_path / "one.db"), llm.log(tmp_path / "two.db"):
        llm.scripted("Hello!").call("Hi")
    for name in ("one.db", "two.db"):
        with llm.open_log(tmp_path / name) as reader:
            assert only(reader).text == "Hello!"


def test_nothing_is_logged_after_closing(path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("one", "two")
    log = llm.log(path)
    model.call("Hi")
    log.close()
    model.call("Hi")
    log.close()
    log.flush()
    assert only(reader).text == "one"


# -- searching --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["index", "no index"])
def library(request: pytest.FixtureRequest, path: Path) -> Iterator[llm.LogReader]:
    """With and without FTS5: a file that was made without it has no index."""
    llm.log(path).close()
    if request.param == "no index":
        with opened(path) as connection:
            connection.execute("DROP TABLE responses_search")
        connection.close()
    with llm.log(path):
        said = {"Grüße aus Köln": "Danke! 100% naïve", "日本語は?": '"quotes" OR NOT', "Hi": "Hello"}
        for prompt, answer in said.items():
            llm.scripted(answer).call([llm.messages.system("hidden"), llm.messages.user(prompt)])
    with llm.open_log(path) as reader:
        yield reader


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("grüße", ["Grüße aus Köln"]),
        ("NAÏVE köln", ["Grüße aus Köln"]),
        ("öl", ["Grüße aus Köln"]),
        ("100%", ["Grüße aus Köln"]),
        ("日本語", ["日本語は?"]),
        ("本", ["日本語は?"]),
        ('"quotes"', ["日本語は?"]),
        ("or", ["日本語は?"]),
        ("h", ["Hi"]),
        ("naïve hello", []),
        ("hidden", []),
        ("nothing", []),
        ("naïve\0köln", ["Grüße aus Köln"]),
        ("", ["Hi", "日本語は?", "Grüße aus Köln"]),
    ],
)
def test_searching(library: llm.LogReader, text: str, prompts: list[str]) -> None:
    assert [response.prompt for response in library.search(text)] == prompts


def test_what_is_no_text_is_told_in_words(library: llm.LogReader) -> None:
    with pytest.raises(llm.LogError, match="surrogates"):
        library.response("\udcff")
    with pytest.raises(llm.LogError, match="surrogates"):
        list(library.search("\udcff"))


def test_searching_for_the_newest(library: llm.LogReader) -> None:
    assert [response.prompt for response in library.search("h", limit=1)] == ["Hi"]


# -- others at the same time ------------------------------------------------------------------------------------------


def test_nobody_waits_for_a_locked_file(colour: Colour, path: Path, reader: llm.LogReader) -> None:
    model = llm.scripted("Hello!", repeat=True)

    async def scenario() -> None:
        for _ in range(20):
            await colour.got(colour.ask(model, "Hi"))

    log = llm.log(path)
    with opened(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        colour.run(scenario)
        with pytest.raises(LogError, match="locked"):
            log.flush(timeout=0.01)
        assert list(reader.responses()) == []
        other.execute("ROLLBACK")
    other.close()
    log.close()
    assert len(list(reader.responses())) == 20


def test_threads(path: Path, reader: llm.LogReader) -> None:
    def many(thread: int) -> None:
        for n in range(25):
            llm.scripted(f"{thread}.{n}").call("Hi")

    with llm.log(path), ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))
    said = [response.text for response in reader.responses()]
    assert sorted(said) == sorted(f"{thread}.{n}" for thread in range(8) for n in range(25))
    assert reader.verify() == []


def test_a_thread_of_its_own_that_ends(path: Path) -> None:
    before = set(threading.enumerate())
    log = llm.log(path)
    assert set(threading.enumerate()) == before
    llm.scripted("Hello!").call("Hi")
    (thread,) = set(threading.enumerate()) - before
    log.close()
    assert not thread.is_alive()


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_one_call_that_cannot_be_written(path: Path, reader: llm.LogReader) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    broken = llm.messages.assistant("I loop", raw_message=endless)
    with pytest.warns(RuntimeWarning, match="could not be written") as warned:
        log = llm.log(path)
        for content in ("Hi", [llm.messages.user("a"), broken, llm.messages.user("Hi")], "Ho"):
            llm.scripted("Hello!").call(content)
        llm.scripted("Hello!").call([broken, llm.messages.user("Hi")])
        log.flush(PATIENCE)
    assert len(warned) == 1
    with pytest.raises(LogError, match="Not all calls"):
        log.close()
    log.close()
    assert [response.prompt for response in reader.responses()] == ["Ho", "Hi"]


def test_nothing_that_a_server_says_keeps_its_call_out_of_the_log(path: Path, server: Server) -> None:
    huge = 10**20
    server.answer = lambda exchange: exchange.json(
        {
            "id": "\ud800",
            "model": "m\ud800",
            "choices": [{"index": 0, "message": {"content": "Hello!"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": huge, "completion_tokens": huge},
        }
    )
    register(server)
    with llm.log(path, raw=True):
        llm.Model("test/model").call("Hi")
    with llm.open_log(path) as reader:
        row = only(reader)
        assert reader.verify() == []
    assert (row.text, row.response_id, row.provider_model_name) == ("Hello!", "?", "m?")
    assert row.usage is not None
    assert row.usage.input_tokens == row.usage.output_tokens == 2**63 - 1


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="There is no log"):
        llm.open_log(tmp_path / "none.db")
    with pytest.raises(LogError, match="cannot be opened"):
        llm.log(tmp_path / "no folder" / "calls.db")
    (tmp_path / "text").write_text("Hello, this is a text that is no database, whatever else it may be.\n" * 99)
    with pytest.raises(LogError, match="cannot be opened"):
        llm.log(tmp_path / "text")
    with opened(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE things (name)")
    other.close()
    with pytest.raises(LogError, match="not a log"):
        llm.log(tmp_path / "other.db")


def test_a_name_with_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "50% a?mode=memory#b.db"
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    with llm.open_log(path) as reader:
        assert only(reader).text == "Hello!"
    assert list(tmp_path.iterdir()) == [path], "and nothing is left beside it"


@pytest.mark.skipif(os.name == "nt", reason="folders are protected in another way")
def test_a_log_where_nothing_can_be_written(tmp_path: Path) -> None:
    code = """
import os, sys
from mirascope_like.log import reader
def read(path):
    with reader.open_log(path) as log:
        return *(response.text for response in log.responses()), *log.search("Hi"), log.verify()
read(sys.argv[2])  # so that all is imported while that is allowed
if os.getuid() == 0:  # who may write everywhere
    os.setuid(65534)
print(*read(sys.argv[1]), sep="\\n")
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.db"
        with llm.log(path):
            llm.scripted("Hello!").call("Hi")
        another = shutil.copy(path, tmp_path)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        try:
            command = [sys.executable, "-c", code, str(path), str(another)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        finally:
            path.parent.chmod(0o755)
        assert "Hello!" in done.stdout
        assert done.stdout.endswith("[]\n")
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "read",
    [
        lambda log, id: log.response(id),
        lambda log, id: log.messages(id),
        lambda log, id: log.tools(id),
        lambda log, id: list(log.conversations()),
        lambda log, id: log.conversation(),
        lambda log, id: list(log.search("Hello")),
        lambda log, id: log.verify(),
    ],
)
def test_a_damaged_log_is_told_in_words(path: Path, read: Callable[[llm.LogReader, str], object]) -> None:
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    with llm.open_log(path) as log:
        id = only(log).id
    with opened(path) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('messages', 'tools', 'response_tools')"
        ).fetchall()
    with path.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
    with llm.open_log(path) as log, pytest.raises(LogError, match="cannot be read"):
        read(log, id)


def test_a_log_from_the_future(path: Path) -> None:
    llm.log(path).close()
    with opened(path) as connection:
        connection.execute("INSERT INTO log_version VALUES (99, 'tomorrow')")
    for open_it in (llm.log, llm.open_log):
        with pytest.raises(LogError, match="version 99"):
            open_it(path)


def test_ids_by_their_ends(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    response = only(reader)
    assert reader.response(response.id[-6:]) == response
    for wrong in ("", "zzz", "%"):
        with pytest.raises(LogError, match="There is no response"):
            reader.response(wrong)


def test_ends_that_several_have(path: Path, reader: llm.LogReader) -> None:
    with llm.log(path):
        for _ in range(40):  # more than there are hexadecimal digits
            llm.scripted("Hello!").call("Hi")
    ends = [response.id[-1] for response in reader.responses()]
    (most, _), *_ = Counter(ends).most_common(1)
    with pytest.raises(LogError, match="Several responses"):
        reader.response(most)


def test_an_empty_log(reader: llm.LogReader) -> None:
    assert list(reader.responses()) == list(reader.conversations()) == list(reader.search("a")) == reader.verify() == []
    with pytest.raises(LogError, match="has no calls yet"):
        reader.conversation()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE messages SET message = replace(message, 'Hi', 'Ho')", "The message .* was changed"),
        ("UPDATE attachments SET content = x'00'", "The attachment .* was changed"),
        ("UPDATE tools SET description = 'Else.'", "The tool .* was changed"),
        ("UPDATE formats SET schema = '{}'", "The format .* was changed"),
        ("DELETE FROM messages WHERE role = 'user'", "refers to a missing row of messages"),
    ],
)
def test_what_was_changed_is_found(path: Path, reader: llm.LogReader, change: str, finding: str) -> None:
    def look() -> str:
        """Look."""
        return ""

    with llm.log(path):
        llm.scripted("3").call(["Hi", llm.Image.from_bytes(PNG)], tools=[look], format=int)
    with opened(path) as connection:
        connection.execute(change)
    connection.close()
    assert any(re.search(finding, problem) for problem in reader.verify())


# -- plain SQL --------------------------------------------------------------------------------------------------------


def test_plain_sql(path: Path) -> None:
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    with opened(path) as connection:
        (row,) = connection.execute("SELECT prompt, response, model FROM responses_view").fetchall()
        (message,) = connection.execute("SELECT message FROM messages WHERE role = 'user'").fetchone()
    connection.close()
    assert row == ("Hi", "Hello!", "scripted/model")
    assert llm.from_dict(json.loads(message)) == llm.messages.user("Hi")
