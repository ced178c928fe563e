"""The library's models by their short names, as data: those that are listed, and by which starts of a name the others
are known. Any other model of a provider is reached as "provider/name". Sources: the providers' own lists of models."""

from __future__ import annotations

__all__ = ["DEFAULT_MODEL", "LISTED", "provider_of"]

DEFAULT_MODEL = "openai/gpt-5-mini"

LISTED: tuple[str, ...] = (
    "openai/gpt-5.5",
    "openai/gpt-5.1",
    "openai/gpt-5",
    "openai/gpt-5-mini",
    "openai/gpt-5-nano",
    "openai/gpt-4.1",
    "openai/gpt-4.1-mini",
    "openai/gpt-4.1-nano",
    "openai/gpt-4o",
    "openai/gpt-4o-mini",
    "openai/o3",
    "openai/o4-mini",
    "anthropic/claude-opus-4-5",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-haiku-4-5",
    "xai/grok-4",
    "mistral/mistral-large-latest",
    "mistral/mistral-small-latest",
    "deepseek/deepseek-chat",
    "deepseek/deepseek-reasoner",
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
    """The provider of a model that is known by its bare name."""
    return next((provider for provider, starts in _STARTS.items() if name.startswith(starts)), None)
