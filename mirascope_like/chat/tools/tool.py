"""Tools of lazy models, and how the engine runs them.

A `Tool` is a description with or without a function. Names, types and descriptions come from the function, and its
arguments are checked and converted before it runs (see `schema.functions`). A parameter `llm_tool_call` gets the call
itself, and one annotated with `Context` the caller's context; the model sees neither.

`run_calls` is all that this API adds to `engine.tools`: it takes this API's calls and hooks there, and brings results
back. Calls and results are what hooks may change: what a hook writes into them counts.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias, cast

from ...engine.events import has_subscribers
from ...engine.results import CallId
from ...engine.runtime import Runtime
from ...engine.tools import DEFAULT_LIMIT, CancelToolCall, Hooks, PauseTools, run_tools
from ...errors import ToolExecutionError, ToolNotFoundError, error_text
from ...schema import tools as schema
from ...schema.functions import FunctionDocs, function_name, is_async, json_schema
from ...schema.toolkits import Toolkit
from ...types import content as c
from ...types.context import Context
from ...types.timeout import Timeout, as_timeout
from ...types.tool_errors import to_picklable
from ...types.tool_results import materialize_result, result_images, result_text_without_images
from ..messages.attachments import Attachment, from_media, to_media
from ..messages.convert import args_text
from ..messages.parts import Message

__all__ = [
    "CALL_PARAMETER",
    "AfterCall",
    "AnyTool",
    "BeforeCall",
    "CancelToolCall",
    "PauseChain",
    "Tool",
    "ToolCall",
    "ToolOutput",
    "ToolResult",
    "make_toolkit",
    "refuse_calls",
    "run_calls",
]

CALL_PARAMETER = "llm_tool_call"
"""A function's parameter of this name gets the `ToolCall` that it answers."""


@dataclass(slots=True)
class ToolCall:
    """A tool that the model wants run. Hooks may change the arguments before it runs."""

    name: str
    arguments: dict[str, Any]
    tool_call_id: str | None = None


@dataclass(slots=True)
class ToolResult:
    """What a call gave: `output` is the text that the model reads. `exception` is what went wrong, `instance` the
    object whose method the tool is. Hooks may change it before the model sees it."""

    name: str
    output: str
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    tool_call_id: str | None = None
    instance: object = None
    exception: BaseException | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave `instance` out of a pickle: it may hold keys, and what belongs to this process."""
        error = None if self.exception is None else to_picklable(self.exception)
        return ToolResult, (self.name, self.output, self.attachments, self.tool_call_id, None, error)

    def __copy__(self) -> ToolResult:
        return replace(self)

    def __deepcopy__(self, memo: object) -> ToolResult:
        return replace(self, attachments=list(self.attachments))


@dataclass(slots=True)
class ToolOutput:
    """What a tool may return to add attachments to its output, which is text or any value with a JSON form."""

    output: Any = None
    attachments: list[Attachment] = field(default_factory=list[Attachment])


class PauseChain(PauseTools):
    """Raised by a tool, or by `before_call`: this call waits for something outside, such as a person's approval.

    Nothing is told to the model. When it comes out, `paused` are the calls that paused, `tool_call` is the first of
    them, and `tool_results` are those of the other calls, which have all ended. `messages` is the history with these
    results: a chain that is given it goes on from there, in this process or, by way of `to_dict()` and `chat.resume`,
    in another.
    """

    paused: Sequence[ToolCall] = ()
    tool_call: ToolCall | None = None
    tool_results: Sequence[ToolResult] = ()
    messages: Sequence[Message] = ()
    state: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All that it takes to go on, as JSON; see `json_forms.PauseDict`. Reads files that are attached by path, and
        blocks for it. Raises `ValueError` before it has come out."""
        if self.state is None:
            raise ValueError("A pause has a state when it comes out of a response or chain.")
        return {**self.state, "messages": [message.to_dict() for message in self.messages]}


