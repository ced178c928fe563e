"""Objects and arrays that are being filled while their JSON arrives.

A frame holds one of them: `value` is what is shown of it, and `next` says what shape the value has that comes next.
Frames are filled in place, so that a value costs the same whether it is the first or the last of ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from .typed import ENVELOPE

__all__ = [
    "ArrayFrame",
    "DictFrame",
    "EnvelopeFrame",
    "Frame",
    "ObjectFrame",
    "ObjectOption",
    "PairFrame",
    "RecordFrame",
    "RootFrame",
    "UndecidedFrame",
    "ValuePlan",
]


class ValuePlan(Protocol):
    """What a container needs to know about the type of a value in it. `shapes` implements it for each kind of type."""

    @property
    def grows(self) -> bool:
        """Whether strings are shown as they arrive."""
        ...

    @property
    def settled(self) -> bool:
        """Whether what has been shown is already the final value once it is complete."""
        ...

    def begin(self, opening: str) -> Frame:
        """Return a container for an object ("{") or array ("[")."""
        ...

    def complete(self, text: str) -> Any:
        """Return the value of a complete JSON text. Raises `ValueError`."""
        ...

    def key(self, name: str) -> Any:
        """Return a name in an object as a key of a mapping."""
        ...


class ObjectOption(ValuePlan, Protocol):
    """One of the types that an object may turn out to have."""

    def has_member(self, name: str) -> bool:
        """Whether it has a member of this name."""
        ...

    def may_have(self, name: str, value: Any) -> bool:
        """Whether a member can have a value."""
        ...


class Frame:
    """Something open of which nothing is shown: it is validated whole, once it is complete. It is the `Sink` of what is
    in it."""

    shape: ValuePlan | None
    """What it has to be; `None` if it does not matter."""
    parent: Frame
    """What it is in."""
    value: Any = None
    """What is shown of it; `None` if nothing is."""
    next: ValuePlan | None = None
    """The shape of the value that is next, or open; `None` if it is not shown."""
    undecided: bool = False
    """See `Sink.undecided`."""
    needs_whole: bool = False
    """See `Sink.needs_whole`."""
    _is_shown = False  # whether something is shown of the value that is open
    _has_invalid = False  # whether something in it was not valid alone

    # -- what kinds of frames differ in -------------------------------------------------------------------------------

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        return False

    def put(self, value: Any) -> bool:
        """Set the value that is next. Gives whether it will be seen at once."""
        return True

    def replace(self, value: Any) -> bool:
        """Set it anew."""
        return self.put(value)

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`."""

    def decided(self) -> ValuePlan | None:
        """What this turns out to be, if that was open."""
        return None

    # -- what comes, see `Sink` ---------------------------------------------------------------------------------------

    def begin(self, opening: str) -> Frame:
        """See `Sink.begin`."""
        shape = self.next
        return self.opened(Frame() if shape is None else shape.begin(opening), shape)

    def choice(self) -> Frame | None:
        """See `Sink.choice`."""
        shape = self.decided()
        return None if shape is None else self.parent.opened(shape.begin("{"), self.shape)

    def opened(self, frame: Frame, shape: ValuePlan | None) -> Frame:
        """Take a frame for the value that is next, which has to be of a shape. Gives the frame."""
        frame.shape, frame.parent = shape, self
        self._is_shown = frame.value is not None
        if self._is_shown:
            self.put(frame.value)
        return frame

    def scalar(self, token: str) -> bool:
        """See `Sink.scalar`."""
        self._is_shown = False
        return self.complete(token)

    def begin_string(self, piece: str) -> bool:
        """See `Sink.begin_string`."""
        shape = self.next
        if shape is None or not shape.grows:
            self._is_shown = False
            self.needs_whole = shape is not None
            return False
        self._is_shown = True
        self.needs_whole = not shape.settled
        self.put(piece)
        return True

    def complete(self, text: str) -> bool:
        """See `Sink.complete`. What is not valid stays as it was shown; the end will tell."""
        if self.next is None:
            return False
        try:
            value = self.next.complete(text)
        except (ValueError, RecursionError):
            self._has_invalid = True  # as an optional part that is `null`: perhaps the whole is valid
            if not self._is_shown:
                self.put(None)
            return False
        return self.replace(value) if self._is_shown else self.put(value)

    def end(self) -> bool:
        """See `Sink.end`."""
        return self.shape is not None and (self._has_invalid or self.value is None or not self.shape.settled)


