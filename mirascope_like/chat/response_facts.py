"""What is known of a response beside its content. The library's models fill it in; models that users write call the
`set_` methods while they execute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..types.chunks import FinishReason
from .ids import new_id
from .tools.tool import ToolCall
from .usage import Usage, usage_text


class Facts:
    """The model that answered, why it ended, the tokens used, and tool calls added by `add_tool_call`."""

    def __init__(self) -> None:
        self.resolved_model: str | None = None
        self.response_json: dict[str, Any] | None = None
        self.finish_reason: FinishReason | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.token_details: dict[str, Any] | None = None
        self.added_calls: list[ToolCall] = []
        self.executed: set[str] = set()

    def set_usage(
        self, *, input: int | None = None, output: int | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        """Set the token counts of the response. Replaces earlier ones."""
        self.input_tokens, self.output_tokens = input, output
        self.token_details = None if details is None else dict(details)

    def set_resolved_model(self, model_id: str) -> None:
        """Set the id of the model that answered."""
        self.resolved_model = model_id

    def set_finish_reason(self, reason: FinishReason | str | None) -> None:
        """Set why the response ended, such as "max_tokens", "refusal" or "error"; `None` if the model simply finished.

        Tool calls of a response that did not end well are not run. Raises `ValueError` for an unknown reason.
        """
        self.finish_reason = None if reason is None else FinishReason(reason)

    def add_tool_call(self, tool_call: ToolCall) -> None:
        """Add a tool call to the response."""
        self.added_calls.append(with_id(tool_call))

    def token_usage(self) -> str:
        """The tokens used, for people: "1,234 input, 5 output"."""
        return usage_text(self._usage())

    def _usage(self) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, self.token_details)


def begin_anew(facts: Facts) -> None:
    """Reset the facts before a new attempt."""
    facts.resolved_model = facts.response_json = facts.finish_reason = None
    facts.set_usage()
    facts.added_calls = []
    facts.executed = set()


def with_id(call: ToolCall) -> ToolCall:
    """Return the call with an id, a new one if it has none."""
    return call if call.tool_call_id else replace(call, tool_call_id=new_call_id())


def new_call_id() -> str:
    """Return a new id for a tool call that has none."""
    return f"tc_{new_id()}"
