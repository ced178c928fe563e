"""Responses of OpenAI chat completions, and of the many servers that speak a variant of it.

Source: platform.openai.com/docs/api-reference/chat, and recorded traffic for what servers send beyond it.

Rules
* A non-streamed response is decoded as a stream of one delta: one state machine for both.
* Only the first choice is decoded; `n` > 1 is for callers who read the raw response.
* No field is assumed to be there: fields are absent, null, or filled with zero values by some servers.
* `raw_message` keeps only the fields that a server needs back (reasoning with signatures, images, the id of audio).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any, cast

from ...types import content as c
from ...types.chunks import FinishReason, ProviderToolUsage, Usage, UsageChunk
from ..codec import JsonObject, MalformedResponseError
from ..error_bodies import parse_error_body, raise_for_error
from ..features import ChatDialect
from ..finish_reasons import is_known_incomplete, parse_finish_reason
from ..json_parsing import as_object, as_text
from ..part_writer import PartWriter
from ..sse import EventDecoder
from .tool_calls import ToolCalls

_THOUGHT_FIELDS = ("reasoning_content", "reasoning")
_AUDIO_DELTA_FIELDS = ("data", "transcript")  # each delta adds to these
# Fields that most messages and deltas do not have.
_OTHER_FIELDS = (
    *_THOUGHT_FIELDS,
    "reasoning_details",
    "refusal",
    "annotations",
    "tool_calls",
    "function_call",
    "audio",
    "images",
)


class _RawMessageBuilder:
    """Builds the message of a non-streamed response from deltas."""

    def __init__(self, writer: PartWriter) -> None:
        self.calls = ToolCalls(writer)
        self.images: list[JsonObject] = []
        self._audio: dict[str, list[Any]] = {}
        self._parts: list[tuple[str, list[Any]]] = []  # kinds, and the pieces of a part; kind "": raw parts
        self._strings: dict[str, list[str]] = {}
        self._details: list[JsonObject] = []

    def add_text(self, field: str, piece: str) -> None:
        """Add a piece of a text field."""
        self._strings.setdefault(field, []).append(piece)

    def add_part(self, kind: str, piece: str | JsonObject) -> None:
        """Add a piece of a part of `content`: text, or a thought (Mistral). A part with kind "" goes back as it
        came."""
        if not self._parts or self._parts[-1][0] != kind:
            self._parts.append((kind, []))
        self._parts[-1][1].append(piece)

    def add_detail(self, detail: JsonObject) -> None:
        """Add a piece of reasoning: pieces of one index and type are merged, their texts concatenated."""
        last = self._details[-1] if self._details else None
        if last is None or any(last.get(key) != detail.get(key) for key in ("index", "type")):
            self._details.append(dict(detail))
            return
        for name, value in detail.items():
            if name in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(name), str):
                last[name] += value
            elif value is not None:
                last[name] = value

    def add_audio(self, audio: JsonObject) -> None:
        """Add a piece of the audio output. Fields without a value are ignored."""
        for name, value in audio.items():
            if value and (name not in _AUDIO_DELTA_FIELDS or isinstance(value, str)):
                self._audio.setdefault(name, []).append(value)

    def build_audio(self) -> JsonObject:
        """Return the audio output as in a non-streamed response; empty if there is none."""
        if not self._audio:
            return {}
        texts = {name: "".join(pieces) for name, pieces in self._audio.items() if name in _AUDIO_DELTA_FIELDS}
        if "data" in texts:
            texts["data"] = _merge_base64(texts["data"])
        return {name: texts.get(name, values[-1]) for name, values in self._audio.items()}

    def build(self) -> JsonObject:
        """Return the message."""
        raw: JsonObject = {"role": "assistant", "content": self._build_content()}
        raw.update({name: "".join(pieces) for name, pieces in self._strings.items()})
        if self.calls:
            raw["tool_calls"] = self.calls.to_raw()
        if self._details:
            raw["reasoning_details"] = self._details
        if ids := self._audio.get("id"):
            raw["audio"] = {"id": ids[-1]}
        if self.images:
            raw["images"] = self.images
        return raw

    def _build_content(self) -> str | list[JsonObject] | None:
        if all(kind == "text" for kind, _ in self._parts):
            text = "".join(piece for _, pieces in self._parts for piece in pieces)
            return text or (None if self.calls or self._strings or self._audio or self.images else "")
        return [part for kind, pieces in self._parts for part in _merge_pieces(kind, pieces)]


def _merge_pieces(kind: str, pieces: list[Any]) -> list[JsonObject]:
    if not kind:
        return pieces
    text: JsonObject = {"type": "text", "text": "".join(pieces)}
    return [text if kind == "text" else {"type": kind, kind: [text]}]


class ChatDecoder(EventDecoder):
    """Decodes deltas to chunks."""

    def __init__(self, dialect: ChatDialect) -> None:
        super().__init__()
        self._end_marker = dialect.end_marker
        self._has_message = False
        self._raw = _RawMessageBuilder(self.writer)
        self._usage: JsonObject | None = None
        self._raw_finish_reason: str | None = None
        self._is_refusal = False
        self._is_legacy = True  # no `tool_calls` has come yet, which replaces `function_call`

    def on_event(self, name: str, text: str) -> None:
        if text.strip() == "[DONE]":
            self._finish(self.raw_events)
            return
        if name == "error":
            raise parse_error_body(None, text.encode())
        self._decode_body(self.parse_event(text), "delta")

    def on_end(self) -> None:
        if self._raw_finish_reason and self._end_marker == "finish_reason":
            self._finish(self.raw_events)

    def on_response(self, body: Any) -> None:
        self._decode_body(body, "message")
        self._finish(body)

    def _decode_body(self, body: JsonObject, key: str) -> None:
        """Decode one event, or a non-streamed response (`key` is the message's field)."""
        raise_for_error(body)
        if self.is_complete:
            return
        self._note_info(body)
        if usage := body.get("usage") or ("x_groq" in body and as_object(body["x_groq"]).get("usage")):
            self._usage = usage
        for choice in body.get("choices") or ():
            if choice.get("index") not in (None, 0):
                continue
            if "error" in choice:  # OpenRouter
                raise_for_error(choice)
            message: JsonObject | None = choice.get(key)
            if isinstance(message, dict):
                self._has_message = True
                self._decode_message(_number_tool_calls(message) if key == "message" else message)
            if reason := choice.get("finish_reason"):
                self._note_finish_reason(as_text(reason))
            native = choice.get("native_finish_reason")  # OpenRouter
            if native and is_known_incomplete(as_text(native)):
                self._note_finish_reason(native)

    def _finish(self, response: object) -> None:
        """End the complete `response`: write what is open, usage, finish reason and raw message."""
        if self.is_complete:
            return
        if not self._has_message:
            raise MalformedResponseError("the response has no choices", str(response))
        self.writer.end_part()
        self._raw.calls.end()
        if audio := self._raw.build_audio():
            self.writer.write_block("audio", audio)
        if self._usage:
            self.writer.write(UsageChunk(_decode_usage(self._usage)))
        self.complete(self._finish_reason(), self._raw_finish_reason, self._raw.build())

    def _note_finish_reason(self, raw_reason: str) -> None:
        """Keep the last finish reason, but never replace a known failure: some servers end every stream with "stop"."""
        known = self._raw_finish_reason
        if raw_reason and not (known and is_known_incomplete(known)):
            self._raw_finish_reason = raw_reason

    def _finish_reason(self) -> FinishReason | None:
        if self._is_refusal:
            return FinishReason.REFUSAL
        return parse_finish_reason(self._raw_finish_reason, self._raw.calls.function_arguments())

    def _note_info(self, body: JsonObject) -> None:
        id, model = self.info
        if not (id and model):  # some servers send another id in each event
            self.note_info(id or as_text(body.get("id")), model or as_text(body.get("model")))

    def _decode_message(self, message: JsonObject) -> None:
        if not any(map(message.get, _OTHER_FIELDS)):
            self._decode_content(message.get("content"))
            return
        self._decode_reasoning(message)
        self._decode_content(message.get("content"))
        if refusal := as_text(message.get("refusal")):
            self._is_refusal = True
            self._raw.add_text("refusal", refusal)
            self.writer.write_delta("text", refusal)
        for citation in _decode_citations(message):
            self.writer.write_citation(citation)
        self._decode_tool_calls(message)
        self._raw.add_audio(as_object(message.get("audio")))
        for image in message.get("images") or ():
            self._raw.images.append(image)
            self.writer.write_block("image", image)

    def _decode_reasoning(self, message: JsonObject) -> None:
        # Servers that send both fields send the same text in both.
        thoughts = {name: piece for name in _THOUGHT_FIELDS if (piece := as_text(message.get(name)))}
        for name, piece in thoughts.items():
            self._raw.add_text(name, piece)
        self.writer.write_delta("thought", next(iter(thoughts.values()), ""))
        for detail in message.get("reasoning_details") or ():
            self._raw.add_detail(detail)

    def _decode_content(self, content: object) -> None:
        if isinstance(content, str):
            if content:
                self._raw.add_part("text", content)
                self.writer.write_delta("text", content)
        elif isinstance(content, list):
            for part in cast("Iterable[Any]", content):
                self._decode_part(part)

    def _decode_part(self, part: Any) -> None:
        match part:
            case str() | {"text": str()} if isinstance(part, str) or part.get("type") in ("text", None):
                self._decode_content(part if isinstance(part, str) else part["text"])
            case {"type": "text", "text": None}:
                pass
            case {"type": "thinking", "thinking": str(thought)}:
                self._raw.add_part("", part)  # with its signature, if it has one
                self.writer.write_delta("thought", thought)
            case {"type": "thinking", "thinking": [*pieces]}:
                thought = "".join(piece.get("text") or "" for piece in pieces)  # some are references
                self._raw.add_part("thinking", thought)
                self.writer.write_delta("thought", thought)
            case _:
                self._raw.add_part("", part)
                self.writer.write_block(part.get("type"), part)

    def _decode_tool_calls(self, message: JsonObject) -> None:
        entries = message.get("tool_calls") or ()
        legacy = as_object(message.get("function_call"))
        self._is_legacy = self._is_legacy and not entries
        if self._is_legacy and any(legacy.values()):  # servers that send both fields send the same in both
            entries = [{"index": 0, "function": legacy}]
        if entries:
            self._raw.calls.add(entries)


def _number_tool_calls(message: JsonObject) -> JsonObject:
    """Return a non-streamed message with its tool calls numbered like the deltas of a stream, so that each is one
    call."""
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [{**call, "index": i} for i, call in enumerate(message["tool_calls"])]}


