"""What is asked: a prompt, with all that goes along. Making one checks what can be checked, and sends nothing.

A prompt is a value. The next turn of a conversation is a copy with another history and another question, so whatever is
not said anew (tools, options, schema, key, hooks) stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from typing_extensions import TypeForm, TypeVar

from ..errors import error_text
from ..schema.formats import AnyFormat, Format, make_format
from ..schema.raw_schema import RawSchema
from ..schema.tools import ProviderTool
from ..types.context import Context
from ..types.params import Params, check_params, copy_params
from ..types.timeout import Timeout
from .attachments import Attachment
from .fragments import joined, joined_system
from .history import answered, with_system, without_files, without_results
from .parts import AttachmentPart, Message, Part, TextPart, ToolResultPart
from .toolbox import Toolbox, ToolLike, flatten
from .tools import AfterCall, AnyTool, BeforeCall, Tool, ToolResult

if TYPE_CHECKING:
    from .models import BaseModel
    from .options import Options

__all__ = ["ChainArgs", "Prompt", "PromptArgs", "SchemaSpec", "listed", "result_part"]

F = TypeVar("F", default=Any)

SchemaSpec: TypeAlias = type[F] | TypeForm[F] | Format[F] | Mapping[str, Any]
"""What an answer must be: a type (a Pydantic class, `list[int]`, …), or a JSON Schema as a dict."""


class PromptArgs(Params, total=False):
    """What goes with a prompt. Beside these, each option of the model may be given by its name."""

    fragments: Iterable[str]
    """Texts to stand before the prompt, each on lines of its own."""
    attachments: Iterable[Attachment]
    """Files to look at."""
    system: str | None
    """What the model is told before and above all else."""
    system_fragments: Iterable[str]
    """Texts to stand before `system`."""
    messages: Iterable[Message] | None
    """The history, in place of the conversation's; the prompt is asked after it."""
    stream: bool
    """Whether the answer is sent bit by bit (True) or whole."""
    tools: Iterable[ToolLike] | None
    """What the model may call: functions, `Tool`s, `Toolbox`es, and tools that the provider runs."""
    tool_results: Iterable[ToolResult] | None
    """What earlier tool calls gave."""
    key: str | None
    """The API key to use."""
    options: Mapping[str, Any] | Options | None
    """Options of the model, by name, or those of another prompt."""
    hide_reasoning: bool
    """Ask the model not to show its reasoning."""
    before_call: BeforeCall | None
    """Called with the tool (`None` if there is none of that name) and the call, before it runs."""
    after_call: AfterCall | None
    """Called with the tool, the call and its result, before the model sees it."""
    max_concurrency: int | None
    """How many tools of one answer run at once; blocking calls run one after the other unless this is given."""
    context: Context[Any] | None
    """What tools need and the model must not see: passed to their parameter that is annotated with `Context`."""


class ChainArgs(PromptArgs, total=False):
    """What goes with a chain."""

    chain_limit: int | None
    """How many calls of the model there may be; `None` or 0 for any number."""


_OWN_NAMES = frozenset(PromptArgs.__annotations__) - frozenset(Params.__annotations__)
_NOTHING_SAID: Mapping[str, Any] = {
    "text": "",
    "fragments": (),
    "after": (),
    "said_already": None,
    "own_history": True,
}
_KEPT = ("key", "stream", "hide_reasoning", "before_call", "after_call", "max_concurrency", "context")


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
    def options(self) -> Options:
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
            raise TypeError(f"A prompt is a text, not {_shown(text)}.")
        options = {name: value for name, value in args.items() if name not in _OWN_NAMES and name != "schema"}
        changes: dict[str, Any] = {name: args[name] for name in _KEPT if name in args}
        changes |= {"text": text or "", **_texts(args), **_question(args), **_schema(args)}
        if "tools" in args:
            changes["given_tools"] = tuple(map(_described, listed("tools", args["tools"])))
        if args.get("messages") is not None:
            changes |= {"history": listed("messages", args["messages"]), "own_history": True}
        if options or args.get("options") is not None:
            merged = {**self.given_options, **_merged(options, args.get("options"))}
            changes["given_options"] = copy_params(cast("Params", merged))
        asked = replace(self, **changes)
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


