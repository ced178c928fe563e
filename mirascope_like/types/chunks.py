"""The chunks that a response arrives in, and the accumulator that assembles them.

Every response, streamed or not, is a sequence of chunks; an `Accumulator` assembles them into a `Reply`. So the
streamed and the non-streamed response to one request are equal by construction.

Order of chunks: each part has a start, deltas and an end. Text and thoughts come one at a time; several tool calls may
be open at once, distinguished by `id`. Text or a thought that never ended is kept; a tool call that never ended is left
out, since an incomplete call cannot be run or sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias

from .content import AssistantContentPart, Citation, ProviderBlock, ServerToolCall, Text, Thought, ToolCall
from .immutable import immutable


class FinishReason(StrEnum):
    """Why a response ended, unless the model simply finished (then it is `None`)."""

    MAX_TOKENS = "max_tokens"
    """The token limit was reached: the response is cut off."""
    REFUSAL = "refusal"
    """The model or a filter refused."""
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    """The context had no room left for a response."""
    PAUSE = "pause"
    """The provider paused a long turn of its own tools: resume the response to continue."""
    ERROR = "error"
    """The provider failed before the response was complete."""
    CANCELLED = "cancelled"
    """The response was cancelled at the provider."""
    UNKNOWN = "unknown"
    """The provider gave a reason that this library does not know (see `raw_finish_reason`), or it gave none and a tool
    call looks incomplete."""

    @property
    def cuts_off(self) -> bool:
        """Whether the response was truncated: a limit ended it before it was complete."""
        return self in (FinishReason.MAX_TOKENS, FinishReason.CONTEXT_LENGTH_EXCEEDED)

    @property
    def blocks_tools(self) -> bool:
        """Whether the tool calls of such a response are not run automatically, since they may be incomplete. True for
        every reason but `PAUSE`."""
        return self is not FinishReason.PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderToolUsage:
    """The number of calls of a tool that the provider runs, such as its web search."""

    name: str
    call_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one response; add them with `+`.

    `input_tokens` includes the tokens read from or written to a cache, `output_tokens` includes thoughts. `raw` is
    the provider's own object.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    provider_tool_usage: tuple[ProviderToolUsage, ...] = ()
    raw: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        counts = {name: getattr(self, name) + getattr(other, name) for name in TOKEN_COUNTS}
        return Usage(**counts, provider_tool_usage=self.provider_tool_usage + other.provider_tool_usage)


TOKEN_COUNTS = tuple(each.name for each in fields(Usage) if each.name.endswith("_tokens"))
"""The counts of a `Usage`."""


@dataclass(frozen=True, slots=True)
class TextStartChunk:
    """A text begins."""

    type: ClassVar[Literal["text_start_chunk"]] = "text_start_chunk"
    content_type: ClassVar[Literal["text"]] = "text"


@dataclass(frozen=True, slots=True)
class TextChunk:
    """More of the open text."""

    type: ClassVar[Literal["text_chunk"]] = "text_chunk"
    content_type: ClassVar[Literal["text"]] = "text"
    delta: str


@dataclass(frozen=True, slots=True)
class CitationChunk:
    """A source of the open text."""

    type: ClassVar[Literal["citation_chunk"]] = "citation_chunk"
    content_type: ClassVar[Literal["text"]] = "text"
    citation: Citation


@dataclass(frozen=True, slots=True)
class TextEndChunk:
    """The open text is complete."""

    type: ClassVar[Literal["text_end_chunk"]] = "text_end_chunk"
    content_type: ClassVar[Literal["text"]] = "text"


@dataclass(frozen=True, slots=True)
class ThoughtStartChunk:
    """A thought begins."""

    type: ClassVar[Literal["thought_start_chunk"]] = "thought_start_chunk"
    content_type: ClassVar[Literal["thought"]] = "thought"


@dataclass(frozen=True, slots=True)
class ThoughtChunk:
    """More of the open thought."""

    type: ClassVar[Literal["thought_chunk"]] = "thought_chunk"
    content_type: ClassVar[Literal["thought"]] = "thought"
    delta: str


@dataclass(frozen=True, slots=True)
class ThoughtEndChunk:
    """The open thought is complete."""

    type: ClassVar[Literal["thought_end_chunk"]] = "thought_end_chunk"
    content_type: ClassVar[Literal["thought"]] = "thought"


@dataclass(frozen=True, slots=True)
class ToolCallStartChunk:
    """A tool call begins."""

    type: ClassVar[Literal["tool_call_start_chunk"]] = "tool_call_start_chunk"
    content_type: ClassVar[Literal["tool_call"]] = "tool_call"
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallChunk:
    """More of a tool call's arguments: a piece of JSON text."""

    type: ClassVar[Literal["tool_call_chunk"]] = "tool_call_chunk"
    content_type: ClassVar[Literal["tool_call"]] = "tool_call"
    id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ToolCallEndChunk:
    """A tool call is complete."""

    type: ClassVar[Literal["tool_call_end_chunk"]] = "tool_call_end_chunk"
    content_type: ClassVar[Literal["tool_call"]] = "tool_call"
    id: str


