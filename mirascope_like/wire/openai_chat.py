"""OpenAI chat completions, and the many servers that speak it with an accent.

Source: platform.openai.com/docs/api-reference/chat, and recorded traffic for what servers send beyond it.

Rules
* A whole answer is decoded as a stream of one delta: one state machine for both.
* Only the first choice is read; `n` > 1 is for callers of the raw answer.
* Nothing is trusted to be there: fields are absent, null, or filled with zero values by some servers.
* `raw_message` keeps the fields that a server needs to see again (reasoning with signatures), and no others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import FeatureNotSupportedError, UnsupportedParamWarning
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
from ..values.messages import AssistantMessage, Message, SystemMessage, UserMessage
from ..values.results import result_text
from . import JsonObject, MalformedReply, Outgoing, Request, TruncatedStream
from .failures import reported
from .features import ChatDialect
from .history import data_url, result_images, sent_verbatim, spoken
from .sse import EventDecoder

if TYPE_CHECKING:
    from ..schema.formats import Format
    from ..schema.tools import ToolSchema

__all__ = ["OpenAIChat"]

_FINISH = {
    "length": FinishReason.MAX_TOKENS,
    "max_tokens": FinishReason.MAX_TOKENS,
    "model_length": FinishReason.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
}
_EFFORT = {"default": None, "max": "xhigh"}
# Fields of an answer's message that go back to the server that sent them.
_KEPT = ("role", "content", "refusal", "tool_calls", "function_call", "reasoning_details", "reasoning_content", "reasoning")
_TEXT_FIELDS = ("reasoning_content", "reasoning")
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


class OpenAIChat:
    """The codec for one server's dialect."""

    def __init__(self, dialect: ChatDialect) -> None:
        self.dialect = dialect

    def encode(self, request: Request) -> Outgoing:
        """See `Codec.encode`."""
        if request.provider_tools:
            raise FeatureNotSupportedError(
                f"The tool {request.provider_tools[0].name!r}, which the provider runs itself,", request.provider_id
            )
        body: JsonObject = {"model": request.model, "messages": self._messages(request)}
        self._params(request, body)
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            self._tool_params(request, body)
        if request.format is not None and (shape := _response_format(request.format, request)):
            body["response_format"] = shape
        if request.stream:
            body["stream"] = True
            if self.dialect.stream_usage:
                body["stream_options"] = {"include_usage": True}
        return Outgoing("/chat/completions", body)

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        if not isinstance(body, Mapping):
            raise MalformedReply(f"the answer is no JSON object: {str(body)[:200]!r}")
        decoder = ChatDecoder(self.dialect)
        chunks: list[Chunk] = []
        decoder.take(body, "message", chunks)  # pyright: ignore[reportUnknownArgumentType]
        if not decoder.answered:
            raise MalformedReply(f"the answer has no choices: {json.dumps(body)[:200]}")
        decoder.finish(chunks)
        return chunks

    def decoder(self) -> ChatDecoder:
        """See `Codec.decoder`."""
        return ChatDecoder(self.dialect)

    # -- request ------------------------------------------------------------------------------------------------------

    def _messages(self, request: Request) -> list[JsonObject]:
        encoded: list[JsonObject] = []
        for message in request.messages:
            encoded.extend(self._message(message, request))
        return encoded

    def _message(self, message: Message, request: Request) -> Iterable[JsonObject]:
        match message:
            case SystemMessage():
                return ({"role": "system", "content": message.content.text},)
            case UserMessage():
                return self._user(message, request)
            case AssistantMessage():
                return (self._assistant(message, request),)

    def _user(self, message: UserMessage, request: Request) -> Iterable[JsonObject]:
        outputs = [part for part in message.content if isinstance(part, c.ToolOutput)]
        # Results stand first: they must follow the calls they answer without anything between.
        for output in outputs:
            yield {"role": "tool", "tool_call_id": output.id, "content": _output_text(output)}
        parts = [part for part in message.content if not isinstance(part, c.ToolOutput)]
        # The protocol has no images in results, so a result's images are shown by the user right after.
        parts += [image for output in outputs for image in result_images(output.result)]
        if parts or not outputs:
            name = {"name": message.name} if message.name else {}
            yield {"role": "user", "content": self._user_content(parts, request), **name}

    def _user_content(self, parts: Sequence[c.UserContentPart], request: Request) -> str | list[JsonObject]:
        if len(parts) == 1 and isinstance(parts[0], c.Text):
            return parts[0].text
        return [self._part(part, request) for part in parts]

    def _part(self, part: c.UserContentPart, request: Request) -> JsonObject:
        match part:
            case c.Image(c.URLImageSource(url)):
                return {"type": "image_url", "image_url": {"url": url}}
            case c.Image(c.Base64ImageSource(data, mime_type)):
                return {"type": "image_url", "image_url": {"url": data_url(mime_type, data)}}
            case c.Audio(source):
                return _audio(source, request)
            case c.Document(source):
                return self._document(source, request)
            case c.Text(text):
                return {"type": "text", "text": text}
            case c.ToolOutput():
                raise TypeError("a tool's output is a message of its own")

    def _document(self, source: object, request: Request) -> JsonObject:
        match source:
            case c.TextDocumentSource(text):
                return {"type": "text", "text": text}
            case c.Base64DocumentSource(data, media_type) if self.dialect.file_input is not False:
                name = f"document.{media_type.rpartition('/')[2]}"
                return {"type": "file", "file": {"filename": name, "file_data": data_url(media_type, data)}}
            case _:
                raise FeatureNotSupportedError(
                    "A document by URL (use Document.download)", request.provider_id, request.model_id
                )

    def _assistant(self, message: AssistantMessage, request: Request) -> JsonObject:
        raw = message.raw_message
        if isinstance(raw, Mapping) and sent_verbatim(message, request, lambda: self.decode({"choices": [{"message": raw}]})):
            return dict(raw)
        calls = [_call(part) for part in message.content if isinstance(part, c.ToolCall)]
        encoded: JsonObject = {"role": "assistant", "content": spoken(message, request)}
        if message.name:
            encoded["name"] = message.name
        if calls:
            encoded["tool_calls"] = calls
            encoded["content"] = encoded["content"] or None
        return encoded

    def _params(self, request: Request, body: JsonObject) -> None:
        params, features = request.params, request.features
        for name in ("temperature", "top_p"):
            if (value := params.get(name)) is not None:
                if features.sampling is False:
                    _left_out(name, request)
                else:
                    body[name] = value
        if (top_k := params.get("top_k")) is not None:
            if self.dialect.top_k is False:
                _left_out("top_k", request)
            else:
                body["top_k"] = top_k
        if (tokens := params.get("max_tokens")) is not None:
            body[self.dialect.max_tokens] = tokens
        if (seed := params.get("seed")) is not None:
            body["seed"] = seed
        if stop := params.get("stop_sequences"):
            body["stop"] = list(stop)
        if thinking := params.get("thinking"):
            self._thinking(thinking["level"], request, body)

    def _thinking(self, level: str, request: Request, body: JsonObject) -> None:
        if request.features.thinking is False or self.dialect.thinking is None:
            if level not in ("none", "default"):
                _left_out("thinking", request)
            return
        effort = _EFFORT.get(level, level)
        if effort is None:
            return
        match self.dialect.thinking:
            case "reasoning_effort":
                body["reasoning_effort"] = effort
            case "reasoning":
                body["reasoning"] = {"enabled": False} if level == "none" else {"effort": effort}
            case "thinking":
                body["thinking"] = {"type": "disabled" if level == "none" else "enabled"}

    def _tool_params(self, request: Request, body: JsonObject) -> None:
        choice = request.params.get("tool_choice")
        if isinstance(choice, Mapping):
            body["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
        elif choice is not None:
            body["tool_choice"] = choice
        if (parallel := request.params.get("parallel_tool_calls")) is not None:
            body["parallel_tool_calls"] = parallel


def _tool(tool: ToolSchema) -> JsonObject:
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.wire_parameters}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _response_format(format: Format[Any], request: Request) -> JsonObject | None:
    if format.mode == "strict":
        schema: JsonObject = {"name": format.name, "schema": format.wire_schema, "strict": True}
        if format.description:
            schema["description"] = format.description
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if format.mode == "json" and request.features.json_object else None


