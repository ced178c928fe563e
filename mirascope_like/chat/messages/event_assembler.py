"""How an answer is put together from its events, and how events and the library's chunks become each other.

The rules, for events that say nothing of their part (`part_index` is `None`): texts that follow one another are one
part, thoughts likewise; a tool call's name and arguments are told by `tool_call_id`, or without one by order: a name
begins a call, arguments belong to the last call; each tool result is a part. An explicit `part_index` wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from ...types import chunks as ch
from ...types.content import ProviderBlock, ServerToolCall
from ...types.result_text import result_text
from .convert import answered_call, args_text, arguments_of, own_block
from .parts import Message, Metadata, Part, ReasoningPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart

_KINDS = {
    "text": "text",
    "reasoning": "reasoning",
    "tool_call_name": "tool_call",
    "tool_call_args": "tool_call",
    "tool_result": "tool_result",
}


class CallLike(Protocol):
    """A tool call that a model's author added beside the events."""

    name: str
    arguments: dict[str, Any]
    tool_call_id: str | None


class _Draft:
    """A part that is arriving."""

    __slots__ = ("id", "index", "kind", "message", "metadata", "name", "pieces", "redacted", "server", "strays")

    def __init__(self, kind: str, message: int, index: int) -> None:
        self.kind = kind
        self.message = message
        self.index = index
        self.name = ""
        self.id: str | None = None
        self.pieces: list[str] = []
        self.redacted = False
        self.server = False
        self.metadata: Metadata = {}
        self.strays: set[str] = set()  # other kinds that were said to be of this part

    def add(self, kind: str, event: StreamEvent) -> None:
        if kind != self.kind:
            self.strays.add(kind)
        if event.type == "tool_call_name":
            self.name = event.chunk or self.name
        else:
            self.pieces.append(event.chunk)
        self.name = event.tool_name or self.name
        self.id = event.tool_call_id or self.id
        self.redacted = self.redacted or event.redacted
        self.server = self.server or event.server_executed
        self.metadata.update({key: value for key, value in (event.provider_metadata or {}).items() if value})

    def part(self) -> Part | None:
        """The part; `None` if there is nothing in it. `ValueError` if it is of two kinds."""
        if self.strays:
            kinds = ", ".join(sorted({self.kind, *self.strays}))
            raise ValueError(f"The events with part_index={self.index} are of different kinds: {kinds}.")
        text, metadata = "".join(self.pieces), self.metadata or None
        match self.kind:
            case "text":
                return TextPart(text, metadata) if text else None
            case "reasoning":
                return ReasoningPart(text, self.redacted, metadata) if text or self.redacted or metadata else None
            case "tool_call":
                return ToolCallPart(self.name, arguments_of(text), self.id, self.server, metadata)
            case _:
                return ToolResultPart(self.name, text, self.id, self.server, provider_metadata=metadata)


class Assembler:
    """Puts an answer together from its events."""

    def __init__(self) -> None:
        self._drafts: dict[tuple[int, int], _Draft] = {}
        self._last: _Draft | None = None
        self._calls: dict[str, _Draft] = {}
        self._last_call: _Draft | None = None
        self._next_index = 0

    def add(self, event: StreamEvent) -> StreamEvent:
        """Take in an event; gives it back with its `part_index`. Raises `ValueError` for an unknown type."""
        kind = _KINDS.get(event.type)
        if kind is None:
            raise ValueError(f"An event is of type {', '.join(_KINDS)}, not {event.type!r}.")
        draft = self._draft_for(kind, event)
        draft.add(kind, event)
        self._last = draft
        if kind == "tool_call":
            self._last_call = draft
            if event.tool_call_id is not None:
                self._calls[event.tool_call_id] = draft
        return event if event.part_index is not None else replace(event, part_index=draft.index)

    def messages(self, calls: Sequence[CallLike] = ()) -> list[Message]:
        """The messages so far, with those of `calls` that were not among the events. Raises `ValueError` if events of
        two kinds were said to be of one part."""
        made: dict[int, list[Part]] = {}
        for draft in self._drafts.values():
            if (part := draft.part()) is not None:
                made.setdefault(draft.message, []).append(part)
        sorted_parts = [_redacted_first(parts) for parts in made.values()]
        if added := _not_streamed(calls, sorted_parts):
            sorted_parts = sorted_parts or [[]]
            sorted_parts[-1].extend(added)
        return [Message("assistant", parts) for parts in sorted_parts]

    def _draft_for(self, kind: str, event: StreamEvent) -> _Draft:
        if event.part_index is not None:
            return self._at(kind, event.message_index, event.part_index)
        found = self._continued(kind, event)
        return found if found is not None else self._at(kind, event.message_index, self._next_index)

    def _continued(self, kind: str, event: StreamEvent) -> _Draft | None:
        """The part that an event without an index belongs to, if it is there already."""
        if kind == "tool_call" and event.tool_call_id is not None:
            draft = self._calls.get(event.tool_call_id)
        elif event.type == "tool_call_args":
            draft = self._last_call
        elif kind in ("text", "reasoning") and self._last is not None and self._last.kind == kind:
            draft = self._last if self._last.redacted == event.redacted else None
        else:
            return None
        return draft if draft is not None and draft.message == event.message_index else None

    def _at(self, kind: str, message: int, index: int) -> _Draft:
        self._next_index = max(self._next_index, index + 1)
        return self._drafts.setdefault((message, index), _Draft(kind, message, index))


