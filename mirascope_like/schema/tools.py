"""Tools: functions that a model may call.

Sync and async tools, with and without context, mix freely in one toolkit, in sync and async calls: the engine decides
how a tool runs. The four classes only differ in what calling the tool object itself returns.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    cast,
    overload,
)

from typing_extensions import TypeVar

from ..errors import ToolError, ToolExecutionError, error_text
from ..types.content import ToolCall, ToolOutput
from ..types.context import Context
from ..types.finite_json import NotFiniteError, parse_finite_json
from ..types.timeout import check_seconds
from ..types.tool_results import materialize_result, result_text_without_images
from .dialects.definitions import COMMON
from .function_layers import bound_keywords
from .functions import (
    FunctionDocs,
    ToolArguments,
    arguments_error,
    bind_function,
    copy_function_metadata,
    function_name,
    is_async,
    parse_docs,
    tool_arguments,
)
from .pickling import mark_bound, reduce_decorated
from .pydantic_internals import FunctionLike
from .raw_schema_arguments import RawSchemaArguments
from .signatures import (
    ContextParameter,
    context_parameter,
    is_unbound,
    starred_parameter_name,
    underlying_function,
    unwrap_method,
)

if TYPE_CHECKING:
    from .dialects.encode import EncodedSchema

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", covariant=True, default=Any)
S = TypeVar("S")
T = TypeVar("T")

_NAME_PATTERN = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # as OpenAI and Anthropic require


class ToolSchema(Protocol):
    """The parts of a tool that are sent to a model: all that a codec needs."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]:
        """A JSON Schema object."""
        ...

    @property
    def wire_parameters(self) -> dict[str, Any]:
        """`parameters` as they are sent."""
        ...

    @property
    def strict(self) -> bool | None:
        """Whether the provider constrains the model to the schema; `None`: the provider's default."""
        ...


class ToolParameterSchema(dict[str, Any]):
    """A JSON Schema object for a tool's arguments, written by hand, for `Tool(fn, parameters=…)`, which accepts any
    other mapping too. `more` is for keys such as `$defs`."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        required: Iterable[str] = (),
        additionalProperties: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(
            type="object",
            properties=dict(properties),
            required=list(required),
            additionalProperties=additionalProperties,
            **more,
        )


class ProviderTool:
    """A tool that the provider runs itself. `name` is the same for all providers; codecs know the provider's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class WebSearchTool(ProviderTool):
    """Web search, run by the provider. The texts of the response cite its results."""

    def __init__(self) -> None:
        super().__init__("web_search")


