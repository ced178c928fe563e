"""Read a log: its calls and conversations, with full-text search."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from ..errors import LogError
from ..types.chunks import TOKEN_COUNTS, FinishReason, ProviderToolUsage, Usage
from ..types.lineage import set_call_id
from ..types.messages import AssistantMessage, Message
from .database import connect, has_search_index
from .message_store import hash_bytes, hash_json, hash_message, load_message
from .rows import check_tenant, tenant_conversation_id

if TYPE_CHECKING:
    import sqlite3

_SELECT_RESPONSES = """
    SELECT responses.*, prompts.text AS prompt_text, coalesce(answers.text, '') AS text, answers.message
    FROM responses
    LEFT JOIN messages AS prompts ON prompts.hash = prompt_tip
    LEFT JOIN messages AS answers ON answers.hash = responses.tip
"""
_SELECT_CHAIN = """
    WITH RECURSIVE chain (hash, parent, message, distance) AS (
        SELECT hash, parent, message, 0 FROM messages WHERE hash = ?
        UNION ALL
        SELECT messages.hash, messages.parent, messages.message, distance + 1
        FROM messages JOIN chain ON messages.hash = chain.parent
    )
    SELECT hash, message FROM chain ORDER BY distance DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedResponse:
    """A call as it was logged.

    `prompt` and `text` are the text of the last message sent and of the response, `message` the whole response message
    (`None` if there is none). `error_type` and `error` describe its error, if it failed. `started` is in UTC,
    `duration` in seconds. `in_tool_call` is the id of the tool call whose tool made this call. `format_schema` is the
    JSON Schema of its format. `raw` is the provider's raw response, if it was kept. `tenant` is the call's tenant.
    """

    id: str
    conversation_id: str
    started: datetime
    duration: float
    model_id: str
    provider_id: str | None
    provider_model_name: str | None
    response_id: str | None
    prompt: str
    text: str
    message: AssistantMessage | None = field(repr=False)
    params: Mapping[str, Any]
    labels: Mapping[str, str]
    usage: Usage | None
    finish_reason: FinishReason | None
    error_type: str | None
    error: str | None
    streamed: bool
    in_tool_call: str | None
    format_schema: Mapping[str, Any] | None = field(repr=False)
    raw: Any = field(repr=False)
    tenant: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedConversation:
    """A conversation. `model_id` and `params` are those of its last call; `name` is the start of its first prompt."""

    id: str
    name: str
    model_id: str
    params: Mapping[str, Any]
    messages: list[Message]
    tenant: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTool:
    """The description of a tool for a model. `parameters` is a JSON Schema; `None` for a tool of the provider."""

    name: str
    description: str
    parameters: Mapping[str, Any] | None


def open_log(path: str | PathLike[str], *, tenant: str | None = None) -> LogReader:
    """Open a log to read: all of it, or only the calls of a tenant. Raises `LogError` if there is none."""
    return LogReader(path, tenant=tenant)


