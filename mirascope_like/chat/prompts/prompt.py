"""What is asked, and of whom: a prompt, with all that goes along, and the model that it is for.

Making a prompt checks what can be checked, and sends nothing. A prompt is a value. The next turn of a conversation is a
copy with another history and another question, so whatever is not said anew (tools, options, schema, key, hooks) stays.

A prompt, its model, and the seam between models and responses (`Answering`) refer to each other, so they are in one
module.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeAlias, cast

from typing_extensions import TypeVar

from ...engine.plan import Plan
from ...engine.results import Result
from ...engine.runtime import Runtime
from ...errors import NeedsKeyException
from ...schema.formats import AnyFormat
from ...types.chunks import Chunk
from ...types.context import Context
from ...types.params import Params, check_params
from ...types.retry import RetryConfig
from ...types.timeout import Timeout
from ..messages.attachments import Attachment, check_types
from ..messages.history import answered, result_part, with_system, without_files, without_results
from ..messages.parts import AttachmentPart, Message, Part, StreamEvent, TextPart
from ..queues import Ticket
from ..response_facts import Facts
from ..tools.tool import AfterCall, AnyTool, BeforeCall, Tool, ToolResult, make_toolkit
from ..tools.toolbox import ServerSideTool, ToolLike, check_server_side, flatten
from .fragments import joined
from .prompt_args import prompt_fields, shorten_repr

if TYPE_CHECKING:
    from ..models.options import Options as OptionsClass

C = TypeVar("C", default=Any)

_NOTHING_SAID: Mapping[str, Any] = {
    "text": "",
    "fragments": (),
    "after": (),
    "said_already": None,
    "own_history": True,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """What is asked. `prompt` and `system` are the whole texts, with their fragments; `messages` is all that the model
    is sent."""

    model: BaseModel
    text: str = ""
    fragments: Sequence[str] = ()
    system: str = ""
    system_fragments: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()
    tool_results: Sequence[ToolResult] = ()
    history: Sequence[Message] = ()
    """What was said before."""
    after: Sequence[Message] = ()
    """What is said after the prompt itself."""
    said_already: Sequence[Message] | None = None
    """All that the model was sent, of a prompt that was asked elsewhere."""
    own_history: bool = False
    """Whether `history` goes with the prompt, and is not the conversation's."""
    given_tools: Sequence[ToolLike] = ()
    given_options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # headers may be keys
    format: AnyFormat | None = None
    schema: dict[str, Any] | None = None
    stream: bool = True
    hide_reasoning: bool = False
    key: str | None = field(default=None, repr=False)
    before_call: BeforeCall | None = None
    after_call: AfterCall | None = None
    max_concurrency: int | None = None
    context: Context[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of a pickle what may hold keys or belongs to this process."""
        options = {name: value for name, value in self.given_options.items() if name not in self.model.private_options}
        left_out = {"key": None, "before_call": None, "after_call": None, "context": None, "given_options": options}
        return {**{each.name: getattr(self, each.name) for each in fields(self)}, **left_out}

    def __copy__(self) -> Prompt:
        return self

    def __deepcopy__(self, memo: object) -> Prompt:
        return self

    @property
    def prompt(self) -> str:
        """The text, after its fragments."""
        return joined(self.text, self.fragments)

    @cached_property
    def options(self) -> OptionsClass:
        """The options, as an object of the model's `Options`."""
        taken = [name for name in self.engine_options if not _takes(self.model.Options, name)]
        return self.model.Options(**{name: value for name, value in self.given_options.items() if name not in taken})

    @property
    def engine_options(self) -> Params:
        """The options that hold for every model, whatever its `Options`. Raises as `check_params`."""
        timeout, limit = self.timeout, self.given_options.get("tool_call_limit")
        given = {"timeout": timeout, "tool_call_limit": limit}
        return check_params({name: value for name, value in given.items() if value is not None})

    @property
    def timeout(self) -> Timeout | None:
        """The time limits among the options. `total`, `first_token` and `tool` are kept for every model; the others are
        about connections: where an `execute` makes some, they are its affair."""
        return _limits(self.given_options.get("timeout"))

    @property
    def tools(self) -> list[AnyTool]:
        """The tools, those of toolboxes among them."""
        return flatten(self.given_tools)

    @property
    def asks_nothing(self) -> bool:
        """Whether there is nothing new in it."""
        return not (self._said or self.after)

    @property
    def messages(self) -> list[Message]:
        """All that the model is sent, the history with it."""
        if self.said_already is not None:
            return list(self.said_already)
        history = self.history
        if self.tool_results:
            history = without_results(history, {result.tool_call_id for result in self.tool_results})
        return answered(with_system([*history, *self._said, *self.after], self.system))

    def asking(self, text: str | None, args: Mapping[str, Any]) -> Prompt:
        """This prompt with what `args` (see `PromptArgs`, and `schema`) say, checked. Raises `TypeError`, and
        `ValueError` for what the model cannot do."""
        if not isinstance(cast("object", text), str | None):
            raise TypeError(f"A prompt is a text, not {shorten_repr(text)}.")
        asked = replace(self, text=text or "", **prompt_fields(args, self.given_options))
        asked.model.check(asked)
        return asked

    def following(self, said: Sequence[Message], results: Sequence[ToolResult]) -> Prompt:
        """The prompt of the turn that follows an answer: `said`, and what its tool calls gave."""
        history = (*self.messages, *said)
        return replace(self, history=history, **_NOTHING_SAID).with_results(results)

    def with_results(self, results: Sequence[ToolResult]) -> Prompt:
        """This prompt with results of tools, and the files that they attached."""
        attached = tuple(attachment for result in results for attachment in result.attachments)
        return replace(self, tool_results=tuple(results), attachments=attached)

    def resumed_with(self, results: Sequence[ToolResult]) -> Prompt:
        """This prompt, whose history ends in the results that a pause kept, with those of the other calls."""
        history, kept = without_files(self.history)
        made = replace(self, history=tuple(history)).with_results(results)
        return replace(made, attachments=(*kept, *made.attachments))

    def absorbed(self) -> Prompt:
        """A prompt that has said what this one says, and asks nothing yet."""
        said = (*self.history, *self._said, *self.after)
        return replace(self, history=said, tool_results=(), attachments=(), **_NOTHING_SAID)

    @cached_property
    def _said(self) -> Sequence[Message]:
        results: list[Part] = [result_part(result) for result in self.tool_results]
        words: list[Part] = [TextPart(self.prompt)] if self.prompt else []
        words += [AttachmentPart(attachment) for attachment in self.attachments]
        said = [Message("tool", results)] if results else []
        return [*said, Message("user", words)] if words else said


def _limits(given: object) -> Timeout | None:
    """Time limits as they were given, or in their JSON form; `None` if it is something else."""
    if isinstance(given, Mapping):
        return Timeout(**cast("Mapping[str, Any]", given))
    return given if isinstance(given, Timeout) else None


def _takes(options: type[OptionsClass], name: str) -> bool:
    """Whether there is an option of this name, an alias of one, or anything else that it would be taken for."""
    fields = options.model_fields
    aliases = [alias for field in fields.values() for alias in (field.alias, field.validation_alias)]
    is_open = options.model_config.get("extra") != "forbid"
    return is_open or name in fields or name in aliases or hasattr(options, name)


class _EmptyOptions:
    """The `Options` of a model that has none; imported when they are asked for, since they need Pydantic."""

    def __get__(self, instance: object, owner: type | None = None) -> type[OptionsClass]:
        from ..models.options import Options

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

    @abstractmethod
    def answering(self, prompt: Prompt) -> Answering:
        """Return how this model answers a prompt."""

    def _check_tools(self, tools: Sequence[AnyTool]) -> None:
        if not self.supports_tools and any(isinstance(tool, Tool) for tool in tools):
            raise ValueError(f"{self} does not support tools")
        make_toolkit(tools)  # no two of one name
        check_server_side(tools, self.supported_server_side_tools, str(self))

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.model_id}"

    def __repr__(self) -> str:
        return f"<{self}>"


class AskedResponse(Facts, Generic[C]):
    """A response, as far as the model that makes it needs it."""

    def __init__(self, prompt: Prompt, conversation: C | None, place: Ticket) -> None:
        super().__init__()
        self.prompt: Prompt = prompt
        self.conversation: C | None = conversation
        self.place: Ticket = place


class Answering(Protocol):
    """How a model answers one prompt, on its way through the engine: the one seam between models and responses."""

    async def plan(self, runtime: Runtime, response: AskedResponse, labels: Mapping[str, str]) -> Plan:
        """Make the engine's plan of it. Raises what is wrong with the prompt."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the answer is asked for undivided."""
        ...

    def event_converter(self) -> Callable[[Chunk], Sequence[StreamEvent]]:
        """Return what converts the chunks of the response, one after the other, to events. Each reader has its own."""
        ...

    def messages(self, response: AskedResponse, result: Result) -> list[Message]:
        """Return the messages of the complete response; set what else is known of it on `response`."""
        ...


AnyModel: TypeAlias = BaseModel
