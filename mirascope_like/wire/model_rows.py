"""What models accept, as data: one row for each group of models that accept the same.

`MODELS` lists the models of each vendor, newest first. A row has their names without dates, and the known fields of
`Features`; fields that are left out are not known. A name is parsed as a family and a version, so "claude-opus-4-0",
"claude-4-opus" and "claude-opus-4@20250514" are one model. A model without a row gets the row of the closest older one
in its family (see `features`), so a new model needs a row only if it differs.

`PATTERNS` lists models on other servers by regular expression; the first pattern that matches the whole name wins.

Sources: OpenAI's guides on models, reasoning and function calling, Anthropic's pages on models, thinking, effort and
structured outputs, xAI's page on reasoning, the request types of the vendors' packages, and pydantic-ai's profiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Facts: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[str, Facts]

NAME_PATTERNS: Mapping[str, str] = {
    "openai": r"(?:ft:)?((?:gpt-(?!oss)|chatgpt-|o\d)[^:]*)(?::.*)?",
    "anthropic": r".*?(claude-[^@:]+?)(?:-v\d+)?(?:[@:].*)?",
    "xai": r"(grok-.+)",
}
"""Each vendor's model names: a pattern for a whole name, whose group is the base model's name. Before and after it are
`ft:` and the names of a fine-tuning job, or what clouds add. Open weights (gpt-oss) belong to no vendor."""

SAME_MODELS: Mapping[str, str] = {"azure": "openai"}
"""Servers that serve another vendor's models under the same names. Nothing is guessed for their own names."""

DECIMAL_VERSIONS = frozenset({"xai"})
"""Vendors whose versions are decimals: Grok 4.20 came before 4.3. Elsewhere 4.20 is the one after 4.19."""

PRODUCT_WORDS = frozenset(
    [
        "audio",
        "build",
        "code",
        "embedding",
        "image",
        "imagine",
        "live",
        "moderation",
        "realtime",
        "search",
        "transcribe",
        "translate",
        "tts",
        "video",
        "vision",
        "voice",
    ]
)
"""Words in model names that denote a separate product: nothing is guessed for it from models of other products."""

_STRICT: Facts = {"strict_format": True, "json_object": True, "strict_tools": True}

# -- OpenAI -----------------------------------------------------------------------------------------------------------

_CHAT: Facts = {**_STRICT, "sampling": True, "thinking": False}
_OLD_CHAT: Facts = {**_CHAT, "strict_format": False}
_AUDIO: Facts = {"sampling": True, "thinking": False, "responses": False}
_SEARCH: Facts = {"sampling": False, "thinking": False, "responses": False}
_REASONING: Facts = {**_STRICT, "sampling": False, "thinking": "effort", "efforts": ("low", "medium", "high")}
_GPT_5: Facts = {**_REASONING, "efforts": ("minimal", "low", "medium", "high")}
# These think only if the request says so.
_GPT_5_1: Facts = {**_REASONING, "sampling": "without_thinking", "efforts": ("none", "low", "medium", "high")}
_GPT_5_2: Facts = {**_GPT_5_1, "efforts": ("none", "low", "medium", "high", "xhigh")}
_GPT_5_4: Facts = {**_GPT_5_2, "thinking_with_tools": False}
# These think unless the request turns it off.
_GPT_5_5: Facts = {**_GPT_5_4, "thinks_by_default": True}
_GPT_5_6: Facts = {**_GPT_5_5, "efforts": ("none", "low", "medium", "high", "xhigh", "max")}
# These always think.
_GPT_6_ASTRA: Facts = {**_GPT_5_6, "sampling": False, "efforts": ("low", "medium", "high", "xhigh", "max")}
_RESPONSES_ONLY: Facts = {"responses": True, "completions": False}
_CODEX: Facts = {**_REASONING, **_RESPONSES_ONLY}

