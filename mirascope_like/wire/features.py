"""What servers and models accept, as data. `None` means "not known": then nothing is assumed, and what the caller asked
for is sent as it stands.

`ChatDialect` describes a server's flavour of chat completions, `Features` what one model accepts. Both grow by adding a
row, never an `if` elsewhere. Sources: OpenAI's model and reasoning guides (platform.openai.com/docs/models,
/docs/guides/reasoning), Anthropic's models overview and extended-thinking pages (docs.claude.com), each provider's page
on OpenAI compatibility, and recorded traffic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

__all__ = ["CHAT_DIALECTS", "EFFORTS", "UNKNOWN", "ChatDialect", "Features", "chat_dialect", "effort_of", "features_of"]

ThinkingStyle: TypeAlias = Literal["effort", "budget", "adaptive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What one model takes. Every `None` is "not known"."""

    sampling: bool | Literal["one", "unthinking"] | None = None
    """Whether temperature and top_p are taken (reasoning models of OpenAI refuse them): "one" if not both at once
    (Claude from Opus 4.1 on), "unthinking" if not beside an effort of thinking (GPT from 5.1 on)."""
    strict_format: bool | None = None
    """Whether answers can be constrained to a JSON schema."""
    json_object: bool | None = None
    """Whether answers can be constrained to be some JSON."""
    strict_tools: bool | None = None
    """Whether tool arguments can be constrained to their schema."""
    only_text: bool | None = None
    """Whether all that the model reads is text: no images, sounds or documents such as PDF."""
    thinking: ThinkingStyle | Literal[False] | None = None
    """How a level of thinking is asked for; `False` if the model does not think."""
    efforts: Sequence[str] | None = None
    """The efforts of thinking that are taken (style "effort")."""
    thinking_off: Literal["disabled", "between_tools", False] | None = None
    """Anthropic: how thinking is turned off; `False` if it cannot be."""
    forced_tools: bool | None = None
    """Whether it can be demanded that a tool is called."""
    prefill: bool | None = None
    """Whether the model goes on with an assistant message that stands last (Claude refuses it from 4.6 on)."""
    system_turns: bool | None = None
    """Anthropic: whether system messages may stand among the others."""
    responses: bool | None = None
    """OpenAI: whether the model is served by the responses endpoint."""
    completions: bool | None = None
    """OpenAI: whether the model is served by the chat completions endpoint."""
    max_output_tokens: int | None = None
    """The most tokens one answer may have."""
    seed: bool | None = None
    stop: bool | None = None
    parallel_tools: bool | None = None
    """Whether it can be said how many tools may be called at a time."""
    tool_choice: Literal["words", False] | None = None
    """How the choice of a tool is taken: "words" if only as a word, never by a tool's name; `False` if not at all."""
    dialect: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the server's `ChatDialect` that are otherwise than its provider's."""


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
    seed: Literal["seed", "random_seed"] = "seed"
    top_k: bool | None = None
    names: bool = True
    """Whether messages may carry a `name`."""
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is taken."""
    documents: Literal["file", "document_url"] = "file"
    """How PDF documents are sent: OpenAI's `file`, or a `document_url`, which may also be of the web."""
    call_ids: str = ".+"
    """The pattern of the ids that are taken for tool calls."""
    call_id_digits: int = 32
    """How many hex digits an id gets that is not taken as it is."""
    any_arguments: bool = False
    """Whether the arguments of a call that is sent back may be no JSON object, as a model may have written them."""
    system: Literal["anywhere", "first", "never"] = "anywhere"
    """Where system messages are taken: others are told as the user's, in tags."""
    alternate: bool = False
    """Whether the user and the model must take turns, the user first."""
    answer_after_results: bool = False
    """Whether the model must say something between the results of tools and the user's next message."""
    prefix: bool = False
    """Whether an assistant message that stands last must be marked as the beginning of the answer."""


