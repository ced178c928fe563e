"""Recorded and hand-written exchanges with model servers, and what a codec should make of each.

A record is a JSON object with `id`, `provider`, `endpoint`, `response` (`status`, and one of `body`, `sse`, `text`) and
`expected`. The samples beside this file are written by hand. The recorded traffic is a directory of `*.jsonl.gz` beside
the checkout (`../shared/traffic`), or wherever the environment variable MIRASCOPE_LIKE_TRAFFIC says.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mirascope_like.types.chunks import Accumulator, Chunk, Reply
from mirascope_like.types.content import ProviderBlock, ServerToolCall, Text, Thought, ToolCall
from mirascope_like.wire.codec import Codec, MalformedResponseError, ReportedError, TruncatedStreamError
from mirascope_like.wire.error_bodies import parse_error_body
from mirascope_like.wire.features import get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat

from .exceptions import DIFFERENT

ENDPOINTS = ("chat_completions", "responses", "responses_get", "messages")
SAMPLES = Path(__file__).parent / "samples"
TRAFFIC = Path(os.environ.get("MIRASCOPE_LIKE_TRAFFIC") or Path(__file__).parents[3] / "shared" / "traffic")

Record = dict[str, Any]


def _messages(provider: str) -> Codec:
    from mirascope_like.wire.anthropic.codec import AnthropicMessages

    return AnthropicMessages()


def _responses(provider: str) -> Codec:
    from mirascope_like.wire.openai_responses.codec import OpenAIResponses

    return OpenAIResponses()


_CODECS: dict[str, Callable[[str], Codec]] = {
    "chat_completions": lambda provider: OpenAIChat(get_chat_dialect(provider)),
    "responses": _responses,
    "responses_get": _responses,
    "messages": _messages,
}


def codec_of(record: Record) -> Codec:
    """The codec of the server that answered."""
    return _CODECS[record["endpoint"]](record["provider"])


@cache
def samples() -> list[Record]:
    """The exchanges written by hand: a `.json` file each, and the text of a stream in a `.sse` file beside it."""
    found: list[Record] = []
    for path in sorted(SAMPLES.glob("*.json")):
        record = {"id": path.stem, "file": path.name, **json.loads(path.read_text("utf-8"))}
        record.setdefault("response", {}).setdefault("status", 200)
        stream = path.with_suffix(".sse")
        if stream.exists():
            record["response"]["sse"] = stream.read_text("utf-8")
        found.append(record)
    return found


@cache
def traffic() -> list[Record]:
    """All recorded exchanges that say what is expected of them. Skips the test if there are none here."""
    files = sorted(TRAFFIC.glob("*.jsonl.gz"))
    if not files:
        absent = f"no recorded traffic in {TRAFFIC}: set MIRASCOPE_LIKE_TRAFFIC to a directory with *.jsonl.gz"
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    records: list[Record] = []
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            records += ({**json.loads(line), "file": file.name} for line in lines)
    return [r for r in records if r["expected"] is not None and r["endpoint"] in ENDPOINTS]


def streams(records: Iterable[Record]) -> list[Record]:
    """The records of streams whose end was received."""
    return [r for r in records if "sse" in r["response"]]


def fold(chunks: Iterable[Chunk]) -> Reply:
    """An answer from its chunks."""
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.reply()


def decode_stream(codec: Codec, pieces: Iterable[bytes]) -> list[Chunk]:
    """The chunks of a stream that comes in these pieces."""
    decoder = codec.decoder()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.end()


def events(sse: str) -> list[str]:
    """A stream's text, cut after each blank line."""
    return re.findall(r".*?(?:\n\n|\r\n\r\n)+|.+\Z", sse, re.DOTALL)


def decode(record: Record) -> Reply:
    """What the answer of a record says. Raises what codecs raise."""
    codec, response = codec_of(record), record["response"]
    if response["status"] >= 400:
        body = json.dumps(response["body"]) if "body" in response else response.get("text", "")
        raise parse_error_body(response["status"], body.encode())
    if "sse" in response:
        return fold(decode_stream(codec, [response["sse"].encode()]))
    return fold(codec.decode(response.get("body", response.get("text"))))


