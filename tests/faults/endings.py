"""Responses that call tools and do not end well, in each protocol: truncated, filtered, refused, failed, unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mirascope_like import llm

from .protocols import PROTOCOLS, Protocol
from .server import Answer, chunked, sized

CHAT, RESPONSES, MESSAGES = PROTOCOLS
Reason = llm.FinishReason

# What each protocol says at the end of a response with tool calls, and what in its place if that did not end well.
USUAL = {
    "chat": '"finish_reason":"tool_calls"',
    "responses": '"status": "completed"',
    "messages": '"stop_reason": "tool_use"',
}
ENDINGS = {
    "chat": {
        Reason.MAX_TOKENS: '"finish_reason":"length"',
        Reason.CONTEXT_LENGTH_EXCEEDED: '"finish_reason":"model_length"',
        Reason.REFUSAL: '"finish_reason":"content_filter"',
        Reason.ERROR: '"finish_reason":"error"',
        Reason.UNKNOWN: '"finish_reason":"repetition"',
    },
    "responses": {
        Reason.MAX_TOKENS: '"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}',
        Reason.REFUSAL: '"status": "incomplete", "incomplete_details": {"reason": "content_filter"}',
        Reason.CANCELLED: '"status": "cancelled"',
        Reason.UNKNOWN: '"status": "incomplete"',
    },
    "messages": {
        Reason.MAX_TOKENS: '"stop_reason": "max_tokens"',
        Reason.CONTEXT_LENGTH_EXCEEDED: '"stop_reason": "model_context_window_exceeded"',
        Reason.REFUSAL: '"stop_reason": "refusal"',
        Reason.PAUSE: '"stop_reason": "pause_turn"',
        Reason.UNKNOWN: '"stop_reason": "unheard_of"',
    },
}
_CASES = [
    pytest.param(protocol, reason, id=f"{protocol.name}-{reason}")
    for protocol in PROTOCOLS
    for reason in ENDINGS[protocol.name]
    if reason is not Reason.PAUSE
]
each_ending = pytest.mark.parametrize(("protocol", "reason"), _CASES)
streamed_or_whole = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@dataclass
class Wipe:
    """A tool that does harm without arguments; `ran` is what it did."""

    ran: list[str] = field(default_factory=list)

    @property
    def tool(self) -> Callable[..., str]:
        def wipe(path: str = "/") -> str:
            self.ran.append(path)
            return f"wiped {path}"

        return wipe


def wiping(protocol: Protocol, args: str | None = None, id: str = "call_a") -> llm.ToolCall:
    """A call of the tool; without arguments as it looks when it was cut off before them."""
    nothing = "{}" if protocol is MESSAGES else ""
    return llm.ToolCall(id=id, name="wipe", args=nothing if args is None else args)


def ended(protocol: Protocol, reason: Reason | None, data: bytes) -> bytes:
    """The bytes of a response, or of an event, with this ending in place of the usual one."""
    usual = USUAL[protocol.name]
    return data if reason is None else data.replace(usual.encode(), ENDINGS[protocol.name][reason].encode())


def calling(protocol: Protocol, reason: Reason | None, stream: bool, *calls: llm.ToolCall) -> Answer:
    """A response that makes these calls (or one of `wipe` that was cut off) and ends so."""
    parts = calls or (wiping(protocol),)
    if stream:
        return chunked([ended(protocol, reason, event) for event in protocol.events(*parts)])
    return sized(ended(protocol, reason, protocol.whole(*parts)))


def saying(protocol: Protocol, text: str, stream: bool) -> Answer:
    """A response that says this, and ends well."""
    return chunked(protocol.events(llm.Text(text))) if stream else sized(protocol.whole(llm.Text(text)))
