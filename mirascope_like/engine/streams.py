"""A streamed answer: read once from the connection, by as many readers as like.

`LiveStream` keeps in memory what has come, so every reader sees every chunk, from the first. It owns its connection and
closes it when the answer is complete, when reading fails or is cancelled, when it is told to, and when the last reader
that had begun goes away before the end (breaking out of a loop drops the loop's reader). A failed stream stays failed:
every later read raises the same error once it has shown what there was.

Until a reader could have seen content, a failed stream is retried silently. Afterwards it is retried only if
`after_output` says so: then the model goes on where it stopped, or the answer begins anew. If a chunk of the old one
was handed out, every reader that had begun gets `StreamRestarted`, and new ones read the new answer from its start.

A stream is an object with `next` and `close` rather than an async generator, which would be closed late or never.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RetryFailure, StreamClosedError, StreamRestarted
from ..types.chunks import (
    Accumulator,
    Chunk,
    ContentChunk,
    MetaChunk,
    Reply,
    TextChunk,
    TextStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
)
from .attempts import Attempts
from .calls import ChunkFilter
from .continuations import Joint, beginning_of
from .exchanges import ChunkSource, Exchange, WholeAnswer
from .failures import FAILURES
from .lessons import sent
from .observers import CallId, Outcome, Watch, watch
from .plan import Plan, Prepared, prepare
from .runtime import Runtime, Spawner

if TYPE_CHECKING:
    from ..wire.refusals import Adjustment

__all__ = ["LiveStream", "Reader", "open_stream"]

_BEHIND_ALL = sys.maxsize  # a position that no chunk has
_OF_CALLS = (ToolCallChunk, ToolCallEndChunk)


async def open_stream(runtime: Runtime, plan: Plan) -> LiveStream:
    """Send a plan and return when the answer begins."""
    await runtime.admit()
    stream = LiveStream(runtime, plan)
    await stream.open()
    return stream


class LiveStream:
    """An answer that is arriving. See the module's docstring. `whole` asks for it undivided: then it comes at once."""

    def __init__(self, runtime: Runtime, plan: Plan, *, whole: bool = False) -> None:
        self.runtime = runtime
        self._whole = whole
        self.finished: bool = False
        self.failure: BaseException | None = None
        self.call_id: CallId = CallId(plan)
        self._bell = runtime.bell()
        self._attempts = Attempts(runtime, plan, self._bell.rest)
        self._limits = self._attempts.limits
        self._lock = runtime.lock()
        self._spawn: Spawner | None = None
        self._readers = 0
        self.restarts: int = 0
        self._restarted: RetryFailure | None = None
        self._watch: Watch | None = None
        self._begin()
        self._clear()

    def _begin(self) -> None:
        """Get ready for an attempt."""
        self.prepared: Prepared = self._prepared()
        self._source: ChunkSource | None = None
        self._source_closed = False
        self._filter = ChunkFilter(self.prepared)
        self._joint = Joint((self.plan.beginning or "") if self.prepared.continues == "prefill" else "")

    def _clear(self) -> None:
        """Forget what has come: the answer begins anew, or with what it is to go on from."""
        self.chunks: list[ContentChunk] = []  # another list, so that who holds one notices
        self._positions: dict[str, list[int]] = {}  # of the chunks of each tool call, by its id
        self._accumulator = Accumulator()
        self._handed_out = False
        self._reply: Reply | None = None
        self._add(self._joint.beginning)
        self._known = len(self.chunks)  # how many chunks there were before this attempt

    @property
    def plan(self) -> Plan:
        """What is asked, and of whom now."""
        return self._attempts.plan

    @property
    def failures(self) -> Sequence[RetryFailure]:
        """The attempts that failed so far."""
        return self._attempts.failures

    @property
    def reply(self) -> Reply:
        """What has come so far."""
        if self._reply is not None:
            return self._reply
        reply = self._accumulator.reply()
        if self.finished:
            self._reply = reply
        return reply

    @property
    def raw(self) -> list[str]:
        """The text of each event so far."""
        return self._source.raw if self._source is not None else []

    @property
    def body(self) -> Any:
        """The answer's body as parsed JSON, if it was asked for whole."""
        return self._source.body if isinstance(self._source, _Whole) else None

    async def open(self) -> None:
        """Send the plan, unless it is sent, and return when the answer begins. Reading does it too."""
        if self.failure is not None:
            raise self.failure
        await self._in_turn(self._open, lambda: self._source is None)
        if self.failure is not None:
            raise self.failure

    async def pull(self, position: int, restarts: int) -> ContentChunk | None:
        """The content chunk at a position, read from the connection if need be; `None` behind the last.

        Raises what reading failed with, for all who ask, and `StreamRestarted` if there have been more restarts than
        the reader knows of."""
        while True:
            if restarts != self.restarts and self._restarted is not None:
                raise StreamRestarted(self._restarted)
            if position < len(self.chunks):
                self._handed_out = True
                return self.chunks[position]
            if self.finished:
                return None
            if self.failure is not None:
                raise self.failure
            await self._in_turn(self._read, lambda: position >= len(self.chunks))

    def position_in_call(self, id: str, position: int) -> int:
        """The first position, from this one on, of a chunk of a tool call or of one that has not come yet."""
        end = len(self.chunks)  # first: a chunk that comes meanwhile is not skipped
        positions = self._positions.get(id, ())
        place = bisect_left(positions, position)
        return positions[place] if place < len(positions) else max(position, end)

    async def finish(self) -> None:
        """Read to the end, which hands out nothing to anybody."""
        await Reader(self, _BEHIND_ALL).next()

    async def close(self) -> None:
        """Give up what has not come yet, and the connection. What has come stays readable."""
        self._give_up()
        await self._cut()

    async def _cut(self) -> None:
        """End a wait for the next attempt, and the connection."""
        self._bell.ring()
        await self._close_source()

    def _give_up(self) -> bool:
        """Let nothing more come; whether there was more to come."""
        if self.finished or self.failure is not None:
            return False
        self.failure = StreamClosedError(
            "The stream was closed before its end. What had arrived is in the response's properties."
        )
        if len(self.chunks) > self._known:  # it was being answered, as far as anybody can tell
            self._attempts.refund()
        self._tell()
        return True

    def join(self) -> None:
        """A reader begins."""
        self._readers += 1

    def leave(self) -> None:
        """A reader goes away. With the last one an unfinished stream counts as closed at once; its connection is
        closed in the background."""
        self._readers -= 1
        if self._readers == 0 and self._spawn is not None and self._give_up():
            self._spawn(self._cut)

    async def _in_turn(self, step: Callable[[], Awaitable[None]], needed: Callable[[], bool]) -> None:
        """Do a step when no other reader does one, if it is still needed then."""
        mine = False
        try:
            async with self._lock:
                if needed() and not self.finished and self.failure is None:
                    mine = True
                    await self._guarded(step)
        except Exception:
            raise
        except BaseException as error:
            if not mine and self._readers <= 1:  # else it only waited for its turn, and leaves the stream to the others
                await self._interrupt(error)
            raise

    async def _open(self) -> None:
        if self._spawn is None:  # the first attempt, with which the call begins
            self._watch = watch(self.call_id, self._outcome)
            self._spawn = self.runtime.spawner()
        self._limits.await_content()
        self.prepared, self._source = await sent(self.prepared, self._prepared, self._opened)
        self._filter = ChunkFilter(self.prepared)

    def _prepared(self, lessons: Sequence[Adjustment] = ()) -> Prepared:
        return prepare(self.plan, stream=not self._whole, left=self._limits.left, lessons=lessons)

    async def _opened(self, prepared: Prepared) -> ChunkSource:
        opening = _ask if self._whole else _open
        return await self._limits.opening(lambda: opening(prepared.exchange, self.runtime), _close)

    async def _read(self) -> None:
        if self._source is None:
            await self._open()
            return
        chunks = await self._limits.reading(self._source.next, self._source.close)
        if chunks is not None:
            self._take(chunks)
            return
        self._add(self._joint.end())
        self.finished = True
        self._attempts.refund()
        await self._close_source()

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step, in new attempts if need be. What it fails with in the end becomes `failure`, which readers are
        told when they have seen what came before."""
        try:
            while True:
                try:
                    await step()
                except Exception as error:
                    failure = error
                else:
                    if self.failure is not None:  # closed meanwhile, when this had not been opened yet
                        await self._close_source()
                    return
                failure = await self._failed(failure)
                await self._begin_again(failure)
        except StreamRestarted:
            raise
        except Exception as error:
            if self.failure is None:  # else it was closed meanwhile, which is why this failed
                self.failure = error
        except BaseException as error:
            await self._interrupt(error)
            raise
        finally:
            self._tell()

    def _tell(self) -> None:
        """Let observers know if this was the end."""
        if self._watch is not None and (self.finished or self.failure is not None):
            self._watch.ended(self._outcome())

    def _outcome(self) -> Outcome:
        """The state of the call. It is first asked for when the request is about to be sent."""
        raw = self.body if self._whole else self.raw
        return Outcome(plan=self.plan, prepared=self.prepared, reply=self.reply, error=self.failure, raw=raw)

    async def _interrupt(self, error: BaseException) -> None:
        """Cancelled, or Ctrl-C: the connection is in no state to go on."""
        if not self.finished and self.failure is None:
            self.failure = StreamClosedError(f"Reading the stream was interrupted ({type(error).__name__}).")
            self._tell()  # before closing, which a cancelled task may not live to see
            await self._close_source()

    async def _failed(self, failure: Exception) -> Exception:
        """What a step failed with, in the library's words. Nothing is left open then."""
        if isinstance(failure, FAILURES):
            self._take(getattr(failure, "chunks", ()))
            partial = self._accumulator.reply() if self._source is not None else None
            failure = self.prepared.signed(failure, partial)
        await self._close_source()
        return failure

    async def _begin_again(self, error: Exception) -> None:
        """Begin the next attempt. Raises the error if there is none, and `StreamRestarted` if what counts no more was
        handed out."""
        after_output = self.plan.retry.after_output if self.plan.retry is not None else "raise"
        seen = len(self.chunks) > self._known
        if seen and after_output == "raise":
            raise error
        if seen and after_output == "continue":
            self._attempts.go_on_from(self._beginning())
        await self._attempts.after(error)
        if self.failure is not None:  # closed meanwhile
            self._attempts.refund()
            raise self.failure
        self._begin()
        if self.prepared.continues == "prefill" and self.plan.beginning == self._beginning():
            self._known = len(self.chunks)
            return
        stale = self._handed_out
        self._clear()
        if stale:
            self._readers = 0
            self.restarts += 1
            self._restarted = self.failures[-1]
            raise StreamRestarted(self._restarted)

    def _beginning(self) -> str:
        """The text that this stream could go on with; empty if it is not in the middle of its only part."""
        in_text = bool(self.chunks) and isinstance(self.chunks[-1], TextStartChunk | TextChunk)
        return beginning_of(self._accumulator.reply()) if in_text else ""

    def _take(self, chunks: Sequence[Chunk]) -> None:
        self._add(self._joint(self._filter(chunks)))
        if len(self.chunks) > self._known:
            self._limits.content_came()

    def _add(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self._accumulator.add(chunk)
            if not isinstance(chunk, MetaChunk):
                if isinstance(chunk, _OF_CALLS):
                    self._positions.setdefault(chunk.id, []).append(len(self.chunks))
                self.chunks.append(chunk)

    async def _close_source(self) -> None:
        if self._source is not None and not self._source_closed:
            self._source_closed = True
            await self._source.close()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # Dropped before its end: nobody else will close it, or tell of it.
        spawn = getattr(self, "_spawn", None)  # set when it is opened
        if spawn is None or finalizing():
            return
        self._give_up()
        if self._source is not None and not self._source_closed:
            spawn(self._source.close)


async def _open(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return await exchange.open(runtime)


async def _ask(exchange: Exchange, runtime: Runtime) -> ChunkSource:
    return _Whole(await exchange.ask(runtime))


async def _close(source: ChunkSource) -> None:
    await source.close()


class _Whole:
    """The chunks of an answer that came undivided, and its body as parsed JSON."""

    def __init__(self, answer: WholeAnswer) -> None:
        self.raw: list[str] = []
        self.body = answer.raw
        self._chunks: Sequence[Chunk] | None = answer.chunks

    async def next(self) -> Sequence[Chunk] | None:
        chunks, self._chunks = self._chunks, None
        return chunks

    async def close(self) -> None: ...


class Reader:
    """One reader of a stream: what comes, from `position` on, each chunk once. Dropping it leaves the stream."""

    def __init__(self, stream: LiveStream, position: int = 0) -> None:
        self._stream = stream
        self._restarts = stream.restarts
        self._joined = False
        self._has_left = False
        self.position: int = position

    async def next(self) -> ContentChunk | None:
        """The next content chunk; `None` after the last, and when it has left."""
        if self._has_left:
            return None
        if not self._joined and self._restarts == self._stream.restarts:
            self._joined = True
            self._stream.join()
        position = self.position
        self.position = position + 1  # before it waits: tasks may share a reader, and none gets what another has
        chunk = None
        try:
            chunk = await self._stream.pull(position, self._restarts)
        finally:
            if chunk is None and self.position == position + 1:
                self.position = position
        return chunk

    def skip_to_call(self, id: str) -> None:
        """Skip what has come of everything but the tool call with this id."""
        self.position = self._stream.position_in_call(id, self.position)

    def leave(self) -> None:
        """Read no more."""
        joined, self._joined, self._has_left = self._joined, False, True
        # A reader of what the stream was before it began anew no longer counts.
        if joined and self._restarts == self._stream.restarts:
            self._stream.leave()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        if not finalizing():
            self.leave()
