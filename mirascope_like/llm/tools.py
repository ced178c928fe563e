"""`@llm.tool`: a function that a model may call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, overload

from typing_extensions import TypeVar

from ..schema.tools import AsyncContextTool, AsyncTool, ContextTool, Tool, make_tool
from ..values.context import Context

__all__ = ["ToolDecorator", "tool"]

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class ToolDecorator(Generic[R]):
    """`@llm.tool(name=…, strict=…)`, waiting for its function."""

    def __init__(self, *, name: str | None, description: str | None, strict: bool | None, inline: bool) -> None:
        self._name = name
        self._description = description
        self._strict = strict
        self._inline = inline

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, R]]
    ) -> AsyncContextTool[Concatenate[Context[D], P], Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncTool[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[Context[D], P], R]) -> ContextTool[Concatenate[Context[D], P], R]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> Tool[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> Any:
        """The tool of a function."""
        return make_tool(fn, name=self._name, description=self._description, strict=self._strict, inline=self._inline)


@overload
def tool(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, R]], /
) -> AsyncContextTool[Concatenate[Context[D], P], Coroutine[Any, Any, R]]: ...
@overload
def tool(  # type: ignore[overload-overlap]
    fn: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTool[P, Coroutine[Any, Any, R]]: ...
@overload
def tool(fn: Callable[Concatenate[Context[D], P], R], /) -> ContextTool[Concatenate[Context[D], P], R]: ...
@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, strict: bool | None = None, inline: bool = False
) -> ToolDecorator[Any]: ...
def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    inline: bool = False,
) -> Any:
    """Make a function a tool: `@llm.tool`, or `@llm.tool(strict=True)`. Plain functions in `tools=[…]` need no
    decorator.

    Parameters and their types come from the signature, descriptions from the docstring or `Annotated[…, Field(…)]`. A
    first parameter annotated with `Context` gets the call's context, and the model does not see it. Arguments are
    checked and converted before the function runs.

    `name`, `description`: in place of the function's. `strict`: ask the provider to hold the model to the schema.
    `inline`: run a sync tool on the thread of the call (in async calls: on the event loop, which it then blocks), one
    at a time, for functions that are tied to a thread.
    """
    decorator: Any = ToolDecorator[Any](name=name, description=description, strict=strict, inline=inline)
    return decorator if fn is None else decorator(fn)