class BaseTool(FunctionLike, Generic[P, R]):
    """A function that a model may call. Calling the object calls the function.

    Name, description and parameters come from the function (see `schema.functions`) unless given. They are read at
    first use, which raises `TypeError` if a parameter cannot be described. `strict` asks the provider to constrain the
    model to the schema (`None`: the provider's default). `inline` runs a sync tool on the thread of the call itself (in
    async calls, on the event loop), one at a time, for functions that are tied to a thread; otherwise several sync
    tools of one response run in worker threads. At most `max_concurrency` calls of one response run at once. `timeout`
    is the maximum number of seconds of a call: then an async tool is cancelled, a sync one is abandoned, and the model
    gets an error. Raises `ValueError` for a name that providers do not accept, and for an inline tool with a timeout,
    since nothing can end it.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()
    """Parameters that are hidden from the model in all tools of this class."""

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        strict: bool | None = None,
        inline: bool = False,
        max_concurrency: int | None = None,
        timeout: float | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        if inline and timeout is not None:
            raise ValueError(
                "An inline tool cannot have a timeout, because it runs on the thread that would have to stop it."
            )
        if max_concurrency is not None and max_concurrency < 1:
            raise ValueError(f"max_concurrency is {max_concurrency}: at least one call must run at a time.")
        self.fn = fn
        self.name: str = _check_name(name or function_name(unwrap_method(fn)))
        self.strict = strict
        self.inline = inline
        self.max_concurrency = max_concurrency
        self.timeout = timeout
        self._context_parameter = context_parameter(fn)
        self.takes_context: bool = self._context_parameter is not None
        self.is_async: bool = is_async(fn)
        self._given_description = description
        self._raw_arguments = (
            None if parameters is None else RawSchemaArguments(self.name, parameters, fn, self._hidden_parameters)
        )
        copy_function_metadata(self, fn)

    @property
    def description(self) -> str:
        """The description of the tool for the model."""
        return self._docs.description if self._given_description is None else self._given_description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema object of the arguments."""
        return self._arguments.schema if self._raw_arguments is None else self._raw_arguments.schema

    @property
    def wire_parameters(self) -> dict[str, Any]:
        """`parameters` as they are sent: if the tool is strict, in a form that all providers can constrain."""
        return self._encoded_parameters.schema if self.strict else self.parameters

    @cached_property
    def _encoded_parameters(self) -> EncodedSchema:
        from .dialects.encode import encode_schema

        return encode_schema(self.parameters, COMMON)

    @cached_property
    def _docs(self) -> FunctionDocs:
        return parse_docs(self.fn)

    @cached_property
    def _arguments(self) -> ToolArguments:
        return tool_arguments(self.fn, self.name, self._hidden_parameters)

    @cached_property
    def _hidden_parameters(self) -> frozenset[str]:
        """Parameters that the model does not see and cannot set."""
        parameter = self._context_parameter
        context = () if parameter is None else (parameter.name,)
        return self.hidden.union(bound_keywords(self.fn), context)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.fn(*args, **kwargs)

    @cached_property
    def is_unbound(self) -> bool:
        """Whether it is an unbound method, which cannot be called."""
        return is_unbound(self.fn)

    def bound_to(self, instance: object, owner: type | None) -> Self:
        """Bind to an instance or class (descriptor protocol)."""
        fn = bind_function(self.fn, instance, owner)
        if fn is None:
            return self
        bound = type(self)(fn, **self._options)
        mark_bound(bound, self)
        return bound

    def found_on(self, holder: object) -> AnyTool:
        """For a method: return the tool that an object or class has in its place, which may be a subclass's own. Any
        other tool stays unchanged, and so does a method of something else."""
        kinds = (holder if isinstance(holder, type) else type(holder)).__mro__
        names = (name for kind in kinds for name, held in vars(kind).items() if held is self or held is self.fn)
        if not self.is_unbound or (name := next(names, None)) is None:
            return cast("AnyTool", self)
        found: AnyTool | Callable[..., Any] | None = getattr(holder, name)
        if found is None:  # a subclass has removed it
            return cast("AnyTool", self)
        return cast("AnyTool", found) if isinstance(found, BaseTool) else _make_fitting_tool(found, **self._options)

    @property
    def _options(self) -> dict[str, Any]:
        """The arguments it was made with, beside its function."""
        return {
            "name": self.name,
            "description": self._given_description,
            "parameters": None if self._raw_arguments is None else self._raw_arguments.schema,
            "strict": self.strict,
            "inline": self.inline,
            "max_concurrency": self.max_concurrency,
            "timeout": self.timeout,
        }

    def __reduce__(self) -> Any:
        return reduce_decorated(self, self._options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def can_execute(self, call: ToolCall) -> bool:
        """Whether a call is for this tool."""
        return call.name == self.name

    def check_context(self, context: Context[Any] | None) -> None:
        """Raise `TypeError` if the tool needs a context and there is none."""
        parameter = self._context_parameter
        if parameter is None or (context is None and not parameter.required):
            return
        if not isinstance(context, Context):
            given = "" if context is None else f", not a {type(context).__name__}"
            raise TypeError(
                f"The tool {self.name!r} takes a context{given}: pass llm.Context(deps=…) to the call, or to "
                "execute_tools(ctx)."
            )

    def output(self, call: ToolCall, result: Any) -> ToolOutput[Any]:
        """Return the output of a call that succeeded. Raises `TypeError` if the result has no JSON form."""
        output = make_output(call, result)
        result_text_without_images(output.result)  # fails here, as the tool's error, instead of when it is sent
        return output

    def failure(self, call: ToolCall, error: BaseException) -> ToolOutput[Any]:
        """Return the output of a call that failed."""
        return make_failure(call, error)

    def bound(self, call: ToolCall, context: Context[Any] | None = None) -> Callable[[], R]:
        """Return the function with a call's arguments, validated and converted, ready to run.

        Raises `ToolExecutionError` if they do not fit, `TypeError` if the tool needs a context and there is none.
        """
        text = self._decode_arguments(call.args)
        self._check_numbers(text)
        args, kwargs = self._bind_arguments(text)
        self.check_context(context)
        match self._context_parameter:
            case ContextParameter(place=int(place)):
                args.insert(place, context)
            case ContextParameter(name=name) if context is not None and name not in bound_keywords(self.fn):
                kwargs[name] = context
            case _:
                pass
        return partial(cast("Callable[..., R]", self.fn), *args, **kwargs)

    def _check_numbers(self, text: str) -> None:
        """Raise `ToolExecutionError` for numbers that JSON does not have, which limits in a schema may let pass."""
        try:
            parse_finite_json(text)
        except NotFiniteError as error:
            raise arguments_error(self.name, [("", str(error))]) from error
        except (ValueError, RecursionError):  # the validation that follows explains it
            pass

    def _bind_arguments(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        """Return positional and keyword arguments from JSON text."""
        return self._arguments.parse(text) if self._raw_arguments is None else ([], self._raw_arguments.parse(text))

    def _decode_arguments(self, text: str) -> str:
        """Return a call's arguments without the forms that strict schemas have."""
        if not self.strict or self._encoded_parameters.is_exact:
            return text
        import json

        try:
            return json.dumps(self._encoded_parameters.decode(json.loads(text)))
        except (ValueError, RecursionError):  # the validation that follows explains it
            return text


class Tool(BaseTool[P, R]):
    """A tool that is a plain function."""

    @overload
    def execute(self, call: ToolCall, context: Context[Any] | None = None) -> ToolOutput[Any]: ...
    @overload
    def execute(self, call: Context[Any], context: ToolCall, /) -> ToolOutput[Any]: ...
    def execute(self, call: Any, context: Any = None) -> ToolOutput[Any]:
        """Run a call on this thread: `execute(call)`, or `execute(ctx, call)`, in either order. An exception of the
        tool becomes the output's `error`."""
        call, context = order_arguments(call, context)
        try:
            return make_output(call, self.bound(call, context)())
        except Exception as error:
            return make_failure(call, error)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], T], instance: None, owner: type[S]
    ) -> Tool[Q, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None) -> Tool[Q, T]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], T], instance: S, owner: type | None = None
    ) -> Tool[Q, T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind to an instance or class (descriptor protocol)."""
        return self.bound_to(instance, owner)


class ContextTool(Tool[P, R]):
    """A tool with a parameter for the call's `Context`, which is hidden from the model."""


class AsyncTool(BaseTool[P, R]):
    """A tool that is an `async def`."""

    @overload
    async def execute(self, call: ToolCall, context: Context[Any] | None = None) -> ToolOutput[Any]: ...
    @overload
    async def execute(self, call: Context[Any], context: ToolCall, /) -> ToolOutput[Any]: ...
    async def execute(self, call: Any, context: Any = None) -> ToolOutput[Any]:
        """Run a call on this event loop. See `Tool.execute`."""
        call, context = order_arguments(call, context)
        try:
            return make_output(call, await cast("Awaitable[Any]", self.bound(call, context)()))
        except Exception as error:
            return make_failure(call, error)

    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], T], instance: None, owner: type[S]
    ) -> AsyncTool[Q, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None) -> AsyncTool[Q, T]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], T], instance: S, owner: type | None = None
    ) -> AsyncTool[Q, T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind to an instance or class (descriptor protocol)."""
        return self.bound_to(instance, owner)


class AsyncContextTool(AsyncTool[P, R]):
    """An `async def` tool with a parameter for the call's `Context`."""


AnyTool: TypeAlias = Tool[..., Any] | AsyncTool[..., Any]


def make_tool(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    inline: bool = False,
    max_concurrency: int | None = None,
    timeout: float | None = None,
) -> AnyTool:
    """Make a tool from a function, of the class that fits it. Raises `TypeError` if that is not possible."""
    _check_function(fn)
    options: dict[str, Any] = {"strict": strict, "inline": inline, "max_concurrency": max_concurrency}
    return _make_fitting_tool(fn, name=name, description=description, timeout=timeout, **options)


def _make_fitting_tool(fn: Callable[..., Any], **options: Any) -> AnyTool:
    if is_async(fn):
        return (AsyncTool if context_parameter(fn) is None else AsyncContextTool)(fn, **options)
    return (Tool if context_parameter(fn) is None else ContextTool)(fn, **options)


def _check_function(fn: Callable[..., Any]) -> None:
    if not callable(unwrap_method(fn)):
        raise TypeError(f"A tool must be a function, not {fn!r}.")
    if (starred := starred_parameter_name(fn)) is not None:
        raise TypeError(
            f"The tool {function_name(fn)!r} takes *{starred}, but a model passes arguments by name. "
            f"Take a list: {starred}: list[…]."
        )
    if inspect.isasyncgenfunction(underlying_function(unwrap_method(fn))):
        raise TypeError(
            f"The tool {function_name(fn)!r} is an async generator: collect what it yields and return a list."
        )


def make_output(call: ToolCall, result: Any) -> ToolOutput[Any]:
    """Return the output of a call that succeeded."""
    return ToolOutput(id=call.id, name=call.name, result=materialize_result(result))


def make_failure(call: ToolCall, error: BaseException) -> ToolOutput[Any]:
    """Return the output of a call that failed: its result tells the model why, its `error` the program."""
    if not isinstance(error, ToolError):
        kind, text, cause = type(error).__name__, error_text(error), error
        error = ToolExecutionError(kind if text == kind else f"{kind}: {text}", tool_exception=cause)
        error.__cause__ = cause
    return ToolOutput(id=call.id, name=call.name, result=error_text(error), error=error)


def order_arguments(
    call: ToolCall | Context[Any], context: Context[Any] | ToolCall | None
) -> tuple[ToolCall, Context[Any] | None]:
    """Return a call and its context, which may be given in either order."""
    pair = (context, call) if isinstance(call, Context) else (call, context)
    return cast("tuple[ToolCall, Context[Any] | None]", pair)


def _check_name(name: str) -> str:
    if name == "<lambda>":
        raise ValueError("A lambda has no name for the model to call: use a function, or llm.tool(name='…').")
    if not _NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"A tool cannot be named {name!r}: providers take 1 to 64 of the letters a to z and A to Z, digits, _ "
            "and -. Give it such a name: llm.tool(name='…')."
        )
    return name
