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

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..values.chunks import (
    Chunk,
    FinishReason,
    FinishReasonChunk,
    ProviderToolUsage,
    RawMessageChunk,
    ResponseInfoChunk,
    Usage,
    UsageChunk,
)
from . import JsonObject, MalformedReply, ReportedError
from .calls import UniqueIds
from .endings import finish_reason
from .failures import check_failure, reported
from .openai_responses_items import ARGUMENTS, CLIENT_CALLS, SERVER_CALLS, Item, args_of, item_of, ran_in_container
from .openai_responses_places import Places, may_be
from .parsing import as_object, as_objects
from .sse import EventDecoder

__all__ = ["ResponsesDecoder"]

# The items that can be told by a delta alone: a call needs its name.
_ITEMS_OF_DELTAS = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
_OF_ITEMS = {
    *ARGUMENTS,
    *_ITEMS_OF_DELTAS,
    "response.output_text.annotation.added",
    "response.content_part.done",
}


class ResponsesDecoder(EventDecoder):
    """Events in, chunks out."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[JsonObject] = []  # what has been said, item by item
        self._early: dict[int, JsonObject] = {}  # done before its turn
        self._item: Item | None = None  # the item that has its turn, once it has begun
        self._added: dict[int, JsonObject] = {}  # items that began before their turn
        self._unsaid: dict[int, list[JsonObject]] = {}  # events that came before their item had its turn
        self._cut: list[JsonObject] = []  # what was not done at the end
        self._places = Places()
        self._ids = UniqueIds("call_")
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
                response = as_object(event.get("response"))
                self.on_whole({**response, "status": _status(response, kind.removeprefix("response."))}, chunks)
            case "response.output_item.added":
                self._note_added(self._places.added(event), as_object(event.get("item")))
                self._advance(chunks)
            case "response.output_item.done":
                self._note_done(self._places.done(event), as_object(event.get("item")))
                self._advance(chunks)
            case _ if kind in _OF_ITEMS:
                self._take_in(self._places.of(event), event, chunks)
            case _ if kind in (None, "error"):
                # What happened is told again, and better, by the event that follows, if one does.
                self._failure = _failure(event)
            case _:
                self._note_info(as_object(event.get("response")), chunks)

    def on_end(self, chunks: list[Chunk]) -> None:
        if self._failure:
            raise self._failure

    def on_whole(self, body: Any, chunks: list[Chunk]) -> None:
        # What has not been said, and how it ended.
        response = as_object(body)
        check_failure(body)
        if response.get("status") == "failed":
            raise ReportedError("the server gave no reason", body=response)
        if "output" not in response and not (self._done or self._item or self._added or self._unsaid):
            raise MalformedReply("the answer has no output", str(response))
        self._note_info(response, chunks)
        given = as_objects(response.get("output"))
        output = given or [*self._done, *(item for _, item in sorted(self._early.items()))]
        for item in _unsaid(given, self._done):
            self._say_item(item, chunks)
        if self._item:
            self._say_open(self._item, chunks)
        if not given:
            self._say_heard(chunks)
        if usage := as_object(response.get("usage")):
            chunks.append(UsageChunk(_usage(usage, output)))
        chunks.append(FinishReasonChunk(_finish_reason(response, [*output, *self._cut]), response.get("status")))
        chunks.append(RawMessageChunk(output))
        self.complete = True

    def _note_added(self, place: int, raw: JsonObject) -> None:
        if place > len(self._done) or (place == len(self._done) and self._item is None):
            self._added.setdefault(place, raw)

    def _note_done(self, place: int, raw: JsonObject) -> None:
        if place >= len(self._done):
            self._early[place] = raw
            self._added.pop(place, None)
            self._unsaid.pop(place, None)

    def _take_in(self, place: int, event: JsonObject, chunks: list[Chunk]) -> None:
        if place == len(self._done) and self._item is not None:
            self._item.delta(event, chunks)
        elif place >= len(self._done):
            self._unsaid.setdefault(place, []).append(event)

    def _advance(self, chunks: list[Chunk]) -> None:
        """Say what has its turn."""
        while (place := len(self._done)) in self._early:
            self._say_item(self._early.pop(place), chunks)
        if self._item is None and place in self._added:
            self._begin(self._added.pop(place), self._unsaid.pop(place, ()), chunks)

    def _begin(self, raw: JsonObject, events: Iterable[JsonObject], chunks: list[Chunk]) -> Item:
        """Begin an item, and say what came of it before its turn."""
        self._item = item = item_of(raw, self._ids)
        item.begin(chunks)
        for event in events:
            item.delta(event, chunks)
        return item

    def _say_item(self, raw: JsonObject, chunks: list[Chunk]) -> None:
        """Say all that was not said yet of an item that is complete."""
        if self._item is not None and raw.get("type") not in (None, self._item.kind):
            if self._item.kind in CLIENT_CALLS:
                raise MalformedReply("the last event does not have a tool call that began", str(self._item.raw))
            self._say_open(self._item, chunks)
        item, self._item = self._item or item_of(raw, self._ids), None
        self._done.append(raw)
        item.done(raw, chunks)

    def _say_open(self, item: Item, chunks: list[Chunk]) -> None:
        """Say an item that is not complete, as far as it came."""
        if self._places.any_done and not item.says_enough:
            raise MalformedReply("a tool call began and never ended", str(item.raw))
        self._item = None
        if not item.is_whole:
            self._cut.append({**item.raw, "status": "incomplete"})
        item.done(item.raw, chunks)

    def _say_heard(self, chunks: list[Chunk]) -> None:
        """Say the items whose turn never came: as they were done, or else as far as they had come."""
        for place in sorted({*self._early, *self._added, *self._unsaid}):
            if place in self._early:
                self._say_item(self._early[place], chunks)
                continue
            events = self._unsaid.get(place, [])
            if raw := self._added.get(place) or _beginning(events):
                self._say_open(self._begin(raw, events, chunks), chunks)

    def _note_info(self, response: JsonObject, chunks: list[Chunk]) -> None:
        info = (response.get("id") or self._info[0], response.get("model") or self._info[1])
        if info != self._info:
            self._info = info
            chunks.append(ResponseInfoChunk(*info))


def _unsaid(given: Sequence[JsonObject], said: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Return the items of the whole answer that were not said yet. Raises `MalformedReply` if it lacks a call that
    was."""
    if not given or all(map(_agree, said, given)):
        return given[len(said) :]
    known = Counter(map(_key, said))
    rest = [item for item in given if not _taken(known, _key(item))]
    if missing := next((item for item in said if item.get("type") in CLIENT_CALLS and known[_key(item)]), None):
        raise MalformedReply("the last event does not have a tool call that came before", str(missing))
    return rest


