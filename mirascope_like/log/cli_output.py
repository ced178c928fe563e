"""Format calls and messages for a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO, cast
from unicodedata import category, combining, east_asian_width

from ..types.content import (
    Audio,
    Base64AudioSource,
    Base64DocumentSource,
    Base64ImageSource,
    Document,
    Image,
    ProviderBlock,
    ServerToolCall,
    Text,
    TextDocumentSource,
    Thought,
    ToolCall,
    ToolOutput,
)
from ..types.messages import Message
from ..types.result_text import result_text
from .reader import LoggedResponse

__all__ = [
    "Style",
    "describe_response",
    "format_age",
    "format_message",
    "format_row",
    "replace_control_characters",
    "truncate",
]

_ID_LENGTH = 8  # the end, since ids may begin with the time


@dataclass(frozen=True, slots=True)
class Style:
    """Text styles of a terminal, if it has colours."""

    has_colours: bool

    @classmethod
    def for_stream(cls, stream: TextIO) -> Style:
        """Return the style for a stream."""
        return cls(stream.isatty() and not os.environ.get("NO_COLOR"))

    def bold(self, text: str) -> str:
        """Emphasize text."""
        return f"\x1b[1m{text}\x1b[0m" if self.has_colours else text

    def dim(self, text: str) -> str:
        """De-emphasize text."""
        return f"\x1b[2m{text}\x1b[0m" if self.has_colours else text

    def red(self, text: str) -> str:
        """Mark an error."""
        return f"\x1b[31m{text}\x1b[0m" if self.has_colours else text


def format_row(response: LoggedResponse, now: datetime, style: Style, *, model_width: int, width: int | None) -> str:
    """Return one line for one call, truncated to `width` columns."""
    head = (
        f"{response.id[-_ID_LENGTH:]}  {format_age(response.started, now):>8}  {response.model_id:{model_width}}  "
        f"{_format_tokens(response):>11}  {_format_duration(response.duration):>6}  "
    )
    prompt = " ".join(replace_control_characters(response.prompt).split()) or "(tool outputs)"
    outcome = " ".join(replace_control_characters(_outcome_text(response)).split())
    room = None if width is None else max(20, width - len(head) - 3)
    shown_prompt = truncate(prompt, 48 if room is None else room // 2)
    shown_outcome = truncate(outcome, 48 if room is None else room - _display_width(shown_prompt))
    if response.error_type:
        shown_outcome = style.red(shown_outcome)
    return f"{style.dim(head)}{style.bold(shown_prompt)} │ {shown_outcome}"


def describe_response(response: LoggedResponse, tools: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a call's properties, without its messages."""
    yield "id", response.id
    if response.conversation_id != response.id:
        yield "conversation", response.conversation_id
    if response.tenant is not None:
        yield "tenant", response.tenant
    name = response.provider_model_name
    yield "model", response.model_id + (f" ({name})" if name and not response.model_id.endswith(name) else "")
    yield "started", f"{response.started:%Y-%m-%d %H:%M:%S} UTC, took {response.duration:.2f} s"
    if response.usage is not None:
        yield "tokens", f"{response.usage.input_tokens} in, {response.usage.output_tokens} out"
    if response.params:
        yield "params", json.dumps(response.params, ensure_ascii=False)
    if tools:
        yield "tools", ", ".join(tools)
    if response.finish_reason is not None:
        yield "finish reason", response.finish_reason
    if response.error_type:
        yield "error", f"{response.error_type}: {response.error}"


def format_message(message: Message) -> str:
    """Return a message as readable text."""
    parts = (message.content,) if isinstance(message.content, Text) else message.content
    return "\n".join(_format_part(part) for part in parts)


def _format_part(part: object) -> str:
    match part:
        case Text(text=text):
            return text
        case Thought(thought=thought):
            return f"(thought) {thought}"
        case ToolCall() | ServerToolCall():
            return f"→ {part.name}({part.args})"
        case ToolOutput():
            output = cast("ToolOutput[object]", part)
            return f"← {output.name}: {_format_result(output.result)}"
        case Image() | Audio() | Document():
            return f"[{type(part).__name__.lower()}: {_format_source(part)}]"
        case ProviderBlock(kind=kind):
            return f"[{kind}]"
        case _:
            return f"[{type(part).__name__}]"


def _format_result(result: object) -> str:
    match result:
        case Image() | Audio() | Document():
            return _format_part(result)
        case list():
            return json.dumps(result, ensure_ascii=False, default=_format_part)
        case _:
            return result_text(result)


def _format_source(part: Image | Audio | Document) -> str:
    match part.source:
        case Base64ImageSource(data=data, mime_type=kind) | Base64AudioSource(data=data, mime_type=kind):
            return f"{kind}, {len(data) * 3 // 4} bytes"
        case Base64DocumentSource(data=data, media_type=kind):
            return f"{kind}, {len(data) * 3 // 4} bytes"
        case TextDocumentSource(data=data, media_type=kind):
            return f"{kind}, {len(data)} characters"
        case source:
            return source.url


def _outcome_text(response: LoggedResponse) -> str:
    if response.error_type:
        return f"{response.error_type}: {response.error}"
    if response.message is None:
        return "(no response)"
    return response.text or format_message(response.message)


def _format_tokens(response: LoggedResponse) -> str:
    return f"{response.usage.input_tokens}→{response.usage.output_tokens}" if response.usage is not None else "-"


def _format_duration(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds / 60:.0f}m"


def format_age(then: datetime, now: datetime) -> str:
    """Return how long ago a time was, in the largest unit."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return "now" if seconds < 1 else f"{seconds}s ago"


def truncate(text: str, columns: int) -> str:
    """Return the text, truncated to this many columns of a terminal."""
    if _display_width(text) <= columns:
        return text
    taken = 1  # the ellipsis
    for position, character in enumerate(text):
        taken += _display_width(character)
        if taken > columns:
            return f"{text[:position].rstrip()}…"
    return text


def _display_width(text: str) -> int:
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def replace_control_characters(text: str) -> str:
    """Return the text with control characters replaced, except line feeds and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or category(c) not in ("Cc", "Cs") else "\ufffd" for c in text)
