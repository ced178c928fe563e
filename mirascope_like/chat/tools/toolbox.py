"""Tools that share state, and tools that the provider runs.

Each public method of a `Toolbox` is a tool. `prepare` runs once, before the model is first asked, so tools that it adds
are there from the first request; `teardown` undoes it. Either may be async, in either colour of call: then it is called
`prepare_async` and `teardown_async`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MethodType
from typing import Any, Self, TypeAlias, cast

from ...engine.runtime import BLOCKING, Runtime
from ...engine.tool_sources import ToolSource, prepare_source
from ...schema import tools as schema
from ...schema.tools import BaseTool, ProviderTool
from .tool import AnyTool, Tool


class _Configured:
    """Remembers what it was made with, so that it can be made again elsewhere. In `__new__`, since subclasses write
    their own `__init__`, and theirs is the one whose arguments count."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        vars(made)["_config"] = _arguments(cls, made, args, kwargs)
        return made


def _arguments(cls: type, made: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments by name, with defaults; without those of `*args` and `**kwargs`."""
    signature = inspect.signature(cast("Any", cls).__init__)
    try:
        bound = signature.bind(made, *args, **kwargs)
    except TypeError:  # `__init__` will say so
        return {}
    bound.apply_defaults()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [p.name for p in signature.parameters.values() if p.kind not in variadic]
    return {name: bound.arguments[name] for name in named[1:]}


def config_of(made: object) -> dict[str, Any]:
    """The constructor arguments of a toolbox or server-side tool."""
    config: dict[str, Any] = vars(made).get("_config", {})
    return config


class Toolbox(_Configured, ToolSource):
    """Tools that share state: each public method is one, named `Class_method`.

        class Notes(Toolbox):
            def __init__(self):
                self.notes = []

            def add(self, note: str) -> str:
                "Keep a note."
                self.notes.append(note)
                return "kept"

    Override `prepare` or `prepare_async` to connect or to `add_tool`, and `teardown` or `teardown_async` to undo it;
    `with toolbox:` and `async with toolbox:` do both. Preparing happens once, however many calls begin together. A
    copy has tools of its own, and is prepared for itself.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls, *args, **kwargs)
        vars(made).update(_extra_tools={}, _method_tools={})
        return made

    def __getstate__(self) -> Any:
        # Without what cannot be copied, and what is bound to this one.
        state = {name: value for name, value in vars(self).items() if name not in ("_method_tools", "_use")}
        tools: dict[str, Tool] = state["_extra_tools"]
        bound = [name for name, tool in tools.items() if getattr(tool.implementation, "__self__", None) is self]
        return {**state, "_extra_tools": {name: replace(tool) for name, tool in tools.items()}, "_bound": bound}

    def __setstate__(self, state: dict[str, Any]) -> None:
        bound = state.pop("_bound")
        vars(self).update(state)
        tools: dict[str, Tool] = state["_extra_tools"]
        tools.update({name: _bound_to(self, tools[name]) for name in bound})

    def tools(self) -> Iterable[Tool]:
        """The tools as they are now: methods by name, then those that were added. May be overridden."""
        yield from self.method_tools()
        yield from cast("dict[str, Tool]", vars(self)["_extra_tools"]).values()

    def method_tools(self) -> Iterator[Tool]:
        """The tools that are methods of the class. Properties are not looked at, and class members that are no methods
        are left out."""
        known: dict[str, Tool] = vars(self)["_method_tools"]
        for name in sorted(filter(partial(_is_tool, type(self)), dir(type(self)))):
            if name not in known:
                known[name] = Tool.function(getattr(self, name), name=f"{type(self).__name__}_{name}")
            yield known[name]

    def add_tool(self, tool: Callable[..., Any] | Tool, pass_self: bool = False) -> None:
        """Add a tool to this toolbox under its own name, in place of one that was added under it before. With
        `pass_self`, its first parameter is this toolbox."""
        if not isinstance(tool, Tool):
            if not callable(cast("object", tool)):
                raise TypeError(f"A tool is a function or a Tool, not {tool!r}.")
            tool = Tool.function(_method(tool, self) if pass_self else tool)
        elif pass_self and tool.implementation is not None:
            tool = replace(tool, implementation=MethodType(tool.implementation, self))
        vars(self)["_extra_tools"][tool.name] = tool

    def prepare(self) -> None:
        """Called once before the model is first asked."""

    async def prepare_async(self) -> None:
        """See `prepare`."""

    def teardown(self) -> None:
        """Called at the end of `with toolbox:`. What was prepared is prepared anew at the next use."""

    async def teardown_async(self) -> None:
        """See `teardown`."""

    async def __open_tools__(self, runtime: Runtime) -> None:
        await _called(runtime, self, "prepare")

    async def __list_tools__(self, runtime: Runtime) -> Iterable[schema.AnyTool]:
        return [tool.runnable for tool in self.tools()]

    async def __close_tools__(self, runtime: Runtime) -> None:
        await _called(runtime, self, "teardown")