def result_part(result: ToolResult) -> ToolResultPart:
    """A tool's result as part of a message. Its attachments go beside it, in a message of the user's, since few
    providers take them in a result."""
    exception = None if result.exception is None else error_text(result.exception)
    return ToolResultPart(result.name, result.output, result.tool_call_id, exception=exception)


# What may be in the lists that go with a prompt, and how it is made.
_ITEMS: Mapping[str, tuple[type, str]] = {
    "fragments": (str, "texts"),
    "system_fragments": (str, "texts"),
    "attachments": (Attachment, "attachments, such as chat.Attachment(path='…')"),
    "messages": (Message, "chat.Messages: chat.user('…'), chat.Message.from_dict and chat.from_llm make them"),
    "tools": (object, "tools"),
    "tool_results": (ToolResult, "chat.ToolResults"),
}


def listed(name: str, given: Iterable[Any] | None) -> tuple[Any, ...]:
    """What is given under a name of `PromptArgs` that takes several. Raises `TypeError` for one by itself, and for
    items of another kind."""
    kind, what = _ITEMS[name]
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(cast("object", given), Iterable):
        raise TypeError(f"{name}= takes a list of {what}; {_shown(given)} is none: write {name}=[…].")
    items = tuple(given)
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"{name}= takes {what}; {_shown(item)} is none.")
    return items


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _texts(args: Mapping[str, Any]) -> dict[str, Any]:
    system_fragments = listed("system_fragments", args.get("system_fragments"))
    changes: dict[str, Any] = {"fragments": listed("fragments", args.get("fragments"))}
    if system := joined_system(args.get("system"), system_fragments):
        changes |= {"system": system, "system_fragments": system_fragments}
    return changes


def _question(args: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attachments": listed("attachments", args.get("attachments")),
        "tool_results": listed("tool_results", args.get("tool_results")),
        "after": (),
    }


def _schema(args: Mapping[str, Any]) -> dict[str, Any]:
    if "schema" not in args:
        return {}
    spec = args["schema"]
    if spec is None:
        return {"schema": None, "format": None}
    if isinstance(spec, Mapping):
        given = dict(cast("Mapping[str, Any]", spec))
        return {"schema": given, "format": Format(RawSchema(given))}
    made = make_format(spec)
    return {"schema": None if made is None or made.parser else made.schema, "format": made}


def _limits(given: object) -> Timeout | None:
    """Time limits as they were given, or in their JSON form; `None` if it is something else."""
    if isinstance(given, Mapping):
        return Timeout(**cast("Mapping[str, Any]", given))
    return given if isinstance(given, Timeout) else None


def _takes(options: type[Options], name: str) -> bool:
    """Whether there is an option of this name, an alias of one, or anything else that it would be taken for."""
    fields = options.model_fields
    aliases = [alias for field in fields.values() for alias in (field.alias, field.validation_alias)]
    is_open = options.model_config.get("extra") != "forbid"
    return is_open or name in fields or name in aliases or hasattr(options, name)


def _merged(by_name: Mapping[str, Any], options: Mapping[str, Any] | Options | None) -> dict[str, Any]:
    given = options if isinstance(options, Mapping | None) else options.model_dump(exclude_unset=True)
    if both := sorted(set(by_name) & set(given or {})):
        raise TypeError(f"These options are given both by name and in options=: {', '.join(both)}.")
    return {**(given or {}), **by_name}


def _described(tool: ToolLike) -> ToolLike:
    """A function as a tool, so that it is described once; anything else as it is."""
    return tool if isinstance(tool, Tool | Toolbox | ProviderTool) else flatten([tool])[0]
