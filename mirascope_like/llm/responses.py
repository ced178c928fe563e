"""The methods of responses: read a stream, run tools, validate, and continue the conversation.

The public classes are in `models`, since each has a `model` and each model returns them. They are composed of the
classes here, which differ in three ways: blocking or awaited, with or without a context, whole or streamed. `resume`
returns a new response and leaves the old one as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, Self, cast, overload

from typing_extensions import TypeVar

from ..engine.calls import ask, validated
from ..engine.plan import Plan
from ..engine.prefill import text_to_continue
from ..engine.providers import Provider
from ..engine.results import Result
from ..engine.runtime import BLOCKING, NATIVE, Runtime, run
from ..engine.streams import Stream, open_stream
from ..engine.tools import DEFAULT_LIMIT, run_tools
from ..engine.unfinished_responses import Unfinished, check_call_count, check_unfinished, refuse_calls, why_unfinished
from ..errors import StreamClosedError
from ..schema.formats import Format, Partial
from ..types.chunks import ContentChunk, FinishReason
from ..types.content import ToolOutput, UserContent
from ..types.context import Context
from ..types.messages import Message, promote
from ..types.params import Params, copy_params
from ..types.retry import RetryConfig
from ..types.timeout import as_timeout
from .contents import Contents
from .views import (
    AsyncTextStream,
    AsyncThoughtStream,
    AsyncToolCallStream,
    AsyncView,
    PartialValue,
    Step,
    TextStream,
    ThoughtStream,
    ToolCallStream,
    View,
    async_part_streams,
    chunks,
    part_streams,
    partials,
    pretty_pieces,
    text_pieces,
)

F = TypeVar("F", default=None, covariant=True)
D = TypeVar("D")


class ModelSettings(Protocol):
    """What the next plan takes from a model."""

    @property
    def model_id(self) -> str: ...
    @property
    def params(self) -> Params: ...
    @property
    def provider_override(self) -> Provider | None: ...
    @property
    def retry_config(self) -> RetryConfig | None: ...


# -- methods that sync and async responses share -----------------------------------------------------------------------


class ResponseMethods(Contents[F]):
    """Methods of all responses. Subclasses define what they are made of, the runtime, how plans are sent (`_send`), and
    the model."""

    def __init__(self, source: Any) -> None:
        raise NotImplementedError

    _runtime: ClassVar[Runtime]

    async def _send(self, plan: Plan) -> Any:
        raise NotImplementedError

    async def _read_rest(self) -> None:
        """Read the rest of the response."""

    def _next_model(self) -> ModelSettings:
        """Return the model that continues the conversation."""
        raise NotImplementedError

    def next_plan(
        self, content: object = None, ctx: Context[Any] | None = None, *, model: ModelSettings | None = None
    ) -> Plan:
        """Return the plan that continues the conversation with `content`, without sending it.

        Without content, the plan continues this response. Raises `ValueError` if it is complete.
        """
        plan = self._result.plan
        new_messages, beginning = (
            self._continuation() if content is None else ((self._message, *promote(content)), None)
        )
        next_model = model or self._next_model()
        return replace(
            plan,
            model_id=next_model.model_id,
            provider=next_model.provider_override,
            retry=next_model.retry_config,
            params=copy_params(next_model.params),
            messages=(*plan.messages, *new_messages),
            context=plan.context if ctx is None else ctx,
            beginning=beginning,
            # A log finds the continued call by its messages. A response that broke off is not one: a label names it.
            labels={} if beginning is None else {"replies_to": str(self._result.call_id)},
        )

    def _continuation(self) -> tuple[Sequence[Message], str | None]:
        """Return the messages that continue this response, and the text to continue from. A paused response is sent
        back as it is."""
        reason = self.finish_reason
        if reason is FinishReason.PAUSE:
            return (self._message,), None
        if self._has_broken_off() or reason not in (None, FinishReason.REFUSAL):
            return (), text_to_continue(self._result.reply)
        raise ValueError("The response is complete: pass content to resume(…).")

    def _has_broken_off(self) -> bool:
        """Return whether reading this response ended before the response did."""
        return False

    async def _resume(self, content: object = None, context: Context[Any] | None = None) -> Self:
        await self._read_rest()
        return type(self)(await self._send(self.next_plan(content, context)))

    async def _run_tools(
        self, context: Context[Any] | None, limit: int, unfinished: Unfinished
    ) -> list[ToolOutput[Any]]:
        check_unfinished(unfinished)
        await self._read_rest()
        plan, calls = self._result.plan, self.tool_calls
        check_call_count(calls, plan.params.get("tool_call_limit"))
        if unfinished == "refuse" and (why := self._incomplete_reason()) is not None:
            return refuse_calls(calls, why)
        context = plan.context if context is None else context
        timeout = as_timeout(plan.params.get("timeout")).tool
        return await run_tools(
            self._runtime, plan.toolkit, calls, context, limit=limit, timeout=timeout, call_id=self._result.call_id
        )

    async def _validate(self, max_retries: int, context: Context[Any] | None = None) -> tuple[F, Self]:
        async def resume_and_read(response: Self, message: str) -> Self:
            resumed = await response._resume(message, context)
            await resumed._read_rest()
            return resumed

        await self._read_rest()
        return await validated(self, resume_and_read, max_retries)


class SyncMethods(ResponseMethods[F]):
    """Methods that block."""

    _runtime = BLOCKING

    def execute_tools(
        self, *, max_concurrency: int = DEFAULT_LIMIT, unfinished: Unfinished = "refuse"
    ) -> list[ToolOutput[Any]]:
        """Run all tool calls at the same time, and return their outputs in the order of the calls, for `resume`.

        An error in a tool is not raised: it becomes an output that reports it to the model, with `error` set. Async
        tools run on a background event loop, several sync tools in threads (see `inline` of `llm.tool` for tools that
        must not). At most `max_concurrency` tools run at a time.

        If the response did not end normally (it was truncated, refused or filtered, it failed, or its stream was
        closed), its calls may be incomplete: no tool runs, and each output is an error that tells the model why.
        `unfinished="run"` runs them anyway.

        Raises `TypeError` if a tool needs a context and none was passed, `ToolCallLimitExceeded` if there are more
        calls than the param `tool_call_limit` allows.
        """
        return run(self._run_tools(None, max_concurrency, unfinished))

    def resume(self, content: UserContent | None = None) -> Self:
        """Send `content` (tool outputs, text, or other parts) as the next user message, and return the new response.
        Tools, format and context stay the same, and so does the model, except in a `with model:` block.

        Without content, a response that broke off (a stream that failed or was closed, a token limit) is continued;
        `continues` of the new response says how. A response that the provider paused is continued in the next message.
        Raises `ValueError` if the response is complete.
        """
        return run(self._resume(content))

    def validate(self, max_retries: int = 1) -> tuple[F, Self]:
        """Return the parsed value, and the response that it comes from.

        If the text does not fit the format, the model gets the errors and tries again, up to `max_retries` times; then
        `ParseError` is raised. A response that ended otherwise (a token limit, a refusal, a pause) is not retried.
        Raises `ValueError` while tool calls have no outputs.
        """
        return run(self._validate(max_retries))


class AsyncMethods(ResponseMethods[F]):
    """Methods that are awaited."""

    _runtime = NATIVE

    async def execute_tools(
        self, *, max_concurrency: int = DEFAULT_LIMIT, unfinished: Unfinished = "refuse"
    ) -> list[ToolOutput[Any]]:
        """See `Response.execute_tools`. Sync tools run in worker threads, so the event loop is never blocked."""
        return await self._run_tools(None, max_concurrency, unfinished)

    async def resume(self, content: UserContent | None = None) -> Self:
        """See `Response.resume`."""
        return await self._resume(content)

    async def validate(self, max_retries: int = 1) -> tuple[F, Self]:
        """See `Response.validate`."""
        return await self._validate(max_retries)


class SyncMethodsWithContext(SyncMethods[F], Generic[D, F]):
    """Methods that block and take a context."""

    def execute_tools(
        self,
        ctx: Context[D] | None = None,
        *,
        max_concurrency: int = DEFAULT_LIMIT,
        unfinished: Unfinished = "refuse",
    ) -> list[ToolOutput[Any]]:
        """See `Response.execute_tools`."""
        return run(self._run_tools(ctx, max_concurrency, unfinished))

    @overload
    def resume(self, content: UserContent | None = None) -> Self: ...
    @overload
    def resume(self, ctx: Context[D], content: UserContent | None = None) -> Self: ...
    def resume(self, *args: Any, **kwargs: Any) -> Self:
        """See `Response.resume`; you can pass a context before the content."""
        return run(self._resume(*_parse_value_and_context("content", None, *args, **kwargs)))

    @overload
    def validate(self, max_retries: int = 1) -> tuple[F, Self]: ...
    @overload
    def validate(self, ctx: Context[D], max_retries: int = 1) -> tuple[F, Self]: ...
    def validate(self, *args: Any, **kwargs: Any) -> tuple[F, Self]:
        """See `Response.validate`; you can pass a context first."""
        return run(self._validate(*_parse_value_and_context("max_retries", 1, *args, **kwargs)))


class AsyncMethodsWithContext(AsyncMethods[F], Generic[D, F]):
    """Methods that are awaited and take a context."""

    async def execute_tools(
        self,
        ctx: Context[D] | None = None,
        *,
        max_concurrency: int = DEFAULT_LIMIT,
        unfinished: Unfinished = "refuse",
    ) -> list[ToolOutput[Any]]:
        """See `AsyncResponse.execute_tools`."""
        return await self._run_tools(ctx, max_concurrency, unfinished)

    @overload
    async def resume(self, content: UserContent | None = None) -> Self: ...
    @overload
    async def resume(self, ctx: Context[D], content: UserContent | None = None) -> Self: ...
    async def resume(self, *args: Any, **kwargs: Any) -> Self:
        """See `Response.resume`; you can pass a context before the content."""
        return await self._resume(*_parse_value_and_context("content", None, *args, **kwargs))

    @overload
    async def validate(self, max_retries: int = 1) -> tuple[F, Self]: ...
    @overload
    async def validate(self, ctx: Context[D], max_retries: int = 1) -> tuple[F, Self]: ...
    async def validate(self, *args: Any, **kwargs: Any) -> tuple[F, Self]:
        """See `Response.validate`; you can pass a context first."""
        return await self._validate(*_parse_value_and_context("max_retries", 1, *args, **kwargs))


def _parse_value_and_context(name: str, value: Any, *args: Any, **kwargs: Any) -> tuple[Any, Context[Any] | None]:
    """Return the argument `name`, or `value` if it is missing, and the context, of arguments in either order."""
    placed: list[tuple[str, Any]] = [("ctx" if isinstance(arg, Context) else name, arg) for arg in args]
    given: dict[str, Any] = {**dict(placed), **kwargs}
    context = given.get("ctx")
    if len(given) < len(args) + len(kwargs) or given.keys() - {"ctx", name} or not isinstance(context, Context | None):
        raise TypeError(f"Expected at most one {name} and one context.")
    return given.get(name, value), cast("Any", context)


# -- non-streamed or streamed ------------------------------------------------------------------------------------------


class NonStreamedResponse(ResponseMethods[F]):
    """A response that was not streamed."""

    def __init__(self, result: Result) -> None:
        self._whole_result = result

    @property
    def _result(self) -> Result:
        return self._whole_result

    @property
    def raw(self) -> Any:
        """The provider's response body, as parsed JSON."""
        return self._result.body

    async def _send(self, plan: Plan) -> Result:
        return await ask(self._runtime, plan)


