"""Requests of Anthropic's Messages API. `decoder` decodes the responses.

Source: docs.claude.com (Messages, streaming, thinking, effort, prompt caching, structured outputs, mid-conversation
system messages), and recorded traffic.

Rules
* Turns alternate: consecutive messages of one role are merged, and a user turn begins with its tool results. The API
  refuses texts without a visible character, so they are never sent. An assistant turn that becomes empty is dropped; an
  empty user turn becomes "(no text)", since the turns around it must stay apart, and the first turn must be the user's.
* The model continues a trailing assistant turn, if it can; else a user turn "Go on." follows it.
* System messages at the start are the `system` field. Later ones stay in their turn, so that everything before them is
  unchanged (the cached prefix, signed thoughts): as system turns where the model accepts these, else as tagged user
  text.
* The prefix that calls share is marked for the cache: tools and `system`, and the history once there is one. The API
  ignores marks on a prefix that is too short.
* The API requires `max_tokens`. It limits the caller's cost, so the thinking budget is reduced to fit it; `max_tokens`
  is never raised. The default is 16,000 or the model's limit; for unknown models the smallest limit of all models.
* Params that a model refuses, alone or together with others, are omitted with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ...errors import FeatureNotSupportedError
from ...schema.dialects.definitions import ANTHROPIC
from ...types import content as c
from ...types.chunks import Chunk
from ...types.messages import AssistantMessage, Message, SystemMessage, UserMessage
from ..codec import EncodedRequest, JsonObject, Request
from ..message_encoding import (
    NO_TEXT,
    CallIdFormat,
    arguments_object,
    can_send_verbatim,
    encode_result,
    make_valid_name,
    message_text,
    tag_system_text,
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
from .decoder import MessagesDecoder

if TYPE_CHECKING:
    from ...schema.tools import ToolSchema
    from ...types.params import ThinkingConfig

_VERSION = (
    "2023-06-01"  # the next one, 2026-10-21, refuses temperature, top_p and top_k even for models that accept them
)
_DEFAULT_MAX_TOKENS = 16_000
_MIN_OUTPUT_LIMIT = 4_096  # the smallest of all Claude models: unknown models accept it too
_MIN_BUDGET = 1_024
_BUDGET_SHARES = {
    "minimal": 0.0,
    "low": 0.2,
    "medium": 0.4,
    "high": 0.6,
    "xhigh": 0.7,
    "max": 0.8,
}  # shares of max_tokens
_EFFORTS = ("low", "medium", "high", "xhigh", "max")  # the union over all models
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_THINKING_TYPES = ("thinking", "redacted_thinking")
_CACHE_MARK = {"cache_control": {"type": "ephemeral"}}
_CALL_IDS = CallIdFormat(pattern=r"[a-zA-Z0-9_-]{1,64}", prefix="toolu_")
_CONTINUE_TEXT = "Go on."
_PROVIDER_TOOLS = {"web_search": {"type": "web_search_20250305", "name": "web_search"}}


class AnthropicMessages:
    """The codec."""

    schema_dialect = ANTHROPIC

    def encode(self, request: Request) -> EncodedRequest:
        """See `Codec.encode`. Raises `FeatureNotSupportedError` for unsupported media and provider tools."""
        leading = list(takewhile(lambda message: isinstance(message, SystemMessage), request.messages))
        body: JsonObject = {
            "model": request.model,
            "max_tokens": _max_tokens(request),
            "messages": self._encode_messages(request.messages[len(leading) :], request),
        }
        if system := _join_texts(message.content.text for message in leading if isinstance(message, SystemMessage)):
            body["system"] = [_text_block(system)]
        body.update(_encode_thinking(request, body["max_tokens"]))
        _prepare_last_turn(body, request)
        if request.format is not None and request.format.mode == "strict":
            shape = {"type": "json_schema", "schema": request.format.wire_schema}
            body["output_config"] = {**body.get("output_config", {}), "format": shape}
        tools = [_encode_tool(tool, request) for tool in request.tools]
        if tools := [*tools, *encode_provider_tools(request, _PROVIDER_TOOLS)]:
            body["tools"] = tools
            _add_tool_params(request, body)
        _add_params(request, body)
        _mark_for_cache(body)
        if request.stream:
            body["stream"] = True
        return EncodedRequest("/v1/messages", body, {"anthropic-version": _VERSION})

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        return MessagesDecoder().decode(body)

    def decoder(self) -> MessagesDecoder:
        """See `Codec.decoder`."""
        return MessagesDecoder()

    def _encode_messages(self, messages: Iterable[Message], request: Request) -> list[JsonObject]:
        turns = _TurnBuilder(request.features.inline_system_messages is True)
        for message in messages:
            match message:
                case SystemMessage():
                    turns.add_system(message.content.text)
                case UserMessage():
                    turns.add_user(_encode_user(message, request))
                case AssistantMessage():
                    turns.add_assistant(self._encode_assistant(message, request))
        return turns.build()

    def _encode_assistant(self, message: AssistantMessage, request: Request) -> list[JsonObject]:
        raw = message.raw_message
        if _is_raw_message(raw) and can_send_verbatim(message, request, lambda: self.decode(raw)):
            return _encode_raw_blocks(raw["content"])
        text_block = _text_block(message_text(message, request))
        calls = [_encode_call(part) for part in message.content if isinstance(part, c.ToolCall)]
        return calls if _is_blank(text_block) else [text_block, *calls]


# -- request: messages ------------------------------------------------------------------------------------------------


class _TurnBuilder:
    """Puts messages into the order and grouping that the API accepts."""

    def __init__(self, has_system_turns: bool) -> None:
        self._has_system_turns = has_system_turns
        self._turns: list[JsonObject] = []
        self._user_blocks: list[JsonObject] | None = None  # of the open user turn; `None` if there is none
        self._system_texts: list[str] = []  # a system turn must directly follow its user turn

    def add_system(self, text: str) -> None:
        if not text.strip():
            return
        if self._has_system_turns:
            self._system_texts.append(text)
        else:
            self.add_user([_tagged_block(text)])

    def add_user(self, blocks: list[JsonObject]) -> None:
        self._user_blocks = [*(self._user_blocks or ()), *blocks]

    def add_assistant(self, blocks: list[JsonObject]) -> None:
        if not blocks:
            return
        if not self._turns:
            self.add_user([])
        self._close_user_turn()
        if self._turns and self._turns[-1]["role"] == "assistant":
            self._turns[-1]["content"] += blocks
        else:
            self._turns.append({"role": "assistant", "content": list(blocks)})

    def build(self) -> list[JsonObject]:
        if not self._turns:
            self.add_user([])
        self._close_user_turn()
        return self._turns

    def _close_user_turn(self) -> None:
        if self._user_blocks is None and not self._system_texts:
            return
        blocks, system = self._user_blocks, self._system_texts
        self._user_blocks, self._system_texts = None, []
        if not blocks:  # there is no user turn for the system turn to follow
            blocks, system = [_tagged_block(text) for text in system], []
        blocks.sort(key=lambda block: block["type"] != "tool_result")
        self._turns.append({"role": "user", "content": blocks or [_text_block(NO_TEXT)]})
        if system:
            self._turns.append({"role": "system", "content": _join_texts(system)})


def _prepare_last_turn(body: JsonObject, request: Request) -> None:
    """Let the model continue a trailing assistant turn where it supports that: the text must not end with a space."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        _omit_thinking_within_turn(body, request)
    elif last["content"][-1]["type"] == "text":
        has_thoughts = any(block["type"] in _THINKING_TYPES for block in last["content"])
        if has_thoughts or request.features.prefill is False or _has_thinking(body, "enabled", "adaptive"):
            body["messages"].append({"role": "user", "content": [_text_block(_CONTINUE_TEXT)]})
        else:
            block = last["content"][-1]
            last["content"][-1] = {**block, "text": block["text"].rstrip()}


