"""What servers and models accept, as data. `None` means "not known": then nothing is assumed, and what the caller asked
for is sent as it stands.

`Dialect` is about a server (how its flavour of a protocol words things), `Features` about a model. Both grow by adding
a row, never an `if` elsewhere. Sources: OpenAI's model and reasoning guides (platform.openai.com/docs/models,
/docs/guides/reasoning), Anthropic's models overview and extended-thinking pages (docs.claude.com), each provider's page on
OpenAI compatibility, and recorded traffic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["CHAT_DIALECTS", "UNKNOWN", "ChatDialect", "Features", "chat_dialect", "features_of"]

ThinkingStyle: TypeAlias = Literal["effort", "budget", "adaptive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What one model takes. Every `None` is "not known"."""

    sampling: bool | None = None
    """Whether temperature and top_p are taken (reasoning models of OpenAI refuse them)."""
    strict_format: bool | None = None
    """Whether answers can be constrained to a JSON schema."""
    json_object: bool | None = None
    """Whether answers can be constrained to be some JSON."""
    strict_tools: bool | None = None
    """Whether tool arguments can be constrained to their schema."""
    audio_input: bool | None = None
    thinking: ThinkingStyle | Literal[False] | None = None
    """How a level of thinking is asked for; `False` if the model does not think."""
    responses: bool | None = None
    """OpenAI: whether the model is served by the responses endpoint."""
    completions: bool | None = None
    """OpenAI: whether the model is served by the chat completions endpoint."""
    max_output_tokens: int | None = None
    """The most tokens one answer may have."""


