"""Maps the finish reasons of every protocol to `FinishReason`.

One table serves all protocols, since compatible servers and routers pass on each other's values. Source: the vendors'
documentation, the source code of vLLM, SGLang and TGI, and recorded traffic.

Rules
* A value that is not in the table is `UNKNOWN`: a response is complete only if the server says so by a known value.
* Some servers send no value though the response is complete, and a stop sequence may end a text or cut a tool call.
  Then the tool calls decide: the response is incomplete if the arguments of one are not a JSON object.
* If a router and the model server both send a value, a known failure takes precedence.
* Case does not matter, nor does what follows a colon ("function_call_filter: MALFORMED_FUNCTION_CALL").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..types.chunks import FinishReason

_AMBIGUOUS = frozenset({"", "none", "null", "stop_sequence"})
_COMPLETE = frozenset(
    {
        "complete",
        "completed",
        "end",
        "end_turn",
        "eos",
        "eos_token",
        "function_call",
        "stop",
        "tool_call",
        "tool_calls",
        "tool_use",
    }
)
_REASONS: Mapping[str, FinishReason] = {
    "length": FinishReason.MAX_TOKENS,
    "max_output_tokens": FinishReason.MAX_TOKENS,
    "max_tokens": FinishReason.MAX_TOKENS,
    "model_context_window_exceeded": FinishReason.CONTEXT_LENGTH_EXCEEDED,
    "model_length": FinishReason.CONTEXT_LENGTH_EXCEEDED,
    "blocklist": FinishReason.REFUSAL,
    "content_filter": FinishReason.REFUSAL,
    "content_filtered": FinishReason.REFUSAL,
    "guardrail_intervened": FinishReason.REFUSAL,
    "prohibited_content": FinishReason.REFUSAL,
    "recitation": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
    "safety": FinishReason.REFUSAL,
    "sensitive": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
    "error": FinishReason.ERROR,
    "failed": FinishReason.ERROR,
    "function_call_filter": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
    "malformed_function_call": FinishReason.ERROR,
    "network_error": FinishReason.ERROR,
    "abort": FinishReason.CANCELLED,
    "aborted": FinishReason.CANCELLED,
    "cancelled": FinishReason.CANCELLED,
}


def parse_finish_reason(raw_reason: str | None, arguments: Iterable[str] = ()) -> FinishReason | None:
    """Return the finish reason for a server's value; `None` if the response is complete.

    `arguments` are those of the response's tool calls, as the model wrote them. They decide where the value does not.
    """
    normalized = (raw_reason or "").partition(":")[0].strip().lower()
    if normalized in _AMBIGUOUS:
        return None if all(map(_is_json_object, arguments)) else FinishReason.UNKNOWN
    return None if normalized in _COMPLETE else _REASONS.get(normalized, FinishReason.UNKNOWN)


def is_known_incomplete(raw_reason: str | None) -> bool:
    """Return whether a server's value is known to mean that the response is not complete."""
    return parse_finish_reason(raw_reason) not in (None, FinishReason.UNKNOWN)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
