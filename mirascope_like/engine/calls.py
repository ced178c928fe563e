"""Whole calls: send a plan, and read its whole response; validate responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from ..errors import ParseError
from ..types.chunks import FinishReason
from ..types.content import ToolCall
from .plan import Plan
from .results import Result
from .run import Run
from .runtime import Runtime


async def ask(runtime: Runtime, plan: Plan) -> Result:
    """Send a plan and read its whole response, with as many attempts as it allows."""
    run = Run(runtime, plan, whole=True)
    while not run.is_over:
        await run.advance()
    assert run.result is not None
    return run.result


class Parsable(Protocol):
    """A response that may have to be asked for again."""

    @property
    def tool_calls(self) -> Sequence[ToolCall]: ...
    @property
    def finish_reason(self) -> FinishReason | None: ...
    def parse(self) -> Any: ...


R = TypeVar("R", bound=Parsable)


async def validated(response: R, resume: Callable[[R, str], Awaitable[R]], max_retries: int) -> tuple[Any, R]:
    """The parsed value of a response, or of one of up to `max_retries` more, each told what was wrong with the last.

    One that did not simply end (a limit cut it off, the model refused) is not asked for again: the model, told what is
    wrong with it, could do no better. Raises the last `ParseError`, and `ValueError` while tool calls are unanswered.
    """
    if max_retries < 0:
        raise ValueError(f"max_retries is {max_retries}: it cannot be negative.")
    for retries_left in range(max_retries, -1, -1):
        if response.tool_calls:
            raise ValueError("There are unanswered tool calls: resume(execute_tools()) first, then validate.")
        try:
            return response.parse(), response
        except ParseError as error:
            if not retries_left or response.finish_reason is not None:
                raise
            response = await resume(response, error.retry_message())
    raise AssertionError("the loop returns or raises")
