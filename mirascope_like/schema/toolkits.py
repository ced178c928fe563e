"""Toolkits: the tools of a call, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, TypeAlias, cast, overload

from ..errors import ToolNotFoundError
from ..types.content import ToolCall
from ..types.context import Context
from .pickling import can_be_pickled
from .tools import AnyTool, AsyncTool, ProviderTool, Tool, make_failure, make_tool, order_arguments


class HasTools:
    """The base class of sources of tools; see `engine.tool_sources`."""


_TOOLS = (Tool, AsyncTool)  # `Tool | AsyncTool` would be made anew for each tool
ToolsLike: TypeAlias = "Toolkit | Iterable[AnyTool | ProviderTool | HasTools | Callable[..., Any]]"


class Toolkit:
    """The tools of a call, by name. Raises `ValueError` if two have the same name, `TypeError` for what is no tool.

    `sources` are those among the tools that list tools for each call. Theirs are only in the toolkit of a response.
    """

    def __init__(self, tools: Iterable[AnyTool | ProviderTool | HasTools | Callable[..., Any]] = ()) -> None:
        self.tools_dict: dict[str, AnyTool] = {}
        self.provider_tools_dict: dict[str, ProviderTool] = {}
        self.sources: tuple[HasTools, ...] = ()
        self._given: Sequence[AnyTool | ProviderTool | HasTools] = [self._take(tool) for tool in tools]

    def _take(self, tool: Any) -> AnyTool | ProviderTool | HasTools:
        if isinstance(tool, (*_TOOLS, ProviderTool)):
            return self._add(cast("AnyTool | ProviderTool", tool))
        if isinstance(tool, HasTools):
            self.sources = (*self.sources, tool)
            return tool
        if hasattr(kind := cast("type[object]", type(tool)), "__list_tools__"):
            raise TypeError(f"A source of tools must inherit from ToolSource, which {kind.__name__} does not.")
        return self._add(make_tool(tool))

    def _add(self, tool: AnyTool | ProviderTool) -> AnyTool | ProviderTool:
        if tool.name in self.tools_dict or tool.name in self.provider_tools_dict:
            raise ValueError(f"Two tools are named {tool.name!r}: give one of them another name=.")
        kit: dict[str, Any] = self.tools_dict if isinstance(tool, _TOOLS) else self.provider_tools_dict
        kit[tool.name] = tool
        return tool

    @property
    def tools(self) -> tuple[AnyTool | ProviderTool, ...]:
        """All tools, the provider's own last."""
        return (*self.tools_dict.values(), *self.provider_tools_dict.values())

    def __iter__(self) -> Iterator[AnyTool | ProviderTool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools_dict) + len(self.provider_tools_dict)

    def found_on(self, holder: object) -> Toolkit:
        """Return the toolkit of a method on an object or class, with those tools bound that are methods of it."""
        if not any(tool.is_unbound for tool in self.tools_dict.values()):
            return self
        return Toolkit(tool.found_on(holder) if isinstance(tool, Tool | AsyncTool) else tool for tool in self._given)

    def with_listed(self, listed: Sequence[Iterable[AnyTool | ProviderTool | Callable[..., Any]]]) -> Toolkit:
        """Return the same toolkit with the tools that each of its sources has listed."""
        lists = iter(listed)
        return self._with_tools(
            each for tool in self._given for each in (next(lists) if isinstance(tool, HasTools) else (tool,))
        )

    def _with_tools(self, tools: Iterable[Any]) -> Toolkit:
        made = Toolkit(tools)
        vars(made).update(sources=self.sources, _given=self._given)
        return made

    def check_bound(self) -> None:
        """Raise `TypeError` if a tool is an unbound method. A wrapper may have its object elsewhere."""
        for tool in self.tools_dict.values():
            if tool.is_unbound and not hasattr(tool.fn, "__wrapped__"):
                raise TypeError(
                    f"The tool {tool.name!r} is an unbound method. Pass the bound method: "
                    f"tools=[instance.{tool.name}]. A decorated method binds the tools of its own class by itself."
                )

    def get(self, call: ToolCall) -> AnyTool:
        """Return the tool that a call is for. Raises `ToolNotFoundError`."""
        if call.name not in self.tools_dict:
            raise ToolNotFoundError(call.name, known=tuple(self.tools_dict))
        return self.tools_dict[call.name]

    @overload
    def execute(self, call: ToolCall, context: Context[Any] | None = None) -> Any: ...
    @overload
    def execute(self, call: Context[Any], context: ToolCall, /) -> Any: ...
    def execute(self, call: Any, context: Any = None) -> Any:
        """Run one call with its tool's `execute` (await it for an async tool), the context first or second. A missing
        tool gives an error output."""
        call, context = order_arguments(call, context)
        try:
            return self.get(call).execute(call, context)
        except ToolNotFoundError as error:
            return make_failure(call, error)

    def __reduce__(self) -> Any:
        """A tool that cannot be pickled becomes its schema, and a source that cannot, the tools that it has listed."""
        tools = [_tool_for_pickle(tool) for tool in self.tools]
        has_listed = len(self) > len(self._given) - len(self.sources)
        if not self.sources or (has_listed and not can_be_pickled(self.sources)):
            return Toolkit, (tools,)
        given = [tool if isinstance(tool, HasTools) else _tool_for_pickle(tool) for tool in self._given]
        return Toolkit, (tools,), {"sources": self.sources, "_given": given}

    def __copy__(self) -> Toolkit:
        return self._with_tools(self.tools)

    def __deepcopy__(self, memo: dict[int, Any]) -> Toolkit:
        tools, sources, given = deepcopy((self.tools, self.sources, self._given), memo)
        made = Toolkit(tools)
        vars(made).update(sources=sources, _given=given)
        return made

    def __repr__(self) -> str:
        return f"Toolkit({', '.join(tool.name for tool in self.tools)})"


class _SchemaTool(Tool[..., Any]):
    """A tool without its function, which could not be pickled. Models may call it, but it cannot run."""

    def check_context(self, context: Context[Any] | None) -> None:
        """Raise `TypeError`: this is called before a tool runs."""
        raise TypeError(
            f"The tool {self.name!r} cannot run: it was unpickled, and its function could not be pickled. Define the "
            "function at the top of a module."
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Raise `TypeError`."""
        self.check_context(None)


def _no_function() -> None:
    """In place of a function that could not be pickled."""


def _tool_for_pickle(tool: AnyTool | ProviderTool) -> AnyTool | ProviderTool:
    if isinstance(tool, ProviderTool) or can_be_pickled(tool):
        return tool
    schema = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    return _SchemaTool(_no_function, name=tool.name, **cast("Any", schema))


def make_toolkit(tools: ToolsLike | None) -> Toolkit:
    """Make a toolkit from what a user passes as `tools=`: a toolkit, or tools and plain functions."""
    if isinstance(tools, Toolkit):
        return tools
    if tools is None:
        return Toolkit()
    if not isinstance(cast("object", tools), Iterable):
        raise TypeError(f"tools= must be a list: write tools=[{getattr(tools, '__name__', '…')}].")
    return Toolkit(tools)