_OPENAI: Sequence[Row] = (
    ("gpt-6-sol gpt-6-luna gpt-6.1-terra", _GPT_5_6),
    ("gpt-6-astra gpt-6.1-sol gpt-6.2-astra gpt-6.2-sol", _GPT_6_ASTRA),
    ("gpt-6.2-astra-law", {**_GPT_6_ASTRA, **_RESPONSES_ONLY}),
    ("gpt-6-rosalind gpt-rosalind-research gpt-6-cyber gpt-5.6-cyber", {**_GPT_5_6, **_RESPONSES_ONLY}),
    ("gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna", _GPT_5_6),
    ("gpt-5.5 gpt-5.5-cyber", _GPT_5_5),
    ("gpt-5.4 gpt-5.4-mini gpt-5.4-nano", _GPT_5_4),
    ("gpt-5.2-pro gpt-5.4-pro gpt-5.5-pro", {**_CODEX, "efforts": ("medium", "high", "xhigh")}),
    ("gpt-5.1-codex-max gpt-5.2-codex gpt-5.3-codex", {**_CODEX, "efforts": ("low", "medium", "high", "xhigh")}),
    ("gpt-5-codex gpt-5.1-codex gpt-5.1-codex-mini", _CODEX),
    ("gpt-5.1-chat gpt-5.2-chat gpt-5.3-chat", {**_REASONING, "efforts": ("medium",)}),
    ("gpt-5.2 gpt-5.2-mini gpt-5.2-nano gpt-5.3 gpt-5.3-mini gpt-5.3-nano", _GPT_5_2),
    ("gpt-5.1", _GPT_5_1),
    ("gpt-5-pro", {**_CODEX, "efforts": ("high",)}),
    ("gpt-5-chat chatgpt-4o", _CHAT),
    ("gpt-5 gpt-5-mini gpt-5-nano", _GPT_5),
    ("o3-deep-research o4-mini-deep-research", {**_CODEX, "strict_format": None, "efforts": ("medium",)}),
    ("o1-pro o3-pro", _CODEX),
    ("o1 o3 o3-mini o4-mini", _REASONING),
    ("gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4o gpt-4o-mini", _CHAT),
    ("gpt-audio gpt-audio-mini gpt-audio-1.5 gpt-4o-audio-preview gpt-4o-mini-audio-preview", _AUDIO),
    ("gpt-4o-search-preview gpt-4o-mini-search-preview", _SEARCH),
    ("gpt-4o-2024-05-13 gpt-4 gpt-4-turbo gpt-3.5-turbo", _OLD_CHAT),
)

# -- Anthropic --------------------------------------------------------------------------------------------------------

_CLAUDE: Facts = {"sampling": True, "strict_format": False, "strict_tools": False, "prefill": True}
_CLAUDE_3: Facts = {**_CLAUDE, "thinking": False}
_CLAUDE_4: Facts = {**_CLAUDE, "thinking": "budget"}
_CLAUDE_4_5: Facts = {
    "sampling": "one",
    "strict_format": True,
    "strict_tools": True,
    "prefill": True,
    "thinking": "budget",
    "max_output_tokens": 64_000,
}
_CLAUDE_4_6: Facts = {
    **_CLAUDE_4_5,
    "prefill": False,
    "thinking": "adaptive",
    "efforts": ("low", "medium", "high", "max"),
    "max_output_tokens": 128_000,
}
_CLAUDE_4_7: Facts = {**_CLAUDE_4_6, "sampling": False, "efforts": ("low", "medium", "high", "xhigh", "max")}
_CLAUDE_4_8: Facts = {**_CLAUDE_4_7, "inline_system_messages": True}
_ALWAYS_THINKING: Facts = {"thinking_off": False}
_NO_FORCED_TOOLS: Facts = {"forced_tool_calls": False}

_ANTHROPIC: Sequence[Row] = (
    ("claude-haiku-5-5", _CLAUDE_4_8),
    ("claude-sonnet-5-5", {**_CLAUDE_4_8, **_NO_FORCED_TOOLS, "thinking_off": "between_tools"}),
    ("claude-opus-5-5", {**_CLAUDE_4_8, **_NO_FORCED_TOOLS, **_ALWAYS_THINKING}),
    (
        "claude-fable-5-1 claude-fable-5-2 claude-mythos-5-1 claude-mythos-5-2",
        {**_CLAUDE_4_8, **_NO_FORCED_TOOLS, **_ALWAYS_THINKING},
    ),
    ("claude-fable-5 claude-mythos-5", {**_CLAUDE_4_8, **_ALWAYS_THINKING}),
    ("claude-mythos-preview", {**_CLAUDE_4_7, **_ALWAYS_THINKING}),
    ("claude-opus-5 claude-opus-4-8", _CLAUDE_4_8),
    ("claude-sonnet-5 claude-opus-4-7", _CLAUDE_4_7),
    ("claude-opus-4-6 claude-sonnet-4-6", _CLAUDE_4_6),
    ("claude-opus-4-5 claude-sonnet-4-5 claude-haiku-4-5", _CLAUDE_4_5),
    ("claude-opus-4-1", {**_CLAUDE_4, "sampling": "one", "max_output_tokens": 32_000}),
    ("claude-opus-4", {**_CLAUDE_4, "max_output_tokens": 32_000}),
    ("claude-sonnet-4", {**_CLAUDE_4, "max_output_tokens": 64_000}),
    ("claude-3-7-sonnet", {**_CLAUDE_4, "max_output_tokens": 64_000}),
    ("claude-3-5-sonnet claude-3-5-haiku", {**_CLAUDE_3, "max_output_tokens": 8_192}),
    ("claude-3-opus claude-3-sonnet claude-3-haiku", {**_CLAUDE_3, "max_output_tokens": 4_096}),
)

