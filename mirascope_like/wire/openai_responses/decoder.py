"""Responses of OpenAI's Responses API, and of the servers that speak it (Azure, xAI, DeepSeek, OpenRouter, Bedrock).

Source: platform.openai.com/docs/api-reference/responses-streaming, and recorded traffic for other servers' variants.

Rules
* Chunks follow the order of the output items. Deltas of the current item become chunks at once. Later items wait until
  the items before them are complete, at the latest until the final event, which contains the whole response. If the
  events of the first items are missing, all chunks come with the final event.
* If the final event does not contain the response, the content so far of unfinished items is kept.
* A non-streamed response is decoded like that final event.
* `raw_message` is the list of output items as the server wrote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ...types.chunks import FinishReason, ProviderToolUsage, Usage, UsageChunk
from ..codec import JsonObject, MalformedResponseError, ReportedError
from ..error_bodies import parse_error_value, raise_for_error
from ..finish_reasons import parse_finish_reason
from ..json_parsing import as_object, as_objects
from ..sse import EventDecoder
from .item_lookup import ItemPositions, can_be_same_item
from .output_items import (
    ARGUMENT_EVENTS,
    CLIENT_CALLS,
    SERVER_CALLS,
    OutputItem,
    has_run_in_container,
    item_arguments,
    make_item,
)

_LACKS_CALL = "the final response lacks a tool call that was streamed"
# The items that a delta alone identifies: a call needs its name.
_ITEM_TYPE_BY_DELTA = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
_ITEM_EVENTS = {
    *ARGUMENT_EVENTS,
    *_ITEM_TYPE_BY_DELTA,
    "response.output_text.annotation.added",
    "response.content_part.done",
}


class ResponsesDecoder(EventDecoder):
    """Decodes events to chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._done_items: list[JsonObject] = []  # items that are written
        self._early_items: dict[int, JsonObject] = {}  # items that were done before their turn
        self._current_item: OutputItem | None = None  # the item that is written now, once it has begun
        self._added_items: dict[int, JsonObject] = {}  # items that began before their turn
        self._pending_events: dict[int, list[JsonObject]] = {}  # events that came before their item had its turn
        self._truncated_items: list[JsonObject] = []  # items that were not done at the end
        self._positions = ItemPositions()
        self._error: ReportedError | None = None

    def on_event(self, name: str, text: str) -> None:
        if self.is_complete or text.strip() == "[DONE]":
            return
        event = self.parse_event(text)
        kind = event.get("type")
        if self._error and kind != "response.failed":
            raise self._error
        match kind:
            case "response.completed" | "response.incomplete" | "response.failed":
                response = as_object(event.get("response"))
                self.on_response({**response, "status": _final_status(response, kind.removeprefix("response."))})
            case "response.output_item.added":
                self._note_added(self._positions.add_item(event), as_object(event.get("item")))
                self._write_ready_items()
            case "response.output_item.done":
                self._note_done(self._positions.finish_item(event), as_object(event.get("item")))
                self._write_ready_items()
            case _ if kind in _ITEM_EVENTS:
                self._add_event(self._positions.find_item(event), event)
            case _ if kind in (None, "error"):
                # If another event follows, it describes the error again, in more detail.
                self._error = _decode_error(event)
            case _:
                response = as_object(event.get("response"))
                self.note_info(response.get("id"), response.get("model"))

    def on_end(self) -> None:
        if self._error:
            raise self._error

    def on_response(self, body: Any) -> None:
        # Write what has not been written, and how the response ended.
        response = as_object(body)
        raise_for_error(body)
        if response.get("status") == "failed":
            raise ReportedError("the server gave no reason", body=response)
        if "output" not in response and not (
            self._done_items or self._current_item or self._added_items or self._pending_events
        ):
            raise MalformedResponseError("the response has no output", str(response))
        self.note_info(response.get("id"), response.get("model"))
        final_output = as_objects(response.get("output"))
        output = final_output or [*self._done_items, *(item for _, item in sorted(self._early_items.items()))]
        for item in _unwritten_items(final_output, self._done_items):
            self._write_item(item)
        if self._current_item:
            self._write_open_item(self._current_item)
        if not final_output:
            self._write_remaining_items()
        if usage := as_object(response.get("usage")):
            self.writer.write(UsageChunk(_decode_usage(usage, output)))
        reason = _finish_reason(response, [*output, *self._truncated_items])
        self.complete(reason, response.get("status"), output)

    def _note_added(self, position: int, raw: JsonObject) -> None:
        if position > len(self._done_items) or (position == len(self._done_items) and self._current_item is None):
            self._added_items.setdefault(position, raw)

    def _note_done(self, position: int, raw: JsonObject) -> None:
        if position >= len(self._done_items):
            self._early_items[position] = raw
            self._added_items.pop(position, None)
            self._pending_events.pop(position, None)

    def _add_event(self, position: int, event: JsonObject) -> None:
        if position == len(self._done_items) and self._current_item is not None:
            self._current_item.add_delta(event)
        elif position >= len(self._done_items):
            self._pending_events.setdefault(position, []).append(event)

    def _write_ready_items(self) -> None:
        """Write the items whose turn has come."""
        while (position := len(self._done_items)) in self._early_items:
            self._write_item(self._early_items.pop(position))
        if self._current_item is None and position in self._added_items:
            self._begin_item(self._added_items.pop(position), self._pending_events.pop(position, ()))

    def _begin_item(self, raw: JsonObject, events: Iterable[JsonObject]) -> OutputItem:
        """Begin an item, and write the events that came before its turn."""
        self._current_item = item = make_item(raw, self.writer)
        item.start()
        for event in events:
            item.add_delta(event)
        return item

    def _write_item(self, raw: JsonObject) -> None:
        """Write the rest of an item that is complete."""
        if self._current_item is not None and raw.get("type") not in (None, self._current_item.kind):
            if self._current_item.kind in CLIENT_CALLS:
                raise MalformedResponseError(_LACKS_CALL, str(self._current_item.raw))
            self._write_open_item(self._current_item)
        item, self._current_item = self._current_item or make_item(raw, self.writer), None
        self._done_items.append(raw)
        item.finish(raw)

    def _write_open_item(self, item: OutputItem) -> None:
        """Write an item that is not complete, as far as it came."""
        if self._positions.has_done_item and not item.has_enough_content:
            raise MalformedResponseError("a tool call began and never ended", str(item.raw))
        self._current_item = None
        if not item.is_complete:
            self._truncated_items.append({**item.raw, "status": "incomplete"})
        item.finish(item.raw)

    def _write_remaining_items(self) -> None:
        """Write the items whose turn never came: in their final form, else as far as they came."""
        for position in sorted({*self._early_items, *self._added_items, *self._pending_events}):
            if position in self._early_items:
                self._write_item(self._early_items[position])
                continue
            events = self._pending_events.get(position, [])
            if raw := self._added_items.get(position) or _infer_item_start(events):
                self._write_open_item(self._begin_item(raw, events))


