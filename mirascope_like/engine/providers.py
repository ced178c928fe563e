"""From a model id to a server: providers, and the registry of them.

A provider is anything with an `id` and an `endpoint` method; `HTTPProvider` is the one that all built-ins are. A model
id is a scope and a name: the longest registered scope that the id starts with decides the provider, and everything
after it is the name that is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

from ..errors import MissingAPIKeyError, NoRegisteredProviderError, NotFoundError
from ..schema.pickling import reduce_dataclass
from ..transport.base import Transport
from ..types.content import Audio
from ..types.headers import check_headers, merge_headers
from ..types.messages import Message, UserMessage
from ..wire.codec import Codec
from .requests import Endpoint, HTTPEndpoint

if TYPE_CHECKING:
    from ..wire.features import Features


@runtime_checkable
class Provider(Protocol):
    """Who can be asked. To make one's own: an `id`, and `endpoint`."""

    @property
    def id(self) -> str:
        """A name, for errors and for telling whose raw messages are whose."""
        ...

    def endpoint(self, name: str, messages: Sequence[Message]) -> Endpoint:
        """How to reach the model `name` (what follows the scope) with these messages."""
        ...


@runtime_checkable
class Loadable(Protocol):
    """A provider that imports modules when it is first used."""

    def load(self, name: str, messages: Sequence[Message]) -> None:
        """Import what calls of the model `name` with these messages need. Async calls run this on a worker thread,
        once for each kind of provider and model id, before they use `endpoint`. What it raises is ignored."""
        ...


@cache
def default_transport() -> Transport:
    """The pooled HTTP transport that all providers share unless they are given another."""
    from ..transport.http import HttpTransport

    return HttpTransport()


# Of requests: what ends with one of them is the URL of a request.
_PATHS = ("/chat/completions", "/responses", "/v1/messages")

CodecFactory: TypeAlias = Callable[[str, str, Sequence[Message]], tuple[Codec, str]]


def _bearer(key: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {key}"}


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"x-api-key": key}


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPProvider:
    """A server that speaks a known protocol.

    `codec` makes the codec for this provider's id, a model's name and messages; it may also shorten the name
    (`gpt-6-luna:responses`). `api_key` and `base_url` override the environment variables `key_env` and `base_url_env`,
    which are read at each call. `key_header` makes the authorization headers of a key. `transport` replaces the shared
    HTTP transport. `sdk` names the vendor package whose clients may be passed as `client=`. A provider can be pickled
    unless its transport holds a client. The pickle has neither `api_key` nor `headers`, which may hold keys.
    """

    id: str
    codec: CodecFactory
    default_base_url: str
    scopes: tuple[str, ...] = ()
    key_env: str | None = None
    base_url_env: str | None = None
    needs_key: bool = True
    key_header: Callable[[str], Mapping[str, str]] = field(default=_bearer)
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    transport: Transport | Callable[[], Transport] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    sdk: str | None = None

    def __post_init__(self) -> None:
        self._check_base_url(self.base_url)
        object.__setattr__(self, "headers", check_headers(self.headers))

    def __reduce__(self) -> Any:
        return reduce_dataclass(self, api_key=None, headers={})

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def endpoint(self, name: str, messages: Sequence[Message]) -> HTTPEndpoint:
        """See `Provider.endpoint`. Raises `MissingAPIKeyError`."""
        codec, model = self.codec(self.id, name, messages)
        base_url = self._base_url()
        return HTTPEndpoint(
            provider_id=self.id,
            model=model,
            codec=codec,
            transport=self._transport(),
            base_url=base_url,
            headers=merge_headers(self._key_headers(), self.headers),
            features=self._features(model, base_url),
        )

    def load(self, name: str, messages: Sequence[Message]) -> None:
        """See `Loadable`."""
        codec, _ = self.codec(self.id, name, messages)
        codec.decoder()
        self._transport()

    def _features(self, model: str, base_url: str) -> Features:
        """Return what is known of a model. Nothing is guessed of a server that only an environment variable names."""
        registered = self.base_url is not None or base_url == self.default_base_url
        return _feature_tables()[registered](self.id, model)

    def _transport(self) -> Transport:
        if self.transport is None:
            return default_transport()
        if not callable(self.transport):  # the quick check: the protocol's takes 5 % of a call
            return self.transport
        return self.transport if isinstance(self.transport, Transport) else self.transport()

    def _base_url(self) -> str:
        url = self.base_url
        if url is None and self.base_url_env:
            url = os.environ.get(self.base_url_env) or None  # empty is unset
            self._check_base_url(url)
        return (self.default_base_url if url is None else url).rstrip("/")

    def _check_base_url(self, url: str | None) -> None:
        # A request's path is put at its end. The URL is not shown, since it may have a key in it.
        url = (url or "").rstrip("/")
        if "?" in url or "#" in url:
            raise ValueError(
                f"The base URL of {self.id!r} must end with its path. For a query, let client= be a client that adds "
                "it to each request, such as httpx2.Client(base_url='…', params={…})."
            )
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError(
                f"The base URL of {self.id!r} must not have a name and password in it. Pass them in headers=, as "
                "{'authorization': 'Basic …'}, or by a client= with its auth=."
            )
        if ending := next((path for path in _PATHS if url.endswith(path)), None):
            raise ValueError(
                f"The base URL of {self.id!r} must end before {ending!r}: it is what the URLs of requests begin with."
            )

    def _key_headers(self) -> Mapping[str, str]:
        key = self.api_key or (os.environ.get(self.key_env) if self.key_env else None)
        if key:
            return check_headers(self.key_header(key))
        if self.needs_key and self.key_env:
            raise MissingAPIKeyError(self.id, self.key_env)
        return {}


