"""Guards the rows of docs/reliability.md with their request counts, in each colour: see `reliability.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import reliability
from .goldens import FILES, summary

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def stored() -> dict[str, dict[str, str]]:
    return reliability.from_table((FILES / "reliability.txt").read_text("utf-8"))


@pytest.mark.parametrize("colour", reliability.COLOURS)
def test_faults_lead_to_what_they_led_to(colour: str) -> None:
    before = {name: outcomes[colour] for name, outcomes in stored().items()}
    now = {name: reliability.outcome(row, colour) for name, row in reliability.rows()}
    names = sorted({*before, *now}, key=[*before, *now].index)
    lines = [
        f"{name}: {before.get(name, 'not stored')} → {now.get(name, 'gone')}"
        for name in names
        if before.get(name) != now.get(name)
    ]
    assert not lines, summary(f"{len(lines)} of {len(before)} rows changed in the {colour} colour", lines)


def test_the_page_has_the_stored_rows() -> None:
    """The scenarios, errors and request counts of the page are those that are stored."""
    page = PAGE.read_text("utf-8")
    shown = re.findall(r"^\| (.+) \| (.+) \| (\d+) \| (?:none|some) \|$", page, re.MULTILINE)
    told = [f"{scenario}: {_error(what)}, requests: {count}" for scenario, what, count in shown]
    expected = [
        re.sub(r" or [A-Z][A-Za-z]+|, [^,]+$", "", f"{name.partition(' · ')[2]}: {outcomes['blocking']}")
        for name, outcomes in stored().items()
    ]
    assert told == expected


def _error(what: str) -> str:
    """The error that a cell names."""
    return "the right text" if what == "the right answer" else what.split("`")[1]
