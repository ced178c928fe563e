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

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from typing_extensions import TypeVar, Unpack

from ..errors import NeedsKeyException
from ..types.retry import RetryConfig
from .attachments import check_types
from .chains import AsyncChainResponse, ChainResponse
from .conversations import AsyncConversation, Conversation
from .prompts import ChainArgs, Prompt, PromptArgs, SchemaSpec
from .responses import AsyncResponse, Response
from .toolbox import ServerSideTool, check_server_side
from .tools import AnyTool, Tool, make_toolkit

if TYPE_CHECKING:
    from .answers import Answering
    from .options import Options as OptionsClass
    from .parts import StreamEvent

__all__ = ["AnyModel", "AsyncKeyModel", "AsyncModel", "BaseModel", "KeyModel", "Model"]

F = TypeVar("F", default=Any)


class _EmptyOptions:
    """The `Options` of a model that has none; made when they are asked for, since they need Pydantic."""

    def __get__(self, instance: object, owner: type | None = None) -> type[OptionsClass]:
        from .options import Options

        return Options


class BaseModel(ABC):
    """What all models have, of either colour."""

    model_id: str
    """The name by which it is found."""
    can_stream: bool = False
    """Whether it can answer bit by bit."""
    attachment_types: Collection[str] = frozenset()
    """The MIME types of attachments that it takes."""
    supports_schema: bool = False
    supports_tools: bool = False
    needs_key: str | None = None
    """Whose key it needs, for the message if there is none."""
    key_env_var: str | None = None
    """The environment variable with its key."""
    key: str | None = None
    """Its key; one that goes with a prompt overrides it."""
    private_options: Collection[str] = frozenset({"extra_headers", "extra_body", "headers", "base_url", "api_key"})
    """Options that are neither stored nor taken from stored data, because they decide where requests go and what they
    carry beside the prompt. A model of one's own that has others of this kind names all of them here."""
    retry: RetryConfig | None = None
    """When a prompt is sent again, and to whom else; `None`: never. Models of one's own have no fallback models."""
    Options: ClassVar[type[OptionsClass]] = _EmptyOptions()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    @property
    def supported_server_side_tools(self) -> tuple[type[ServerSideTool], ...]:
        """The kinds of tools that its provider runs."""
        return ()

    def check(self, prompt: Prompt) -> None:
        """`ValueError` if the prompt asks for what the model cannot do."""
        if prompt.given_options:
            prompt.options  # noqa: B018  # made, and so checked
        if prompt.schema is not None and not self.supports_schema:
            raise ValueError(f"{self} does not support schemas")
        if prompt.attachments:
            check_types(prompt.attachments, self.attachment_types)
        if prompt.given_tools:
            self._check_tools(prompt.tools)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the key out of a pickle."""
        return {name: value for name, value in vars(self).items() if name != "key"}

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __deepcopy__(self, memo: object) -> Self:
        return copy(self)

    def get_key(self, explicit: str | None = None) -> str | None:
        """The key to use: the explicit one, else the model's own, else the environment's; `None` if it needs none.

        Raises `NeedsKeyException` if there is none.
        """
        if self.needs_key is None:
            return None
        key = explicit or self.key or (os.environ.get(self.key_env_var) if self.key_env_var else None)
        if not key:
            hint = f", or set the environment variable {self.key_env_var}" if self.key_env_var else ""
            raise NeedsKeyException(f"No key found for {self}: pass key='…' with the prompt{hint}.")
        return key

    def answering(self, prompt: Prompt) -> Answering:
        """How this model answers."""
        from .execution import Execution

        return Execution(self, prompt)

    def _check_tools(self, tools: Sequence[AnyTool]) -> None:
        if not self.supports_tools and any(isinstance(tool, Tool) for tool in tools):
            raise ValueError(f"{self} does not support tools")
        make_toolkit(tools)  # no two of one name
        check_server_side(tools, self.supported_server_side_tools, str(self))

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.model_id}"

    def __repr__(self) -> str:
        return f"<{self}>"


class _Blocking(BaseModel):
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


class _Awaiting(BaseModel):
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


AnyModel: TypeAlias = BaseModel


def _given(schema: object, args: Mapping[str, Any]) -> dict[str, Any]:
    return {**args, "schema": schema} if schema is not None else dict(args)
