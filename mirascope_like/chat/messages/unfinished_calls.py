"""Messages with tool calls of a response that did not end well.

A history that ends in such a call does not wait for it: the call is not run, and has a result that tells the model why.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from ...types.unfinished import get_unfinished, with_unfinished
from ..tools.tool import ToolCall, ToolResult, refuse_calls
from .history import pending_calls, with_results
from .parts import Message, ToolCallPart


def mark_unfinished(messages: Sequence[Message], why: str | None) -> list[Message]:
    """Return the messages of a response, with calls that carry why it did not end well; `None`: it ended well."""
    if why is None:
        return list(messages)
    return [message.with_parts(with_unfinished(part, why) for part in message.parts) for message in messages]


def allow_calls(messages: Sequence[Message], ids: Container[str | None]) -> list[Message]:
    """Return the messages, in which the calls with these ids may run, however their response ended."""

    def is_allowed(part: object) -> bool:
        return isinstance(part, ToolCallPart) and part.tool_call_id in ids

    return [
        message.with_parts(with_unfinished(part, None) if is_allowed(part) else part for part in message.parts)
        for message in messages
    ]


def refuse_unfinished(calls: Sequence[ToolCallPart]) -> list[ToolResult]:
    """Return a result for each call of a response that did not end well."""
    return [
        result
        for call in calls
        if (why := get_unfinished(call)) is not None
        for result in refuse_calls([ToolCall(call.name, call.arguments, call.tool_call_id)], why)
    ]


def refuse_pending(messages: Sequence[Message]) -> list[Message]:
    """Return a history with such results for the calls that wait at its end."""
    return with_results(messages, refuse_unfinished(pending_calls(messages)))
