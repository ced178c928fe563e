"""What the package stores: messages, the JSON forms of `chat`, and log databases.

`made()` makes each of them, with fixed ids and times in place of those of the moment, as the text of a file.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mirascope_like import chat, llm

from .goldens import as_json
from .inside import MemoryTransport, Reply
from .requests import HISTORIES, PNG, Book, weather

ULID = re.compile("[0-7][0-9a-hjkmnp-tv-z]{25}")
USAGE = llm.Usage(input_tokens=7, output_tokens=5, cache_read_tokens=2, reasoning_tokens=1)
CALL = llm.ToolCall(id="call_1", name="weather", args='{"city": "Oslo"}')
OPENAI, CLAUDE = "openai/gpt-6-luna", "anthropic/claude-sonnet-5-5"

# A response of Anthropic's protocol with all that must go back unchanged.
THINKING = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [
        {"type": "thinking", "thinking": "Oslo, then.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "aGlkZGVu"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 11, "output_tokens": 22, "cache_read_input_tokens": 3},
}
SAID = {**THINKING, "content": [{"type": "text", "text": "It is grey."}], "stop_reason": "end_turn"}


def made() -> dict[str, str]:
    """All that is stored: a file's name → its text."""
    files = {"messages.json": as_json(messages()), "chat.json": as_json(chat_forms())}
    for kind in LOGS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "calls.db"
            _logged(kind, path)
            files[f"log-{kind}.sql"] = dump(path)
            files[f"log-{kind}.json"] = as_json(read(path))
    llm.reset_provider_registry()
    return files


# -- messages and chat ------------------------------------------------------------------------------------------------


def messages() -> Mapping[str, Any]:
    """Messages in their JSON form."""
    forms: dict[str, Any] = {name: llm.dump_messages(history) for name, history in HISTORIES.items()}
    with playing(THINKING):
        forms["signed thoughts"] = llm.dump_messages(llm.Model(CLAUDE).call("Weather?").messages)
    return forms


def chat_forms() -> Mapping[str, Any]:
    """The JSON forms of `chat`, by kind and name; of responses and conversations also their messages for `llm`."""
    found: dict[str, dict[str, Any]] = {"response": {}, "conversation": {}, "chain": {}, "pause": {}, "as llm": {}}
    for name, make in RESPONSES.items():
        response = make()
        found["response"][name] = response.to_dict()
        found["as llm"][name] = llm.dump_messages(response.to_llm())
    conversation = _conversation()
    found["conversation"]["with tools and files"] = conversation.to_dict()
    found["as llm"]["conversation"] = llm.dump_messages(conversation.to_llm())
    with playing(THINKING, SAID):
        found["chain"]["of two responses"] = _claude().chain("Weather?", tools=[weather], stream=False).to_dict()
    found["pause"]["one of two calls"] = paused()
    return _fixed(found)


def paused() -> Any:
    """A chain that paused with one call answered and one waiting."""
    calls = [CALL, llm.ToolCall(id="call_2", name="pay", args='{"amount": 5}')]
    with scripted(calls) as model, suppress_pause() as pauses:
        model.chain("Pay", tools=[weather, pay], options={"temperature": 0.5}, system="Be brief.").text()
    return pauses[0].to_dict()


def pay(amount: int) -> str:
    """Pay."""
    raise chat.PauseChain(f"approve {amount}")


@contextmanager
def suppress_pause() -> Iterator[list[chat.PauseChain]]:
    pauses: list[chat.PauseChain] = []
    try:
        yield pauses
    except chat.PauseChain as pause:
        pauses.append(pause)


def _text() -> Any:
    with scripted(["Hello.", USAGE, llm.FinishReason.MAX_TOKENS]) as model:
        options = {"temperature": 0.5, "extra_headers": {"x-own": "1"}, "timeout": chat.Timeout(total=30)}
        return _done(model.prompt("Hi", system="Be brief.", fragments=["One"], options=options))


def _attachments() -> Any:
    files = [chat.Attachment(content=PNG), chat.Attachment(url="https://example.com/fox.png")]
    with scripted("A fox.") as model:
        return _done(model.prompt("What?", attachments=files))


