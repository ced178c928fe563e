"""Responses of Anthropic's Messages API: see `codec` for the requests.

Rules
* A non-streamed response is decoded as a stream of complete blocks: one state machine for both.
* `raw_message` holds the blocks as they must go back: signatures, citations, encrypted results, unknown blocks.
* A call whose arguments are truncated keeps their text in its `ToolCall`. It is sent back without arguments, since the
  API accepts only objects; so it can get an error result like any other call.
* Unknown deltas replace the fields that they name.
* A call without its stop event is complete only if its arguments are a JSON object.
* Chunks follow the order in which blocks began; a block that arrives beside an earlier, open one waits.
* Texts and thoughts without a start event begin with their first delta.
* Arguments that cannot be attributed to one call raise `MalformedResponseError`: no call runs with another call's
  arguments.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from ...types import content as c
from ...types.chunks import FinishReason, ProviderToolUsage, Usage, UsageChunk
from ..codec import JsonObject, MalformedResponseError
from ..error_bodies import parse_error_body, raise_for_error
from ..finish_reasons import parse_finish_reason
from ..message_encoding import arguments_object
from ..part_writer import PartKind, PartWriter
from ..sse import EventDecoder
from ..tool_calls import ArgumentsBuffer, OpenParts, arguments_text, normalize_index


class _Block:
    """A block of a response that is still arriving. This class keeps unknown blocks; subclasses also write text,
    thoughts and calls.

    `raw` is first the content of the start event and at the end the form to send back. `writer` gets its chunks: one of
    its own while an earlier block is open.
    """

    takes_arguments: ClassVar[bool] = False

    def __init__(self, raw: Mapping[str, Any], writer: PartWriter) -> None:
        self.raw: JsonObject = dict(raw)
        self.kind = str(raw.get("type"))
        self.writer = writer
        self.is_ended = False

    def start(self) -> None:
        pass

    def add_delta(self, delta: Mapping[str, Any]) -> None:
        if delta.get("partial_json") and not self.takes_arguments:
            raise MalformedResponseError(f"arguments came for a block of type {self.kind!r}", str(delta))
        self.raw.update((name, value) for name, value in delta.items() if name != "type")

    def finish(self) -> None:
        self.writer.write_block(self.kind, self.raw)


class _PartBlock(_Block):
    """A text with its citations, or a thought. Its type is also the name of its field: "text" or "thinking"."""

    def __init__(self, raw: Mapping[str, Any], writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self._part: PartKind = "text" if self.kind == "text" else "thought"
        self._citations: list[Mapping[str, Any]] = []

    def start(self) -> None:
        self.writer.begin_part(self._part)
        self.writer.write_delta(self._part, self.raw.get(self.kind) or "")
        for citation in self.raw.get("citations") or ():
            self._write_citation(citation)

    def add_delta(self, delta: Mapping[str, Any]) -> None:
        match delta.get("type"):
            case "text_delta" | "thinking_delta":
                self.writer.write_delta(self._part, delta.get(self.kind) or "")
            case "citations_delta":
                self._write_citation(delta["citation"])
            case _:
                super().add_delta(delta)

    def finish(self) -> None:
        self.raw[self.kind] = self.writer.open_text
        if self._citations:
            self.raw["citations"] = self._citations
        self.writer.end_part()

    def _write_citation(self, citation: Mapping[str, Any]) -> None:
        self._citations.append(citation)
        self.writer.write_citation(_decode_citation(citation))


class _ServerCallBlock(_Block):
    """A call of a tool that the provider runs; `_CallBlock` is one for the caller to run.

    The start event of a non-streamed response has all of its input. In a stream its input is the first part of what the
    deltas bring, or all of it.
    """

    takes_arguments = True

    def __init__(self, raw: Mapping[str, Any], writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self.start_event = raw
        self.id = self.raw["id"] = writer.ids.make_unique(str(raw.get("id") or ""))
        self.name = str(raw.get("name") or "")
        self.args = ArgumentsBuffer()

    def add_delta(self, delta: Mapping[str, Any]) -> None:
        if "partial_json" in delta:
            self.args.add(arguments_text(delta["partial_json"]))
        else:
            super().add_delta(delta)

    def finish(self) -> None:
        args = self.end_input()
        self.writer.write_provider_part(c.ServerToolCall(id=self.id, name=self.name, args=args, raw=self.raw))

    def is_repeated_by(self, raw: Mapping[str, Any]) -> bool:
        """Return whether a block's start event repeats this call's."""
        return all(raw.get(name) == self.start_event.get(name) for name in ("type", "id", "name"))

    def end_input(self) -> str:
        """Return the arguments. Raises `MalformedResponseError` if the start event had others than the deltas."""
        start_input = self.raw.get("input")
        if start_input and not isinstance(start_input, str):
            start_input = json.dumps(start_input, ensure_ascii=False)
        if start_input and not self.args.text:
            self.args.add(start_input)
        elif start_input and not self.args.has_same_value(start_input):
            reason = f"tool call {self.name!r} has different arguments in its start event and its deltas"
            raise MalformedResponseError(reason, start_input)
        self.raw["input"] = arguments_object(self.args.text)
        return self.args.text or "{}"


class _CallBlock(_ServerCallBlock):
    def start(self) -> None:
        self.writer.begin_call(self.id, self.name)

    def add_delta(self, delta: Mapping[str, Any]) -> None:
        super().add_delta(delta)
        self.writer.write_arguments(self.id, self.args)

    def finish(self) -> None:
        self.end_input()
        self.writer.end_call(self.id, self.args)


_BLOCK_TYPES: dict[str, type[_Block]] = {
    "text": _PartBlock,
    "thinking": _PartBlock,
    "tool_use": _CallBlock,
    "server_tool_use": _ServerCallBlock,
    "mcp_tool_use": _ServerCallBlock,
}


# The blocks that a delta alone identifies: a call needs its name.
_BLOCK_BY_DELTA = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


class MessagesDecoder(EventDecoder):
    """Decodes events to chunks. Only `message_stop` proves that a response is complete."""

    def __init__(self) -> None:
        super().__init__("toolu_")
        self._open_blocks: dict[object, _Block] = {}  # by index
        self._open_indexes = OpenParts[object]()
        self._indexes_without_args = OpenParts[object]()  # open calls without arguments so far
        self._ended_indexes: set[object] = {None}  # of blocks that have ended; `None` could be any of them
        self._stray_indexes: set[object] = set()  # indexes of arguments that came before their call
        self._queue = deque[_Block]()  # blocks that are not fully written; the first is written now
        self._content: list[JsonObject] = []
        self._calls: list[_CallBlock] = []
        self._usage: JsonObject = {}
        self._is_usage_written = True
        self._raw_finish_reason: str | None = None
        self._is_truncated = False  # a call had no stop event and its arguments are incomplete

    def on_event(self, name: str, text: str) -> None:
        if self.is_complete:
            return
        if name == "error":
            raise parse_error_body(None, text.encode())
        event = self.parse_event(text)
        match event.get("type"):
            case "message_start":
                self._note_message(event["message"])
                self._write_usage()
            case "content_block_start":
                self._start_block(self._block_index(event), event["content_block"])
            case "content_block_delta":
                self._decode_delta(event, event["delta"])
            case "content_block_stop":
                self._stop_block(self._block_index(event))
            case "message_delta":
                self._note_message({**event, **event["delta"]})
            case "message_stop":
                self._finish()
            case _:
                raise_for_error(event)

    def on_end(self) -> None:
        self._write_usage()

    def on_response(self, body: Any) -> None:
        raise_for_error(body)
        message: Mapping[str, Any] = body
        if not isinstance(message.get("content"), list):
            raise MalformedResponseError("the response has no content", str(message))
        for index, block in enumerate(message["content"]):
            self._start_block(index, block)
            self._stop_block(index)
        self._note_message(message)
        self._finish()

    def _finish(self) -> None:
        """End the complete response: write usage, finish reason and raw message."""
        if self._stray_indexes:
            raise MalformedResponseError("arguments came without the name of their tool", str(self._stray_indexes))
        for index in list(self._open_blocks):
            self._stop_without_event(index)
        self._write_usage()
        reason = parse_finish_reason(self._raw_finish_reason, (call.args.text for call in self._calls))
        reason = reason or (FinishReason.UNKNOWN if self._is_truncated else None)
        self.complete(reason, self._raw_finish_reason, {"role": "assistant", "content": self._content})

    def _block_index(self, event: Mapping[str, Any]) -> object:
        """Return the index of the block that an event is about; of the newest block if the event has none."""
        index = normalize_index(event.get("index"))
        return self._open_indexes.newest if index is None else index

    def _start_block(self, index: object, raw: Mapping[str, Any]) -> None:
        if index in self._indexes_without_args:
            raise MalformedResponseError("a block begins in place of a tool call that has no arguments yet", str(raw))
        if isinstance(block := self._open_blocks.get(index), _ServerCallBlock) and block.is_repeated_by(raw):
            raise MalformedResponseError("a tool call begins twice", str(raw))
        self._stop_without_event(index)
        writer = PartWriter(self.writer.ids) if self._queue else self.writer
        self._open_blocks[index] = block = _BLOCK_TYPES.get(raw["type"], _Block)(raw, writer)
        self._open_indexes.add(index)
        if block.takes_arguments and not raw.get("input"):
            self._indexes_without_args.add(index)
        self._queue.append(block)
        if isinstance(block, _CallBlock):
            self._calls.append(block)
        block.start()

    def _decode_delta(self, event: Mapping[str, Any], delta: Mapping[str, Any]) -> None:
        index = self._block_index(event)
        block = self._open_blocks.get(index)
        if delta.get("partial_json"):
            if (
                event.get("index") is None
                and index in self._indexes_without_args
                and len(self._indexes_without_args) > 1
            ):
                raise MalformedResponseError(
                    "arguments have no index, and several tool calls have no arguments yet", str(delta)
                )
            if block is None and index in self._ended_indexes:
                raise MalformedResponseError("arguments came after the end of their tool call", str(delta))
            self._indexes_without_args.remove(index)
            (self._stray_indexes.add if block is None else self._stray_indexes.discard)(index)
        kind = _BLOCK_BY_DELTA.get(delta.get("type", ""))
        if kind and (block is None or (block.kind != kind and block.kind in _BLOCK_TYPES)):
            self._start_block(index, {"type": kind})  # its start event was left out
            block = self._open_blocks[index]
        if block is not None:
            block.add_delta(delta)

    def _stop_without_event(self, index: object) -> None:
        """Stop a block, if one is open, whose stop event was left out. A call is complete then if its arguments are."""
        block = self._open_blocks.get(index)
        self._stop_block(index)
        if isinstance(block, _CallBlock) and parse_finish_reason("", [block.args.text]) is not None:
            self._is_truncated = True

    def _stop_block(self, index: object) -> None:
        if (block := self._open_blocks.pop(index, None)) is None:
            return
        self._ended_indexes.add(index)
        self._open_indexes.remove(index)
        self._indexes_without_args.remove(index)
        block.finish()
        block.is_ended = True
        while self._queue and self._queue[0].is_ended:
            self._content.append(self._queue.popleft().raw)
            if self._queue:
                self.writer.continue_from(self._queue[0].writer)
                self._queue[0].writer = self.writer

    def _note_message(self, message: Mapping[str, Any]) -> None:
        """Keep the fields of the message, sent at the start and again at the end: then they are totals, which replace
        the first."""
        self.note_info(message.get("id"), message.get("model"))
        if usage := message.get("usage"):
            self._usage.update((name, count) for name, count in usage.items() if count is not None)
            self._is_usage_written = False
        self._raw_finish_reason = message.get("stop_reason") or self._raw_finish_reason

    def _write_usage(self) -> None:
        if not self._is_usage_written:
            self._is_usage_written = True
            self.writer.write(UsageChunk(_decode_usage(dict(self._usage))))


def _decode_citation(raw: Mapping[str, Any]) -> c.Citation:
    return c.Citation(
        url=raw.get("url") or raw.get("source"),
        title=raw.get("title") or raw.get("document_title"),
        cited_text=raw.get("cited_text"),
        raw=raw,
    )


def _decode_usage(raw: JsonObject) -> Usage:
    cache_read, cache_write = raw.get("cache_read_input_tokens") or 0, raw.get("cache_creation_input_tokens") or 0
    tools: Mapping[str, int | None] = raw.get("server_tool_use") or {}
    details: Mapping[str, int | None] = raw.get("output_tokens_details") or {}
    return Usage(
        input_tokens=(raw.get("input_tokens") or 0) + cache_read + cache_write,
        output_tokens=raw.get("output_tokens") or 0,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=details.get("thinking_tokens") or 0,
        provider_tool_usage=tuple(
            ProviderToolUsage(name=name.removesuffix("_requests"), call_count=count)
            for name, count in tools.items()
            if count
        ),
        raw=raw,
    )
