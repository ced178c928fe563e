"""OpenAI's Responses API, and the servers that speak it (Azure, xAI, DeepSeek, OpenRouter, Bedrock): answers.

Source: platform.openai.com/docs/api-reference/responses-streaming, and recorded traffic for what others make of it.

Rules
* Output items are said one after the other, in the order of the answer. Deltas are said as they come while their item
  has its turn; what is done early, or was never streamed, is said when its turn comes, at the latest when the last
  event brings the whole answer. So a stream that is read from its middle says nothing until then, and then everything.
* Where the last event does not bring the answer, what was heard of items that were not done is kept.
* A whole answer is decoded as that last event: one way to say an item for both.
* `raw_message` is the list of output items as the server wrote them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os import urandom
from typing import Any, ClassVar, cast

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
from . import JsonObject, MalformedReply, ReportedError
from .endings import finish_reason
from .failures import check_failure, reported
from .sse import EventDecoder

__all__ = ["ResponsesDecoder"]

# Calls that the caller answers. The provider's own among them say in other fields than a function's what is to be done.
_CLIENT_CALLS = frozenset(
    ("function_call", "custom_tool_call", "shell_call", "local_shell_call", "apply_patch_call", "computer_call")
)
_SERVER_CALLS = frozenset(
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
_ARGS = ("arguments", "input", "action", "actions", "operation")
_OTHER_ARGS = ("queries", "code", "revised_prompt")

# The items that can be told by a delta alone: a call would need its name.
_ITEMS_OF_DELTAS = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}


class _Item:
    """An output item that has its turn. This class keeps what it does not know; the others say it.

    `raw` is the item as it began. `begin` says that it did, `delta` what an event brings, `done` all that has not been
    said yet.
    """

    def __init__(self, raw: JsonObject) -> None:
        self.raw = raw
        self.kind = str(raw.get("type"))

    def begin(self, chunks: list[Chunk]) -> None:
        pass

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        pass

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(c.ProviderBlock(kind=self.kind, raw=item)))


class _Parts(_Item):
    """An item that has texts or thoughts, one after the other."""

    _start: ClassVar[type[TextStartChunk | ThoughtStartChunk]]
    _piece: ClassVar[type[TextChunk | ThoughtChunk]]
    _end: ClassVar[type[TextEndChunk | ThoughtEndChunk]]

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._index = 0  # of the part that is open, or the next
        self._open = False
        self._said: list[str] = []

    def say(self, index: int, text: str, chunks: list[Chunk]) -> bool:
        """Say more of a part. Parts that do not follow the one before wait until the item is done."""
        if self._open and index == self._index + 1:
            self.close(chunks)
        if index != self._index:
            return False
        if not self._open:
            self._open = True
            chunks.append(self._start())
        if text:
            self._said.append(text)
            chunks.append(self._piece(text))
        return True

    def say_rest(self, index: int, text: str, chunks: list[Chunk]) -> None:
        """Say what has not been said of a part."""
        said = "".join(self._said) if self._open and index == self._index else ""
        if text.startswith(said) and text != said:
            self.say(index, text[len(said) :], chunks)

    def close(self, chunks: list[Chunk]) -> None:
        """The part that is next to say, open or not, is complete."""
        if self._open:
            chunks.append(self._end())
        self._open = False
        self._said = []
        self._index += 1


class _Message(_Parts):
    """Texts with their sources. Since a source may come after its text, the next text waits until this one is known to
    be whole."""

    _start, _piece, _end = TextStartChunk, TextChunk, TextEndChunk

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._cited = 0
        self._whole = False  # whether the open part has all its sources

    def say(self, index: int, text: str, chunks: list[Chunk]) -> bool:
        if index > self._index and not self._whole:
            return False
        return super().say(index, text, chunks)

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        index = event.get("content_index") or 0
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta":
                self.say(index, event.get("delta") or "", chunks)
            case "response.output_text.annotation.added" if annotation := _object(event.get("annotation")):
                if self.say(index, "", chunks):
                    self._cite([annotation], chunks)
            case "response.content_part.done" if self._open and index == self._index:
                self._say_part(index, _object(event.get("part")), chunks)
                self._whole = True
            case _:
                pass

    def close(self, chunks: list[Chunk]) -> None:
        super().close(chunks)
        self._cited = 0
        self._whole = False

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        for index, part in enumerate(_objects(item.get("content"))):
            if index < self._index:
                continue
            if not self._say_part(index, part, chunks) and part.get("type") not in ("output_text", "refusal"):
                chunks.append(ProviderChunk(c.ProviderBlock(kind=str(part.get("type")), raw=part)))
            self.close(chunks)
        if self._open:
            self.close(chunks)

    def _say_part(self, index: int, part: JsonObject, chunks: list[Chunk]) -> bool:
        """Say what has not been said of a part, if it is a text."""
        text = part.get("text") or part.get("refusal")
        if not isinstance(text, str):
            return False
        self.say_rest(index, text, chunks)
        if annotations := _objects(part.get("annotations"))[self._cited :]:
            self.say(index, "", chunks)
            self._cite(annotations, chunks)
        return True

    def _cite(self, annotations: Sequence[JsonObject], chunks: list[Chunk]) -> None:
        self._cited += len(annotations)
        chunks.extend(CitationChunk(_citation(annotation)) for annotation in annotations)


class _Reasoning(_Parts):
    """The thoughts themselves; their summaries where there are none, as of most models. Thoughts come before what sums
    them up: so a stream, which says what comes first, says what the whole answer does."""

    _start, _piece, _end = ThoughtStartChunk, ThoughtChunk, ThoughtEndChunk
    _FIELDS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "response.reasoning_summary_text.delta": ("summary", "summary_index"),
        "response.reasoning_text.delta": ("content", "content_index"),
    }

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._field: str | None = None

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        field, index = self._FIELDS.get(event["type"], (None, ""))
        if field and self._field in (None, field):
            self._field = field
            self.say(event.get(index) or 0, event.get("delta") or "", chunks)

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        field = self._field or ("content" if item.get("content") else "summary")
        for index, part in enumerate(_objects(item.get(field))):
            if index >= self._index:
                self.say_rest(index, part.get("text") or "", chunks)
                self.close(chunks)
        if self._open:
            self.close(chunks)


class _Call(_Item):
    """A call for the caller to run."""

    _DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._id = ""
        self._said: list[str] = []

    def begin(self, chunks: list[Chunk]) -> None:
        if self.raw.get("call_id") and self.raw.get("name"):
            self._say(self.raw, "", chunks)

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        if event["type"] in self._DELTAS and self._id:
            self._say(self.raw, event.get("delta") or "", chunks)

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        if self.kind == "shell_call" and _object(item.get("environment")).get("type") == "container_reference":
            chunks.append(ProviderChunk(_server_call(item)))  # it ran in the provider's container
            return
        args, said = _args(item), "".join(self._said)
        self._say(item, args[len(said) :] if args.startswith(said) else "", chunks)
        chunks.append(ToolCallEndChunk(self._id))

    def _say(self, item: JsonObject, args: str, chunks: list[Chunk]) -> None:
        if not self._id:
            self._id = str(item.get("call_id") or item.get("id") or f"call_{urandom(16).hex()}")
            chunks.append(ToolCallStartChunk(self._id, str(item.get("name") or self.kind)))
        if args:
            self._said.append(args)
            chunks.append(ToolCallChunk(self._id, args))


class _ServerCall(_Item):
    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(_server_call(item)))


def _item_of(raw: JsonObject) -> _Item:
    kind = raw.get("type")
    if kind == "message":
        return _Message(raw)
    if kind == "reasoning":
        return _Reasoning(raw)
    if kind in _CLIENT_CALLS:
        return _Call(raw)
    return (_ServerCall if kind in _SERVER_CALLS else _Item)(raw)


class ResponsesDecoder(EventDecoder):
    """Events in, chunks out."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[JsonObject] = []  # what has been said, item by item
        self._early: dict[int, JsonObject] = {}  # done before its turn
        self._item: _Item | None = None  # the item that has its turn, once it has begun
        self._unsaid: dict[int, list[JsonObject]] = {}  # events that came before their item had its turn
        self._info: tuple[str | None, str | None] = (None, None)
        self._failure: ReportedError | None = None

    def on_event(self, name: str, text: str, chunks: list[Chunk]) -> None:
        if self.complete or text.strip() == "[DONE]":
            return
        event = self.parse(text)
        kind = event.get("type")
        if self._failure and kind != "response.failed":
            raise self._failure
        match kind:
            case "response.completed" | "response.incomplete" | "response.failed":
                response = _object(event.get("response"))
                status = response.get("status") or kind.removeprefix("response.")
                self.on_whole({**response, "status": status}, chunks)
            case "response.output_item.added":
                if self._turn(event) and self._item is None:
                    self._begin(_object(event.get("item")), chunks)
                else:
                    self._keep(event)
            case "response.output_item.done":
                index = _index(event, len(self._done))
                self._early[index] = _object(event.get("item"))
                self._unsaid.pop(index, None)
                while len(self._done) in self._early:
                    self._say_item(self._early.pop(len(self._done)), chunks)
            case _ if kind in (None, "error"):
                # What happened is told again, and better, by the event that follows, if one does.
                self._failure = _failure(event)
            case _:
                self._note_info(_object(event.get("response")), chunks)
                if self._item and self._turn(event):
                    self._item.delta(event, chunks)
                elif "delta" in event:
                    self._keep(event)

    def on_end(self, chunks: list[Chunk]) -> None:
        if self._failure:
            raise self._failure

    def on_whole(self, body: Any, chunks: list[Chunk]) -> None:
        # What has not been said, and how it ended.
        response = _object(body)
        check_failure(body)
        if response.get("status") == "failed":
            raise ReportedError("the server gave no reason", body=response)
        if "output" not in response and not (self._done or self._item or self._unsaid):
            raise MalformedReply("the answer has no output", str(response))
        self._note_info(response, chunks)
        given = _objects(response.get("output"))
        output = given or [*self._done, *(item for _, item in sorted(self._early.items()))]
        for item in given[len(self._done) :]:
            self._say_item(item, chunks)
        if self._item:
            self._say_item(self._item.raw, chunks)
        if not given:
            self._say_heard(chunks)
        if usage := _object(response.get("usage")):
            chunks.append(UsageChunk(_usage(usage, output)))
        chunks.append(FinishReasonChunk(_finish_reason(response, output), response.get("status")))
        chunks.append(RawMessageChunk(output))
        self.complete = True

    def _turn(self, event: JsonObject) -> bool:
        return _index(event, len(self._done)) == len(self._done)

    def _say_item(self, raw: JsonObject, chunks: list[Chunk]) -> None:
        item = self._item or _item_of(raw)
        self._item = None
        self._done.append(raw)
        item.done(raw, chunks)

    def _begin(self, raw: JsonObject, chunks: list[Chunk]) -> _Item:
        self._item = item = _item_of(raw)
        item.begin(chunks)
        return item

    def _keep(self, event: JsonObject) -> None:
        self._unsaid.setdefault(_index(event, len(self._done)), []).append(event)

    def _say_heard(self, chunks: list[Chunk]) -> None:
        """Say the items whose turn never came: as they were done, or else as far as they had come."""
        for index in sorted({*self._early, *self._unsaid}):
            if index in self._early:
                self._say_item(self._early[index], chunks)
                continue
            first, *_ = events = self._unsaid[index]
            raw = _object(first.get("item")) or {"type": _ITEMS_OF_DELTAS.get(first["type"])}
            if raw.get("type"):
                item = self._begin(raw, chunks)
                for event in events:
                    item.delta(event, chunks)
                self._say_item(raw, chunks)

    def _note_info(self, response: JsonObject, chunks: list[Chunk]) -> None:
        info = (response.get("id") or self._info[0], response.get("model") or self._info[1])
        if info != self._info:
            self._info = info
            chunks.append(ResponseInfoChunk(*info))


