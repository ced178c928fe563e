"""Who may read a log: a new file is its owner's alone, before anything is in it.

SQLite gives the files that it keeps beside a database (`-wal`, `-shm`, `-journal`) the database's own mode.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["create_private", "make_private", "protect_side_files"]

_PRIVATE = 0o600
_SIDE_FILES = ("-wal", "-shm", "-journal")
_HAS_MODES = os.name == "posix"


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600, whatever the umask, unless there is a file. Raises `OSError`."""
    # The target of a link that leads nowhere yet is created too, as SQLite would do.
    with suppress(FileExistsError):
        file = os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
        try:
            if _HAS_MODES:
                os.fchmod(file, _PRIVATE)
        finally:
            os.close(file)


def make_private(path: Path) -> None:
    """Take a file's permissions from all but its owner, as far as this user may."""
    _restrict(path, 0o700)
    protect_side_files(path)


def protect_side_files(path: Path) -> None:
    """Take from the files beside a database the permissions that the database itself does not give."""
    real = os.path.realpath(path)
    allowed = os.stat(real).st_mode
    for end in _SIDE_FILES:
        _restrict(Path(real + end), allowed)


def _restrict(path: Path, allowed: int) -> None:
    with suppress(FileNotFoundError, PermissionError):  # of another user's file, that user decides
        mode = path.stat().st_mode & 0o777
        if _HAS_MODES and mode & ~allowed:
            path.chmod(mode & allowed)