def _redacted_first(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: not (isinstance(part, ReasoningPart) and part.redacted))


def _not_streamed(calls: Sequence[CallLike], messages: Sequence[list[Part]]) -> list[Part]:
    """The calls that no event told of. A streamed call without an id is told by name and arguments, and gets the id."""
    streamed = _StreamedCalls(messages if calls else ())
    return [ToolCallPart(call.name, call.arguments, call.tool_call_id) for call in calls if not streamed.take(call)]


class _StreamedCalls:
    """The calls in the parts of messages. Finding one takes constant time."""

    def __init__(self, messages: Sequence[list[Part]]) -> None:
        self._ids: set[str] = set()
        self._without_id: dict[Hashable, deque[tuple[list[Part], int]]] = {}  # where they are
        for parts in messages:
            for position, part in enumerate(parts):
                if not isinstance(part, ToolCallPart) or part.server_executed:
                    continue
                if part.tool_call_id is None:
                    self._alike(part.name, part.arguments).append((parts, position))
                else:
                    self._ids.add(part.tool_call_id)

    def take(self, call: CallLike) -> bool:
        """Whether a call is among these. Each one without an id is taken once, and gets the call's."""
        if call.tool_call_id in self._ids:
            return True
        alike = self._alike(call.name, call.arguments)
        for place, (parts, position) in enumerate(alike):
            part = parts[position]
            if isinstance(part, ToolCallPart) and part.arguments == call.arguments:
                parts[position] = replace(part, tool_call_id=call.tool_call_id)
                del alike[place]
                if call.tool_call_id is not None:
                    self._ids.add(call.tool_call_id)
                return True
        return False

    def _alike(self, name: str, arguments: object) -> deque[tuple[list[Part], int]]:
        """The calls without an id that may be equal to one with this name and these arguments."""
        return self._without_id.setdefault((name, _key(arguments)), deque())


def _key(value: object, depth: int = 8) -> Hashable:
    """A key that is the same for equal JSON values, and for those that only differ deeper inside."""
    if isinstance(value, dict) and depth:
        return frozenset((name, _key(held, depth - 1)) for name, held in cast("dict[str, object]", value).items())
    if isinstance(value, list) and depth:
        return tuple(_key(held, depth - 1) for held in cast("list[object]", value))
    return None if isinstance(value, dict | list) else _if_hashable(value)


def _if_hashable(value: object) -> Hashable:
    try:
        hash(value)
    except TypeError:  # a value of the author's own
        return None
    return value


def message_events(messages: Sequence[Message]) -> Iterator[StreamEvent]:
    """Yield events that would give these messages: one or two for each part."""
    for number, message in enumerate(messages):
        for index, part in enumerate(message.parts):
            for event in _events_of(part):
                yield replace(event, part_index=index, message_index=number, provider_metadata=part.provider_metadata)


def _events_of(part: object) -> Sequence[StreamEvent]:
    match part:
        case TextPart(text):
            return [StreamEvent("text", text)]
        case ReasoningPart(text, redacted):
            return [StreamEvent("reasoning", text, redacted=redacted)]
        case ToolCallPart(name, arguments, id, by_provider):
            return [
                StreamEvent("tool_call_name", name, tool_call_id=id, server_executed=by_provider),
                StreamEvent("tool_call_args", args_text(arguments), tool_call_id=id, server_executed=by_provider),
            ]
        case ToolResultPart(name, output, id, by_provider):
            return [StreamEvent("tool_result", output, tool_call_id=id, server_executed=by_provider, tool_name=name)]
        case _:
            return []


# -- the library's chunks ---------------------------------------------------------------------------------------------