def _unwritten_items(output: Sequence[JsonObject], written: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Return the items of the final response that are not written yet. Raises `MalformedResponseError` if it lacks a
    call that is written."""
    if not output or all(map(_is_same_item, written, output)):
        return output[len(written) :]
    known = Counter(map(_item_key, written))
    rest = [item for item in output if not _remove_key(known, _item_key(item))]
    if missing := next((item for item in written if item.get("type") in CLIENT_CALLS and known[_item_key(item)]), None):
        raise MalformedResponseError(_LACKS_CALL, str(missing))
    return rest


def _is_same_item(written: JsonObject, item: JsonObject) -> bool:
    """Return whether an item of the final response is one that was written."""
    return can_be_same_item(written, item) and (
        written.get("type") not in CLIENT_CALLS or item_arguments(written) == item_arguments(item)
    )


def _item_key(item: JsonObject) -> str:
    """Return a key that identifies an item."""
    return repr([item.get(name) for name in ("type", "call_id", "id", "name", "arguments", "input")])


def _remove_key(known: Counter[str], key: str) -> bool:
    """Remove one occurrence of a key; return whether there was one."""
    if not known[key]:
        return False
    known[key] -= 1
    return True


def _infer_item_start(events: Sequence[JsonObject]) -> JsonObject:
    """Return the start of an item of which only these events came. Raises `MalformedResponseError` for a call without a
    name."""
    for event in events:
        if kind := _ITEM_TYPE_BY_DELTA.get(event["type"]):
            return {"type": kind}
        if name := event.get("name"):
            kind = "custom_tool_call" if "custom" in event["type"] else "function_call"
            return {"type": kind, "id": event.get("item_id"), "name": name}
    for event in events:
        if event["type"] in ARGUMENT_EVENTS:
            raise MalformedResponseError("arguments came without the name of their tool", str(event))
    return {}


def _decode_error(event: JsonObject) -> ReportedError | None:
    """Return the error in an `error` event, or in an event without a type; `None` if there is none."""
    if not event.get("error") and "type" not in event:
        return None
    return parse_error_value({name: value for name, value in event.items() if name != "type"})


def _finish_reason(response: JsonObject, output: Sequence[JsonObject]) -> FinishReason | None:
    parts = (part for item in output if item.get("type") == "message" for part in as_objects(item.get("content")))
    if any(part.get("type") == "refusal" for part in parts):
        return FinishReason.REFUSAL
    if reason := as_object(response.get("incomplete_details")).get("reason"):
        return parse_finish_reason(str(reason)) or FinishReason.UNKNOWN
    reason = parse_finish_reason(
        str(response.get("status") or ""),
        (item_arguments(item) for item in output if item.get("type") == "function_call"),
    )
    return reason or (None if all(map(_is_complete, output)) else FinishReason.UNKNOWN)


def _final_status(response: JsonObject, event: str) -> object:
    """Return how a stream ended: its last event replaces a status that is absent or more favourable."""
    status = response.get("status", event)
    return event if event != "completed" and parse_finish_reason(str(status or "")) is None else status


def _is_complete(item: JsonObject) -> bool:
    """Return whether an output item may be acted on; true for all items that are not calls for the caller to run.

    A call made by a program of the model is in progress until it gets its result, though its arguments are complete.
    """
    if item.get("type") not in CLIENT_CALLS or has_run_in_container(item):
        return True
    status = item.get("status") or "completed"
    by_program = as_object(item.get("caller")).get("type") == "program"
    return status == "completed" or (
        status == "in_progress" and by_program and parse_finish_reason("", [item_arguments(item)]) is None
    )


def _decode_usage(raw: JsonObject, output: Iterable[JsonObject]) -> Usage:
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
