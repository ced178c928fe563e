"""The output items of OpenAI's Responses API, decoded from events: see `decoder` for the response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ...types import content as c
from ..codec import JsonObject, MalformedResponseError
from ..finish_reasons import parse_finish_reason
from ..json_parsing import as_object, as_objects
from ..part_writer import PartKind, PartWriter
from ..tool_calls import ArgumentsBuffer, arguments_text

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

    `raw` is the item as it began. `start` handles its start, `add_delta` an event, and `finish` writes the rest.
    """

    def __init__(self, raw: JsonObject, writer: PartWriter) -> None:
        self.raw: JsonObject = raw
        self.writer = writer
        self.kind: str = str(raw.get("type"))

    def start(self) -> None:
        pass

    def add_delta(self, event: JsonObject) -> None:
        pass

    def finish(self, item: JsonObject) -> None:
        self.writer.write_block(self.kind, item)

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

    _part: ClassVar[PartKind]

    def __init__(self, raw: JsonObject, writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self._index = 0  # of the open part, or the next one

    def write(self, index: int, text: str) -> bool:
        """Write more of a part; return false if it must wait. Parts that do not follow the previous one wait until the
        item is done."""
        if index == self._index + 1 and self.writer.open_part:
            self.close_part()
        if index != self._index:
            return False
        if text:
            self.writer.write_delta(self._part, text)
        else:
            self.writer.begin_part(self._part)
        return True

    def write_rest(self, index: int, text: str) -> None:
        """Write what has not been written of a part."""
        so_far = self.writer.open_text if index == self._index else ""
        if text != so_far and text.startswith(so_far):
            self.write(index, text[len(so_far) :])

    def close_part(self) -> None:
        """End the current part, open or not."""
        self.writer.end_part()
        self._index += 1


class _MessageItem(_PartsItem):
    """Texts with their citations. A citation may come after its text, so the next text waits until this one is known to
    be complete."""

    _part = "text"

    def __init__(self, raw: JsonObject, writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self._cited_count = 0
        self._is_part_complete = False  # whether the open part has all its citations

    def write(self, index: int, text: str) -> bool:
        if index > self._index and not self._is_part_complete:
            return False
        return super().write(index, text)

    def add_delta(self, event: JsonObject) -> None:
        index = event.get("content_index") or 0
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta":
                self.write(index, _delta_text(event))
            case "response.output_text.annotation.added" if annotation := as_object(event.get("annotation")):
                if self.write(index, ""):
                    self._write_citations([annotation])
            case "response.content_part.done" if self.writer.open_part and index == self._index:
                self._write_part(index, as_object(event.get("part")))
                self._is_part_complete = True
            case _:
                pass

    def close_part(self) -> None:
        super().close_part()
        self._cited_count = 0
        self._is_part_complete = False

    def finish(self, item: JsonObject) -> None:
        for index, part in enumerate(as_objects(item.get("content"))):
            if index < self._index:
                continue
            if not self._write_part(index, part) and part.get("type") not in ("output_text", "refusal"):
                self.writer.write_block(part.get("type"), part)
            self.close_part()
        self.writer.end_part()

    def _write_part(self, index: int, part: JsonObject) -> bool:
        """Write what is missing of a part; return whether it is text."""
        text = part.get("text") or part.get("refusal")
        if not isinstance(text, str):
            return False
        self.write_rest(index, text)
        if annotations := as_objects(part.get("annotations"))[self._cited_count :]:
            self.write(index, "")
            self._write_citations(annotations)
        return True

    def _write_citations(self, annotations: Sequence[JsonObject]) -> None:
        self._cited_count += len(annotations)
        for annotation in annotations:
            self.writer.write_citation(_decode_citation(annotation))


class _ReasoningItem(_PartsItem):
    """The thoughts themselves, or their summaries if there are none, as for most models. Thoughts come before their
    summaries, so a stream, which writes what comes first, gives the same as the non-streamed response."""

    _part = "thought"
    _FIELDS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "response.reasoning_summary_text.delta": ("summary", "summary_index"),
        "response.reasoning_text.delta": ("content", "content_index"),
    }

    def __init__(self, raw: JsonObject, writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self._field: str | None = None

    def add_delta(self, event: JsonObject) -> None:
        field, index = self._FIELDS.get(event["type"], (None, ""))
        if field and self._field in (None, field):
            self._field = field
            self.write(event.get(index) or 0, _delta_text(event))

    def finish(self, item: JsonObject) -> None:
        field = self._field or ("content" if item.get("content") else "summary")
        for index, part in enumerate(as_objects(item.get(field))):
            if index >= self._index:
                self.write_rest(index, part.get("text") or "")
                self.close_part()
        self.writer.end_part()


class _CallItem(OutputItem):
    """A call for the caller to run. It begins once its id and name are known. Later data that belongs to another call
    raises `MalformedResponseError`."""

    def __init__(self, raw: JsonObject, writer: PartWriter) -> None:
        super().__init__(raw, writer)
        self._id = ""
        self._args = ArgumentsBuffer()

    def start(self) -> None:
        if self.raw.get("call_id") and self.raw.get("name"):
            self._write_start(self.raw)

    def add_delta(self, event: JsonObject) -> None:
        if event["type"] in _ARGUMENT_DELTAS:
            self._args.add(arguments_text(event.get("delta")))
        elif field := _ARGUMENT_ENDS.get(event["type"]):
            self._add_missing_args(arguments_text(event.get(field)))
        if self._id:
            self.writer.write_arguments(self._id, self._args)

    def finish(self, item: JsonObject) -> None:
        if has_run_in_container(item):
            self.writer.write_provider_part(_decode_server_call(item))
            return
        for field in ("call_id", "name"):
            if self.raw.get(field) and item.get(field) and self.raw[field] != item[field]:
                raise MalformedResponseError(
                    f"a tool call changed its {field} from {self.raw[field]!r}", str(item[field])
                )
        if item is not self.raw or item_arguments(item) != "{}":  # a call may begin with "{}"
            self._add_missing_args(item_arguments(item))
        if not self._id:
            self._write_start({**self.raw, **{name: value for name, value in item.items() if value}})
        self.writer.end_call(self._id, self._args)

    @property
    def has_enough_content(self) -> bool:
        return bool(self._args.text) or item_arguments(self.raw) not in ("", "{}")

    @property
    def is_complete(self) -> bool:
        return (
            self.has_enough_content and parse_finish_reason("", [self._args.text or item_arguments(self.raw)]) is None
        )

    def _write_start(self, item: JsonObject) -> None:
        self._id = self.writer.ids.make_unique(str(item.get("call_id") or item.get("id") or ""))
        self.writer.begin_call(self._id, str(item.get("name") or self.kind))

    def _add_missing_args(self, args: str) -> None:
        """Add the rest of the complete arguments."""
        if not args or self._args.has_same_value(args):
            return
        so_far = self._args.text
        if not args.startswith(so_far):
            raise MalformedResponseError("the final arguments of a tool call differ from its deltas", args)
        self._args.add(args[len(so_far) :])


class _ServerCallItem(OutputItem):
    def finish(self, item: JsonObject) -> None:
        self.writer.write_provider_part(_decode_server_call(item))


def has_run_in_container(item: JsonObject) -> bool:
    """Return whether a call ran in the provider's container."""
    return item.get("type") == "shell_call" and as_object(item.get("environment")).get("type") == "container_reference"


def make_item(raw: JsonObject, writer: PartWriter) -> OutputItem:
    """Return the output item that begins with `raw`."""
    kind = raw.get("type")
    if kind in CLIENT_CALLS:
        return _CallItem(raw, writer)
    if kind in SERVER_CALLS:
        return _ServerCallItem(raw, writer)
    return {"message": _MessageItem, "reasoning": _ReasoningItem}.get(str(kind), OutputItem)(raw, writer)


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
