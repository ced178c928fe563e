"""Server-sent events: the rules of the HTML standard, and what they give for bytes cut anywhere."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like.types.chunks import TextChunk
from mirascope_like.types.content import Text
from mirascope_like.wire.anthropic.codec import AnthropicMessages
from mirascope_like.wire.codec import Codec, MalformedResponseError, ReportedError, TruncatedStreamError
from mirascope_like.wire.features import get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat
from mirascope_like.wire.openai_responses.codec import OpenAIResponses
from mirascope_like.wire.sse import EventDecoder, SSEParser

from .traffic import decode_stream, fold


def parse(*pieces: bytes) -> list[tuple[str, str]]:
    parser = SSEParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [("", "a")]),
        (b"data:a\n\n", [("", "a")]),
        (b"data:  a \n\n", [("", " a ")]),  # one space belongs to the syntax
        (b"data\n\n", [("", "")]),
        (b"data: a\ndata\ndata: b\n\n", [("", "a\n\nb")]),
        (b"event: ping\ndata: a\n\ndata: b\n\n", [("ping", "a"), ("", "b")]),  # the name does not carry over
        (b"event: ping\n\ndata: b\n\n", [("", "b")]),  # no data, no event
        (b"data: a\nevent: late\n\n", [("late", "a")]),
        (b": comment\ndata: a\n:\n\n", [("", "a")]),
        (b"id: 1\nretry: 5\nunknown: x\ndata: a\n\n", [("", "a")]),
        (b"Data: a\n dat: b\n\n", []),  # names are exact
        (b"data: a: b\n\n", [("", "a: b")]),
        (b"\n\n\ndata: a\n\n\n\n", [("", "a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [("", "a"), ("", "b")]),
        ("data: a\u2028b\x0bc\x85d\n\n".encode(), [("", "a\u2028b\x0bc\x85d")]),  # ends of lines to Python, not here
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),  # only the first mark is one
        (b"data: \xff\xe4\xb8\n\n", [("", "\ufffd\ufffd")]),
        (b"data: a", [("", "a")]),
        (b"data: a\n", [("", "a")]),
        (b"", []),
    ],
)
def test_events_are_parsed_by_the_standard(data: bytes, events: list[tuple[str, str]]) -> None:
    assert parse(data) == events
    assert parse(*(data[i : i + 1] for i in range(len(data)))) == events


line_ends = st.sampled_from(["\n", "\r\n", "\r"])
lines = st.sampled_from(["data: 世界", "data:", "data", "event: x", "event", ": é", "", "id: 1", "data: {}", "\ufeff"])
streams = st.lists(st.tuples(lines, line_ends), max_size=12).map(
    lambda pairs: "".join(line + end for line, end in pairs).encode()
)


@given(streams, st.lists(st.integers(0, 200), max_size=8))
def test_cuts_do_not_matter(data: bytes, cuts: list[int]) -> None:
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert parse(*(data[start:end] for start, end in pairwise(at))) == parse(data)


def test_an_event_is_given_with_the_byte_that_ends_it() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\r\n\r") == [("", "a")]
    assert parser.feed(b"\ndata: b\n") == []
    assert parser.feed(b"\n") == [("", "b")]


def test_a_line_in_very_many_pieces_is_no_trouble() -> None:
    parser = SSEParser()
    parser.feed(b"data: ")
    for _ in range(200_000):
        parser.feed(b"x")
    assert parser.feed(b"\n\n") == [("", "x" * 200_000)]


class Echo(EventDecoder):
    """Says what it hears; "end" ends it."""

    def on_event(self, name: str, text: str) -> None:
        value = self.parse_event(text)
        if value.get("error"):
            raise ReportedError("it broke")
        self.is_complete = value.get("end", False)
        self.writer.write(TextChunk(value["say"].lower()))


def test_what_is_no_json_object_is_malformed() -> None:
    for data in (b"data: {\n\n", b"data: []\n\n", b"data: 5\n\n", b"data: plain words\n\n"):
        with pytest.raises(MalformedResponseError, match=r"an event is not (a )?JSON"):
            Echo().feed(data)


@pytest.mark.parametrize("value", [b'{"say": 5}', b"{}", b'{"say": null}'])
def test_fields_of_another_shape_are_malformed(value: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="shape"):
        Echo().feed(b"data: " + value + b"\n\n")


def test_an_error_carries_what_came_before_it() -> None:
    with pytest.raises(ReportedError) as caught:
        Echo().feed(b'data: {"say": "A"}\n\ndata: {"error": 1}\n\n')
    assert caught.value.chunks == [TextChunk("a")]


def test_the_end_of_the_bytes_is_not_the_end_of_the_answer() -> None:
    decoder = Echo()
    assert decoder.feed(b'data: {"say": "A"}\n\n') == [TextChunk("a")]
    with pytest.raises(TruncatedStreamError, match="before the server marked the response as complete"):
        decoder.end()
    assert decoder.raw_events == ['{"say": "A"}']


def test_half_an_event_is_a_truncated_stream() -> None:
    decoder = Echo()
    decoder.feed(b'data: {"say": "A"}\n\ndata: {"say": "B')
    with pytest.raises(TruncatedStreamError, match="cut off"):
        decoder.end()


def test_events_without_data_say_nothing() -> None:
    decoder = Echo()
    assert decoder.feed(b'event: ping\ndata:\n\ndata: \n\ndata: {"say": "A"}\n\n') == [TextChunk("a")]


BODIES: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"}]},
    "responses": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}]},
    "messages": {"content": [{"type": "text", "text": "Yes."}]},
}
CODECS: dict[str, Codec] = {
    "chat": OpenAIChat(get_chat_dialect("openai")),
    "responses": OpenAIResponses(),
    "messages": AnthropicMessages(),
}


@pytest.mark.parametrize("protocol", CODECS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n ", b"\xef\xbb\xbf\n"])
def test_a_whole_answer_to_a_stream_is_read_however_it_begins_and_is_cut(protocol: str, before: bytes) -> None:
    data = before + json.dumps(BODIES[protocol]).encode()
    for cut in range(len(before) + 2):
        assert fold(decode_stream(CODECS[protocol], [data[:cut], data[cut:]])).content == (Text("Yes."),)


@pytest.mark.parametrize("protocol", CODECS)
def test_an_error_in_a_list_is_one(protocol: str) -> None:
    body = [{"error": {"message": "Oh no", "code": 404, "status": "NOT_FOUND"}}]
    with pytest.raises(ReportedError, match="Oh no") as caught:
        CODECS[protocol].decode(body)
    assert (caught.value.status, caught.value.type) == (404, "NOT_FOUND")
    for data in (json.dumps(body), f"data: {json.dumps(body)}\n\n"):
        with pytest.raises(ReportedError, match="Oh no"):
            decode_stream(CODECS[protocol], [data.encode()])
    for other in ([], [1], ["text"]):
        with pytest.raises(MalformedResponseError):
            CODECS[protocol].decode(other)
        with pytest.raises(MalformedResponseError):
            decode_stream(CODECS[protocol], [json.dumps(other).encode()])


def test_a_last_event_without_its_blank_line_counts() -> None:
    decoder = Echo()
    decoder.feed(b'data: {"say": "A", "end": true}')
    assert decoder.end() == [TextChunk("a")]