_OPENAI_CHAT = ChatDialect(
    max_tokens="max_completion_tokens",
    ends_with="[DONE]",
    top_k=False,
    call_ids=".{1,40}",
    any_arguments=True,
)
CHAT_DIALECTS: dict[str, ChatDialect] = {
    "openai": _OPENAI_CHAT,
    "azure": _OPENAI_CHAT,
    "openrouter": ChatDialect(ends_with="[DONE]", thinking="reasoning", top_k=True),
    "groq": ChatDialect(ends_with="[DONE]", top_k=False),
    "together": ChatDialect(ends_with="[DONE]", top_k=True),
    "xai": ChatDialect(ends_with="[DONE]", top_k=False),
    # Refuses unknown fields; its streams end with usage unasked. What it takes of messages: its package mistral-common.
    "mistral": ChatDialect(
        ends_with="[DONE]",
        seed="random_seed",
        top_k=False,
        names=False,
        stream_usage=False,
        documents="document_url",
        call_ids="[a-zA-Z0-9]{9}",
        call_id_digits=9,
        system="first",
        answer_after_results=True,
        prefix=True,
    ),
    "deepseek": ChatDialect(ends_with="[DONE]", thinking="thinking", top_k=False),
    "ollama": ChatDialect(ends_with="[DONE]"),
    "local": ChatDialect(ends_with="[DONE]", thinking=None, top_k=True),
}
_PLAIN_CHAT = ChatDialect()


def chat_dialect(provider_id: str) -> ChatDialect:
    """The dialect of a provider; the plain one for a server that is not known."""
    return CHAT_DIALECTS.get(provider_id.partition(":")[0], _PLAIN_CHAT)


_CHAT = Features(sampling=True, strict_format=True, json_object=True, strict_tools=True, thinking=False)
_OLD_CHAT = replace(_CHAT, strict_format=False)
_REASONING = replace(_CHAT, sampling=False, thinking="effort", efforts=("low", "medium", "high"))
# These think only if they are asked to.
_GPT_5_1 = replace(_REASONING, sampling="unthinking", efforts=("none", "low", "medium", "high"))
_GPT_5_2 = replace(_REASONING, sampling="unthinking", efforts=("none", "low", "medium", "high", "xhigh"))
_RESPONSES_ONLY = replace(_REASONING, responses=True, completions=False)

_Row: TypeAlias = tuple[str, Features]

# The first row whose pattern matches the whole model name counts.
_DATE = r"(-\d{4}-\d\d-\d\d)?"
_OPENAI: Sequence[_Row] = (
    (r"gpt-5-chat.*", _CHAT),
    (r"gpt-5[\w.-]*-chat.*", replace(_CHAT, sampling=None, thinking=None, efforts=("medium",))),
    (rf"gpt-5(-mini|-nano)?{_DATE}", replace(_REASONING, efforts=("minimal", "low", "medium", "high"))),
    (rf"gpt-5\.1{_DATE}", _GPT_5_1),
    (rf"gpt-5\.[2-4](-mini|-nano)?{_DATE}", _GPT_5_2),
    (rf"gpt-5\.5{_DATE}", replace(_GPT_5_2, sampling=False)),
    (
        rf"gpt-5\.6(-sol|-terra|-luna)?{_DATE}",
        replace(_GPT_5_2, sampling=False, efforts=("none", "low", "medium", "high", "xhigh", "max")),
    ),
    (rf"gpt-5-pro{_DATE}", replace(_RESPONSES_ONLY, efforts=("high",))),
    (rf"gpt-5[\w.]*-pro{_DATE}", replace(_RESPONSES_ONLY, efforts=("medium", "high", "xhigh"))),
    (r"gpt-5\.1-codex-max|gpt-5\.[2-9]-codex.*", replace(_RESPONSES_ONLY, efforts=("low", "medium", "high", "xhigh"))),
    (rf"gpt-5[\w.]*-codex.*|o1-pro{_DATE}|o3-pro{_DATE}", _RESPONSES_ONLY),
    (rf"(o3|o4-mini)-deep-research{_DATE}", replace(_RESPONSES_ONLY, strict_format=None, efforts=("medium",))),
    (rf"(o1|o3|o3-mini|o4-mini){_DATE}", _REASONING),
    (r"gpt-5[\w.-]*", replace(_REASONING, efforts=None)),
    (r"o\d.*", Features(sampling=False, thinking="effort")),
    (r"gpt-4o[\w-]*audio.*|gpt-audio.*", Features(sampling=True, thinking=False, responses=False)),
    (r"gpt-4o[\w-]*search.*", Features(sampling=False, thinking=False, responses=False)),
    (r"gpt-4o-2024-05-13", _OLD_CHAT),
    (rf"(gpt-4\.1|gpt-4o)(-mini|-nano)?{_DATE}", _CHAT),
    (r"gpt-4(-turbo|-0613|-0125-preview|-1106-preview)?[\w-]*", _OLD_CHAT),
    (r"gpt-3\.5.*", _OLD_CHAT),
)

