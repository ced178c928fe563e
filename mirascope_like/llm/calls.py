"""`@llm.call`: a prompt function with its model.

    @llm.call("openai/gpt-6-luna")
    def recommend(genre: str): return f"Recommend a {genre} book."

    recommend("fantasy")

What a call is made of: `.prompt` (the prompt, for any model), `.default_model` and `.model` (the model of an enclosing
`with model:`, else the default).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from ..schema.formats import Format, FormatSpec, make_format
from ..schema.pickling import reduce_decorated
from ..schema.toolkits import Toolkit, ToolsLike, make_toolkit
from ..types.context import Context
from ..types.messages import Message, PromptContent
from ..types.params import Params
from ..types.retry import RetryConfig
from .models import (
    AsyncContextResponse,
    AsyncContextStreamResponse,
    AsyncResponse,
    AsyncStreamResponse,
    ContextResponse,
    ContextStreamResponse,
    Model,
    Response,
    StreamResponse,
    use_model,
)
from .prompts import (
    AsyncContextPrompt,
    AsyncPrompt,
    ContextPrompt,
    Decorated,
    Prompt,
    Stranger,
    context_at,
    make_prompt,
    prompt_class,
)

P = ParamSpec("P")
Q = ParamSpec("Q")
F = TypeVar("F", default=None)
D = TypeVar("D")
S = TypeVar("S")
G = TypeVar("G", default=None)


class BaseCall(Decorated, Generic[F]):
    """A prompt function with its model, tools and format."""

    def __init__(self, fn: Callable[..., Any], model: Model, toolkit: Toolkit, format: Format[F] | None) -> None:
        self.default_model = model
        self.toolkit = toolkit
        self.format = format
        self._stand_for(fn)

    def _stand_for(self, fn: Callable[..., Any]) -> None:
        super()._stand_for(fn)
        self._made: Any = None

    def __reduce__(self) -> Any:
        args = {"model": self.default_model, "toolkit": self.toolkit, "format": self.format}
        return reduce_decorated(self, args)

    @property
    def _prompt(self) -> Any:
        """Made when it is first needed, so that a module with many calls is imported fast."""
        if self._made is None:
            self._made = make_prompt(self.fn, self.toolkit, self.format)
        return self._made

    @property
    def model(self) -> Model:
        """The model that a call would use now."""
        return use_model(self.default_model)

    @property
    def retry_config(self) -> RetryConfig | None:
        """The retry policy and fallback models, set by `llm.retry`; `None`: no retries."""
        return self.default_model.retry_config

    def options(
        self, *, model: Model | str | None = None, tools: ToolsLike | None = None, **params: Unpack[Params]
    ) -> Self:
        """The same call with another model, other tools or params: `recommend.options(max_tokens=100)("fantasy")`.

        Params add to those of the default model, unless another `Model` is given, which has its own.
        """
        base = model if isinstance(model, Model) else self.default_model
        model_id = model if isinstance(model, str) else base.model_id
        provider = None if isinstance(model, str) else base.provider_override
        merged: Params = {**base.params, **params}
        toolkit = self.toolkit if tools is None else make_toolkit(tools)
        retry = base.retry_config or self.default_model.retry_config
        chosen = Model(model_id, provider=provider, retry=retry, **merged)
        return type(self)(self.fn, chosen, toolkit, self.format)

    def with_retry(self, retry: RetryConfig | None) -> Self:
        """The same call, made again as `retry` says."""
        return type(self)(self.fn, self.default_model.with_retry(retry), self.toolkit, self.format)


class Call(BaseCall[F], Generic[P, F]):
    """A plain function as a call."""

    @property
    def prompt(self) -> Prompt[P, F]:
        """The prompt without its model."""
        return cast("Prompt[P, F]", self._prompt)

    def messages(self, /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """Return the messages that would be sent."""
        return self.prompt.messages(*args, **kwargs)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Response[F]:
        """Ask, and wait for the whole answer."""
        return self.prompt.call(self.model, *args, **kwargs)

    def stream(self, /, *args: P.args, **kwargs: P.kwargs) -> StreamResponse[F]:
        """Ask, and return when the answer begins."""
        return self.prompt.stream(self.model, *args, **kwargs)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Response[F]:
        """See `call`."""
        return self.prompt.call(self.model, *args, **kwargs)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Response[G]], instance: None, owner: type[S]
    ) -> Call[Q, G]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[S, Stranger, ...], Response[G]], instance: S, owner: type | None = None
    ) -> Call[..., G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[S, Context[D], Q], Response[G]], instance: S, owner: type | None = None
    ) -> ContextCall[Q, D, G]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[S, Q], Response[G]], instance: S, owner: type | None = None
    ) -> Call[Q, G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Response[G]], instance: S, owner: type | None = None
    ) -> Call[Q, G]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.bound_to(instance, owner)


class AsyncCall(BaseCall[F], Generic[P, F]):
    """An async function as a call. See `Call`."""

    @property
    def prompt(self) -> AsyncPrompt[P, F]:
        """The prompt without its model."""
        return cast("AsyncPrompt[P, F]", self._prompt)

    async def messages(self, /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Call.messages`."""
        return await self.prompt.messages(*args, **kwargs)

    async def call(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResponse[F]:
        """See `Call.call`."""
        return await self.prompt.call(self.model, *args, **kwargs)

    async def stream(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncStreamResponse[F]:
        """See `Call.stream`."""
        return await self.prompt.stream(self.model, *args, **kwargs)

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResponse[F]:
        """See `Call.call`."""
        return await self.prompt.call(self.model, *args, **kwargs)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Coroutine[Any, Any, AsyncResponse[G]]], instance: None, owner: type[S]
    ) -> AsyncCall[Q, G]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[S, Stranger, ...], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncCall[..., G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[S, Context[D], Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncContextCall[Q, D, G]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[S, Q], Coroutine[Any, Any, AsyncResponse[G]]], instance: S, owner: type | None = None
    ) -> AsyncCall[Q, G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncCall[Q, G]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.bound_to(instance, owner)


class ContextCall(BaseCall[F], Generic[P, D, F]):
    """A plain function that takes a context first, as a call. See `Call`."""

    @property
    def prompt(self) -> ContextPrompt[P, D, F]:
        """The prompt without its model."""
        return cast("ContextPrompt[P, D, F]", self._prompt)

    @context_at(0)
    def messages(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Call.messages`."""
        return self.prompt.messages(ctx, *args, **kwargs)

    @context_at(0)
    def call(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> ContextResponse[D, F]:
        """See `Call.call`."""
        return self.prompt.call(self.model, ctx, *args, **kwargs)

    @context_at(0)
    def stream(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> ContextStreamResponse[D, F]:
        """See `Call.stream`."""
        return self.prompt.stream(self.model, ctx, *args, **kwargs)

    @context_at(0)
    def __call__(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> ContextResponse[D, F]:
        """See `Call.call`."""
        return self.prompt.call(self.model, ctx, *args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self.bound_to(instance, owner)


class AsyncContextCall(BaseCall[F], Generic[P, D, F]):
    """An async function that takes a context first, as a call. See `Call`."""

    @property
    def prompt(self) -> AsyncContextPrompt[P, D, F]:
        """The prompt without its model."""
        return cast("AsyncContextPrompt[P, D, F]", self._prompt)

    @context_at(0)
    async def messages(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Call.messages`."""
        return await self.prompt.messages(ctx, *args, **kwargs)

    @context_at(0)
    async def call(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> AsyncContextResponse[D, F]:
        """See `Call.call`."""
        return await self.prompt.call(self.model, ctx, *args, **kwargs)

    @context_at(0)
    async def stream(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> AsyncContextStreamResponse[D, F]:
        """See `Call.stream`."""
        return await self.prompt.stream(self.model, ctx, *args, **kwargs)

    @context_at(0)
    async def __call__(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> AsyncContextResponse[D, F]:
        """See `Call.call`."""
        return await self.prompt.call(self.model, ctx, *args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self.bound_to(instance, owner)


_KINDS: dict[type, type[BaseCall[Any]]] = {
    Prompt: Call,
    AsyncPrompt: AsyncCall,
    ContextPrompt: ContextCall,
    AsyncContextPrompt: AsyncContextCall,
}


class CallDecorator(Generic[F]):
    """`@llm.call("provider/name", …)`, waiting for its function."""

    def __init__(self, model: Model, tools: ToolsLike | None, format: FormatSpec[F] | None) -> None:
        self.model = model
        self.toolkit: Toolkit = make_toolkit(tools)
        self.format: Format[F] | None = make_format(format)

    @overload
    def __call__(self, fn: Callable[Concatenate[Stranger, ...], PromptContent]) -> Call[..., F]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[Stranger, ...], Coroutine[Any, Any, Any]]) -> AsyncCall[..., F]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
        self, fn: Callable[Concatenate[Context[D], P], PromptContent]
    ) -> ContextCall[P, D, F]: ...
    @overload
    def __call__(self, fn: Callable[P, PromptContent]) -> Call[P, F]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
        self, fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, Any]]
    ) -> AsyncContextCall[P, D, F]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, Any]]) -> AsyncCall[P, F]: ...
    def __call__(self, fn: Callable[..., Any]) -> Any:
        """The call of a function."""
        return _KINDS[prompt_class(fn)](fn, self.model, self.toolkit, self.format)


def call(
    model: Model | str,
    *,
    tools: ToolsLike | None = None,
    format: FormatSpec[F] | None = None,
    **params: Unpack[Params],
) -> CallDecorator[F]:
    """Make a function a call of a model: `@llm.call("openai/gpt-6-luna", tools=[…], format=Book, max_tokens=500)`.

    The function returns what to say; the object keeps its signature and returns a response. Beside calling it there
    are `.stream(…)`, `.messages(…)`, `.prompt`, `.model` and `.options(…)`. Raises `TypeError` if the model is missing,
    a param is unknown, or params stand beside a `Model`.
    """
    if isinstance(model, Model):
        if params:
            raise TypeError(f"The Model has its own params: write Model({model.model_id!r}, {next(iter(params))}=…).")
        return CallDecorator(model, tools, format)
    if not isinstance(cast("object", model), str):
        raise TypeError('llm.call needs a model: write @llm.call("provider/model-name").')
    return CallDecorator(Model(model, **params), tools, format)
