"""When a failed call is sent again, and to which model.

A plan without a `RetryConfig` is sent once. Each model gets at most `max_retries + 1` requests: first the plan's own
model, then the fallback models in their order. `RetryPolicy` decides; it neither waits nor sends. `Run` does both, and
nothing below it retries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from ..errors import APIError, NoRegisteredProviderError, RetriesExhausted, RetryFailure, TimeoutError
from ..transport.connection_errors import drop_frames
from ..types.model_like import ModelLike
from ..types.params import Params, copy_params, without_headers
from ..types.retry import RetryConfig
from .limits import Limits
from .plan import Plan
from .providers import Provider, registry
from .retry_budget import FREE, PROCESS_BUDGET, Payment

_NO_BUDGET = "this process makes too many retries already (see llm.set_retry_budget)."
_NO_BUDGET_OF_ITS_OWN = "its retry budget is used up."
_VERBATIM = {"extra_body", "extra_headers"}


@dataclass(frozen=True, slots=True)
class Target:
    """A model to call."""

    model_id: str
    params: Params
    provider_override: Provider | None = None

    def __reduce__(self) -> tuple[type[Target], tuple[str, Params]]:
        return Target, (self.model_id, without_headers(self.params))

    def __repr__(self) -> str:
        return f"Target({self.model_id!r})"  # params may hold secrets

    def __copy__(self) -> Target:
        return self

    def __deepcopy__(self, _: object) -> Target:
        return self


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the policy's plan again, after `delay` seconds; at once, and to the next model, if it is `None`."""

    delay: float | None


@dataclass(frozen=True, slots=True)
class Raise:
    """Send nothing again; the call fails with this error."""

    error: Exception


Decision: TypeAlias = Retry | Raise


class RetryPolicy:
    """The decisions about the attempts of one call. `plan` is what the next attempt sends, `failures` are the errors so
    far. Every retry is paid for from the plan's budget; `clock` returns seconds."""

    def __init__(self, plan: Plan, limits: Limits, clock: Callable[[], float]) -> None:
        self.plan: Plan = plan
        self.failures: list[RetryFailure] = []
        self._limits = limits
        self._budget = plan.retry_budget
        self._clock = clock
        self._retries = 0  # of the present model
        self._payment: Payment = FREE  # for the retry under way
        self._waiting: list[Target] = _fallbacks(plan)
        self._tried: list[Target] = []
        if plan.retry is not None:
            self._budget.deposit()

    def next(self, error: Exception, *, seen: bool, beginning: str) -> Decision:
        """Decide what follows an error. `seen` tells whether the attempt brought content, `beginning` is the text that
        a new attempt could continue."""
        retry = self.plan.retry
        if retry is None or (seen and retry.after_output == "raise"):
            return Raise(error)
        if seen and retry.after_output == "continue":
            self.plan = replace(self.plan, beginning=beginning)
        if not _covers(retry, error) or (self._limits.over and isinstance(error, TimeoutError)):
            return Raise(error)
        drop_frames(error)  # they keep alive what the attempt has opened, and its readers
        self.failures.append(RetryFailure(_without_secrets(self.plan), error))
        delay = self._delay(retry, error)
        reason = self._reason_to_stop(retry, error, delay)
        return Retry(delay) if reason is None else self._fall_back(retry, error, reason)

    def pay(self, error: Exception) -> Decision:
        """Pay for a retry after `error`, just before it is sent. If the budget is used up, decide anew."""
        retry = self.plan.retry
        payment = self._budget.pay(error, self._clock())
        if retry is None or payment is None:
            return Raise(error) if retry is None else self._fall_back(retry, error, self._no_budget_reason)
        self._payment = payment
        self._retries += 1
        return Retry(None)

    def refund(self) -> None:
        """Give back what the retry under way has cost: it has succeeded, or its response is not wanted any more."""
        self._payment.refund()

    def _delay(self, retry: RetryConfig, error: Exception) -> float:
        """Seconds to wait: a random part of the backoff, or what the server asks for if that is more."""
        longest = retry.longest_delay(self._retries + 1)
        asked = error.retry_after if isinstance(error, APIError) else None
        return max(random.uniform(longest * (1 - retry.jitter), longest), asked or 0.0)

    def _reason_to_stop(self, retry: RetryConfig, error: Exception, delay: float) -> str | None:
        """Why this model is not called again; empty if its retries are used up, `None` if it can be."""
        if self._retries >= retry.max_retries:
            return ""
        if _should_retry(error) is False:
            return "the server says that it would not help."
        if delay > retry.max_delay:
            return f"the server asks to wait for {delay:g} s, and max_delay is {retry.max_delay:g} s."
        if (left := self._limits.left) is not None and delay >= left:
            return f"it would be in {delay:.1f} s, and only {max(left, 0):.1f} s are left of the call's time."
        return None if self._budget.allows(error, self._clock()) else self._no_budget_reason

    @property
    def _no_budget_reason(self) -> str:
        return _NO_BUDGET if self._budget is PROCESS_BUDGET else _NO_BUDGET_OF_ITS_OWN

    def _fall_back(self, retry: RetryConfig, error: Exception, reason: str) -> Decision:
        """Take the next model, or fail for the reason if there is none."""
        if self._waiting and not self._limits.over:
            self._take_next_model(retry)
            return Retry(None)
        exhausted = RetriesExhausted(self.failures, reason)
        exhausted.__cause__ = error
        return Raise(exhausted)

    def _take_next_model(self, retry: RetryConfig) -> None:
        """Set the plan for the next model. The others stay its fallbacks, so that a conversation continues with the
        model that responds."""
        self._tried.append(_target(self.plan))
        target = self._waiting.pop(0)
        others = (*self._tried, *self._waiting)
        self.plan = replace(
            self.plan,
            model_id=target.model_id,
            params=copy_params(target.params),
            provider=target.provider_override,
            retry=replace(retry, fallback_models=others),
        )
        self._retries = 0
        self._payment = FREE


def _target(plan: Plan) -> Target:
    return Target(plan.model_id, plan.params, plan.provider)


def _without_secrets(plan: Plan) -> Target:
    """The model that was called, for an error: without what may hold keys, since errors are logged and pickled."""
    return Target(plan.model_id, _without_verbatim(plan.params))


def _fallbacks(plan: Plan) -> list[Target]:
    models: Sequence[str | ModelLike] = plan.retry.fallback_models if plan.retry is not None else ()
    return [
        Target(model, _params_for(model, plan))
        if isinstance(model, str)
        else Target(model.model_id, model.params, cast("Provider | None", model.provider_override))
        for model in models
    ]


def _params_for(model_id: str, plan: Plan) -> Params:
    """The plan's params for another model. What goes into requests as it is may hold a key, and is for no other
    provider."""
    if not _VERBATIM & plan.params.keys():
        return plan.params
    if _provider(model_id) == _provider(plan.model_id, plan.provider):
        return plan.params
    return _without_verbatim(plan.params)


def _without_verbatim(params: Params) -> Params:
    return cast("Params", {name: value for name, value in params.items() if name not in _VERBATIM})


def _provider(model_id: str, instead: Provider | None = None) -> Provider | None:
    try:
        return registry.find(model_id, instead)[0]
    except NoRegisteredProviderError:
        return None


def _covers(retry: RetryConfig, error: Exception) -> bool:
    return isinstance(error, retry.retry_on) or _should_retry(error) is True


def _should_retry(error: Exception) -> bool | None:
    """Whether the server says that a retry may help."""
    return error.should_retry if isinstance(error, APIError) else None
