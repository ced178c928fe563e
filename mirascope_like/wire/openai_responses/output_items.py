"""The output items of OpenAI's Responses API, decoded from events: see `decoder` for the response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ...types import content as c
from ...types.chunks import (
    Chunk,
    CitationChunk,
    ProviderChunk,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from ..codec import JsonObject, MalformedResponseError
from ..finish_reasons import parse_finish_reason
from ..json_parsing import as_object, as_objects
from ..tool_calls import ArgumentsBuffer, UniqueIds, arguments_text

__all__ = [
    "ARGUMENT_EVENTS",
    "CLIENT_CALLS",
    "SERVER_CALLS",
    "OutputItem",
    "has_run_in_container",
    "item_arguments",
    "make_item",
]

_ARGUMENT_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_ARGUMENT_ENDS = {"response.function_call_arguments.done": "arguments", "response.custom_tool_call_input.done": "input"}
ARGUMENT_EVENTS = frozenset((*_ARGUMENT_DELTAS, *_ARGUMENT_ENDS))
"""The events that carry arguments of calls."""

# Calls for the caller to run. The provider's own tools among them have their arguments in other fields than functions.
CLIENT_CALLS = frozenset(
    ("function_call", "custom_tool_call", "shell_call", "local_shell_call", "apply_patch_call", "computer_call")
)
SERVER_CALLS = frozenset(
    (
        "web_search_call",
        "x_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "tool_search_call",
    )
)
_ARGUMENT_FIELDS = ("arguments", "input", "action", "actions", "operation")
_OTHER_ARGUMENT_FIELDS = ("queries", "code", "revised_prompt")


class OutputItem:
    """The output item that is written now. This class keeps unknown items; subclasses write text, thoughts and calls.

    `raw` is the item as it began. `begin` handles its start, `delta` an event, and `done` writes the rest.
    """

    def __init__(self, raw: JsonObject) -> None:
        self.raw: JsonObject = raw
        self.kind: str = str(raw.get("type"))

    def start(self, chunks: list[Chunk]) -> None:
        pass

    def add_delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        pass

    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(c.ProviderBlock(kind=self.kind, raw=item)))

    @property
    def has_enough_content(self) -> bool:
        """Whether the item can be used as far as it came, if others were complete and it was not."""
        return True

    @property
    def is_complete(self) -> bool:
        """Whether the item can be acted on as far as it came."""
        return True


class _PartsItem(OutputItem):
    """An item with consecutive parts of text or thought."""

    _start: ClassVar[type[TextStartChunk | ThoughtStartChunk]]
    _piece: ClassVar[type[TextChunk | ThoughtChunk]]
    _end: ClassVar[type[TextEndChunk | ThoughtEndChunk]]

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._index = 0  # of the open part, or the next one
        self._is_open = False
        self._pieces: list[str] = []
        self._length = 0  # characters of the open part so far

    def write(self, index: int, text: str, chunks: list[Chunk]) -> bool:
        """Write more of a part; return false if it must wait. Parts that do not follow the previous one wait until the
        item is done."""
        if self._is_open and index == self._index + 1:
            self.close_part(chunks)
        if index != self._index:
            return False
        if not self._is_open:
            self._is_open = True
            chunks.append(self._start())
        if text:
            self._pieces.append(text)
            self._length += len(text)
            chunks.append(self._piece(text))
        return True

    def write_rest(self, index: int, text: str, chunks: list[Chunk]) -> None:
        """Write what has not been written of a part."""
        is_open = self._is_open and index == self._index
        length = self._length if is_open else 0
        if len(text) > length and (not is_open or text.startswith("".join(self._pieces))):
            self.write(index, text[length:], chunks)

    def close_part(self, chunks: list[Chunk]) -> None:
        """End the current part, open or not."""
        if self._is_open:
            chunks.append(self._end())
        self._is_open = False
        self._pieces = []
        self._length = 0
        self._index += 1


class _MessageItem(_PartsItem):
    """Texts with their citations. A citation may come after its text, so the next text waits until this one is known to
    be complete."""

    _start, _piece, _end = TextStartChunk, TextChunk, TextEndChunk

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._cited_count = 0
        self._is_part_complete = False  # whether the open part has all its citations

    def write(self, index: int, text: str, chunks: list[Chunk]) -> bool:
        if index > self._index and not self._is_part_complete:
            return False
        return super().write(index, text, chunks)

    def add_delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        index = event.get("content_index") or 0
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta":
                self.write(index, _delta_text(event), chunks)
            case "response.output_text.annotation.added" if annotation := as_object(event.get("annotation")):
                if self.write(index, "", chunks):
                    self._write_citations([annotation], chunks)
            case "response.content_part.done" if self._is_open and index == self._index:
                self._write_part(index, as_object(event.get("part")), chunks)
                self._is_part_complete = True
            case _:
                pass

    def close_part(self, chunks: list[Chunk]) -> None:
        super().close_part(chunks)
        self._cited_count = 0
        self._is_part_complete = False

    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        for index, part in enumerate(as_objects(item.get("content"))):
            if index < self._index:
                continue
            if not self._write_part(index, part, chunks) and part.get("type") not in ("output_text", "refusal"):
                chunks.append(ProviderChunk(c.ProviderBlock(kind=str(part.get("type")), raw=part)))
            self.close_part(chunks)
        if self._is_open:
            self.close_part(chunks)

    def _write_part(self, index: int, part: JsonObject, chunks: list[Chunk]) -> bool:
        """Write what is missing of a part; return whether it is text."""
        text = part.get("text") or part.get("refusal")
        if not isinstance(text, str):
            return False
        self.write_rest(index, text, chunks)
        if annotations := as_objects(part.get("annotations"))[self._cited_count :]:
            self.write(index, "", chunks)
            self._write_citations(annotations, chunks)
        return True

    def _write_citations(self, annotations: Sequence[JsonObject], chunks: list[Chunk]) -> None:
        self._cited_count += len(annotations)
        chunks.extend(CitationChunk(_decode_citation(annotation)) for annotation in annotations)


class _ReasoningItem(_PartsItem):
    """The thoughts themselves, or their summaries if there are none, as for most models. Thoughts come before their
    summaries, so a stream, which writes what comes first, gives the same as the non-streamed response."""

    _start, _piece, _end = ThoughtStartChunk, ThoughtChunk, ThoughtEndChunk
    _FIELDS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "response.reasoning_summary_text.delta": ("summary", "summary_index"),
        "response.reasoning_text.delta": ("content", "content_index"),
    }

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._field: str | None = None

    def add_delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        field, index = self._FIELDS.get(event["type"], (None, ""))
        if field and self._field in (None, field):
            self._field = field
            self.write(event.get(index) or 0, _delta_text(event), chunks)

    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        field = self._field or ("content" if item.get("content") else "summary")
        for index, part in enumerate(as_objects(item.get(field))):
            if index >= self._index:
                self.write_rest(index, part.get("text") or "", chunks)
                self.close_part(chunks)
        if self._is_open:
            self.close_part(chunks)


class _CallItem(OutputItem):
    """A call for the caller to run. It begins once its id and name are known. Later data that belongs to another call
    raises `MalformedResponseError`."""

    def __init__(self, raw: JsonObject, ids: UniqueIds) -> None:
        super().__init__(raw)
        self._ids = ids
        self._id = ""
        self._args = ArgumentsBuffer()

    def start(self, chunks: list[Chunk]) -> None:
        if self.raw.get("call_id") and self.raw.get("name"):
            self._write_start(self.raw, chunks)

    def add_delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        if event["type"] in _ARGUMENT_DELTAS:
            self._args.add(arguments_text(event.get("delta")))
        elif field := _ARGUMENT_ENDS.get(event["type"]):
            self._add_missing_args(arguments_text(event.get(field)))
        if self._id:
            self._write_args(chunks)

    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        if has_run_in_container(item):
            chunks.append(ProviderChunk(_decode_server_call(item)))
            return
        for field in ("call_id", "name"):
            if self.raw.get(field) and item.get(field) and self.raw[field] != item[field]:
                raise MalformedResponseError(
                    f"a tool call changed its {field} from {self.raw[field]!r}", str(item[field])
                )
        if item is not self.raw or item_arguments(item) != "{}":  # a call may begin with "{}"
            self._add_missing_args(item_arguments(item))
        if not self._id:
            self._write_start({**self.raw, **{name: value for name, value in item.items() if value}}, chunks)
        self._write_args(chunks)
        chunks.append(ToolCallEndChunk(self._id))

    @property
    def has_enough_content(self) -> bool:
        return bool(self._args.text) or item_arguments(self.raw) not in ("", "{}")

    @property
    def is_complete(self) -> bool:
        return (
            self.has_enough_content and parse_finish_reason("", [self._args.text or item_arguments(self.raw)]) is None
        )

    def _write_start(self, item: JsonObject, chunks: list[Chunk]) -> None:
        self._id = self._ids.make_unique(str(item.get("call_id") or item.get("id") or ""))
        chunks.append(ToolCallStartChunk(self._id, str(item.get("name") or self.kind)))

    def _add_missing_args(self, args: str) -> None:
        """Add the rest of the complete arguments."""
        if not args or self._args.has_same_value(args):
            return
        so_far = self._args.text
        if not args.startswith(so_far):
            raise MalformedResponseError("the final arguments of a tool call differ from its deltas", args)
        self._args.add(args[len(so_far) :])

    def _write_args(self, chunks: list[Chunk]) -> None:
        chunks.extend([ToolCallChunk(self._id, piece) for piece in self._args.take_new_pieces() if piece])


class _ServerCallItem(OutputItem):
    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(_decode_server_call(item)))


def has_run_in_container(item: JsonObject) -> bool:
    """Return whether a call ran in the provider's container."""
    return item.get("type") == "shell_call" and as_object(item.get("environment")).get("type") == "container_reference"


