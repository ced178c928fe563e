"""The output items of OpenAI's Responses API, from their events: see `openai_responses_answers` for the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ..values import content as c
from ..values.chunks import (
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
from . import JsonObject, MalformedReply
from .calls import Arguments, UniqueIds, arguments_text
from .endings import finish_reason
from .parsing import as_object, as_objects

__all__ = ["ARGUMENTS", "CLIENT_CALLS", "SERVER_CALLS", "Item", "args_of", "item_of", "ran_in_container"]

_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_ENDS = {"response.function_call_arguments.done": "arguments", "response.custom_tool_call_input.done": "input"}
ARGUMENTS = frozenset((*_DELTAS, *_ENDS))
"""The events that bring arguments of calls."""

# Calls that the caller answers. The provider's own among them say in other fields than a function's what is to be done.
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
_ARGS = ("arguments", "input", "action", "actions", "operation")
_OTHER_ARGS = ("queries", "code", "revised_prompt")


class Item:
    """An output item that has its turn. This class keeps what it does not know; the others say it.

    `raw` is the item as it began. `begin` says that it did, `delta` what an event brings, `done` all that has not been
    said yet.
    """

    def __init__(self, raw: JsonObject) -> None:
        self.raw: JsonObject = raw
        self.kind: str = str(raw.get("type"))

    def begin(self, chunks: list[Chunk]) -> None:
        pass

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        pass

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(c.ProviderBlock(kind=self.kind, raw=item)))

    @property
    def says_enough(self) -> bool:
        """Whether the item can be taken as far as it came, where others were complete and it was not."""
        return True

    @property
    def is_whole(self) -> bool:
        """Whether the item can be acted on as far as it came."""
        return True


class _Parts(Item):
    """An item that has texts or thoughts, one after the other."""

    _start: ClassVar[type[TextStartChunk | ThoughtStartChunk]]
    _piece: ClassVar[type[TextChunk | ThoughtChunk]]
    _end: ClassVar[type[TextEndChunk | ThoughtEndChunk]]

    def __init__(self, raw: JsonObject) -> None:
        super().__init__(raw)
        self._index = 0  # of the part that is open, or the next
        self._open = False
        self._said: list[str] = []
        self._length = 0  # of what was said of the open part, in characters

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
            self._length += len(text)
            chunks.append(self._piece(text))
        return True

    def say_rest(self, index: int, text: str, chunks: list[Chunk]) -> None:
        """Say what has not been said of a part."""
        is_open = self._open and index == self._index
        length = self._length if is_open else 0
        if len(text) > length and (not is_open or text.startswith("".join(self._said))):
            self.say(index, text[length:], chunks)

    def close(self, chunks: list[Chunk]) -> None:
        """The part that is next to say, open or not, is complete."""
        if self._open:
            chunks.append(self._end())
        self._open = False
        self._said = []
        self._length = 0
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
                self.say(index, _delta(event), chunks)
            case "response.output_text.annotation.added" if annotation := as_object(event.get("annotation")):
                if self.say(index, "", chunks):
                    self._cite([annotation], chunks)
            case "response.content_part.done" if self._open and index == self._index:
                self._say_part(index, as_object(event.get("part")), chunks)
                self._whole = True
            case _:
                pass

    def close(self, chunks: list[Chunk]) -> None:
        super().close(chunks)
        self._cited = 0
        self._whole = False

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        for index, part in enumerate(as_objects(item.get("content"))):
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
        if annotations := as_objects(part.get("annotations"))[self._cited :]:
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
            self.say(event.get(index) or 0, _delta(event), chunks)

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        field = self._field or ("content" if item.get("content") else "summary")
        for index, part in enumerate(as_objects(item.get(field))):
            if index >= self._index:
                self.say_rest(index, part.get("text") or "", chunks)
                self.close(chunks)
        if self._open:
            self.close(chunks)


class _Call(Item):
    """A call for the caller to run. It begins once its id and name are known. What comes later and is of another call
    raises `MalformedReply`."""

    def __init__(self, raw: JsonObject, ids: UniqueIds) -> None:
        super().__init__(raw)
        self._ids = ids
        self._id = ""
        self._args = Arguments()

    def begin(self, chunks: list[Chunk]) -> None:
        if self.raw.get("call_id") and self.raw.get("name"):
            self._start(self.raw, chunks)

    def delta(self, event: JsonObject, chunks: list[Chunk]) -> None:
        if event["type"] in _DELTAS:
            self._args.add(arguments_text(event.get("delta")))
        elif field := _ENDS.get(event["type"]):
            self._complete(arguments_text(event.get(field)))
        if self._id:
            self._send(chunks)

    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        if ran_in_container(item):
            chunks.append(ProviderChunk(_server_call(item)))
            return
        for field in ("call_id", "name"):
            if self.raw.get(field) and item.get(field) and self.raw[field] != item[field]:
                raise MalformedReply(f"a tool call changed its {field} from {self.raw[field]!r}", str(item[field]))
        if item is not self.raw or args_of(item) != "{}":  # with which a call may begin
            self._complete(args_of(item))
        if not self._id:
            self._start({**self.raw, **{name: value for name, value in item.items() if value}}, chunks)
        self._send(chunks)
        chunks.append(ToolCallEndChunk(self._id))

    @property
    def says_enough(self) -> bool:
        return bool(self._args.text) or args_of(self.raw) not in ("", "{}")

    @property
    def is_whole(self) -> bool:
        return self.says_enough and finish_reason("", [self._args.text or args_of(self.raw)]) is None

    def _start(self, item: JsonObject, chunks: list[Chunk]) -> None:
        self._id = self._ids.take(str(item.get("call_id") or item.get("id") or ""))
        chunks.append(ToolCallStartChunk(self._id, str(item.get("name") or self.kind)))

    def _complete(self, args: str) -> None:
        """Add what is missing of the complete arguments."""
        if not args or self._args.equal(args):
            return
        so_far = self._args.text
        if not args.startswith(so_far):
            raise MalformedReply("the arguments of a tool call are not those of its deltas", args)
        self._args.add(args[len(so_far) :])

    def _send(self, chunks: list[Chunk]) -> None:
        chunks.extend([ToolCallChunk(self._id, piece) for piece in self._args.new_pieces() if piece])


class _ServerCall(Item):
    def done(self, item: JsonObject, chunks: list[Chunk]) -> None:
        chunks.append(ProviderChunk(_server_call(item)))


def ran_in_container(item: JsonObject) -> bool:
    """Return whether a call ran in the provider's container."""
    return item.get("type") == "shell_call" and as_object(item.get("environment")).get("type") == "container_reference"


