"""Anthropic's Messages API: requests. `anthropic_answers` reads what comes back.

Source: docs.claude.com (Messages, streaming, thinking, effort, prompt caching, structured outputs, mid-conversation
system messages), and recorded traffic.

Rules
* Turns alternate: messages of one role in a row become one, and a user turn begins with its tool results. Texts without
  a visible character are refused by the API and so never sent. An assistant turn of which nothing is left is dropped; a
  user's says "(no text)", because the turns around it have to stay apart, and the first turn has to be the user's.
* The model goes on with an assistant turn that stands last, if it can; else the user says "Go on." behind it.
* System messages at the start are the `system` field. Later ones stay in their turn, so that what came before stays as
  it was (the cached prefix, signed thoughts): as system turns where the model takes these, else as tagged user text.
* The prefix that calls share is marked for the cache: tools and `system`, and the history once there is one. What is
  too short to be cached is ignored by the API.
* `max_tokens` must be sent. Callers set it as the most they pay for, so a thinking budget yields to it, never it to the
  budget. Unset, it is 16,000 or the model's limit, and for models not known the smallest limit of all.
* Params that a model refuses, alone or beside others, are left out with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..errors import FeatureNotSupportedError
from ..schema.dialects import ANTHROPIC
from ..values import content as c
from ..values.chunks import Chunk
from ..values.messages import AssistantMessage, Message, SystemMessage, UserMessage
from ..values.result_text import result_text
from ..values.results import result_images
from . import JsonObject, Outgoing, Request
from .anthropic_answers import MessagesDecoder
from .history import NOTHING, CallIds, arguments_object, left_out, sendable_name, sent_verbatim, spoken, tagged
from .sampling import add_param, add_sampling, takes_strict, tool_choice
from .thinking import effort_for, refuse_thinking

if TYPE_CHECKING:
    from ..schema.tools import ProviderTool, ToolSchema
    from ..values.params import ThinkingConfig

__all__ = ["AnthropicMessages"]

_VERSION = "2023-06-01"  # the next one, 2026-10-21, refuses temperature, top_p and top_k also for models that take them
_DEFAULT_MAX_TOKENS = 16_000
_SMALLEST_LIMIT = 4_096  # of all Claude models: what a model that is not known takes in any case
_SMALLEST_BUDGET = 1_024
_BUDGETS = {"minimal": 0.0, "low": 0.2, "medium": 0.4, "high": 0.6, "xhigh": 0.7, "max": 0.8}  # shares of max_tokens
_EFFORTS = ("low", "medium", "high", "xhigh", "max")  # of all models together
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_THOUGHTS = ("thinking", "redacted_thinking")
_CACHED = {"cache_control": {"type": "ephemeral"}}
_IDS = CallIds(pattern=r"[a-zA-Z0-9_-]{1,64}", prefix="toolu_")
_GO_ON = "Go on."
_PROVIDER_TOOLS = {"web_search": {"type": "web_search_20250305", "name": "web_search"}}


class AnthropicMessages:
    """The codec."""

    schema_dialect = ANTHROPIC

    def encode(self, request: Request) -> Outgoing:
        """See `Codec.encode`. Raises `FeatureNotSupportedError` for media and provider tools that are not taken."""
        leading = list(takewhile(lambda message: isinstance(message, SystemMessage), request.messages))
        body: JsonObject = {
            "model": request.model,
            "max_tokens": _max_tokens(request),
            "messages": self._messages(request.messages[len(leading) :], request),
        }
        if system := _joined(message.content.text for message in leading if isinstance(message, SystemMessage)):
            body["system"] = [_text(system)]
        body.update(_thinking(request, body["max_tokens"]))
        _end_turns(body, request)
        if request.format is not None and request.format.mode == "strict":
            shape = {"type": "json_schema", "schema": request.format.wire_schema}
            body["output_config"] = {**body.get("output_config", {}), "format": shape}
        tools = [_tool(tool, request) for tool in request.tools]
        if tools := [*tools, *(_provider_tool(tool, request) for tool in request.provider_tools)]:
            body["tools"] = tools
            _tool_params(request, body)
        _sampling(request, body)
        _mark_for_cache(body)
        if request.stream:
            body["stream"] = True
        return Outgoing("/v1/messages", body, {"anthropic-version": _VERSION})

    def decode(self, body: Any) -> list[Chunk]:
        """See `Codec.decode`."""
        return MessagesDecoder().decode(body)

    def decoder(self) -> MessagesDecoder:
        """See `Codec.decoder`."""
        return MessagesDecoder()

    def _messages(self, messages: Iterable[Message], request: Request) -> list[JsonObject]:
        turns = _Turns(request.features.system_turns is True)
        for message in messages:
            match message:
                case SystemMessage():
                    turns.system(message.content.text)
                case UserMessage():
                    turns.user(_user(message, request))
                case AssistantMessage():
                    turns.assistant(self._assistant(message, request))
        return turns.all()

    def _assistant(self, message: AssistantMessage, request: Request) -> list[JsonObject]:
        raw = message.raw_message
        if _is_ours(raw) and sent_verbatim(message, request, lambda: self.decode(raw)):
            return _sent_back(raw["content"])
        said = _text(spoken(message, request))
        calls = [_call(part) for part in message.content if isinstance(part, c.ToolCall)]
        return calls if _is_blank(said) else [said, *calls]


# -- request: messages ------------------------------------------------------------------------------------------------


class _Turns:
    """Puts messages into the order and grouping that the API takes."""

    def __init__(self, system_turns: bool) -> None:
        self._system_turns = system_turns
        self._done: list[JsonObject] = []
        self._user: list[JsonObject] | None = None  # of the user turn that is open, if one is
        self._system: list[str] = []  # a system turn has to stand right after the user turn it came with

    def system(self, text: str) -> None:
        if not text.strip():
            return
        if self._system_turns:
            self._system.append(text)
        else:
            self.user([_tagged(text)])

    def user(self, blocks: list[JsonObject]) -> None:
        self._user = [*(self._user or ()), *blocks]

    def assistant(self, blocks: list[JsonObject]) -> None:
        if not blocks:
            return
        if not self._done:
            self.user([])
        self._close_user()
        if self._done and self._done[-1]["role"] == "assistant":
            self._done[-1]["content"] += blocks
        else:
            self._done.append({"role": "assistant", "content": list(blocks)})

    def all(self) -> list[JsonObject]:
        if not self._done:
            self.user([])
        self._close_user()
        return self._done

    def _close_user(self) -> None:
        if self._user is None and not self._system:
            return
        blocks, system = self._user, self._system
        self._user, self._system = None, []
        if not blocks:  # there is no user turn for the system's to follow
            blocks, system = [_tagged(text) for text in system], []
        blocks.sort(key=lambda block: block["type"] != "tool_result")
        self._done.append({"role": "user", "content": blocks or [_text(NOTHING)]})
        if system:
            self._done.append({"role": "system", "content": _joined(system)})


def _end_turns(body: JsonObject, request: Request) -> None:
    """What the model said last is for it to go on with, where it takes that: then it must not end with a space."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        _think_from_the_start(body, request)
    elif last["content"][-1]["type"] == "text":
        thought = any(block["type"] in _THOUGHTS for block in last["content"])
        if thought or request.features.prefill is False or _thinks(body, "enabled", "adaptive"):
            body["messages"].append({"role": "user", "content": [_text(_GO_ON)]})
        else:
            block = last["content"][-1]
            last["content"][-1] = {**block, "text": block["text"].rstrip()}


