"""One question and its answer."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import ParseError, RetryFailure
from ..schema.formats import FORMAT_TOOL
from ..types.chunks import (
    Accumulator,
    Chunk,
    FinishReason,
    Reply,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from ..types.content import ToolCall
from .attempts import Attempts
from .continuations import Joint
from .exchanges import WholeAnswer
from .failures import FAILURES
from .lessons import sent
from .observers import CallId, Outcome, watch
from .plan import Plan, Prepared, prepare
from .runtime import Runtime

if TYPE_CHECKING:
    from ..wire.refusals import Adjustment

__all__ = ["Answer", "ChunkFilter", "Parsable", "ask", "validated"]


@dataclass(slots=True, kw_only=True)
class Answer:
    """A whole answer, and what it answers. `raw` is the body as parsed JSON, `failures` are the attempts before,
    `call_id` is the id of the call."""

    call_id: CallId
    plan: Plan
    prepared: Prepared
    reply: Reply
    raw: Any
    failures: Sequence[RetryFailure] = ()


async def ask(runtime: Runtime, plan: Plan) -> Answer:
    """Send a plan and read its answer, with as many attempts as it allows."""
    await runtime.admit()
    return await _Asking(runtime, plan).answer()


class _Asking:
    """A plan that is asked until it has an answer."""

    def __init__(self, runtime: Runtime, plan: Plan) -> None:
        self._runtime = runtime
        self._attempts = Attempts(runtime, plan)
        self._prepared: Prepared | None = None  # the last request that was made ready
        self._answer: Answer | None = None
        self._id = CallId(plan)
        self._watch = watch(self._id, self._outcome)

    async def answer(self) -> Answer:
        try:
            self._answer = await self._answered()
        finally:  # also if Ctrl-C strikes just after the answer
            if self._watch is not None:
                self._watch.ended(self._outcome(sys.exception()))
        self._attempts.refund()
        return self._answer

    def _outcome(self, error: BaseException | None = None) -> Outcome | None:
        """The state of the call; `None` before a request was made ready."""
        if self._prepared is None:
            return None
        if (answer := self._answer) is None:
            return Outcome(plan=self._attempts.plan, prepared=self._prepared, error=error)
        return Outcome(plan=answer.plan, prepared=answer.prepared, reply=answer.reply, raw=answer.raw)

    async def _answered(self) -> Answer:
        while True:
            try:
                return await self._once()
            except Exception as error:
                await self._attempts.after(error)

    async def _once(self) -> Answer:
        plan, prepared = self._attempts.plan, self._prepare()
        try:
            prepared, whole = await sent(prepared, self._prepare, self._send)
            reply = _fold(whole.chunks, prepared, plan)
            failures = self._attempts.failures
            return Answer(call_id=self._id, plan=plan, prepared=prepared, reply=reply, raw=whole.raw, failures=failures)
        except FAILURES as error:
            failure = prepared.signed(error)
        raise failure  # with no context: what was raised may hold API keys

    def _prepare(self, lessons: Sequence[Adjustment] = ()) -> Prepared:
        attempts = self._attempts
        self._prepared = prepare(attempts.plan, stream=False, left=attempts.limits.left, lessons=lessons)
        return self._prepared

    async def _send(self, prepared: Prepared) -> WholeAnswer:
        return await self._attempts.limits.opening(lambda: prepared.exchange.ask(self._runtime), _drop)


async def _drop(_: WholeAnswer) -> None:
    """An answer that came too late holds nothing open."""


def _fold(chunks: Sequence[Chunk], prepared: Prepared, plan: Plan) -> Reply:
    if prepared.continues == "prefill":
        joint = Joint(plan.beginning or "")
        chunks = [*joint.beginning, *joint(chunks), *joint.end()]
    accumulator = Accumulator()
    for chunk in ChunkFilter(prepared)(chunks):
        accumulator.add(chunk)
    return accumulator.reply()


_ASIDE = (TextStartChunk, TextChunk, TextEndChunk, ThoughtStartChunk, ThoughtChunk, ThoughtEndChunk)


class ChunkFilter:
    """Removes thoughts that the caller did not ask for, and turns the call of the hidden format tool into text. If the
    model calls that tool several times, only the first call counts."""

    def __init__(self, prepared: Prepared) -> None:
        thinking = prepared.request.params.get("thinking")
        self._no_thoughts = thinking is not None and not thinking.get("include_thoughts", False)
        self._format_tool = prepared.format is not None and prepared.format.mode == "tool"
        self._answered = False  # whether the final answer has begun
        self._answer: str | None = None  # the call that is shown as a text, while it is open
        self._others: set[str] = set()  # further calls of the hidden tool that are open

    def __call__(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """What is to be seen of chunks."""
        if not self._no_thoughts and not self._format_tool:
            return chunks
        return [kept for chunk in chunks for kept in self._kept(chunk)]

    def _kept(self, chunk: Chunk) -> Sequence[Chunk]:
        if self._no_thoughts and isinstance(chunk, ThoughtStartChunk | ThoughtChunk | ThoughtEndChunk):
            return ()
        if self._answer is not None and isinstance(chunk, _ASIDE):
            return ()  # words beside the final answer, which is open as a text
        if self._format_tool and isinstance(chunk, ToolCallStartChunk | ToolCallChunk | ToolCallEndChunk):
            return self._shown(chunk)
        return (chunk,)

    def _shown(self, chunk: ToolCallStartChunk | ToolCallChunk | ToolCallEndChunk) -> Sequence[Chunk]:
        match chunk:
            case ToolCallStartChunk(id, name) if name == FORMAT_TOOL:
                if self._answered:
                    self._others.add(id)
                    return ()
                self._answered, self._answer = True, id
                return (TextStartChunk(),)
            case ToolCallChunk(id, delta) if id == self._answer:
                return (TextChunk(delta),)
            case ToolCallEndChunk(id) if id == self._answer:
                self._answer = None
                return (TextEndChunk(),)
            case ToolCallChunk(id) if id in self._others:
                return ()
            case ToolCallEndChunk(id) if id in self._others:
                self._others.remove(id)
                return ()
            case _:
                return (chunk,)


class Parsable(Protocol):
    """A response that may have to be asked for again."""

    @property
    def tool_calls(self) -> Sequence[ToolCall]: ...
    @property
    def finish_reason(self) -> FinishReason | None: ...
    def parse(self) -> Any: ...


R = TypeVar("R", bound=Parsable)


async def validated(response: R, resume: Callable[[R, str], Awaitable[R]], max_retries: int) -> tuple[Any, R]:
    """The parsed value of a response, or of one of up to `max_retries` more, each told what was wrong with the last.

    One that did not simply end (a limit cut it off, the model refused) is not asked for again: the model, told what is
    wrong with it, could do no better. Raises the last `ParseError`, and `ValueError` while tool calls are unanswered.
    """
    if max_retries < 0:
        raise ValueError(f"max_retries is {max_retries}: it cannot be negative.")
    for retries_left in range(max_retries, -1, -1):
        if response.tool_calls:
            raise ValueError("There are unanswered tool calls: resume(execute_tools()) first, then validate.")
        try:
            return response.parse(), response
        except ParseError as error:
            if not retries_left or response.finish_reason is not None:
                raise
            response = await resume(response, error.retry_message())
    raise AssertionError("the loop returns or raises")