def _call(part: c.ToolCall) -> JsonObject:
    return {"type": "function", "id": part.id, "function": {"name": part.name, "arguments": part.args or "{}"}}


def _output_text(output: c.ToolOutput[Any]) -> str:
    images = result_images(output.result)
    return "The result is shown as an image below." if images else result_text(output.result)


def _audio(source: c.Base64AudioSource, request: Request) -> JsonObject:
    if (kind := _AUDIO_FORMATS.get(source.mime_type)) is None:
        raise FeatureNotSupportedError(f"Audio of type {source.mime_type} (use WAV or MP3)", request.provider_id)
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": kind}}


def _left_out(name: str, request: Request) -> None:
    warnings.warn(
        f"{request.model_id or request.model} does not take {name!r}: it is left out of the request.",
        UnsupportedParamWarning,
        stacklevel=2,
    )


# -- answer -----------------------------------------------------------------------------------------------------------


class _Call:
    """A tool call that is arriving."""

    __slots__ = ("args", "custom", "id", "index", "name", "started")

    def __init__(self, index: object) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.args: list[str] = []
        self.started = False
        self.custom = False

    def raw(self) -> JsonObject:
        args = "".join(self.args)
        if self.custom:
            return {"type": "custom", "id": self.id, "custom": {"name": self.name, "input": args}}
        return {"type": "function", "id": self.id, "function": {"name": self.name, "arguments": args or "{}"}}


