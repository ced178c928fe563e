"""Requests of OpenAI's Responses API, and of the servers that speak it (Azure, xAI, DeepSeek, OpenRouter, Bedrock).
`decoder` decodes the responses.

Source: platform.openai.com/docs/api-reference/responses, the request types of OpenAI's SDK, and recorded traffic.

Rules
* Nothing is stored with the provider: each request has the whole conversation, encrypted reasoning included. Items go
  back without the ids that a server would fail to find.
* System messages are items with role "system", in their place: all servers accept these, "developer" only some.
* A tool result is a separate item, before the user content that comes with it.
* Tools are not strict unless they say so: the protocol's own default would refuse most schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ...errors import FeatureNotSupportedError
from ...schema.dialects.definitions import OPENAI
from ...types import content as c
from ...types.chunks import Chunk
from ...types.messages import AssistantMessage, SystemMessage, UserMessage
from ..codec import EncodedRequest, JsonObject, Request
from ..message_encoding import (
    NO_TEXT,
    CallIdFormat,
    can_send_verbatim,
    document_file,
    encode_result,
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
from ..thinking import supported_effort, warn_thinking_omitted
from .decoder import ResponsesDecoder

if TYPE_CHECKING:
    from ...schema.formats import Format
    from ...schema.tools import ToolSchema

_PROVIDER_TOOLS = {"web_search": {"type": "web_search"}}
_UNSUPPORTED_PARAMS = ("top_k", "seed", "stop_sequences")
_CALL_IDS = CallIdFormat(pattern=r"[a-zA-Z0-9_-]{1,64}")
# Items that are sent back without their id.
_TYPES_WITHOUT_ID = frozenset(("message", "function_call", "custom_tool_call"))


class OpenAIResponses:
    """The codec; the same for all servers."""

    schema_dialect = OPENAI

    def encode(self, request: Request) -> EncodedRequest:
        """See `Codec.encode`."""
        body: JsonObject = {"model": request.model, "input": self._encode_input(request), "store": False}
        if request.features.thinking and request.features.encrypted_reasoning is not False:
            body["include"] = ["reasoning.encrypted_content"]
        _add_params(request, body)
        _add_tools(request, body)
        if request.format is not None and (shape := _encode_format(request.format, request)):
            body["text"] = {"format": shape}
        if request.stream:
            body["stream"] = True
        return EncodedRequest("/responses", body)

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        return ResponsesDecoder().decode(body)

    def decoder(self) -> ResponsesDecoder:
        """See `Codec.decoder`."""
        return ResponsesDecoder()

    def _encode_input(self, request: Request) -> list[JsonObject]:
        items: list[JsonObject] = []
        call_types: dict[str, str] = {}  # call types by call id: an output has the type of its call
        for message in request.messages:
            match message:
                case SystemMessage():
                    items.append({"role": "system", "content": message.content.text})
                case UserMessage():
                    items.extend(_encode_user(message, call_types, request))
                case AssistantMessage():
                    encoded = self._encode_assistant(message, request)
                    call_types.update((item["call_id"], item["type"]) for item in encoded if item.get("call_id"))
                    items.extend(encoded)
        return items or [{"role": "user", "content": NO_TEXT}]

    def _encode_assistant(self, message: AssistantMessage, request: Request) -> list[JsonObject]:
        raw = message.raw_message
        if isinstance(raw, list | tuple) and can_send_verbatim(message, request, lambda: self.decode({"output": raw})):
            return _encode_raw_items(raw)
        text = message_text(message, request)
        items: list[JsonObject] = [{"role": "assistant", "content": text}] if text else []
        items += [_encode_call(part) for part in message.content if isinstance(part, c.ToolCall)]
        return items


def _encode_user(message: UserMessage, call_types: Mapping[str, str], request: Request) -> Iterable[JsonObject]:
    outputs = [part for part in message.content if isinstance(part, c.ToolOutput)]
    # Results come first: they belong to the calls just before.
    for output in outputs:
        yield _encode_call_output(output, call_types.get(_CALL_IDS.make_valid(output.id), "function_call"))
    parts = [part for part in message.content if not isinstance(part, c.ToolOutput)]
    if parts or not outputs:
        yield {"role": "user", "content": encode_user_content(parts, lambda part: _encode_part(part, request))}


def _encode_part(part: c.UserContentPart, request: Request) -> JsonObject:
    match part:
        case c.Text(text):
            return _input_text(text)
        case c.Image():
            return _input_image(part)
        case c.Document(source):
            return _encode_document(source)
        case c.Audio():
            feature = "Audio (use the provider 'openai:completions')"
            raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)
        case c.ToolOutput():
            raise TypeError("a tool's output is an item of its own")


def _input_text(text: str) -> JsonObject:
    return {"type": "input_text", "text": text}


def _input_image(image: c.Image) -> JsonObject:
    return {"type": "input_image", "image_url": image_url(image.source), "detail": "auto"}


def _encode_document(source: c.Base64DocumentSource | c.TextDocumentSource | c.URLDocumentSource) -> JsonObject:
    match source:
        case c.TextDocumentSource(text):
            return _input_text(text)
        case c.URLDocumentSource(url):
            return {"type": "input_file", "file_url": url}
        case c.Base64DocumentSource():
            return {"type": "input_file", **document_file(source)}


def _encode_call_output(output: c.ToolOutput[Any], kind: str) -> JsonObject:
    """Return the output item for a call of type `kind`."""
    if kind in ("function_call", "custom_tool_call"):
        return {
            "type": f"{kind}_output",
            "call_id": _CALL_IDS.make_valid(output.id),
            "output": encode_result(output.result, _input_text, _input_image),
        }
    # A built-in tool's result is its output in the API's form, or a dict of all fields that the API requires.
    result: Any = output.result
    fields = cast("JsonObject", result) if isinstance(result, dict) else {"output": result}
    id_name = "id" if kind == "local_shell_call" else "call_id"
    return {"type": f"{kind}_output", id_name: _CALL_IDS.make_valid(output.id), **fields}


def _encode_call(part: c.ToolCall) -> JsonObject:
    name, arguments = make_valid_name(part.name), part.args or "{}"
    return {"type": "function_call", "call_id": _CALL_IDS.make_valid(part.id), "name": name, "arguments": arguments}


def _encode_raw_items(items: Iterable[Any]) -> list[JsonObject]:
    """Return output items as input. Left out are items that the API refuses: reasoning with only an id, trailing
    reasoning, and messages without content."""
    encoded = [_encode_raw_item(item) for item in items if _has_content(item)]
    while encoded and encoded[-1].get("type") == "reasoning":
        encoded.pop()
    return encoded


def _has_content(item: JsonObject) -> bool:
    match item.get("type"):
        case "reasoning":
            return bool(item.get("encrypted_content") or item.get("content"))
        case "message":
            return bool(item.get("content"))
        case _:
            return True


def _encode_raw_item(item: JsonObject) -> JsonObject:
    kind, omitted = item.get("type"), set[str]()
    if kind in _TYPES_WITHOUT_ID or item.get("encrypted_content"):
        omitted.add("id")
    if kind == "reasoning":
        omitted.add("status")
        omitted.update(name for name in ("content", "encrypted_content") if not item.get(name))
    encoded = {name: value for name, value in item.items() if name not in omitted}
    if item.get("call_id"):
        encoded["call_id"] = _CALL_IDS.make_valid(item["call_id"])
    if kind == "function_call":
        encoded["name"] = make_valid_name(item.get("name") or kind)
    return encoded


def _add_params(request: Request, body: JsonObject) -> None:
    params: Mapping[str, Any] = request.params
    add_sampling_params(request, body)
    for name in _UNSUPPORTED_PARAMS:
        add_param(request, body, name, is_supported=False)
    if (tokens := params.get("max_tokens")) is not None:
        body["max_output_tokens"] = tokens
    if (thinking := request.params.get("thinking")) and (reasoning := _encode_reasoning(thinking, request)):
        body["reasoning"] = reasoning


def _encode_reasoning(thinking: Mapping[str, Any], request: Request) -> JsonObject:
    if request.features.thinking is False:
        warn_thinking_omitted(request)
        return {}
    effort = supported_effort(request)
    reasoning: JsonObject = {"effort": effort} if effort else {}
    if thinking.get("include_thoughts"):
        if request.features.reasoning_summary is False:
            warn_omitted("include_thoughts", request)
        else:
            reasoning["summary"] = "auto"
    return reasoning


def _add_tools(request: Request, body: JsonObject) -> None:
    tools = [_encode_tool(tool, request) for tool in request.tools]
    tools += encode_provider_tools(request, _PROVIDER_TOOLS)
    if not tools:
        return
    body["tools"] = tools
    if (choice := supported_tool_choice(request)) is not None:
        body["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "name": choice["name"]}
    add_param(request, body, "parallel_tool_calls", request.features.parallel_tools)


def _encode_tool(tool: ToolSchema, request: Request) -> JsonObject:
    function: JsonObject = {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.wire_parameters,
    }
    if can_send_strict(tool, request):
        function["strict"] = bool(tool.strict)
    return function


def _encode_format(format: Format[Any], request: Request) -> JsonObject | None:
    if format.mode == "strict":
        shape: JsonObject = {"type": "json_schema", "name": format.name, "schema": format.wire_schema, "strict": True}
        if format.description:
            shape["description"] = format.description
        return shape
    return {"type": "json_object"} if format.mode == "json" and request.features.json_object else None
