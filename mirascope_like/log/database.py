"""The database file of a log: its tables, migrations, and connections.

    conversations  a conversation; `tip` is its last message, `name` the beginning of its first prompt, `tenant`
                   the tenant of all its responses
    responses      one call: the model, time, duration, token counts, and result
    messages       one message, stored once; `parent` is the one before it, `text` its text, `message` its JSON form
    attachments    the bytes of images, audio and documents, stored once; messages refer to them: {"$attachment": hash}
    tools          descriptions of tools for models, stored once; `response_tools` connects them with calls
    formats        JSON Schemas of response formats, stored once

`responses_view` shows calls with their text. In `responses`, `prompt_tip` is the last message that was sent, and `tip`
the response message (`NULL` if there is none). Times are UTC in ISO 8601, durations seconds. `responses_search` is the
full-text index over prompts and responses, if SQLite has FTS5; it finds parts of words, in any script.

Several processes may read and write at once (WAL mode).

Only its owner can read a new file. A file of an earlier version, or an empty one, is restricted to its owner when it is
upgraded to the current version; the mode that the owner chooses afterwards is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LogError
from .file_permissions import create_private, make_private, protect_side_files

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS = 0.2
"""How long SQLite waits for another writer before it reports that the database is locked."""

OPENING_SECONDS = 10.0
"""How long opening waits for other processes, in total."""

_INITIAL_SCHEMA = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tip TEXT REFERENCES messages (hash)
);
CREATE TABLE messages (
    hash TEXT PRIMARY KEY,
    parent TEXT REFERENCES messages (hash),
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE TABLE attachments (
    hash TEXT PRIMARY KEY,
    mime_type TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE formats (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    schema TEXT NOT NULL
);
CREATE TABLE tools (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parameters TEXT NOT NULL
);
CREATE TABLE responses (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id),
    started TEXT NOT NULL,
    duration REAL NOT NULL,
    model TEXT NOT NULL,
    provider TEXT,
    provider_model TEXT,
    provider_response TEXT,
    prompt_tip TEXT REFERENCES messages (hash),
    tip TEXT REFERENCES messages (hash),
    params TEXT NOT NULL,
    labels TEXT NOT NULL,
    format TEXT REFERENCES formats (hash),
    format_mode TEXT,
    streamed INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    provider_tools TEXT,
    raw_usage TEXT,
    finish_reason TEXT,
    raw_finish_reason TEXT,
    error_type TEXT,
    error TEXT,
    in_tool_call TEXT,
    raw TEXT
);
CREATE INDEX responses_conversation ON responses (conversation);
CREATE INDEX responses_tip ON responses (tip);
CREATE INDEX conversations_tip ON conversations (tip);
CREATE TABLE response_tools (
    response TEXT NOT NULL REFERENCES responses (id),
    tool TEXT NOT NULL REFERENCES tools (hash),
    position INTEGER NOT NULL,
    PRIMARY KEY (response, position)
);
CREATE VIEW responses_view AS
    SELECT responses.number, responses.id, conversation, started, duration, model, provider, provider_model,
        prompts.text AS prompt, coalesce(answers.text, '') AS response,
        input_tokens, output_tokens, finish_reason, error_type, error
    FROM responses
    LEFT JOIN messages AS prompts ON prompts.hash = prompt_tip
    LEFT JOIN messages AS answers ON answers.hash = responses.tip;
"""

_ADD_TENANTS = """
ALTER TABLE conversations ADD COLUMN tenant TEXT;
ALTER TABLE responses ADD COLUMN tenant TEXT;
CREATE INDEX responses_tenant ON responses (tenant);
DROP VIEW responses_view;
CREATE VIEW responses_view AS
    SELECT responses.number, responses.id, conversation, started, duration, model, provider, provider_model,
        prompts.text AS prompt, coalesce(answers.text, '') AS response,
        input_tokens, output_tokens, finish_reason, error_type, error, tenant
    FROM responses
    LEFT JOIN messages AS prompts ON prompts.hash = prompt_tip
    LEFT JOIN messages AS answers ON answers.hash = responses.tip;
"""

_MIGRATIONS = (_INITIAL_SCHEMA, _ADD_TENANTS)  # the version of a file is the number of migrations applied

