"""Write a finished call to the tables of a log. Writing the same call again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from ..engine.events import CallEnded
from ..engine.plan import Plan
from ..engine.results import Result
from ..errors import error_text
from ..schema.formats import AnyFormat
from ..schema.tools import AnyTool, ProviderTool
from ..types.chunks import TOKEN_COUNTS, Reply, Usage
from ..types.lineage import get_call_id
from .message_store import StoredMessage, chain_messages, dump_json, hash_json

if TYPE_CHECKING:
    import sqlite3

_NAME_LENGTH = 40  # characters
_MAX_INTEGER = 2**63 - 1
_SECRET_PARAMS = ("extra_headers",)


def write_call(connection: sqlite3.Connection, call: CallEnded, *, raw: bool, index: bool) -> None:
    """Write a call, within a transaction, unless it ended before a request was ready. `raw`: with the provider's raw
    response; `index`: to the search index too."""
    result = call.result
    if result is None or connection.execute("SELECT 1 FROM responses WHERE id = ?", (call.call_id,)).fetchone():
        return
    prompt = list(chain_messages(result.plan.messages))
    prompt_tip = prompt[-1].hash if prompt else None
    response = list(chain_messages([call.message], prompt_tip)) if call.message is not None else []
    _write_messages(connection, [*prompt, *response])
    row = {
        **_call_columns(call),
        **_request_columns(result),
        **_response_columns(result.reply),
        "conversation": _find_or_create_conversation(connection, call, result.plan, prompt),
        "prompt_tip": prompt_tip,
        "tip": response[-1].hash if response else None,
        "format": _write_format(connection, result.plan.format),
        "raw": _raw_column(result) if raw else None,
    }
    number = _insert(connection, "responses", row)
    _write_tools(connection, call.call_id, result.plan)
    if response and call.error is None:
        connection.execute("UPDATE conversations SET tip = ? WHERE id = ?", (row["tip"], row["conversation"]))
    if index:
        search_row = (number, _last_text(prompt), _last_text(response))
        connection.execute("INSERT INTO responses_search (rowid, prompt, response) VALUES (?, ?, ?)", search_row)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> int | None:
    """Insert a row unless it exists; return the number of a new one."""
    columns, marks = ", ".join(row), ", ".join(f":{column}" for column in row)
    values = {column: _storable_value(value) for column, value in row.items()}
    return connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", values).lastrowid


def _storable_value(value: Any) -> Any:
    """Return the value, or the nearest one that SQLite stores: no value of a server may keep a call out of the log."""
    match value:
        case str():
            return _storable_text(value)
        case int():
            return max(-_MAX_INTEGER, min(value, _MAX_INTEGER))
        case _:
            return value


def _call_columns(call: CallEnded) -> dict[str, Any]:
    started, error, message = call.started, call.error, call.message
    return {
        "id": call.call_id,
        "started": started.time.isoformat(timespec="milliseconds"),
        "duration": call.duration,
        "tenant": started.tenant,
        "in_tool_call": started.tool_call.id if started.tool_call is not None else None,
        "provider_model": message.provider_model_name if message is not None else None,
        "error_type": type(error).__name__ if error is not None else None,
        "error": error_text(error) if error is not None else None,
    }


def _request_columns(result: Result) -> dict[str, Any]:
    plan, format = result.plan, result.format
    params = {name: value for name, value in plan.params.items() if name not in _SECRET_PARAMS}
    return {
        "model": plan.model_id,
        "provider": result.provider_id,
        "params": dump_json(params),
        "labels": dump_json(dict(plan.labels)),
        "format_mode": format.mode if format is not None else None,
        "streamed": result.streamed,
    }


def _response_columns(reply: Reply) -> dict[str, Any]:
    return {
        **_usage_columns(reply.usage),
        "provider_response": reply.response_id,
        "finish_reason": reply.finish_reason,
        "raw_finish_reason": reply.raw_finish_reason,
    }


def _raw_column(result: Result) -> str | None:
    raw = result.raw_events if result.streamed else result.body
    return dump_json(raw) if raw else None


def _usage_columns(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        **{name: getattr(usage, name) for name in TOKEN_COUNTS},
        "provider_tools": dump_json({used.name: used.call_count for used in usage.provider_tool_usage}),
        "raw_usage": dump_json(usage.raw) if usage.raw is not None else None,
    }


def _last_text(messages: Sequence[StoredMessage]) -> str:
    return messages[-1].text if messages else ""


def _storable_text(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()


def _write_messages(connection: sqlite3.Connection, chain: Sequence[StoredMessage]) -> None:
    """Write the messages that are not in the log yet: those behind the last one that is, as each is written with all
    before it."""
    messages = [*takewhile(lambda each: not _is_written(connection, each), reversed(chain))][::-1]
    connection.executemany(
        "INSERT OR IGNORE INTO messages (hash, parent, role, text, message) VALUES (?, ?, ?, ?, ?)",
        [(each.hash, each.parent, each.role, each.text, each.message) for each in messages],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO attachments (hash, mime_type, content) VALUES (?, ?, ?)",
        [(part.hash, part.mime_type, part.content) for each in messages for part in each.attachments],
    )


def _is_written(connection: sqlite3.Connection, message: StoredMessage) -> bool:
    query = "SELECT 1 FROM messages WHERE hash = ?"
    return connection.execute(query, (message.hash,)).fetchone() is not None


def _find_or_create_conversation(
    connection: sqlite3.Connection, call: CallEnded, plan: Plan, prompt: Sequence[StoredMessage]
) -> str:
    """Return the conversation that a call continues (by its labels, else by its lineage), or a new one."""
    tenant = call.started.tenant
    labelled = _labelled_conversation(connection, plan, tenant)
    found = labelled or _continued_conversation(connection, plan, tenant) or call.call_id
    first_prompt = next((each.text for each in prompt if each.role == "user" and each.text.strip()), "")
    row = {"id": found, "name": shorten_text(first_prompt, _NAME_LENGTH), "tenant": tenant}
    _insert(connection, "conversations", row)
    return found


def _labelled_conversation(connection: sqlite3.Connection, plan: Plan, tenant: str | None) -> str | None:
    """Return the conversation that the labels name. Such an id may come from a client, so it never leads to another
    tenant's conversation: then the call's tenant gets its own conversation of that name."""
    if "conversation" not in plan.labels:
        return None
    id = _storable_text(plan.labels["conversation"])
    owner = connection.execute("SELECT tenant FROM conversations WHERE id = ?", (id,)).fetchone()
    return id if owner is None or owner[0] == tenant else tenant_conversation_id(id, tenant)


def tenant_conversation_id(id: str, tenant: str | None) -> str:
    """Return the id of a tenant's conversation whose own id belongs to another tenant."""
    return hash_json({"conversation": id, "tenant": tenant})