class ChatDecoder(EventDecoder):
    """Deltas in, chunks out."""

    def __init__(self, dialect: ChatDialect) -> None:
        super().__init__()
        self._ends_with = dialect.ends_with
        self.answered = False
        self._open: str | None = None  # "text", "thought" or nothing
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._raw_extra: dict[str, list[str]] = {}
        self._details: list[JsonObject] = []
        self._calls: list[_Call] = []
        self._info: tuple[str | None, str | None] = (None, None)
        self._usage: JsonObject | None = None
        self._finish_raw: str | None = None
        self._finished = False

    def on_event(self, name: str, text: str, chunks: list[Chunk]) -> None:
        if text.strip() == "[DONE]":
            self.finish(chunks)
            return
        self.take(self.parse(text), "delta", chunks)

    def on_end(self, chunks: list[Chunk]) -> None:
        if not self.complete and self._finish_raw and self._ends_with == "finish_reason":
            self.finish(chunks)

    def take(self, body: Mapping[str, Any], key: str, chunks: list[Chunk]) -> None:
        """Take in one event, or a whole answer (`key` says where the message is)."""
        if body.get("error"):
            raise reported(body)
        self._note_info(body, chunks)
        if usage := body.get("usage") or (body.get("x_groq") or {}).get("usage"):
            self._usage = usage
        for choice in body.get("choices") or ():
            if choice.get("index") not in (None, 0):
                continue
            self.answered = True
            if isinstance(message := choice.get(key), Mapping):
                self._message(message, body, chunks)  # pyright: ignore[reportUnknownArgumentType]
            self._finish_raw = choice.get("finish_reason") or self._finish_raw

    def finish(self, chunks: list[Chunk]) -> None:
        """The answer is whole: close what is open, and say how it ended."""
        if self._finished:
            return
        self._finished = self.complete = True
        self._switch(None, chunks)
        for call in self._calls:
            self._start_call(call, chunks)
            chunks.append(ToolCallEndChunk(call.id))
        if self._usage:
            chunks.append(UsageChunk(_usage(self._usage)))
        reason = FinishReason.REFUSAL if self._refusal else _FINISH.get(self._finish_raw or "")
        chunks.append(FinishReasonChunk(reason, self._finish_raw))
        chunks.append(RawMessageChunk(self._raw_message()))

    def _note_info(self, body: Mapping[str, Any], chunks: list[Chunk]) -> None:
        info = (self._info[0] or body.get("id") or None, self._info[1] or body.get("model") or None)
        if info != self._info:
            self._info = info
            chunks.append(ResponseInfoChunk(*info))

    def _message(self, message: Mapping[str, Any], body: Mapping[str, Any], chunks: list[Chunk]) -> None:
        self._reasoning(message, chunks)
        self._content(message.get("content"), chunks)
        if refusal := message.get("refusal"):
            self._refusal.append(refusal)
            self._say("text", refusal, chunks)
        for citation in _citations(message, body):
            self._switch("text", chunks)
            chunks.append(CitationChunk(citation))
        for position, delta in enumerate(message.get("tool_calls") or ()):
            self._tool_delta(delta, position, chunks)
        if (legacy := message.get("function_call")) and (legacy.get("name") or legacy.get("arguments")):
            self._tool_delta({"index": 0, "function": legacy}, 0, chunks)
        if audio := (message.get("audio") or {}):
            if audio.get("id") or audio.get("data"):
                chunks.append(ProviderChunk(c.ProviderBlock(kind="audio", raw=audio)))
        for image in message.get("images") or ():
            chunks.append(ProviderChunk(c.ProviderBlock(kind="image", raw=image)))

    def _reasoning(self, message: Mapping[str, Any], chunks: list[Chunk]) -> None:
        thought = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thought, str) and thought:
            self._say("thought", thought, chunks)
        for name in _TEXT_FIELDS:
            if isinstance(piece := message.get(name), str) and piece:
                self._raw_extra.setdefault(name, []).append(piece)
        for detail in message.get("reasoning_details") or ():
            _merge_detail(self._details, detail)

    def _content(self, content: object, chunks: list[Chunk]) -> None:
        if isinstance(content, str):
            if content:
                self._text.append(content)
                self._say("text", content, chunks)
        elif isinstance(content, list):
            for part in content:  # pyright: ignore[reportUnknownVariableType]
                self._content_part(part, chunks)  # pyright: ignore[reportUnknownArgumentType]

    def _content_part(self, part: Any, chunks: list[Chunk]) -> None:
        if isinstance(part, str):
            self._content(part, chunks)
            return
        match part.get("type"):
            case "text":
                self._content(part.get("text"), chunks)
            case "thinking":
                thinking = part.get("thinking")
                pieces = thinking if isinstance(thinking, list) else [{"text": thinking}]  # pyright: ignore[reportUnknownVariableType]
                for piece in pieces:  # pyright: ignore[reportUnknownVariableType]
                    self._say("thought", piece.get("text") or "", chunks)  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
            case kind:
                chunks.append(ProviderChunk(c.ProviderBlock(kind=str(kind), raw=part)))

    def _say(self, kind: str, delta: str, chunks: list[Chunk]) -> None:
        if delta:
            self._switch(kind, chunks)
            chunks.append(TextChunk(delta) if kind == "text" else ThoughtChunk(delta))

    def _switch(self, kind: str | None, chunks: list[Chunk]) -> None:
        if kind == self._open:
            return
        if self._open:
            chunks.append(TextEndChunk() if self._open == "text" else ThoughtEndChunk())
        if kind:
            chunks.append(TextStartChunk() if kind == "text" else ThoughtStartChunk())
        self._open = kind

    def _tool_delta(self, delta: Mapping[str, Any], position: int, chunks: list[Chunk]) -> None:
        function = delta.get("function") or delta.get("custom") or {}
        call = self._call_for(delta, function.get("name"), position)
        call.id = call.id or delta.get("id") or ""
        call.name = call.name or function.get("name") or ""
        call.custom = call.custom or delta.get("type") == "custom"
        args = function.get("arguments") or function.get("input") or ""
        if not isinstance(args, str):
            args = json.dumps(args, ensure_ascii=False, separators=(",", ":"))
        if call.name and not call.started:
            self._start_call(call, chunks)
        if args:
            call.args.append(args)
            if call.started:
                chunks.append(ToolCallChunk(call.id, args))

    def _call_for(self, delta: Mapping[str, Any], name: str | None, position: int) -> _Call:
        """The call that a delta belongs to. Some servers send no index, some no id, some one index for all."""
        index, id = delta.get("index"), delta.get("id")
        for call in reversed(self._calls):
            same_id = not id or not call.id or id == call.id
            if index is not None and call.index == index and same_id:
                return call
            if index is None and id and id == call.id:
                return call
        if index is None and not id and not name and self._calls:
            return self._calls[-1]
        self._calls.append(call := _Call(index))
        return call

    def _start_call(self, call: _Call, chunks: list[Chunk]) -> None:
        if call.started:
            return
        call.started = True
        if not call.id or any(call.id == other.id for other in self._calls if other is not call and other.started):
            call.id = f"call_{uuid4().hex}"
        self._switch(None, chunks)
        chunks.append(ToolCallStartChunk(call.id, call.name))
        chunks.extend(ToolCallChunk(call.id, piece) for piece in call.args)

    def _raw_message(self) -> JsonObject:
        raw: JsonObject = {"role": "assistant", "content": "".join(self._text) or None}
        if self._refusal:
            raw["refusal"] = "".join(self._refusal)
        if self._calls:
            raw["tool_calls"] = [call.raw() for call in self._calls]
        if self._details:
            raw["reasoning_details"] = self._details
        raw.update({name: "".join(pieces) for name, pieces in self._raw_extra.items()})
        return raw