# By version: views with which readers, which change nothing, read a file of an earlier version as a current one.
_COMPATIBILITY_VIEWS = {
    1: """
CREATE TEMP VIEW conversations AS SELECT *, NULL AS tenant FROM main.conversations;
CREATE TEMP VIEW responses AS SELECT *, NULL AS tenant FROM main.responses;
"""
}

_CREATE_SEARCH_INDEX = """
CREATE VIRTUAL TABLE IF NOT EXISTS responses_search USING fts5 (
    prompt, response, content = 'responses_view', content_rowid = 'number', tokenize = 'trigram'
)
"""


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Return a connection to a log, in autocommit mode. With `create`, make the file if there is none, and upgrade it
    to the newest version; otherwise only read it.

    Raises `LogError` if there is no such file, or it is not a log, or too new, or locked for too long.
    """
    import sqlite3

    if not create and not path.exists():
        raise LogError(f"There is no log at {path}.")
    deadline = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            return _open_for_writing(path) if create else _open_for_reading(path)
        except sqlite3.Error as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise LogError(f"{path} cannot be opened as a log: {error}.") from error
            time.sleep(0.02)  # another process is creating it


def is_busy(error: sqlite3.Error) -> bool:
    """Return True if another connection held a lock, so that a later attempt may succeed."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part of the code
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def has_search_index(connection: sqlite3.Connection) -> bool:
    """Return True if the full-text index exists and this SQLite can use it."""
    import sqlite3

    try:
        connection.execute("SELECT 1 FROM responses_search LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def _open_for_writing(path: Path) -> sqlite3.Connection:
    """Open a log to write; create it if there is none."""
    try:
        create_private(path)
        protect_side_files(path)
    except OSError as error:
        raise LogError(f"{path} cannot be opened as a log: {error.strerror}.") from error
    return _open_database(path, "mode=rwc", _upgrade)


def _open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing log to read. Where nothing can be written, SQLite cannot create the files that it needs beside a
    database that others write; then there are no writers, unless such files exist already."""
    import sqlite3

    try:
        # "mode=rw" opens a read-only file too; "mode=ro" would leave files behind.
        return _open_database(path, "mode=rw", _add_compatibility_views)
    except sqlite3.OperationalError as error:
        unwritable = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        if not unwritable or path.with_name(f"{path.name}-wal").exists():
            raise
        return _open_database(path, "immutable=1", _add_compatibility_views)


def _open_database(
    path: Path, mode: str, prepare: Callable[[sqlite3.Connection, Path, int], None]
) -> sqlite3.Connection:
    import sqlite3

    uri = f"{path.as_uri()}?{mode}"
    connection = sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        version = _read_version(connection, path)
        if version > len(_MIGRATIONS):
            known = len(_MIGRATIONS)
            raise LogError(f"{path} is a log of version {version}; this library knows versions up to {known}.")
        prepare(connection, path, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _add_compatibility_views(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Make a file of an earlier version readable as one of the newest, without changing it."""
    if version == 0:
        raise LogError(f"{path} is empty: it contains no log.")
    connection.execute("PRAGMA temp_store = MEMORY")
    for statement in _COMPATIBILITY_VIEWS.get(version, "").split(";\n"):
        connection.execute(statement)


def _upgrade(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Upgrade a file to the newest version."""
    if version < len(_MIGRATIONS):
        make_private(path)
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    connection.execute("PRAGMA synchronous = NORMAL")  # safe in WAL mode: a power cut may lose the last rows, no more


def _read_version(connection: sqlite3.Connection, path: Path) -> int:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "log_version" in tables:
        (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM log_version").fetchone()
        return int(version)
    if tables:
        raise LogError(f"{path} is a database, but not a log.")
    return 0


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply the missing migrations, all or none; another process may do so at the same time."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS log_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)"
        )
        for version in range(_read_version(connection, path), len(_MIGRATIONS)):
            for statement in _MIGRATIONS[version].split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO log_version VALUES (?, datetime('now'))", (version + 1,))
        _create_search_index(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create_search_index(connection: sqlite3.Connection) -> None:
    import sqlite3
    from contextlib import suppress

    with suppress(sqlite3.OperationalError):  # SQLite was built without FTS5, or is too old for trigrams
        connection.execute(_CREATE_SEARCH_INDEX)
