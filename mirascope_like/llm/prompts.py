"""`@llm.prompt`: a function that returns a prompt, which you can send to any model.

    @llm.prompt
    def recommend(genre: str): return f"Recommend a {genre} book."

    recommend("openai/gpt-6-luna", "fantasy")

The function may be plain or async, a method, a class method or a callable object, and may take a `Context` first. What
it returns is promoted to messages (see `types.messages.promote`).
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, cast, overload

from typing_extensions import TypeVar

from ..schema.formats import Format, FormatSpec, make_format
from ..schema.functions import bind_function, copy_function_metadata, function_name, is_async
from ..schema.pickling import mark_bound, reduce_decorated
from ..schema.pydantic_internals import FunctionLike
from ..schema.signatures import ContextParameter, context_parameter, unwrap_method
from ..schema.toolkits import Toolkit, ToolsLike, make_toolkit
from ..types.context import Context
from ..types.messages import Message, PromptContent, promote_to_messages
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
)

P = ParamSpec("P")
Q = ParamSpec("Q")
F = TypeVar("F", default=None)
D = TypeVar("D")
G = TypeVar("G", default=None)
S = TypeVar("S")
M = TypeVar("M", bound=Callable[..., Any])


class Stranger:
    """A type that no value has, for the overloads of decorators, of which type checkers pick the first that fits.

    A first parameter that is not annotated, or is `Any` or `object`, would fit a `Context` too. It fits a `Stranger`
    first, so such a function is not taken for one that wants a context. Likewise for results: an unknown type fits what
    prompts return before it fits a coroutine, so such a function is not taken for an async one.
    """


class Decorated(FunctionLike):
    """What all objects made of functions share: they look like their function, bind as methods, and pickle by name."""

    fn: Callable[..., Any]
    toolkit: Toolkit

    def _stand_for(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        copy_function_metadata(self, fn)

    def bound_to(self, instance: object, owner: type | None) -> Self:
        """What stands for the method when this object is found on an instance or class."""
        if (fn := bind_function(self.fn, instance, owner)) is None:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)  # what copy.copy would do, were it not to ask `__reduce__`
        bound._stand_for(fn)
        mark_bound(bound, self)
        bound.toolkit = self.toolkit.found_on(owner if instance is None else instance)
        return bound

    @functools.cached_property
    def context_parameter(self) -> ContextParameter:
        """Where the function takes its context."""
        return cast("ContextParameter", context_parameter(self.fn))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {cast('Any', self).__qualname__}>"


def context_at(place: int) -> Callable[[M], M]:
    """Let a method that takes a context in this place be given it by name too: the name that its function uses."""

    def decorate(method: M) -> M:
        @functools.wraps(method)
        def called(self: Decorated, /, *args: Any, **kwargs: Any) -> Any:
            if (name := self.context_parameter.name) in kwargs:
                args = (*args[:place], kwargs.pop(name), *args[place:])
            return method(self, *args, **kwargs)

        return cast("M", called)

    return decorate


class BasePrompt(Decorated, Generic[F]):
    """A prompt function with its tools and format. `retry_config` is its retry policy, set by `llm.retry`."""

    retry_config: RetryConfig | None = None

    def __init__(self, fn: Callable[..., Any], toolkit: Toolkit, format: Format[F] | None) -> None:
        self.toolkit = toolkit
        self.format = format
        self._stand_for(fn)

    def __reduce__(self) -> Any:
        args = {"toolkit": self.toolkit, "format": self.format}
        return reduce_decorated(self, args, {"retry_config": self.retry_config})

    def with_retry(self, retry: RetryConfig | None) -> Self:
        """Return the same prompt with `retry` as its policy, for models without their own."""
        other = type(self)(self.fn, self.toolkit, self.format)
        other.retry_config = retry
        return other

    def _given(self, ctx: Context[Any]) -> Callable[..., Any]:
        """The function with its context in place. Raises `TypeError` if it is none."""
        if not isinstance(cast("object", ctx), Context | None):
            raise TypeError(
                f"{function_name(self.fn)} takes a context first, not {type(ctx).__name__!r}: pass llm.Context(deps=…)."
            )
        if self.context_parameter.by_name:
            return functools.partial(self.fn, **{self.context_parameter.name: ctx})
        return functools.partial(self.fn, ctx)

    def _model_with_retry(self, model: Model | str) -> Model:
        return as_model(model).or_retry(self.retry_config)


class Prompt(BasePrompt[F], Generic[P, F]):
    """A plain prompt function. Calling it with a model and the function's arguments asks the model."""

    fn: Callable[P, Any]

    def messages(self, /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """Return the messages that would be sent."""
        return promote_to_messages(self.fn(*args, **kwargs))

    def call(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> Response[F]:
        """Ask a model, given as such or by id, and wait for the whole answer."""
        return self._model_with_retry(model).call(
            self.messages(*args, **kwargs), tools=self.toolkit, format=self.format
        )

    def stream(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> StreamResponse[F]:
        """Ask a model, and return when the answer begins."""
        return self._model_with_retry(model).stream(
            self.messages(*args, **kwargs), tools=self.toolkit, format=self.format
        )

    def __call__(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> Response[F]:
        """See `call`."""
        return self.call(model, *args, **kwargs)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, type[S], Q], Response[G]], instance: None, owner: type[S]
    ) -> Prompt[Q, G]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, S, Stranger, ...], Response[G]], instance: S, owner: type | None = None
    ) -> Prompt[..., G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, S, Context[D], Q], Response[G]], instance: S, owner: type | None = None
    ) -> ContextPrompt[Q, D, G]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[Model | str, S, Q], Response[G]], instance: S, owner: type | None = None
    ) -> Prompt[Q, G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, type[S], Q], Response[G]], instance: S, owner: type | None = None
    ) -> Prompt[Q, G]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.bound_to(instance, owner)


