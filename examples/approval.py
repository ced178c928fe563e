"""A chain that stops for a person's approval, and goes on when it is there: in another process, days later.

python examples/approval.py waiting.json "Pay Ada's invoice of 120 euros."
python examples/approval.py waiting.json --approve
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mirascope_like import chat

model = chat.get_model("openai/gpt-6-luna")


def pay(person: str, euros: int) -> str:
    """Pay somebody."""
    return f"{person} has {euros} euros more."


def ask_first(tool: Any, call: chat.ToolCall) -> None:
    raise chat.PauseChain(f"May I {call.name} {call.arguments}?")


def begin(path: Path, said: str) -> None:
    try:
        print(model.chain(said, tools=[pay], before_call=ask_first).text())
    except chat.PauseChain as pause:
        path.write_text(json.dumps(pause.to_dict()), "utf-8")
        print(pause)


def go_on(path: Path) -> None:
    print(chat.resume(json.loads(path.read_text("utf-8")), tools=[pay]).text())
    path.unlink()


if __name__ == "__main__":
    file, said = sys.argv[1:3]
    if said == "--approve":
        go_on(Path(file))
    else:
        begin(Path(file), said)
