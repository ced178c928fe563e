"""Models: what can be prompted.

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
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import TypeVar, Unpack

from ..chains import AsyncChainResponse, ChainResponse
from ..conversations import AsyncConversation, Conversation
from ..prompts.prompt import Answering, BaseModel, Prompt
from ..prompts.prompt_args import ChainArgs, PromptArgs, SchemaSpec
from ..responses import AsyncResponse, Response
from .custom_models import Execution

if TYPE_CHECKING:
    from ..messages.parts import StreamEvent

F = TypeVar("F", default=Any)


class _Custom(BaseModel):
    """A model that a user writes."""

    _takes_key: ClassVar[bool] = False

    def answering(self, prompt: Prompt) -> Answering:
        """See `BaseModel.answering`."""
        return Execution(self, prompt, takes_key=self._takes_key)


class _Blocking(_Custom):
    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> Response[F]:
        """Make a prompt, which is sent when its response is read.

        `schema` is a type that the answer must be, or a JSON Schema as a dict; see `PromptArgs` for the rest. Raises
        `ValueError` for what the model cannot do, `TypeError` for tools that are none, and Pydantic's `ValidationError`
        for unknown options.
        """
        return Response(Prompt(model=self).asking(prompt, _given(schema, args)))

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


class _Awaiting(_Custom):
    def prompt(
        self, prompt: str | None = None, *, schema: SchemaSpec[F] | None = None, **args: Unpack[PromptArgs]
    ) -> AsyncResponse[F]:
        """See `Model.prompt`."""
        return AsyncResponse(Prompt(model=self).asking(prompt, _given(schema, args)))

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


def _given(schema: object, args: Mapping[str, Any]) -> dict[str, Any]:
    return {**args, "schema": schema} if schema is not None else dict(args)
