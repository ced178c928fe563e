"""The loop of model and tools over responses: the engine's `Rounds`, with a response as a turn.

A round is what a program would write by itself, `response.resume(response.execute_tools())`, so it sends the same
requests. `Rounds` decides whether another one follows.
"""

from __future__ import annotations

import inspect
from typing import Any, Generic, TypeVar

from ..engine.runtime import BLOCKING, NATIVE
from ..engine.tool_loop import Rounds
from ..engine.tools import DEFAULT_LIMIT
from ..types.chunks import FinishReason
from ..types.context import Context
from .models import BaseResponse
from .responses import AsyncMethods

DEFAULT_MAX_ROUNDS = 100
"""How many requests to the model a loop may make."""

R = TypeVar("R", bound=BaseResponse[Any])


class Round(Generic[R]):
    """A response in a loop, as a `Turn`. Its methods are called whether they block or are awaited."""

    def __init__(self, response: R, context: Context[Any] | None, max_concurrency: int) -> None:
        self.response = response
        self._context = context
        self._max_concurrency = max_concurrency
        self._methods: Any = response  # which differ between the classes of responses

    async def settle(self) -> None:
        """See `Turn.settle`."""
        if (finish := getattr(self._methods, "finish", None)) is not None:
            await _result(finish())

    @property
    def calls_tools(self) -> bool:
        """See `Turn.calls_tools`."""
        return bool(self.response.tool_calls)

    @property
    def finish_reason(self) -> FinishReason | None:
        """See `Turn.finish_reason`."""
        return self.response.finish_reason

    async def follow(self) -> Round[R]:
        """See `Turn.follow`."""
        context = () if self._context is None else (self._context,)
        outputs = await _result(self._methods.execute_tools(*context, max_concurrency=self._max_concurrency))
        return Round(await _result(self._methods.resume(*context, outputs)), self._context, self._max_concurrency)


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def make_rounds(
    response: R,
    ctx: Context[Any] | None = None,
    *,
    max_rounds: int | None = DEFAULT_MAX_ROUNDS,
    max_concurrency: int = DEFAULT_LIMIT,
) -> Rounds[Round[R]]:
    """Return the rounds that begin with a response. `ctx` takes the place of its context. Raises `ValueError` for
    `max_rounds` below 1; `None` means no limit."""

    async def begin(_: Rounds[Round[R]]) -> Round[R]:
        return Round(response, ctx, max_concurrency)

    return Rounds(NATIVE if isinstance(response, AsyncMethods) else BLOCKING, begin, max_rounds)


async def finish_rounds(rounds: Rounds[Round[R]]) -> list[R]:
    """Do all rounds, and return their responses. Raises `ChainLimitExceeded` with these in `responses`, and what tools
    and requests raise."""
    from ..errors import ChainLimitExceeded

    try:
        while await rounds.at(len(rounds.turns)) is not None:
            pass
    except ChainLimitExceeded as error:
        error.responses = [each.response for each in rounds.turns]
        raise
    return [each.response for each in rounds.turns]
