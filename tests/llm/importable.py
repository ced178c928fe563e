"""Calls, prompts and tools at the top of a module, where pickle finds them."""

from __future__ import annotations

from mirascope_like import llm


@llm.call("test/model", temperature=0.5)
def recommend(genre: str, count: int = 1) -> str:
    """Recommend books."""
    return f"Recommend {count} {genre} book(s)."


@llm.call("test/model")
async def recommend_async(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.retry(max_retries=1)
@llm.call("test/model")
def retried(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.prompt
def prompt(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.tool
def double(n: int) -> int:
    return n * 2


@llm.tool
async def double_async(n: int) -> int:
    return n * 2


class Librarian:
    """Has calls as methods."""

    def __init__(self, name: str) -> None:
        self.name = name

    @llm.call("test/model")
    def ask(self, question: str) -> str:
        return f"{self.name}, {question}"

    @llm.call("test/model")
    async def ask_async(self, question: str) -> str:
        return f"{self.name}, {question}"

    @llm.call("test/model")
    @classmethod
    def of_class(cls, question: str) -> str:
        return f"{cls.__name__}, {question}"

    @llm.call("test/model")
    @staticmethod
    def of_nobody(question: str) -> str:
        return question


class Curator(Librarian):
    """Inherits its calls."""


def ask_in_this_process(call: llm.Call[[str], None], genre: str) -> str:
    """For a worker process, which has its own registry."""
    with llm.scripted(lambda body: body["messages"][-1]["content"]):
        return call(genre).text()


def params_of(call: llm.Call[..., None]) -> dict[str, object]:
    """For a worker process."""
    return dict(call.default_model.params)
