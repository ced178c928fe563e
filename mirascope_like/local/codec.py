"""Adapts a chat-completions request to the embedded model. One pure function, `adapt_body`.

The embedded server speaks the protocol of OpenAI's chat completions, but the model behind it has 135 million
parameters and needs more guidance than the protocol gives. The rules:

* Tools. The model cannot decide *whether* to call a tool, so with `tool_choice` absent or `"auto"` the policy is fixed:
  a call is forced when the last message is the user's, and none is possible after a tool's result. This is a demo aid.
* A forced call is prefilled: `PREFILL`, the opening of the call, is sent as a trailing assistant message. The server's
  response has the call as usual, streamed or not, and does not show the prefill. One call at a time.
* The server does not accept tools together with `response_format`: the format waits until no call is forced.
* The server enforces a schema but does not show it to the model: it is added to the system message. Strings in it get
  a maximum length, since small models tend to loop inside a string.
* By default the model rambles: it is asked for one short sentence, at temperature 0, and stopped at 256 tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from ..schema.dialects.definitions import LOCAL
from ..wire.codec import EncodedRequest, Request
from ..wire.features import get_chat_dialect
from ..wire.openai_chat.codec import OpenAIChat

PREFILL = "<tool_call>["
SYSTEM_PROMPT = "Answer in one short sentence."
MAX_TOKENS = 256
MAX_STRING_LENGTH = 200  # characters

_TOOL_KEYS = ("tools", "tool_choice", "parallel_tool_calls")
_STRING_LIMITS = ("maxLength", "enum", "const", "pattern", "format")
_DATA_KEYS = ("enum", "const", "default", "examples")  # the values of these keys are data, not schemas


def adapt_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body for the embedded server that makes the request of `body`, written for an OpenAI-compatible
    server.

    `body` is not changed; the result shares its unchanged parts.
    """
    adapted: dict[str, Any] = {
        "temperature": 0,
        **body,
        "messages": [_rename_role(message) for message in body["messages"]],
    }
    if "max_completion_tokens" not in body:
        adapted.setdefault("max_tokens", MAX_TOKENS)
    if tools := _forced_tools(body):
        _force_call(adapted, tools)
        return adapted
    for key in _TOOL_KEYS:
        adapted.pop(key, None)
    if "response_format" in body:
        _show_format(adapted)
    elif not body.get("tools"):
        _ensure_system_message(adapted["messages"])
    return adapted


def _rename_role(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "role": "system"} if message["role"] == "developer" else message


def _forced_tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tools of which one must be called now; none if the model is to respond with text."""
    tools: list[dict[str, Any]] = body.get("tools") or []
    choice: str | dict[str, Any] = body.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        tools, choice = _select_tools(tools, choice)
    if choice == "auto":
        choice = "required" if body["messages"][-1]["role"] == "user" else "none"
    return tools if choice == "required" else []


def _select_tools(tools: list[dict[str, Any]], choice: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return the tools that a `tool_choice` object selects, and its mode: one function, or an allowed subset."""
    allowed: dict[str, Any] = choice.get("allowed_tools") or {"tools": [choice], "mode": "required"}
    names = {tool["function"]["name"] for tool in allowed["tools"]}
    return [tool for tool in tools if tool["function"]["name"] in names], allowed["mode"]


def _force_call(adapted: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    adapted.pop("response_format", None)
    adapted["tools"] = _limit_strings(tools)
    adapted["tool_choice"] = "required"
    adapted["parallel_tool_calls"] = False
    adapted["messages"].append({"role": "assistant", "content": PREFILL})


def _show_format(adapted: dict[str, Any]) -> None:
    response_format: dict[str, Any] = adapted["response_format"]
    if response_format.get("type") != "json_schema":
        return
    adapted["response_format"] = response_format = _limit_strings(response_format)
    schema = response_format["json_schema"]["schema"]
    _add_system_text(
        adapted["messages"], f"Answer in JSON that fits this schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )


def _ensure_system_message(messages: list[dict[str, Any]]) -> None:
    if all(message["role"] != "system" for message in messages):
        messages.insert(0, {"role": "system", "content": SYSTEM_PROMPT})


def _add_system_text(messages: list[dict[str, Any]], text: str) -> None:
    """Add `text` to the first system message, or as a new one."""
    if messages[0]["role"] == "system":
        text = f"{_content_text(messages.pop(0)['content'])}\n\n{text}"
    messages.insert(0, {"role": "system", "content": text})


def _content_text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _limit_strings(schema: Any) -> Any:
    """Return a copy in which every unrestricted string has a maximum length."""
    if isinstance(schema, list):
        return [_limit_strings(item) for item in cast("Iterable[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast("Mapping[str, Any]", schema)
    copy = {key: value if key in _DATA_KEYS else _limit_strings(value) for key, value in node.items()}
    if copy.get("type") == "string" and not any(bound in copy for bound in _STRING_LIMITS):
        copy["maxLength"] = MAX_STRING_LENGTH
    return copy


class LocalChat(OpenAIChat):
    """Chat completions for the embedded model: `adapt_body` changes the requests; responses are those of any server."""

    schema_dialect = LOCAL

    def __init__(self) -> None:
        super().__init__(get_chat_dialect("local"))

    def encode(self, request: Request) -> EncodedRequest:
        """See `Codec.encode`. Raises `ValueError` for an empty stop sequence."""
        if not all(request.params.get("stop_sequences") or ()):
            raise ValueError("The embedded model would stop at an empty stop sequence before its first token.")
        outgoing = super().encode(request)
        return EncodedRequest(outgoing.path, adapt_body(outgoing.body), outgoing.headers)
