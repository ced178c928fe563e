"""Guards the laws of a streamed response, by random sequences of what servers and readers do, in each colour.

* After a final state, no request is sent, and no source is read.
* Each source is closed exactly once, and at the latest when the stream is in a final state.
* There are at most as many requests as the retry policy allows.
* Each call that sent a request is observed once: it has one row in the log.
* All readers see the same chunks, or the beginning of them, and then the same ending.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from .inside import Source, StepwiseTransport

EXAMPLES, STEPS, READERS = 100, 25, 3
END = (b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n", None)


def text_event(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text.encode()


@dataclass
class Reader:
    """An iterator over the chunks, what it has seen since the response last began anew, and how it ended."""

    chunks: Any
    restarts: int
    seen: list[str] = field(default_factory=list)
    ending: str | None = None
    waiting: Future[None] | None = None


class Streams(RuleBasedStateMachine):
    """A streamed response, its server and its readers."""

    colour: ClassVar[Colour]
    portal: ClassVar[BlockingPortal]
    rows: ClassVar[Callable[[], int]]

    # -- the server ---------------------------------------------------------------------------------------------------

    @initialize(
        retries=st.integers(0, 2),
        after_output=st.sampled_from(["raise", "restart", "continue"]),
        openings=st.lists(st.sampled_from(["opened", "opened", "refused", "failed"]), max_size=3),
        slow=st.booleans(),
        until_close=st.integers(0, 15),
    )
    def open(self, retries: int, after_output: Any, openings: list[str], slow: bool, until_close: int) -> None:
        self.sources: list[Source] = []
        self.requests, self.texts, self.restarts = 0, 0, 0
        self.readers: list[Reader] = []
        self.dropped: list[Reader] = []
        self.requests_at_end: int | None = None
        self.slow = slow and self.colour.is_async  # the wait for a further attempt does not end by itself
        self.openings = [] if self.slow else openings
        self.retries = retries
        self.until_close = until_close  # steps before the stream may be closed or forgotten, so that much happens
        self.rows_before = self.rows()
        delay = 50.0 if self.slow else 0.0
        retry = llm.RetryConfig(max_retries=retries, initial_delay=delay, jitter=0, after_output=after_output)
        llm.register_provider("openai:completions", scope="test/", transport=StepwiseTransport(self._opened))
        self.response: Any = None
        self._do(self._open, llm.Model("test/model", retry=retry))

    async def _open(self, model: llm.Model) -> None:
        with contextlib.suppress(llm.ProviderError, llm.RetriesExhausted):
            self.response = await self.colour.got(self.colour.stream(model, "Hi"))

    def _opened(self) -> Source:
        self.requests += 1
        opening = self.openings.pop(0) if self.openings else "opened"
        if opening == "failed":
            raise llm.ConnectionError("No connection.")
        source = Source(waits=self.colour.is_async)
        if opening == "refused":
            source.status = 503
            source.put(b"{}", None)
        elif self.restarts or self.requests > 1:
            source.put(self._text())  # what asks again finds something, so that blocking readers need not wait
        self.sources.append(source)
        return source

    def _text(self) -> bytes:
        self.texts += 1
        return text_event(f"{self.texts} ")

    @property
    def serving(self) -> bool:
        """Whether the server can say more."""
        return self.response is not None and not (self.sources[-1].ended or self.sources[-1].closed)

    @rule()
    @precondition(lambda self: self.serving)
    def send(self) -> None:
        self._put(self._text())

    @rule()
    @precondition(lambda self: self.serving)
    def end(self) -> None:
        self._put(*END)

    @rule()
    @precondition(lambda self: self.serving)
    def fail(self) -> None:
        self._put(llm.ConnectionError("Gone."))

    @rule()
    @precondition(lambda self: self.serving)
    def end_too_early(self) -> None:
        self._put(None)

    def _put(self, *items: bytes | Exception | None) -> None:
        async def put() -> None:
            self.sources[-1].put(*items)

        self._do(put)

    @rule()
    def do_nothing(self) -> None:
        """There is always something to do."""

    # -- readers ------------------------------------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: self.response is not None and len(self.readers) < READERS)
    def begin_reading(self) -> None:
        self.readers.append(Reader(self.response.chunk_stream(), self.restarts))

    @rule(data=st.data())
    @precondition(lambda self: any(map(self._may_read, self.readers)))
    def read(self, data: st.DataObject) -> None:
        """Read a chunk; in async code, wait for it if there is none."""
        self._begin_read(data.draw(st.sampled_from(list(filter(self._may_read, self.readers)))))

    @rule()
    def read_all(self) -> None:
        """Let each reader read a chunk; in async code, all at the same time."""
        for reader in filter(self._may_read, tuple(self.readers)):
            self._begin_read(reader)

    def _begin_read(self, reader: Reader) -> None:
        if self.colour.is_async:
            reader.waiting = self.portal.start_task_soon(self._read, reader)
            self._do(anyio.lowlevel.checkpoint)
        else:
            self._do(self._read, reader)

    def _may_read(self, reader: Reader) -> bool:
        if reader.ending is not None or (reader.waiting is not None and not reader.waiting.done()):
            return False
        source = self.sources[-1]
        ended = source.ended or source.closed or self.response.consumed
        return self.colour.is_async or bool(ended or source.items or len(reader.seen) < len(self.response.chunks))

    async def _read(self, reader: Reader) -> None:
        try:
            chunk = await anext(reader.chunks, None) if self.colour.is_async else next(reader.chunks, None)
        except llm.StreamRestarted:
            self.restarts = max(self.restarts, reader.restarts + 1)
            reader.chunks, reader.seen, reader.restarts = self.response.chunk_stream(), [], self.restarts
        except llm.Error as error:
            self._end(reader, type(error).__name__)
        else:
            self._end(reader, "the end") if chunk is None else reader.seen.append(repr(chunk))

    def _end(self, reader: Reader, ending: str) -> None:
        reader.ending = ending
        self._note_end()

    def _note_end(self) -> None:
        """The stream is in a final state, or about to be: from now on nothing is sent."""
        if self.requests_at_end is None:
            self.requests_at_end = self.requests

    @rule(data=st.data())
    @precondition(lambda self: any(map(self._waits, self.readers)))
    def cancel(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(list(filter(self._waits, self.readers))))
        reader.waiting.cancel()
        self._do(anyio.lowlevel.checkpoint)

    @staticmethod
    def _waits(reader: Reader) -> bool:
        return reader.waiting is not None and not reader.waiting.done()

    @rule(data=st.data())
    @precondition(lambda self: any(not self._waits(reader) for reader in self.readers))
    def drop(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from([reader for reader in self.readers if not self._waits(reader)]))
        self.readers.remove(reader)
        self.dropped.append(reader)
        self._do(self._drop, reader)

    async def _drop(self, reader: Reader) -> None:
        reader.chunks = None

    @rule()
    @precondition(lambda self: self.response is not None and self.until_close <= 0)
    def close(self) -> None:
        self._note_end()
        self._do(self._close)

    async def _close(self) -> None:
        await self.colour.close(self.response)

    @rule()
    @precondition(lambda self: self.until_close <= 0 and not any(map(self._waits, self.readers)))
    def forget(self) -> None:
        """Drop the response and all its readers."""
        self._do(self._forget)

    async def _forget(self) -> None:
        self.response = None
        self.readers.clear()
        gc.collect()

    # -- the laws -----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "sources"):
            return
        try:
            if self.response is not None:
                self._read_all()
                self._check_closed()
            self._do(self._forget)
            self._check_closed()
            assert self.requests <= self.retries + 1, "requests beyond the policy"
            assert self.requests_at_end in (None, self.requests), "a request was sent after a final state"
            assert not any(source.read_after_close for source in self.sources), "a source was read after it was closed"
            assert self.rows() - self.rows_before == 1, "one finished call for each that was started"
        finally:
            for reader in self.readers:
                if reader.waiting is not None:
                    reader.waiting.cancel()

    @invariant()
    def sources_are_closed_in_the_end(self) -> None:
        if getattr(self, "requests_at_end", None) is not None:
            self._check_closed()

    def _check_closed(self) -> None:
        assert [source.closed for source in self.sources] == [1] * len(self.sources), "sources are closed once"

    def _read_all(self) -> None:
        """Let the server end, read all readers to their end, and compare them with one that begins now."""
        last = Reader(self.response.chunk_stream(), self.restarts)
        self.readers.append(last)
        if self.serving:
            self._put(*END)
        if self.slow:
            self.close()
        for reader in self.readers:
            if reader.waiting is not None:
                with contextlib.suppress(BaseException):
                    reader.waiting.exception(PATIENCE)
            for _ in range(10 * STEPS):
                if reader.ending is None:
                    if self.serving:
                        self._put(*END)
                    self._do(self._read, reader)
        for reader in self.readers:
            assert (reader.ending, reader.seen) == (last.ending, last.seen), "all readers see the same"
        for reader in self.dropped:
            if reader.restarts == self.restarts:
                assert last.seen[: len(reader.seen)] == reader.seen, "dropped readers saw the beginning"

    # -- machinery ----------------------------------------------------------------------------------------------------

    def _do(self, step: Callable[..., Any], *args: Any) -> None:
        """Run a step in the colour, and what it wakes."""
        self.until_close -= 1
        if not self.colour.is_async:
            self.colour.run(lambda: step(*args))
            return

        async def settled() -> None:
            await step(*args)
            await anyio.wait_all_tasks_blocked()

        self.portal.call(settled)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """How many calls are in a log of all calls."""
    path = tmp_path / "calls.db"
    with llm.log(path) as log, contextlib.closing(sqlite3.connect(path)) as connection:

        def counted() -> int:
            log.flush(PATIENCE)
            return connection.execute("SELECT count(*) FROM responses").fetchone()[0]

        yield counted


@pytest.fixture
def streams(colour: Colour, rows: Callable[[], int]) -> Iterator[type[Streams]]:
    """The state machine in a colour."""
    gc.collect()
    gc.freeze()  # what is there already is not looked through again
    with contextlib.ExitStack() as stack:
        stack.callback(gc.unfreeze)
        portal = stack.enter_context(start_blocking_portal(colour.name)) if colour.is_async else None
        members = {"colour": colour, "portal": portal, "rows": staticmethod(rows)}
        yield type(f"StreamsIn{colour.name.title()}", (Streams,), members)


def test_a_stream_that_is_closed_between_attempts_sends_nothing(streams: type[Streams]) -> None:
    machine = streams()
    machine.open(retries=1, after_output="raise", openings=[], slow=True, until_close=0)
    machine.begin_reading()
    if machine.slow:
        machine.read_all()
        machine.fail()
    machine.close()
    machine.teardown()


def test_streams_keep_the_laws(streams: type[Streams]) -> None:
    run_state_machine_as_test(
        streams,
        settings=settings(
            phases=[Phase.generate],  # add Phase.shrink for the shortest failure, which takes minutes
            report_multiple_bugs=False,
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
