"""Guards the public names and their signatures: see `signatures.py`."""

from __future__ import annotations

import difflib

from .goldens import FILES
from .signatures import snapshot


def test_public_signatures_are_as_before() -> None:
    stored, found = (FILES / "signatures.txt").read_text("utf-8").splitlines(), snapshot().splitlines()
    lines = [line for line in difflib.ndiff(stored, found) if line[0] in "+-"] if stored != found else []
    assert not lines, "Public signatures changed:\n" + "\n".join(
        f"{_owner(line, stored, found)}: {line}" for line in lines
    )


def _owner(line: str, stored: list[str], found: list[str]) -> str:
    """The public name whose section a line of a difference stands in."""
    lines = stored if line[0] == "-" else found
    before = lines[: lines.index(line[2:]) + 1]
    return next(each for each in reversed(before) if not each.startswith(" "))
