"""When a call is retried, and with which models. Data only: `engine.retry_policy` decides on retries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from typing_extensions import TypedDict, Unpack

from ..errors import ConnectionError, RateLimitError, ServerError, TimeoutError
from .model_like import ModelLike

AfterOutput: TypeAlias = Literal["raise", "restart", "continue"]


_DEFAULT_RETRY_ON: tuple[type[Exception], ...] = (ConnectionError, RateLimitError, ServerError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """When to retry. Raises `ValueError` for an invalid number, and `TypeError` for a wrong exception class or model.

    `max_retries`: the retries for each model, which gets at most `max_retries + 1` requests.
    `retry_on`: the errors (one class, or several) after which to retry. Others are raised at once.
    `initial_delay`, `max_delay`, `backoff_multiplier`: the wait before retry n is at most
    `min(initial_delay * backoff_multiplier ** (n - 1), max_delay)` seconds.
    `jitter`: the random share of that wait: 0 waits exactly that long, 1 anything between nothing and that, so that
    many clients do not retry at the same moment. A longer wait that the server asks for is respected; if it is longer
    than `max_delay`, there is no retry.
    `fallback_models`: the models (one, or several) to call when a model's retries are used up. An id gets the first
    model's params (on another provider without `extra_headers` and `extra_body`); a `Model` has its own.
    `after_output`: what to do if a stream breaks after some of it was read. "raise" raises the error; "restart" sends
    the request again, and raises `StreamRestarted` so that readers iterate again; "continue" lets the model continue
    where it stopped if it is known to support that, and restarts otherwise.
    """

    max_retries: int = 3
    retry_on: tuple[type[Exception], ...] = _DEFAULT_RETRY_ON
    initial_delay: float = 0.5
    max_delay: float = 60.0
    backoff_multiplier: float = 2.0
    jitter: float = 1.0
    fallback_models: Sequence[str | ModelLike] = ()
    after_output: AfterOutput = "raise"

    if TYPE_CHECKING:  # the arguments have wider types than the fields

        def __init__(self, **args: Unpack[RetryArgs]) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "retry_on", _to_error_classes(self.retry_on))
        object.__setattr__(self, "fallback_models", _to_models(self.fallback_models))
        for name in ("max_retries", "initial_delay", "max_delay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 0 or more, and finite.")
        if not self.backoff_multiplier >= 1:
            raise ValueError(f"backoff_multiplier is {self.backoff_multiplier}: it must be at least 1.")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter}: it must be between 0 and 1.")
        if self.after_output not in ("raise", "restart", "continue"):
            raise ValueError(f"after_output is {self.after_output!r}: it must be 'raise', 'restart' or 'continue'.")

    def longest_delay(self, retry: int) -> float:
        """Return the maximum wait before retry number `retry` (the first is 1), in seconds."""
        try:
            return min(self.initial_delay * self.backoff_multiplier ** (retry - 1), self.max_delay)
        except OverflowError:
            return self.max_delay


class RetryArgs(TypedDict, total=False):
    """The arguments of `RetryConfig`."""

    max_retries: int
    retry_on: type[Exception] | Sequence[type[Exception]]
    initial_delay: float
    max_delay: float
    backoff_multiplier: float
    jitter: float
    fallback_models: str | ModelLike | Sequence[str | ModelLike]
    after_output: AfterOutput


def _to_error_classes(given: object) -> tuple[type[Exception], ...]:
    errors = _to_tuple(given)
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise TypeError(f"retry_on must be exception classes, such as llm.RateLimitError; got {error!r}.")
    return cast("tuple[type[Exception], ...]", errors)


def _to_models(given: object) -> tuple[str | ModelLike, ...]:
    models = _to_tuple(given)
    for model in models:
        if not (isinstance(model, str) or hasattr(model, "model_id")):
            raise TypeError(f"fallback_models must be model ids or llm.Model(…) objects; got {model!r}.")
    return cast("tuple[str | ModelLike, ...]", models)


def _to_tuple(given: object) -> tuple[object, ...]:
    """Return the items of an iterable, or the single value itself, as a tuple."""
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(cast("Iterable[object]", given))
    return (given,)
