"""Requests of OpenAI chat completions, and of the many servers that speak a variant of it. `decoder`
decodes the responses.

Source: platform.openai.com/docs/api-reference/chat, and each server's own pages for its variant, which is data: a
`ChatDialect`.

Rules
* System messages stay where they are. A tool result is a separate message, before the user content that comes with it;
  the images of a result follow as user content, since results are text here.
* A response goes back verbatim, with signed thoughts, to the model that gave it; to others go its text and calls. One
  without content is left out: some servers refuse it, and it has no information.
* Calls get ids, names and arguments that the server accepts; `message_order` puts the messages in order.
* Params that a server or model is known to refuse are omitted with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ...errors import FeatureNotSupportedError
from ...schema.dialects.definitions import OPENAI
from ...types import content as c
from ...types.chunks import Chunk
from ...types.messages import AssistantMessage, Message, SystemMessage, UserMessage
from ...types.tool_results import result_images, result_text_without_images
from ..codec import EncodedRequest, JsonObject, Request
from ..features import ChatDialect
from ..message_encoding import (
    CallIdFormat,
    arguments_object,
    can_send_verbatim,
    data_url,
    document_file,
    encode_user_content,
    image_url,
    make_valid_name,
    message_text,
    warn_omitted,
)
from ..sampling_params import (
    add_param,
    add_sampling_params,
    can_send_strict,
    encode_provider_tools,
    supported_tool_choice,
)
from ..thinking import is_thinking_enabled, supported_effort, warn_thinking_omitted
from .decoder import ChatDecoder
from .message_order import order_messages

if TYPE_CHECKING:
    from ...schema.formats import Format
    from ...schema.tools import ToolSchema

_CONTENT_FIELDS = ("content", "tool_calls", "refusal", "audio", "images", "function_call")
_USE_RESPONSES = "OpenAI's responses protocol takes both: end the model's name with ':responses'."
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


class OpenAIChat:
    """The codec for one server's dialect."""

    schema_dialect = OPENAI

    def __init__(self, dialect: ChatDialect) -> None:
        self.dialect = dialect
        digits = dialect.call_id_digits
        self._call_ids = CallIdFormat(
            pattern=dialect.call_id_pattern, prefix="call_" if digits > 9 else "", digits=digits
        )

    def encode(self, request: Request) -> EncodedRequest:
        """See `Codec.encode`."""
        if changes := request.features.dialect:
            codec = OpenAIChat(replace(self.dialect, **changes))
            return codec.encode(replace(request, features=replace(request.features, dialect={})))
        encode_provider_tools(request, {})
        body: JsonObject = {"model": request.model, "messages": self._encode_messages(request)}
        self._add_params(request, body)
        if request.tools:
            body["tools"] = [_encode_tool(tool, request) for tool in request.tools]
            _add_tool_params(request, body)
        if request.format is not None and (shape := _encode_format(request.format, request)):
            body["response_format"] = shape
        if request.stream:
            body["stream"] = True
            if self.dialect.stream_usage:
                body["stream_options"] = {"include_usage": True}
        return EncodedRequest("/chat/completions", body)

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        return self.decoder().decode(body)

    def decoder(self) -> ChatDecoder:
        """See `Codec.decoder`."""
        return ChatDecoder(self.dialect)

    # -- request ------------------------------------------------------------------------------------------------------

    def _encode_messages(self, request: Request) -> list[JsonObject]:
        encoded: list[JsonObject] = []
        for message in request.messages:
            encoded.extend(self._encode_message(message, request))
        return order_messages(encoded, self.dialect)

    def _encode_message(self, message: Message, request: Request) -> Iterable[JsonObject]:
        match message:
            case SystemMessage():
                return ({"role": "system", "content": message.content.text},)
            case UserMessage(content=(c.Text(text),), name=None) if text:  # the most common case
                return ({"role": "user", "content": text},)
            case UserMessage():
                return self._encode_user(message, request)
            case AssistantMessage():
                encoded = self._encode_assistant(message, request)
                return (encoded,) if any(encoded.get(field) for field in _CONTENT_FIELDS) else ()

    def _encode_user(self, message: UserMessage, request: Request) -> Iterable[JsonObject]:
        outputs = [part for part in message.content if isinstance(part, c.ToolOutput)]
        # Results come first: they must directly follow their calls.
        for output in outputs:
            yield {
                "role": "tool",
                "tool_call_id": self._call_ids.make_valid(output.id),
                "content": _output_text(output),
            }
        parts = [part for part in message.content if not isinstance(part, c.ToolOutput)]
        # The protocol has no images in results, so a result's images follow as user content.
        parts += [image for output in outputs for image in result_images(output.result)]
        if parts or not outputs:
            content = encode_user_content(parts, lambda part: self._encode_part(part, request))
            yield {"role": "user", "content": content, **self._encode_name(message)}

    def _encode_name(self, message: UserMessage | AssistantMessage) -> JsonObject:
        return {"name": make_valid_name(message.name)} if message.name and self.dialect.accepts_names else {}

    def _encode_part(self, part: c.UserContentPart, request: Request) -> JsonObject:
        match part:
            case c.Image(source):
                return {"type": "image_url", "image_url": {"url": image_url(source)}}
            case c.Audio(source):
                return _encode_audio(source, request)
            case c.Document(source):
                return self._encode_document(source, request)
            case c.Text(text):
                return {"type": "text", "text": text}
            case c.ToolOutput():
                raise TypeError("a tool's output is a message of its own")

    def _encode_document(
        self, source: c.Base64DocumentSource | c.TextDocumentSource | c.URLDocumentSource, request: Request
    ) -> JsonObject:
        match source:
            case c.TextDocumentSource(text):
                return {"type": "text", "text": text}
            case c.Base64DocumentSource(data, media_type) if self.dialect.documents == "document_url":
                return {"type": "document_url", "document_url": data_url(media_type, data)}
            case c.URLDocumentSource(url) if self.dialect.documents == "document_url":
                return {"type": "document_url", "document_url": url}
            case c.Base64DocumentSource():
                return {"type": "file", "file": document_file(source)}
            case c.URLDocumentSource():
                feature = "A document by URL (use Document.download)"
                raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)

    def _encode_assistant(self, message: AssistantMessage, request: Request) -> JsonObject:
        raw = message.raw_message
        response: JsonObject = {"choices": [{"message": raw}]}
        if _is_chat_message(raw) and can_send_verbatim(message, request, lambda: self.decode(response)):
            return self._encode_raw_message(raw)
        encoded: JsonObject = {
            "role": "assistant",
            "content": message_text(message, request),
            **self._encode_name(message),
        }
        if calls := [
            self._make_valid_call(_encode_call(part)) for part in message.content if isinstance(part, c.ToolCall)
        ]:
            encoded["tool_calls"] = calls
            encoded["content"] = encoded["content"] or None
        return encoded

    def _encode_raw_message(self, raw: Mapping[str, Any]) -> JsonObject:
        """Return a response as it came, except for parts of its own calls that the server does not accept back."""
        calls = raw.get("tool_calls")
        return {**raw, "tool_calls": [self._make_valid_call(call) for call in calls]} if calls else dict(raw)

    def _make_valid_call(self, call: Mapping[str, Any]) -> JsonObject:
        """Return a call in a form that the server accepts."""
        valid: JsonObject = {**call, "id": self._call_ids.make_valid(call["id"])}
        if "function" in call:
            function: Mapping[str, Any] = call["function"]
            valid["function"] = {**function, "name": make_valid_name(function.get("name") or "")}
            if not self.dialect.accepts_non_json_arguments and not arguments_object(function.get("arguments") or ""):
                valid["function"]["arguments"] = "{}"
        return valid

    def _add_params(self, request: Request, body: JsonObject) -> None:
        params, features = request.params, request.features
        add_sampling_params(request, body)
        add_param(request, body, "top_k", self.dialect.top_k)
        if (tokens := params.get("max_tokens")) is not None:
            body[self.dialect.max_tokens] = tokens
        add_param(request, body, "seed", features.seed, self.dialect.seed)
        add_param(request, body, "stop_sequences", features.stop, "stop")
        if features.thinking is False or self.dialect.thinking is None:
            warn_thinking_omitted(request)
        elif effort := _resolve_effort(request):
            self._add_effort(effort, request, body)

    def _add_effort(self, effort: str, request: Request, body: JsonObject) -> None:
        match self.dialect.thinking:
            case "reasoning":
                body["reasoning"] = {"enabled": False} if effort == "none" else {"effort": effort}
            case "thinking":
                body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
                if request.features.efforts and effort != "none":
                    body["reasoning_effort"] = effort
            case _:
                body["reasoning_effort"] = effort


