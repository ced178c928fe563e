"""Parts as chunks: whatever decoders write, the chunks are in order."""

from __future__ import annotations

from hypothesis import given, strategies as st

from mirascope_like import llm
from mirascope_like.types.chunks import Accumulator, Chunk, CitationChunk, TextChunk, TextEndChunk, TextStartChunk
from mirascope_like.wire.part_writer import PartKind, PartWriter
from mirascope_like.wire.tool_calls import ArgumentsBuffer, UniqueIds

KINDS: st.SearchStrategy[PartKind] = st.sampled_from(["text", "thought"])
ACTIONS = st.one_of(
    st.tuples(st.just("delta"), KINDS, st.sampled_from(["", "a", "b"])),
    st.tuples(st.just("begin"), KINDS, st.just("")),
    st.tuples(st.sampled_from(["end", "cite", "block", "call", "take", "later"]), st.just("text"), st.just("")),
)


def new_writer() -> PartWriter:
    return PartWriter(UniqueIds("call_"))


@given(st.lists(ACTIONS, max_size=30))
def test_the_chunks_of_any_parts_are_in_order(actions: list[tuple[str, PartKind, str]]) -> None:
    writer, text = new_writer(), ""
    chunks: list[Chunk] = []
    for action, kind, delta in actions:
        match action:
            case "delta":
                writer.write_delta(kind, delta)
                text += delta
            case "begin":
                writer.begin_part(kind)
            case "end":
                writer.end_part()
            case "cite":
                writer.write_citation(llm.Citation())
            case "block":
                writer.write_block("x", {})
            case "call":
                id, args = writer.ids.make_unique(""), ArgumentsBuffer()
                writer.begin_call(id, "f")
                args.add("{}")
                writer.end_call(id, args)
            case "take":
                chunks += writer.take_chunks()
            case _:
                earlier, writer = writer, new_writer()
                earlier.end_part()
                earlier.write_delta("text", "z")
                writer.continue_from(earlier)
                text += "z"
    writer.end_part()
    accumulator = Accumulator()
    for chunk in [*chunks, *writer.take_chunks()]:
        accumulator.add(chunk)
    content = accumulator.content
    assert (
        "".join(
            each.text if isinstance(each, llm.Text) else each.thought
            for each in content
            if isinstance(each, llm.Text | llm.Thought)
        )
        == text
    )
    counts = [sum(action == name for action, _, _ in actions) for name in ("call", "block", "cite")]
    assert counts == [
        sum(isinstance(each, llm.ToolCall) for each in content),
        sum(isinstance(each, llm.ProviderBlock) for each in content),
        sum(len(each.citations) for each in content if isinstance(each, llm.Text)),
    ]


def test_an_open_part_can_be_read_and_continued() -> None:
    writer = new_writer()
    assert (writer.open_text, writer.open_part) == ("", None)
    writer.write_delta("text", "a")
    assert (writer.open_text, writer.open_part) == ("a", "text")
    other = new_writer()
    other.continue_from(writer)
    other.write_delta("text", "b")
    assert other.open_text == "ab"
    other.write_citation(llm.Citation(url="u"))
    other.end_part()
    assert (other.open_text, other.open_part) == ("", None)
    assert other.take_chunks() == [
        *(TextStartChunk(), TextChunk("a"), TextChunk("b")),
        *(CitationChunk(llm.Citation(url="u")), TextEndChunk()),
    ]
    assert other.take_chunks() == writer.take_chunks() == []