class _StreamedResponse(ResponseMethods[F]):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def _result(self) -> Result:
        return self._stream.result

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_reading"}

    @property
    def chunks(self) -> Sequence[ContentChunk]:
        """The chunks so far."""
        return tuple(self._stream.memory.seen)

    @property
    def raw_stream_events(self) -> Sequence[str]:
        """The provider's events so far, as JSON text. They are kept for calls that begin while a subscriber wants them;
        otherwise this raises `ValueError`."""
        events = self._result.raw_events
        if events is None:
            raise ValueError(
                "The raw events of this stream were not kept. Before the call, ask for them with "
                "llm.subscribe(callback, raw=True)."
            )
        return tuple(events)

    @property
    def consumed(self) -> bool:
        """Whether the stream was read to its end. A stream that failed or was closed never is."""
        return self._stream.finished

    def _partial(self, format: Format[Any]) -> Any:
        memory = self._stream.memory  # another one after a restart
        reading: PartialValue[Any] | None = self.__dict__.pop("_reading", None)  # one thread at a time
        if reading is None or reading.chunks is not memory:
            reading = PartialValue(format, memory)
        value = reading.read(memory.handed_out)
        self._reading = reading
        return value

    async def _send(self, plan: Plan) -> Stream:
        return await open_stream(self._runtime, plan)

    async def _read_rest(self) -> None:
        # A stream that failed or was closed continues from the content so far.
        if self._stream.failure is None:
            await self._stream.finish()

    def _has_broken_off(self) -> bool:
        return self._stream.failure is not None

    def _incomplete_reason(self) -> str | None:
        failure = self._stream.failure
        if failure is None and not self.consumed:
            failure = StreamClosedError("The stream is not read to its end yet.")
        return why_unfinished(self.finish_reason, failure)

    def _unread_reason(self) -> str | None:
        if self._has_broken_off():
            return "The stream failed or was closed before its end: call resume() to continue it."
        return None if self.consumed else "The stream is not finished: call finish() first."

    def _partials(self) -> Step[Partial[F]]:
        format = self.format
        if format is None:
            raise ValueError("structured_stream() needs a call with format=….")
        if format.parser is not None:
            raise NotImplementedError("An output parser needs the whole response: use finish() and parse().")
        return partials(format)

    def _state(self) -> list[str]:
        if self._stream.failure is not None:
            return [type(self._stream.failure).__name__]
        return [] if self.consumed else ["not consumed yet"]


