"""The chunks of a response that the caller sees."""

from __future__ import annotations

from collections.abc import Sequence

from ..schema.formats import FORMAT_TOOL
from ..types.chunks import (
    Chunk,
    CitationChunk,
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
from .plan import Prepared

_ASIDE = (TextStartChunk, TextChunk, CitationChunk, TextEndChunk, ThoughtStartChunk, ThoughtChunk, ThoughtEndChunk)


class ChunkFilter:
    """Removes thoughts that the caller did not ask for, and turns the call of the hidden format tool into text. If the
    model calls that tool several times, only the first call counts."""

    def __init__(self, prepared: Prepared) -> None:
        thinking = prepared.request.params.get("thinking")
        self._no_thoughts = thinking is not None and not thinking.get("include_thoughts", False)
        self._format_tool = prepared.format is not None and prepared.format.mode == "tool"
        self._answered = False  # whether the final answer has begun
        self._answer: str | None = None  # the call that is shown as a text, while it is open
        self._others: set[str] = set()  # further calls of the hidden tool that are open

    def __call__(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """What is to be seen of chunks."""
        if not self._no_thoughts and not self._format_tool:
            return chunks
        return [kept for chunk in chunks for kept in self._kept(chunk)]

    def _kept(self, chunk: Chunk) -> Sequence[Chunk]:
        if self._no_thoughts and isinstance(chunk, ThoughtStartChunk | ThoughtChunk | ThoughtEndChunk):
            return ()
        if self._answer is not None and isinstance(chunk, _ASIDE):
            return ()  # words beside the final answer, which is open as a text
        if self._format_tool and isinstance(chunk, ToolCallStartChunk | ToolCallChunk | ToolCallEndChunk):
            return self._shown(chunk)
        return (chunk,)

    def _shown(self, chunk: ToolCallStartChunk | ToolCallChunk | ToolCallEndChunk) -> Sequence[Chunk]:
        match chunk:
            case ToolCallStartChunk(id, name) if name == FORMAT_TOOL:
                if self._answered:
                    self._others.add(id)
                    return ()
                self._answered, self._answer = True, id
                return (TextStartChunk(),)
            case ToolCallChunk(id, delta) if id == self._answer:
                return (TextChunk(delta),)
            case ToolCallEndChunk(id) if id == self._answer:
                self._answer = None
                return (TextEndChunk(),)
            case ToolCallChunk(id) if id in self._others:
                return ()
            case ToolCallEndChunk(id) if id in self._others:
                self._others.remove(id)
                return ()
            case _:
                return (chunk,)
