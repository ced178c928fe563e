"""Which servers there are: `register_provider` and its undoing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..engine.capability_cache import forget
from ..engine.providers import HTTPProvider, Provider, registry
from ..transport.base import Transport
from ..types.headers import merge_headers


def register_provider(
    provider: str | Provider,
    scope: str | Iterable[str] | None = None,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    client: Any = None,
    transport: Transport | None = None,
    headers: Mapping[str, str] | None = None,
) -> Provider:
    """Say who serves the model ids that start with `scope` (such as "my-server/"; the provider's own scope if not
    given).

    `provider` is a built-in's id with what is special here, or an object of one's own (see `Provider`). Everything
    after the scope is sent as the model's name. A built-in under a scope of one's own is a server of its own, of which
    nothing is assumed: `register_provider("openai:completions", scope="vllm/", base_url="http://localhost:8000/v1")`.

    `client` is an HTTP client (httpx2 or httpx) or a vendor SDK's client (`openai.AsyncAzureOpenAI(…)`, …) to send
    through, with its keys, base URL and proxies, but without its retries; or a pair of them, a sync and an async one.
    A `base_url` that is given here overrides that of an HTTP client.
    `transport` replaces the transport altogether. What is registered last counts; `reset_provider_registry` undoes all.
    """
    made = provider if not isinstance(provider, str) else registry.built_in(provider)
    options = {"api_key": api_key, "base_url": base_url, "client": client, "transport": transport, "headers": headers}
    given = {name: value for name, value in options.items() if value is not None}
    scopes = _scopes(scope, made)
    if isinstance(made, HTTPProvider):
        made = _customised(made, scopes, given)
    elif given:
        raise TypeError(f"{', '.join(given)}: a provider object has its own; only built-in providers take these.")
    for each in scopes:
        registry.register(each, made)
    return made


def reset_provider_registry() -> None:
    """Forget all that was registered; the built-in providers stay."""
    registry.reset()
    forget()


def _scopes(scope: str | Iterable[str] | None, provider: Provider) -> Sequence[str]:
    if isinstance(scope, str):
        return (scope,)
    if scope is not None:
        if not (scopes := tuple(scope)):
            raise ValueError("scope is empty: name at least one start of model ids, or leave it out.")
        return scopes
    own = getattr(provider, "scopes", ()) or (f"{provider.id.partition(':')[0]}/",)
    return tuple(own)


def _customised(provider: HTTPProvider, scopes: Sequence[str], given: Mapping[str, Any]) -> HTTPProvider:
    fields = dict(given)
    client = fields.pop("client", None)
    if client is not None and "transport" in fields:
        raise TypeError("client= and transport= both say how to send: give one of them.")
    made = replace(provider, **fields)
    if client is not None:
        made = _sent_through(made, client)
    elsewhere = made.base_url is not None or "transport" in fields
    if elsewhere and not set(scopes) <= set(_scopes(None, provider)):
        made = replace(made, id=scopes[0].rstrip("/"), scopes=tuple(scopes), needs_key=False)
        if "api_key" not in fields:
            made = replace(made, key_env=None)  # another server must not be shown the key of this one
    return made


def _sent_through(provider: HTTPProvider, client: Any) -> HTTPProvider:
    from ..transport.clients import ClientTransport, is_http_client
    from ..transport.sdk_clients import SDKTransport, is_sdk_client

    clients = cast("Sequence[Any]", client) if isinstance(client, list | tuple) else (client,)
    if all(is_sdk_client(each) for each in clients):
        _check_sdk(provider, clients)
        # The client knows its base URL and key; the path is all that is added.
        return replace(
            provider, transport=SDKTransport(*clients), default_base_url="", base_url="", needs_key=False, key_env=None
        )
    if all(is_http_client(each) for each in clients):
        if provider.api_key is None and all(_authenticates(each, provider) for each in clients):
            provider = replace(provider, needs_key=False, key_env=None)
        return replace(provider, transport=ClientTransport(*clients), base_url=provider.base_url or _base_url(clients))
    kinds = ", ".join(type(each).__name__ for each in clients)
    raise TypeError(
        f"client= takes HTTP clients (httpx2, httpx) or clients of the openai and anthropic packages; got {kinds}."
    )


def _authenticates(client: Any, provider: HTTPProvider) -> bool:
    """Return whether an HTTP client sets the provider's key headers itself, by its headers or its `auth`."""
    by_client = {*client.headers, *(["authorization"] if client.auth else [])}
    return by_client >= merge_headers(provider.key_header("")).keys()


def _check_sdk(provider: HTTPProvider, clients: Sequence[Any]) -> None:
    """A client posts to paths of its own protocol."""
    from ..transport.sdk_clients import find_sdk

    if wrong := [each for each in clients if provider.sdk not in (None, find_sdk(each))]:
        kinds = ", ".join(type(each).__name__ for each in wrong)
        raise TypeError(
            f"{provider.id!r} takes clients of the {provider.sdk} package, which speak its protocol; got {kinds}."
        )


def _base_url(clients: Sequence[Any]) -> str | None:
    """The base URL of some HTTP clients, if they have one."""
    urls = {str(client.base_url) for client in clients} - {""}
    if len(urls) > 1:
        raise ValueError(f"The clients have different base URLs ({', '.join(sorted(urls))}): say which by base_url=.")
    return next(iter(urls), None)