_PLAIN_CLAUDE = Features(sampling=True, strict_format=False, strict_tools=False, prefill=True)
_STRICT_CLAUDE = Features(sampling="one", strict_format=True, strict_tools=True, prefill=True)
_ADAPTIVE_CLAUDE = replace(_STRICT_CLAUDE, thinking="adaptive", prefill=False, max_output_tokens=128_000)
_LATER_CLAUDE = replace(_ADAPTIVE_CLAUDE, sampling=False)
_CLAUDE_5_5 = replace(_LATER_CLAUDE, system_turns=True, forced_tools=False)

# Clouds put words before a name and versions after it.
_ANTHROPIC: Sequence[_Row] = (
    (r".*claude-3-(opus|sonnet|haiku).*", replace(_PLAIN_CLAUDE, thinking=False, max_output_tokens=4_096)),
    (r".*claude-3-5-.*", replace(_PLAIN_CLAUDE, thinking=False, max_output_tokens=8_192)),
    (r".*claude-3-7-.*", replace(_PLAIN_CLAUDE, thinking="budget", max_output_tokens=64_000)),
    (
        r".*claude-(opus-4|4-opus)(-0)?([-@]\d{8}.*)?",
        replace(_PLAIN_CLAUDE, thinking="budget", max_output_tokens=32_000),
    ),
    (
        r".*claude-opus-4-1([-@]\d{8}.*)?",
        replace(_PLAIN_CLAUDE, sampling="one", thinking="budget", max_output_tokens=32_000),
    ),
    (
        r".*claude-(sonnet-4|4-sonnet)(-0)?([-@]\d{8}.*)?",
        replace(_PLAIN_CLAUDE, thinking="budget", max_output_tokens=64_000),
    ),
    (r".*claude-(sonnet|haiku|opus)-4-5.*", replace(_STRICT_CLAUDE, thinking="budget", max_output_tokens=64_000)),
    (r".*claude-(sonnet|opus)-4-6.*", _ADAPTIVE_CLAUDE),
    (r".*claude-opus-4-7.*", _LATER_CLAUDE),
    (r".*claude-opus-4-8.*", replace(_LATER_CLAUDE, system_turns=True)),
    (r".*claude-opus-5-5.*", replace(_CLAUDE_5_5, thinking_off=False)),
    (r".*claude-sonnet-5-5.*", replace(_CLAUDE_5_5, thinking_off="between_tools")),
    (r".*claude-haiku-5-5.*", replace(_CLAUDE_5_5, forced_tools=None)),
    (r".*claude-(fable|mythos)-5-.*", replace(_LATER_CLAUDE, thinking_off=False, forced_tools=False)),
    (r".*claude-(fable|mythos)-.*", replace(_LATER_CLAUDE, thinking_off=False)),
    (r".*claude-opus-5.*", replace(_LATER_CLAUDE, system_turns=True)),
    (r".*claude-[a-z]+-[5-9].*", _LATER_CLAUDE),
)

# What a provider's other models are known for is nothing: UNKNOWN.
_TABLES: dict[str, Sequence[_Row]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "anthropic": _ANTHROPIC,
    "local": ((r".*", replace(_CHAT, only_text=True)),),
    "groq": ((r"openai/gpt-oss.*", Features(strict_format=True, thinking="effort")),),
    "xai": (
        (r"grok-4.*non-reasoning.*", Features(strict_format=True, json_object=True, thinking=False)),
        (r"grok-(4|code).*", Features(strict_format=True, json_object=True, thinking="effort")),
    ),
    "deepseek": ((r"deepseek-.*", Features(strict_format=False, json_object=True)),),
    "mistral": (
        (
            r"mistral-(small-(latest|2603)|medium-3-5).*",
            Features(strict_format=True, json_object=True, thinking="effort", efforts=("none", "high")),
        ),
        (r".*", Features(strict_format=True, json_object=True)),
    ),
}


@lru_cache(maxsize=1024)
def features_of(provider_id: str, model: str) -> Features:
    """What is known of a model of a provider; `UNKNOWN` where nothing is."""
    for pattern, features in _TABLES.get(provider_id.partition(":")[0], ()):
        if re.fullmatch(pattern, model):
            return features
    return UNKNOWN


EFFORTS: Sequence[str] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_of(level: str, features: Features) -> str | None:
    """The effort that a level of thinking asks of a model: the nearest it takes, the higher of two; `None` for its own
    default. Of a model that is not known the highest asked is "xhigh", which more models take than "max"."""
    if level == "default":
        return None
    if features.efforts is None:
        return "xhigh" if level == "max" else level
    wanted = EFFORTS.index(level)
    return min(reversed(features.efforts), key=lambda effort: abs(EFFORTS.index(effort) - wanted))
