"""A streamed response: read once from the connection, by any number of readers.

A `Stream` is a `Run` with a memory, a lock and readers. The memory keeps all chunks, so every reader sees every chunk,
from the first. The connection is closed when the response is complete, when reading fails or is cancelled, by `close`,
and when the last reader that had begun goes away before the end (breaking out of a loop drops the loop's reader). One
of several readers that is cancelled leaves the stream to the others, if the transport can repeat its read. A
failed stream stays failed: every later read raises the same error once it has shown what there was. A closed stream
keeps only what a reader has seen.

A failure is retried silently until a reader could have seen content. Afterwards it is retried only if `after_output`
says so: then the model continues the text, or the response begins anew. If a chunk of the old response was handed out,
every reader that had begun gets `StreamRestarted`; new readers read the new response from its start.

A stream is an object with `next` and `close` rather than an async generator, which would be closed late or never.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import FeatureNotSupportedError, RetryFailure, StreamClosedError, StreamRestarted
from ..types.chunks import Chunk, ContentChunk, Reply
from .chunk_memory import ChunkMemory
from .plan import Plan
from .results import Result, State
from .retry_policy import Target
from .run import OnEnd, PlanSource, Run, interruption
from .runtime import Runtime

_AFTER_ALL = sys.maxsize  # a position that no chunk has


async def open_stream(runtime: Runtime, plan: Plan) -> Stream:
    """Send a plan and return when the response begins."""
    stream = Stream(runtime, plan)
    await stream.open()
    return stream


class Stream:
    """A response that is arriving. See the module's docstring. `whole` asks for an undivided response, whose chunks
    all come at once.

    A lazy response has a plan source, which the first reader awaits, and an owner. The owner gets the result by
    `on_end`, and keeps the stream open when all readers have gone away."""

    def __init__(
        self, runtime: Runtime, plan: Plan | PlanSource, *, whole: bool = False, on_end: OnEnd | None = None
    ) -> None:
        self.runtime: Runtime = runtime
        self.restarts: int = 0
        """How many restarts readers have seen."""
        self._run = Run(runtime, plan, whole=whole, on_end=on_end)
        self.has_owner: bool = on_end is not None
        self._run.limit_first_token()
        self._readers = 0
        self._restarted: RetryFailure | None = None
        self._begin_reading()
        self._remember()

    def _begin_reading(self) -> None:
        """Make what readers need, and no pickle holds."""
        self._lock = self.runtime.lock()
        self._reads: set[object] = set()  # those under way, by a token each
        self._interruption: StreamClosedError | None = None
        self._shown: tuple[int, Result] | None = None  # the result of a run that is over, after so many chunks

    def _remember(self) -> None:
        """Begin to remember the run's present response."""
        self._generation = self._run.generation
        self._memory = ChunkMemory(self._run.beginning)  # another object, so that its holders notice

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def memory(self) -> ChunkMemory:
        """The chunks that arrived. After a restart it is another object."""
        return self._memory

    @property
    def result(self) -> Result:
        """The response, as far as readers have seen it."""
        seen = self._memory.handed_out
        shown = self._shown
        if shown is not None and shown[0] == seen:
            return shown[1]
        result = self._run.snapshot()
        assert result is not None, "the stream is not open"
        if seen < len(self._memory):
            result = replace(result, reply=self._memory.reply())
        if self._run.is_over:
            self._shown = seen, result
        return result

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

    def __getstate__(self) -> tuple[object, ...]:
        if not self._run.is_over:
            raise TypeError("The stream is not read to its end, so it cannot be copied or pickled: finish() it first.")
        self._pack()
        return self.runtime, self._run, self._memory, self.restarts

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.runtime, self._run, self._memory, self.restarts = state
        self._generation, self._readers, self._restarted = self._run.generation, 0, None
        self.has_owner = False
        self._begin_reading()

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
            if (chunk := self.peek(position, restarts)) is not None:
                return chunk
            if position == _AFTER_ALL and run.state is not State.CLOSED:  # `finish` sees all that comes
                self._memory.show_all()
            if run.is_over:
                if self.failure is not None:
                    raise self.failure
                return None
            await self._advance_unless(lambda: position < len(self._memory))

    def peek(self, position: int, restarts: int) -> ContentChunk | None:
        """Return the content chunk at a position; `None` if it has not come. Raises `StreamRestarted`, as `pull`
        does."""
        if restarts != self.restarts and self._restarted is not None:
            raise StreamRestarted(self._restarted)
        memory = self._memory
        is_cut_off = self._run.is_over and self._run.state is State.CLOSED and not self.has_owner
        end = memory.handed_out if is_cut_off else len(memory)
        return memory.hand_out(position) if position < end else None

    def take(self, position: int) -> Sequence[ContentChunk]:
        """Hand out all chunks that have come, from a position on."""
        return self._memory.hand_out_all(position)

    def position_in_call(self, id: str, position: int) -> int:
        """Return the first position, from this one on, of a chunk of a tool call or of one that has not come yet."""
        return self._memory.position_in_call(id, position)

    async def finish(self) -> None:
        """Read to the end."""
        await Reader(self, _AFTER_ALL).next()

    async def advance(self) -> None:
        """Do a step when no other reader does one, for a reader that wants no chunks. Raises no error of the call."""
        restarts = self.restarts
        self._readers += 1
        try:
            await self._advance_unless(lambda: False)
        finally:
            if restarts == self.restarts:
                self._readers -= 1

    async def close(self, reason: StreamClosedError | None = None) -> None:
        """Read no more, and close the connection. What readers have seen stays readable; then they get `reason`, if it
        is given."""
        await self._run.close(reason)
        self._pack()

    def join(self) -> None:
        """Note a reader that begins."""
        self._readers += 1

    def leave(self) -> None:
        """Note a reader that goes away. With the last one an unfinished stream that has no owner counts as closed at
        once; its connection is closed in the background."""
        self._readers -= 1
        if self._readers == 0 and not self.has_owner:
            self._run.close_in_background()
            if self._run.is_over:
                self._pack()

    async def _advance_unless(self, is_needless: Callable[[], bool]) -> None:
        """Do a step of the run when no other reader does one, unless it is needless then."""
        if self._run.close_if_elsewhere():  # before the lock, which belongs to an event loop too
            return
        read = object()
        self._reads.add(read)
        try:
            async with self._lock:
                if not self._run.is_over and not is_needless():
                    await self._advance()
        except BaseException as error:
            self._reads.discard(read)
            # Who is cancelled leaves the stream to others that read, or have begun to.
            if not isinstance(error, Exception) and self._readers <= 1 and not self._reads:
                await self._run.interrupt(error)
            raise
        finally:
            self._reads.discard(read)

    async def _advance(self) -> None:
        run = self._run
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
        if run.is_over:
            self._pack()

    def _pack(self) -> None:
        """Keep what is over in less memory. If another thread ends the run just now, that does it."""
        if not self._run.is_settled:
            return
        result = self._run.result
        self._memory.pack(Reply() if result is None else result.reply)
        if self.has_owner:
            self._run.release()

    def _restart(self) -> None:
        """Forget the old response. If a reader has seen some of it, tell all readers."""
        was_seen = self._memory.is_handed_out
        self._remember()
        if was_seen:
            self._readers = 0
            self.restarts += 1
            failures = self._run.failures
            self._restarted = failures[-1] if failures else _not_continued(self.result)


