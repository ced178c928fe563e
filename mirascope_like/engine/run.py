"""One call from its request to the end of its response: a state machine.

A `Run` has one owner, which calls `advance` again and again; it has no lock. States:

    NEW → SENDING → READING → DONE        WAITING: between a failed attempt and the next one, which is SENDING again
                                          FAILED, CLOSED: final, as DONE is

What belongs to one attempt (the prepared request, the source of chunks, what converts them) is an `_Attempt`, which a
retry replaces whole. `_end` is the only place that sets a final state. After it nothing is sent, and the end of the
call is reported once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ..errors import RetryFailure, StreamClosedError
from ..types.chunks import META_CHUNKS, Accumulator, Chunk, Reply, TextChunk, TextStartChunk
from .budget import budget
from .chunk_filter import ChunkFilter
from .continuations import Joint, beginning_of
from .exchanges import ChunkSource, Exchange, WholeAnswer
from .failures import FAILURES
from .lessons import sent
from .limits import Limits
from .observers import CallId, Outcome, Watch, watch
from .plan import Plan, Prepared, prepare
from .retry_policy import Decision, Raise, Retry, RetryPolicy
from .runtime import Bell, Runtime, Spawner

if TYPE_CHECKING:
    from ..wire.unsupported_params import Adjustment

__all__ = ["Run", "State", "interruption"]


class State(Enum):
    """What a run is doing."""

    NEW = auto()
    SENDING = auto()
    READING = auto()
    WAITING = auto()
    DONE = auto()
    FAILED = auto()
    CLOSED = auto()


class _Attempt:
    """One request, and its response as far as it is read."""

    __slots__ = ("_is_closed", "filter", "joint", "prepared", "source")

    def __init__(self, prepared: Prepared, beginning: str | None) -> None:
        self.prepared: Prepared = prepared
        self.source: ChunkSource | None = None
        self.filter = ChunkFilter(prepared)
        self.joint = Joint((beginning or "") if prepared.continues == "prefill" else "")
        self._is_closed = False

    def adjust(self, prepared: Prepared) -> None:
        """Replace the request, which the server refused."""
        self.prepared = prepared
        self.filter = ChunkFilter(prepared)
        if prepared.continues != "prefill":
            self.joint = Joint("")

    async def close(self) -> None:
        """Close the source, once."""
        if self.source is not None and not self._is_closed:
            self._is_closed = True
            await self.source.close()


class Run:
    """See the module's docstring. `whole` asks for an undivided response: then all chunks come at once."""

    def __init__(self, runtime: Runtime, plan: Plan, *, whole: bool) -> None:
        self.is_over: bool = False
        self._step: State = State.NEW
        self._final: State | None = None
        self.error: BaseException | None = None
        """Why it failed or was closed. Of a whole response it may be the exception that interrupted it."""
        self.generation: int = 0
        """How often the response was begun anew."""
        self.call_id: CallId = CallId(plan)
        self._runtime = runtime
        self._whole = whole
        self._limits = Limits(runtime, plan.params)
        self._policy = RetryPolicy(plan, self._limits, budget, runtime.clock)
        self._watch: Watch | None = None
        self._spawn: Spawner | None = None
        self._waker: Bell | None = None
        self._failure: Exception | None = None  # what the attempt failed with, while its last chunks are returned
        self._attempt = _Attempt(self._prepare(), plan.beginning)
        self._forget()

    def _forget(self) -> None:
        """Begin the response anew: empty, or with the text that it continues."""
        self._accumulator = Accumulator()
        self._reply: Reply | None = None
        self._count = 0  # chunks with content
        self._last: Chunk | None = None  # of these
        self.beginning: Sequence[Chunk] = self._attempt.joint.beginning
        self._add(self.beginning)
        self._known = self._count  # content from before this attempt

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the run is doing."""
        return self._final or self._step  # apart, since another thread may end the run in the midst of a step

    @property
    def plan(self) -> Plan:
        """The plan of the present attempt."""
        return self._policy.plan

    @property
    def prepared(self) -> Prepared:
        """The request of the present attempt."""
        return self._attempt.prepared

    @property
    def failures(self) -> Sequence[RetryFailure]:
        """The attempts that failed so far."""
        return self._policy.failures

    @property
    def is_open(self) -> bool:
        """Whether the present attempt has a response."""
        return self._attempt.source is not None

    @property
    def reply(self) -> Reply:
        """What has arrived so far."""
        if self._reply is not None:
            return self._reply
        reply = self._accumulator.reply()
        if self.is_over:
            self._reply = reply
        return reply

    @property
    def raw(self) -> list[str]:
        """The text of each event so far."""
        source = self._attempt.source
        return source.raw if source is not None else []

    @property
    def body(self) -> Any:
        """The body of a whole response, as parsed JSON."""
        source = self._attempt.source
        return source.body if isinstance(source, _Whole) else None

    def limit_first_token(self) -> None:
        """Apply the time limit of the first token to the attempt that the next step sends."""
        self._limits.await_content()

    # -- steps --------------------------------------------------------------------------------------------------------

    async def advance(self) -> Sequence[Chunk] | None:
        """Do one step (send, read, or begin the next attempt), and return the chunks that it brought, maybe none;
        `None` after the end. Raises the error that the run failed with, or was closed for."""
        if self.is_over:
            if self.error is not None:
                raise self.error
            return None
        try:
            failure, self._failure = self._failure, None
            if failure is None:
                try:
                    return await (self._send() if self._attempt.source is None else self._read())
                except Exception as error:
                    failure = error
                # The frames of what is raised below must not hold the original, whose text may contain API keys.
                chunks, failure = await self._translate(failure)
                if chunks:
                    self._failure = failure
                    return chunks
            return await self._recover(failure)
        except Exception as error:
            self._end(State.FAILED, error)
            raise
        except BaseException as error:
            await self.interrupt(error)
            raise

    async def _send(self) -> Sequence[Chunk]:
        if self._step is State.NEW:  # the call begins with its first attempt
            self._watch = watch(self.call_id, self._outcome)
            self._spawn = None if self._whole else self._runtime.spawner()
            if self._watch is not None and self.is_over:  # closed by another thread just now
                self._watch.ended(self._outcome())
        if self.is_over:
            return ()
        self._step = State.SENDING
        attempt, joint = self._attempt, self._attempt.joint
        _, attempt.source = await sent(attempt.prepared, self._prepare_again, self._open)
        if attempt.joint is not joint and joint.beginning:  # the server does not continue a text after all
            self._forget()
            self.generation += 1
        if self.is_over:  # closed meanwhile, when there was no source to close yet
            await attempt.close()
        else:
            self._step = State.READING
        return ()

    async def _read(self) -> Sequence[Chunk]:
        source = self._attempt.source
        assert source is not None
        # A whole response is here already: no time limit applies to it any more.
        chunks = await (source.next() if self._whole else self._limits.reading(source.next, source.close))
        if chunks is not None:
            return self._take(chunks)
        if rest := self._attempt.joint.end():
            self._add(rest)
            return rest  # the end follows with the next step, when these are known to readers
        self._policy.refund()
        self._end(State.DONE)
        await self._attempt.close()
        return ()

    async def _translate(self, failure: Exception) -> tuple[Sequence[Chunk], Exception]:
        """Close the attempt, and return the chunks that came with its failure, and the library's error for it."""
        attempt = self._attempt
        chunks: Sequence[Chunk] = ()
        if isinstance(failure, FAILURES):
            chunks = self._take(getattr(failure, "chunks", ()))
            failure = attempt.prepared.signed(failure, self.reply if attempt.source is not None else None)
        await attempt.close()
        return chunks, failure

    async def _recover(self, failure: Exception) -> Sequence[Chunk]:
        """Begin the next attempt after a failure, or raise."""
        if self.is_over:  # closed meanwhile, which is why this failed
            return ()
        decision: Decision = self._policy.next(failure, seen=self._has_content(), beginning=self._text_so_far())
        if isinstance(decision, Retry) and decision.delay is not None:
            decision = await self._wait(decision.delay, failure)
        if isinstance(decision, Raise):
            raise decision.error
        if not self.is_over:
            self._begin_attempt()
        return ()

    async def _wait(self, delay: float, failure: Exception) -> Decision:
        self._step = State.WAITING
        self._waker = self._runtime.bell()
        if not self.is_over:
            await self._waker.rest(delay)
        return Retry(None) if self.is_over else self._policy.pay(failure)

    def _begin_attempt(self) -> None:
        continued = self._text_so_far()
        attempt = _Attempt(self._prepare(), self.plan.beginning)
        if self.is_over:
            return
        self._attempt, self._step = attempt, State.SENDING
        if self.prepared.continues == "prefill" and self.plan.beginning == continued:
            self._known = self._count
            return
        self._forget()
        self.generation += 1

    # -- the end ------------------------------------------------------------------------------------------------------

    def _end(self, state: State, error: BaseException | None = None) -> bool:
        """Set the final state, the first time; return whether it was the first."""
        if self.is_over:
            return False
        self._final, self.error, self.is_over = state, error, True
        if self._waker is not None:
            self._waker.ring()
        if self._watch is not None:
            self._watch.ended(self._outcome())
        return True

    def give_up(self) -> bool:
        """Close the run without its connection; `close` does both. Return whether it was still open."""
        if self.is_over:
            return False
        if self._has_content():  # it was being answered, as far as anybody can tell
            self._policy.refund()
        message = "The stream was closed before its end. What had arrived is in the response's properties."
        return self._end(State.CLOSED, StreamClosedError(message))

    async def close(self) -> None:
        """Read no more, and close the connection."""
        self.give_up()
        await self._attempt.close()

    def close_in_background(self) -> None:
        """Close the run at once, and its connection in the background. A run that was never sent stays as it is."""
        if self._spawn is not None and self.give_up():
            self._spawn(self._attempt.close)

    async def interrupt(self, error: BaseException) -> None:
        """Close the run after Ctrl-C or a cancellation: its connection is in no state to continue."""
        reason = error if self._whole else interruption(error)
        if self._end(State.CLOSED, reason):  # reported before closing, which a cancelled task may not live to see
            await self._attempt.close()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # Dropped before its end: nothing else closes it, or reports it.
        attempt: _Attempt | None = getattr(self, "_attempt", None)  # None if the constructor failed
        if attempt is None or finalizing():
            return
        self.give_up()
        if attempt.source is not None and self._spawn is not None:
            self._spawn(attempt.close)

    def _outcome(self) -> Outcome:
        if self._whole and self.error is not None:
            return Outcome(plan=self.plan, prepared=self.prepared, error=self.error)
        raw = self.body if self._whole else self.raw
        return Outcome(plan=self.plan, prepared=self.prepared, reply=self.reply, error=self.error, raw=raw)

    # -- details ------------------------------------------------------------------------------------------------------

    def _prepare(self, adjustments: Sequence[Adjustment] = ()) -> Prepared:
        return prepare(self.plan, stream=not self._whole, left=self._limits.left, lessons=adjustments)

    def _prepare_again(self, adjustments: Sequence[Adjustment]) -> Prepared:
        self._attempt.adjust(self._prepare(adjustments))
        return self.prepared

    async def _open(self, prepared: Prepared) -> ChunkSource:
        opening = _open_whole if self._whole else _open_stream
        return await self._limits.opening(lambda: opening(prepared.exchange, self._runtime), _close)

    def _take(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Convert and keep chunks of the present attempt."""
        visible = self._attempt.joint(self._attempt.filter(chunks))
        self._add(visible)
        if self._has_content():
            self._limits.content_came()
        return visible

    def _add(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._accumulator.add(chunk)
            if not isinstance(chunk, META_CHUNKS):
                self._count += 1
                self._last = chunk

    def _has_content(self) -> bool:
        """Whether this attempt brought content."""
        return self._count > self._known

    def _text_so_far(self) -> str:
        """The text that a new attempt could continue; empty if the response is not in the middle of its only part."""
        return beginning_of(self.reply) if isinstance(self._last, TextStartChunk | TextChunk) else ""


def interruption(error: BaseException) -> StreamClosedError:
    """Return what readers of a stream get after Ctrl-C or a cancellation."""
    return StreamClosedError(f"Reading the stream was interrupted ({type(error).__name__}).")


async def _open_stream(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return await exchange.open(runtime)


async def _open_whole(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return _Whole(await exchange.ask(runtime))


async def _close(source: ChunkSource) -> None:
    await source.close()


class _Whole:
    """The chunks of a whole response, and its body as parsed JSON."""

    def __init__(self, answer: WholeAnswer) -> None:
        self.raw: list[str] = []
        self.body = answer.raw
        self._chunks: Sequence[Chunk] | None = answer.chunks

    async def next(self) -> Sequence[Chunk] | None:
        chunks, self._chunks = self._chunks, None
        return chunks

    async def close(self) -> None: ...
