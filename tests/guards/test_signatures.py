"""Guards the public names and their signatures: see `signatures.py`."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from .goldens import FILES
from .signatures import snapshot


def test_public_signatures_are_as_before() -> None:
    stored, now = (FILES / "signatures.txt").read_text("utf-8").splitlines(), snapshot().splitlines()
    lines = list(changes(stored, now))
    assert not lines, "Public signatures changed:\n" + "\n".join(lines)


def changes(stored: list[str], now: list[str]) -> Iterator[str]:
    """The lines that differ, each with the public name that it is about."""
    for kind, start, end, new_start, new_end in SequenceMatcher(None, stored, now, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (f"{owner(stored, index)}: - {stored[index].strip()}" for index in range(start, end))
            yield from (f"{owner(now, index)}: + {now[index].strip()}" for index in range(new_start, new_end))


def owner(lines: list[str], index: int) -> str:
    """The public name whose section a line stands in."""
    return next(line for line in reversed(lines[: index + 1]) if not line.startswith(" "))