UNKNOWN = Features()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDialect:
    """How a server words the chat completions protocol."""

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    ends_with: Literal["[DONE]", "finish_reason"] = "finish_reason"
    """What proves that a stream is complete. `[DONE]` always does; where a server is known to send it without fail, a
    finish reason alone does not, since the usage that follows may be missing."""
    thinking: Literal["reasoning_effort", "reasoning", "thinking"] | None = "reasoning_effort"
    """Where a thinking level goes: OpenAI's `reasoning_effort`, OpenRouter's `reasoning` object, or a
    `thinking: {"type": "enabled" | "disabled"}` switch."""
    top_k: bool | None = None
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is taken."""
    file_input: bool | None = None
    """Whether PDF documents are taken."""


CHAT_DIALECTS: dict[str, ChatDialect] = {
    "openai": ChatDialect(
        max_tokens="max_completion_tokens", ends_with="[DONE]", top_k=False, file_input=True
    ),
    "azure": ChatDialect(max_tokens="max_completion_tokens", ends_with="[DONE]", top_k=False),
    "openrouter": ChatDialect(ends_with="[DONE]", thinking="reasoning", top_k=True, file_input=True),
    "groq": ChatDialect(ends_with="[DONE]", top_k=False),
    "together": ChatDialect(ends_with="[DONE]", top_k=True),
    "xai": ChatDialect(ends_with="[DONE]", top_k=False),
    "mistral": ChatDialect(ends_with="[DONE]", thinking=None, top_k=False),
    "deepseek": ChatDialect(ends_with="[DONE]", thinking="thinking", top_k=False),
    "ollama": ChatDialect(ends_with="[DONE]"),
    "local": ChatDialect(ends_with="[DONE]", thinking=None, top_k=True),
}
_PLAIN_CHAT = ChatDialect()


def chat_dialect(provider_id: str) -> ChatDialect:
    """The dialect of a provider; the plain one for a server that is not known."""
    return CHAT_DIALECTS.get(provider_id.partition(":")[0], _PLAIN_CHAT)


_REASONING = Features(sampling=False, strict_format=True, json_object=True, strict_tools=True, thinking="effort")
_CHAT = Features(sampling=True, strict_format=True, json_object=True, strict_tools=True, thinking=False)
_OLD_CHAT = Features(sampling=True, strict_format=False, json_object=True, strict_tools=True, thinking=False)

_Row: TypeAlias = tuple[str, Features]

# The first row whose pattern matches the whole model name counts. Dated names ("-2024-08-06") match by prefix.
_OPENAI: Sequence[_Row] = (
    (r"gpt-5[\w.-]*-chat[\w.-]*", Features(sampling=True, strict_format=True, json_object=True, strict_tools=True)),
    (r"(o1|o3|o4-mini|gpt-5[\w.]*(-mini|-nano)?)(-\d{4}-\d\d-\d\d)?", _REASONING),
    (r"(o1-pro|o3-pro|gpt-5[\w.]*-(pro|codex)[\w.-]*|o3-deep-research.*|o4-mini-deep-research.*)",
     Features(sampling=False, thinking="effort", responses=True, completions=False)),
    (r"o\d.*", Features(sampling=False, thinking="effort")),
    (r"gpt-4o[\w-]*audio.*|gpt-audio.*", Features(sampling=True, thinking=False, audio_input=True, responses=False)),
    (r"gpt-4o[\w-]*search.*", Features(sampling=False, thinking=False, responses=False)),
    (r"gpt-4o-2024-05-13", _OLD_CHAT),
    (r"(gpt-4\.1|gpt-4o)(-mini|-nano)?(-\d{4}-\d\d-\d\d)?", _CHAT),
    (r"gpt-4(-turbo|-0613|-0125-preview|-1106-preview)?[\w-]*", _OLD_CHAT),
    (r"gpt-3\.5.*", _OLD_CHAT),
)

_ANTHROPIC: Sequence[_Row] = (
    (r"claude-3-(opus|sonnet|haiku).*",
     Features(sampling=True, strict_format=False, strict_tools=False, thinking=False, max_output_tokens=4096)),
    (r"claude-3-5-.*",
     Features(sampling=True, strict_format=False, strict_tools=False, thinking=False, max_output_tokens=8192)),
    (r"claude-3-7-.*",
     Features(sampling=True, strict_format=False, strict_tools=False, thinking="budget", max_output_tokens=64000)),
    (r"claude-(opus-4|4-opus)(-0|-1|-\d{8}|-1-\d{8})?",
     Features(sampling=True, strict_format=False, strict_tools=False, thinking="budget", max_output_tokens=32000)),
    (r"claude-(sonnet-4|4-sonnet)(-0|-\d{8})?",
     Features(sampling=True, strict_format=False, strict_tools=False, thinking="budget", max_output_tokens=64000)),
    (r"claude-(sonnet|haiku|opus)-4-[56](-\d{8})?",
     Features(sampling=True, strict_format=True, strict_tools=True, thinking="budget", max_output_tokens=64000)),
    (r"claude-(sonnet|haiku|opus)-(4-[7-9]|[5-9]).*",
     Features(strict_format=True, strict_tools=True, thinking="adaptive", max_output_tokens=64000)),
)

# What a provider's other models are known for is nothing: UNKNOWN.
_TABLES: dict[str, Sequence[_Row]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "anthropic": _ANTHROPIC,
    "local": ((r".*", Features(sampling=True, strict_format=True, json_object=True, strict_tools=True, thinking=False)),),
    "groq": ((r"openai/gpt-oss.*", Features(strict_format=True, thinking="effort")),),
    "xai": ((r"grok-4.*", Features(strict_format=True, json_object=True)),),
    "deepseek": ((r"deepseek-.*", Features(strict_format=False, json_object=True)),),
    "mistral": ((r".*", Features(strict_format=True, json_object=True)),),
}


def features_of(provider_id: str, model: str) -> Features:
    """What is known of a model of a provider; `UNKNOWN` where nothing is."""
    for pattern, features in _TABLES.get(provider_id.partition(":")[0], ()):
        if re.fullmatch(pattern, model):
            return features
    return UNKNOWN