def make_item(raw: JsonObject, ids: UniqueIds) -> OutputItem:
    """Return the output item that begins with `raw`. `ids` holds the ids of the response's calls."""
    kind = raw.get("type")
    if kind == "message":
        return _MessageItem(raw)
    if kind == "reasoning":
        return _ReasoningItem(raw)
    if kind in CLIENT_CALLS:
        return _CallItem(raw, ids)
    return (_ServerCallItem if kind in SERVER_CALLS else OutputItem)(raw)


def _decode_server_call(item: JsonObject) -> c.ServerToolCall:
    kind = str(item["type"])
    return c.ServerToolCall(
        id=str(item.get("call_id") or item.get("id") or ""),
        name=str(item.get("name") or kind.removesuffix("_call")),
        args=item_arguments(item) or "{}",
        raw=item,
    )


def item_arguments(item: JsonObject) -> str:
    """Return a call's arguments as JSON text (for a custom tool, any text)."""
    arguments = next((item[name] for name in _ARGUMENT_FIELDS if item.get(name)), None)
    if isinstance(arguments, str):
        return arguments
    value: object = arguments or {name: item[name] for name in _OTHER_ARGUMENT_FIELDS if item.get(name)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def _delta_text(event: JsonObject) -> str:
    delta: object = event.get("delta") or ""
    if not isinstance(delta, str):
        raise TypeError("a delta is not text")
    return delta


def _decode_citation(annotation: JsonObject) -> c.Citation:
    title = annotation.get("title") or annotation.get("filename")
    return c.Citation(url=annotation.get("url"), title=title, cited_text=annotation.get("quote"), raw=annotation)
