"""Every snippet of the page whose users should feel at home here runs, with only its import line changed.

The page is not part of this repository: it is read from beside the checkout, or from where the environment variable
MIRASCOPE_LIKE_SEEDS says.
"""

from __future__ import annotations

import os
import re
import runpy
import threading
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import llm

from ..transport.server import PATIENCE, Server
from .responses_server import Parts, answering

SEEDS = Path(os.environ.get("MIRASCOPE_LIKE_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
PAGE = SEEDS / "mirascope-async.txt"

# What each snippet prints, in the order of the page, and how many of its requests are under way at a time.
PRINTED = [
    ("Read: Recommend a fantasy book.\n", 1),
    ("Read: Recommend a fantasy book.\n", 1),
    ("Read: Recommend a fantasy book.\n", 1),
    ("".join(f"[{genre}]: Read: Recommend a {genre} book.\n\n" for genre in ("fantasy", "mystery", "romance")), 3),
    ("Read: 72°F and sunny in Tokyo\n", 1),
    ("Read: Recommend a fantasy book.", 1),
]

# The page has come without its line breaks, so this is where lines begin, by indentation.
_LINES = {
    0: r"import asyncio|from mirascope|@llm|async def|asyncio\.run|model = ",
    1: r"return |response = await (?!response\.)|response: |genres = |responses = |for genre,|while |async for |"
    r'"""F|await asyncio\.sleep|print\(response',
    2: r"tool_outputs = |response = await response\.|print\(f|print\(chunk",
}


def snippets() -> list[str]:
    """The page's Python blocks, with our import line in place of theirs."""
    blocks = re.findall(r"```python\s(.*?)```", PAGE.read_text(), re.DOTALL)
    return [_laid_out(block.strip()).replace("from mirascope import", "from mirascope_like import") for block in blocks]


def _laid_out(code: str) -> str:
    if "\n" in code:
        return code
    for level, starts in _LINES.items():
        code = re.sub(rf"(?:^| )(?={starts})", "\n" + "    " * level, code)
    return code


def speak(body: dict[str, Any]) -> Parts:
    """A model that calls its tool once, and otherwise reads out what it was told last."""
    last = body["input"][-1]
    if last.get("type") == "function_call_output":
        return [llm.Text(f"Read: {last['output']}")]
    if body.get("tools"):
        return [llm.ToolCall(id="call_1", name=body["tools"][0]["name"], args='{"city": "Tokyo"}')]
    said = last["content"]
    return [llm.Text(f"Read: {said if isinstance(said, str) else said[0]['text']}")]


@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_a_snippet_runs(
    number: int,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not PAGE.exists():
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent(f"{PAGE} is not there: set MIRASCOPE_LIKE_SEEDS to its directory.")
    assert len(snippets()) == len(PRINTED)
    printed, at_a_time = PRINTED[number]
    all_there = threading.Barrier(at_a_time)

    def decide(body: dict[str, Any]) -> Parts:
        all_there.wait(PATIENCE)
        return speak(body)

    server.answer = answering(decide)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    script = tmp_path / "snippet.py"
    script.write_text(snippets()[number])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == printed
    assert {request.path for request in server.received} == {"/responses"}
