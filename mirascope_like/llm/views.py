"""Ways to look at a stream: as chunks, as text, part by part.

A view is a reader of the stream and a step, a plain function that turns one chunk into what is shown for it. The steps
are the same for both colours; only the two iterators at the end differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import ClassVar, Generic, Literal, Protocol, TypeAlias

from typing_extensions import TypeVar

from ..engine.runtime import run
from ..engine.streams import Reader, Stream
from ..schema.formats import Format
from ..types.chunks import (
    CitationChunk,
    ContentChunk,
    ProviderChunk,
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
from ..types.content import AssistantContentPart, Citation, ServerToolCall, Text, Thought, ToolCall

T = TypeVar("T", covariant=True)
F = TypeVar("F")
Step: TypeAlias = Callable[[ContentChunk], Sequence[T]]


# -- steps ------------------------------------------------------------------------------------------------------------


def chunks(chunk: ContentChunk) -> Sequence[ContentChunk]:
    """Each chunk as it is."""
    return (chunk,)


def text_pieces(sep: str) -> Step[str]:
    """The text as it comes, with `sep` between two texts: joined, it is `text(sep)`."""
    texts = 0

    def step(chunk: ContentChunk) -> Sequence[str]:
        nonlocal texts
        if isinstance(chunk, TextChunk):
            return (chunk.delta,)
        if isinstance(chunk, TextStartChunk):
            texts += 1
            return (sep,) if texts > 1 and sep else ()
        return ()

    return step


def partials(format: Format[T]) -> Step[T]:
    """After each piece of text that changes it, the value so far: the same object, which grows. At the end, the valid
    value."""
    from ..schema.partial.value import PartialValueParser

    parser = PartialValueParser(format)

    def step(chunk: ContentChunk) -> Sequence[T]:
        if isinstance(chunk, TextChunk):
            return parser.feed(chunk.delta)
        return parser.end() if isinstance(chunk, TextEndChunk) else ()

    return step


class _ChunksByPosition(Protocol):
    """Chunks that can be looked up."""

    def __getitem__(self, position: int, /) -> ContentChunk: ...


class PartialValue(Generic[F]):
    """The value of a format in a list of chunks that grows: the same object, which grows too. Each chunk is read
    once."""

    def __init__(self, format: Format[F], chunks: _ChunksByPosition) -> None:
        self.chunks = chunks
        self._step = partials(format)
        self._position = 0
        self._value: F | None = None

    def read(self, end: int) -> F | None:
        """Return the value after the chunks before `end`."""
        while self._position < end:
            for value in self._step(self.chunks[self._position]):
                self._value = value
            self._position += 1
        return self._value


def pretty(content: Sequence[AssistantContentPart]) -> str:
    """Parts for a person to read, a blank line between two."""
    shown = (_shown(part) for part in content)
    return "\n\n".join(text for text in shown if text is not None)


def _shown(part: AssistantContentPart) -> str | None:
    match part:
        case Text(text):
            return text
        case Thought(thought):
            return _OPENINGS["thought"] + _indented(thought)
        case ToolCall() | ServerToolCall():
            return _opening_of_call(part) + part.args
        case _:
            return None


_OPENINGS = {"text": "", "thought": "**Thinking:**\n  "}


def _opening_of_call(call: ToolCall | ServerToolCall | ToolCallStartChunk) -> str:
    return f"**{'ServerToolCall' if isinstance(call, ServerToolCall) else 'ToolCall'} ({call.name}):** "


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


class _Shown:
    """A part on its way to the reader of `pretty_pieces`: what of it waits to be shown, and whether it is all there."""

    def __init__(self, opening: str) -> None:
        self.waiting = [opening]
        self.complete = False
        self.empty = True


def pretty_pieces() -> Step[str]:
    """`pretty` as it comes. Parts that arrive together are shown one after the other, in the order of their starts."""
    queue: deque[_Shown] = deque()
    open_parts: dict[str, _Shown] = {}
    count = 0

    def begin(key: str, opening: str) -> _Shown:
        nonlocal count
        count += 1
        part = _Shown(opening if count == 1 else f"\n\n{opening}")
        queue.append(part)
        open_parts[key] = part
        return part

    def note(chunk: ContentChunk) -> None:
        match chunk:
            case TextStartChunk() | ThoughtStartChunk():
                begin("", _OPENINGS[chunk.content_type])
            case TextChunk(delta):
                open_parts[""].waiting.append(delta)
            case ThoughtChunk(delta):
                open_parts[""].waiting.append(_indented(delta))
            case TextEndChunk() | ThoughtEndChunk():
                open_parts.pop("").complete = True
            case ToolCallStartChunk(id):
                begin(id, _opening_of_call(chunk))
            case ToolCallChunk(id, delta):
                open_parts[id].waiting.append(delta)
                open_parts[id].empty = False
            case ToolCallEndChunk(id):
                part = open_parts.pop(id)
                part.complete = True
                if part.empty:
                    part.waiting.append("{}")
            case ProviderChunk(part) if (text := _shown(part)) is not None:
                begin("provider", text).complete = True
            case _:
                pass

    def step(chunk: ContentChunk) -> Sequence[str]:
        note(chunk)
        pieces: list[str] = []
        while queue:
            pieces += [piece for piece in queue[0].waiting if piece]
            queue[0].waiting = []
            if not queue[0].complete:
                break
            queue.popleft()
        return pieces

    return step


# -- iterators --------------------------------------------------------------------------------------------------------


class View(Iterator[T]):
    """A blocking iterator over a stream. Dropping it before the end closes the stream, unless others read it too, and
    so does `close`."""

    def __init__(self, stream: Stream, step: Step[T], reader: Reader | None = None) -> None:
        self._reader = reader or Reader(stream)
        self._step = step
        self._ready: Iterator[T] = iter(())

    def __next__(self) -> T:
        while True:
            for item in self._ready:
                return item
            chunk = self._reader.peek() or run(self._reader.next())
            if chunk is None:
                raise StopIteration
            self._ready = iter(self._step(chunk))

    def close(self) -> None:
        """Read no more, as if it were dropped."""
        self._ready = iter(())
        self._reader.leave()


class AsyncView(AsyncIterator[T]):
    """An async iterator over a stream. Dropping it before the end closes the stream, unless others read it too, and
    so does `aclose`."""

    def __init__(self, stream: Stream, step: Step[T], reader: Reader | None = None) -> None:
        self._reader = reader or Reader(stream)
        self._step = step
        self._ready: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        while True:
            for item in self._ready:
                return item
            chunk = self._reader.peek() or await self._reader.next()
            if chunk is None:
                raise StopAsyncIteration
            self._ready = iter(self._step(chunk))

    async def aclose(self) -> None:
        """See `View.close`. The connection is closed in the background."""
        self._ready = iter(())
        self._reader.leave()


# -- one part at a time -----------------------------------------------------------------------------------------------


class _Part:
    """What a sub-stream has of its part. `take` gives the text to show for a chunk, `None` once the part is
    complete."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    @property
    def so_far(self) -> str:
        return "".join(self.pieces)

    def take(self, chunk: ContentChunk) -> str | None:
        raise NotImplementedError

    def skip(self, reader: Reader) -> None:
        """Let the reader skip chunks that are not of this part, where there may be many: texts and thoughts come one
        at a time."""

    def _more(self, delta: str) -> str:
        self.pieces.append(delta)
        return delta