@dataclass(frozen=True, slots=True)
class ProviderChunk:
    """A whole part that only the provider understands, or a tool call that it ran itself."""

    type: ClassVar[Literal["provider_chunk"]] = "provider_chunk"
    content_type: ClassVar[Literal["provider"]] = "provider"
    part: ServerToolCall | ProviderBlock


@dataclass(frozen=True, slots=True)
class UsageChunk:
    """The token counts so far. Each chunk replaces the one before."""

    type: ClassVar[Literal["usage_chunk"]] = "usage_chunk"
    usage: Usage


@dataclass(frozen=True, slots=True)
class FinishReasonChunk:
    """Why the response ended. `raw` is the provider's own word."""

    type: ClassVar[Literal["finish_reason_chunk"]] = "finish_reason_chunk"
    reason: FinishReason | None
    raw: str | None


@dataclass(frozen=True, slots=True)
class RawMessageChunk:
    """The message in the provider's own form; see `AssistantMessage.raw_message`."""

    type: ClassVar[Literal["raw_message_chunk"]] = "raw_message_chunk"
    message: Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class ResponseInfoChunk:
    """The provider's id of the response and its name of the model."""

    type: ClassVar[Literal["response_info_chunk"]] = "response_info_chunk"
    id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class PrivateChunk:
    """An item for the readers of one API, beside the chunks of the response. It is not part of the reply. No other API
    reads a response with such chunks, so they are in no type."""

    item: Any


ContentChunk: TypeAlias = (
    TextStartChunk
    | TextChunk
    | CitationChunk
    | TextEndChunk
    | ThoughtStartChunk
    | ThoughtChunk
    | ThoughtEndChunk
    | ToolCallStartChunk
    | ToolCallChunk
    | ToolCallEndChunk
    | ProviderChunk
)
AssistantContentChunk: TypeAlias = ContentChunk  # its public name
MetaChunk: TypeAlias = UsageChunk | FinishReasonChunk | RawMessageChunk | ResponseInfoChunk
META_CHUNKS = (UsageChunk, FinishReasonChunk, RawMessageChunk, ResponseInfoChunk)
"""The classes of `MetaChunk`: `isinstance` with a tuple takes a third of the time."""
Chunk: TypeAlias = ContentChunk | MetaChunk
_TextOrThoughtChunk: TypeAlias = TextChunk | TextEndChunk | CitationChunk | ThoughtChunk | ThoughtEndChunk


@immutable
class Reply:
    """An assembled response: what an `Accumulator` has received so far."""

    content: tuple[AssistantContentPart, ...] = ()
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    raw_message: Mapping[str, Any] | Sequence[Any] | None = None
    response_id: str | None = None
    provider_model_name: str | None = None


class _OpenPart:
    """A part that is still arriving. `index` is its position among the parts of its message."""

    __slots__ = ("citations", "id", "index", "name", "pieces")

    def __init__(self, index: int, id: str = "", name: str = "") -> None:
        self.index = index
        self.id = id
        self.name = name
        self.pieces: list[str] = []
        self.citations: list[Citation] = []


class _OpenText(_OpenPart):
    content_type = "text"

    def build(self) -> Text:
        return Text("".join(self.pieces), tuple(self.citations))


class _OpenThought(_OpenPart):
    content_type = "thought"

    def build(self) -> Thought:
        return Thought("".join(self.pieces))


class _OpenToolCall(_OpenPart):
    def build(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.name, args="".join(self.pieces) or "{}")


