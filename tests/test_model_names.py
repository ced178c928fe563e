"""No page, example, docstring or default of `chat` names a model that is gone or about to go. Tables may name one, and
so may lines that speak of retirement.

The dates are compared with a fixed date, never with the clock, so that no test begins to fail by itself. Whoever looks
through the names again moves `ALIVE_UNTIL` on. Sources: the packages of OpenAI (`types/shared/chat_model.py`, 3.57.0)
and Anthropic (`_data/deprecated_models.py`, 2.14.0), and the update pages of xAI and DeepSeek.
"""

from __future__ import annotations

import ast
import re
from datetime import date
from pathlib import Path

import pytest

from mirascope_like import chat
from mirascope_like.chat.models import registry

from .test_architecture import modules, name_of, parsed

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALIVE_UNTIL = date(2027, 3, 1)
DATA = {"wire.model_rows", "chat.models.model_aliases"}  # these have to know old names too

RETIREMENTS = {
    "gpt-3.5-turbo gpt-4 gpt-4-turbo gpt-4.1-nano o1 o3-mini o4-mini": date(2026, 10, 23),
    "gpt-5-chat gpt-5.1-chat gpt-5.1-codex chatgpt-4o": date(2026, 7, 23),
    "gpt-5.2-chat gpt-5.3-chat": date(2026, 8, 10),
    "gpt-5 gpt-5-mini gpt-5-nano o3": date(2026, 12, 11),
    "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini": date(2027, 1, 14),
    "gpt-audio-mini": date(2027, 1, 20),
    "gpt-5.1 gpt-5.4-nano": date(2027, 4, 1),
    "gpt-4o-audio-preview gpt-4o-mini-audio-preview": date(2026, 5, 7),
    "claude-sonnet-4-5": date(2026, 11, 30),
    "claude-opus-4-5": date(2027, 1, 22),
    "claude-mythos-preview": date(2026, 6, 30),
    # These are no longer in Anthropic's package.
    "claude-opus-4-1 claude-opus-4 claude-sonnet-4 claude-3-7-sonnet claude-3-5-sonnet": date(2026, 10, 1),
    "claude-3-5-haiku claude-3-opus claude-3-sonnet claude-3-haiku": date(2026, 10, 1),
    "grok-3 grok-4 grok-4-fast grok-4-1-fast grok-code-fast-1": date(2026, 5, 15),
    "deepseek-chat deepseek-reasoner": date(2026, 7, 24),
}
RETIRE = {name: when for names, when in RETIREMENTS.items() for name in names.split()}

NAME = re.compile(
    r"(?<![\w./-])(?:[a-z]+/)?((?:gpt|chatgpt|claude|grok|deepseek)-[\w.-]*\w|o\d(?:-mini|-pro)?)(?![\w-])"
)
DATE = re.compile(r"-(\d{4}-\d\d-\d\d|\d{8}|\d{4}|latest|0)$")


def retiring(text: str) -> list[str]:
    """The models in a text that are gone by `ALIVE_UNTIL`."""
    names = {DATE.sub("", name) for name in NAME.findall(text)}
    return sorted(name for name in names if RETIRE.get(name, date.max) <= ALIVE_UNTIL)


def prose(page: str) -> str:
    """A page without its tables and the lines that speak of retirement."""
    return "\n".join(line for line in page.splitlines() if not re.match(r"\s*\|", line) and "retire" not in line)


def test_the_table_is_read() -> None:
    assert retiring('"openai/gpt-5-mini", gpt-4o-2024-08-06 and `claude-sonnet-4-5`; o3 (not gpt-5.5, o3x)') == [
        "claude-sonnet-4-5",
        "gpt-4o",
        "gpt-5-mini",
        "o3",
    ]
    assert prose("| gpt-5 |\nretired: gpt-5\nNow.") == "Now."


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_pages_name_models_that_stay(page: Path) -> None:
    assert retiring(prose(page.read_text("utf-8"))) == []


@pytest.mark.parametrize("folder", ["examples", "benchmarks"])
def test_programs_name_models_that_stay(folder: str) -> None:
    found = {path.name: retiring(path.read_text("utf-8")) for path in (ROOT / folder).rglob("*.py")}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path) not in DATA], ids=name_of)
def test_docstrings_and_messages_name_models_that_stay(path: Path) -> None:
    texts = (node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant))
    assert retiring("\n".join(text for text in texts if isinstance(text, str))) == []


def test_chat_offers_models_that_stay() -> None:
    registry.reset()  # names that other tests looked up are listed too
    offered = [chat.get_default_model(), *(model.model_id for model in chat.get_models())]
    assert len(offered) > 10
    assert retiring("\n".join(offered)) == []