def item_of(raw: JsonObject, ids: UniqueIds) -> Item:
    """Return the item that begins so. `ids` are those of the calls of its answer."""
    kind = raw.get("type")
    if kind == "message":
        return _Message(raw)
    if kind == "reasoning":
        return _Reasoning(raw)
    if kind in CLIENT_CALLS:
        return _Call(raw, ids)
    return (_ServerCall if kind in SERVER_CALLS else Item)(raw)


def _server_call(item: JsonObject) -> c.ServerToolCall:
    kind = str(item["type"])
    return c.ServerToolCall(
        id=str(item.get("call_id") or item.get("id") or ""),
        name=str(item.get("name") or kind.removesuffix("_call")),
        args=args_of(item) or "{}",
        raw=item,
    )


def args_of(item: JsonObject) -> str:
    """What a call asks for, as JSON text (the text of a custom tool's call is any)."""
    given = next((item[name] for name in _ARGS if item.get(name)), None)
    if isinstance(given, str):
        return given
    value: object = given or {name: item[name] for name in _OTHER_ARGS if item.get(name)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


def _delta(event: JsonObject) -> str:
    delta: object = event.get("delta") or ""
    if not isinstance(delta, str):
        raise TypeError("a delta is no text")
    return delta


def _citation(annotation: JsonObject) -> c.Citation:
    title = annotation.get("title") or annotation.get("filename")
    return c.Citation(url=annotation.get("url"), title=title, cited_text=annotation.get("quote"), raw=annotation)
