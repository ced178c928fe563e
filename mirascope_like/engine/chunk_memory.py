"""The chunks of a streamed response, for any number of readers, and what they have seen of them.

While a response arrives, its chunks are kept as they are. When it is complete, `pack` replaces them: the deltas of one
part in a row become one string and the positions of its cuts, which take a tenth of the memory and give equal chunks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, TypeAlias, cast, overload

from ..types.chunks import (
    META_CHUNKS,
    Accumulator,
    Chunk,
    ContentChunk,
    MetaChunk,
    RawMessageChunk,
    Reply,
    TextChunk,
    ThoughtChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from .shared_texts import reply_texts

_OF_CALLS = (ToolCallStartChunk, ToolCallChunk, ToolCallEndChunk)
_NO_TEXTS: Mapping[str, str] = {}
_Delta: TypeAlias = TextChunk | ThoughtChunk | ToolCallChunk


class ChunkMemory:
    """The content chunks of a response, and how many of them readers have seen.

    A response that begins anew gets another memory, so that the readers of the old one notice.
    """

    def __init__(self, beginning: Sequence[Chunk] = ()) -> None:
        self.is_handed_out: bool = False
        """Whether any chunk was handed out, besides the beginning, which the caller knew."""
        self._chunks: list[ContentChunk] | PackedChunks = []
        self._positions: dict[str, Sequence[int]] = {}  # of the chunks of each tool call, by its id
        self._metadata: list[tuple[int, MetaChunk]] = []  # with the number of chunks before
        self._prefixes: list[_Prefix] = []  # one at most, taken out while a thread uses it
        self.add(beginning)
        self.handed_out: int = len(self._chunks)
        """The number of chunks that readers have seen."""

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, position: int) -> ContentChunk:
        return self._chunks[position]

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks that arrived; none after `pack`: then the response was closed while they arrived."""
        kept = self._chunks
        if isinstance(kept, PackedChunks):
            return
        for chunk in chunks:
            if isinstance(chunk, META_CHUNKS):
                self._metadata.append((len(kept), chunk))
                continue
            if isinstance(chunk, _OF_CALLS):
                positions = self._positions.setdefault(chunk.id, array("I"))
                assert isinstance(positions, array)
                positions.append(len(kept))
            kept.append(chunk)

    def pack(self, reply: Reply) -> None:
        """Keep the chunks in less memory, and add no more. What the whole reply says too is kept once."""
        if isinstance(self._chunks, PackedChunks):
            return
        self._chunks = PackedChunks(self._chunks, reply_texts(reply))
        raw = RawMessageChunk(reply.raw_message or {})
        self._metadata = [(position, raw if chunk == raw else chunk) for position, chunk in self._metadata]

    def hand_out(self, position: int) -> ContentChunk:
        """Return the chunk at a position, which a reader now sees."""
        self.is_handed_out = True
        if position >= self.handed_out:
            self.handed_out = position + 1
        return self._chunks[position]

    def hand_out_all(self, position: int) -> Sequence[ContentChunk]:
        """Return all chunks so far, from a position on; a reader now sees them."""
        self.is_handed_out = True
        self.show_all()
        return self._chunks[position : self.handed_out]

    def show_all(self) -> None:
        """Note that readers see everything so far."""
        self.handed_out = len(self._chunks)

    @property
    def seen(self) -> Sequence[ContentChunk]:
        """The chunks that readers have seen."""
        return self._chunks[: self.handed_out]

    def position_in_call(self, id: str, position: int) -> int:
        """Return the first position, from this one on, of a chunk of a tool call or of one that has not come yet."""
        end = len(self._chunks)  # first: a chunk that comes meanwhile is not skipped
        positions = self._positions.get(id, ())
        place = bisect_left(positions, position)
        return positions[place] if place < len(positions) else max(position, end)

    def reply(self) -> Reply:
        """Return what readers have seen. Several threads may ask at once."""
        try:
            prefix = self._prefixes.pop()
        except IndexError:
            prefix = _Prefix()
        reply = prefix.extend(self._chunks, self.handed_out, self._metadata)
        self._prefixes[:] = [prefix]
        return reply

    def __getstate__(self) -> tuple[object, ...]:
        return self._chunks, self._positions, self._metadata, self.handed_out

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._chunks, self._positions, self._metadata, self.handed_out = state
        self.is_handed_out = self.handed_out > 0
        self._prefixes = []