def _merge_detail(details: list[JsonObject], detail: JsonObject) -> None:
    """Add one piece of reasoning: pieces of one index and type join, their texts one after the other."""
    last = details[-1] if details else None
    if last is None or any(last.get(key) != detail.get(key) for key in ("index", "type")):
        details.append(dict(detail))
        return
    for name, value in detail.items():
        if name in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(name), str):
            last[name] += value
        elif value is not None:
            last[name] = value


def _citations(message: Mapping[str, Any], body: Mapping[str, Any]) -> Iterable[c.Citation]:
    for annotation in message.get("annotations") or ():
        if cited := annotation.get(annotation.get("type") or "url_citation"):
            yield c.Citation(
                url=cited.get("url"), title=cited.get("title"), cited_text=cited.get("content"), raw=annotation
            )


def _usage(raw: JsonObject) -> Usage:
    def count(*path: str) -> int:
        value: Any = raw
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType]
        return value if isinstance(value, int) else 0

    searches = count("num_sources_used") or count("server_tool_use", "web_search_requests")
    return Usage(
        input_tokens=count("prompt_tokens"),
        output_tokens=count("completion_tokens"),
        cache_read_tokens=count("prompt_tokens_details", "cached_tokens") or count("prompt_cache_hit_tokens"),
        cache_write_tokens=count("prompt_tokens_details", "cache_write_tokens"),
        reasoning_tokens=count("completion_tokens_details", "reasoning_tokens"),
        provider_tool_usage=(ProviderToolUsage(name="web_search", call_count=searches),) if searches else (),
        raw=raw,
    )
