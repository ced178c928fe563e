"""A streamed answer: read once from the connection, by as many readers as like.

`LiveStream` keeps in memory what has come, so every reader sees every chunk, from the first. It owns its connection and
closes it when the answer is complete, when reading fails or is cancelled, when it is told to, and when the last reader
that had begun goes away before the end (breaking out of a loop drops the loop's reader). A failed stream stays failed:
every later read raises the same error once it has shown what there was.

A stream is an object with `next` and `close` rather than an async generator, which would be closed late or never.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..errors import StreamClosedError
from ..values.chunks import Accumulator, Chunk, ContentChunk, MetaChunk, Reply
from .calls import ChunkFilter
from .exchanges import ChunkSource
from .failures import FAILURES
from .plan import Plan, Prepared, prepare
from .runtime import Runtime

__all__ = ["LiveStream", "Reader", "open_stream"]


async def open_stream(runtime: Runtime, plan: Plan) -> LiveStream:
    """Send a plan and return when the answer begins."""
    stream = LiveStream(runtime, plan)
    await stream.open()
    return stream


class LiveStream:
    """An answer that is arriving. See the module's docstring."""

    def __init__(self, runtime: Runtime, plan: Plan) -> None:
        self.runtime = runtime
        self.plan = plan
        self.prepared: Prepared = prepare(plan, stream=True)
        self.chunks: list[ContentChunk] = []
        self.finished: bool = False
        self.failure: BaseException | None = None
        self._source: ChunkSource | None = None
        self._source_closed = False
        self._filter = ChunkFilter(self.prepared)
        self._accumulator = Accumulator()
        self._lock = runtime.lock()
        self._readers = 0
        self._reply: Reply | None = None

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

    async def open(self) -> None:
        """Send the plan, unless it is sent, and return when the answer begins. Reading does it too."""
        if self.failure is not None:
            raise self.failure
        async with self._lock:
            if self._source is None and self.failure is None:
                await self._guarded(self._open)

    async def pull(self, position: int) -> ContentChunk | None:
        """The content chunk at a position, read from the connection if need be; `None` behind the last.

        Raises what reading failed with, for all who ask."""
        while position >= len(self.chunks):
            if self.finished:
                return None
            if self.failure is not None:
                raise self.failure
            async with self._lock:
                if position >= len(self.chunks) and not self.finished and self.failure is None:
                    await self._guarded(self._read)
        return self.chunks[position]

    async def finish(self) -> None:
        """Read to the end."""
        while await self.pull(len(self.chunks)) is not None:
            pass

    async def close(self) -> None:
        """Give up what has not come yet, and the connection. What has come stays readable."""
        if not self.finished and self.failure is None:
            self.failure = StreamClosedError(
                "The stream was closed before its end. What had arrived is in the response's properties."
            )
        await self._close_source()

    def join(self) -> None:
        """A reader begins."""
        self._readers += 1

    def leave(self) -> None:
        """A reader goes away; with the last one, an unfinished stream is closed in the background."""
        self._readers -= 1
        if self._readers == 0 and not self.finished and self.failure is None:
            self.runtime.spawn(self.close)

    async def _open(self) -> None:
        self._source = await self.prepared.exchange.open(self.runtime)

    async def _read(self) -> None:
        if self._source is None:
            await self._open()
            return
        chunks = await self._source.next()
        if chunks is not None:
            self._take(chunks)
            return
        self.finished = True
        await self._close_source()

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step. What it fails with is what the stream failed with from then on."""
        try:
            await step()
        except FAILURES as error:
            self._take(getattr(error, "chunks", ()))
            partial = self._accumulator.reply() if self._source is not None else None
            self.failure = failure = self.prepared.signed(error, partial)
            await self._close_source()
            raise failure from failure.original_exception
        except Exception as error:
            self.failure = error
            await self._close_source()
            raise
        except BaseException as error:
            # Cancelled or interrupted: the connection is in no state to go on.
            self.failure = StreamClosedError(f"Reading the stream was interrupted ({type(error).__name__}).")
            await self._close_source()
            raise

    def _take(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            for kept in self._filter(chunk):
                self._accumulator.add(kept)
                if not isinstance(kept, MetaChunk):
                    self.chunks.append(kept)

    async def _close_source(self) -> None:
        if self._source is not None and not self._source_closed:
            self._source_closed = True
            await self._source.close()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # Opened, and dropped without being read: nobody else will close it.
        source = getattr(self, "_source", None)
        if source is not None and not self._source_closed and not finalizing():
            self.runtime.spawn(source.close)


class Reader:
    """One reader of a stream: what comes, from `position` on, each chunk once."""

    def __init__(self, stream: LiveStream, position: int = 0) -> None:
        self._stream = stream
        self._begun = False
        self.position: int = position

    async def next(self) -> ContentChunk | None:
        """The next content chunk; `None` after the last."""
        if not self._begun:
            self._begun = True
            self._stream.join()
        chunk = await self._stream.pull(self.position)
        if chunk is not None:
            self.position += 1
        return chunk

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        if self._begun and not finalizing():
            self._stream.leave()
