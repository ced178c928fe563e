"""What servers and models accept. `None` means "not known": then nothing is assumed, and the caller's request is sent
unchanged.

`ChatDialect` describes a server's variant of chat completions, `Features` what one model accepts; `model_rows` has the
models. Both grow by adding a row, never an `if` elsewhere. Sources of the dialects: each provider's page on OpenAI
compatibility, and recorded traffic.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal, Self, TypeAlias

from .model_rows import DECIMAL_VERSIONS, MODELS, NAME_PATTERNS, PATTERNS, PRODUCT_WORDS, SAME_MODELS

ThinkingStyle: TypeAlias = Literal["effort", "budget", "adaptive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What one model accepts. Every `None` means "not known"."""

    sampling: bool | Literal["one", "without_thinking"] | None = None
    """Whether temperature and top_p are accepted (reasoning models of OpenAI refuse them): "one" if not both at once
    (Claude from Opus 4.1 on), "without_thinking" if only while the model does not think (GPT from 5.1 on)."""
    strict_format: bool | None = None
    """Whether responses can be constrained to a JSON schema."""
    json_object: bool | None = None
    """Whether responses can be constrained to be JSON of any kind."""
    strict_tools: bool | None = None
    """Whether tool arguments can be constrained to their schema."""
    text_only: bool | None = None
    """Whether the model reads text only: no images, audio or documents such as PDF."""
    thinking: ThinkingStyle | Literal[False] | None = None
    """How a thinking level is requested; `False` if the model does not think."""
    efforts: Sequence[str] | None = None
    """The thinking efforts that are accepted (styles "effort" and "adaptive"); empty if the effort cannot be set."""
    thinks_by_default: bool | None = None
    """Whether the model thinks if the request names no effort (GPT from 5.5 on, DeepSeek from V4 on)."""
    thinking_with_tools: bool | None = None
    """Whether chat completions accept tools while the model thinks (OpenAI refuses both together from GPT 5.4 on)."""
    encrypted_reasoning: bool | None = None
    """Responses: whether reasoning can be returned encrypted, to be sent back. If not known, it is requested from
    models that think."""
    reasoning_summary: bool | None = None
    """Responses: whether a summary of the reasoning can be requested."""
    thinking_off: Literal["disabled", "between_tools", False] | None = None
    """Anthropic: how thinking is turned off; `False` if it cannot be."""
    forced_tool_calls: bool | Literal["without_thinking"] | None = None
    """Whether a request can force a tool call; "without_thinking" if only while the model does not think."""
    prefill: bool | None = None
    """Whether the model continues a trailing assistant message (Claude refuses it from 4.6 on)."""
    inline_system_messages: bool | None = None
    """Anthropic: whether system messages are accepted between other messages."""
    responses: bool | None = None
    """OpenAI: whether the model is served by the responses endpoint."""
    completions: bool | None = None
    """OpenAI: whether the model is served by the chat completions endpoint."""
    max_output_tokens: int | None = None
    """The maximum number of output tokens of one response."""
    seed: bool | None = None
    """Whether `seed` is accepted."""
    stop: bool | None = None
    """Whether stop sequences are accepted."""
    parallel_tools: bool | None = None
    """Whether a request can set if several tools may be called at a time."""
    tool_choice: Literal["string", False] | None = None
    """How `tool_choice` is accepted: "string" if only as a string, never as an object that names a tool; `False` if not
    at all."""
    dialect: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the server's `ChatDialect` that differ from its provider's."""


UNKNOWN = Features()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDialect:
    """A server's variant of the chat completions protocol."""

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    end_marker: Literal["[DONE]", "finish_reason"] = "finish_reason"
    """What proves that a stream is complete. `[DONE]` always does. For servers known to always send it, a finish reason
    alone does not, since the usage that follows may be missing."""
    thinking: Literal["reasoning_effort", "reasoning", "thinking"] | None = "reasoning_effort"
    """Where a thinking level goes: OpenAI's `reasoning_effort`, OpenRouter's `reasoning` object, or a
    `thinking: {"type": "enabled" | "disabled"}` switch."""
    seed: Literal["seed", "random_seed"] = "seed"
    top_k: bool | None = None
    accepts_names: bool = True
    """Whether messages may carry a `name`."""
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is accepted."""
    documents: Literal["file", "document_url"] = "file"
    """How PDF documents are sent: OpenAI's `file`, or a `document_url`, which may also be a web address."""
    call_id_pattern: str = ".+"
    """The pattern of the tool call ids that are accepted."""
    call_id_digits: int = 32
    """The number of hex digits of the id that replaces one that is not accepted."""
    accepts_non_json_arguments: bool = False
    """Whether the arguments of a call that is sent back may be other text than a JSON object, as models may write."""
    system: Literal["anywhere", "first", "never"] = "anywhere"
    """Where system messages are accepted: elsewhere they become tagged user text."""
    must_alternate_roles: bool = False
    """Whether user and assistant messages must alternate, the user's first."""
    needs_assistant_after_results: bool = False
    """Whether an assistant message must come between tool results and the next user message."""
    marks_prefill: bool = False
    """Whether a trailing assistant message must be marked as the beginning of the response."""