class Registry:
    """Scopes and their providers. What is registered overrides what is built in."""

    def __init__(self, built_in: Mapping[str, HTTPProvider]) -> None:
        self._built_in = built_in
        self._defaults = {scope: provider for provider in built_in.values() for scope in provider.scopes}
        self._registered: dict[str, Provider] = {}

    def register(self, scope: str, provider: Provider) -> None:
        """Let a provider serve all model ids that start with `scope` (or, if it has no trailing slash, that id).

        Raises `ValueError` if it has no slash at all."""
        if "/" not in scope:
            raise ValueError(f"A scope is the start of model ids, such as 'my-server/'; {scope!r} has no slash.")
        self._registered[scope] = provider

    def reset(self) -> None:
        """Forget all that was registered."""
        self._registered.clear()

    def built_in(self, provider_id: str) -> HTTPProvider:
        """A built-in provider by its id; `ValueError` if there is none."""
        if provider_id not in self._built_in:
            raise ValueError(f"There is no provider {provider_id!r}; there are: {', '.join(self._built_in)}.")
        return self._built_in[provider_id]

    def find(self, model_id: str, instead: Provider | None = None) -> tuple[Provider, str]:
        """The provider of a model id, or the one to ask in its place, and the name that is sent. Raises
        `NoRegisteredProviderError`."""
        if instead is not None:
            return instead, model_id.partition("/")[2]
        for scopes in (self._registered, self._defaults):
            for scope in _possible_scopes(model_id):
                if (provider := scopes.get(scope)) is not None:
                    return provider, model_id[scope.rfind("/") + 1 :]
        raise NoRegisteredProviderError(model_id, known=tuple({**self._registered, **self._defaults}))


def _possible_scopes(model_id: str) -> Iterator[str]:
    """Iterate over the scopes that match a model id, longest first: the id, and its beginnings that end with a
    slash."""
    yield model_id
    end = len(model_id)
    while (end := model_id.rfind("/", 0, end)) >= 0:
        yield model_id[: end + 1]


@cache
def _feature_tables() -> tuple[Callable[[str, str], Features], Callable[[str, str], Features]]:
    """Return what is known of models, and what may be guessed of them too."""
    from ..wire.features import find_features, find_known_features

    return find_known_features, find_features


def has_audio(messages: Sequence[Message]) -> bool:
    """Whether somebody says something in sound, which only chat completions take."""
    return any(
        isinstance(part, Audio) for message in messages if isinstance(message, UserMessage) for part in message.content
    )


