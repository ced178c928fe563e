"""Responses: promises of an answer, in two colours. All that they do is written in `response_state`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from ..engine.runtime import BLOCKING, NATIVE, run
from ..engine.tools import DEFAULT_LIMIT
from ..types.messages import Message as LLMMessage
from .iterators import AsyncView, View
from .messages.convert import to_llm
from .messages.parts import Message, StreamEvent
from .prompts.prompt_args import PromptArgs, SchemaSpec
from .response_state import Turn
from .storage.json_forms import ResponseDict
from .storage.restore import check_complete, copied, faked, rebuilt, reduce_response
from .storage.restrictions import AllowFiles
from .tools.tool import AfterCall, BeforeCall, ToolCall, ToolResult
from .tools.toolbox import ToolLike
from .usage import Usage

if TYPE_CHECKING:
    from .messages.attachments import Attachment
    from .prompts.prompt import BaseModel

F = TypeVar("F", default=Any)
G = TypeVar("G", default=Any)


class _Restorable(Turn[F], Generic[F]):
    """A response that can be made of stored data, and copied."""

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, model: BaseModel | None = None, allow_files: AllowFiles = False
    ) -> Self:
        """The response of a JSON form, complete. `model` is who replies (the one that answered). `allow_files` as for
        `Message.from_dict`; the model's `private_options` are given again with a reply.

        Raises `UnknownModelError`, Pydantic's `ValidationError` for options that the model does not have, and
        `ValueError` for a form that is none.
        """
        return rebuilt(cls, data, model, allow_files)

    @classmethod
    def fake(
        cls,
        model: BaseModel,
        prompt: str,
        *attachments: Attachment,
        system: str | None = None,
        response: str = "",
    ) -> Self:
        """A complete response, for tests."""
        return faked(cls, model, prompt, attachments, system, response)

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_response(self)

    def __copy__(self) -> Self:
        return self.__deepcopy__()

    def __deepcopy__(self, memo: object = None) -> Self:
        check_complete(self)
        return copied(type(self), self, self._datetime_utc(), self._duration_ms())


class Response(_Restorable[F], Generic[F]):
    """The answer to a prompt. Nothing is sent until it is read; then it is asked for once, however often it is read.

    Iterating gives the text as it comes. Breaking off loses nothing: reading on, in whatever way, goes on with the same
    answer. `with response:` or `close` gives up what has not come; what has failed stays failed.
    """

    _runtime = BLOCKING
    _unread = "not yet done"
    _at_once = 1

    def __iter__(self) -> View[str]:
        return View(self._texts())

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The whole text. Raises what asking the model raises: see `mirascope_like.errors`."""
        run(self._finish())
        return self._said_text()

    def parsed(self) -> F:
        """The answer as a value of the schema's type (of a JSON Schema: as JSON).

        Raises `ParseError` if it is none, and `ValueError` if there is no schema.
        """
        run(self._finish())
        return cast("F", self._parsed())

    def json(self) -> dict[str, Any] | None:
        """The provider's own JSON, not the answer's; `None` if there is none."""
        run(self._finish())
        return self.response_json

    def usage(self) -> Usage:
        """The tokens used."""
        run(self._finish())
        return self._usage()

    def tool_calls(self) -> list[ToolCall]:
        """The tools that the model wants run."""
        run(self._finish())
        return self._tool_calls()

    def messages(self) -> list[Message]:
        """What the model said, usually one message. `prompt.messages` is what it was sent."""
        run(self._finish())
        return list(self._messages)

    def stream_events(self) -> View[StreamEvent]:
        """Texts, reasoning and tool calls as they come."""
        return View(self._read_events())

    def duration_ms(self) -> int:
        """How long the answer took, in milliseconds."""
        run(self._finish())
        return self._duration_ms()

    def datetime_utc(self) -> str:
        """When it was asked for, in ISO 8601."""
        run(self._finish())
        return self._datetime_utc()

    def on_done(self, callback: Callable[[Self], Any]) -> None:
        """Call `callback` with this response when it is complete, or now if it is."""
        run(self._on_done(callback))

    def execute_tool_calls(
        self,
        *,
        before_call: BeforeCall | None = None,
        after_call: AfterCall | None = None,
        tool_calls_list: Sequence[ToolCall] | None = None,
        tools: Sequence[ToolLike] | None = None,
    ) -> list[ToolResult]:
        """Run the tools that the model called (or those of `tool_calls_list`), and give the results in their order.

        What goes wrong in a tool is a result that tells the model, with `exception` set. If the response did not end
        well (it was cut off, refused or filtered, or it failed), its calls may be incomplete: none is run, no hook is
        called, and each result tells the model why. Those of `tool_calls_list` are run in any case.

        Raises what the hooks raise, `PauseChain`, and `ToolCallLimitExceeded` if the response makes more calls than the
        option `tool_call_limit` allows.
        """
        return run(self._execute_tool_calls(before_call, after_call, tool_calls_list, tools))

    def execute_tool_call(self, tool_call: ToolCall) -> ToolResult:
        """Run one tool, for models that do so while they answer. The call is not in `tool_calls()` then."""
        return run(self._execute_one(tool_call))

    @overload
    def reply(
        self, prompt: str | None = None, *, schema: SchemaSpec[G] | None, **args: Unpack[PromptArgs]
    ) -> Response[G]: ...
    @overload
    def reply(self, prompt: str | None = None, **args: Unpack[PromptArgs]) -> Self: ...
    def reply(self, prompt: str | None = None, **args: Any) -> Any:
        """The next response of this conversation, not asked for yet.

        Tools that the model called are run first, unless `tool_results` are given. Tools, options, schema, key and
        hooks stay as they were, unless they are given; `schema=None` asks for plain text. `messages` are said after
        the prompt.
        """
        return run(self._reply(prompt, args))

    def to_dict(self) -> ResponseDict:
        """The JSON form, from which `from_dict` makes it again. Reads files that are attached by path, and blocks for
        it."""
        run(self._finish())
        return self._to_dict()

    def to_llm(self) -> list[LLMMessage]:
        """The conversation with this answer as messages of `mirascope_like.llm`; `chat.from_llm` is the way back."""
        run(self._finish())
        return to_llm([*self.prompt.messages, *self._messages])

    def close(self) -> None:
        """Give up what has not come yet, and the connection."""
        run(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncResponse(_Restorable[F], Generic[F]):
    """See `Response`. Awaiting it reads it to its end, and gives it back. Several tasks may read it."""

    _runtime = NATIVE
    _unread = "not yet awaited"
    _at_once = DEFAULT_LIMIT

    def __aiter__(self) -> AsyncView[str]:
        return AsyncView(self._texts())

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._awaited().__await__()

    async def _awaited(self) -> Self:
        await self._finish()
        return self

    async def text(self) -> str:
        """See `Response.text`."""
        await self._finish()
        return self._said_text()

    async def parsed(self) -> F:
        """See `Response.parsed`."""
        await self._finish()
        return cast("F", self._parsed())

    async def json(self) -> dict[str, Any] | None:
        """See `Response.json`."""
        await self._finish()
        return self.response_json

    async def usage(self) -> Usage:
        """See `Response.usage`."""
        await self._finish()
        return self._usage()

    async def tool_calls(self) -> list[ToolCall]:
        """See `Response.tool_calls`."""
        await self._finish()
        return self._tool_calls()

    async def messages(self) -> list[Message]:
        """See `Response.messages`."""
        await self._finish()
        return list(self._messages)

    def astream_events(self) -> AsyncView[StreamEvent]:
        """See `Response.stream_events`."""
        return AsyncView(self._read_events())

    async def duration_ms(self) -> int:
        """See `Response.duration_ms`."""
        await self._finish()
        return self._duration_ms()

    async def datetime_utc(self) -> str:
        """See `Response.datetime_utc`."""
        await self._finish()
        return self._datetime_utc()

    async def on_done(self, callback: Callable[[Self], Any]) -> None:
        """See `Response.on_done`; the callback may be async."""
        await self._on_done(callback)

    async def execute_tool_calls(
        self,
        *,
        before_call: BeforeCall | None = None,
        after_call: AfterCall | None = None,
        tool_calls_list: Sequence[ToolCall] | None = None,
        tools: Sequence[ToolLike] | None = None,
    ) -> list[ToolResult]:
        """See `Response.execute_tool_calls`. They run at the same time; sync tools run in worker threads."""
        return await self._execute_tool_calls(before_call, after_call, tool_calls_list, tools)

    async def execute_tool_call(self, tool_call: ToolCall) -> ToolResult:
        """See `Response.execute_tool_call`."""
        return await self._execute_one(tool_call)

    @overload
    async def reply(
        self, prompt: str | None = None, *, schema: SchemaSpec[G] | None, **args: Unpack[PromptArgs]
    ) -> AsyncResponse[G]: ...
    @overload
    async def reply(self, prompt: str | None = None, **args: Unpack[PromptArgs]) -> Self: ...
    async def reply(self, prompt: str | None = None, **args: Any) -> Any:
        """See `Response.reply`."""
        return await self._reply(prompt, args)

    def to_dict(self) -> ResponseDict:
        """See `Response.to_dict`; not awaited. Raises `ValueError` while it is not complete."""
        self._check_done()
        return self._to_dict()

    async def to_llm(self) -> list[LLMMessage]:
        """See `Response.to_llm`."""
        await self._finish()
        return to_llm([*self.prompt.messages, *self._messages])

    async def to_sync_response(self) -> Response[F]:
        """A complete `Response` that says the same."""
        await self._finish()
        return copied(Response[F], self, self._datetime_utc(), self._duration_ms())

    async def aclose(self) -> None:
        """See `Response.close`."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
