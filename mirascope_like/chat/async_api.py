"""The async API: responses, chains, conversations and models, which refer to one another, and `get_async_model`. See
`sync_api`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Self, TypeAlias, cast, overload

from typing_extensions import TypeVar, Unpack

from ..engine.runtime import NATIVE, run
from ..engine.tools import DEFAULT_LIMIT
from ..types.messages import Message as LLMMessage
from .chains import ChainBase
from .conversations import ConversationBase
from .iterators import AsyncView, each
from .messages.convert import to_llm
from .messages.parts import Message, StreamEvent
from .models import registry
from .models.custom_models import CustomModel
from .models.provider_models import ProviderModel, pass_on_end
from .prompts.prompt import BaseModel, Prompt
from .prompts.prompt_args import ChainArgs, PromptArgs, SchemaSpec, with_schema
from .response_facts import Facts
from .storage.json_forms import ChainDict, ResponseDict
from .storage.restore import RestorableResponse, copy_response
from .sync_api import Response
from .tools.tool import AfterCall, BeforeCall, ToolCall, ToolResult
from .tools.toolbox import ToolLike
from .usage import Usage

F = TypeVar("F", default=Any)
G = TypeVar("G", default=Any)


class AsyncResponse(RestorableResponse[F, "AsyncConversation"], Generic[F]):
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
        return copy_response(Response[F], self, self._datetime_utc(), self._duration_ms())

    async def aclose(self) -> None:
        """See `Response.close`."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        return get_async_model(model_id)


class AsyncChainResponse(ChainBase[F, "AsyncConversation"]):
    """See `ChainResponse`. Awaiting it goes through all rounds, and gives it back."""

    _runtime = NATIVE
    _kind = AsyncResponse

    def __aiter__(self) -> AsyncView[str]:
        return AsyncView(self._texts())

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._awaited().__await__()

    async def _awaited(self) -> Self:
        await self._finish()
        return self

    async def text(self) -> str:
        """See `ChainResponse.text`."""
        return await self._text()

    def astream_events(self) -> AsyncView[StreamEvent]:
        """See `ChainResponse.stream_events`."""
        return AsyncView(self._events())

    def responses(self) -> AsyncView[AsyncResponse[F]]:
        """See `ChainResponse.responses`."""
        return AsyncView(each(self._at))

    async def messages(self) -> list[Message]:
        """See `ChainResponse.messages`."""
        return await self._messages()

    async def usage(self) -> Usage:
        """See `ChainResponse.usage`."""
        return await self._usage()

    async def tool_calls(self) -> list[ToolCall]:
        """See `ChainResponse.tool_calls`."""
        return [call for turn in await self._finish() for call in await turn.tool_calls()]

    async def json(self) -> dict[str, Any] | None:
        """See `ChainResponse.json`."""
        response: AsyncResponse[F] = await self._last()
        return await response.json()

    async def parsed(self) -> F:
        """See `ChainResponse.parsed`."""
        response: AsyncResponse[F] = await self._last()
        return await response.parsed()

    def to_dict(self) -> ChainDict:
        """See `ChainResponse.to_dict`; not awaited. Raises `ValueError` while it is not done."""
        if not self.done:
            raise ValueError("Chain not yet awaited")
        return self._to_dict()

    @overload
    async def reply(
        self, prompt: str | None = None, *, schema: SchemaSpec[G] | None, **args: Unpack[PromptArgs]
    ) -> AsyncResponse[G]: ...
    @overload
    async def reply(self, prompt: str | None = None, **args: Unpack[PromptArgs]) -> AsyncResponse[F]: ...
    async def reply(self, prompt: str | None = None, **args: Any) -> Any:
        """See `ChainResponse.reply`."""
        response: AsyncResponse[F] = await self._last()
        return await response.reply(prompt, **args)

    async def aclose(self) -> None:
        """See `ChainResponse.close`."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncConversation(ConversationBase[AsyncResponse[Any]]):
    """See `Conversation`."""

    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> AsyncResponse[F]:
        """See `Conversation.prompt`."""
        return AsyncResponse(self._asked(prompt, schema, args), self)

    def chain(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[ChainArgs]
    ) -> AsyncChainResponse[F]:
        """See `Conversation.chain`."""
        given: dict[str, Any] = dict(args)
        limit = self._limit(given)
        return AsyncChainResponse(self._asked(prompt, schema, given), self, limit)

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        return get_async_model(model_id)


class _Awaiting(CustomModel):
    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> AsyncResponse[F]:
        """See `Model.prompt`."""
        return AsyncResponse(Prompt(model=self).asking(prompt, with_schema(schema, args)))

    def chain(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[ChainArgs]
    ) -> AsyncChainResponse[F]:
        """See `Model.chain`."""
        return self.conversation().chain(prompt, schema=schema, **args)

    def conversation(self, **args: Unpack[ChainArgs]) -> AsyncConversation:
        """See `Model.conversation`."""
        return AsyncConversation(self, **args)

    def __str__(self) -> str:
        return f"{type(self).__name__} (async): {self.model_id}"


class AsyncModel(_Awaiting):
    """A model that is awaited."""

    @abstractmethod
    def execute(
        self, prompt: Prompt, *, stream: bool, response: AsyncResponse[Any], conversation: AsyncConversation | None
    ) -> AsyncIterator[str | StreamEvent]:
        """See `Model.execute`: an async generator."""


class AsyncKeyModel(_Awaiting):
    """An `AsyncModel` that needs an API key."""

    _takes_key = True

    @abstractmethod
    def execute(
        self,
        prompt: Prompt,
        *,
        stream: bool,
        response: AsyncResponse[Any],
        conversation: AsyncConversation | None,
        key: str | None,
    ) -> AsyncIterator[str | StreamEvent]:
        """See `AsyncModel.execute`."""


class AsyncLibraryModel(ProviderModel, AsyncModel):
    """See `LibraryModel`."""

    def execute(
        self, prompt: Prompt, *, stream: bool, response: Facts | None = None, **_: Any
    ) -> AsyncIterator[StreamEvent]:
        """See `LibraryModel.execute`."""
        answer = AsyncResponse[Any](replace(prompt, model=self, stream=stream))
        if response is not None:
            run(answer.on_done(partial(pass_on_end, response)))  # which waits for nothing yet
        return answer.astream_events()


AnyAsyncModel: TypeAlias = AsyncModel | AsyncKeyModel


def get_async_model(name: str | None = None) -> AnyAsyncModel:
    """See `get_model`."""
    return cast("AnyAsyncModel", registry.find_model(name, "async", AsyncLibraryModel))