def _continued_conversation(connection: sqlite3.Connection, plan: Plan, tenant: str | None) -> str | None:
    """Return the conversation of the last call that this one continues, if that call is in the log. If the conversation
    has later calls, this call begins a new one (a fork)."""
    for id in _continued_call_ids(plan):
        query = "SELECT conversation, number FROM responses WHERE id = ? AND tenant IS ?"
        if (row := connection.execute(query, (id, tenant)).fetchone()) is not None:
            later = "SELECT 1 FROM responses WHERE conversation = ? AND number > ? AND error_type IS NULL LIMIT 1"
            return None if connection.execute(later, row).fetchone() else str(row[0])
    return None


def _continued_call_ids(plan: Plan) -> Iterator[str]:
    """Yield the ids of the calls that a call continues, the last one first."""
    if "replies_to" in plan.labels:
        yield _storable_text(plan.labels["replies_to"])
    for message in reversed(plan.messages):
        if (id := get_call_id(message)) is not None:
            yield id


def check_tenant(tenant: str | None) -> str | None:
    """Return the name of a tenant unchanged. Raises `TypeError` or `ValueError` for an invalid name."""
    if not isinstance(cast("object", tenant), str | None):
        raise TypeError(f"A tenant must be a str or None, not {tenant!r}.")
    if tenant is not None and (not tenant or _storable_text(tenant) != tenant):
        raise ValueError(f"A tenant must be a non-empty str whose characters can be stored, or None; got {tenant!r}.")
    return tenant


def shorten_text(text: str, length: int) -> str:
    """Return a text in one line, of at most this many characters."""
    words = " ".join(text.split())
    return words if len(words) <= length else f"{words[: length - 1].rstrip()}…"


def _write_format(connection: sqlite3.Connection, format: AnyFormat | None) -> str | None:
    if format is None or format.parser is not None:
        return None
    hash = hash_json({"name": format.name, "schema": format.schema})
    _insert(connection, "formats", {"hash": hash, "name": format.name, "schema": dump_json(format.schema)})
    return hash


def _write_tools(connection: sqlite3.Connection, call_id: str, plan: Plan) -> None:
    for position, tool in enumerate(plan.toolkit.tools):
        described = _describe_tool(tool)
        hash = hash_json(described)
        described["parameters"] = dump_json(described["parameters"])
        _insert(connection, "tools", {"hash": hash, **described})
        _insert(connection, "response_tools", {"response": call_id, "tool": hash, "position": position})


def _describe_tool(tool: AnyTool | ProviderTool) -> dict[str, Any]:
    """Return the description of a tool for the model. `parameters` is `None` for a tool of the provider."""
    if isinstance(tool, ProviderTool):
        return {"name": tool.name, "description": "", "parameters": None}
    return {"name": tool.name, "description": _storable_text(tool.description), "parameters": tool.parameters}
