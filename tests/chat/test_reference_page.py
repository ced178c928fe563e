"""Every snippet of the page whose users should feel at home here runs, with only its import line changed.

The page is not part of this repository: it is read from beside the checkout, or from where the environment variable
MIRASCOPE_LIKE_SEEDS says. Its snippets build on one another, so they run in one namespace, in its order.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import chat, llm as faces

from ..llm.responses_server import Parts, answering
from ..transport.server import Server
from .conftest import Script, Scripted

SEEDS = Path(os.environ.get("MIRASCOPE_LIKE_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
PAGE = SEEDS / "llm-async.txt"

_CODE = re.compile(
    r"import |from |async def |def |asyncio\.run|model = |response = |for |chain_response|follow_up|print|[ )]"
)

NAMES = "Five surprising names for a pet pelican"

# What each snippet prints, in the order of the page; "…" stands for anything.
PRINTED = [
    "",
    f"Said: {NAMES}\n",
    "Said: Name three rivers\nUsage(input=3, output=5, details=None)\n",
    "Said: Explain quantum computing.",
    "TextPart {'type': 'text', 'text': \"Said: What's 2+2?\"}\n",
    "",
    "Told: Hello there Percival\n",
    "Tool(name='upper', …) ToolCall(name='upper', …) ToolResult(name='upper', output='PANDA', …)\nTold: PANDA\n",
    "Told: PANDA",
    "Told: PANDA\n",
    "",
    "[async] about to call upper\n[async] upper'PANDA'\nTold: PANDA\n",
    "Said: Five fun facts about pelicans\nSaid: Now do skunks\n",
    "Told: Results for: flamingos\nTold: Results for: flamingos\n",
    "Usage: Usage(input=3, output=5, details=None)\nSaid: a short poem about a brick\n",
    "Said: Add 3 to that\n",
    "…openai/gpt-4o-mini\n…",
    "=== Turn 1 ===\nTold: 212.0\n\n=== Turn 2 ===\nTold: 212.0\n\n=== Usage ===\n"
    + "".join(f"Turn {turn}: input=3, output=5\n" for turn in range(1, 5)),
]

ARGUMENTS = {
    "name": "Percival",
    "string": "panda",
    "text": "panda",
    "query": "flamingos",
    "celsius": 100,
}


def snippets() -> list[str]:
    """The page's runs of lines that are code, with our import line in place of theirs."""
    found: list[list[str]] = [[]]
    for line in PAGE.read_text().splitlines():
        if _CODE.match(line):
            found[-1].append(line)
        elif line.strip() and found[-1]:
            found.append([])
        elif not line.strip() and found[-1]:
            found[-1].append("")
    texts = ["\n".join(lines).strip() for lines in found]
    return [_ours(text) for text in texts if text and _is_code(text)]


def _is_code(text: str) -> bool:
    try:
        compile(text, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


def _ours(text: str) -> str:
    for old, new in (
        ("import asyncio, json, llm", "import asyncio, json"),
        ("import asyncio, llm", "import asyncio"),
    ):
        if old in text:
            text = text.replace(old, f"{new}\nfrom mirascope_like import chat as llm")
    return re.sub(r"^import llm$", "from mirascope_like import chat as llm", text, flags=re.MULTILINE)


def speak(body: dict[str, Any]) -> Parts:
    """A model that calls its tool once a question, and otherwise says what it was told last."""
    last = body["input"][-1]
    if last.get("type") == "function_call_output":
        return [faces.Text(f"Told: {last['output']}")]
    if body.get("tools"):
        (tool,) = body["tools"]
        (name,) = tool["parameters"]["properties"]
        args = f'{{"{name}": {ARGUMENTS[name]!r}}}'.replace("'", '"')
        return [faces.ToolCall(id=f"call_{len(body['input'])}", name=tool["name"], args=args)]
    said = last["content"]
    return [faces.Text(f"Said: {said if isinstance(said, str) else said[0]['text']}")]


def run(code: str, namespace: dict[str, Any]) -> None:
    compiled = compile(code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if not compiled.co_flags & inspect.CO_COROUTINE:
        exec(compiled, namespace)
        if "async def run()" in code and "asyncio.run(" not in code:
            asyncio.run(namespace["run"]())
        return

    async def all_of_it() -> None:
        await eval(compiled, namespace)

    asyncio.run(all_of_it())


@pytest.mark.skipif(
    not PAGE.exists() and not os.environ.get("CI"), reason="set MIRASCOPE_LIKE_SEEDS to the page's folder"
)
def test_the_snippets_run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = answering(speak)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    namespace: dict[str, Any] = {}
    for code, expected in zip(snippets(), PRINTED, strict=True):
        run(code, namespace)
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, capsys.readouterr().out, re.DOTALL), code
    assert {request.path for request in server.received} == {"/responses"}


def test_the_texts_in_its_prose() -> None:
    response = chat.get_async_model("gpt-4o-mini").prompt("Name three rivers")
    assert repr(response) == "<AsyncResponse prompt='Name three rivers' text='... not yet awaited ...'>"
    chat.register(Scripted(Script()))
    with pytest.raises(chat.UnknownModelError, match=r"^Unknown async model \(sync model exists\): scripted$"):
        chat.get_async_model("scripted")