class _Prefix:
    """The beginning of a response, as far as it was asked for."""

    def __init__(self) -> None:
        self._accumulator = Accumulator()
        self._chunks = self._metadata = 0  # how many of each it has

    def extend(self, chunks: Sequence[ContentChunk], end: int, metadata: Sequence[tuple[int, Chunk]]) -> Reply:
        """Return what the chunks before `end` say, with the metadata between them."""
        for chunk in chunks[self._chunks : end]:
            self._add_metadata(metadata)
            self._accumulator.add(chunk)
            self._chunks += 1
        self._add_metadata(metadata)
        return self._accumulator.reply()

    def _add_metadata(self, metadata: Sequence[tuple[int, Chunk]]) -> None:
        for position, chunk in metadata[self._metadata :]:
            if position > self._chunks:
                return
            self._accumulator.add(chunk)
            self._metadata += 1


class PackedChunks(Sequence[ContentChunk]):
    """A sequence of chunks that takes little memory. It makes a chunk each time one is asked for. `texts` are used in
    place of equal strings."""

    def __init__(self, chunks: Iterable[ContentChunk], texts: Mapping[str, str] = _NO_TEXTS) -> None:
        self._rows: list[ContentChunk | _DeltaRow] = []
        self._starts = array("I")  # the position of the first chunk of each row
        self._length = 0
        for key, group in groupby(chunks, _row_key):
            row = list(group)
            if key is None or len(row) == 1:
                for chunk in row:
                    self._append(chunk, 1)
            else:
                self._append(_DeltaRow(*key, cast("Sequence[_Delta]", row), texts), len(row))

    def _append(self, row: ContentChunk | _DeltaRow, length: int) -> None:
        self._rows.append(row)
        self._starts.append(self._length)
        self._length += length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ContentChunk]:
        for row in self._rows:
            if isinstance(row, _DeltaRow):
                yield from row
            else:
                yield row

    @overload
    def __getitem__(self, position: int) -> ContentChunk: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[ContentChunk]: ...
    def __getitem__(self, position: int | slice) -> ContentChunk | Sequence[ContentChunk]:
        if isinstance(position, slice):
            return list(self)[position]
        if not 0 <= position < self._length:
            raise IndexError(position)
        number = bisect_right(self._starts, position) - 1
        row = self._rows[number]
        return row.chunk(position - self._starts[number]) if isinstance(row, _DeltaRow) else row


def _row_key(chunk: ContentChunk) -> tuple[type[_Delta], str] | None:
    """Return what the deltas of one row have in common; `None` for other chunks."""
    if isinstance(chunk, ToolCallChunk):
        return ToolCallChunk, chunk.id
    return (type(chunk), "") if isinstance(chunk, TextChunk | ThoughtChunk) else None


class _DeltaRow:
    """Deltas of one part, one after the other."""

    __slots__ = ("_cuts", "_id", "_kind", "_text")

    def __init__(self, kind: type[_Delta], id: str, chunks: Sequence[_Delta], texts: Mapping[str, str]) -> None:
        self._kind = kind
        self._id = id
        text = "".join([chunk.delta for chunk in chunks])
        self._text = texts.get(text, text)
        self._cuts = array(
            "H" if len(text) < 1 << 16 else "I", accumulate((len(chunk.delta) for chunk in chunks), initial=0)
        )

    def __iter__(self) -> Iterator[_Delta]:
        return map(self.chunk, range(len(self._cuts) - 1))

    def chunk(self, number: int) -> _Delta:
        """Return a delta of this row."""
        delta = self._text[self._cuts[number] : self._cuts[number + 1]]
        return ToolCallChunk(self._id, delta) if issubclass(self._kind, ToolCallChunk) else self._kind(delta)