class LogReader:
    """Reads a log, also while others write it. All methods block; use it in one thread, and close it.

    Ids may be shortened to a unique end. An id that is not found raises `LogError`. With a `tenant`, calls and
    conversations of other tenants are not found. Messages carry the ids of their calls: a call with these messages
    continues their conversation.
    """

    def __init__(self, path: str | PathLike[str], *, tenant: str | None = None) -> None:
        self.path: Path = Path(path).absolute()
        self.tenant: str | None = check_tenant(tenant)
        self._connection = _open_connection(self.path)

    # -- calls --------------------------------------------------------------------------------------------------------

    def responses(self, *, conversation: str | None = None, limit: int | None = None) -> Iterator[LoggedResponse]:
        """Return calls, newest first: all, or those of a conversation; at most `limit`."""
        if conversation is None:
            return self._newest_responses([], [], limit)
        return self._newest_responses(["conversation = ?"], [self._complete_id("conversations", conversation)], limit)

    def search(self, text: str, *, limit: int | None = None) -> Iterator[LoggedResponse]:
        """Return calls whose prompt or response contains each of the words of `text`, newest first. Case does not
        matter, and parts of words match."""
        words = text.replace("\0", " ").split()  # the index would end the text at a null character
        clauses = ["(contains(prompts.text, ?) OR contains(answers.text, ?))"] * len(words)
        values: list[str | int] = [word for word in words for _ in range(2)]
        if phrases := self._index_query(words):
            clauses.append("number IN (SELECT rowid FROM responses_search WHERE responses_search MATCH ?)")
            values.append(phrases)
        return self._newest_responses(clauses, values, limit)

    def response(self, id: str) -> LoggedResponse:
        """Return one call."""
        return next(self._query_responses("WHERE id = ?", self._complete_id("responses", id)))

    def messages(self, id: str) -> list[Message]:
        """Return the messages that a call sent, and its response message."""
        whole_id = self._complete_id("responses", id)
        query = "SELECT coalesce(tip, prompt_tip), conversation FROM responses WHERE id = ?"
        ((tip, conversation),) = self._query(query, whole_id)
        return self._read_messages(tip, conversation)

    def tools(self, id: str) -> list[LoggedTool]:
        """Return the tools of a call."""
        rows = self._query(
            "SELECT name, description, parameters FROM response_tools JOIN tools ON tool = hash WHERE response = ? "
            "ORDER BY position",
            self._complete_id("responses", id),
        )
        return [LoggedTool(name=row[0], description=row[1], parameters=json.loads(row[2])) for row in rows]

    # -- conversations ------------------------------------------------------------------------------------------------

    def conversations(self) -> Iterator[LoggedConversation]:
        """Return all conversations, the one with the newest call first."""
        rows = self._query(
            "SELECT conversation FROM responses WHERE :tenant IS NULL OR tenant = :tenant "
            "GROUP BY conversation ORDER BY max(number) DESC",
            tenant=self.tenant,
        )
        return (self.conversation(id) for (id,) in list(rows))

    def conversation(self, id: str | None = None) -> LoggedConversation:
        """Return a conversation, with its messages up to its last successful response. Without an id: the one with the
        newest call."""
        last = next(self.responses(limit=1) if id is None else self.responses(conversation=id, limit=1), None)
        if last is None:
            raise LogError(f"The log {self.path} has no calls yet.")
        ((name, tip),) = self._query("SELECT name, tip FROM conversations WHERE id = ?", last.conversation_id)
        return LoggedConversation(
            id=last.conversation_id,
            name=name,
            model_id=last.model_id,
            params=last.params,
            messages=self._read_messages(tip, last.conversation_id) if tip is not None else [],
            tenant=last.tenant,
        )

    # -- whole file ---------------------------------------------------------------------------------------------------

    @cached_property
    def has_index(self) -> bool:
        """Whether searching uses an index; without one it finds the same, more slowly."""
        with self._translate_errors():
            return has_search_index(self._connection)

    def verify(self) -> list[str]:
        """Return the problems of the log; empty if it is as it was written. Reads and hashes everything, of all
        tenants."""
        return [*self._find_changes(), *self._find_missing_rows()]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LogReader {self.path}>"

    # -- internals ----------------------------------------------------------------------------------------------------

    def _index_query(self, words: list[str]) -> str:
        """Return an index query that finds at least the matches; words of fewer than three characters are left out."""
        return " AND ".join(_quote(word) for word in words if len(word) >= 3) if self.has_index else ""

    def _newest_responses(
        self, clauses: list[str], values: list[str | int], limit: int | None
    ) -> Iterator[LoggedResponse]:
        """Return the calls that satisfy all clauses, newest first."""
        if self.tenant is not None:
            clauses, values = [*clauses, "tenant = ?"], [*values, self.tenant]
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        return self._query_responses(f"{where} ORDER BY number DESC LIMIT ?", *values, _sql_limit(limit))

    def _query_responses(self, clauses: str, *values: str | int) -> Iterator[LoggedResponse]:
        with self._translate_errors():
            cursor = self._connection.execute(_SELECT_RESPONSES + clauses, values)
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield self._build_response(dict(zip(names, row, strict=True)))

    def _query(self, query: str, *values: str | None, **named: str | None) -> Iterator[tuple[Any, ...]]:
        with self._translate_errors():
            yield from self._connection.execute(query, named or values)

    def _build_response(self, row: dict[str, Any]) -> LoggedResponse:
        reason = row["finish_reason"]
        return LoggedResponse(
            id=row["id"],
            conversation_id=row["conversation"],
            started=datetime.fromisoformat(row["started"]),
            duration=row["duration"],
            model_id=row["model"],
            provider_id=row["provider"],
            provider_model_name=row["provider_model"],
            response_id=row["provider_response"],
            prompt=row["prompt_text"] or "",
            text=row["text"],
            message=set_call_id(self._load_answer(row["message"]), row["id"]) if row["message"] else None,
            params=json.loads(row["params"]),
            labels=json.loads(row["labels"]),
            usage=_build_usage(row),
            finish_reason=FinishReason(reason) if reason else None,
            error_type=row["error_type"],
            error=row["error"],
            streamed=bool(row["streamed"]),
            in_tool_call=row["in_tool_call"],
            format_schema=self._read_schema(row["format"]),
            raw=json.loads(row["raw"]) if row["raw"] else None,
            tenant=row["tenant"],
        )

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        """Raise errors of the database, as for a damaged file or invalid search text, as `LogError`."""
        import sqlite3

        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:
            raise LogError(f"The log {self.path} cannot be read: {str(error).rstrip('.')}.") from error

    def _read_schema(self, hash: str | None) -> Any:
        row = next(self._query("SELECT schema FROM formats WHERE hash = ?", hash), None)
        return json.loads(row[0]) if row else None

    def _complete_id(self, table: str, end: str) -> str:
        """Return the only id of a table with this end."""
        found = self._matching_ids(table, end)
        if not found and table == "conversations" and self.tenant is not None:
            found = self._matching_ids(table, tenant_conversation_id(end, self.tenant))
        if len(found) == 1 or end in found:
            return str(found[0])
        what = f"Several {table} end with" if found else f"There is no {table.removesuffix('s')}"
        raise LogError(f"{what} {end!r} in the log {self.path}.")

    def _matching_ids(self, table: str, end: str) -> list[str]:
        """Return up to two ids of a table with this end, an exact match first."""
        is_visible = "(:tenant IS NULL OR tenant = :tenant)"
        matches_id = "(id = :end OR substr(id, -length(:end)) = :end)"
        query = f"SELECT id FROM {table} WHERE {is_visible} AND {matches_id} ORDER BY id = :end DESC LIMIT 2"
        return [id for (id,) in self._query(query, end=end, tenant=self.tenant)] if end else []

    def _read_messages(self, tip: str | None, conversation: str) -> list[Message]:
        """Return the messages up to a tip. The responses among them carry the ids of their calls."""
        query = "SELECT tip, id FROM responses WHERE conversation = ? AND tip IS NOT NULL ORDER BY number"
        calls: dict[str, str] = dict(self._query(query, conversation))
        return [
            set_call_id(self._load_message(text), calls.get(hash)) for hash, text in self._query(_SELECT_CHAIN, tip)
        ]

    def _load_message(self, text: str) -> Message:
        return load_message(text, self._read_attachment)

    def _load_answer(self, text: str) -> AssistantMessage:
        return cast("AssistantMessage", self._load_message(text))

    def _read_attachment(self, hash: str) -> bytes:
        row = next(self._query("SELECT content FROM attachments WHERE hash = ?", hash), None)
        if row is None:
            raise LogError(f"The attachment {hash} is missing in the log {self.path}.")
        return bytes(row[0])

    def _find_changes(self) -> Iterator[str]:
        for hash, parent, message in self._query("SELECT hash, parent, message FROM messages"):
            yield from _report_difference("message", hash, hash_message(parent, message))
        for hash, content in self._query("SELECT hash, content FROM attachments"):
            yield from _report_difference("attachment", hash, hash_bytes(content))
        for hash, name, schema in self._query("SELECT hash, name, schema FROM formats"):
            yield from _report_difference("format", hash, hash_json({"name": name, "schema": json.loads(schema)}))
        for hash, name, description, parameters in self._query("SELECT hash, name, description, parameters FROM tools"):
            described = {"name": name, "description": description, "parameters": json.loads(parameters)}
            yield from _report_difference("tool", hash, hash_json(described))

    def _find_missing_rows(self) -> Iterator[str]:
        for table, row, parent, _ in self._query("PRAGMA foreign_key_check"):
            yield f"Row {row} of {table} refers to a missing row of {parent}."


def _open_connection(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    connection.create_function("contains", 2, _contains, deterministic=True)
    return connection


def _sql_limit(limit: int | None) -> int:
    """Return a limit for SQLite: -1 for none, and at most 63 bits."""
    return -1 if limit is None else min(limit, 2**63 - 1)


def _contains(text: str | None, word: str) -> bool:
    return word.lower() in (text or "").lower()


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _build_usage(row: Mapping[str, Any]) -> Usage | None:
    if row["input_tokens"] is None:
        return None
    used = json.loads(row["provider_tools"]).items()
    return Usage(
        **{name: row[name] for name in TOKEN_COUNTS},
        provider_tool_usage=tuple(ProviderToolUsage(name=name, call_count=count) for name, count in used),
        raw=json.loads(row["raw_usage"]) if row["raw_usage"] else None,
    )


def _report_difference(kind: str, stored: str, found: str) -> Iterator[str]:
    if stored != found:
        yield f"The {kind} {stored} was changed."