def _failure(event: JsonObject) -> ReportedError | None:
    """What an `error` event, or one without a type, says went wrong."""
    if not event.get("error") and "type" not in event:
        return None
    return reported({name: value for name, value in event.items() if name != "type"})


def _finish_reason(response: JsonObject, output: Sequence[JsonObject]) -> FinishReason | None:
    parts = (part for item in output if item.get("type") == "message" for part in _objects(item.get("content")))
    if any(part.get("type") == "refusal" for part in parts):
        return FinishReason.REFUSAL
    if reason := _object(response.get("incomplete_details")).get("reason"):
        return finish_reason(str(reason)) or FinishReason.UNKNOWN
    functions = [item for item in output if item.get("type") == "function_call"]
    if any(item.get("status") == "incomplete" for item in functions):
        return FinishReason.UNKNOWN
    return finish_reason(str(response.get("status") or ""), map(_args, functions))


def _server_call(item: JsonObject) -> c.ServerToolCall:
    kind = str(item["type"])
    return c.ServerToolCall(
        id=str(item.get("call_id") or item.get("id") or ""),
        name=str(item.get("name") or kind.removesuffix("_call")),
        args=_args(item) or "{}",
        raw=item,
    )


def _args(item: JsonObject) -> str:
    """What a call asks for, as JSON text (the text of a custom tool's call is any)."""
    given = next((item[name] for name in _ARGS if item.get(name)), None)
    if isinstance(given, str):
        return given
    value: object = given or {name: item[name] for name in _OTHER_ARGS if item.get(name)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def _citation(annotation: JsonObject) -> c.Citation:
    title = annotation.get("title") or annotation.get("filename")
    return c.Citation(url=annotation.get("url"), title=title, cited_text=annotation.get("quote"), raw=annotation)


def _usage(raw: JsonObject, output: Iterable[JsonObject]) -> Usage:
    input_details, output_details = _object(raw.get("input_tokens_details")), _object(raw.get("output_tokens_details"))
    tools = Counter(str(item["type"]).removesuffix("_call") for item in output if item.get("type") in _SERVER_CALLS)
    return Usage(
        input_tokens=raw.get("input_tokens") or 0,
        output_tokens=raw.get("output_tokens") or 0,
        cache_read_tokens=input_details.get("cached_tokens") or 0,
        cache_write_tokens=input_details.get("cache_write_tokens") or 0,
        reasoning_tokens=output_details.get("reasoning_tokens") or 0,
        provider_tool_usage=tuple(ProviderToolUsage(name=name, call_count=count) for name, count in tools.items()),
        raw=raw,
    )


def _index(event: JsonObject, otherwise: int) -> int:
    """The place in the answer of the item that an event is about."""
    index = event.get("output_index")
    return index if isinstance(index, int) else otherwise


def _object(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
    return [cast("JsonObject", item) for item in items if isinstance(item, dict)]