def _think_from_the_start(body: JsonObject, request: Request) -> None:
    """Where thoughts have a budget, a turn that calls tools has to begin with one: who called without goes on so."""
    if not _thinks(body, "enabled"):
        return
    turns = [message["content"] for message in body["messages"] if message["role"] != "system"]
    if len(turns) < 2:
        return
    calls, results = turns[-2][0], turns[-1][0]
    if results["type"] == "tool_result" and calls["type"] not in _THOUGHTS:
        left_out("thinking", request)
        del body["thinking"]


def _user(message: UserMessage, request: Request) -> list[JsonObject]:
    blocks = [_user_part(part, request) for part in message.content]
    return [block for block in blocks if not _is_blank(block)]


def _user_part(part: c.UserContentPart, request: Request) -> JsonObject:
    match part:
        case c.Text(text):
            return _text(text)
        case c.Image():
            return _image(part, request)
        case c.Document(source):
            return {"type": "document", "source": _document_source(source, request)}
        case c.ToolOutput():
            return _result(part, request)
        case c.Audio():
            raise FeatureNotSupportedError("Audio", request.provider_id, request.model_id)


def _image(image: c.Image, request: Request) -> JsonObject:
    match image.source:
        case c.URLImageSource(url):
            source = {"type": "url", "url": url}
        case c.Base64ImageSource(data, mime_type) if mime_type in _IMAGES:
            source = {"type": "base64", "media_type": mime_type, "data": data}
        case c.Base64ImageSource(_, mime_type):
            feature = f"An image of type {mime_type} (use PNG, JPEG, GIF or WebP)"
            raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)
    return {"type": "image", "source": source}


def _document_source(source: object, request: Request) -> JsonObject:
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


def _result(output: c.ToolOutput[Any], request: Request) -> JsonObject:
    block: JsonObject = {"type": "tool_result", "tool_use_id": _IDS.sendable(output.id)}
    if content := _result_content(output.result, request):
        block["content"] = content
    if output.error is not None:
        block["is_error"] = True
        block.setdefault("content", NOTHING)  # an error must have some
    return block


def _result_content(result: object, request: Request) -> str | list[JsonObject]:
    if not result_images(result):
        text = result_text(result)
        return text if text.strip() else ""
    items = cast("Sequence[object]", result if isinstance(result, list | tuple) else [result])
    blocks = [_image(item, request) if isinstance(item, c.Image) else _text(result_text(item)) for item in items]
    return [block for block in blocks if not _is_blank(block)]