_OPENAI_CHAT = ChatDialect(
    max_tokens="max_completion_tokens",
    end_marker="[DONE]",
    top_k=False,
    call_id_pattern=".{1,40}",
    accepts_non_json_arguments=True,
)
CHAT_DIALECTS: dict[str, ChatDialect] = {
    "openai": _OPENAI_CHAT,
    "azure": _OPENAI_CHAT,
    "openrouter": ChatDialect(end_marker="[DONE]", thinking="reasoning", top_k=True),
    "groq": ChatDialect(end_marker="[DONE]", top_k=False),
    "together": ChatDialect(end_marker="[DONE]", top_k=True),
    "xai": ChatDialect(end_marker="[DONE]", top_k=False),
    # Refuses unknown fields; its streams end with usage by default. Source of the message rules: the mistral-common
    # package.
    "mistral": ChatDialect(
        end_marker="[DONE]",
        seed="random_seed",
        top_k=False,
        accepts_names=False,
        stream_usage=False,
        documents="document_url",
        call_id_pattern="[a-zA-Z0-9]{9}",
        call_id_digits=9,
        system="first",
        needs_assistant_after_results=True,
        marks_prefill=True,
    ),
    "deepseek": ChatDialect(end_marker="[DONE]", thinking="thinking", top_k=False),
    "ollama": ChatDialect(end_marker="[DONE]"),
    "local": ChatDialect(end_marker="[DONE]", thinking=None, top_k=True),
}
_DEFAULT_CHAT = ChatDialect()


def get_chat_dialect(provider_id: str) -> ChatDialect:
    """Return the dialect of a provider; the default one for an unknown server."""
    return CHAT_DIALECTS.get(provider_id.partition(":")[0], _DEFAULT_CHAT)


@lru_cache(maxsize=1024)
def find_features(provider_id: str, model: str) -> Features:
    """Return the known features of a provider's model.

    A vendor's model without a row gets the row of the closest older version in its family; if there is none, the newest
    row. A separate product, such as an image model, gets no row of another product.
    """
    vendor = _vendors().get(provider_id.partition(":")[0])
    return (vendor and vendor.find_closest_row(model)) or find_known_features(provider_id, model)


@lru_cache(maxsize=1024)
def find_known_features(provider_id: str, model: str) -> Features:
    """Return the known features of a provider's model without guessing; `UNKNOWN` if it has no row."""
    provider = provider_id.partition(":")[0]
    vendor = _vendors().get(SAME_MODELS.get(provider, provider))
    return (vendor and vendor.find_row(model)) or _find_pattern_features(provider, model) or UNKNOWN