@dataclass(frozen=True)
class Tool:
    """A tool for a model: what it is told, and the function to run (`None`: somebody else answers the calls).

    `input_schema` is a JSON Schema object or a Pydantic model. `max_concurrency` is how many calls of one answer run at
    once, `timeout` how many seconds a call may take; `strict` asks the provider to hold the model to the schema, and
    `inline` runs a sync tool where the call was made, on no other thread. Usually made from a function, by
    `Tool.function` or by giving the function itself as a tool. A tool of `mirascope_like.llm` keeps what it says.
    """

    name: str
    description: str | None = None
    input_schema: Any = field(default_factory=dict[str, Any])
    implementation: Callable[..., Any] | None = None
    plugin: str | None = None
    max_concurrency: int | None = field(default=None, kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)
    strict: bool | None = field(default=None, kw_only=True)
    inline: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.input_schema, type):
            object.__setattr__(self, "input_schema", json_schema(self.input_schema))

    @classmethod
    def function(cls, fn: Callable[..., Any], name: str | None = None, description: str | None = None) -> Tool:
        """The tool of a function: its name, docstring and parameters, unless given.

        Raises `ValueError` for a lambda without a name, `TypeError` for a parameter that cannot be described.
        """
        if isinstance(fn, schema.BaseTool):
            return _from_given(cast("schema.AnyTool", fn), name, description)
        name = name or function_name(fn)
        if name == "<lambda>":
            raise ValueError("Cannot create a Tool from a lambda function without name=")
        runnable = _Runnable(fn, name=name, description=description)
        description = description or (runnable.docs.description if inspect.getdoc(fn) else None)
        tool = cls(name, description, runnable.parameters, fn)
        vars(tool)["runnable"] = runnable  # worked out already
        return tool

    def hash(self) -> str:
        """A name by content, in hex: SHA-256 of name, description, schema and plugin."""
        described = {"name": self.name, "description": self.description, "input_schema": self.input_schema}
        if self.plugin:
            described["plugin"] = self.plugin
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    @cached_property
    def runnable(self) -> schema.AnyTool:
        """The tool as the engine runs it."""
        kind = _Runnable if self.implementation else _Unimplemented
        return kind(
            self.implementation or _nothing,
            name=self.name,
            description=self.description,
            parameters=self.input_schema,
            max_concurrency=self.max_concurrency,
            timeout=self.timeout,
            strict=self.strict,
            inline=self.inline,
        )


AnyTool: TypeAlias = Tool | schema.ProviderTool
BeforeCall: TypeAlias = Callable[[Tool | None, ToolCall], Any]
AfterCall: TypeAlias = Callable[[Tool, ToolCall, ToolResult], Any]


def _from_given(tool: schema.AnyTool, name: str | None, description: str | None) -> Tool:
    """A tool of the library as one of this API."""
    return Tool(
        name or tool.name,
        description or tool.description or None,
        tool.parameters,
        tool.fn,
        max_concurrency=tool.max_concurrency,
        timeout=tool.timeout,
        strict=tool.strict,
        inline=tool.inline,
    )


def make_toolkit(tools: Iterable[AnyTool]) -> Toolkit:
    """The tools as the engine knows them. Raises `ValueError` if two have one name."""
    return Toolkit(tool.runnable if isinstance(tool, Tool) else tool for tool in tools)


async def run_calls(
    runtime: Runtime,
    tools: Sequence[AnyTool],
    calls: Sequence[ToolCall],
    *,
    before_call: BeforeCall | None = None,
    after_call: AfterCall | None = None,
    context: Context[Any] | None = None,
    limit: int = DEFAULT_LIMIT,
    timeout: Timeout | None = None,
    call_id: CallId | None = None,
    kept: list[ToolResult] | None = None,
) -> list[ToolResult]:
    """The results of some calls, in order; at most `limit` run at a time.

    What goes wrong in a tool becomes a result that tells the model. Raises what the hooks raise (except
    `CancelToolCall` of `before_call`, which becomes a result), `PauseChain`, and `TypeError` if a tool wants a context
    and there is none. Whatever it ends with, `kept` gets the results that there are.
    """
    kept = [] if kept is None else kept
    hooks = Hooks(before=_before(before_call, tools), after=_after(after_call, tools))
    asked = [
        _Asked(id=call.tool_call_id or "", name=call.name, args=_as_json(call.arguments), asked=call) for call in calls
    ]
    try:
        outputs = await run_tools(
            runtime,
            make_toolkit(tools),
            asked,
            context,
            limit=limit,
            hooks=hooks,
            timeout=as_timeout(timeout).tool,
            call_id=call_id,
            keep=lambda outputs: kept.extend(map(_result, outputs)),
        )
    except PauseChain as pause:
        pause.tool_results = kept
        if paused := [call.asked for call in cast("Sequence[object]", pause.paused) if isinstance(call, _Asked)]:
            pause.paused, pause.tool_call = paused, paused[0]  # not if `after_call` raised it: then its tool has run
        raise
    return [_result(output) for output in outputs]


def _as_json(arguments: Mapping[str, Any]) -> str:
    """Return arguments as JSON text, for those who watch the calls."""
    return json.dumps(arguments, default=str) if has_subscribers() else ""


def refuse_calls(calls: Sequence[ToolCall], why: str) -> list[ToolResult]:
    """Return a result for each call that tells the model why it was not run. No hook sees it."""
    error = ToolExecutionError(why)
    return [ToolResult(call.name, f"Error: {why}", tool_call_id=call.tool_call_id, exception=error) for call in calls]


def _before(hook: BeforeCall | None, tools: Sequence[AnyTool]) -> Callable[..., Any] | None:
    def shown(tool: schema.AnyTool | None, call: _Asked) -> tuple[Tool | None, ToolCall]:
        return None if tool is None else _named(tools, tool.name), call.asked

    return hook and _hook(hook, shown)


