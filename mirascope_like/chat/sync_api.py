"""The sync API: responses, chains, conversations and models, which refer to one another, and `get_model`.

What they do is written once, for this API and `async_api`, in the modules that this one imports.

`Model` and `AsyncModel` are also what to subclass for a model of one's own: give it a `model_id` and an `execute` that
yields text or `StreamEvent`s, and it takes part in all that the library's models do. `KeyModel` and `AsyncKeyModel` are
for those that need an API key, which `execute` then gets as `key=`.

    class Echo(chat.Model):
        model_id = "echo"

        def execute(self, prompt, *, stream, response, conversation):
            yield prompt.prompt
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Self, TypeAlias, cast, overload

from typing_extensions import TypeVar, Unpack

from ..engine.runtime import BLOCKING, run
from ..types.messages import Message as LLMMessage
from .chains import ChainBase
from .conversations import ConversationBase
from .iterators import View, each
from .messages.convert import to_llm
from .messages.parts import Message, StreamEvent
from .models import registry
from .models.custom_models import CustomModel
from .models.provider_models import ProviderModel, pass_on_end
from .prompts.prompt import BaseModel, Prompt
from .prompts.prompt_args import ChainArgs, PromptArgs, SchemaSpec, with_schema
from .response_facts import Facts
from .storage.json_forms import ChainDict, ResponseDict
from .storage.restore import RestorableResponse
from .tools.tool import AfterCall, BeforeCall, ToolCall, ToolResult
from .tools.toolbox import ToolLike
from .usage import Usage

F = TypeVar("F", default=Any)
G = TypeVar("G", default=Any)


class Response(RestorableResponse[F, "Conversation"], Generic[F]):
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

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        return get_model(model_id)


class ChainResponse(ChainBase[F, "Conversation"]):
    """The answers of a chain, in rounds. Iterating gives the text of all of them as it comes."""

    _runtime = BLOCKING
    _kind = Response

    def __iter__(self) -> View[str]:
        return View(self._texts())

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The text of all rounds, with a space where two would touch.

        Raises `ChainLimitExceeded`, `PauseChain`, and what models and hooks raise.
        """
        return run(self._text())

    def stream_events(self) -> View[StreamEvent]:
        """The events of all rounds as they come, and the results of tools. `message_index` is the index in
        `messages()`."""
        return View(self._events())

    def responses(self) -> View[Response[F]]:
        """The responses, each as soon as it is made."""
        return View(each(self._at))

    def messages(self) -> list[Message]:
        """The messages that the chain added to the conversation, after its prompt: answers, and results of tools."""
        return run(self._messages())

    def usage(self) -> Usage:
        """The tokens of all rounds."""
        return run(self._usage())

    def tool_calls(self) -> list[ToolCall]:
        """The tool calls of all rounds."""
        return [call for turn in run(self._finish()) for call in turn.tool_calls()]

    def json(self) -> dict[str, Any] | None:
        """The provider's JSON of the last response."""
        response: Response[F] = run(self._last())
        return response.json()

    def parsed(self) -> F:
        """The last answer as a value of the schema's type. Raises `ParseError`."""
        response: Response[F] = run(self._last())
        return response.parsed()

    def to_dict(self) -> ChainDict:
        """The JSON form."""
        run(self._finish())
        return self._to_dict()

    @overload
    def reply(
        self, prompt: str | None = None, *, schema: SchemaSpec[G] | None, **args: Unpack[PromptArgs]
    ) -> Response[G]: ...
    @overload
    def reply(self, prompt: str | None = None, **args: Unpack[PromptArgs]) -> Response[F]: ...
    def reply(self, prompt: str | None = None, **args: Any) -> Any:
        """Go on from the last response; see `Response.reply`."""
        response: Response[F] = run(self._last())
        return response.reply(prompt, **args)

    def close(self) -> None:
        """Give up what has not come yet."""
        run(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Conversation(ConversationBase[Response[Any]]):
    """Prompts that build on one another.

    `messages` is the history, `responses` are the answers so far, one for each call of the model. What it was made with
    (tools, system, options, hooks, …) goes with every prompt that does not say otherwise.
    """

    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> Response[F]:
        """See `Model.prompt`. The history is what it is when the response is first read."""
        return Response(self._asked(prompt, schema, args), self)

    def chain(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[ChainArgs]
    ) -> ChainResponse[F]:
        """See `Model.chain`. Without a prompt it goes on where a chain of this conversation paused."""
        given: dict[str, Any] = dict(args)
        limit = self._limit(given)
        return ChainResponse(self._asked(prompt, schema, given), self, limit)

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        return get_model(model_id)


class _Blocking(CustomModel):
    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> Response[F]:
        """Make a prompt, which is sent when its response is read.

        `schema` is a type that the answer must be, or a JSON Schema as a dict; see `PromptArgs` for the rest. Raises
        `ValueError` for what the model cannot do, `TypeError` for tools that are none, and Pydantic's `ValidationError`
        for unknown options.
        """
        return Response(Prompt(model=self).asking(prompt, with_schema(schema, args)))

    def chain(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[ChainArgs]
    ) -> ChainResponse[F]:
        """Prompt, run the tools that the answer calls, tell the model what they gave, and so on until it calls none.

        If `messages` end in tool calls without results, and there are `tools` and no prompt, these calls run first.
        """
        return self.conversation().chain(prompt, schema=schema, **args)

    def conversation(self, **args: Unpack[ChainArgs]) -> Conversation:
        """A conversation. What is given here goes with each of its prompts, unless they say otherwise."""
        return Conversation(self, **args)


class Model(_Blocking):
    """A model that blocks until it has answered."""

    @abstractmethod
    def execute(
        self, prompt: Prompt, *, stream: bool, response: Response[Any], conversation: Conversation | None
    ) -> Iterable[str | StreamEvent]:
        """Answer, in texts or events. `response` takes usage and tool calls (`set_usage`, `add_tool_call`, …);
        `prompt.messages` is all there is to answer."""


class KeyModel(_Blocking):
    """A `Model` that needs an API key."""

    _takes_key = True

    @abstractmethod
    def execute(
        self,
        prompt: Prompt,
        *,
        stream: bool,
        response: Response[Any],
        conversation: Conversation | None,
        key: str | None,
    ) -> Iterable[str | StreamEvent]:
        """See `Model.execute`."""


class LibraryModel(ProviderModel, Model):
    """A model of one of the library's providers."""

    def execute(
        self, prompt: Prompt, *, stream: bool, response: Facts | None = None, **_: Any
    ) -> Iterator[StreamEvent]:
        """The answer's events, for models that are made of this one; `response` gets its finish reason."""
        answer = Response[Any](replace(prompt, model=self, stream=stream))
        if response is not None:
            answer.on_done(partial(pass_on_end, response))
        return answer.stream_events()


AnySyncModel: TypeAlias = Model | KeyModel


def get_model(name: str | None = None) -> AnySyncModel:
    """The model of a name or alias; without one, the default model. `UnknownModelError`: there is none, or no name."""
    return cast("AnySyncModel", registry.find_model(name, "sync", LibraryModel))
