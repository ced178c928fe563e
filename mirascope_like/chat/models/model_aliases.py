"""The library's models by their short names, as data: those that are listed, and by which starts of a name the others
are known. Any other model of a provider is reached as "provider/name". Sources: the providers' own lists of models."""

from __future__ import annotations

DEFAULT_MODEL = "openai/gpt-6-luna"

LISTED: tuple[str, ...] = (
    "openai/gpt-6.2-astra",
    "openai/gpt-6.2-sol",
    "openai/gpt-6.1-terra",
    "openai/gpt-6-luna",
    "openai/gpt-5.6-sol",
    "openai/gpt-5.6-terra",
    "openai/gpt-5.6-luna",
    "openai/gpt-5.5",
    "openai/gpt-5.4-mini",
    "anthropic/claude-fable-5-2",
    "anthropic/claude-opus-5-5",
    "anthropic/claude-sonnet-5-5",
    "anthropic/claude-haiku-5-5",
    "anthropic/claude-haiku-4-5",
    "xai/grok-4.7",
    "xai/grok-4.5",
    "xai/grok-4.3",
    "mistral/mistral-large-latest",
    "mistral/mistral-small-latest",
    "deepseek/deepseek-v4-pro",
    "deepseek/deepseek-flash",
    "local/smollm2-135m",
)

_STARTS = {
    "openai": ("gpt-", "chatgpt-", "o1", "o3", "o4-"),
    "anthropic": ("claude-",),
    "xai": ("grok-",),
    "mistral": ("mistral-", "ministral-", "codestral-", "magistral-", "pixtral-"),
    "deepseek": ("deepseek-",),
}


def provider_of(name: str) -> str | None:
    """Return the provider whose models have names that begin like this one; `None` if there is none."""
    return next((provider for provider, starts in _STARTS.items() if name.startswith(starts)), None)
