"""Running the tool calls of an answer.

All calls of one answer run together (at most `limit` at a time, and of each tool as many as it allows), sync and async
tools mixed, and their outputs come in the order of the calls. Whatever goes wrong in a tool becomes an output that
tells the model, its time being up included; only what stops the program (cancellation, Ctrl-C) goes through at once.

Hooks see each call before and after it runs. Whatever a hook raises is the caller's, and so is the wish of a tool or
hook to pause: these are raised when all other calls have ended, the first in the order of the calls, a hook's failure
before a pause. What tools gave until then is not lost: it goes to `keep`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ..errors import ToolExecutionError, ToolNotFoundError
from ..schema.toolkits import Toolkit
from ..schema.tools import AnyTool, make_failure
from ..types.content import ToolCall, ToolOutput
from ..types.context import Context
from ..types.tool_results import stream_finisher
from .events import ToolReporter
from .limits import invoke_within
from .results import CallId
from .runtime import Job, Runtime
from .tool_sources import prepare_sources

DEFAULT_LIMIT = 16
"""How many tools of one answer run at once. Models rarely ask for as many; when they do, a flood helps nobody."""

Output = ToolOutput[Any]


class CancelToolCall(Exception):
    """Raised by a hook before a tool runs: do not run it, and tell the model why."""


class PauseTools(Exception):
    """Raised by a tool, or by a hook before it: this call cannot be answered now.

    Nothing is told to the model. `paused` are the calls that paused, in order; they are set when it comes out of
    `run_tools`. An API may put its own in their place.
    """

    paused: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a caller wants to do before and after each call; sync or async, results are ignored.

    `before(tool, call)` runs before the arguments are read; `tool` is `None` if there is none of that name.
    `after(tool, call, output)` sees every output of a tool that there is, except where `before` cancelled it.
    """

    before: Callable[[AnyTool | None, ToolCall], Any] | None = None
    after: Callable[[AnyTool, ToolCall, Output], Any] | None = None


@dataclass(frozen=True, slots=True)
class _Stopped:
    """A call that did not end well for the caller, and why. It has an output if only the hook behind it failed."""

    call: ToolCall
    error: Exception
    by_hook: bool
    output: Output | None = None


_Ended: TypeAlias = Output | _Stopped


async def run_tools(
    runtime: Runtime,
    toolkit: Toolkit,
    calls: Sequence[ToolCall],
    context: Context[Any] | None = None,
    *,
    limit: int = DEFAULT_LIMIT,
    hooks: Hooks | None = None,
    timeout: float | None = None,
    call_id: CallId | None = None,
    keep: Callable[[Sequence[Output]], object] | None = None,
) -> list[Output]:
    """The outputs of some tool calls, in order. A tool without a timeout of its own gets `timeout` seconds. `call_id`
    is the call whose response asks for them.

    With `limit=1` they run one after the other, where the caller is. Raises `TypeError` if a tool wants a context and
    there is none, what hooks raised, and `PauseTools`. Whatever it ends with, cancellation too, `keep` is called first
    with the outputs that there are: what has run need not run again.
    """
    if limit < 1:
        raise ValueError(f"max_concurrency is {limit}: at least one tool must run at a time.")
    await prepare_sources(runtime, toolkit)
    batch = _Batch(runtime, toolkit.tools_dict, context, hooks or Hooks(), timeout, call_id)
    runs = [_Run(batch, call) for call in calls]
    try:
        await _all(runtime, runs, limit)
        return _outputs([run.ended for run in runs if run.ended is not None])
    except BaseException:
        if keep is not None:
            keep([run.output for run in runs if run.output is not None])
        raise


async def _all(runtime: Runtime, runs: Sequence[_Run], limit: int) -> None:
    alone = [run for run in runs if limit == 1 or (run.tool is not None and run.tool.inline)]
    for run in alone:
        await run.go()
    if limit > 1:
        await runtime.together(_lanes([run for run in runs if run not in alone]), limit)


