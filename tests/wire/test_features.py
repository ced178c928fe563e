"""Which row a model's name leads to, and which one a model gets that has none."""

from __future__ import annotations

from typing import Any

import pytest

from mirascope_like.wire.features import UNKNOWN, find_features, find_known_features
from mirascope_like.wire.model_rows import MODELS

HIGHEST = ("low", "medium", "high", "xhigh", "max")
WITH_NONE = ("none", *HIGHEST)

AUTUMN: list[tuple[str, str, dict[str, Any]]] = [
    *[("openai", name, {"efforts": HIGHEST, "sampling": False}) for name in ("gpt-6-astra", "gpt-6.1-sol")],
    *[("openai", name, {"efforts": HIGHEST, "sampling": False}) for name in ("gpt-6.2-astra", "gpt-6.2-sol")],
    *[("openai", name, {"efforts": WITH_NONE}) for name in ("gpt-6-sol", "gpt-6-luna", "gpt-6.1-terra")],
    ("openai", "gpt-6-rosalind", {"efforts": WITH_NONE, "responses": True, "completions": False}),
    ("openai", "gpt-5.5", {"sampling": "without_thinking", "thinks_by_default": True}),
    ("openai", "gpt-5.4-mini", {"thinks_by_default": None, "thinking_with_tools": False}),
    ("openai", "gpt-5.2", {"thinking_with_tools": None}),
    ("anthropic", "claude-opus-5-5", {"efforts": HIGHEST, "thinking_off": False, "forced_tool_calls": False}),
    ("anthropic", "claude-sonnet-5-5", {"efforts": HIGHEST, "thinking_off": "between_tools"}),
    ("anthropic", "claude-haiku-5-5", {"efforts": HIGHEST, "thinking_off": None, "forced_tool_calls": None}),
    ("anthropic", "claude-fable-5-2", {"efforts": HIGHEST, "thinking_off": False, "forced_tool_calls": False}),
    ("anthropic", "claude-mythos-5-2", {"efforts": HIGHEST, "inline_system_messages": True}),
    ("anthropic", "claude-opus-4-6", {"efforts": ("low", "medium", "high", "max")}),
    ("xai", "grok-4.7", {"efforts": ("low", "medium", "high", "xhigh")}),
    ("xai", "grok-4.5", {"efforts": ("low", "medium", "high")}),
    ("xai", "grok-4.3", {"efforts": ("none", "low", "medium", "high")}),
]


@pytest.mark.parametrize(("provider", "model", "known"), AUTUMN)
def test_this_autumns_models(provider: str, model: str, known: dict[str, Any]) -> None:
    features = find_known_features(provider, model)
    assert {name: getattr(features, name) for name in known} == known
    assert features.strict_format and features.thinking
    assert find_features(provider, model) == features