def _schema() -> Any:
    with scripted('{"title": "Dune", "ratings": [], "colour": "red", "size": null, "pages": 400}') as model:
        return _done(model.prompt("A book", schema=Book))


def _reasoning() -> Any:
    with playing(THINKING):
        return _done(_claude().prompt("Weather?", tools=[weather], stream=False))


def _results() -> Any:
    with playing(THINKING, SAID):
        return _done(_done(_claude().prompt("Weather?", tools=[weather], stream=False)).reply("And?"))


RESPONSES: Mapping[str, Callable[[], Any]] = {
    "text": _text,
    "attachments": _attachments,
    "schema": _schema,
    "reasoning and a tool call": _reasoning,
    "results": _results,
}


def _conversation() -> Any:
    with scripted("One.", [CALL], "Grey.") as model:
        conversation = model.conversation(
            system="Be brief.",
            tools=[weather],
            options={"max_tokens": 50},
            attachments=[chat.Attachment(content=PNG)],
            chain_limit=7,
        )
        conversation.prompt("First").text()
        conversation.chain("Weather?").text()
        return conversation


def _claude() -> Any:
    return chat.get_model(CLAUDE)


def _done(response: Any) -> Any:
    response.text()
    return response


@contextmanager
def scripted(*replies: Any) -> Iterator[Any]:
    """A model of `chat` whose provider follows a script."""
    script = llm.scripted(*replies)
    llm.register_provider(script.provider, scope="openai/")
    yield chat.get_model(OPENAI)


@contextmanager
def playing(*bodies: Any) -> Iterator[None]:
    """A server of Anthropic's protocol that gives these responses."""
    waiting = iter(bodies)
    headers = {"content-type": "application/json"}
    transport = MemoryTransport(lambda _: Reply([json.dumps(next(waiting)).encode()], 200, headers))
    llm.register_provider("anthropic", api_key="key", transport=transport)
    yield


def _fixed(value: Any, ids: dict[str, str] | None = None) -> Any:
    """A form with fixed ids and times."""
    ids = {} if ids is None else ids
    if isinstance(value, list):
        return [_fixed(each, ids) for each in value]
    if isinstance(value, str) and ULID.fullmatch(value):
        return ids.setdefault(value, f"{len(ids):026}")
    if not isinstance(value, dict):
        return value
    times = {"datetime_utc": "2026-01-01T00:00:00+00:00", "duration_ms": 1} if "datetime_utc" in value else {}
    return {name: _fixed(each, ids) for name, each in {**value, **times}.items()}


# -- logs -------------------------------------------------------------------------------------------------------------


def _calls() -> None:
    model = llm.scripted(["Hello.", USAGE], "Bye.", '{"title": "Dune", "ratings": [], "pages": 4}', model_id="a/b")
    response = model.call([llm.messages.system("Be brief."), llm.messages.user("Hi")])
    response.resume("Goodbye")
    model.call("A book", format=Book)
    llm.Model("a/b", provider=llm.scripted("Yes.").provider, temperature=0.5, extra_headers={"x": "secret"}).call("Hm?")


def _streamed() -> None:
    model = llm.scripted(["One two three", USAGE], "One two three", repeat=True)
    model.stream("Count").finish()
    stream = model.stream("Count")
    next(iter(stream.text_stream()))
    stream.close()


def _failed() -> None:
    limit = llm.RateLimitError("Slow down.", status_code=429)
    model = llm.scripted(limit, ["It is", llm.ConnectionError("Gone.")], ["Cut", llm.FinishReason.MAX_TOKENS])
    with suppress(llm.RateLimitError):
        model.call("Hi")
    with suppress(llm.ConnectionError):
        model.stream("Hi").finish()
    model.call("Hi")


def _tools() -> None:
    inner = llm.scripted("grey", model_id="inner/model")

    @llm.tool
    def ask_other(city: str) -> str:
        """Ask another model."""
        return inner.call(f"Weather in {city}?").text()

    call = llm.ToolCall(id="call_1", name="ask_other", args='{"city": "Oslo"}')
    response = llm.scripted([call], "It is grey.").call("Weather?", tools=[ask_other, weather])
    response.resume(response.execute_tools())
    with playing(SAID):
        llm.Model(CLAUDE).call("Search.", tools=[llm.WebSearchTool()])


