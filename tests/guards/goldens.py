"""Where the stored results are, and how they are compared: a line for each, a name and the digests of its facets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

FILES = Path(__file__).parent / "files"
SHOWN = 40  # lines of differences that a message names

# name of a result → facet → its digest
Digests = Mapping[str, Mapping[str, str]]

HOW_TO_SEE = "Compare `python -m tests.guards.show {} NAME` in this checkout and in one of the commit before."


def digest(text: str) -> str:
    """Eight digits that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def digests(results: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Results with the digests of their facets in place of the texts."""
    return {name: {facet: digest(text) for facet, text in facets.items()} for name, facets in results.items()}


def as_table(found: Digests) -> str:
    """The stored form of digests: facets in the first line, then a line for each result."""
    facets = list(next(iter(found.values())))
    lines = ["\t".join(["name", *facets])]
    lines += ("\t".join([name, *(values[facet] for facet in facets)]) for name, values in sorted(found.items()))
    return "\n".join(lines) + "\n"


def from_table(text: str) -> dict[str, dict[str, str]]:
    """What `as_table` wrote."""
    (_, *facets), *rows = (line.split("\t") for line in text.splitlines())
    return {name: dict(zip(facets, values, strict=True)) for name, *values in rows}


def changes(stored: Digests, found: Digests) -> list[str]:
    """A line for each result that is not as stored, with the facets in which it differs."""
    lines = [f"{name}: stored, but no longer there" for name in sorted(stored.keys() - found.keys())]
    lines += (f"{name}: new, nothing is stored for it" for name in sorted(found.keys() - stored.keys()))
    for name in sorted(stored.keys() & found.keys()):
        facets = [facet for facet, value in stored[name].items() if found[name].get(facet) != value]
        if facets:
            lines.append(f"{name}: {', '.join(facets)} changed")
    return lines


def check(file: str, found: Digests, kind: str) -> None:
    """Fail with the names of all results that are not as they are stored in a file."""
    lines = changes(from_table((FILES / file).read_text("utf-8")), found)
    assert not lines, summary(f"{len(lines)} of {len(found)} differ from {file}", lines) + (
        f"\n{HOW_TO_SEE.format(kind)}"
    )


def summary(title: str, lines: Sequence[str]) -> str:
    """A title and the first lines."""
    more = [f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([f"{title}:", *lines[:SHOWN], *more])


def as_json(value: object, levels: int = 2) -> str:
    """JSON as the stored files have it: sorted keys, and a line for each member down to some level."""
    if levels and isinstance(value, Mapping):
        members = [f"{json.dumps(name)}: {as_json(value[name], levels - 1)}" for name in sorted(value, key=str)]
        return "{\n" + ",\n".join(members) + "\n}"
    if levels and isinstance(value, list):
        return "[\n" + ",\n".join(as_json(each, levels - 1) for each in value) + "\n]"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
