"""Plays the rows of docs/reliability.md against a loopback server, in each colour.

The faults are those of `tests/faults`. Stored here is what they lead to: what the caller got, the number of requests
that the server got, and whether text was lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from mirascope_like import llm

from ..conftest import Colour
from ..faults.protocols import PROTOCOLS
from ..faults.rows import Row, expected_text, observe
from ..faults.table import TITLES
from ..transport.server import Server

COLOURS = ("blocking", "asyncio", "trio")
SAME = "the same"


def rows() -> Iterator[tuple[str, Row]]:
    """All rows by their names."""
    for title, found in TITLES.items():
        yield from ((f"{title} · {row.scenario}", row) for row in found)


def outcome(row: Row, colour: str) -> str:
    """What comes of a row in one colour."""
    llm.set_retry_budget(reserve=math.inf)
    protocol = PROTOCOLS[0]
    with Server() as server:
        seen = Colour(colour).run(partial(observe, row, protocol, Colour(colour), server))
    told = "the right text" if seen.error is None else type(seen.error).__name__
    if row.may_raise and row.raises and type(seen.error) in (row.raises, row.may_raise):  # it depends on the moment
        told = f"{row.raises.__name__} or {row.may_raise.__name__}"
    lost = "nothing lost" if seen.text == expected_text(row, protocol) else "text lost"
    return f"{told}, requests: {seen.requests}, {'text may be lost' if row.may_lose else lost}"


def table() -> str:
    """The stored form: a line for each row, what the other colours give behind what blocking calls give."""
    lines: list[str] = []
    for name, row in rows():
        first, *others = (outcome(row, colour) for colour in COLOURS)
        lines.append("\t".join([name, first, *(SAME if other == first else other for other in others)]))
    return "\n".join(lines) + "\n"


def from_table(text: str) -> dict[str, dict[str, str]]:
    """Row → colour → what came of it."""
    found: dict[str, dict[str, str]] = {}
    for name, first, *others in (line.split("\t") for line in text.splitlines()):
        outcomes = [first, *(first if other == SAME else other for other in others)]
        found[name] = dict(zip(COLOURS, outcomes, strict=True))
    return found