def differences(record: Record) -> list[str]:
    """In what the decoded answer differs from what is expected, one line each."""
    expected = record["expected"]
    try:
        reply = decode(record)
    except ReportedError as error:
        return _error_differences(error, expected["error"], in_stream=record["response"]["status"] < 400)
    except TruncatedStreamError:
        return [] if expected.get("complete") is False else ["truncated, but the stream was complete"]
    except MalformedResponseError as error:
        return [f"malformed: {error}"]
    except Exception as error:
        return [f"crashed: {error!r}"]
    if expected["error"]:
        return ["an error was expected"]
    return [*_content_differences(reply, expected), *_meta_differences(reply, expected)]


def failures(records: Iterable[Record]) -> list[str]:
    """A line for each record that differs from what is expected, and for each listed exception that does not."""
    lines: list[str] = []
    for record in records:
        found, excused = differences(record), record["id"] in DIFFERENT
        if found and not excused:
            lines.append(f"{record['file']} {record['id']} ({record['provider']}): {'; '.join(found)}")
        if excused and not found:
            lines.append(f"{record['id']} is listed in exceptions.py but decodes as expected: take it out")
    return lines


def _error_differences(error: ReportedError, expected: dict[str, Any] | None, *, in_stream: bool) -> list[str]:
    if expected is None:
        return [f"an error was read: {error}"]
    code = None if expected["code"] is None else str(expected["code"])
    pairs = {
        "error message": (error.message, expected["message"]),
        "error type": (error.type, expected["type"] or None),
        "error code": (error.code, code),
    }
    if not in_stream:  # There the HTTP status is 200: what counts is the one that the event names, if it does.
        pairs["error status"] = (error.status, expected["status"])
    return _unequal(pairs)


def _content_differences(reply: Reply, expected: dict[str, Any]) -> list[str]:
    texts = [part for part in reply.content if isinstance(part, Text)]
    thoughts = [part.thought for part in reply.content if isinstance(part, Thought)]
    calls = [part for part in reply.content if isinstance(part, ToolCall)]
    kept = Counter(part.raw.get("type") for part in reply.content if isinstance(part, ServerToolCall | ProviderBlock))
    lost = Counter(item["type"] for item in expected.get("server_tool_calls", ())) - kept
    pairs: dict[str, tuple[object, object]] = {
        "text": ("".join(part.text for part in texts), expected["text"] + (expected["refusal"] or "")),
        "thoughts": ("".join(thoughts), expected["thoughts"]),
        "citations": (sum(len(part.citations) for part in texts), expected.get("citations", 0)),
        "server tool calls lost": (dict(lost), {}),
        "tool calls": (len(calls), len(expected["tool_calls"])),
    }
    if "text_parts" in expected:
        pairs["text parts"] = ([part.text for part in texts], expected["text_parts"])
    lines = _unequal(pairs)
    for call, wanted in zip(calls, expected["tool_calls"], strict=False):
        lines += _call_differences(call, wanted)
    return lines


def _call_differences(call: ToolCall, expected: dict[str, Any]) -> list[str]:
    pairs: dict[str, tuple[object, object]] = {"tool name": (call.name, expected["name"])}
    if expected["id"]:
        pairs["tool id"] = (call.id, expected["id"])
    elif not call.id:
        pairs["tool id"] = (call.id, "one that was made up")
    if expected["arguments"] is not None:
        pairs["arguments"] = (_json(call.args), expected["arguments"])
    else:
        pairs["arguments"] = (call.args, expected["arguments_raw"])
    return _unequal(pairs)


def _meta_differences(reply: Reply, expected: dict[str, Any]) -> list[str]:
    return _unequal(
        {
            "finish reason": (reply.raw_finish_reason or None, expected["finish_reason"] or None),
            "usage": (reply.usage and reply.usage.raw, expected["usage"]),
            "model": (reply.provider_model_name, expected.get("model") or None),
            "response id": (reply.response_id, expected.get("response_id") or None),
        }
    )


def _unequal(pairs: dict[str, tuple[object, object]]) -> list[str]:
    return [
        f"{name} {_short(ours)} is not {_short(theirs)}" for name, (ours, theirs) in pairs.items() if ours != theirs
    ]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:150]} … {text[-150:]}"


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