def _call(part: c.ToolCall) -> JsonObject:
    name, arguments = sendable_name(part.name), arguments_object(part.args)
    return {"type": "tool_use", "id": _IDS.sendable(part.id), "name": name, "input": arguments}


def _is_ours(raw: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(raw, Mapping) and isinstance(cast("Mapping[str, Any]", raw).get("content"), list)


def _sent_back(blocks: Iterable[JsonObject]) -> list[JsonObject]:
    """Blocks of an answer as they can go back: no blank texts, and no thoughts that lead to nothing."""
    kept = [_with_sendable_call(block) for block in blocks if not _is_blank(block)]
    while kept and kept[-1]["type"] in _THOUGHTS:
        kept.pop()
    return kept


def _with_sendable_call(block: JsonObject) -> JsonObject:
    if block["type"] != "tool_use":
        return block
    return {**block, "id": _IDS.sendable(block["id"]), "name": sendable_name(block.get("name") or "")}


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _tagged(text: str) -> JsonObject:
    return _text(tagged(text))


def _is_blank(block: Mapping[str, Any]) -> bool:
    return block["type"] == "text" and not block["text"].strip()


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())


# -- request: settings ------------------------------------------------------------------------------------------------


def _max_tokens(request: Request) -> int:
    if (tokens := request.params.get("max_tokens")) is not None:
        return tokens
    return min(_DEFAULT_MAX_TOKENS, request.features.max_output_tokens or _SMALLEST_LIMIT)


def _thinking(request: Request, max_tokens: int) -> JsonObject:
    config = request.params.get("thinking")
    if not config:
        return {}
    level, features = config["level"], request.features
    if features.thinking is False:
        refuse_thinking(request)
        return {}
    if level == "none":
        # Some models always think: for them the least is the nearest.
        if features.thinking_off is False:
            return _effort(request)
        return {"thinking": {"type": features.thinking_off or "disabled"}}
    return _adaptive(config, request) if features.thinking == "adaptive" else _budget(level, max_tokens, request)


def _adaptive(config: ThinkingConfig, request: Request) -> JsonObject:
    shape: JsonObject = {"type": "adaptive"}
    if config.get("include_thoughts"):
        shape["display"] = "summarized"
    elif config["level"] == "default":
        return {}
    return {"thinking": shape, **_effort(request)}


def _effort(request: Request) -> JsonObject:
    effort = effort_for(request, _EFFORTS)
    return {"output_config": {"effort": effort}} if effort else {}


def _budget(level: str, max_tokens: int, request: Request) -> JsonObject:
    if level == "default":
        return {}
    if max_tokens <= _SMALLEST_BUDGET:
        left_out("thinking", request)
        return {}
    budget = max(_SMALLEST_BUDGET, int(_BUDGETS[level] * max_tokens))
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _sampling(request: Request, body: JsonObject) -> None:
    thinks = _thinks(body, "enabled", "adaptive")
    add_sampling(request, body, ("temperature", "top_p", "top_k"), refused=("temperature", "top_k") if thinks else ())
    add_param(request, body, "seed", taken=False)
    add_param(request, body, "stop_sequences", request.features.stop)


def _tool(tool: ToolSchema, request: Request) -> JsonObject:
    shape: JsonObject = {"name": tool.name, "description": tool.description, "input_schema": tool.wire_parameters}
    if tool.strict and takes_strict(tool, request):
        shape["strict"] = True
    return shape


def _provider_tool(tool: ProviderTool, request: Request) -> JsonObject:
    if (shape := _PROVIDER_TOOLS.get(tool.name)) is None:
        raise FeatureNotSupportedError(f"The provider tool {tool.name!r}", request.provider_id, request.model_id)
    return dict(shape)


def _tool_params(request: Request, body: JsonObject) -> None:
    choice, parallel = tool_choice(request), request.params.get("parallel_tool_calls")
    if request.features.tool_choice is False or (choice is None and parallel is None):
        return
    if choice not in (None, "auto", "none") and _thinks(body, "enabled"):
        left_out("tool_choice", request)
        choice = "auto"
    if isinstance(choice, Mapping):
        shape: JsonObject = {"type": "tool", "name": choice["name"]}
    else:
        shape = {"type": _TOOL_CHOICES[choice or "auto"]}
    if parallel is not None and shape["type"] != "none":
        shape["disable_parallel_tool_use"] = not parallel
    body["tool_choice"] = shape


def _thinks(body: JsonObject, *kinds: str) -> bool:
    return body.get("thinking", {}).get("type") in kinds


def _mark_for_cache(body: JsonObject) -> None:
    """Mark the ends of what later calls begin with: tools and system text; the history too, once there is an answer.

    Marks stand on blocks, not on the request, since not every cloud that serves the API takes the latter.
    """
    ends = [body.get("system") or body.get("tools")]
    if any(message["role"] == "assistant" for message in body["messages"]):
        ends.append(next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), None))
    for blocks in ends:
        if blocks:
            blocks[-1] = {**blocks[-1], **_CACHED}
