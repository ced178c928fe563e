"""What is retried keeps its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

from pydantic import BaseModel

from mirascope_like import llm


class Book(BaseModel):
    title: str


@llm.retry(max_retries=2, fallback_models=["anthropic/claude-haiku-4-5", llm.Model("openai/gpt-5-mini")])
@llm.call("openai/gpt-5-mini", format=Book)
def recommend(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.retry
@llm.call("openai/gpt-5-mini", timeout=llm.Timeout(total=30, idle=5))
async def recommend_async(genre: str) -> str:
    return f"Recommend a {genre} book."


@llm.retry
@llm.prompt
def plain(genre: str) -> str:
    return genre


@llm.retry(after_output="restart", retry_on=llm.RateLimitError, fallback_models=llm.Model("openai/gpt-5-mini"))
@llm.call("openai/gpt-5-mini")
def with_context(ctx: llm.Context[int], genre: str) -> str:
    return genre * ctx.deps


@llm.tool(timeout=5)
def search(query: str) -> str:
    """Search."""
    return query


def retried() -> None:
    assert_type(recommend("fantasy"), llm.Response[Book])
    assert_type(recommend("fantasy").retry_failures, Sequence[llm.RetryFailure])
    assert_type(recommend.stream("fantasy"), llm.StreamResponse[Book])
    assert_type(llm.retry(recommend, max_retries=1)("fantasy"), llm.Response[Book])
    assert_type(plain("openai/gpt-5-mini", "fantasy"), llm.Response[None])
    assert_type(with_context(llm.Context(deps=1), "fantasy"), llm.ContextResponse[int, None])


async def retried_async() -> None:
    assert_type(await recommend_async("fantasy"), llm.AsyncResponse[None])


def models() -> None:
    assert_type(llm.retry_model("openai/gpt-5-mini", temperature=0.5, max_retries=1), llm.Model)
    assert_type(llm.retry(llm.Model("openai/gpt-5-mini")), llm.Model)
    assert_type(llm.Model("openai/gpt-5-mini", retry=llm.RetryConfig(jitter=0)).retry_config, llm.RetryConfig | None)
    failures = llm.RetriesExhausted([]).failures
    assert_type([failure.model.model_id for failure in failures], list[str])
