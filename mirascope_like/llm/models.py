"""Models, and the responses that their calls return.

A `Model` is a model id with params; the provider is looked up when a call is made. `with model:` overrides the model of
every decorated call and of every `resume` in the block, with its params. This applies to the block's thread or task
and to tasks started in it. A new thread has it only if it runs in a copy of the context, as with `asyncio.to_thread`
and `contextvars.copy_context().run`.

Leaving the block ends the override, whichever task or thread leaves it. While a generator is suspended in the block,
code that iterates over the generator sees the override too.

There are eight response classes:

    whole     Response        AsyncResponse        ContextResponse        AsyncContextResponse
    streamed  StreamResponse  AsyncStreamResponse  ContextStreamResponse  AsyncContextStreamResponse

`contents` has the properties of responses, `responses` their methods. The classes are defined here because responses
and models refer to each other.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any, Generic, Self, TypeAlias, cast

from typing_extensions import TypeVar, Unpack

from ..engine.calls import ask
from ..engine.loading import load_format
from ..engine.plan import Plan
from ..engine.providers import Provider, registry
from ..engine.runtime import BLOCKING, NATIVE, run
from ..engine.scoped_variables import ScopedVariable
from ..engine.streams import open_stream
from ..schema.formats import FormatSpec, make_format
from ..schema.toolkits import ToolsLike, make_toolkit
from ..types.content import UserContent
from ..types.context import Context
from ..types.messages import PromptContent, promote
from ..types.params import Params, check_params, copy_params, without_headers
from ..types.retry import RetryConfig
from .responses import (
    AsyncMethods,
    AsyncMethodsWithContext,
    AsyncStream,
    NonStreamedResponse,
    ResponseMethods,
    SyncMethods,
    SyncMethodsWithContext,
    SyncStream,
)

F = TypeVar("F", default=None)
V = TypeVar("V", default=None, covariant=True)
D = TypeVar("D")


class BaseResponse(ResponseMethods[V]):
    """The base of all responses: content, usage, the parsed value, and the model that continues the conversation."""

    @property
    def model(self) -> Model:
        """The model that `resume` calls: that of the enclosing `with model:`, else the model of this response."""
        plan = self._result.plan
        return use_model(Model(plan.model_id, provider=plan.provider, retry=plan.retry, **plan.params))

    def _next_model(self) -> Model:
        return self.model


class Response(SyncMethods[V], NonStreamedResponse[V], BaseResponse[V]):
    """The response to a blocking call."""


class AsyncResponse(AsyncMethods[V], NonStreamedResponse[V], BaseResponse[V]):
    """The response to an async call."""


class ContextResponse(SyncMethodsWithContext[D, V], Response[V], Generic[D, V]):
    """The response to a blocking call with a context. It keeps the context; `execute_tools`, `resume` and `validate`
    accept another one."""


class AsyncContextResponse(AsyncMethodsWithContext[D, V], AsyncResponse[V], Generic[D, V]):
    """The response to an async call with a context. It keeps the context; `execute_tools`, `resume` and `validate`
    accept another one."""


class StreamResponse(SyncStream[V], BaseResponse[V]):
    """The streamed response to a blocking call.

    Each iterator starts at the beginning, and several can read at once. Use `with response:`, or read to the end: the
    connection is closed at the end, on errors, and when the last iterator is dropped before the end. Reading further
    then raises; what iterators have returned stays in the properties, and `resume` continues from it.
    """


class AsyncStreamResponse(AsyncStream[V], BaseResponse[V]):
    """The streamed response to an async call. See `StreamResponse`."""


class ContextStreamResponse(SyncMethodsWithContext[D, V], StreamResponse[V], Generic[D, V]):
    """The streamed response to a blocking call with a context. See `StreamResponse` and `ContextResponse`."""


class AsyncContextStreamResponse(AsyncMethodsWithContext[D, V], AsyncStreamResponse[V], Generic[D, V]):
    """The streamed response to an async call with a context. See `StreamResponse` and `ContextResponse`."""


AnyResponse: TypeAlias = BaseResponse[Any]
"""Any response: for functions that accept all of them, such as output parsers."""

_overrides: ScopedVariable[Model] = ScopedVariable("mirascope_like_models")


class Model:
    """A model id such as "openai/gpt-6-luna", with params for its calls.

    `provider` is used instead of the provider registered for the id. `retry` sets when a failed call is retried, and
    which fallback models are tried (default: never). A pickle has neither `provider` nor `extra_headers`, which may
    hold API keys: where it is loaded, the provider registered for the id is used.

    Raises `ValueError` for an id without a slash, `TypeError` for an id that is not a str and for an unknown param.
    """

    def __init__(
        self,
        model_id: str,
        *,
        provider: Provider | None = None,
        retry: RetryConfig | None = None,
        **params: Unpack[Params],
    ) -> None:
        _check_id(model_id)
        self.model_id = model_id
        self.provider_override: Provider | None = provider
        self.retry_config: RetryConfig | None = _check_retry(retry)
        self.params: Params = check_params(params)

    def with_retry(self, retry: RetryConfig | None) -> Self:
        """Return the same model with `retry` in place of its retry settings."""
        other = copy(self)
        other.retry_config = _check_retry(retry)
        return other

    def or_retry(self, retry: RetryConfig | None) -> Self:
        """Return the same model with `retry` as its retry settings, unless it has its own."""
        return self if retry is None or self.retry_config is not None else self.with_retry(retry)

    def plan(
        self,
        content: object,
        *,
        tools: ToolsLike | None = None,
        format: FormatSpec[Any] | None = None,
        ctx: Context[Any] | None = None,
    ) -> Plan:
        """Return the plan of a call to this model, without sending it."""
        toolkit = make_toolkit(tools)
        toolkit.check_bound()
        return Plan(
            model_id=self.model_id,
            provider=self.provider_override,
            retry=self.retry_config,
            params=copy_params(self.params),
            messages=promote(content),
            toolkit=toolkit,
            format=make_format(format),
            context=ctx,
        )

    async def _plan_async(
        self, content: object, tools: ToolsLike | None, format: FormatSpec[Any] | None, ctx: Context[Any] | None = None
    ) -> Plan:
        if format is not None:
            await load_format(NATIVE, format)
        return self.plan(content, tools=tools, format=format, ctx=ctx)

    @property
    def provider(self) -> Provider:
        """The provider that a call would use now; looked up each time. Raises `NoRegisteredProviderError`."""
        return registry.find(self.model_id, self.provider_override)[0]

    @property
    def provider_id(self) -> str:
        """The id of `provider`."""
        return self.provider.id

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(
        self,
        content: PromptContent,
        *,
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> Response[F]:
        """Send a request and wait for the whole response.

        `content` is text, a content part, a sequence of these, or messages. `tools` are the tools that the model may
        call. `format` is the type that `response.parse()` returns. Raises the errors of `mirascope_like.errors`.
        """
        return Response(run(ask(BLOCKING, self.plan(content, tools=tools, format=format))))

    async def call_async(
        self,
        content: PromptContent,
        *,
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> AsyncResponse[F]:
        """See `call`."""
        return AsyncResponse(await ask(NATIVE, await self._plan_async(content, tools, format)))

    def stream(
        self,
        content: PromptContent,
        *,
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> StreamResponse[F]:
        """Send a request and return when the response begins. The arguments are those of `call`."""
        return StreamResponse(run(open_stream(BLOCKING, self.plan(content, tools=tools, format=format))))

    async def stream_async(
        self,
        content: PromptContent,
        *,
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> AsyncStreamResponse[F]:
        """See `stream`."""
        return AsyncStreamResponse(await open_stream(NATIVE, await self._plan_async(content, tools, format)))

    # -- with a context -----------------------------------------------------------------------------------------------

    def context_call(
        self,
        content: PromptContent,
        *,
        ctx: Context[D],
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> ContextResponse[D, F]:
        """Like `call`, with a context for the tools. The response keeps it."""
        return ContextResponse(run(ask(BLOCKING, self.plan(content, tools=tools, format=format, ctx=ctx))))

    async def context_call_async(
        self,
        content: PromptContent,
        *,
        ctx: Context[D],
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> AsyncContextResponse[D, F]:
        """See `context_call`."""
        return AsyncContextResponse(await ask(NATIVE, await self._plan_async(content, tools, format, ctx)))

    def context_stream(
        self,
        content: PromptContent,
        *,
        ctx: Context[D],
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> ContextStreamResponse[D, F]:
        """Like `stream`, with a context for the tools. The response keeps it."""
        plan = self.plan(content, tools=tools, format=format, ctx=ctx)
        return ContextStreamResponse(run(open_stream(BLOCKING, plan)))

    async def context_stream_async(
        self,
        content: PromptContent,
        *,
        ctx: Context[D],
        tools: ToolsLike | None = None,
        format: FormatSpec[F] | None = None,
    ) -> AsyncContextStreamResponse[D, F]:
        """See `context_stream`."""
        plan = await self._plan_async(content, tools, format, ctx)
        return AsyncContextStreamResponse(await open_stream(NATIVE, plan))

    # -- continuing a response ----------------------------------------------------------------------------------------

    def resume(self, *, response: BaseResponse[F], content: UserContent) -> Response[F]:
        """Send `content` as the next message of a response's conversation, to this model. Tools, format and context
        are those of the response."""
        return Response(run(ask(BLOCKING, response.next_plan(content, model=self))))

    async def resume_async(self, *, response: BaseResponse[F], content: UserContent) -> AsyncResponse[F]:
        """See `resume`."""
        return AsyncResponse(await ask(NATIVE, response.next_plan(content, model=self)))

    def resume_stream(self, *, response: BaseResponse[F], content: UserContent) -> StreamResponse[F]:
        """Like `resume`, streamed."""
        return StreamResponse(run(open_stream(BLOCKING, response.next_plan(content, model=self))))

    async def resume_stream_async(self, *, response: BaseResponse[F], content: UserContent) -> AsyncStreamResponse[F]:
        """See `resume_stream`."""
        return AsyncStreamResponse(await open_stream(NATIVE, response.next_plan(content, model=self)))

    def context_resume(
        self, *, ctx: Context[D], response: BaseResponse[F], content: UserContent
    ) -> ContextResponse[D, F]:
        """Like `resume`, with a context instead of the response's."""
        return ContextResponse(run(ask(BLOCKING, response.next_plan(content, ctx, model=self))))

    async def context_resume_async(
        self, *, ctx: Context[D], response: BaseResponse[F], content: UserContent
    ) -> AsyncContextResponse[D, F]:
        """See `context_resume`."""
        return AsyncContextResponse(await ask(NATIVE, response.next_plan(content, ctx, model=self)))

    def context_resume_stream(
        self, *, ctx: Context[D], response: BaseResponse[F], content: UserContent
    ) -> ContextStreamResponse[D, F]:
        """Like `context_resume`, streamed."""
        return ContextStreamResponse(run(open_stream(BLOCKING, response.next_plan(content, ctx, model=self))))

    async def context_resume_stream_async(
        self, *, ctx: Context[D], response: BaseResponse[F], content: UserContent
    ) -> AsyncContextStreamResponse[D, F]:
        """See `context_resume_stream`."""
        plan = response.next_plan(content, ctx, model=self)
        return AsyncContextStreamResponse(await open_stream(NATIVE, plan))

    # -- overriding other models --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        _overrides.enter(self, _with_statement_frame_id())
        return self

    def __exit__(self, *_: object) -> None:
        if (scope := _overrides.find(self, _with_statement_frame_id())) is not None:
            _overrides.leave(scope)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "provider_override": None, "params": without_headers(self.params)}

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        vars(copied).update(vars(self), params=copy_params(self.params))
        return copied

    def __deepcopy__(self, _: object) -> Self:
        return copy(self)

    def __repr__(self) -> str:
        if "params" not in vars(self):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        params = "".join(f", {name}={value!r}" for name, value in self.params.items() if name != "extra_headers")
        retry = f", retry={self.retry_config!r}" if self.retry_config is not None else ""
        return f"Model({self.model_id!r}{retry}{params})"