class _TextPart(_Part):
    def __init__(self) -> None:
        super().__init__()
        self.citations: list[Citation] = []

    def take(self, chunk: ContentChunk) -> str | None:
        match chunk:
            case TextEndChunk():
                return None
            case TextChunk(delta):
                return self._more(delta)
            case CitationChunk(citation):
                self.citations.append(citation)
            case _:
                pass
        return ""


class _ThoughtPart(_Part):
    def take(self, chunk: ContentChunk) -> str | None:
        if isinstance(chunk, ThoughtEndChunk):
            return None
        return self._more(chunk.delta) if isinstance(chunk, ThoughtChunk) else ""


class _ToolCallPart(_Part):
    def __init__(self, start: ToolCallStartChunk) -> None:
        super().__init__()
        self.start = start

    def take(self, chunk: ContentChunk) -> str | None:
        if isinstance(chunk, ToolCallEndChunk) and chunk.id == self.start.id:
            return None
        if isinstance(chunk, ToolCallChunk) and chunk.id == self.start.id:
            return self._more(chunk.delta)
        return ""

    def skip(self, reader: Reader) -> None:
        reader.skip_to_call(self.start.id)


PartT = TypeVar("PartT", bound=_Part)
WholeT = TypeVar("WholeT", covariant=True)


class _Deltas(Generic[PartT, WholeT]):
    """The deltas of one part, read by a reader of its own: parts that arrive together do not disturb one another."""

    def __init__(self, part: PartT, stream: Stream, position: int) -> None:
        self._part = part
        self._reader: Reader | None = Reader(stream, position)

    async def _next(self) -> str | None:
        """The next text to show; `None` at the part's end."""
        while self._reader is not None:
            self._part.skip(self._reader)
            chunk = await self._reader.next()
            text = None if chunk is None else self._part.take(chunk)
            if text is None:
                self._reader = None
            elif text:
                return text
        return None

    def _whole(self) -> WholeT:
        """The part as it stands in the answer."""
        raise NotImplementedError