# -- the built-in providers -------------------------------------------------------------------------------------------
# Base URLs and variable names are those of each provider's own documentation.


def _chat(provider_id: str, name: str, _: Sequence[Message]) -> tuple[Codec, str]:
    return _chat_codec(provider_id), name.removesuffix(":completions")


@cache
def _chat_codec(provider_id: str) -> Codec:
    from ..wire.features import get_chat_dialect
    from ..wire.openai_chat.codec import OpenAIChat

    return OpenAIChat(get_chat_dialect(provider_id))


def _responses(provider_id: str, name: str, _: Sequence[Message]) -> tuple[Codec, str]:
    from ..wire.openai_responses.codec import OpenAIResponses

    return OpenAIResponses(), name.removesuffix(":responses")


def _openai(provider_id: str, name: str, messages: Sequence[Message]) -> tuple[Codec, str]:
    """OpenAI has two protocols: a suffix of the name decides, else sound, else what the model is known to be served by,
    else the newer one."""
    if name.endswith(":completions"):
        return _chat(provider_id, name, messages)
    if name.endswith(":responses"):
        return _responses(provider_id, name, messages)
    from ..wire.features import find_features

    features = find_features(provider_id, name)
    if has_audio(messages) or (features.responses is False and features.completions is not False):
        return _chat(provider_id, name, messages)
    return _responses(provider_id, name, messages)


def _anthropic(provider_id: str, name: str, _: Sequence[Message]) -> tuple[Codec, str]:
    from ..wire.anthropic.codec import AnthropicMessages

    return AnthropicMessages(), name


def _local(provider_id: str, name: str, _: Sequence[Message]) -> tuple[Codec, str]:
    from ..local.codec import LocalChat
    from ..local.weights import MODEL_NAME, is_model_name

    if not is_model_name(name):
        raise NotFoundError(f"The embedded model is 'local/{MODEL_NAME}'.", provider=provider_id, model=name)
    return LocalChat(), name


@cache
def _local_transport() -> Transport:
    from ..local.transport import LocalTransport

    return LocalTransport()


def _compatible(provider_id: str, base_url: str, key_env: str, **more: Any) -> HTTPProvider:
    return HTTPProvider(
        id=provider_id,
        codec=_chat,
        default_base_url=base_url,
        scopes=(f"{provider_id}/",),
        key_env=key_env,
        sdk="openai",
        **more,
    )


_OPENAI_SERVER = HTTPProvider(
    id="openai",
    codec=_openai,
    default_base_url="https://api.openai.com/v1",
    scopes=("openai/",),
    key_env="OPENAI_API_KEY",
    base_url_env="OPENAI_BASE_URL",
    sdk="openai",
)

_BUILT_IN: Mapping[str, HTTPProvider] = {
    provider.id: provider
    for provider in (
        _OPENAI_SERVER,
        replace(_OPENAI_SERVER, id="openai:completions", codec=_chat, scopes=()),
        replace(_OPENAI_SERVER, id="openai:responses", codec=_responses, scopes=()),
        HTTPProvider(
            id="anthropic",
            codec=_anthropic,
            default_base_url="https://api.anthropic.com",
            scopes=("anthropic/",),
            key_env="ANTHROPIC_API_KEY",
            base_url_env="ANTHROPIC_BASE_URL",
            key_header=_x_api_key,
            sdk="anthropic",
        ),
        _compatible("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        _compatible("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
        _compatible("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
        _compatible("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        _compatible("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        _compatible("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
        _compatible(
            "ollama",
            "http://localhost:11434/v1",
            "OLLAMA_API_KEY",
            base_url_env="OLLAMA_BASE_URL",
            needs_key=False,
        ),
        HTTPProvider(
            id="local",
            codec=_local,
            default_base_url="http://local/v1",
            scopes=("local/",),
            needs_key=False,
            transport=_local_transport,
        ),
    )
}

registry: Registry = Registry(_BUILT_IN)
"""The registry of the process."""
