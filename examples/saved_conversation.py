"""A conversation that is kept in a file, and goes on each time the program runs.

python examples/saved_conversation.py chat.json "My name is Ada."
python examples/saved_conversation.py chat.json "What is my name?"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mirascope_like import llm

model = llm.Model("openai/gpt-6-luna", max_tokens=200)


def load(path: Path) -> list[llm.Message]:
    if not path.exists():
        return [llm.messages.system("Answer briefly.")]
    return llm.load_messages(json.loads(path.read_text("utf-8")))


def save(path: Path, messages: list[llm.Message]) -> None:
    path.write_text(json.dumps(llm.dump_messages(messages), ensure_ascii=False, indent=1), "utf-8")


def main(file: str, said: str) -> None:
    path = Path(file)
    response = model.call([*load(path), llm.messages.user(said)])
    print(response.text())
    save(path, response.messages)


if __name__ == "__main__":
    main(*sys.argv[1:3])