# -- xAI --------------------------------------------------------------------------------------------------------------

_GROK: Facts = {"strict_format": True, "json_object": True, "thinking": "effort"}
_NON_REASONING_GROK: Facts = {**_GROK, "thinking": False}

_XAI: Sequence[Row] = (
    ("grok-4.7 grok-4.6 grok-4.20-multi-agent", {**_GROK, "efforts": ("low", "medium", "high", "xhigh")}),
    ("grok-4.5 grok-build", {**_GROK, "efforts": ("low", "medium", "high")}),
    (
        "grok-4.3 grok-4 grok-4-fast grok-4-fast-reasoning grok-4-1-fast grok-4-1-fast-reasoning grok-3",
        {**_GROK, "efforts": ("none", "low", "medium", "high")},
    ),
    ("grok-4-fast-non-reasoning grok-4-1-fast-non-reasoning grok-4.20-non-reasoning", _NON_REASONING_GROK),
    ("grok-4.20 grok-4.20-reasoning", {**_GROK, "efforts": ()}),
    ("grok-3-mini grok-3-mini-fast", {**_GROK, "efforts": ("none", "low", "high")}),
    ("grok-code-fast-1 grok-build-0.1", _GROK),
)

MODELS: Mapping[str, Sequence[Row]] = {"openai": _OPENAI, "anthropic": _ANTHROPIC, "xai": _XAI}

# -- other servers, and these vendors' models elsewhere ---------------------------------------------------------------

_LATER_OPENAI: Sequence[Row] = (
    (r"gpt-[\w.-]*(image|realtime|transcribe|translate|tts)[\w.-]*", {}),
    (r"gpt-5[\w.-]*-chat.*", {**_CHAT, "sampling": None, "thinking": None, "efforts": ("medium",)}),
    (r"gpt-5[\w.]*-pro(-\d{4}-\d\d-\d\d)?", {**_CODEX, "efforts": ("medium", "high", "xhigh")}),
    (r"gpt-5\.[2-9]-codex.*", {**_CODEX, "efforts": ("low", "medium", "high", "xhigh")}),
    (r"gpt-5[\w.]*-codex.*", _CODEX),
    (r"gpt-5[\w.-]*", {**_REASONING, "efforts": None}),
    (r"o\d.*", {"sampling": False, "thinking": "effort"}),
    (r"gpt-4o[\w-]*audio.*|gpt-audio.*", _AUDIO),
    (r"gpt-4o[\w-]*search.*", _SEARCH),
    (r"gpt-4(-turbo)?[\w-]*|gpt-3\.5.*", _OLD_CHAT),
)

_DEEPSEEK: Facts = {"strict_format": False, "json_object": True}
_DEEPSEEK_4: Facts = {
    **_DEEPSEEK,
    "thinking": "effort",
    "efforts": ("none", "low", "medium", "high", "xhigh", "max"),
    "thinks_by_default": True,
    "forced_tool_calls": "without_thinking",
    "encrypted_reasoning": False,
}
_MISTRAL: Facts = {"strict_format": True, "json_object": True}

PATTERNS: Mapping[str, Sequence[Row]] = {
    "openai": _LATER_OPENAI,
    "azure": _LATER_OPENAI,
    "anthropic": (
        (r".*claude-(fable|mythos)-.*", {**_CLAUDE_4_7, **_ALWAYS_THINKING}),
        (r".*claude-[a-z]+-[5-9].*", _CLAUDE_4_7),
    ),
    "local": ((r".*", {**_CHAT, "text_only": True}),),
    "groq": ((r"openai/gpt-oss.*", {"strict_format": True, "thinking": "effort"}),),
    "deepseek": ((r"deepseek-(v[4-9].*|flash)", _DEEPSEEK_4), (r"deepseek-.*", _DEEPSEEK)),
    "mistral": (
        (
            r"mistral-(large-4(-0)?|small-(latest|2603)|medium(-latest|-2604|-3([.-]5)?)?)|magistral-(small|medium)-latest",
            {**_MISTRAL, "thinking": "effort", "efforts": ("none", "high")},
        ),
        (r".*", _MISTRAL),
    ),
}