class _Slots(Frame):
    """Values are kept in `slots`, under `slot`."""

    slots: Any
    slot: Any = 0

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        self.slots[self.slot] = value
        return True

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`. For a moment nothing else refers to the string: Python extends it in place."""
        slots, slot = self.slots, self.slot
        text = slots[slot]
        slots[slot] = None
        text += piece
        slots[slot] = text


class RootFrame(_Slots):
    """Where the outermost value goes."""

    def __init__(self, shape: ValuePlan) -> None:
        self.slots: list[Any] = [None]
        self.next: ValuePlan | None = shape


class ObjectFrame(_Slots):
    """An object with known members: by name, where they go in `slots` and their shape. `present` collects the slots
    that have a value."""

    def __init__(
        self,
        value: Any,
        slots: MutableMapping[str, Any],
        members: Mapping[str, tuple[str, ValuePlan]],
        present: set[str] | None = None,
    ) -> None:
        self.value = value
        self.slots = slots
        self._members = members
        self._present = present

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        self.slot: Any
        self.next: ValuePlan | None
        self.slot, self.next = self._members.get(name, ("", None))
        return False

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        self.slots[self.slot] = value
        if self._present is not None:
            self._present.add(self.slot)
        return True

    def end(self) -> bool:
        """See `Sink.end`. Members that did not come have defaults, or are missed."""
        return super().end() or self._present is None or len(self._present) < len(self.slots)


class DictFrame(_Slots):
    """An object with free names."""

    def __init__(self, key: ValuePlan, item: ValuePlan) -> None:
        self.value: dict[Any, Any] = {}
        self.slots: Any = self.value
        self.next: ValuePlan | None = item
        self._key = key

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        self.slot: Any = self._key.key(name)
        return False


class PairFrame(Frame):
    """One `{"key": …, "value": …}` of an object with free names that is written as a list of them."""

    def __init__(self, whole: DictFrame, key: ValuePlan) -> None:
        self._whole = whole
        self._key = key
        self._has_key = False
        self._is_kept = False
        self.next: ValuePlan | None = None

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        if name == "key":
            self.next = self._key
        else:
            self.next = self._whole.next if name == "value" and self._has_key else None
        return False

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        if self.next is not self._key:
            self._is_kept = True
            return self._whole.put(value)
        self._has_key = True
        self._is_kept = False
        self._whole.slot = value
        return False

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`."""
        self._whole.grow_string(piece)

    def end(self) -> bool:
        """See `Sink.end`. It is in the whole already, unless its value came before its key, or is not valid."""
        return self._has_invalid or not self._is_kept


class ArrayFrame(_Slots):
    """An array."""

    slot: Any = -1

    def __init__(self, item: ValuePlan) -> None:
        self.slots: list[Any] = []
        self.value: Any = self.slots
        self.next: ValuePlan | None = item

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        self.slots.append(value)
        return True

    def replace(self, value: Any) -> bool:
        """See `Frame.replace`."""
        self.slots[-1] = value
        return True


class RecordFrame(_Slots):
    """A tuple of fixed length, from an array or from an object with a name for each item. Tuples cannot be filled in
    place: it is made anew whenever it grows; its length is bounded by its type."""

    def __init__(self, make: Callable[[Sequence[Any]], Any], names: Sequence[str], items: Sequence[ValuePlan]) -> None:
        self.slots: list[Any] = [None] * len(items)
        self.slot: Any = -1
        self.value: Any = make(self.slots)
        self._make = make
        self._names = names
        self._items = items
        self._is_object = False

    def _turn(self, slot: int) -> None:
        self.slot = slot
        self.next: ValuePlan | None = self._items[slot] if slot < len(self._items) else None

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        self._is_object = True
        self._turn(self._names.index(name) if name in self._names else len(self._items))
        return False

    def begin(self, opening: str) -> Frame:
        """See `Sink.begin`."""
        self._value_begins()
        return super().begin(opening)

    def scalar(self, token: str) -> bool:
        """See `Sink.scalar`."""
        self._value_begins()
        return super().scalar(token)

    def begin_string(self, piece: str) -> bool:
        """See `Sink.begin_string`."""
        self._value_begins()
        return super().begin_string(piece)

    def _value_begins(self) -> None:
        if not self._is_object:
            self._turn(self.slot + 1)

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        self.slots[self.slot] = value
        return self.parent.replace(self._make(self.slots))

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`."""
        super().grow_string(piece)
        self.parent.replace(self._make(self.slots))


class UndecidedFrame(Frame):
    """An object of one of several types. Names and tags tell which."""

    undecided = True

    def __init__(self, options: Sequence[ObjectOption], raw: ValuePlan) -> None:
        self.next: ValuePlan | None = raw
        self._options = options
        self._name = ""

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        self._name = name
        self._options = [option for option in self._options if option.has_member(name)] or self._options
        return len(self._options) == 1

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        self._options = [each for each in self._options if each.may_have(self._name, value)] or self._options
        return False

    def decided(self) -> ValuePlan | None:
        """See `Frame.decided`."""
        return self._options[0] if len(self._options) == 1 else None


class EnvelopeFrame(Frame):
    """The root, which may be an envelope around what is meant, or that itself. The first name tells."""

    undecided = True

    def __init__(self, bare: ValuePlan) -> None:
        self._bare = bare
        self._name = ""
        self._is_bare = False

    def key(self, name: str) -> bool:
        """See `Sink.key`."""
        self._is_bare = not self._name and name != ENVELOPE
        self._name = name
        self.next: ValuePlan | None = self._bare if name == ENVELOPE else None
        return self._is_bare

    def put(self, value: Any) -> bool:
        """See `Frame.put`."""
        return self.parent.put(value)

    def replace(self, value: Any) -> bool:
        """See `Frame.replace`."""
        return self.parent.replace(value)

    def grow_string(self, piece: str) -> None:
        """See `Sink.grow_string`."""
        self.parent.grow_string(piece)

    def decided(self) -> ValuePlan | None:
        """See `Frame.decided`."""
        return self._bare if self._is_bare else None