def _find_pattern_features(provider: str, model: str) -> Features | None:
    rows = PATTERNS.get(provider, ())
    return next((Features(**facts) for pattern, facts in rows if re.fullmatch(pattern, model)), None)


@cache
def _vendors() -> Mapping[str, _Vendor]:
    return {vendor: _Vendor(NAME_PATTERNS[vendor], rows, vendor in DECIMAL_VERSIONS) for vendor, rows in MODELS.items()}


_DATE = re.compile(r"-(\d{4}-\d\d-\d\d|\d{8}|\d{4}|latest)(?=-|$)")
_VERSION = re.compile(r"(\d+)(?:[.-](\d+)(?![\w.]))?")


_Version: TypeAlias = tuple[float, float]  # major and minor
_NEWEST: _Version = (math.inf, 0)


@dataclass(frozen=True, slots=True)
class _ModelName:
    """A model's name, parsed as the words of its family and a version: "gpt-6.1-sol" is 6.1 of ("gpt", "sol").

    A name without a version means the newest version.
    """

    family: tuple[str, ...]
    version: _Version

    @classmethod
    def parse(cls, name: str, minor: Callable[[str], float]) -> Self:
        undated = _DATE.sub("", name)
        match = _VERSION.search(undated)
        words = f"{undated[: match.start()]}-{undated[match.end() :]}" if match else undated
        version = (int(match[1]), minor(match[2] or "0")) if match else _NEWEST
        return cls(tuple(filter(None, words.split("-"))), version)

    @property
    def products(self) -> frozenset[str]:
        return PRODUCT_WORDS.intersection(self.family)


def _parse_decimal(digits: str) -> float:
    return float(f"0.{digits}")


class _Vendor:
    """The models of one vendor."""

    def __init__(self, names: str, rows: Iterable[tuple[str, Mapping[str, Any]]], decimal: bool) -> None:
        self._name_pattern = re.compile(names)
        self._parse_minor = _parse_decimal if decimal else int
        self._by_spelling: dict[str, Features] = {}
        self._by_name: dict[_ModelName, Features] = {}
        for models, facts in rows:
            features = Features(**facts)
            for model in models.split():
                self._by_spelling[model] = features
                self._by_name.setdefault(self._parse_name(model), features)

    def find_row(self, model: str) -> Features | None:
        """Return the row of a model, in any spelling of its name and with or without a date; `None` if it has no
        row."""
        if (base := self._base_name(model)) is None:
            return None
        return self._by_spelling.get(base) or self._by_name.get(self._parse_name(base))

    def find_closest_row(self, model: str) -> Features | None:
        """Return the row of a model, else the closest row; `None` if the name is not one of this vendor's, or if no
        model of the same product has a row."""
        if (base := self._base_name(model)) is None:
            return None
        if row := self.find_row(model):
            return row
        closest = self._closest_name(self._parse_name(base))
        return self._by_name[closest] if closest else None

    def _parse_name(self, base: str) -> _ModelName:
        return _ModelName.parse(base, self._parse_minor)

    def _base_name(self, model: str) -> str | None:
        match = self._name_pattern.fullmatch(model)
        return match[1] if match else None

    def _closest_name(self, name: _ModelName) -> _ModelName | None:
        """Return the newest version that is not newer than the name's, in its family or, word by word, a wider one."""
        known = [each for each in self._by_name if each.version != _NEWEST and each.products == name.products]
        for length in range(len(name.family), 0, -1):
            family = [each for each in known if each.family[:length] == name.family[:length]]
            if older := [each for each in family if each.version <= name.version]:
                return max(older, key=_sort_key)
        return max(known, key=_sort_key, default=None)


def _sort_key(name: _ModelName) -> tuple[_Version, int]:
    """Sort by the version, then by fewer words; of equal names the first in the table counts."""
    return name.version, -len(name.family)