class AsyncPrompt(BasePrompt[F], Generic[P, F]):
    """An async prompt function. See `Prompt`."""

    fn: Callable[P, Awaitable[Any]]

    async def messages(self, /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Prompt.messages`."""
        return promote_to_messages(await self.fn(*args, **kwargs))

    async def call(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResponse[F]:
        """See `Prompt.call`."""
        messages = await self.messages(*args, **kwargs)
        return await self._model_with_retry(model).call_async(messages, tools=self.toolkit, format=self.format)

    async def stream(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> AsyncStreamResponse[F]:
        """See `Prompt.stream`."""
        messages = await self.messages(*args, **kwargs)
        return await self._model_with_retry(model).stream_async(messages, tools=self.toolkit, format=self.format)

    async def __call__(self, model: Model | str, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResponse[F]:
        """See `Prompt.call`."""
        return await self.call(model, *args, **kwargs)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, type[S], Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: None,
        owner: type[S],
    ) -> AsyncPrompt[Q, G]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, S, Stranger, ...], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncPrompt[..., G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, S, Context[D], Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncContextPrompt[Q, D, G]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[Model | str, S, Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncPrompt[Q, G]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[Model | str, type[S], Q], Coroutine[Any, Any, AsyncResponse[G]]],
        instance: S,
        owner: type | None = None,
    ) -> AsyncPrompt[Q, G]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self.bound_to(instance, owner)


class ContextPrompt(BasePrompt[F], Generic[P, D, F]):
    """A plain prompt function that takes a context first. See `Prompt`."""

    fn: Callable[..., Any]

    @context_at(0)
    def messages(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Prompt.messages`."""
        return promote_to_messages(self._given(ctx)(*args, **kwargs))

    @context_at(1)
    def call(self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> ContextResponse[D, F]:
        """See `Prompt.call`."""
        messages = self.messages(ctx, *args, **kwargs)
        return self._model_with_retry(model).context_call(messages, ctx=ctx, tools=self.toolkit, format=self.format)

    @context_at(1)
    def stream(
        self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> ContextStreamResponse[D, F]:
        """See `Prompt.stream`."""
        messages = self.messages(ctx, *args, **kwargs)
        return self._model_with_retry(model).context_stream(messages, ctx=ctx, tools=self.toolkit, format=self.format)

    @context_at(1)
    def __call__(
        self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> ContextResponse[D, F]:
        """See `Prompt.call`."""
        return self.call(model, ctx, *args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self.bound_to(instance, owner)


class AsyncContextPrompt(BasePrompt[F], Generic[P, D, F]):
    """An async prompt function that takes a context first. See `Prompt`."""

    fn: Callable[..., Awaitable[Any]]

    @context_at(0)
    async def messages(self, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs) -> list[Message]:
        """See `Prompt.messages`."""
        return promote_to_messages(await self._given(ctx)(*args, **kwargs))

    @context_at(1)
    async def call(
        self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncContextResponse[D, F]:
        """See `Prompt.call`."""
        messages = await self.messages(ctx, *args, **kwargs)
        return await self._model_with_retry(model).context_call_async(
            messages, ctx=ctx, tools=self.toolkit, format=self.format
        )

    @context_at(1)
    async def stream(
        self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncContextStreamResponse[D, F]:
        """See `Prompt.stream`."""
        messages = await self.messages(ctx, *args, **kwargs)
        return await self._model_with_retry(model).context_stream_async(
            messages, ctx=ctx, tools=self.toolkit, format=self.format
        )

    @context_at(1)
    async def __call__(
        self, model: Model | str, ctx: Context[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncContextResponse[D, F]:
        """See `Prompt.call`."""
        return await self.call(model, ctx, *args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self.bound_to(instance, owner)


AnyPrompt = Prompt[..., Any] | AsyncPrompt[..., Any] | ContextPrompt[..., Any, Any] | AsyncContextPrompt[..., Any, Any]


def as_model(model: Model | str) -> Model:
    """A model as such or by its id."""
    return model if isinstance(model, Model) else Model(model)


def prompt_class(fn: Callable[..., Any]) -> type[AnyPrompt]:
    """The class of prompt that fits a function. Raises `TypeError` if it is none."""
    if not callable(unwrap_method(fn)):
        raise TypeError(f"A prompt is made of a function, not of {fn!r}.")
    context = context_parameter(fn)
    if context is not None and context.place != 0 and context.required and not context.by_name:
        raise TypeError(f"{function_name(fn)} must take its context first: def {function_name(fn)}({context.name}, …).")
    has_context = context is not None and (context.place == 0 or context.by_name)
    if is_async(fn):
        return AsyncContextPrompt if has_context else AsyncPrompt
    return ContextPrompt if has_context else Prompt


def make_prompt(fn: Callable[..., Any], toolkit: Toolkit, format: Format[Any] | None) -> AnyPrompt:
    """The prompt of a function."""
    return prompt_class(fn)(fn, toolkit, format)


class PromptDecorator(Generic[F]):
    """`@llm.prompt(tools=…, format=…)`, waiting for its function."""

    def __init__(self, tools: ToolsLike | None, format: FormatSpec[F] | None) -> None:
        self.toolkit: Toolkit = make_toolkit(tools)
        self.format: Format[F] | None = make_format(format)

    @overload
    def __call__(self, fn: Callable[Concatenate[Stranger, ...], PromptContent]) -> Prompt[..., F]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[Stranger, ...], Coroutine[Any, Any, Any]]) -> AsyncPrompt[..., F]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
        self, fn: Callable[Concatenate[Context[D], P], PromptContent]
    ) -> ContextPrompt[P, D, F]: ...
    @overload
    def __call__(self, fn: Callable[P, PromptContent]) -> Prompt[P, F]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
        self, fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, Any]]
    ) -> AsyncContextPrompt[P, D, F]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, Any]]) -> AsyncPrompt[P, F]: ...
    def __call__(self, fn: Callable[..., Any]) -> Any:
        """The prompt of a function."""
        return make_prompt(fn, self.toolkit, self.format)


@overload
def prompt(fn: Callable[Concatenate[Stranger, ...], PromptContent], /) -> Prompt[..., None]: ...
@overload
def prompt(fn: Callable[Concatenate[Stranger, ...], Coroutine[Any, Any, Any]], /) -> AsyncPrompt[..., None]: ...
@overload
def prompt(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
    fn: Callable[Concatenate[Context[D], P], PromptContent], /
) -> ContextPrompt[P, D, None]: ...
@overload
def prompt(fn: Callable[P, PromptContent], /) -> Prompt[P, None]: ...
@overload
def prompt(  # pyright: ignore[reportOverlappingOverload]  # the first that fits is meant
    fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, Any]], /
) -> AsyncContextPrompt[P, D, None]: ...
@overload
def prompt(fn: Callable[P, Coroutine[Any, Any, Any]], /) -> AsyncPrompt[P, None]: ...
@overload
def prompt(*, tools: ToolsLike | None = None, format: FormatSpec[F] | None = None) -> PromptDecorator[F]: ...
def prompt(
    fn: Callable[..., Any] | None = None, /, *, tools: ToolsLike | None = None, format: FormatSpec[Any] | None = None
) -> Any:
    """Turn a function into a prompt for any model: `@llm.prompt`, or `@llm.prompt(tools=[…], format=Book)`.

    The object keeps the function's signature, after the model: `recommend("openai/gpt-6-luna", "fantasy")`. Beside
    calling it there are `.stream(model, …)` and `.messages(…)`.
    """
    decorator: Any = PromptDecorator(tools, format)
    return decorator if fn is None else decorator(fn)