def _not_continued(result: Result) -> RetryFailure:
    """Return why a response begins anew that was to continue a text."""
    error = FeatureNotSupportedError("continuing a text", result.provider_id, result.plan.model_id)
    return RetryFailure(Target(result.plan.model_id, {}), error)


class Reader:
    """One reader of a stream: its chunks from `position` on, each once. Dropping it leaves the stream."""

    def __init__(self, stream: Stream, position: int = 0) -> None:
        self._stream = stream
        self._restarts = stream.restarts
        self._joined = False
        self._has_left = False
        self._reads = 0  # those under way: tasks may share a reader
        self.position: int = position

    def peek(self) -> ContentChunk | None:
        """Return the next content chunk if it has come. Without waiting, so it costs a fraction of `next`."""
        if not self._joined:
            return None
        chunk = self._stream.peek(self.position, self._restarts)
        if chunk is not None:
            self.position += 1
        return chunk

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
        self._reads += 1
        try:
            chunk = await self._stream.pull(position, self._restarts)
        except BaseException as error:
            if not isinstance(error, Exception) and self._stream.has_owner and self._reads == 1:
                self._unjoin()  # nothing drops it, so the last reader that is cancelled would count it
            raise
        finally:
            self._reads -= 1
            if chunk is None and self.position == position + 1:
                self.position = position
        return chunk

    def skip_to_call(self, id: str) -> None:
        """Skip what has come of everything but the tool call with this id."""
        self.position = self._stream.position_in_call(id, self.position)

    def leave(self) -> None:
        """Read no more."""
        self._has_left = True
        self._unjoin()

    def _unjoin(self) -> None:
        joined, self._joined = self._joined, False
        # A reader from before a restart no longer counts.
        if joined and self._restarts == self._stream.restarts:
            self._stream.leave()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        if not finalizing():
            self.leave()