def _omit_thinking_within_turn(body: JsonObject, request: Request) -> None:
    """Omit thinking with a budget if the last turn called tools without a thought: such a turn must begin with one."""
    if not _has_thinking(body, "enabled"):
        return
    turns = [message["content"] for message in body["messages"] if message["role"] != "system"]
    if len(turns) < 2:
        return
    calls, results = turns[-2][0], turns[-1][0]
    if results["type"] == "tool_result" and calls["type"] not in _THINKING_TYPES:
        warn_omitted("thinking", request)
        del body["thinking"]


def _encode_user(message: UserMessage, request: Request) -> list[JsonObject]:
    blocks = [_encode_part(part, request) for part in message.content]
    return [block for block in blocks if not _is_blank(block)]


def _encode_part(part: c.UserContentPart, request: Request) -> JsonObject:
    match part:
        case c.Text(text):
            return _text_block(text)
        case c.Image():
            return _encode_image(part, request)
        case c.Document(source):
            return {"type": "document", "source": _encode_document_source(source, request)}
        case c.ToolOutput():
            return _encode_result(part, request)
        case c.Audio():
            raise FeatureNotSupportedError("Audio", request.provider_id, request.model_id)


def _encode_image(image: c.Image, request: Request) -> JsonObject:
    match image.source:
        case c.URLImageSource(url):
            source = {"type": "url", "url": url}
        case c.Base64ImageSource(data, mime_type) if mime_type in _IMAGE_TYPES:
            source = {"type": "base64", "media_type": mime_type, "data": data}
        case c.Base64ImageSource(_, mime_type):
            feature = f"An image of type {mime_type} (use PNG, JPEG, GIF or WebP)"
            raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)
    return {"type": "image", "source": source}


