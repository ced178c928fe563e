"""What a response's ending means for its tool calls: whether they run, and whether a loop goes on.

A response that was truncated, filtered, refused or failed may end in the middle of a tool call, and the provider may
have closed its arguments all the same. So its calls are not run by themselves: each gets an error that tells the model
why. A program that wants them can still run them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from ..errors import StreamClosedError, ToolCallLimitExceeded, ToolExecutionError
from ..schema.tools import make_failure
from ..types.chunks import FinishReason
from ..types.content import ToolCall, ToolOutput

DEFAULT_CALL_LIMIT = 128
"""How many tool calls of one response run. No provider's models make as many; a broken or hostile server might."""

Unfinished: TypeAlias = Literal["refuse", "run"]
"""What to do with the tool calls of a response that did not end well."""

_SHORTER = "Make it again with shorter arguments, or split it into smaller calls."
_AGAIN = "Make it again if it is still needed."
_REASONS: Mapping[FinishReason, tuple[str, str]] = {
    FinishReason.MAX_TOKENS: ("the response was cut off at the token limit", _SHORTER),
    FinishReason.CONTEXT_LENGTH_EXCEEDED: ("the response was cut off because the context is full", _SHORTER),
    FinishReason.REFUSAL: ("the response was refused or filtered", _AGAIN),
    FinishReason.ERROR: ("the provider failed before the response was complete", _AGAIN),
    FinishReason.CANCELLED: ("the response was cancelled before it was complete", _AGAIN),
    FinishReason.UNKNOWN: ("the provider did not say that the response is complete", _AGAIN),
}


def why_unfinished(reason: FinishReason | None, failure: BaseException | None = None) -> str | None:
    """Return what to tell the model about calls that are not run; `None` if the response ended well.

    `failure` is what reading a stream failed with.
    """
    if failure is not None:
        closed = isinstance(failure, StreamClosedError)
        why, advice = f"the response {'was closed' if closed else 'broke off'} before its end", _AGAIN
    elif reason is not None and reason.blocks_tools:
        why, advice = _REASONS[reason]
    else:
        return None
    return f"This tool call was not run, because {why}: the call may be incomplete. {advice}"


def refuse_calls(calls: Sequence[ToolCall], why: str) -> list[ToolOutput[Any]]:
    """Return an error output for each call, without running any."""
    return [make_failure(call, ToolExecutionError(why)) for call in calls]


def check_unfinished(unfinished: str) -> None:
    """Raise `ValueError` unless this is an `Unfinished`."""
    if unfinished not in ("refuse", "run"):
        raise ValueError(f"unfinished= is 'refuse' or 'run', not {unfinished!r}.")


def check_call_count(calls: Sequence[object], limit: int | None) -> None:
    """Raise `ToolCallLimitExceeded` for more calls than `limit` (`None`: the default)."""
    limit = DEFAULT_CALL_LIMIT if limit is None else limit
    if len(calls) > limit:
        raise ToolCallLimitExceeded(len(calls), limit)


def ends_loop(reasons: Sequence[FinishReason | None]) -> bool:
    """Whether a loop ends with its last response, though that calls tools. `reasons` are those of all its responses.

    After one truncated response the model is told and may try again; the second in a row ends the loop. A refusal or
    failure ends it at once.
    """
    *before, last = reasons
    if last is None or not last.blocks_tools:
        return False
    previous = before[-1] if before else None
    return not last.cuts_off or (previous is not None and previous.cuts_off)
