"""Stores the results of the guards anew: `python -m tests.guards.write`, or some of them, such as `… write signatures`.

Run it only for a change of behaviour that is wanted, and look at what differs (`git diff tests/guards/files`). Stored
files of a released form (`stored`) stay as they are: a new form is stored beside them, under a new name.
"""

from __future__ import annotations

import sys

from . import reliability, requests, signatures, stored, test_traffic, traffic
from .goldens import FILES, as_table, digests


def write_requests() -> None:
    for protocol in requests.PROTOCOLS:
        _write(f"requests-{protocol}.txt", as_table(digests(requests.play(protocol))))


def write_traffic() -> None:
    for protocol in test_traffic.PROTOCOLS:
        _write(test_traffic.file_of(protocol), as_table(digests(traffic.play(protocol))))


def write_signatures() -> None:
    _write("signatures.txt", signatures.snapshot())


def write_stored() -> None:
    for name, text in stored.made().items():
        _write(name, text)


def write_reliability() -> None:
    _write("reliability.txt", reliability.table())


def _write(name: str, text: str) -> None:
    FILES.mkdir(exist_ok=True)
    (FILES / name).write_text(text, "utf-8")


WRITERS = {
    "requests": write_requests,
    "traffic": write_traffic,
    "signatures": write_signatures,
    "stored": write_stored,
    "reliability": write_reliability,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or WRITERS:
        WRITERS[chosen]()
