"""A streamed response: read once from the connection, by any number of readers.

A `Stream` is a `Run` with a memory, a lock and readers. The memory keeps all chunks, so every reader sees every chunk,
from the first. The connection is closed when the response is complete, when reading fails or is cancelled, by `close`,
and when the last reader that had begun goes away before the end (breaking out of a loop drops the loop's reader). A
failed stream stays failed: every later read raises the same error once it has shown what there was. A closed stream
keeps only what a reader has seen.

A failure is retried silently until a reader could have seen content. Afterwards it is retried only if `after_output`
says so: then the model continues the text, or the response begins anew. If a chunk of the old response was handed out,
every reader that had begun gets `StreamRestarted`; new readers read the new response from its start.

A stream is an object with `next` and `close` rather than an async generator, which would be closed late or never.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import FeatureNotSupportedError, RetryFailure, StreamClosedError, StreamRestarted
from ..types.chunks import (
    META_CHUNKS,
    Accumulator,
    Chunk,
    ContentChunk,
    MetaChunk,
    Reply,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from .observers import CallId
from .plan import Plan, Prepared
from .retry_policy import Target
from .run import Run, State, interruption
from .runtime import Runtime

__all__ = ["Reader", "Stream", "open_stream"]

_AFTER_ALL = sys.maxsize  # a position that no chunk has
_OF_CALLS = (ToolCallStartChunk, ToolCallChunk, ToolCallEndChunk)


async def open_stream(runtime: Runtime, plan: Plan) -> Stream:
    """Send a plan and return when the response begins."""
    await runtime.admit()
    stream = Stream(runtime, plan)
    await stream.open()
    return stream


class _Memory:
    """The chunks of a response, and how many of them were handed out to readers."""

    def __init__(self, beginning: Sequence[Chunk]) -> None:
        self.chunks: list[ContentChunk] = []
        self.is_handed_out: bool = False  # whether any chunk was, beside the beginning that the caller knew
        self._positions: dict[str, list[int]] = {}  # of the chunks of each tool call, by its id
        self._metadata: list[tuple[int, MetaChunk]] = []  # with the number of chunks before
        self._folds: list[_Fold] = []  # one at most, taken out while a thread uses it
        self.add(beginning)
        self.handed_out: int = len(self.chunks)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks that arrived."""
        for chunk in chunks:
            if isinstance(chunk, META_CHUNKS):
                self._metadata.append((len(self.chunks), chunk))
                continue
            if isinstance(chunk, _OF_CALLS):
                self._positions.setdefault(chunk.id, []).append(len(self.chunks))
            self.chunks.append(chunk)

    def hand_out(self, position: int) -> ContentChunk:
        """Return the chunk at a position."""
        self.is_handed_out = True
        if position >= self.handed_out:
            self.handed_out = position + 1
        return self.chunks[position]

    def show_all(self) -> None:
        """Note that everything so far was handed out."""
        self.handed_out = len(self.chunks)

    def position_in_call(self, id: str, position: int) -> int:
        """Return the first position, from this one on, of a chunk of a tool call or of one that has not come yet."""
        end = len(self.chunks)  # first: a chunk that comes meanwhile is not skipped
        positions = self._positions.get(id, ())
        place = bisect_left(positions, position)
        return positions[place] if place < len(positions) else max(position, end)

    def reply(self) -> Reply:
        """Return what was handed out. Several threads may ask at once."""
        try:
            fold = self._folds.pop()
        except IndexError:
            fold = _Fold()
        reply = fold.reply(self.chunks, self.handed_out, self._metadata)
        self._folds[:] = [fold]
        return reply


class _Fold:
    """The beginning of a response, as far as it was asked for."""

    def __init__(self) -> None:
        self._accumulator = Accumulator()
        self._chunks = self._metadata = 0  # how many of each it has

    def reply(self, chunks: Sequence[Chunk], end: int, metadata: Sequence[tuple[int, Chunk]]) -> Reply:
        """Return what the chunks before `end` say, with the metadata between them."""
        for chunk in chunks[self._chunks : end]:
            self._add_metadata(metadata)
            self._accumulator.add(chunk)
            self._chunks += 1
        self._add_metadata(metadata)
        return self._accumulator.reply()

    def _add_metadata(self, metadata: Sequence[tuple[int, Chunk]]) -> None:
        for position, chunk in metadata[self._metadata :]:
            if position > self._chunks:
                return
            self._accumulator.add(chunk)
            self._metadata += 1