def _after(hook: AfterCall | None, tools: Sequence[AnyTool]) -> Callable[..., Any] | None:
    def shown(tool: schema.AnyTool, call: _Asked, output: _Told) -> tuple[Tool, ToolCall, ToolResult]:
        return _named(tools, tool.name), call.asked, output.told

    return hook and _hook(hook, shown)


def _named(tools: Sequence[AnyTool], name: str) -> Tool:
    return next(tool for tool in tools if isinstance(tool, Tool) and tool.name == name)


def _hook(fn: Callable[..., Any], shown: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A hook of this API as one of the engine's. An async one stays one, so that it needs no thread."""

    def called(*args: Any) -> Any:
        return fn(*shown(*args))

    async def awaited(*args: Any) -> None:
        await fn(*shown(*args))

    return awaited if is_async(fn) else called


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked(c.ToolCall):
    """A call on its way through the engine. Its arguments are read from `asked` when it runs, since hooks may change
    them."""

    asked: ToolCall


@dataclass(frozen=True, kw_only=True)
class _Told(c.ToolOutput[Any]):
    """An output on its way through the engine."""

    told: ToolResult


class _Runnable(schema.Tool[..., Any]):
    """A tool as the engine runs it, sync or async, for calls of this API (`_Asked`) or of `llm`."""

    hidden = frozenset({CALL_PARAMETER})

    @property
    def docs(self) -> FunctionDocs:
        """What the function says of itself."""
        return self._docs

    def bound(self, call: c.ToolCall, context: Context[Any] | None = None) -> Callable[[], Any]:
        """See `BaseTool.bound`."""
        asked = call.asked if isinstance(call, _Asked) else None
        fn = super().bound(call if asked is None else replace(call, args=args_text(asked.arguments)), context)
        return partial(fn, **{CALL_PARAMETER: asked or _parsed(call)}) if self._takes_call else fn

    @cached_property
    def _takes_call(self) -> bool:
        parameter = inspect.signature(self.fn).parameters.get(CALL_PARAMETER)
        return parameter is not None and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY

    def _bind_arguments(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        try:
            arguments = self._arguments
        except TypeError:  # the schema was given, and the function's types say nothing to a model
            return super()._bind_arguments(text)
        if self._raw_arguments is not None and self._raw_arguments.schema != arguments.schema:
            self._raw_arguments.parse(text)
        return arguments.parse(text)

    def output(self, call: c.ToolCall, result: Any) -> c.ToolOutput[Any]:
        """See `BaseTool.output`."""
        given = result if isinstance(result, ToolOutput) else ToolOutput(result)
        if not isinstance(call, _Asked):
            files = [to_media(attachment) for attachment in given.attachments]
            return super().output(call, [given.output, *files] if files else given.output)
        said = materialize_result(given.output)
        images = map(from_media, result_images(said))
        return self._told(call, _text(said), attachments=[*images, *given.attachments])

    def failure(self, call: c.ToolCall, error: BaseException) -> c.ToolOutput[Any]:
        """See `BaseTool.failure`."""
        if not isinstance(call, _Asked):
            return super().failure(call, error)
        return self._told(call, f"Error: {error_text(error)}", exception=error)

    def _told(self, call: _Asked, text: str, **details: Any) -> _Told:
        told = ToolResult(
            call.name,
            text,
            tool_call_id=call.asked.tool_call_id,
            instance=getattr(self.fn, "__self__", None),
            **details,
        )
        return _Told(id=call.id, name=call.name, result=text, told=told)


class _Unimplemented(_Runnable):
    """A tool whose calls somebody else answers."""

    def bound(self, call: c.ToolCall, context: Context[Any] | None = None) -> Callable[[], Any]:
        """See `BaseTool.bound`."""
        raise NotImplementedError(f'tool "{self.name}" has no implementation')


def _nothing() -> None: ...


def _parsed(call: c.ToolCall) -> ToolCall:
    """A call of `llm` as one of this API. Its arguments were checked."""
    return ToolCall(call.name, json.loads(call.args) if call.args.strip() else {}, call.id)


def _result(output: c.ToolOutput[Any]) -> ToolResult:
    if isinstance(output, _Told):
        return output.told
    text, exception = str(output.result), cast("BaseException | None", None)
    if isinstance(output.error, ToolNotFoundError):
        exception = KeyError(f'tool "{output.name}" does not exist')
        text = f"Error: {exception.args[0]}"
    elif isinstance(output.error, ToolExecutionError):
        exception = output.error.tool_exception
    return ToolResult(output.name, text, tool_call_id=output.id or None, exception=exception)


def _text(value: object) -> str:
    """A result but for its images, as text for the model: strings as they are, all else as JSON, with the repr of what
    has no JSON form."""
    try:
        return result_text_without_images(value)
    except TypeError:
        from pydantic_core import to_json

        return to_json(value, bytes_mode="base64", inf_nan_mode="strings", fallback=repr).decode("utf-8")
