"""What holds for every answer: hand-written samples, and recorded traffic where there is some (see `traffic`)."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest

from mirascope_like.types.chunks import Chunk, Reply
from mirascope_like.types.content import ProviderBlock, Text, Thought, ToolCall
from mirascope_like.wire.codec import Codec, Decoder, ReportedError, TruncatedStreamError, WireError

from . import traffic
from .exceptions import DIFFERENT
from .traffic import Record, codec_of, decode_stream, events, fold

SMALL = 3_000  # bytes of a stream that is cheap to feed byte by byte
_UNKNOWN_EVENT = 'event: thing.unheard_of\ndata: {"type": "thing.unheard_of", "object": "thing.unheard_of"}\n\n'


@pytest.fixture(params=["samples", "traffic"])
def source(request: pytest.FixtureRequest) -> list[Record]:
    return traffic.samples() if request.param == "samples" else traffic.traffic()


@pytest.fixture(params=traffic.ENDPOINTS)
def records(request: pytest.FixtureRequest, source: list[Record]) -> list[Record]:
    return [record for record in source if record["endpoint"] == request.param]


@pytest.fixture
def streams(records: list[Record]) -> list[Record]:
    """The streams that ended well."""
    return [r for r in traffic.streams(records) if not r["expected"]["error"] and r["id"] not in DIFFERENT]


def test_every_answer_decodes_to_what_is_expected(records: list[Record]) -> None:
    wrong = traffic.failures(records)
    assert not wrong, f"{len(wrong)} of {len(records)}:\n" + "\n".join(wrong)


def test_every_exception_names_a_record() -> None:
    assert not set(DIFFERENT) - {record["id"] for record in traffic.traffic()}


def test_cuts_of_the_bytes_do_not_matter(streams: list[Record]) -> None:
    dice = random.Random(20)
    for record in streams:
        codec, data = codec_of(record), record["response"]["sse"].encode()
        whole = decode_stream(codec, [data])
        assert same(decode_stream(codec, _cut(data, dice)), whole), record["id"]
        if len(data) < SMALL:
            assert same(decode_stream(codec, (data[i : i + 1] for i in range(len(data)))), whole), record["id"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_framing_does_not_matter(streams: list[Record], line_end: str) -> None:
    """Line ends, a byte-order mark, comments, fields that nobody reads: in whatever pieces they come."""
    dice = random.Random(21)
    for record in streams:
        codec, sse = codec_of(record), record["response"]["sse"]
        framed = "\ufeff: hello\n" + re.sub(r"\n\n", "\n\n: still here\nid: 7\nretry: 10\n\n", _lf(sse))
        data = framed.replace("\n", line_end).encode()
        assert same(decode_stream(codec, _cut(data, dice)), decode_stream(codec, [sse.encode()])), record["id"]


def test_unknown_events_are_passed_over(streams: list[Record]) -> None:
    for record in streams:
        codec, sse = codec_of(record), record["response"]["sse"]
        littered = _UNKNOWN_EVENT + _UNKNOWN_EVENT.join(events(_lf(sse)))
        assert same(decode_stream(codec, [littered.encode()]), decode_stream(codec, [sse.encode()])), record["id"]


def test_a_cut_stream_never_passes_for_a_complete_one(streams: list[Record]) -> None:
    """Cut after each event: an error, unless all that the answer says has been said."""
    for record in streams:
        codec, pieces = codec_of(record), events(record["response"]["sse"])
        whole = gist(fold(decode_stream(codec, [piece.encode() for piece in pieces])))
        decoder, chunks = codec.decoder(), list[Chunk]()
        for count, piece in enumerate(pieces):
            if (reply := _ended_now(decoder, chunks)) is not None:
                assert gist(reply) == whole, f"{record['id']}: {count} of {len(pieces)} events passed for all"
            chunks += decoder.feed(piece.encode())


def test_a_stream_cut_within_an_event_never_passes_for_a_complete_one(streams: list[Record]) -> None:
    dice = random.Random(22)
    for record in streams:
        codec, data = codec_of(record), record["response"]["sse"].encode()
        whole = gist(fold(decode_stream(codec, [data])))
        for cut in range(len(data)) if record["file"].endswith(".json") else (dice.randrange(len(data)) for _ in "123"):
            decoder = codec.decoder()
            if (reply := _ended_now(decoder, decoder.feed(data[:cut]))) is not None:
                assert gist(reply) == whole, f"{record['id']} cut after {cut} bytes"


def test_a_reported_error_survives_a_cut(records: list[Record]) -> None:
    """Once the server has said that it failed, that is raised; before it does, the stream is incomplete."""
    for record in traffic.streams(records):
        if not record["expected"]["error"]:
            continue
        pieces = events(record["response"]["sse"])
        seen = [_raised(codec_of(record), "".join(pieces[:count])) for count in range(len(pieces) + 1)]
        assert set(seen) <= {TruncatedStreamError, ReportedError}, record["id"]
        assert seen == sorted(seen, key=[TruncatedStreamError, ReportedError].index), record["id"]
        assert seen[-1] is ReportedError, record["id"]


def test_what_was_said_before_an_error_is_not_lost(records: list[Record]) -> None:
    """Chunks that came in the same bytes as the error are in its `chunks`, so the cuts do not matter here either."""
    for record in traffic.streams(records):
        if not record["expected"]["error"]:
            continue
        data = record["response"]["sse"].encode()
        whole = _until_error(codec_of(record), [data])
        assert same(_until_error(codec_of(record), (data[i : i + 1] for i in range(len(data)))), whole), record["id"]


def test_damaged_answers_are_errors_of_the_wire(records: list[Record]) -> None:
    """Whatever stands in place of a field: an answer is read, or refused as malformed; nothing else is raised."""
    dice = random.Random(23)
    for record in records[:: 1 if len(records) < 10 else 5]:
        for _ in range(3):
            with suppress(WireError):
                traffic.decode(_damaged(record, dice))


def test_what_a_stream_adds_up_to_decodes_to_the_same_answer(streams: list[Record]) -> None:
    for record in streams:
        codec, sse = codec_of(record), record["response"]["sse"]
        streamed = fold(decode_stream(codec, [sse.encode()]))
        whole = fold(codec.decode(_as_whole_answer(record, streamed)))
        assert gist(streamed) == gist(whole), record["id"]
        if record["endpoint"] == "responses":
            assert (streamed.usage, streamed.finish_reason) == (whole.usage, whole.finish_reason), record["id"]


def test_decoded_values_are_plain(records: list[Record]) -> None:
    """What goes into storage with a message is JSON, and no two answers share it."""
    for record in records:
        if record["expected"]["error"] or record["id"] in DIFFERENT:
            continue
        raw = traffic.decode(record).raw_message
        assert raw is not None and json.loads(json.dumps(raw)) == raw, record["id"]


def same(ours: list[Chunk], theirs: list[Chunk]) -> bool:
    """Whether two lists of chunks are equal, but for the ids of calls that the server gave none."""
    return ours == theirs or _named(ours) == _named(theirs)


def gist(reply: Reply) -> tuple[Any, ...]:
    """What an answer says: its words, thoughts, calls and end."""
    calls = [(part.name, _arguments(part.args)) for part in reply.content if isinstance(part, ToolCall)]
    texts = "".join(part.text for part in reply.content if isinstance(part, Text))
    thoughts = "".join(part.thought for part in reply.content if isinstance(part, Thought))
    blocks = [part.kind for part in reply.content if isinstance(part, ProviderBlock)]
    return texts, thoughts, calls, blocks, reply.raw_finish_reason


def _arguments(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:  # cut off by a token limit: some protocols carry only whole JSON
        return {}


def _named(chunks: Iterable[Chunk]) -> str:
    text = json.dumps([(type(chunk).__name__, asdict(chunk)) for chunk in chunks])
    made_up: dict[str, str] = {}
    return re.sub(r"call_[0-9a-f]{32}", lambda found: made_up.setdefault(found[0], f"call_{len(made_up)}"), text)


def _cut(data: bytes, dice: random.Random) -> list[bytes]:
    """Some pieces, with the cuts at any byte: within UTF-8 sequences, between CR and LF, or of no bytes."""
    at = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((1, 3, 40))))
    odd = [found.start() + 1 for found in re.finditer(rb"[\xc3-\xf4]|\r\n", data)][:20]
    cuts = [0, *sorted(at + odd), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def _lf(sse: str) -> str:
    return sse.replace("\r\n", "\n")


def _ended_now(decoder: Decoder, chunks: list[Chunk]) -> Reply | None:
    """The answer if the stream ended here; `None` if that is an error. The decoder can go on."""
    try:
        return fold([*chunks, *deepcopy(decoder).end()])
    except TruncatedStreamError:
        return None


def _until_error(codec: Codec, pieces: Iterable[bytes]) -> list[Chunk]:
    decoder, chunks = codec.decoder(), list[Chunk]()
    try:
        for piece in pieces:
            chunks += decoder.feed(piece)
        decoder.end()
    except WireError as error:
        return [*chunks, *error.chunks]
    raise AssertionError("no error was raised")


def _damaged(record: Record, dice: random.Random) -> Record:
    """The record with one value of its answer replaced: of one event, if it is a stream."""
    response = deepcopy(record["response"])
    if "sse" in response:
        pieces = events(_lf(response["sse"]))
        hit = dice.randrange(len(pieces))
        pieces[hit] = re.sub(r"(?m)^data: (\{.*)$", lambda found: f"data: {_mutated(found[1], dice)}", pieces[hit])
        response["sse"] = "".join(pieces)
    elif isinstance(response.get("body"), dict):
        response["body"] = json.loads(_mutated(json.dumps(response["body"]), dice))
    return {**record, "response": response}


def _mutated(text: str, dice: random.Random) -> str:
    value: Any = json.loads(text)
    place, key = dice.choice(list(_places(value)))
    place[key] = dice.choice([None, 0, -1.5, True, "", "odd", [], [None], ["odd"], {}, {"odd": 1}, {"type": "text"}])
    return json.dumps(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _raised(codec: Codec, sse: str) -> type[Exception] | None:
    try:
        decode_stream(codec, [sse.encode()])
    except Exception as error:
        return type(error)
    return None


def _object(value: Any) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


def _as_whole_answer(record: Record, reply: Reply) -> Any:
    """The answer that the same server would have given had it not streamed."""
    match record["endpoint"]:
        case "chat_completions":
            return {"choices": [{"message": reply.raw_message, "finish_reason": reply.raw_finish_reason}]}
        case "messages":
            return {**_object(reply.raw_message), "type": "message", "stop_reason": reply.raw_finish_reason}
        case _:
            data = [line[6:] for line in _lf(record["response"]["sse"]).splitlines() if line.startswith("data: {")]
            return next(json.loads(line)["response"] for line in reversed(data) if '"response"' in line)