class _SyncDeltas(_Deltas[PartT, WholeT], Iterator[str]):
    def __next__(self) -> str:
        if (text := run(self._next())) is None:
            raise StopIteration
        return text

    def collect(self) -> WholeT:
        """The whole part, read to its end."""
        for _ in self:
            pass
        return self._whole()


class _AsyncDeltas(_Deltas[PartT, WholeT], AsyncIterator[str]):
    async def __anext__(self) -> str:
        if (text := await self._next()) is None:
            raise StopAsyncIteration
        return text

    async def collect(self) -> WholeT:
        """The whole part, read to its end."""
        async for _ in self:
            pass
        return self._whole()


class _TextInfo(_Deltas[_TextPart, Text]):
    type: ClassVar[Literal["text_stream"]] = "text_stream"
    content_type: ClassVar[Literal["text"]] = "text"

    @property
    def partial_text(self) -> str:
        """The text so far."""
        return self._part.so_far

    def _whole(self) -> Text:
        return Text(self._part.so_far, tuple(self._part.citations))


class _ThoughtInfo(_Deltas[_ThoughtPart, Thought]):
    type: ClassVar[Literal["thought_stream"]] = "thought_stream"
    content_type: ClassVar[Literal["thought"]] = "thought"

    @property
    def partial_thought(self) -> str:
        """The thought so far."""
        return self._part.so_far

    def _whole(self) -> Thought:
        return Thought(self._part.so_far)


class _ToolCallInfo(_Deltas[_ToolCallPart, ToolCall]):
    type: ClassVar[Literal["tool_call_stream"]] = "tool_call_stream"
    content_type: ClassVar[Literal["tool_call"]] = "tool_call"

    @property
    def tool_id(self) -> str:
        """The call's id."""
        return self._part.start.id

    @property
    def tool_name(self) -> str:
        """The tool's name."""
        return self._part.start.name

    @property
    def partial_args(self) -> str:
        """The JSON text of the arguments so far."""
        return self._part.so_far

    def _whole(self) -> ToolCall:
        return ToolCall(id=self.tool_id, name=self.tool_name, args=self.partial_args or "{}")


class TextStream(_TextInfo, _SyncDeltas[_TextPart, Text]):
    """One text: iterate for its pieces."""


class AsyncTextStream(_TextInfo, _AsyncDeltas[_TextPart, Text]):
    """One text: iterate for its pieces."""


class ThoughtStream(_ThoughtInfo, _SyncDeltas[_ThoughtPart, Thought]):
    """One thought: iterate for its pieces."""


class AsyncThoughtStream(_ThoughtInfo, _AsyncDeltas[_ThoughtPart, Thought]):
    """One thought: iterate for its pieces."""


class ToolCallStream(_ToolCallInfo, _SyncDeltas[_ToolCallPart, ToolCall]):
    """One tool call: iterate for pieces of its arguments' JSON text."""


class AsyncToolCallStream(_ToolCallInfo, _AsyncDeltas[_ToolCallPart, ToolCall]):
    """One tool call: iterate for pieces of its arguments' JSON text."""


def part_streams(stream: Stream) -> View[TextStream | ThoughtStream | ToolCallStream]:
    """A sub-stream for each part, at its start."""
    reader = Reader(stream)
    return View(stream, _parts(stream, reader, TextStream, ThoughtStream, ToolCallStream), reader)


def async_part_streams(stream: Stream) -> AsyncView[AsyncTextStream | AsyncThoughtStream | AsyncToolCallStream]:
    """A sub-stream for each part, at its start."""
    reader = Reader(stream)
    return AsyncView(stream, _parts(stream, reader, AsyncTextStream, AsyncThoughtStream, AsyncToolCallStream), reader)


def _parts(
    stream: Stream,
    reader: Reader,
    text: Callable[[_TextPart, Stream, int], T],
    thought: Callable[[_ThoughtPart, Stream, int], T],
    call: Callable[[_ToolCallPart, Stream, int], T],
) -> Step[T]:
    def step(chunk: ContentChunk) -> Sequence[T]:
        match chunk:
            case TextStartChunk():
                return (text(_TextPart(), stream, reader.position),)
            case ThoughtStartChunk():
                return (thought(_ThoughtPart(), stream, reader.position),)
            case ToolCallStartChunk():
                return (call(_ToolCallPart(chunk), stream, reader.position),)
            case _:
                return ()

    return step
