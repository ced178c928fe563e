"""`llm.retry`: calls, prompts and models that ask again.

    @llm.retry(max_retries=2, fallback_models=["anthropic/claude-haiku-5-5"])
    @llm.call("openai/gpt-6-luna")
    def recommend(genre: str): return f"Recommend a {genre} book."

What is retried is of the same class as before, and so is its response, whose `retry_failures` tell what went wrong on
the way.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast, overload

from typing_extensions import Unpack

from ..types.params import Params
from ..types.retry import RetryArgs, RetryConfig
from .calls import BaseCall
from .models import Model
from .prompts import BasePrompt

T = TypeVar("T", bound=BaseCall[Any] | BasePrompt[Any] | Model)


class RetryModelArgs(Params, RetryArgs, total=False):
    """Params of a model, and the arguments of `RetryConfig`."""


class RetryDecorator:
    """`@llm.retry(…)`, waiting for its call or prompt."""

    def __init__(self, config: RetryConfig) -> None:
        self.config = config

    def __call__(self, target: T, /) -> T:
        """Return the same call, prompt or model with this retry policy."""
        if not isinstance(cast("object", target), BaseCall | BasePrompt | Model):
            raise TypeError(f"llm.retry goes above @llm.call or @llm.prompt, or takes a Model; not {target!r}.")
        return cast("T", target.with_retry(self.config))


@overload
def retry(target: T, /, **args: Unpack[RetryArgs]) -> T: ...
@overload
def retry(**args: Unpack[RetryArgs]) -> RetryDecorator: ...
def retry(target: Any = None, /, **args: Unpack[RetryArgs]) -> Any:
    """Ask again when asking fails: `@llm.retry`, `@llm.retry(max_retries=2)` above `@llm.call` or `@llm.prompt`, or
    `llm.retry(call, …)` of a call, prompt or model.

    Arguments as for `RetryConfig`. They replace those of a retry that is there already. Raises `ValueError` for what
    cannot be meant.
    """
    decorator = RetryDecorator(RetryConfig(**args))
    return decorator if target is None else decorator(target)


def retry_model(model_id: str, **args: Unpack[RetryModelArgs]) -> Model:
    """Return a model that retries failed calls, from its params and the arguments of `RetryConfig`."""
    retrying = {name: value for name, value in args.items() if name in RetryArgs.__annotations__}
    params = {name: value for name, value in args.items() if name not in RetryArgs.__annotations__}
    return Model(model_id, retry=RetryConfig(**cast("RetryArgs", retrying)), **cast("Params", params))
