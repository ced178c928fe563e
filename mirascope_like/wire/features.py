"""What servers and models accept. `None` means "not known": then nothing is assumed, and what the caller asked for is
sent as it stands.

`ChatDialect` describes a server's flavour of chat completions, `Features` what one model accepts; `model_rows` has the
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

__all__ = ["CHAT_DIALECTS", "UNKNOWN", "ChatDialect", "Features", "chat_dialect", "features_of", "known_features"]

ThinkingStyle: TypeAlias = Literal["effort", "budget", "adaptive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What one model takes. Every `None` is "not known"."""

    sampling: bool | Literal["one", "unthinking"] | None = None
    """Whether temperature and top_p are accepted (reasoning models of OpenAI refuse them): "one" if not both at once
    (Claude from Opus 4.1 on), "unthinking" if only while the model does not think (GPT from 5.1 on)."""
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
    """The efforts of thinking that are accepted (styles "effort" and "adaptive"); none if the effort cannot be set."""
    thinks_by_default: bool | None = None
    """Whether the model thinks if the request names no effort (GPT from 5.5 on, DeepSeek from V4 on)."""
    thinking_with_tools: bool | None = None
    """Whether chat completions accept tools while the model thinks (OpenAI refuses both together from GPT 5.4 on)."""
    encrypted_reasoning: bool | None = None
    """Responses: whether reasoning can be returned encrypted, to be sent back. If not known, a model that thinks is
    asked for it."""
    reasoning_summary: bool | None = None
    """Responses: whether a summary of the reasoning can be asked for."""
    thinking_off: Literal["disabled", "between_tools", False] | None = None
    """Anthropic: how thinking is turned off; `False` if it cannot be."""
    forced_tools: bool | Literal["unthinking"] | None = None
    """Whether a request can demand that a tool is called; "unthinking" if only while the model does not think."""
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
_DEFAULT_CHAT = ChatDialect()


def chat_dialect(provider_id: str) -> ChatDialect:
    """The dialect of a provider; the plain one for a server that is not known."""
    return CHAT_DIALECTS.get(provider_id.partition(":")[0], _DEFAULT_CHAT)


@lru_cache(maxsize=1024)
def features_of(provider_id: str, model: str) -> Features:
    """Return what is known of a model of a provider.

    A vendor's model that has no row gets the row of the closest older version in its family; if there is none, the
    newest row. A product of its own, such as an image model, gets no row of another product."""
    vendor = _vendors().get(provider_id.partition(":")[0])
    return (vendor and vendor.find_closest_row(model)) or known_features(provider_id, model)


@lru_cache(maxsize=1024)
def known_features(provider_id: str, model: str) -> Features:
    """Return what is known of a model of a provider without guessing; `UNKNOWN` if it has no row."""
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
    """A model's name, read as the words of its family and a version: "gpt-6.1-sol" is 6.1 of ("gpt", "sol").

    A name without a version means the newest."""

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
        """Return the row of a model, however its name is spelled or dated."""
        if (base := self._base_name(model)) is None:
            return None
        return self._by_spelling.get(base) or self._by_name.get(self._parse_name(base))

    def find_closest_row(self, model: str) -> Features | None:
        """Return the row of a model, else the closest row; `None` if the name is not one of this vendor's, or if
        no model of the same product has a row."""
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
        """The newest version that is not newer, in the name's family or, word by word, a wider one."""
        known = [each for each in self._by_name if each.version != _NEWEST and each.products == name.products]
        for length in range(len(name.family), 0, -1):
            family = [each for each in known if each.family[:length] == name.family[:length]]
            if older := [each for each in family if each.version <= name.version]:
                return max(older, key=_sort_key)
        return max(known, key=_sort_key, default=None)


def _sort_key(name: _ModelName) -> tuple[_Version, int]:
    """The higher version, then the name with fewer words; of equal names the first in the table counts."""
    return name.version, -len(name.family)
