"""Answers of Anthropic's Messages API: see `anthropic` for the requests.

Rules
* A whole answer is decoded as a stream of whole blocks: one state machine for both.
* `raw_message` holds the blocks as they must go back: signatures, citations, encrypted results, blocks yet unknown.
* A call whose arguments are cut off keeps their text in its `ToolCall`. Sent back it has none, since the API takes
  objects only; so it can be answered with an error like any other.
* Deltas that are not known replace the fields that they name.
* A call whose end was left out is complete only if its arguments are a JSON object.
* Blocks are said one after the other, in the order in which they began; one that comes along with another waits.
* Texts and thoughts without a start event begin with their first delta.
* Arguments that cannot be attributed to one call raise `MalformedReply`: no call runs with another call's arguments.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from ..values import content as c
from ..values.chunks import (
    Chunk,
    CitationChunk,
    FinishReason,
    FinishReasonChunk,
    ProviderChunk,
    ProviderToolUsage,
    RawMessageChunk,
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
from . import JsonObject, MalformedReply
from .calls import Arguments, OpenParts, UniqueIds, arguments_text, index_of
from .endings import finish_reason
from .failures import check_failure, read_failure
from .history import arguments_object
from .sse import EventDecoder

__all__ = ["MessagesDecoder"]


class _Block:
    """A block of an answer that is arriving. This class keeps what it does not know; the others also say it.

    `raw` is at first as the start event has it and at the end as it is sent back. `ids` are those of the calls so far.
    """

    takes_arguments: ClassVar[bool] = False

    def __init__(self, raw: Mapping[str, Any], ids: UniqueIds) -> None:
        self.raw: JsonObject = dict(raw)
        self.kind = str(raw.get("type"))
        self.pieces: list[str] = []
        self.waiting: list[Chunk] = []  # what it says before its turn
        self.over = False

    def start(self, chunks: list[Chunk]) -> None:
        pass

    def delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if delta.get("partial_json") and not self.takes_arguments:
            raise MalformedReply(f"arguments came for a block of type {self.kind!r}", str(delta))
        self.raw.update((name, value) for name, value in delta.items() if name != "type")

    def stop(self, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(c.ProviderBlock(kind=self.kind, raw=self.raw)))


class _TextBlock(_Block):
    def __init__(self, raw: Mapping[str, Any], ids: UniqueIds) -> None:
        super().__init__(raw, ids)
        self._citations: list[Mapping[str, Any]] = []

    def start(self, chunks: list[Chunk]) -> None:
        chunks.append(TextStartChunk())
        self._say(self.raw.get("text"), chunks)
        for citation in self.raw.get("citations") or ():
            self._cite(citation, chunks)

    def delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        match delta.get("type"):
            case "text_delta":
                self._say(delta.get("text"), chunks)
            case "citations_delta":
                self._cite(delta["citation"], chunks)
            case _:
                super().delta(delta, chunks)

    def stop(self, chunks: list[Chunk]) -> None:
        self.raw["text"] = "".join(self.pieces)
        if self._citations:
            self.raw["citations"] = self._citations
        chunks.append(TextEndChunk())

    def _say(self, text: str | None, chunks: list[Chunk]) -> None:
        if text:
            self.pieces.append(text)
            chunks.append(TextChunk(text))

    def _cite(self, citation: Mapping[str, Any], chunks: list[Chunk]) -> None:
        self._citations.append(citation)
        chunks.append(CitationChunk(_citation(citation)))


class _ThoughtBlock(_Block):
    def start(self, chunks: list[Chunk]) -> None:
        chunks.append(ThoughtStartChunk())
        self._think(self.raw.get("thinking"), chunks)

    def delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if delta.get("type") == "thinking_delta":
            self._think(delta.get("thinking"), chunks)
        else:
            super().delta(delta, chunks)

    def stop(self, chunks: list[Chunk]) -> None:
        self.raw["thinking"] = "".join(self.pieces)
        chunks.append(ThoughtEndChunk())

    def _think(self, thought: str | None, chunks: list[Chunk]) -> None:
        if thought:
            self.pieces.append(thought)
            chunks.append(ThoughtChunk(thought))


class _ServerCallBlock(_Block):
    """A call of a tool that the provider runs; `_CallBlock` is one for the caller to run.

    The start event of a whole answer has all of its input. In a stream its input is the first part of what the deltas
    say, or all of it."""

    takes_arguments = True

    def __init__(self, raw: Mapping[str, Any], ids: UniqueIds) -> None:
        super().__init__(raw, ids)
        self.start_event = raw
        self.id = self.raw["id"] = ids.take(str(raw.get("id") or ""))
        self.name = str(raw.get("name") or "")
        self.args = Arguments()

    def delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if "partial_json" in delta:
            self.args.add(arguments_text(delta["partial_json"]))
        else:
            super().delta(delta, chunks)

    def stop(self, chunks: list[Chunk]) -> None:
        args = self.end_input()
        chunks.append(ProviderChunk(c.ServerToolCall(id=self.id, name=self.name, args=args, raw=self.raw)))

    def begins_again(self, raw: Mapping[str, Any]) -> bool:
        """Whether the start event of a block tells of the same call."""
        return all(raw.get(name) == self.start_event.get(name) for name in ("type", "id", "name"))

    def end_input(self) -> str:
        """Return the arguments. Raises `MalformedReply` if the start event had others than the deltas."""
        given = self.raw.get("input")
        if given and not isinstance(given, str):
            given = json.dumps(given, ensure_ascii=False)
        if given and not self.args.text:
            self.args.add(given)
        elif given and not self.args.equal(given):
            raise MalformedReply(f"tool call {self.name!r} has arguments twice", given)
        self.raw["input"] = arguments_object(self.args.text)
        return self.args.text or "{}"


class _CallBlock(_ServerCallBlock):
    def start(self, chunks: list[Chunk]) -> None:
        chunks.append(ToolCallStartChunk(self.id, self.name))

    def delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        super().delta(delta, chunks)
        self._say(chunks)

    def stop(self, chunks: list[Chunk]) -> None:
        self.end_input()
        self._say(chunks)
        chunks.append(ToolCallEndChunk(self.id))

    def _say(self, chunks: list[Chunk]) -> None:
        chunks.extend([ToolCallChunk(self.id, piece) for piece in self.args.new_pieces() if piece])


_BLOCKS: dict[str, type[_Block]] = {
    "text": _TextBlock,
    "thinking": _ThoughtBlock,
    "tool_use": _CallBlock,
    "server_tool_use": _ServerCallBlock,
    "mcp_tool_use": _ServerCallBlock,
}


# The blocks that can be told by a delta alone: a call needs its name.
_BLOCKS_OF_DELTAS = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


class MessagesDecoder(EventDecoder):
    """Events in, chunks out. Only `message_stop` proves that an answer is complete."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[object, _Block] = {}  # by index
        self._indexes = OpenParts[object]()  # of these
        self._waiting = OpenParts[object]()  # indexes of calls without arguments so far
        self._ended: set[object] = {None}  # indexes of blocks that have ended; without one it could be any
        self._stray: set[object] = set()  # indexes of arguments that came before their call
        self._line = deque[_Block]()  # what has not been said whole: the first has its turn
        self._content: list[JsonObject] = []
        self._calls: list[_CallBlock] = []
        self._ids = UniqueIds("toolu_")
        self._usage: JsonObject = {}
        self._usage_is_told = True
        self._finish_raw: str | None = None
        self._is_cut = False  # whether the end of a call was left out

    def on_event(self, name: str, text: str, chunks: list[Chunk]) -> None:
        if self.complete:
            return
        if name == "error":
            raise read_failure(None, text.encode())
        event = self.parse(text)
        match event.get("type"):
            case "message_start":
                self._note(event["message"], chunks)
                self._tell_usage(chunks)
            case "content_block_start":
                self._start(self._index(event), event["content_block"], chunks)
            case "content_block_delta":
                self._delta(event, event["delta"], chunks)
            case "content_block_stop":
                self._stop(self._index(event), chunks)
            case "message_delta":
                self._note({**event, **event["delta"]}, chunks)
            case "message_stop":
                self._finish(chunks)
            case _:
                check_failure(event)

    def on_end(self, chunks: list[Chunk]) -> None:
        self._tell_usage(chunks)

    def on_whole(self, body: Any, chunks: list[Chunk]) -> None:
        check_failure(body)
        message: Mapping[str, Any] = body
        if not isinstance(message.get("content"), list):
            raise MalformedReply("the answer has no content", str(message))
        for index, block in enumerate(message["content"]):
            self._start(index, block, chunks)
            self._stop(index, chunks)
        self._note(message, chunks)
        self._finish(chunks)

    def _finish(self, chunks: list[Chunk]) -> None:
        """The answer is whole: say how it ended."""
        if self._stray:
            raise MalformedReply("arguments came without the name of their tool", str(self._stray))
        for index in list(self._open):
            self._cut(index, chunks)
        self._tell_usage(chunks)
        reason = finish_reason(self._finish_raw, (call.args.text for call in self._calls))
        chunks.append(FinishReasonChunk(reason or (FinishReason.UNKNOWN if self._is_cut else None), self._finish_raw))
        chunks.append(RawMessageChunk({"role": "assistant", "content": self._content}))
        self.complete = True

    def _index(self, event: Mapping[str, Any]) -> object:
        """The index of the block that an event is about: of the newest, if it does not say."""
        index = index_of(event.get("index"))
        return self._indexes.newest if index is None else index

    def _voice(self, block: _Block, chunks: list[Chunk]) -> list[Chunk]:
        """Where a block says what it says."""
        return chunks if block is self._line[0] else block.waiting

    def _start(self, index: object, raw: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if index in self._waiting:
            raise MalformedReply("a block begins in place of a tool call that has no arguments yet", str(raw))
        if isinstance(block := self._open.get(index), _ServerCallBlock) and block.begins_again(raw):
            raise MalformedReply("a tool call begins twice", str(raw))
        self._cut(index, chunks)
        self._open[index] = block = _BLOCKS.get(raw["type"], _Block)(raw, self._ids)
        self._indexes.add(index)
        if block.takes_arguments and not raw.get("input"):
            self._waiting.add(index)
        self._line.append(block)
        if isinstance(block, _CallBlock):
            self._calls.append(block)
        block.start(self._voice(block, chunks))

    def _delta(self, event: Mapping[str, Any], delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        index = self._index(event)
        block = self._open.get(index)
        if delta.get("partial_json"):
            if event.get("index") is None and index in self._waiting and len(self._waiting) > 1:
                raise MalformedReply("arguments have no index, and several tool calls wait for theirs", str(delta))
            if block is None and index in self._ended:
                raise MalformedReply("arguments came behind the end of their tool call", str(delta))
            self._waiting.remove(index)
            (self._stray.add if block is None else self._stray.discard)(index)
        kind = _BLOCKS_OF_DELTAS.get(delta.get("type", ""))
        if kind and (block is None or (block.kind != kind and block.kind in _BLOCKS)):
            self._start(index, {"type": kind}, chunks)  # one whose beginning was left out
            block = self._open[index]
        if block is not None:
            block.delta(delta, self._voice(block, chunks))

    def _cut(self, index: object, chunks: list[Chunk]) -> None:
        """Stop a block, if one is open, whose end was left out. A call is complete then if its arguments are."""
        block = self._open.get(index)
        self._stop(index, chunks)
        if isinstance(block, _CallBlock) and finish_reason("", [block.args.text]) is not None:
            self._is_cut = True

    def _stop(self, index: object, chunks: list[Chunk]) -> None:
        if (block := self._open.pop(index, None)) is None:
            return
        self._ended.add(index)
        self._indexes.remove(index)
        self._waiting.remove(index)
        block.stop(self._voice(block, chunks))
        block.over = True
        while self._line and self._line[0].over:
            self._content.append(self._line.popleft().raw)
            if self._line:
                chunks.extend(self._line[0].waiting)

    def _note(self, message: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """What is said about the answer, at its start and again at its end: then totals, which replace the first."""
        if message.get("id") or message.get("model"):
            chunks.append(ResponseInfoChunk(message.get("id"), message.get("model")))
        if usage := message.get("usage"):
            self._usage.update((name, count) for name, count in usage.items() if count is not None)
            self._usage_is_told = False
        self._finish_raw = message.get("stop_reason") or self._finish_raw

    def _tell_usage(self, chunks: list[Chunk]) -> None:
        if not self._usage_is_told:
            self._usage_is_told = True
            chunks.append(UsageChunk(_usage(dict(self._usage))))


def _citation(raw: Mapping[str, Any]) -> c.Citation:
    return c.Citation(
        url=raw.get("url") or raw.get("source"),
        title=raw.get("title") or raw.get("document_title"),
        cited_text=raw.get("cited_text"),
        raw=raw,
    )


def _usage(raw: JsonObject) -> Usage:
    read, written = raw.get("cache_read_input_tokens") or 0, raw.get("cache_creation_input_tokens") or 0
    tools: Mapping[str, int | None] = raw.get("server_tool_use") or {}
    details: Mapping[str, int | None] = raw.get("output_tokens_details") or {}
    return Usage(
        input_tokens=(raw.get("input_tokens") or 0) + read + written,
        output_tokens=raw.get("output_tokens") or 0,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=details.get("thinking_tokens") or 0,
        provider_tool_usage=tuple(
            ProviderToolUsage(name=name.removesuffix("_requests"), call_count=count)
            for name, count in tools.items()
            if count
        ),
        raw=raw,
    )