# -- streams -----------------------------------------------------------------------------------------------------------


class SyncStream(SyncMethods[F], _StreamedResponse[F]):
    """The methods of `StreamResponse`."""

    def chunk_stream(self) -> View[ContentChunk]:
        """Iterate over the chunks: starts, deltas and ends of parts."""
        return View(self._stream, chunks)

    def streams(self) -> View[TextStream | ThoughtStream | ToolCallStream]:
        """Iterate over a sub-stream for each part, as the part begins; each can be iterated, collected or skipped. Tool
        calls that arrive interleaved each have their own."""
        return part_streams(self._stream)

    def text_stream(self, sep: str = "\n") -> View[str]:
        """Iterate over pieces of the text, with `sep` between two texts; joined, they are `text(sep)`."""
        return View(self._stream, text_pieces(sep))

    def pretty_stream(self) -> View[str]:
        """Iterate over pieces of everything, for people to read; joined, they are `pretty()`."""
        return View(self._stream, pretty_pieces())

    def structured_stream(self) -> View[Partial[F]]:
        """Iterate over the partial value of the call's format: after each piece of text that changes it.

        Raises `ValueError` if the call has no format, `NotImplementedError` for output parsers."""
        return View(self._stream, self._partials())

    def finish(self) -> None:
        """Read to the end."""
        run(self._stream.finish())

    def close(self) -> None:
        """Stop reading and close the connection. The content so far stays readable."""
        run(self._stream.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStream(AsyncMethods[F], _StreamedResponse[F]):
    """The methods of `AsyncStreamResponse`."""

    def chunk_stream(self) -> AsyncView[ContentChunk]:
        """See `StreamResponse.chunk_stream`."""
        return AsyncView(self._stream, chunks)

    def streams(self) -> AsyncView[AsyncTextStream | AsyncThoughtStream | AsyncToolCallStream]:
        """See `StreamResponse.streams`."""
        return async_part_streams(self._stream)

    def text_stream(self, sep: str = "\n") -> AsyncView[str]:
        """See `StreamResponse.text_stream`."""
        return AsyncView(self._stream, text_pieces(sep))

    def pretty_stream(self) -> AsyncView[str]:
        """See `StreamResponse.pretty_stream`."""
        return AsyncView(self._stream, pretty_pieces())

    def structured_stream(self) -> AsyncView[Partial[F]]:
        """See `StreamResponse.structured_stream`."""
        return AsyncView(self._stream, self._partials())

    async def finish(self) -> None:
        """Read to the end."""
        await self._stream.finish()

    async def aclose(self) -> None:
        """Stop reading and close the connection. The content so far stays readable."""
        await self._stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