class ChunkReader:
    """The library's chunks as events. What has no event (citations, usage, the provider's own blocks) gives none."""

    def __init__(self) -> None:
        self._index = -1
        self._said_something = False
        self._calls: dict[str, int] = {}
        self._server_calls: dict[str, str] = {}

    def feed(self, chunk: ch.Chunk) -> list[StreamEvent]:
        """The events of a chunk."""
        match chunk:
            case ch.TextStartChunk() | ch.ThoughtStartChunk():
                self._index += 1
                self._said_something = False
                return []
            case ch.TextChunk(delta):
                return [StreamEvent("text", delta, self._index)]
            case ch.ThoughtChunk(delta):
                self._said_something = self._said_something or bool(delta)
                return [StreamEvent("reasoning", delta, self._index)]
            case ch.ThoughtEndChunk() if not self._said_something:
                return [StreamEvent("reasoning", "", self._index, redacted=True)]
            case ch.ToolCallStartChunk(id, name):
                self._index += 1
                self._calls[id] = self._index
                return [StreamEvent("tool_call_name", name, self._index, id)]
            case ch.ToolCallChunk(id, delta):
                return [StreamEvent("tool_call_args", delta, self._calls[id], id)]
            case ch.ProviderChunk(part):
                self._index += 1
                return self._by_provider(part)
            case _:
                return []

    def _by_provider(self, part: ServerToolCall | ProviderBlock) -> list[StreamEvent]:
        if isinstance(part, ServerToolCall):
            self._server_calls[part.id] = part.name
            return [
                StreamEvent("tool_call_name", part.name, self._index, part.id, server_executed=True),
                StreamEvent("tool_call_args", part.args, self._index, part.id, server_executed=True),
            ]
        if (id := answered_call(part, self._server_calls)) is None:
            return []
        name = self._server_calls[id]
        return [
            StreamEvent("tool_result", result_text(part.raw), self._index, id, server_executed=True, tool_name=name)
        ]


class ChunkWriter:
    """Events, with their `part_index`, as the library's chunks: how a model that a user wrote speaks to the engine.

    The calls of one answer may arrive interleaved, so all of them end with the answer."""

    def __init__(self) -> None:
        self._open: tuple[str, int] | None = None  # the text or thought that is open
        self._calls: dict[int, _OpenCall] = {}

    def feed(self, event: StreamEvent) -> list[ch.Chunk]:
        """The chunks of an event."""
        index = event.part_index or 0
        match event.type:
            case "text" | "reasoning":
                made = [] if self._open == (event.type, index) else [*self._closed(), _started(event.type)]
                self._open = (event.type, index)
                return [*made, ch.TextChunk(event.chunk) if event.type == "text" else ch.ThoughtChunk(event.chunk)]
            case "tool_result":
                part = ToolResultPart(event.tool_name or "", event.chunk, event.tool_call_id, server_executed=True)
                return [*self._closed(), ch.ProviderChunk(own_block(part))]
            case _:
                return self._of_call(index, event)

    def end(self, messages: Sequence[Message]) -> list[ch.Chunk]:
        """The chunks at the end, for events that made these messages. Their own form is the raw message, which loses
        nothing; calls in them that no event told of are said now."""
        made = self._closed()
        for call in self._calls.values():
            made += call.end()
        said: set[str | None] = {None, *(call.id for call in self._calls.values())}
        for part in (part for message in messages for part in message.parts):
            if isinstance(part, ToolCallPart) and not part.server_executed and part.tool_call_id not in said:
                made += _whole_call(part)
        return [*made, ch.RawMessageChunk([dict(message.to_dict()) for message in messages])]

    def _of_call(self, index: int, event: StreamEvent) -> list[ch.Chunk]:
        call = self._calls.get(index)
        made: list[ch.Chunk] = []
        if call is None:
            call = self._calls[index] = _OpenCall(event, index)
            made = [] if call.server else [ch.ToolCallStartChunk(call.id, call.name)]
        return [*made, *call.add(event)]

    def _closed(self) -> list[ch.Chunk]:
        was, self._open = self._open, None
        if was is None:
            return []
        return [ch.TextEndChunk() if was[0] == "text" else ch.ThoughtEndChunk()]


class _OpenCall:
    def __init__(self, event: StreamEvent, index: int) -> None:
        self.id = event.tool_call_id or f"call_{index}"
        self.name = event.chunk if event.type == "tool_call_name" else event.tool_name or ""
        self.server = event.server_executed
        self._pieces: list[str] = []

    def add(self, event: StreamEvent) -> list[ch.Chunk]:
        if event.type == "tool_call_name" or not event.chunk:
            return []
        self._pieces.append(event.chunk)
        return [] if self.server else [ch.ToolCallChunk(self.id, event.chunk)]

    def end(self) -> list[ch.Chunk]:
        if not self.server:
            return [ch.ToolCallEndChunk(self.id)]
        return [ch.ProviderChunk(ServerToolCall(id=self.id, name=self.name, args="".join(self._pieces) or "{}"))]


def _started(kind: str) -> ch.Chunk:
    return ch.TextStartChunk() if kind == "text" else ch.ThoughtStartChunk()


def _whole_call(part: ToolCallPart) -> list[ch.Chunk]:
    """The chunks of a whole call."""
    id = part.tool_call_id or ""
    return [
        ch.ToolCallStartChunk(id, part.name),
        ch.ToolCallChunk(id, args_text(part.arguments)),
        ch.ToolCallEndChunk(id),
    ]