def _encode_document_source(source: object, request: Request) -> JsonObject:
    match source:
        case c.URLDocumentSource(url):
            return {"type": "url", "url": url}
        case c.TextDocumentSource(text):
            return {"type": "text", "media_type": "text/plain", "data": text}
        case c.Base64DocumentSource(data, "application/pdf"):
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        case _:
            kind = getattr(source, "media_type", type(source).__name__)
            feature = f"A document of type {kind} (use PDF or text)"
            raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)


def _encode_result(output: c.ToolOutput[Any], request: Request) -> JsonObject:
    block: JsonObject = {"type": "tool_result", "tool_use_id": _CALL_IDS.make_valid(output.id)}
    if content := _encode_result_content(output.result, request):
        block["content"] = content
    if output.error is not None:
        block["is_error"] = True
        block.setdefault("content", NO_TEXT)  # an error must have content
    return block


def _encode_result_content(result: object, request: Request) -> str | list[JsonObject]:
    content = encode_result(result, _text_block, lambda image: _encode_image(image, request))
    if isinstance(content, str):
        return content if content.strip() else ""
    return [block for block in content if not _is_blank(block)]


def _encode_call(part: c.ToolCall) -> JsonObject:
    name, arguments = make_valid_name(part.name), arguments_object(part.args)
    return {"type": "tool_use", "id": _CALL_IDS.make_valid(part.id), "name": name, "input": arguments}


