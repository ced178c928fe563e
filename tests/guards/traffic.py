"""Plays the recorded traffic to public calls: a conversation for each recorded group, resumed after each response.

Each exchange has three facets: the `chunks` of its stream, the `reply` (content, usage, JSON form of the message, or
the error), and the `requests` that were sent for it (URL, headers, body). Behind the last exchange of a group goes
a follow-up, whose request counts as one of this exchange.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import llm

from .inside import MemoryTransport, Reply, Sent

TRAFFIC = Path(os.environ.get("MIRASCOPE_LIKE_TRAFFIC") or Path(__file__).parents[3] / "shared" / "traffic")
PROTOCOLS = {
    "chat_completions": "openai:completions",
    "responses": "openai:responses",
    "responses_get": "openai:responses",
    "messages": "anthropic",
}
COMPATIBLE = {"openrouter", "together", "xai", "groq", "mistral", "deepseek", "ollama"}
SMALL = 7  # bytes of a piece of a stream
FOLLOW_UP = "Go on."

Record = dict[str, Any]
Facets = dict[str, str]


@cache
def groups(protocol: str) -> Sequence[Sequence[Record]]:
    """The recorded exchanges of a protocol, those of one conversation together. Skips the test if there are none here;
    fails in CI."""
    files = sorted(TRAFFIC.glob("*.jsonl.gz"))
    if not files:
        absent = f"no recorded traffic in {TRAFFIC}: set MIRASCOPE_LIKE_TRAFFIC to a directory with *.jsonl.gz"
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    found: dict[tuple[object, ...], list[Record]] = {}
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                if record["expected"] is not None and PROTOCOLS.get(record["endpoint"]) == protocol:
                    key = (record["group"], record["provider"], record["model"], "sse" in record["response"])
                    found.setdefault(key, []).append({**record, "file": file.name})
    return [sorted(records, key=lambda record: record["seq"]) for records in found.values()]


def play(protocol: str, *, piece: int | None = None) -> dict[str, Facets]:
    """The facets of all exchanges of a protocol, by names that say where each is recorded. With `piece`, only streams,
    whose bodies come in pieces of so many bytes."""
    results: dict[str, Facets] = {}
    for records in groups(protocol):
        if piece is None or "sse" in records[0]["response"]:
            results.update(_Conversation(protocol, records, piece).play())
    return results


class _Conversation:
    """The exchanges of one recorded group, as the responses of one conversation."""

    def __init__(self, protocol: str, records: Sequence[Record], piece: int | None) -> None:
        self._records = records
        self._piece = piece
        self._sent: list[str] = []
        self._record: Record | None = None
        self._streamed = "sse" in records[0]["response"]
        provider = records[0]["provider"]
        own = protocol == "openai:completions" and provider in COMPATIBLE
        llm.reset_provider_registry()  # nothing that a server of the conversation before has taught
        llm.register_provider(
            provider if own else protocol,
            scope=f"{provider}/",
            api_key="key",
            transport=MemoryTransport(self._answer),
        )
        self._model = llm.Model(f"{provider}/{records[0]['model'] or 'model'}")

    def play(self) -> Iterator[tuple[str, Facets]]:
        """Each exchange's name and facets."""
        response, begun = None, 0
        known = json.dumps([record["response"] for record in self._records])
        for record in self._records:
            self._record = record
            chunks, reply, response = self._next(response)
            if record is self._records[-1]:
                self._record = None
                self._next(response)
            sent, begun = self._sent[begun:], len(self._sent)
            yield (
                f"{record['id']} {record['file'].removesuffix('.jsonl.gz')}",
                {
                    "chunks": _without_made_up_ids("\n".join(chunks), known),
                    "reply": _without_made_up_ids(reply, known),
                    "requests": _without_made_up_ids("\n".join(sent), known),
                },
            )

    def _next(self, before: Any) -> tuple[list[str], str, Any]:
        """Chunks and reply of the next response, and the response that a follow-up continues."""
        chunks: list[str] = []
        response = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                response = self._asked(before)
                if self._streamed:
                    chunks += (repr(chunk) for chunk in response.chunk_stream())
            except llm.ProviderError as error:
                return chunks, _error_text(error), before
        return chunks, _reply_text(response), response

    def _asked(self, before: Any) -> Any:
        if before is None:
            return (self._model.stream if self._streamed else self._model.call)("Hi")
        outputs = [
            llm.ToolOutput(id=call.id, name=call.name, result=f"result of {call.name}") for call in before.tool_calls
        ]
        return before.resume([*outputs, FOLLOW_UP])

    def _answer(self, request: Sent) -> Reply:
        self._sent.append(str(request))
        if self._record is None:
            raise llm.ConnectionError("The recording ends here.")
        response = self._record["response"]
        if "sse" in response:
            body, kind = response["sse"].encode(), "text/event-stream"
        elif "body" in response:
            body, kind = json.dumps(response["body"]).encode(), "application/json"
        else:
            body, kind = response.get("text", "").encode(), "text/plain"
        headers = {"content-type": kind, **{name.lower(): value for name, value in response.get("headers", {}).items()}}
        size = self._piece or max(len(body), 1)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        return Reply(pieces, response["status"], headers)


def _reply_text(response: Any) -> str:
    reply = {
        "content": [llm.to_dict(part) for part in response.content],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.raw_finish_reason,
        "usage": response.usage and asdict(response.usage),
        "response_id": response.response_id,
        "provider_model_name": response.provider_model_name,
        "messages": llm.dump_messages(response.messages[-1:]),
    }
    return json.dumps(reply, ensure_ascii=False, indent=1)


def _error_text(error: llm.ProviderError) -> str:
    names = ("status_code", "code", "type", "retry_after", "should_retry", "request_id")
    known: Mapping[str, Any] = {name: getattr(error, name, None) for name in names}
    partial = getattr(error, "partial", None)
    content = [llm.to_dict(part) for part in partial.content] if partial else None
    return json.dumps([type(error).__name__, str(error), known, content], ensure_ascii=False, indent=1)


def _without_made_up_ids(text: str, recorded: str) -> str:
    """A text with a number for each id that the library made up, since the server sent none."""
    made: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        return match[0] if match[0] in recorded else made.setdefault(match[0], f"<made up {len(made)}>")

    return re.sub(r"[0-9a-f]{32}", numbered, text)