_RESERVED = {name for name in vars(Toolbox) if not name.startswith("_")}


def _method(fn: Callable[..., Any], toolbox: Toolbox) -> Callable[..., Any]:
    """A function as a method of a toolbox. A tool of the library stays one."""
    if isinstance(fn, BaseTool):
        return cast("BaseTool[..., Any]", fn).bound_to(toolbox, type(toolbox))
    return MethodType(fn, toolbox)


def _bound_to(toolbox: Toolbox, tool: Tool) -> Tool:
    """A tool that is a method of another toolbox, as a method of this one."""
    return replace(tool, implementation=MethodType(cast("MethodType", tool.implementation).__func__, toolbox))


def _is_tool(kind: type[Toolbox], name: str) -> bool:
    member = inspect.getattr_static(kind, name)
    public = not name.startswith("_") and name not in _RESERVED
    return public and (inspect.isfunction(member) or isinstance(member, staticmethod | classmethod))


ToolLike: TypeAlias = "Callable[..., Any] | Tool | Toolbox | ProviderTool"


def may_grow(tool: ToolLike) -> bool:
    """Whether a toolbox may add tools when it is prepared."""
    return isinstance(tool, Toolbox) and bool(_overridden(tool, "prepare"))


async def prepare_all(runtime: Runtime, tools: Iterable[ToolLike]) -> None:
    """Prepare the toolboxes among some tools, each once; what they add is in `flatten(tools)` then."""
    for tool in tools:
        if isinstance(tool, ToolSource):
            await prepare_source(runtime, tool)


def flatten(tools: Iterable[ToolLike]) -> list[AnyTool]:
    """Tools one by one, from functions, tools and toolboxes. Raises `TypeError` for anything else."""
    return [each for tool in tools for each in _each(tool)]


def _each(tool: object) -> Iterable[AnyTool]:
    if isinstance(tool, Toolbox):
        return tool.tools()
    if isinstance(tool, Tool | ProviderTool):
        return [tool]
    if isinstance(tool, type):
        raise TypeError(f"{tool.__name__} is a class: give an instance of it, {tool.__name__}(…).")
    if callable(tool):
        return [Tool.function(tool)]
    raise TypeError(f"A tool is a function, a Tool, a Toolbox or a ServerSideTool, not {tool!r}.")


async def _called(runtime: Runtime, toolbox: Toolbox, name: str) -> None:
    """Call a method or its async twin: the one that the class defines; of both, the one of this colour."""
    if names := _overridden(toolbox, name):
        await runtime.invoke(getattr(toolbox, names[0 if runtime is BLOCKING else -1]))


def _overridden(toolbox: Toolbox, name: str) -> list[str]:
    """Which of a method and its async twin the toolbox's class defines."""
    return [each for each in (name, f"{name}_async") if getattr(type(toolbox), each) is not getattr(Toolbox, each)]


class ServerSideTool(_Configured, ProviderTool):
    """A tool that the provider runs, such as its web search.

    Subclasses set `name` and say in `tool_spec` how the provider is asked for it; models say which they take in
    `supported_server_side_tools`. Or give the provider's own form of it: `ServerSideTool({"type": "…"})`.
    """

    name: str = ""
    plugin: str | None = None
    spec: Mapping[str, Any] | None = None

    def __init__(self, spec: Mapping[str, Any] | None = None) -> None:
        super().__init__(type(self).name or str((spec or {}).get("name") or (spec or {}).get("type") or ""))
        self.spec = spec

    @property
    def description(self) -> str | None:
        """What it does: the docstring of its class."""
        return inspect.getdoc(type(self))

    def tool_spec(self, model: object) -> dict[str, Any]:
        """The provider's form of the tool, for one of its models. Raises `TypeError` if none was given."""
        if self.spec is None:
            raise TypeError(f"{type(self).__name__} has no form to send: override tool_spec(), or give a spec.")
        return dict(self.spec)

    def prepare_request(self, model: object, kwargs: dict[str, Any]) -> None:
        """Change a request that this tool goes with; by default it stays as it is."""

    def hash(self) -> str:
        """A name by content, in hex: SHA-256 of name, configuration and plugin."""
        described = {"name": self.name, "server_side": True, "config": config_of(self), "plugin": self.plugin}
        return hashlib.sha256(json.dumps(described, default=repr).encode()).hexdigest()


def check_server_side(tools: Sequence[AnyTool], supported: Sequence[type[ServerSideTool]], model_id: str) -> None:
    """`ValueError` if a model that takes these classes cannot take one of the server-side tools. The base class stands
    for raw forms only."""
    for tool in tools:
        if isinstance(tool, ServerSideTool) and not any(_takes(kind, tool) for kind in supported):
            raise ValueError(f"{model_id} does not support the server-side tool {tool.name or type(tool).__name__}")


def _takes(kind: type[ServerSideTool], tool: ServerSideTool) -> bool:
    return type(tool) is ServerSideTool if kind is ServerSideTool else isinstance(tool, kind)
