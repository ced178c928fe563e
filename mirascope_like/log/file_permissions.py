"""File permissions of a log: only its owner can read a new file, even before anything is written to it.

SQLite gives the files that it keeps beside a database (`-wal`, `-shm`, `-journal`) the database's own mode.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o600
_SIDE_FILES = ("-wal", "-shm", "-journal")
_HAS_MODES = os.name == "posix"


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600, whatever the umask, unless it exists. Raises `OSError`."""
    # The missing target of a link is created too, as SQLite would do.
    with suppress(FileExistsError):
        file = os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
        try:
            if _HAS_MODES:
                os.fchmod(file, _PRIVATE)
        finally:
            os.close(file)


def make_private(path: Path) -> None:
    """Remove all permissions but the owner's from a file, as far as this user may."""
    _restrict(path, 0o700)
    protect_side_files(path)


def protect_side_files(path: Path) -> None:
    """Remove permissions from the files beside a database that the database itself does not have."""
    real = os.path.realpath(path)
    allowed = os.stat(real).st_mode
    for end in _SIDE_FILES:
        _restrict(Path(real + end), allowed)


def _restrict(path: Path, allowed: int) -> None:
    with suppress(FileNotFoundError, PermissionError):  # another user's file is left to that user
        mode = path.stat().st_mode & 0o777
        if _HAS_MODES and mode & ~allowed:
            path.chmod(mode & allowed)
