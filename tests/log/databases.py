"""SQLite connections for tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def opened(path: Path | str, **options: Any) -> Iterator[sqlite3.Connection]:
    """A connection that commits and is closed; `with sqlite3.connect(…)` does not close it."""
    connection = sqlite3.connect(path, **options)
    try:
        with connection:
            yield connection
    finally:
        connection.close()
