"""The attempts at one plan: which model is asked, how long is waited in between, and when it is enough.

This is the only place where anything is asked again; nothing below retries. A plan without a `RetryConfig` is asked
once. Each model gets at most `max_retries + 1` requests, first the plan's own, then the fallbacks in their order.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ..errors import APIError, NoRegisteredProviderError, RetriesExhausted, RetryFailure, TimeoutError
from ..types.model_like import ModelLike
from ..types.params import Params
from ..types.retry import RetryConfig
from .budget import FREE, Payment, budget
from .endpoints import Provider, registry
from .limits import Limits
from .plan import Plan
from .runtime import Runtime

__all__ = ["Attempts", "Target"]

_NO_BUDGET = "this process makes too many retries already (see llm.set_retry_budget)."
_VERBATIM = {"extra_body", "extra_headers"}


@dataclass(frozen=True, slots=True)
class Target:
    """A model to ask."""

    model_id: str
    params: Params
    provider_override: Provider | None = None

    def __repr__(self) -> str:
        return f"Target({self.model_id!r})"  # params may hold secrets


class Attempts:
    """The attempts at one plan, made one after the other. `plan` is what the next attempt sends; `failures` are the
    errors so far; `rest(seconds)` is how to wait between attempts."""

    def __init__(self, runtime: Runtime, plan: Plan, rest: Callable[[float], Awaitable[None]] | None = None) -> None:
        self.plan: Plan = plan
        self.limits: Limits = Limits(runtime, plan.params)
        self.failures: list[RetryFailure] = []
        self._runtime = runtime
        self._rest = rest or runtime.sleep
        self._retries = 0  # of the present model
        self._payment: Payment = FREE  # for the retry under way
        self._waiting: list[Target] = _fallbacks(plan)
        self._tried: list[Target] = []
        if plan.retry is not None:
            budget.deposit()

    async def after(self, error: Exception) -> None:
        """Get ready for the next attempt: wait, or take the next model.

        Raises the error itself if it is none to try again after, and `RetriesExhausted` if there is no next attempt.
        """
        retry = self.plan.retry
        if retry is None or not _covers(retry, error) or (self.limits.over and isinstance(error, TimeoutError)):
            raise error
        self.failures.append(RetryFailure(_without_secrets(self.plan), _without_frames(error)))
        delay = self._delay(retry, error)
        hindrance = self._hindrance(retry, error, delay)
        if hindrance is None:
            await self._rest(delay)
            hindrance = self._pay(error)
        if hindrance is None:
            self._retries += 1
        elif self._waiting and not self.limits.over:
            self._take_next_model(retry)
        else:
            raise RetriesExhausted(self.failures, hindrance) from error

    def refund(self) -> None:
        """Give back what the retry under way has cost: it has succeeded, or nobody wants it any more."""
        self._payment.refund()

    def go_on_from(self, beginning: str) -> None:
        """Let the next attempt go on with an answer that broke off."""
        self.plan = replace(self.plan, beginning=beginning)

    def _delay(self, retry: RetryConfig, error: Exception) -> float:
        """Seconds to wait: some part of the backoff, or what the server asks for if that is more."""
        longest = retry.longest_delay(self._retries + 1)
        asked = error.retry_after if isinstance(error, APIError) else None
        return max(random.uniform(longest * (1 - retry.jitter), longest), asked or 0.0)

    def _hindrance(self, retry: RetryConfig, error: Exception, delay: float) -> str | None:
        """Why this model is not asked again; empty if its retries are used up, `None` if it can be."""
        if self._retries >= retry.max_retries:
            return ""
        if _server_says(error) is False:
            return "the server says that it would not help."
        if delay > retry.max_delay:
            return f"the server asks to wait for {delay:g} s, and max_delay is {retry.max_delay:g} s."
        if (left := self.limits.left) is not None and delay >= left:
            return f"it would be in {delay:.1f} s, and only {max(left, 0):.1f} s are left of the call's time."
        return None if budget.allows(error, self._runtime.clock()) else _NO_BUDGET

    def _pay(self, error: Exception) -> str | None:
        """Pay for a retry, just before it is sent. Returns what hinders it, if anything."""
        payment = budget.pay(error, self._runtime.clock())
        if payment is None:
            return _NO_BUDGET
        self._payment = payment
        return None

    def _take_next_model(self, retry: RetryConfig) -> None:
        """The plan for the next model. The others stay its fallbacks, so that a conversation goes on with the one that
        answers."""
        self._tried.append(_target(self.plan))
        target = self._waiting.pop(0)
        others = (*self._tried, *self._waiting)
        self.plan = replace(
            self.plan,
            model_id=target.model_id,
            params=target.params,
            provider=target.provider_override,
            retry=replace(retry, fallback_models=others),
        )
        self._retries = 0
        self._payment = FREE


def _target(plan: Plan) -> Target:
    return Target(plan.model_id, plan.params, plan.provider)


def _without_secrets(plan: Plan) -> Target:
    """The model that was asked, for an error: without what may hold keys, since errors are logged and pickled."""
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
    return isinstance(error, retry.retry_on) or _server_says(error) is True


def _server_says(error: Exception) -> bool | None:
    """Whether the server thinks that asking again may help."""
    return error.should_retry if isinstance(error, APIError) else None


def _without_frames(error: Exception) -> Exception:
    """An error to be kept, with its causes but without frames: these keep alive what the attempt has opened, and who
    reads, so that a stream that is dropped would stay open."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.__traceback__ = each.__context__ = None
        each = each.__cause__
    return error