def _merge_base64(text: str) -> str:
    """Merge concatenated Base64 texts into one: each may have its own padding."""
    pieces = re.findall("[^=]+=*", text)
    if len(pieces) < 2 or any(len(piece) % 4 for piece in pieces):
        return text
    return b64encode(b"".join(map(b64decode, pieces))).decode()


def _decode_citations(message: JsonObject) -> Iterable[c.Citation]:
    for annotation in message.get("annotations") or ():
        if fields := annotation.get(annotation.get("type") or "url_citation"):
            yield c.Citation(
                url=fields.get("url"), title=fields.get("title"), cited_text=fields.get("content"), raw=annotation
            )


def _decode_usage(raw: JsonObject) -> Usage:
    prompt, completion = (
        as_object(raw.get("prompt_tokens_details")),
        as_object(raw.get("completion_tokens_details")),
    )
    tools = raw.get("server_tool_use")
    searches = _integer(raw, "num_sources_used") or (_integer(as_object(tools), "web_search_requests") if tools else 0)
    return Usage(
        input_tokens=_integer(raw, "prompt_tokens"),
        output_tokens=_integer(raw, "completion_tokens"),
        cache_read_tokens=_integer(prompt, "cached_tokens") or _integer(raw, "prompt_cache_hit_tokens"),
        cache_write_tokens=_integer(prompt, "cache_write_tokens"),
        reasoning_tokens=_integer(completion, "reasoning_tokens"),
        provider_tool_usage=(ProviderToolUsage(name="web_search", call_count=searches),) if searches else (),
        raw=raw,
    )


def _integer(counts: JsonObject, name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) else 0
