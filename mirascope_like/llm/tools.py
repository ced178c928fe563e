"""`@llm.tool`: a function that a model may call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Never, ParamSpec, TypeVar, overload

from ..schema.tools import AsyncTool, Tool, make_tool

P = ParamSpec("P")
R = TypeVar("R")


class ToolDecorator:
    """`@llm.tool(name=…, strict=…)`, waiting for its function."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, fn: Callable[P, Never]
    ) -> Tool[P, Any]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, fn: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncTool[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> Tool[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> Any:
        """The tool of a function."""
        return make_tool(fn, **self._options)


# Type checkers take the first overload that fits. An unknown result fits `Never`, so that such a function is plain.
@overload
def tool(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    fn: Callable[P, Never], /
) -> Tool[P, Any]: ...
@overload
def tool(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    fn: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTool[P, Coroutine[Any, Any, R]]: ...
@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    inline: bool = False,
    max_concurrency: int | None = None,
    timeout: float | None = None,
) -> ToolDecorator: ...
def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    inline: bool = False,
    max_concurrency: int | None = None,
    timeout: float | None = None,
) -> Any:
    """Make a function a tool: `@llm.tool`, or `@llm.tool(strict=True)`. Plain functions in `tools=[…]` need no
    decorator.

    Parameters and their types come from the signature, descriptions from the docstring or `Annotated[…, Field(…)]`. A
    parameter annotated with `Context` gets the call's context, and the model does not see it. Arguments are checked and
    converted before the function runs. Raises `TypeError` for what a model cannot use: `*args`, async generators.

    `name`, `description`: in place of the function's. `strict`: ask the provider to hold the model to the schema.
    `inline`: run a sync tool on the thread of the call (in async calls: on the event loop, which it then blocks), one
    at a time, for functions that are tied to a thread. `max_concurrency`: how many calls of one answer run at once.
    `timeout`: seconds that it may take; then an async tool is cancelled, a sync one continues in its thread, and
    the model gets an error. It takes precedence over the call's `Timeout(tool=…)`.
    """
    decorator: Any = ToolDecorator(
        name=name,
        description=description,
        strict=strict,
        inline=inline,
        max_concurrency=max_concurrency,
        timeout=timeout,
    )
    return decorator if fn is None else decorator(fn)