def _agree(said: JsonObject, item: JsonObject) -> bool:
    """Whether an item of the whole answer is one that was said."""
    return may_be(said, item) and (said.get("type") not in CLIENT_CALLS or args_of(said) == args_of(item))


def _key(item: JsonObject) -> str:
    """What tells an item from others."""
    return repr([item.get(name) for name in ("type", "call_id", "id", "name", "arguments", "input")])


def _taken(known: Counter[str], key: str) -> bool:
    """Take a key out, if it is there."""
    if not known[key]:
        return False
    known[key] -= 1
    return True


def _beginning(events: Sequence[JsonObject]) -> JsonObject:
    """Return how an item began of which only these events came. Raises `MalformedReply` for a call without a name."""
    for event in events:
        if kind := _ITEMS_OF_DELTAS.get(event["type"]):
            return {"type": kind}
        if name := event.get("name"):
            kind = "custom_tool_call" if "custom" in event["type"] else "function_call"
            return {"type": kind, "id": event.get("item_id"), "name": name}
    for event in events:
        if event["type"] in ARGUMENTS:
            raise MalformedReply("arguments came without the name of their tool", str(event))
    return {}


def _failure(event: JsonObject) -> ReportedError | None:
    """What an `error` event, or one without a type, says went wrong."""
    if not event.get("error") and "type" not in event:
        return None
    return reported({name: value for name, value in event.items() if name != "type"})


def _finish_reason(response: JsonObject, output: Sequence[JsonObject]) -> FinishReason | None:
    parts = (part for item in output if item.get("type") == "message" for part in as_objects(item.get("content")))
    if any(part.get("type") == "refusal" for part in parts):
        return FinishReason.REFUSAL
    if reason := as_object(response.get("incomplete_details")).get("reason"):
        return finish_reason(str(reason)) or FinishReason.UNKNOWN
    reason = finish_reason(
        str(response.get("status") or ""), (args_of(item) for item in output if item.get("type") == "function_call")
    )
    return reason or (None if all(map(_is_complete, output)) else FinishReason.UNKNOWN)


def _status(response: JsonObject, event: str) -> object:
    """Return how a stream ended: its last event stands in for a status that is absent, or better than the event."""
    status = response.get("status", event)
    return event if event != "completed" and finish_reason(str(status or "")) is None else status


def _is_complete(item: JsonObject) -> bool:
    """Return whether an output item may be acted on; true of all that are not calls for the caller to run.

    A call that a program of the model makes is in progress until it is answered, though its arguments are complete.
    """
    if item.get("type") not in CLIENT_CALLS or ran_in_container(item):
        return True
    status = item.get("status") or "completed"
    by_program = as_object(item.get("caller")).get("type") == "program"
    return status == "completed" or (
        status == "in_progress" and by_program and finish_reason("", [args_of(item)]) is None
    )


def _usage(raw: JsonObject, output: Iterable[JsonObject]) -> Usage:
    details = as_object(raw.get("input_tokens_details"))
    tools = Counter(str(item["type"]).removesuffix("_call") for item in output if item.get("type") in SERVER_CALLS)
    return Usage(
        input_tokens=raw.get("input_tokens") or 0,
        output_tokens=raw.get("output_tokens") or 0,
        cache_read_tokens=details.get("cached_tokens") or 0,
        cache_write_tokens=details.get("cache_write_tokens") or 0,
        reasoning_tokens=as_object(raw.get("output_tokens_details")).get("reasoning_tokens") or 0,
        provider_tool_usage=tuple(ProviderToolUsage(name=name, call_count=count) for name, count in tools.items()),
        raw=raw,
    )
