"""Sources of tools whose list may change between calls, such as toolboxes, and how toolkits get their tools.

A source is prepared once, before its tools are first listed, however many calls begin together. Each call lists them
anew when it is made ready, before anything is sent, and its response keeps what was listed then. `with source:` closes
the source at its end; the next call prepares it again. Without such a block it stays prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from ..schema.toolkits import HasTools, Toolkit
from ..schema.tools import AnyTool, ProviderTool
from .plan import Plan
from .runtime import BLOCKING, NATIVE, Once, Runtime, run


class ToolSource(HasTools):
    """A source of tools, to be passed in `tools=[…]` beside tools. Its own methods have names with underscores, since
    each other method of a toolbox is a tool."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        vars(made)["_use"] = _Use()
        return made

    async def __open_tools__(self, runtime: Runtime) -> None:
        """Connect, or do whatever else is needed before tools are listed. If it raises, the next call tries again."""

    async def __list_tools__(self, runtime: Runtime) -> Iterable[AnyTool | ProviderTool | Callable[..., Any]]:
        """Return the tools as they are now."""
        raise NotImplementedError

    async def __close_tools__(self, runtime: Runtime) -> None:
        """Undo `__open_tools__`."""

    def __enter__(self) -> Self:
        run(_enter(BLOCKING, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run(_leave(BLOCKING, self))

    async def __aenter__(self) -> Self:
        await _enter(NATIVE, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await _leave(NATIVE, self)


class _Use:
    """Whether a source is prepared, and the blocks that it is used in."""

    def __init__(self) -> None:
        self.once = Once()
        self.blocks: list[object] = []


def _use(source: ToolSource) -> _Use:
    use: _Use = vars(source)["_use"]
    return use


async def prepare_source(runtime: Runtime, source: ToolSource) -> None:
    """Prepare a source, unless it is prepared."""
    await _use(source).once.do(runtime, partial(source.__open_tools__, runtime))


async def prepare_sources(runtime: Runtime, toolkit: Toolkit) -> None:
    """Prepare the sources of a toolkit."""
    for source in _sources_of(toolkit):
        await prepare_source(runtime, source)


def _sources_of(toolkit: Toolkit) -> Iterator[ToolSource]:
    for source in toolkit.sources:
        assert isinstance(source, ToolSource)
        yield source


async def _enter(runtime: Runtime, source: ToolSource) -> None:
    blocks = _use(source).blocks
    blocks.append(source)
    try:
        await prepare_source(runtime, source)
    except BaseException:
        blocks.pop()
        raise


async def _leave(runtime: Runtime, source: ToolSource) -> None:
    use = _use(source)
    use.blocks.pop()
    await runtime.shielded(partial(_close_unused, runtime, source, use))


async def _close_unused(runtime: Runtime, source: ToolSource, use: _Use) -> None:
    close = partial(source.__close_tools__, runtime)
    await use.once.undo(runtime, close, unless=lambda: bool(use.blocks))


async def list_tools(runtime: Runtime, toolkit: Toolkit) -> Toolkit:
    """Return a toolkit with the tools that its sources have now. Raises `ValueError` if two have the same name, and
    what the sources raise."""
    if not toolkit.sources:
        return toolkit
    listed: list[Iterable[AnyTool | ProviderTool | Callable[..., Any]]] = []
    for source in _sources_of(toolkit):
        await prepare_source(runtime, source)
        listed.append(await source.__list_tools__(runtime))
    resolved = toolkit.with_listed(listed)
    resolved.check_bound()
    return resolved


async def resolve_tools(runtime: Runtime, plan: Plan) -> Plan:
    """Return a plan with the tools that the sources in its toolkit have now."""
    return replace(plan, toolkit=await list_tools(runtime, plan.toolkit)) if plan.toolkit.sources else plan
