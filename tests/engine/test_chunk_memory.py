"""The memory of a stream: packing changes nothing that a reader sees."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from hypothesis import given, strategies as st

from mirascope_like import llm
from mirascope_like.engine.chunk_memory import ChunkMemory, PackedChunks
from mirascope_like.types.chunks import (
    Chunk,
    CitationChunk,
    ContentChunk,
    ProviderChunk,
    Reply,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
    UsageChunk,
)

TEXT = st.text(max_size=5)
IDS = st.sampled_from(["a", "b"])
CONTENT = st.one_of(
    st.sampled_from([TextStartChunk(), TextEndChunk(), ThoughtStartChunk(), ThoughtEndChunk()]),
    st.builds(TextChunk, TEXT),
    st.builds(ThoughtChunk, TEXT),
    st.builds(ToolCallStartChunk, IDS, st.just("look")),
    st.builds(ToolCallChunk, IDS, TEXT),
    st.builds(ToolCallEndChunk, IDS),
    st.builds(CitationChunk, st.builds(llm.Citation, url=st.just("http://x"))),
    st.builds(ProviderChunk, st.just(llm.ProviderBlock(kind="k", raw={}))),
)


@given(st.lists(CONTENT, max_size=40))
def test_packed_chunks_are_equal(chunks: Sequence[ContentChunk]) -> None:
    packed = PackedChunks(chunks)
    assert list(packed) == list(chunks)
    assert [packed[position] for position in range(len(packed))] == list(chunks)
    assert pickle.loads(pickle.dumps(packed))[:] == list(chunks)


@given(st.lists(CONTENT | st.just(UsageChunk(llm.Usage())), max_size=40), st.data())
def test_packing_changes_nothing(chunks: Sequence[Chunk], data: st.DataObject) -> None:
    memory, other = ChunkMemory(), ChunkMemory()
    for each in (memory, other):
        each.add(chunks)
    other.pack(Reply())
    positions = st.integers(0, len(memory))
    for _ in range(len(memory) and 3):
        position = data.draw(positions)
        if position < len(memory):
            assert memory.hand_out(position) == other.hand_out(position)
        assert memory.position_in_call("a", position) == other.position_in_call("a", position)
        assert list(memory.seen) == list(other.seen)


def test_no_chunks_are_added_after_packing() -> None:
    memory = ChunkMemory()
    memory.add([TextStartChunk(), TextChunk("a")])
    memory.pack(Reply())
    memory.add([TextChunk("b")])
    assert len(memory) == 2