class Accumulator:
    """Folds chunks into a `Reply`. It can be read between two chunks."""

    def __init__(self) -> None:
        self._parts: list[AssistantContentPart | _OpenText | _OpenThought | _OpenToolCall] = []
        self._open_text: _OpenText | _OpenThought | None = None
        self._open_tool_calls: dict[str, _OpenToolCall] = {}
        self.usage: Usage | None = None
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | None = None
        self.raw_message: Mapping[str, Any] | Sequence[Any] | None = None
        self.response_id: str | None = None
        self.provider_model_name: str | None = None

    def add(self, chunk: Chunk) -> None:
        """Add one chunk. Raises `RuntimeError` if it cannot follow the chunks before it."""
        self._HANDLERS[type(chunk)](self, chunk)

    def reply(self) -> Reply:
        """Return what has arrived so far."""
        return Reply(
            content=self.content,
            usage=self.usage,
            finish_reason=self.finish_reason,
            raw_finish_reason=self.raw_finish_reason,
            raw_message=self.raw_message,
            response_id=self.response_id,
            provider_model_name=self.provider_model_name,
        )

    @property
    def content(self) -> tuple[AssistantContentPart, ...]:
        """The parts so far, in the order of their starts, without tool calls that are still open."""
        return tuple(
            part.build() if isinstance(part, _OpenPart) else part
            for part in self._parts
            if not isinstance(part, _OpenToolCall)
        )

    def _start_text_or_thought(self, chunk: TextStartChunk | ThoughtStartChunk) -> None:
        if self._open_text is not None:
            raise RuntimeError("A text or thought starts while another is open.")
        self._open_text = part = (
            _OpenText(len(self._parts)) if isinstance(chunk, TextStartChunk) else _OpenThought(len(self._parts))
        )
        self._parts.append(part)

    def _append_delta(self, chunk: TextChunk | ThoughtChunk) -> None:
        self._get_open_text(chunk).pieces.append(chunk.delta)

    def _add_citation(self, chunk: CitationChunk) -> None:
        self._get_open_text(chunk).citations.append(chunk.citation)

    def _end_text_or_thought(self, chunk: TextEndChunk | ThoughtEndChunk) -> None:
        self._close_part(self._get_open_text(chunk))
        self._open_text = None

    def _start_tool_call(self, chunk: ToolCallStartChunk) -> None:
        if chunk.id in self._open_tool_calls:
            raise RuntimeError(f"Tool call {chunk.id!r} starts twice.")
        self._open_tool_calls[chunk.id] = call = _OpenToolCall(len(self._parts), chunk.id, chunk.name)
        self._parts.append(call)

    def _append_arguments(self, chunk: ToolCallChunk) -> None:
        self._get_open_tool_call(chunk).pieces.append(chunk.delta)

    def _end_tool_call(self, chunk: ToolCallEndChunk) -> None:
        self._close_part(self._get_open_tool_call(chunk))
        del self._open_tool_calls[chunk.id]

    def _add_provider_part(self, chunk: ProviderChunk) -> None:
        self._parts.append(chunk.part)

    def _skip(self, chunk: PrivateChunk) -> None: ...

    def _set_usage(self, chunk: UsageChunk) -> None:
        self.usage = chunk.usage

    def _set_finish_reason(self, chunk: FinishReasonChunk) -> None:
        self.finish_reason, self.raw_finish_reason = chunk.reason, chunk.raw

    def _set_raw_message(self, chunk: RawMessageChunk) -> None:
        self.raw_message = chunk.message

    def _set_response_info(self, chunk: ResponseInfoChunk) -> None:
        self.response_id = chunk.id or self.response_id
        self.provider_model_name = chunk.model or self.provider_model_name

    def _get_open_text(self, chunk: _TextOrThoughtChunk) -> _OpenText | _OpenThought:
        if self._open_text is None or self._open_text.content_type != chunk.content_type:
            raise RuntimeError(f"A {chunk.type} came while no {chunk.content_type} was open.")
        return self._open_text

    def _get_open_tool_call(self, chunk: ToolCallChunk | ToolCallEndChunk) -> _OpenToolCall:
        if chunk.id not in self._open_tool_calls:
            raise RuntimeError(f"A {chunk.type} came for tool call {chunk.id!r}, which is not open.")
        return self._open_tool_calls[chunk.id]

    def _close_part(self, part: _OpenText | _OpenThought | _OpenToolCall) -> None:
        self._parts[part.index] = part.build()

    _HANDLERS: ClassVar[Mapping[type[Chunk | PrivateChunk], Callable[[Any, Any], None]]] = {
        TextStartChunk: _start_text_or_thought,
        TextChunk: _append_delta,
        CitationChunk: _add_citation,
        TextEndChunk: _end_text_or_thought,
        ThoughtStartChunk: _start_text_or_thought,
        ThoughtChunk: _append_delta,
        ThoughtEndChunk: _end_text_or_thought,
        ToolCallStartChunk: _start_tool_call,
        ToolCallChunk: _append_arguments,
        ToolCallEndChunk: _end_tool_call,
        ProviderChunk: _add_provider_part,
        PrivateChunk: _skip,
        UsageChunk: _set_usage,
        FinishReasonChunk: _set_finish_reason,
        RawMessageChunk: _set_raw_message,
        ResponseInfoChunk: _set_response_info,
    }