def _is_raw_message(raw: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(raw, Mapping) and isinstance(cast("Mapping[str, Any]", raw).get("content"), list)


def _encode_raw_blocks(blocks: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the blocks of a response without those that the API refuses: blank texts, and trailing thoughts."""
    encoded = [_make_valid_call(block) for block in blocks if not _is_blank(block)]
    while encoded and encoded[-1]["type"] in _THINKING_TYPES:
        encoded.pop()
    return encoded


def _make_valid_call(block: JsonObject) -> JsonObject:
    if block["type"] != "tool_use":
        return block
    return {**block, "id": _CALL_IDS.make_valid(block["id"]), "name": make_valid_name(block.get("name") or "")}


def _text_block(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _tagged_block(text: str) -> JsonObject:
    return _text_block(tag_system_text(text))


def _is_blank(block: Mapping[str, Any]) -> bool:
    return block["type"] == "text" and not block["text"].strip()


def _join_texts(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())


# -- request: settings ------------------------------------------------------------------------------------------------


def _max_tokens(request: Request) -> int:
    if (tokens := request.params.get("max_tokens")) is not None:
        return tokens
    return min(_DEFAULT_MAX_TOKENS, request.features.max_output_tokens or _MIN_OUTPUT_LIMIT)


def _encode_thinking(request: Request, max_tokens: int) -> JsonObject:
    config = request.params.get("thinking")
    if not config:
        return {}
    level, features = config["level"], request.features
    if features.thinking is False:
        warn_thinking_omitted(request)
        return {}
    if level == "none":
        # Some models always think: for them the lowest effort is the nearest.
        if features.thinking_off is False:
            return _encode_effort(request)
        return {"thinking": {"type": features.thinking_off or "disabled"}}
    return (
        _encode_adaptive(config, request)
        if features.thinking == "adaptive"
        else _encode_budget(level, max_tokens, request)
    )


def _encode_adaptive(config: ThinkingConfig, request: Request) -> JsonObject:
    shape: JsonObject = {"type": "adaptive"}
    if config.get("include_thoughts"):
        shape["display"] = "summarized"
    elif config["level"] == "default":
        return {}
    return {"thinking": shape, **_encode_effort(request)}


def _encode_effort(request: Request) -> JsonObject:
    effort = supported_effort(request, _EFFORTS)
    return {"output_config": {"effort": effort}} if effort else {}


def _encode_budget(level: str, max_tokens: int, request: Request) -> JsonObject:
    if level == "default":
        return {}
    if max_tokens <= _MIN_BUDGET:
        warn_omitted("thinking", request)
        return {}
    budget = max(_MIN_BUDGET, int(_BUDGET_SHARES[level] * max_tokens))
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _add_params(request: Request, body: JsonObject) -> None:
    has_thinking = _has_thinking(body, "enabled", "adaptive")
    add_sampling_params(
        request, body, ("temperature", "top_p", "top_k"), unsupported=("temperature", "top_k") if has_thinking else ()
    )
    add_param(request, body, "seed", is_supported=False)
    add_param(request, body, "stop_sequences", request.features.stop)


def _encode_tool(tool: ToolSchema, request: Request) -> JsonObject:
    shape: JsonObject = {"name": tool.name, "description": tool.description, "input_schema": tool.wire_parameters}
    if tool.strict and can_send_strict(tool, request):
        shape["strict"] = True
    return shape


def _add_tool_params(request: Request, body: JsonObject) -> None:
    choice, parallel = supported_tool_choice(request), request.params.get("parallel_tool_calls")
    if request.features.tool_choice is False or (choice is None and parallel is None):
        return
    if choice not in (None, "auto", "none") and _has_thinking(body, "enabled"):
        warn_omitted("tool_choice", request)
        choice = "auto"
    if isinstance(choice, Mapping):
        shape: JsonObject = {"type": "tool", "name": choice["name"]}
    else:
        shape = {"type": _TOOL_CHOICES[choice or "auto"]}
    if parallel is not None and shape["type"] != "none":
        shape["disable_parallel_tool_use"] = not parallel
    body["tool_choice"] = shape


def _has_thinking(body: JsonObject, *kinds: str) -> bool:
    return body.get("thinking", {}).get("type") in kinds


def _mark_for_cache(body: JsonObject) -> None:
    """Mark the ends of the prefix that later calls share: tools and system text; the history too, once there is a
    response.

    Marks are on blocks, not on the request, since not every cloud that serves the API accepts the latter.
    """
    ends = [body.get("system") or body.get("tools")]
    if any(message["role"] == "assistant" for message in body["messages"]):
        ends.append(next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), None))
    for blocks in ends:
        if blocks:
            blocks[-1] = {**blocks[-1], **_CACHE_MARK}