def _with_statement_frame_id() -> int:
    """Return the `id` of the frame that runs a `with` statement. One model can be entered by several generators, and
    may have to be left outside of their contexts."""
    frame = inspect.currentframe()
    return id(frame and frame.f_back and frame.f_back.f_back)


def _check_id(model_id: str) -> None:
    if not isinstance(cast("object", model_id), str):
        raise TypeError(f"A model id must be a str such as 'openai/gpt-6-luna', not {model_id!r}.")
    scope, slash, name = model_id.partition("/")
    if not (scope and slash and name):
        raise ValueError(
            f"A model id must have the form 'provider/name', such as 'openai/gpt-6-luna'; got {model_id!r}."
        )


def _check_retry(retry: RetryConfig | None) -> RetryConfig | None:
    for model in retry.fallback_models if retry is not None else ():
        if isinstance(model, str):
            _check_id(model)
    return retry


def model(model_id: str, **params: Unpack[Params]) -> Model:
    """Return a model, for `with llm.model("provider/name"): …`."""
    return Model(model_id, **params)


def model_from_context() -> Model | None:
    """Return the model of the innermost enclosing `with model:`, or None."""
    return _overrides.innermost


def use_model(model: Model | str, **params: Unpack[Params]) -> Model:
    """Return the model of the innermost enclosing `with model:` with its params, or else the model that is passed. A
    model without its own retry settings uses those of the model it replaces.

    Raises `TypeError` for params together with a `Model`, which has its own.
    """
    override = model_from_context()
    if not isinstance(model, Model):
        return override or Model(model, **params)
    if params:
        raise TypeError(
            "Params cannot be passed together with a Model. Pass them to its constructor: "
            f"Model(…, {next(iter(params))}=…)."
        )
    return model if override is None else override.or_retry(model.retry_config)