def _lanes(runs: Sequence[_Run]) -> list[Job[None]]:
    """Jobs that together do all runs: of a tool that allows n at once there are n, which share its calls."""
    lanes: list[Job[None]] = []
    queues: dict[str, deque[_Run]] = {}
    for run in runs:
        if run.tool is None or run.tool.max_concurrency is None:
            lanes.append(run.go)
            continue
        queue = queues.setdefault(run.call.name, deque())
        queue.append(run)
        if len(queue) <= run.tool.max_concurrency:
            lanes.append(partial(_empty, queue))
    return lanes


async def _empty(queue: deque[_Run]) -> None:
    while queue:
        await queue.popleft().go()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the calls of one answer have in common."""

    runtime: Runtime
    tools: Mapping[str, AnyTool]
    context: Context[Any] | None
    hooks: Hooks
    timeout: float | None
    call_id: CallId | None

    async def invoke(self, tool: AnyTool, fn: Callable[[], Any]) -> Any:
        """The tool's function, run where it may run, for as long as it may."""
        if tool.inline:
            return await self.runtime.invoke_inline(fn)
        return await invoke_within(self.runtime, tool.timeout or self.timeout, fn)


class _Run:
    """One call on its way to its end. Raises `TypeError` if its tool wants a context and there is none."""

    def __init__(self, batch: _Batch, call: ToolCall) -> None:
        self.call = call
        self.tool = batch.tools.get(call.name)
        self.ended: _Ended | None = None
        self._batch = batch
        if self.tool is not None:
            self.tool.check_context(batch.context)

    @property
    def output(self) -> Output | None:
        """What the model is to be told, once that is known."""
        return self.ended.output if isinstance(self.ended, _Stopped) else self.ended

    async def go(self) -> None:
        """Run the call to its end, which is in `ended` then."""
        self.ended = await self._before()

    async def _before(self) -> _Ended:
        if self._batch.hooks.before is not None:
            try:
                await self._batch.runtime.invoke(partial(self._batch.hooks.before, self.tool, self.call))
            except CancelToolCall as why:
                return make_failure(self.call, ToolExecutionError(f"Cancelled: {why}", tool_exception=why))
            except Exception as error:
                return _Stopped(self.call, error, by_hook=not isinstance(error, PauseTools))
        if self.tool is None:
            return make_failure(self.call, ToolNotFoundError(self.call.name, known=tuple(self._batch.tools)))
        with ToolReporter(self.call, self._batch.call_id) as reporter:
            ended = await self._called(self.tool)
            if isinstance(ended, _Stopped):
                reporter.error = ended.error
            else:
                reporter.output = ended
        return await self._after(self.tool, ended)

    async def _called(self, tool: AnyTool) -> _Ended:
        try:
            result = await self._batch.invoke(tool, tool.bound(self.call, self._batch.context))
            if (finish := stream_finisher(result)) is not None:
                await self._batch.invoke(tool, finish)
            return tool.output(self.call, result)
        except PauseTools as pause:
            return _Stopped(self.call, pause, by_hook=False)
        except Exception as error:
            return tool.failure(self.call, _raised(error))

    async def _after(self, tool: AnyTool, ended: _Ended) -> _Ended:
        self.ended = ended  # already: the tool has run, whatever comes of the hook
        if self._batch.hooks.after is not None and not isinstance(ended, _Stopped):
            try:
                await self._batch.runtime.invoke(partial(self._batch.hooks.after, tool, self.call, ended))
            except Exception as error:
                return _Stopped(self.call, error, by_hook=True, output=ended)
        return ended


def _raised(error: Exception) -> Exception:
    """What a tool raised. Python lets no `StopIteration` out of a coroutine, and puts a `RuntimeError` in its place."""
    match error:
        case RuntimeError(__cause__=StopIteration() as stop) if str(error).endswith("raised StopIteration"):
            return stop
        case _:
            return error


def _outputs(ended: Sequence[_Ended]) -> list[Output]:
    stopped = [end for end in ended if isinstance(end, _Stopped)]
    for end in stopped:
        if end.by_hook:
            raise end.error
    for end in stopped:
        if isinstance(end.error, PauseTools):
            end.error.paused = [other.call for other in stopped]
        raise end.error
    return [end for end in ended if not isinstance(end, _Stopped)]
