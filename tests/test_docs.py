"""The Python blocks of README, docs and docstrings run, offline, and print what is shown.

The blocks of a page run one after the other in one namespace. HTML comments, which readers do not see, steer this:

    <!-- replies: ["Hi!", [{"type": "tool_call", …}]] -->    before a block: what models answer in it, as JSON
    <!-- skip: needs a GPU -->                               before a block: do not run it, and why not
    <!-- output -->                                          before a text block: what has been printed
    <!-- table of faults --> … <!-- end of the table -->     what tests/faults/table.py writes

A reply is a text, or a list of texts, of parts in their JSON form, and of `{"finish_reason": "max_tokens"}`. Where
there are replies, models of all built-in providers are played by `llm.scripted`. Where there are none, nothing can be
asked: there is no key and no network.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import llm

from .test_architecture import modules, name_of, parsed

ROOT = Path(__file__).parents[1]
PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.exists()]
PROVIDERS = ["openai", "anthropic", "openrouter", "together", "xai", "groq", "mistral", "deepseek", "ollama", "local"]

BLOCK = re.compile(
    r"(?:^<!-- (?P<note>.*?) -->\n+)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass
class Block:
    """A fenced block. `note` is what the comment before it says."""

    path: Path
    line: int
    language: str
    note: str
    code: str

    @property
    def replies(self) -> list[Any]:
        replies = json.loads(self.note.removeprefix("replies:")) if self.note.startswith("replies:") else []
        return [reply if isinstance(reply, str) else [_part(part) for part in reply] for reply in replies]

    def run(self, names: dict[str, Any]) -> str:
        """Run it, and give what it prints. Lines of errors are those of the page."""
        stage = played(*self.replies) if self.replies else contextlib.nullcontext()
        with stage, contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * self.line + self.code, str(self.path), "exec"), names)
        return printed.getvalue()


def _part(part: Any) -> Any:
    match part:
        case {"finish_reason": reason}:
            return llm.FinishReason(reason)
        case dict():
            return llm.from_dict(part)
        case _:
            return part


@contextlib.contextmanager
def played(*replies: Any, repeat: bool = False) -> Iterator[llm.ScriptedModel]:
    """All built-in providers give these replies."""
    model = llm.scripted(*replies, repeat=repeat)
    assert model.provider_override is not None
    llm.register_provider(model.provider_override, scope=[f"{provider}/" for provider in PROVIDERS])
    yield model
    llm.reset_provider_registry()


def blocks(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    return [
        Block(path, text[: found.start("code")].count("\n"), found["language"], found["note"] or "", found["code"])
        for found in BLOCK.finditer(text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_run_and_print_what_they_show(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.note.startswith("skip:"):
            assert block.note.removeprefix("skip:").strip(), f"{page.name}:{block.line}: why is this skipped?"
        elif block.language == "python":
            printed = block.run(names)
        elif block.note == "output":
            assert printed == block.code, f"{page.name}:{block.line} shows something else"


def test_notes_are_known() -> None:
    notes = [note for page in PAGES for note in re.findall("<!-- (.*?) -->", page.read_text("utf-8"), re.DOTALL)]
    assert [
        note for note in notes if not re.match("(replies:|skip: .|output$|table of faults$|end of the table$)", note)
    ] == []


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\((?!\w+:)([^)#]+)", page.read_text("utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_examples_in_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with `>>>` print what they show; those that import what they need run."""
    monkeypatch.chdir(tmp_path)
    name = name_of(path)
    if ">>>" in path.read_text("utf-8"):
        assert doctest.testmod(importlib.import_module(f"mirascope_like.{name}")).failed == 0
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for code in re.findall(r"^from mirascope_like.*?(?=^\S|\Z)", _indented_of(node), re.MULTILINE | re.DOTALL):
                with played("Hi!", repeat=True), contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(code, str(path), "exec"), {})


def _indented_of(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What is indented in a docstring, moved to the margin; the rest is left out."""
    lines = (ast.get_docstring(node) or "").split("\n")
    return "\n".join(line[4:] if line.startswith("    ") else line and "." for line in lines)
