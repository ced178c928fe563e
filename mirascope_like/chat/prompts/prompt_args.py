"""What may be given with a prompt, and the fields of a `Prompt` that it sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from typing_extensions import TypeForm, TypeVar

from ...schema.formats import Format, make_format
from ...schema.raw_schema import RawSchema
from ...schema.tools import ProviderTool
from ...types.context import Context
from ...types.params import Params, copy_params
from ..messages.attachments import Attachment
from ..messages.parts import Message
from ..tools.tool import AfterCall, BeforeCall, Tool, ToolResult
from ..tools.toolbox import Toolbox, ToolLike, flatten
from .fragments import joined_system

if TYPE_CHECKING:
    from ..models.options import Options

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
_UNCHANGED = ("key", "stream", "hide_reasoning", "before_call", "after_call", "max_concurrency", "context")


def prompt_fields(args: Mapping[str, Any], known_options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `Prompt` that `args` (see `PromptArgs`, and `schema`) set, checked. Options are added to
    those that are known. Raises `TypeError`."""
    options = {name: value for name, value in args.items() if name not in _OWN_NAMES and name != "schema"}
    changes: dict[str, Any] = {name: args[name] for name in _UNCHANGED if name in args}
    changes |= {**_texts(args), **_question(args), **_schema(args)}
    if "tools" in args:
        changes["given_tools"] = tuple(map(_describe, listed("tools", args["tools"])))
    if args.get("messages") is not None:
        changes |= {"history": listed("messages", args["messages"]), "own_history": True}
    if options or args.get("options") is not None:
        merged = {**known_options, **_merge(options, args.get("options"))}
        changes["given_options"] = copy_params(cast("Params", merged))
    return changes


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
        raise TypeError(f"{name}= takes a list of {what}; {shorten_repr(given)} is none: write {name}=[…].")
    items = tuple(given)
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"{name}= takes {what}; {shorten_repr(item)} is none.")
    return items


def shorten_repr(value: object) -> str:
    """Return a short text of a value, for messages."""
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


def _merge(by_name: Mapping[str, Any], options: Mapping[str, Any] | Options | None) -> dict[str, Any]:
    given = options if isinstance(options, Mapping | None) else options.model_dump(exclude_unset=True)
    if both := sorted(set(by_name) & set(given or {})):
        raise TypeError(f"These options are given both by name and in options=: {', '.join(both)}.")
    return {**(given or {}), **by_name}


def _describe(tool: ToolLike) -> ToolLike:
    """A function as a tool, so that it is described once; anything else as it is."""
    return tool if isinstance(tool, Tool | Toolbox | ProviderTool) else flatten([tool])[0]


def with_schema(schema: object, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a prompt, with the schema if there is one."""
    return dict(args) if schema is None else {**args, "schema": schema}