def _chat() -> None:
    _conversation()
    with scripted("Hello.") as model:
        model.prompt("Hi", attachments=[chat.Attachment(content=PNG)]).text()


def _hello() -> None:
    llm.scripted("Hello.").call("Hi")


# kind → what is called, each in a log of a tenant or of the whole service
LOGS: Mapping[str, Sequence[tuple[str | None, Callable[[], None]]]] = {
    "calls": [(None, _calls)],
    "streamed": [(None, _streamed)],
    "failed": [(None, _failed)],
    "tools": [(None, _tools)],
    "chat": [(None, _chat)],
    "tenants": [("alice", _hello), ("bob", _hello)],
}


def _logged(kind: str, path: Path) -> None:
    """Write a log, with fixed ids and times."""
    for tenant, calls in LOGS[kind]:
        with llm.log(path, raw=kind == "calls", tenant=tenant):
            calls()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE log_version SET applied = '2026-01-01 00:00:00'")
        connection.execute("UPDATE responses SET duration = 0.5, started = printf(?, number)", (STARTED,))
        for number, (id,) in enumerate(connection.execute(IDS).fetchall()):
            for table, column in ID_COLUMNS:
                changed = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                connection.execute(changed, (id, f"{number:032}"))


STARTED = "2026-01-01T00:00:%02d.000+00:00"
IDS = """
    SELECT id FROM (SELECT number, 0 AS kind, id FROM responses UNION SELECT number, 1, conversation FROM responses)
    GROUP BY id ORDER BY min(number), min(kind)
"""
ID_COLUMNS = [
    ("responses", "id"),
    ("responses", "conversation"),
    ("responses", "labels"),
    ("response_tools", "response"),
    ("conversations", "id"),
]


def dump(path: Path) -> str:
    """A log database as SQL, without the full-text index."""
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join([*_definitions(connection), *_rows(connection)]) + "\n"


def _definitions(connection: sqlite3.Connection) -> Iterator[str]:
    for name, sql in connection.execute(DEFINITIONS):
        if not name.startswith(INDEX):
            yield f"{sql};"


def _rows(connection: sqlite3.Connection) -> Iterator[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in names:
        if not table.startswith(INDEX):
            columns = [f"quote({row[1]})" for row in connection.execute(f"PRAGMA table_info({table})")]
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"):
                yield f"INSERT INTO {table} VALUES ({', '.join(row)});"


INDEX = "responses_search"
DEFINITIONS = "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY type = 'view'"


def load(sql: str, path: Path) -> None:
    """Make a log database of its SQL."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)


def read(path: Path) -> Any:
    """All that a reader finds in a log."""
    with llm.open_log(path) as reader:
        responses = [
            {
                **_plain(response),
                "messages": llm.dump_messages(reader.messages(response.id)),
                "tools": [asdict(tool) for tool in reader.tools(response.id)],
            }
            for response in reader.responses()
        ]
        conversations = [_plain(conversation) for conversation in reader.conversations()]
        tenants = {str(response.tenant): list[str]() for response in reader.responses()}
        for tenant in tenants.keys() - {"None"}:
            with llm.open_log(path, tenant=tenant) as own:
                tenants[tenant] = [response.id for response in own.responses()]
        return {"responses": responses, "conversations": conversations, "tenants": tenants, "altered": reader.verify()}


def _plain(logged: Any) -> Any:
    """A record of a log as JSON."""
    fields = {field.name: getattr(logged, field.name) for field in dataclasses.fields(logged)}
    fields |= {"started": str(fields["started"])} if "started" in fields else {}
    fields |= {"usage": fields["usage"] and asdict(fields["usage"])} if "usage" in fields else {}
    fields |= {"message": fields["message"] and llm.to_dict(fields["message"])} if "message" in fields else {}
    fields |= {"messages": llm.dump_messages(fields["messages"])} if "messages" in fields else {}
    return fields
