"""The table of docs/reliability.md, from playing each row: `python -m tests.faults.table` writes it anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .protocols import PROTOCOLS
from .rows import RETRIED, STATUSES, STREAM, WHOLE, Outcome, Row, expected_text, observe

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BLOCKING = Colour("blocking")
START, END = "<!-- table of faults -->", "<!-- end of the table -->"
TITLES = {
    "Error statuses": STATUSES,
    "Whole answers": WHOLE,
    "Streams": STREAM,
    "With `max_retries=2`": RETRIED,
}


def table() -> str:
    """Each row as it goes, played by a chat completions server to blocking calls."""
    lines: list[str] = []
    for title, rows in TITLES.items():
        lines += [f"### {title}", "", "| scenario | what happens | requests | data lost |", "| --- | --- | --- | --- |"]
        lines += [*_lines(rows), ""]
    return "\n".join(lines[:-1])


def _lines(rows: list[Row]) -> Iterator[str]:
    protocol = PROTOCOLS[0]
    for row in rows:
        with Server() as server:
            outcome = BLOCKING.run(partial(observe, row, protocol, BLOCKING, server))
        lost = "none" if outcome.text == expected_text(row, protocol) else "some"
        yield f"| {row.scenario} | {_told(row, outcome)} | {outcome.requests} | {lost} |"


def _told(row: Row, outcome: Outcome) -> str:
    if outcome.error is None:
        return "the right answer"
    told = f"`{type(outcome.error).__name__}`"
    if row.stream and outcome.text:
        told += ", `partial` has what came"
    if isinstance(outcome.error, llm.APIError) and outcome.error.retry_after is not None:
        told += f", `retry_after` is {outcome.error.retry_after:g} s"
    return told


def within(page: str) -> str:
    """The table that a page shows."""
    found = re.search(f"{START}\n\n(.*?)\n*{END}", page, re.DOTALL)
    assert found is not None, f"{PAGE.name} has no place for the table"
    return found[1]


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    start, end = page.index(START) + len(START), page.index(END)
    PAGE.write_text(f"{page[:start]}\n\n{table()}\n\n{page[end:]}", "utf-8")