def _resolve_effort(request: Request) -> str | None:
    """Return the effort to send. If a model cannot think together with tools, thinking is turned off where that is
    possible."""
    features = request.features
    if not (request.tools and features.thinking_with_tools is False and is_thinking_enabled(request)):
        return supported_effort(request)
    warn_omitted("thinking", request, together_with="tools", instead=_USE_RESPONSES)
    return "none" if "none" in (features.efforts or ("none",)) else None


def _add_tool_params(request: Request, body: JsonObject) -> None:
    choice, features = supported_tool_choice(request), request.features
    if isinstance(choice, Mapping) and features.tool_choice == "string":
        # With a single tool, "required" selects it.
        body["tools"] = [tool for tool in body["tools"] if tool["function"]["name"] == choice["name"]]
        body["tool_choice"] = "required"
    elif isinstance(choice, Mapping):
        body["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif choice is not None:
        body["tool_choice"] = choice
    add_param(request, body, "parallel_tool_calls", features.parallel_tools)


def _is_chat_message(raw: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(raw, Mapping) and cast("Mapping[str, Any]", raw).get("role") == "assistant"


def _encode_tool(tool: ToolSchema, request: Request) -> JsonObject:
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.wire_parameters}
    if can_send_strict(tool, request) and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _encode_format(format: Format[Any], request: Request) -> JsonObject | None:
    if format.mode == "strict":
        schema: JsonObject = {"name": format.name, "schema": format.wire_schema, "strict": True}
        if format.description:
            schema["description"] = format.description
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if format.mode == "json" and request.features.json_object else None


def _encode_call(part: c.ToolCall) -> JsonObject:
    return {"type": "function", "id": part.id, "function": {"name": part.name, "arguments": part.args or "{}"}}


def _output_text(output: c.ToolOutput[Any]) -> str:
    text = result_text_without_images(output.result)
    if not result_images(output.result):
        return text
    return "\n".join([*([text] if text else ()), "(The images of this result follow in a message.)"])


def _encode_audio(source: c.Base64AudioSource, request: Request) -> JsonObject:
    if (kind := _AUDIO_FORMATS.get(source.mime_type)) is None:
        raise FeatureNotSupportedError(f"Audio of type {source.mime_type} (use WAV or MP3)", request.provider_id)
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": kind}}
