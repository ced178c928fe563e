"""Writes the parts of a response as chunks, for the decoders of all protocols.

A decoder passes what arrived. The writer keeps track of the open part and ends it before another begins, as the order
in `types.chunks` requires.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..types.chunks import (
    Chunk,
    CitationChunk,
    ProviderChunk,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from ..types.content import Citation, ProviderBlock, ServerToolCall
from .codec import JsonObject
from .tool_calls import ArgumentsBuffer, UniqueIds

PartKind: TypeAlias = Literal["text", "thought"]

_STARTS: dict[PartKind, TextStartChunk | ThoughtStartChunk] = {
    "text": TextStartChunk(),
    "thought": ThoughtStartChunk(),
}
_DELTAS: dict[PartKind, type[TextChunk | ThoughtChunk]] = {"text": TextChunk, "thought": ThoughtChunk}
_ENDS: dict[PartKind, TextEndChunk | ThoughtEndChunk] = {"text": TextEndChunk(), "thought": ThoughtEndChunk()}


class PartWriter:
    """The chunks of one response. One text or thought is open at a time; tool calls may be open beside each other.

    `ids` are those of the tool calls so far.
    """

    def __init__(self, ids: UniqueIds) -> None:
        self.ids = ids
        self._chunks: list[Chunk] = []
        self._open: PartKind | None = None
        self._pieces: list[str] = []  # of the open text or thought

    @property
    def open_part(self) -> PartKind | None:
        """Which kind of part is open, a text or a thought; `None` if none is."""
        return self._open

    @property
    def open_text(self) -> str:
        """What the open text or thought has so far; empty if none is open."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def take_chunks(self) -> list[Chunk]:
        """Return the chunks that were written since the last call."""
        chunks, self._chunks = self._chunks, []
        return chunks

    def write(self, chunk: Chunk) -> None:
        """Write a chunk that belongs to no part."""
        self._chunks.append(chunk)

    def begin_part(self, kind: PartKind) -> None:
        """Begin a text or a thought, unless one of this kind is open."""
        if self._open != kind:
            self.end_part()
            self._chunks.append(_STARTS[kind])
            self._open = kind

    def write_delta(self, kind: PartKind, delta: str) -> None:
        """Write more of the open text or thought; begin one if none of this kind is open. An empty delta does
        nothing."""
        if delta:
            if self._open != kind:
                self.begin_part(kind)
            self._pieces.append(delta)
            self._chunks.append(_DELTAS[kind](delta))

    def write_citation(self, citation: Citation) -> None:
        """Write a source of the open text; begin a text if none is open."""
        self.begin_part("text")
        self._chunks.append(CitationChunk(citation))

    def end_part(self) -> None:
        """End the open text or thought, if there is one."""
        if self._open is not None:
            self._chunks.append(_ENDS[self._open])
            self._open = None
            self._pieces = []

    def begin_call(self, id: str, name: str) -> None:
        """Begin a tool call, after the end of the open text or thought."""
        self.end_part()
        self._chunks.append(ToolCallStartChunk(id, name))

    def write_arguments(self, id: str, args: ArgumentsBuffer) -> None:
        """Write the arguments of a tool call that are not written yet."""
        for piece in args.take_new_pieces():
            if piece:
                self._chunks.append(ToolCallChunk(id, piece))

    def end_call(self, id: str, args: ArgumentsBuffer) -> None:
        """Write the rest of a tool call."""
        self.write_arguments(id, args)
        self._chunks.append(ToolCallEndChunk(id))

    def write_provider_part(self, part: ServerToolCall | ProviderBlock) -> None:
        """Write a part that only the provider understands, or a tool call that it ran."""
        self._chunks.append(ProviderChunk(part))

    def write_block(self, kind: object, raw: JsonObject) -> None:
        """Write a part of a kind that only the provider understands."""
        self.write_provider_part(ProviderBlock(kind=str(kind), raw=raw))

    def continue_from(self, other: PartWriter) -> None:
        """Write what another writer wrote, and continue the part that is open there, once none is open here."""
        self._chunks += other.take_chunks()
        self._open, self._pieces = other.open_part, [other.open_text]
