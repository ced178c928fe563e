"""Guards what is read of recorded traffic, and the requests that go on with it: see `traffic.py`."""

from __future__ import annotations

import pytest

from . import traffic
from .goldens import FILES, check, digests, from_table, summary

PROTOCOLS = list(dict.fromkeys(traffic.PROTOCOLS.values()))


def file_of(protocol: str) -> str:
    return f"traffic-{protocol.replace(':', '-')}.txt"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_recorded_exchanges_are_read_and_continued_as_before(protocol: str) -> None:
    check(file_of(protocol), digests(traffic.play(protocol)), "traffic")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_streams_in_small_pieces_are_read_as_before(protocol: str) -> None:
    stored = from_table((FILES / file_of(protocol)).read_text("utf-8"))
    found = digests(traffic.play(protocol, piece=traffic.SMALL))
    lines = [
        f"{name}: {facet} changed"
        for name, facets in found.items()
        for facet, value in facets.items()
        if stored.get(name, {}).get(facet) != value
    ]
    assert not lines, summary(f"Of {len(found)} streams, in pieces of {traffic.SMALL} bytes", lines)
