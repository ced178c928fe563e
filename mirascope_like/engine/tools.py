"""Running the tool calls of an answer.

All calls of one answer run together (at most `limit` at a time), sync and async tools mixed, and their outputs come
in the order of the calls. Whatever goes wrong in a tool becomes an output that tells the model; only what stops the
program (cancellation, Ctrl-C) goes through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..errors import ToolError
from ..schema.tools import AnyTool, Toolkit, failure_of, output_of
from ..values.content import ToolCall, ToolOutput
from ..values.context import Context
from ..values.results import result_images, result_text
from .runtime import Runtime

__all__ = ["DEFAULT_LIMIT", "run_tools"]

DEFAULT_LIMIT = 16
"""How many tools of one answer run at once. Models rarely ask for as many; when they do, a flood helps nobody."""

Output = ToolOutput[Any]


async def run_tools(
    runtime: Runtime,
    toolkit: Toolkit,
    calls: Sequence[ToolCall],
    context: Context[Any] | None = None,
    *,
    limit: int = DEFAULT_LIMIT,
) -> list[Output]:
    """The outputs of some tool calls, in order. Raises `TypeError` if a tool wants a context and there is none."""
    if limit < 1:
        raise ValueError(f"max_concurrency is {limit}: at least one tool must run at a time.")
    outputs: dict[int, Output] = {}
    positions: list[int] = []
    jobs: list[Callable[[], Awaitable[Output]]] = []
    for position, call in enumerate(calls):
        ready = _ready(toolkit, call, context)
        if isinstance(ready, ToolOutput):
            outputs[position] = ready
        elif ready[0].inline:
            outputs[position] = await _run(runtime.invoke_inline, ready[1], call)
        else:
            positions.append(position)
            jobs.append(_job(runtime, ready[1], call))
    outputs.update(zip(positions, await runtime.together(jobs, limit), strict=True))
    return [outputs[position] for position in range(len(calls))]


def _ready(
    toolkit: Toolkit, call: ToolCall, context: Context[Any] | None
) -> Output | tuple[AnyTool, Callable[[], Any]]:
    try:
        tool = toolkit.get(call)
        return tool, tool.bound(call, context)
    except ToolError as error:
        return failure_of(call, error)


def _job(runtime: Runtime, fn: Callable[[], Any], call: ToolCall) -> Callable[[], Awaitable[Output]]:
    return lambda: _run(runtime.invoke, fn, call)


async def _run(invoke: Callable[[Callable[[], Any]], Awaitable[Any]], fn: Callable[[], Any], call: ToolCall) -> Output:
    try:
        result = await invoke(fn)
        if not result_images(result):
            result_text(result)  # what has no JSON form fails here, as the tool's error, and not when it is sent
        return output_of(call, result)
    except Exception as error:
        return failure_of(call, error)