class Stream:
    """A response that is arriving. See the module's docstring. `whole` asks for an undivided response, whose chunks
    all come at once."""

    def __init__(self, runtime: Runtime, plan: Plan, *, whole: bool = False) -> None:
        self.runtime = runtime
        self.restarts: int = 0
        """How many restarts readers have seen."""
        self._run = Run(runtime, plan, whole=whole)
        self._lock = runtime.lock()
        self._readers = 0
        self._restarted: RetryFailure | None = None
        self._interruption: StreamClosedError | None = None
        self._remember()

    def _remember(self) -> None:
        """Begin to remember the run's present response."""
        self._generation = self._run.generation
        self._memory = _Memory(self._run.beginning)  # another object, so that its holders notice

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """The plan of the present attempt."""
        return self._run.plan

    @property
    def prepared(self) -> Prepared:
        """The request of the present attempt."""
        return self._run.prepared

    @property
    def failures(self) -> Sequence[RetryFailure]:
        """The attempts that failed so far."""
        return self._run.failures

    @property
    def call_id(self) -> CallId:
        """The id of the call."""
        return self._run.call_id

    @property
    def chunks(self) -> list[ContentChunk]:
        """All chunks that arrived. After a restart it is another list."""
        return self._memory.chunks

    @property
    def handed_out(self) -> int:
        """The number of chunks that readers have seen."""
        return self._memory.handed_out

    @property
    def reply(self) -> Reply:
        """What readers have seen of the response."""
        memory = self._memory
        return self._run.reply if memory.handed_out >= len(memory.chunks) else memory.reply()

    @property
    def raw(self) -> list[str]:
        """The text of each event that arrived."""
        return self._run.raw

    @property
    def body(self) -> Any:
        """The body of a whole response, as parsed JSON."""
        return self._run.body

    @property
    def finished(self) -> bool:
        """Whether the response arrived completely."""
        return self._run.state is State.DONE

    @property
    def failure(self) -> Exception | None:
        """Why the stream failed or was closed."""
        error = self._run.error
        if error is None or isinstance(error, Exception):
            return error
        if self._interruption is None:
            self._interruption = interruption(error)
        return self._interruption

    # -- reading ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Send the plan, unless it is sent, and return when the response begins. Reading does it too."""
        run = self._run
        while not run.is_open and not run.is_over:
            await self._advance_unless(lambda: run.is_open)
        if self.failure is not None:
            raise self.failure

    async def pull(self, position: int, restarts: int) -> ContentChunk | None:
        """Return the content chunk at a position, read from the connection if need be; `None` after the last.

        Raises the error that the stream failed with, to every reader, and `StreamRestarted` if there were more restarts
        than the reader knows of."""
        run = self._run
        while True:
            if restarts != self.restarts and self._restarted is not None:
                raise StreamRestarted(self._restarted)
            memory = self._memory
            is_closed = run.is_over and run.state is State.CLOSED
            if position < (memory.handed_out if is_closed else len(memory.chunks)):
                return memory.hand_out(position)
            if position == _AFTER_ALL and not is_closed:  # `finish` sees all that comes
                memory.show_all()
            if run.is_over:
                if self.failure is not None:
                    raise self.failure
                return None
            await self._advance_unless(lambda: position < len(self._memory.chunks))

    def take(self, position: int) -> Sequence[ContentChunk]:
        """Hand out all chunks that have come, from a position on."""
        self._memory.is_handed_out = True
        self._memory.show_all()
        return self._memory.chunks[position : self._memory.handed_out]

    def position_in_call(self, id: str, position: int) -> int:
        """Return the first position, from this one on, of a chunk of a tool call or of one that has not come yet."""
        return self._memory.position_in_call(id, position)

    async def finish(self) -> None:
        """Read to the end."""
        await Reader(self, _AFTER_ALL).next()

    async def close(self) -> None:
        """Read no more, and close the connection. What readers have seen stays readable."""
        await self._run.close()

    def join(self) -> None:
        """Note a reader that begins."""
        self._readers += 1

    def leave(self) -> None:
        """Note a reader that goes away. With the last one an unfinished stream counts as closed at once; its connection
        is closed in the background."""
        self._readers -= 1
        if self._readers == 0:
            self._run.close_in_background()

    async def _advance_unless(self, is_needless: Callable[[], bool]) -> None:
        """Do a step of the run when no other reader does one, unless it is needless then."""
        mine = False
        try:
            async with self._lock:
                if not self._run.is_over and not is_needless():
                    mine = True
                    await self._advance()
        except BaseException as error:
            # A reader that only waited for its turn leaves the stream to the others.
            if not isinstance(error, Exception) and (mine or self._readers <= 1):
                await self._run.interrupt(error)
            raise

    async def _advance(self) -> None:
        run = self._run
        if not run.is_open:
            run.limit_first_token()
        chunks: Sequence[Chunk] | None = None
        try:
            chunks = await run.advance()
        except Exception:
            if not run.is_over:
                raise  # else readers get the error after the chunks before it
        if run.generation != self._generation:
            self._restart()
        if chunks:
            self._memory.add(chunks)

    def _restart(self) -> None:
        """Forget the old response. If a reader has seen some of it, tell all readers."""
        was_seen = self._memory.is_handed_out
        self._remember()
        if was_seen:
            self._readers = 0
            self.restarts += 1
            endpoint = self.prepared.endpoint
            self._restarted = self.failures[-1] if self.failures else _not_continued(self.plan, endpoint.provider_id)


def _not_continued(plan: Plan, provider_id: str) -> RetryFailure:
    """Return why a response begins anew that was to continue a text."""
    error = FeatureNotSupportedError("continuing a text", provider_id, plan.model_id)
    return RetryFailure(Target(plan.model_id, {}), error)


class Reader:
    """One reader of a stream: its chunks from `position` on, each once. Dropping it leaves the stream."""

    def __init__(self, stream: Stream, position: int = 0) -> None:
        self._stream = stream
        self._restarts = stream.restarts
        self._joined = False
        self._has_left = False
        self.position: int = position

    async def next(self) -> ContentChunk | None:
        """Return the next content chunk; `None` after the last, and after `leave`."""
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
        # A reader from before a restart no longer counts.
        if joined and self._restarts == self._stream.restarts:
            self._stream.leave()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        if not finalizing():
            self.leave()
