"""Values of half-received text.

A `Growing` value is fed text as it comes and is the same object all the time, filled in place: each piece costs time in
proportion to its own length, however much there is already. What is shown of a value is said in `shapes`. When the
JSON is complete the whole is validated, and the last thing to be had is what `Format.parse` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from typing_extensions import TypeVar

from ..errors import ParseError
from .formats import Format
from .frames import Frame, RecordFrame, RootFrame
from .json_stream import JsonStream, JsonSyntaxError
from .objects import EnvelopeShape
from .shapes import Shape, shape_of

__all__ = ["Growing"]

F = TypeVar("F", default=Any)


class Growing(Generic[F]):
    """The value of a format while its text arrives."""

    def __init__(self, format: Format[F]) -> None:
        self._format = format
        self._sink = _Builder(EnvelopeShape(shape_of(format.formattable)))
        self._final = False
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The value so far, filled further by later pieces; `None` while there is nothing."""
        return self._value if self._final else self._sink.value

    def feed(self, delta: str) -> Sequence[Any]:
        """Take in a piece of text. Gives the value if the piece changed it, else nothing."""
        if self._final:
            return ()
        sink = self._sink
        sink.changed = False
        try:
            sink.stream.feed(delta)
        except JsonSyntaxError:
            self._go_on()
        if sink.complete:
            self._complete()
            if self._final:
                return (self._value,)
        return (sink.refreshed(),) if sink.changed else ()

    def end(self) -> Sequence[Any]:
        """The text has ended. Gives the value if no piece of it could be shown: it may stand there alone, as a number
        does, or not be JSON that a piece more would have gone on with."""
        if self._final or self._sink.stream.is_open or not self._parse(self._sink.stream.text):
            return ()
        return (self._value,)

    def _go_on(self) -> None:
        """What turns out not to be JSON was prose, as long as nothing came of it: read on behind it."""
        sink = self._sink
        while not sink.shown:
            sink.restart()
            try:
                return sink.stream.feed("")
            except JsonSyntaxError:
                pass
        sink.stream.stop()

    def _complete(self) -> None:
        """The outermost value is all there. If it is of another type, it was prose too."""
        sink = self._sink
        while sink.complete and not self._parse(sink.text):
            sink.complete = False
            self._go_on()

    def _parse(self, text: str) -> bool:
        try:
            self._value = self._format.parse(text)
        except ParseError:
            return False
        self._final = True
        return True


class _Builder:
    """Fills frames with what a stream of JSON tells."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.stream = JsonStream(self)
        self._reset()

    def _reset(self) -> None:
        self._root = RootFrame(self._shape)
        self._frame: Frame = self._root
        self._start = 0
        self._start_of_string = 0
        self._next: Shape | None = None
        self._grows = False
        self.changed = False
        self.shown = False
        self.complete = False

    @property
    def value(self) -> Any:
        """What is shown."""
        return self._root.slots[0]

    @property
    def text(self) -> str:
        """The JSON of the outermost value."""
        return self.stream.since(self._start)

    def restart(self) -> None:
        """Look for other JSON, further on."""
        self._reset()
        self.stream.seek()

    def refreshed(self) -> Any:
        """What is shown, with what cannot be filled in place brought up to date."""
        record = self._frame.record
        while record is not None:
            record.refresh()
            record = record.parent.record
        return self._root.slots[0]

    # -- what the stream tells ----------------------------------------------------------------------------------------

    def begin(self, opening: str, start: int) -> None:
        """See `Sink.begin`."""
        shape = self._frame.next()
        self._open(Frame() if shape is None else shape.begin(opening), shape, self._frame, start)

    def _open(self, frame: Frame, shape: Shape | None, parent: Frame, start: int) -> None:
        frame.shape, frame.parent, frame.start = shape, parent, start
        frame.record = frame if isinstance(frame, RecordFrame) else parent.record
        self._frame = frame
        if parent is self._root:
            self._start = start
        if frame.value is not None:
            parent.put(frame.value)
            self.changed = True

    def key(self, name: str) -> None:
        """See `Sink.key`."""
        frame = self._frame
        frame.named(name)
        if frame.undecided:
            self._choose()

    def end(self) -> None:
        """See `Sink.end`."""
        frame = self._frame
        frame.refresh()
        self._frame = parent = frame.parent
        if parent is self._root:
            self.complete = True
        elif frame.shape is not None and not frame.shape.settled:
            self._replace(frame.shape, frame)

    def scalar(self, token: str) -> None:
        """See `Sink.scalar`."""
        if (shape := self._frame.next()) is not None:
            self._put(shape, token)

    def begin_string(self, piece: str, start: int) -> None:
        """See `Sink.begin_string`."""
        self._start_of_string = start
        self._next = shape = self._frame.next()
        self._grows = shape is not None and shape.grows
        if self._grows:
            self._frame.put(piece)
            self.changed = self.shown = True

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`."""
        if self._grows:
            self._frame.grow(piece)
            self.changed = True

    def end_string(self) -> None:
        """See `Sink.end_string`."""
        if (shape := self._next) is not None and not (self._grows and shape.settled):
            self._put(shape, self.stream.since(self._start_of_string))

    def _put(self, shape: Shape, text: str) -> None:
        """Set a complete string or scalar."""
        try:
            value = shape.complete(text)
        except ValueError:
            if not self._grows:
                self._frame.put(None)
        else:
            self._frame.put(value)
            if self._frame.shows:
                self.changed = self.shown = True
        self._grows = False
        if self._frame.undecided:
            self._choose()

    def _replace(self, shape: Shape, frame: Frame) -> None:
        """Set a complete object or array. One that is not valid stays as it was shown; the end will tell."""
        try:
            frame.parent.put(shape.complete(self.stream.since(frame.start)))
        except (ValueError, RecursionError):
            if frame.value is None:
                frame.parent.put(None)
        else:
            if frame.parent.shows:
                self.changed = self.shown = True
        if self._frame.undecided:
            self._choose()

    def _choose(self) -> None:
        """Read an object again that has turned out to be of one of several types."""
        frame = self._frame
        if (shape := frame.choice()) is not None:
            self.stream.rewind(frame.start)
            self._open(shape.begin("{"), frame.shape, frame.parent, frame.start)
