"""A short soak; the long one is benchmarks/soak.py."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("way", ["asyncio", "trio", "threads"])
def test_every_call_ends_in_a_right_answer_or_a_typed_error(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Memory is looked at in the long one: a few hundred calls say nothing of it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("soak")
    with script.ServerProcess() as server:
        ends, _ = script.soak(way, 200, server.url)
        assert script.problems(ends, 200) == []
        assert ends["right answers"] > 100
        assert 200 <= server.requests <= 600
