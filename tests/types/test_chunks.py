"""Chunks, and how an answer is put together from them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like.types.chunks import (
    Accumulator,
    Chunk,
    CitationChunk,
    FinishReason,
    FinishReasonChunk,
    ProviderChunk,
    ProviderToolUsage,
    RawMessageChunk,
    Reply,
    ResponseInfoChunk,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
    Usage,
    UsageChunk,
)
from mirascope_like.types.content import Citation, ProviderBlock, Text, Thought, ToolCall

from . import strategies

BLOCK = ProviderBlock(kind="sealed", raw={"data": "…"})


def fold(*chunks: Chunk) -> Reply:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.reply()


def said(part: Any, cuts: int = 2) -> list[Chunk]:
    """The chunks of one part."""
    match part:
        case Text(text, citations):
            middle: list[Chunk] = [TextChunk(piece) for piece in _pieces(text, cuts)]
            return [TextStartChunk(), *middle, *map(CitationChunk, citations), TextEndChunk()]
        case Thought(thought):
            return [ThoughtStartChunk(), *map(ThoughtChunk, _pieces(thought, cuts)), ThoughtEndChunk()]
        case ToolCall(id=id, name=name, args=args):
            pieces = [ToolCallChunk(id, piece) for piece in _pieces(args, cuts)]
            return [ToolCallStartChunk(id, name), *pieces, ToolCallEndChunk(id)]
        case _:
            return [ProviderChunk(part)]


@given(st.lists(strategies.assistant_parts, max_size=5), st.integers(1, 4))
def test_an_answer_is_its_parts_in_order_however_they_are_cut(parts: list[Any], cuts: int) -> None:
    chunks = [chunk for part in parts for chunk in said(part, cuts)]
    empty = [part for part in parts if isinstance(part, ToolCall) and not part.args]
    if not empty:
        assert fold(*chunks).content == tuple(parts)


def test_parts_stand_in_the_order_of_their_starts() -> None:
    reply = fold(
        ToolCallStartChunk("a", "first"),
        ToolCallStartChunk("b", "second"),
        TextStartChunk(),
        ToolCallChunk("b", '{"x":'),
        TextChunk("Hel"),
        ToolCallChunk("a", "{}"),
        ProviderChunk(BLOCK),
        ToolCallChunk("b", "1}"),
        ToolCallEndChunk("b"),
        TextChunk("lo"),
        TextEndChunk(),
        ToolCallEndChunk("a"),
    )
    first, second = ToolCall(id="a", name="first", args="{}"), ToolCall(id="b", name="second", args='{"x":1}')
    assert reply.content == (first, second, Text("Hello"), BLOCK)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert fold(ToolCallStartChunk("a", "now"), ToolCallEndChunk("a")).content == (
        ToolCall(id="a", name="now", args="{}"),
    )


def test_what_broke_off_keeps_its_text_and_drops_half_a_call() -> None:
    half_call = (ToolCallStartChunk("a", "delete"), ToolCallChunk("a", '{"path": "/'))
    assert fold(TextStartChunk(), TextChunk("Hel"), *half_call).content == (Text("Hel"),)
    assert fold(ThoughtStartChunk(), ThoughtChunk("hm"), *half_call).content == (Thought("hm"),)


def test_it_can_be_read_between_two_chunks() -> None:
    accumulator, seen = Accumulator(), list[Any]()
    for chunk in [TextStartChunk(), TextChunk("a"), TextChunk("b"), TextEndChunk(), *said(Thought("c"), 1)]:
        accumulator.add(chunk)
        seen.append(accumulator.content)
    assert seen[1:4] == [(Text("a"),), (Text("ab"),), (Text("ab"),)]
    assert seen[-1] == (Text("ab"), Thought("c"))


def test_citations_belong_to_their_text() -> None:
    cited = Text("The sky is blue.", (Citation(url="https://example.org"),))
    assert fold(*said(Text("So:")), *said(cited)).content == (Text("So:"), cited)


def test_the_last_of_each_note_counts() -> None:
    reply = fold(
        ResponseInfoChunk("r1", None),
        UsageChunk(Usage(input_tokens=1)),
        UsageChunk(Usage(input_tokens=1, output_tokens=5)),
        FinishReasonChunk(FinishReason.MAX_TOKENS, "length"),
        RawMessageChunk({"role": "assistant"}),
        ResponseInfoChunk(None, "m1"),
    )
    assert reply.usage == Usage(input_tokens=1, output_tokens=5)
    assert (reply.finish_reason, reply.raw_finish_reason) == ("max_tokens", "length")
    assert (reply.response_id, reply.provider_model_name) == ("r1", "m1")
    assert reply.raw_message == {"role": "assistant"}


@pytest.mark.parametrize(
    "chunks",
    [
        [TextChunk("x")],
        [TextEndChunk()],
        [CitationChunk(Citation())],
        [ToolCallChunk("a", "{}")],
        [ToolCallEndChunk("a")],
        [TextStartChunk(), ThoughtStartChunk()],
        [ToolCallStartChunk("a", "f"), ToolCallStartChunk("a", "f")],
        [TextStartChunk(), TextEndChunk(), TextChunk("x")],
        [TextStartChunk(), ThoughtChunk("x")],
        [ThoughtStartChunk(), TextEndChunk()],
        [ThoughtStartChunk(), CitationChunk(Citation())],
    ],
)
def test_chunks_that_cannot_follow_are_bugs(chunks: list[Chunk]) -> None:
    with pytest.raises(RuntimeError):
        fold(*chunks)


def test_many_parts_take_time_in_proportion() -> None:
    """No quadratic step hides in there: 200,000 chunks are a matter of a second."""
    chunks = [chunk for _ in range(50_000) for chunk in said(Text("ab"))]
    assert len(fold(*chunks).content) == 50_000


usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 99),
    output_tokens=st.integers(0, 99),
    cache_read_tokens=st.integers(0, 99),
    cache_write_tokens=st.integers(0, 99),
    reasoning_tokens=st.integers(0, 99),
    provider_tool_usage=st.lists(st.just(ProviderToolUsage(name="web_search", call_count=1)), max_size=2).map(tuple),
)


@given(usages, usages, usages)
def test_usages_add_up(a: Usage, b: Usage, c: Usage) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a == Usage() + a
    assert (a + b).total_tokens == a.total_tokens + b.total_tokens
    assert (a + b).reasoning_tokens == a.reasoning_tokens + b.reasoning_tokens


def _pieces(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]
