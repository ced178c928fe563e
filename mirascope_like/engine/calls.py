"""One question and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import ParseError
from ..schema.formats import FORMAT_TOOL
from ..values.chunks import (
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
from ..values.content import ToolCall
from ..values.retries import RetryFailure
from .attempts import Attempts
from .continuations import Joint
from .exchanges import WholeAnswer
from .failures import FAILURES
from .lessons import sent
from .observers import observed
from .plan import Plan, Prepared, prepare
from .runtime import Runtime

if TYPE_CHECKING:
    from ..wire.lessons import Lesson

__all__ = ["Answer", "ChunkFilter", "Parsable", "ask", "validated"]


@dataclass(slots=True, kw_only=True)
class Answer:
    """A whole answer, and what it answers. `raw` is the body as parsed JSON, `failures` are the attempts before."""

    plan: Plan
    prepared: Prepared
    reply: Reply
    raw: Any
    failures: Sequence[RetryFailure] = ()


@observed
async def ask(runtime: Runtime, plan: Plan) -> Answer:
    """Send a plan and read its answer, with as many attempts as it allows."""
    await runtime.admit()
    attempts = Attempts(runtime, plan)
    while True:
        try:
            return await _ask_once(runtime, attempts)
        except Exception as error:
            await attempts.after(error)


async def _ask_once(runtime: Runtime, attempts: Attempts) -> Answer:
    plan, limits = attempts.plan, attempts.limits

    def prepared_with(lessons: Sequence[Lesson]) -> Prepared:
        return prepare(plan, stream=False, left=limits.left, lessons=lessons)

    async def send(prepared: Prepared) -> WholeAnswer:
        return await limits.opening(lambda: prepared.exchange.ask(runtime), _drop)

    prepared = prepared_with(())
    try:
        prepared, whole = await sent(prepared, prepared_with, send)
        reply = _fold(whole.chunks, prepared, plan)
    except FAILURES as error:
        failure = prepared.signed(error)
        raise failure from failure.original_exception
    return Answer(plan=plan, prepared=prepared, reply=reply, raw=whole.raw, failures=attempts.failures)


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
    """What the caller asked not to see, or to see otherwise: thoughts are left out if they are not wanted, and a call
    of the hidden format tool becomes the text it stands for. Of several the first is the answer, and the others are
    left out."""

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