@pytest.mark.parametrize(
    ("provider", "model", "base"),
    [
        ("openai", "gpt-6-luna-2026-10-01", "gpt-6-luna"),
        ("openai", "ft:gpt-6-luna:acme::abc123", "gpt-6-luna"),
        ("openai", "ft:gpt-6-luna-2026-10-01:acme:name:abc123", "gpt-6-luna"),
        ("openai", "gpt-5.3-chat-latest", "gpt-5.3-chat"),
        ("openai", "gpt-4-0613", "gpt-4"),
        ("anthropic", "claude-haiku-5-5-20261021", "claude-haiku-5-5"),
        ("anthropic", "claude-opus-4-0", "claude-opus-4"),
        ("anthropic", "claude-4-opus-20250514", "claude-opus-4"),
        ("anthropic", "claude-opus-5.5", "claude-opus-5-5"),
        ("anthropic", "claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("anthropic", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("xai", "grok-4.5-latest", "grok-4.5"),
        ("xai", "grok-4-0709", "grok-4"),
        ("xai", "grok-4.20-0309-reasoning", "grok-4.20-reasoning"),
    ],
)
def test_dated_and_fine_tuned_names_lead_to_their_base_model(provider: str, model: str, base: str) -> None:
    assert find_known_features(provider, model) == find_known_features(provider, base) != UNKNOWN


def test_a_date_may_have_a_row_of_its_own() -> None:
    for name in ("gpt-4o-2024-05-13", "ft:gpt-4o-2024-05-13:acme::1"):
        assert find_features("openai", name).strict_format is False
    assert find_features("openai", "gpt-4o-2024-08-06").strict_format is True


@pytest.mark.parametrize(
    ("provider", "model", "closest"),
    [
        # the closest older version of the family
        ("openai", "gpt-7-luna", "gpt-6-luna"),
        ("openai", "gpt-6.3-sol-2027-01-31", "gpt-6.2-sol"),
        ("openai", "ft:gpt-6.3-terra:acme::1", "gpt-6.1-terra"),
        ("openai", "gpt-5.7", "gpt-5.6"),
        ("openai", "gpt-6-mini", "gpt-5.4-mini"),
        ("openai", "gpt-7-pro", "gpt-5.5-pro"),
        ("openai", "gpt-6-codex", "gpt-5.3-codex"),
        ("openai", "gpt-audio-2", "gpt-audio-1.5"),
        ("openai", "o5-mini", "o4-mini"),
        ("anthropic", "claude-opus-5-4", "claude-opus-5"),
        ("anthropic", "claude-opus-6-20270101", "claude-opus-5-5"),
        ("anthropic", "claude-sonnet-9", "claude-sonnet-5-5"),
        ("anthropic", "claude-mythos-6", "claude-mythos-5-2"),
        ("xai", "grok-4.4", "grok-4.3"),
        ("xai", "grok-5", "grok-4.7"),
        # variants that no model has had: the family is wider
        ("openai", "gpt-6.3-astra-law", "gpt-6.2-astra-law"),
        ("openai", "gpt-6.2-astra-medicine", "gpt-6.2-astra"),
        ("openai", "gpt-6-nova", "gpt-6-sol"),
        ("openai", "gpt-9", "gpt-6.2-sol"),
        ("openai", "gpt-4.5-preview", "gpt-4.1"),
        ("anthropic", "claude-quartz-6", "claude-haiku-5-5"),
        ("xai", "grok-5-fast", "grok-4-fast"),
        # versions are numbers, not decimals
        ("anthropic", "claude-opus-4-10", "claude-opus-4-8"),
        ("openai", "gpt-5.10", "gpt-5.6"),
        # products of their own
        ("openai", "gpt-6-search-preview", "gpt-4o-search-preview"),
        ("xai", "grok-code-fast-2", "grok-code-fast-1"),
        # nothing older, or no version: the newest
        ("openai", "o0", "gpt-6.2-sol"),
        ("openai", "gpt-latest", "gpt-6.2-sol"),
        ("anthropic", "claude-2.1", "claude-haiku-5-5"),
        ("anthropic", "claude-opus-latest", "claude-opus-5-5"),
        ("xai", "grok-latest", "grok-4.7"),
    ],
)
def test_an_unknown_model_gets_the_row_of_the_closest_older_one(provider: str, model: str, closest: str) -> None:
    assert find_features(provider, model) == find_known_features(provider, closest) != UNKNOWN
    assert find_features(f"{provider}:responses", model) == find_features(provider, model)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-oss-120b"),
        ("openai", "meta-llama/Llama-3.2-1B-Instruct"),
        ("openai", "llama3:8b"),
        ("openai", "gpt-image-2"),
        ("openai", "gpt-realtime-2"),
        ("openai", "gpt-4o-realtime-preview"),
        ("openai", "gpt-4o-mini-transcribe"),
        ("xai", "grok-2-vision-1212"),
        ("xai", "grok-imagine-image"),
        ("anthropic", "another"),
        ("xai", "another"),
        ("azure", "gpt-9"),
        ("openrouter", "openai/gpt-6-luna"),
        ("openrouter", "gpt-6-luna"),
        ("vllm", "gpt-6-luna"),
        ("groq", "gpt-6-luna"),
    ],
)
def test_nothing_is_guessed_of_other_makers_products_and_servers(provider: str, model: str) -> None:
    assert find_features(provider, model) == find_known_features(provider, model) == UNKNOWN


def test_azure_has_openais_models_under_their_names() -> None:
    assert find_features("azure", "gpt-6-luna") == find_features("openai", "gpt-6-luna")
    assert find_features("azure", "gpt-5.7-pro").responses is True
    assert find_features("azure", "gpt-5-prod").responses is None  # a deployment


@pytest.mark.parametrize("vendor", MODELS)
def test_every_name_in_the_table_leads_to_its_row(vendor: str) -> None:
    from mirascope_like.wire.features import Features

    for names, facts in MODELS[vendor]:
        for name in names.split():
            assert find_known_features(vendor, name) == Features(**facts), name
