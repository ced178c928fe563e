"""One call from its request to the end of its response: a state machine.

A `Run` has one owner, which calls `advance` again and again; it has no lock. States:

    NEW → SENDING → READING → DONE        WAITING: between a failed attempt and the next one, which is SENDING again
                                          FAILED, CLOSED: final, as DONE is

What belongs to one attempt (the lease of the gate, the prepared request, the source of chunks, what converts them) is
an `_Attempt`, which a retry replaces whole. `_end` is the only place that sets a final state: it makes the `Result`,
drops everything else, and reports the end of the call once. After it nothing is sent.

A lazy call has a plan source in place of a plan. The first `advance` awaits it; if it fails, the run fails, and nothing
is retried.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import RetryFailure, StreamClosedError
from ..types.chunks import META_CHUNKS, Accumulator, Chunk, Reply, TextChunk, TextStartChunk
from ..wire.response_headers import request_id, select_rate_limit_headers
from .adaptive_retry import sent
from .chunk_filter import ChunkFilter
from .events import ENDS_PROGRAM, CallReporter, report_call
from .failures import FAILURES
from .gate import FREE_LEASE, Gate, Lease, start_gate
from .limits import Limits
from .loading import loading_for_plan
from .plan import Plan, Prepared, prepare
from .prefill import PrefillJoiner, text_to_continue
from .requests import ChunkSource, Exchange, WholeResponse
from .results import CallId, Result, State
from .retry_policy import Decision, Raise, Retry, RetryPolicy
from .runtime import Runtime, Spawner, Waker
from .shared_texts import share_texts
from .tool_sources import resolve_tools

if TYPE_CHECKING:
    from ..wire.unsupported_params import Adjustment

PlanSource: TypeAlias = Callable[[], Awaitable[Plan]]
"""Makes the plan of a call when the call begins."""
OnEnd: TypeAlias = Callable[[Result | None], object]
"""Gets the result of a call before anybody can see that the call is over; `None` if no request was made ready."""

_OTHER_LOOP = (
    "The stream was begun in another event loop, where its connection is, so it was closed. Read it in that loop: "
    "finish() it there before you pass it on."
)


class _Attempt:
    """One request, and its response as far as it is read."""

    __slots__ = (
        *("_is_closed", "_lease", "filter", "joint", "plan", "prepared"),
        *("rate_limit_headers", "request_id", "source"),
    )

    def __init__(self, plan: Plan, prepared: Prepared, lease: Lease) -> None:
        self.plan: Plan = plan
        self.prepared: Prepared = prepared
        self.source: ChunkSource | None = None
        self.request_id: str | None = None
        self.rate_limit_headers: Mapping[str, str] = {}
        self.filter = ChunkFilter(prepared)
        self.joint = PrefillJoiner((plan.beginning or "") if prepared.continues == "prefill" else "")
        self._lease: Lease = lease
        self._is_closed = False

    def adjust(self, prepared: Prepared) -> None:
        """Replace the request, which the server refused."""
        self.prepared = prepared
        self.filter = ChunkFilter(prepared)
        if prepared.continues != "prefill":
            self.joint = PrefillJoiner("")

    def open(self, source: ChunkSource) -> None:
        """Take the source of the response that begins, and what its headers say."""
        self.source = source
        self.request_id = request_id(source.headers)
        self.rate_limit_headers = select_rate_limit_headers(source.headers)

    def settle(self, reply: Reply, error: BaseException | None) -> None:
        """Leave the gate, once."""
        lease, self._lease = self._lease, FREE_LEASE
        lease.settle(reply.usage, self.source.headers if self.source is not None else {}, error)

    async def close(self) -> None:
        """Close the source, once."""
        if self.source is not None and not self._is_closed:
            self._is_closed = True
            await self.source.close()


class Run:
    """See the module's docstring. `whole` asks for an undivided response: then all chunks come at once. If `on_end`
    raises, the run fails with that error."""

    def __init__(self, runtime: Runtime, plan: Plan | PlanSource, *, whole: bool, on_end: OnEnd | None = None) -> None:
        self.is_over: bool = False
        self.is_settled: bool = False  # its end is reported too, so that `release` may follow
        self.result: Result | None = None
        """The response, after the end; `None` if no request was made ready."""
        self.error: BaseException | None = None
        """Why it failed or was closed. Of a whole response it may be the exception that interrupted it."""
        self.generation: int = 0
        """How often the response was begun anew."""
        self._step: State = State.NEW
        self._final: State | None = None
        self._runtime = runtime
        self._whole = whole
        self._on_end = on_end
        self._limits_first_token = False
        self._gate: Gate = start_gate(runtime)
        self._reporter: CallReporter | None = None
        self._spawn: Spawner | None = None
        self._loop: object | None = None  # to which the connection belongs
        self._waker: Waker | None = None
        self._failed: tuple[Sequence[Chunk], Exception] | None = None  # the last chunks of an attempt, and its error
        self._attempt: _Attempt | None = None
        self._to_end: list[None] = [None]  # who pops it ends the run, which several threads may want to
        self._forget(())
        self._plan_source: PlanSource | None = None
        if isinstance(plan, Plan):
            self._set_plan(plan)
        else:
            self._plan_source = plan

    def _set_plan(self, plan: Plan) -> None:
        self._call_id = CallId(plan.labels.get("id"))
        self._limits = Limits(self._runtime, plan.params)
        self._policy = RetryPolicy(plan, self._limits, self._runtime.clock)

    def _forget(self, beginning: Sequence[Chunk]) -> None:
        """Begin the response anew: empty, or with the text that it continues."""
        self._accumulator = Accumulator()
        self._is_empty = True
        self._count = 0  # chunks with content
        self._last: Chunk | None = None  # of these
        self.beginning: Sequence[Chunk] = beginning
        self._add(beginning)
        self._known = self._count  # content from before this attempt

    def limit_first_token(self) -> None:
        """Apply the time limit of the first token to each attempt."""
        self._limits_first_token = True

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
    def failures(self) -> Sequence[RetryFailure]:
        """The attempts that failed so far."""
        return self._policy.failures

    @property
    def is_open(self) -> bool:
        """Whether the present attempt has a response."""
        return self._step is State.READING

    def snapshot(self) -> Result | None:
        """Return the response so far; `None` if no request was made ready."""
        attempt = self._attempt
        if self.result is not None or attempt is None:
            return self.result
        return self._make_result(attempt, self._accumulator, self.state, self.error)

    def _make_result(
        self, attempt: _Attempt, accumulator: Accumulator, state: State, error: BaseException | None
    ) -> Result:
        prepared, source = attempt.prepared, attempt.source
        return Result(
            call_id=self._call_id,
            plan=attempt.plan,
            state=state,
            reply=self._make_reply(accumulator, error),
            provider_id=prepared.endpoint.provider_id,
            model=prepared.request.model,
            format=prepared.format,
            continues=prepared.continues,
            streamed=not self._whole,
            failures=tuple(self.failures),
            error=error,
            body=source.body if isinstance(source, _Whole) else None,
            raw_events=source.raw if source is not None and self._keeps_raw else None,
            request_id=attempt.request_id,
            rate_limit_headers=attempt.rate_limit_headers,
        )

    def _make_reply(self, accumulator: Accumulator, error: BaseException | None) -> Reply:
        if self._whole:
            return Reply() if error is not None else accumulator.reply()
        return share_texts(accumulator.reply())

    @property
    def _keeps_raw(self) -> bool:
        return self._reporter is not None and self._reporter.wants_raw

    # -- steps --------------------------------------------------------------------------------------------------------

    async def advance(self) -> Sequence[Chunk] | None:
        """Do one step (send, read, or decide what follows a failure), and return the chunks that it brought, maybe
        none; `None` after the end. Raises the error that the run failed with, or was closed for.

        A cancellation closes the run, unless the source is `cancel_safe`: then it can be advanced again."""
        if self.is_over:
            if self.error is not None:
                raise self.error
            return None
        try:
            return await self._advance()
        except Exception as error:
            self._end(State.FAILED, error)
            raise
        except BaseException as error:
            if not self._survives(error):
                await self.interrupt(error)
            raise

    def _survives(self, error: BaseException) -> bool:
        """Whether the read that an error interrupted can be repeated."""
        attempt = self._attempt
        source = attempt.source if attempt is not None and self.is_open else None
        return source is not None and source.cancel_safe and not isinstance(error, ENDS_PROGRAM)

    async def _advance(self) -> Sequence[Chunk]:
        if self._failed is None:
            attempt = self._attempt if self._step not in (State.NEW, State.WAITING) else await self._begin_attempt()
            if attempt is None:
                return ()
            try:
                if attempt.source is None:
                    await self._send(attempt)
                    if not self._whole or self._is_ending:  # opening a stream does not wait for its first chunk
                        return ()
                return await self._read(attempt)
            except Exception as error:
                failure = error
            # The frames of what is raised below must not hold the original, whose text may contain API keys.
            self._failed = self._translate(attempt, failure)
            attempt.settle(self.reply, self._failed[1])
            await attempt.close()  # if it is cancelled here, the next step goes on from the failure
        chunks, failure = self._failed
        self._failed = ((), failure) if chunks else None
        return chunks or await self._recover(failure)

    async def _begin_attempt(self) -> _Attempt | None:
        """Wait for the gate, and make the request; `None` if the run was closed meanwhile. No error is retried."""
        if self._step is State.NEW:  # the call begins with its first attempt
            if self._is_ending or (self._plan_source is not None and not await self._make_plan(self._plan_source)):
                return None
            await self._begin()
        self._step = State.SENDING
        if not self._whole:
            self._spawn, self._loop = self._runtime.spawner(), self._runtime.loop()
        self._limits.content_came()  # the time limit of the first token begins with the request
        if (loading := loading_for_plan(self._runtime, self.plan)) is not None:
            await loading
        asked = self._runtime.clock()
        lease = await self._pass_gate()
        if self._is_ending:
            lease.settle(None, {}, self.error)
            return None
        return self._make_attempt(lease, waited=self._runtime.clock() - asked)

    async def _make_plan(self, plan_source: PlanSource) -> bool:
        """Make the plan; return whether it is still wanted then."""
        self._plan_source = None
        self._set_plan(await plan_source())
        return not self._is_ending

    async def _begin(self) -> None:
        """Report the call, and list the tools that it has now."""
        self._reporter = report_call(self._call_id, self.plan, self.snapshot, streamed=not self._whole)
        if self._reporter is not None:
            self._reporter.start()
            if self.is_over:  # closed by another thread just now
                self._reporter.end(self.result, self.error)
        if self.plan.toolkit.sources:
            self._policy.plan = await self._limits.opening(lambda: resolve_tools(self._runtime, self.plan), _keep)

    async def _pass_gate(self) -> Lease:
        if not self._gate.can_wait:
            return await self._gate.acquire(self.plan)
        return await self._limits.opening(lambda: self._gate.acquire(self.plan), _give_up_lease)

    def _make_attempt(self, lease: Lease, waited: float) -> _Attempt | None:
        try:
            attempt = _Attempt(self.plan, self._prepare(), lease)
        except BaseException as error:
            lease.settle(None, {}, error)
            raise
        previous, self._attempt = self._attempt, attempt
        if self._is_ending:  # another thread ends the run, perhaps before it could see the attempt
            self._attempt = previous
            attempt.settle(Reply(), self.error)
            return None
        if attempt.prepared.continues == "prefill" and attempt.plan.beginning == self._text_so_far():
            self._known = self._count
        elif attempt.joint.beginning or not self._is_empty:
            self._forget(attempt.joint.beginning)
            self.generation += 1
        if self._reporter is not None:
            self._reporter.start_attempt(attempt.plan.model_id, attempt.prepared.endpoint.provider_id, waited)
        if self._limits_first_token:
            self._limits.await_content()
        return attempt

    async def _send(self, attempt: _Attempt) -> None:
        joint = attempt.joint

        def prepare_again(adjustments: Sequence[Adjustment]) -> Prepared:
            attempt.adjust(self._prepare(adjustments))
            return attempt.prepared

        _, source = await sent(self._runtime, attempt.prepared, prepare_again, self._open)
        attempt.open(source)
        if self._is_ending:  # closed meanwhile, when there was no source to close yet
            attempt.settle(Reply(), self.error)
            await attempt.close()
            return
        if attempt.joint is not joint and joint.beginning:  # the server does not continue a text after all
            self._forget(())
            self.generation += 1
        self._step = State.READING

    async def _open(self, prepared: Prepared) -> ChunkSource:
        opening = _open_whole if self._whole else _open_stream
        return await self._limits.opening(lambda: opening(prepared.exchange, self._runtime), _close)

    async def _read(self, attempt: _Attempt) -> Sequence[Chunk]:
        source = attempt.source
        assert source is not None
        # A whole response is here already: no time limit applies to it any more.
        chunks = await (source.next() if self._whole else self._limits.reading(source.next, source.close))
        if chunks is not None:
            visible = self._take(attempt, chunks)
            if not self._keeps_raw and self._has_content():  # before that, an error may quote them
                source.raw.clear()
            return visible
        if rest := attempt.joint.end():
            self._add(rest)
            return rest  # the end follows with the next step, when these are known to readers
        self._policy.refund()
        try:
            self._end(State.DONE)
        finally:
            await attempt.close()
        return ()

    def _translate(self, attempt: _Attempt, failure: Exception) -> tuple[Sequence[Chunk], Exception]:
        """Return the chunks that came with a failure, and the library's error for it."""
        if not isinstance(failure, FAILURES):
            return (), failure
        chunks = self._take(attempt, getattr(failure, "chunks", ()))
        return chunks, attempt.prepared.signed(failure, self.reply if attempt.source is not None else None)

    async def _recover(self, failure: Exception) -> Sequence[Chunk]:
        """Decide whether another attempt follows a failure, and wait for its time; else raise."""
        if self.is_over:  # closed meanwhile, which is why this failed
            return ()
        if self._reporter is not None:
            self._reporter.fail_attempt(failure)
        self._step = State.WAITING
        decision: Decision = self._policy.next(failure, seen=self._has_content(), beginning=self._text_so_far())
        if isinstance(decision, Retry) and decision.delay is not None:
            decision = await self._wait(decision.delay, failure)
        if isinstance(decision, Raise):
            raise decision.error
        return ()

    async def _wait(self, delay: float, failure: Exception) -> Decision:
        self._waker = waker = self._runtime.bell()
        if not self.is_over:
            await waker.rest(delay)
        self._waker = None
        return Retry(None) if self.is_over else self._policy.pay(failure)

    # -- the end ------------------------------------------------------------------------------------------------------

    @property
    def _is_ending(self) -> bool:
        """Whether the run is over, or another thread is about to end it."""
        return not self._to_end

    def _end(self, state: State, error: BaseException | None = None) -> bool:
        """Set the final state, the first time; return whether it was the first."""
        try:
            self._to_end.pop()
        except IndexError:
            return False
        attempt, accumulator, result = self._attempt, self._accumulator, self.result
        if attempt is not None:  # before the run is over, for other threads that look for it then
            self.result = result = self._make_result(attempt, accumulator, state, error)
        if self._on_end is not None and (failure := _hand_over(result, self._on_end)) is not None:
            state, error = State.FAILED, failure
            self.result = result = result and replace(result, state=state, error=error)
        self._final, self.error, self.is_over = state, error, True
        self._attempt = self._plan_source = None
        if not self._whole:  # else nobody keeps the run
            self._accumulator = Accumulator()
        try:
            if attempt is not None and result is not None:
                attempt.settle(result.reply, error)
            if self._waker is not None:
                self._in_own_loop(self._waker.ring)
        finally:
            if self._reporter is not None:
                self._reporter.end(result, error)
            self._on_end = None
            self.is_settled = True
        return True

    def release(self) -> None:
        """Keep neither the result of a run that is over nor its messages: its owner has them."""
        if self.result is not None:
            self._policy.plan = replace(self._policy.plan, messages=())
        self.result = None

    def _give_up(self, reason: StreamClosedError | None = None) -> bool:
        """Close the run without its connection; return whether it was still open."""
        if self.is_over:
            return False
        if self._has_content():  # it was being answered, as far as anybody can tell
            self._policy.refund()
        message = "The stream was closed before its end. What had arrived is in the response's properties."
        return self._end(State.CLOSED, reason or StreamClosedError(message))

    async def close(self, reason: StreamClosedError | None = None) -> None:
        """Read no more, and close the connection. Later reads raise `reason`, if it is given."""
        attempt = self._attempt
        self._give_up(reason)
        if attempt is not None:
            await self._close_attempt(attempt)

    def close_in_background(self) -> None:
        """Close the run at once, and its connection in the background. A run that was never sent stays as it is."""
        attempt = self._attempt
        if attempt is not None and self._spawn is not None and self._give_up():
            self._spawn(attempt.close)

    def close_if_elsewhere(self) -> bool:
        """Close a run whose response arrives in another event loop than the one that runs; return whether it does."""
        attempt = self._attempt
        source = attempt.source if attempt is not None and self.is_open else None
        if attempt is None or source is None or not source.loop_bound or self._is_in_own_loop():
            return False
        self._end(State.CLOSED, StreamClosedError(_OTHER_LOOP))
        if self._spawn is not None:
            self._spawn(attempt.close)
        return True

    async def interrupt(self, error: BaseException) -> None:
        """Close the run after Ctrl-C or a cancellation: its connection is in no state to continue."""
        attempt = self._attempt
        # Reported before closing, which a cancelled task may not live to see.
        self._end(State.CLOSED, error if self._whole else interruption(error))
        if attempt is not None:
            await self._close_attempt(attempt)

    async def _close_attempt(self, attempt: _Attempt) -> None:
        """Close an attempt in the event loop to which its connection belongs."""
        if self._spawn is None or self._is_in_own_loop():
            await attempt.close()
        else:
            self._spawn(attempt.close)

    def _is_in_own_loop(self) -> bool:
        return self._loop is self._runtime.loop()

    def _in_own_loop(self, call: Callable[[], None]) -> None:
        if self._spawn is None or self._is_in_own_loop():
            call()
        else:
            self._spawn(partial(_call, call))

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # Dropped before its end: nothing else closes it, or reports it.
        attempt: _Attempt | None = getattr(self, "_attempt", None)
        if attempt is None or finalizing():
            return
        self._give_up()
        if attempt.source is not None and self._spawn is not None:
            self._spawn(attempt.close)

    def __getstate__(self) -> tuple[Result | None, int]:
        return self.result, self.generation

    def __setstate__(self, state: tuple[Result, int]) -> None:
        """Restore a run that is over: nothing else is left of it."""
        self.result, self.generation = state
        self.is_over, self.is_settled, self._attempt = True, True, None
        self.error = self.result.error
        self._final = self._step = self.result.state

    # -- details ------------------------------------------------------------------------------------------------------

    @property
    def reply(self) -> Reply:
        """What has arrived so far."""
        return self._accumulator.reply() if self.result is None else self.result.reply

    def _prepare(self, adjustments: Sequence[Adjustment] = ()) -> Prepared:
        return prepare(self.plan, stream=not self._whole, left=self._limits.left, lessons=adjustments)

    def _take(self, attempt: _Attempt, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Convert and keep chunks of an attempt."""
        visible = attempt.joint(attempt.filter(chunks))
        self._add(visible)
        if self._has_content():
            self._limits.content_came()
            if self._reporter is not None:
                self._reporter.note_content()
        return visible

    def _add(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._is_empty = False
            self._accumulator.add(chunk)
            if not isinstance(chunk, META_CHUNKS):
                self._count += 1
                self._last = chunk

    def _has_content(self) -> bool:
        """Whether this attempt brought content."""
        return self._count > self._known

    def _text_so_far(self) -> str:
        """The text that a new attempt could continue; empty if the response is not in the middle of its only part."""
        return text_to_continue(self.reply) if isinstance(self._last, TextStartChunk | TextChunk) else ""


def _hand_over(result: Result | None, on_end: OnEnd) -> Exception | None:
    """Hand a result to the owner of a run; return what goes wrong with it."""
    try:
        on_end(result)
    except Exception as error:
        return error
    return None


def interruption(error: BaseException) -> StreamClosedError:
    """Return what readers of a stream get after Ctrl-C or a cancellation."""
    return StreamClosedError(f"Reading the stream was interrupted ({type(error).__name__}).")


async def _open_stream(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return await exchange.open(runtime)


async def _open_whole(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return _Whole(await exchange.ask(runtime))


async def _close(source: ChunkSource) -> None:
    await source.close()


async def _give_up_lease(lease: Lease) -> None:
    lease.settle(None, {}, None)


async def _keep(_: object) -> None: ...


async def _call(call: Callable[[], None]) -> None:
    call()


class _Whole:
    """The chunks of a whole response, and its body as parsed JSON."""

    def __init__(self, answer: WholeResponse) -> None:
        self.raw: list[str] = []
        self.headers = answer.headers
        self.cancel_safe, self.loop_bound = True, False
        self.body = answer.raw
        self._chunks: Sequence[Chunk] | None = answer.chunks

    async def next(self) -> Sequence[Chunk] | None:
        chunks, self._chunks = self._chunks, None
        return chunks

    async def close(self) -> None: ...
