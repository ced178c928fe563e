"""Objects and arrays that are being filled while their JSON arrives.

A frame holds one of them: `value` is what is shown of it, and `next` says what shape the value has that comes next.
Frames are filled in place, so that a value costs the same whether it is the first or the last of ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .objects import ObjectShape
    from .shapes import Shape

__all__ = [
    "ENVELOPE",
    "ArrayFrame",
    "DictFrame",
    "EnvelopeFrame",
    "Frame",
    "ObjectFrame",
    "PairFrame",
    "RecordFrame",
    "RootFrame",
    "UndecidedFrame",
]

ENVELOPE = "output"
"""The property in which everything is sent that is not an object of its own."""


class Frame:
    """Something open of which nothing is shown: it is validated whole, once it is complete."""

    shape: Shape | None
    """What it has to be; `None` if it does not matter."""
    parent: Frame
    """What it is in."""
    record: RecordFrame | None = None
    """The innermost record around what is next."""
    undecided = False
    """Whether it may turn out to be something of which more is shown; see `choice`."""
    start: int = 0
    """Where it begins in the text."""
    value: Any = None
    """What is shown of it; `None` if nothing is."""

    @property
    def shows(self) -> bool:
        """Whether the next value will be seen at once."""
        return True

    def named(self, name: str) -> None:
        """The name of the next value, in an object."""

    def next(self) -> Shape | None:
        """The shape of the next value; `None` if it is not shown."""
        return None

    def put(self, value: Any) -> None:
        """Set the value that is next, or set it anew."""

    def grow(self, piece: str) -> None:
        """Add to the string that is next."""

    def choice(self) -> Shape | None:
        """What this turns out to be, if that was open: it is then read again as such."""
        return None

    def refresh(self) -> None:
        """Show what has changed, where that takes more than `put`."""


class _Slots(Frame):
    """Values are kept in `slots`, under `slot`."""

    slots: Any
    slot: Any = 0

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        self.slots[self.slot] = value

    def grow(self, piece: str) -> None:
        """See `Frame.grow`. For a moment nothing else refers to the string, so that Python extends it in place."""
        slots, slot = self.slots, self.slot
        text = slots[slot]
        slots[slot] = None
        text += piece
        slots[slot] = text


class RootFrame(_Slots):
    """Where the outermost value goes."""

    def __init__(self, shape: Shape) -> None:
        self.slots: list[Any] = [None]
        self._shape = shape

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        return self._shape


class ObjectFrame(_Slots):
    """An object with known members: by name, where they go in `slots` and their shape. `begun` collects the slots that
    have a value."""

    def __init__(
        self,
        value: Any,
        slots: MutableMapping[str, Any],
        members: Mapping[str, tuple[str, Shape]],
        begun: set[str] | None = None,
    ) -> None:
        self.value = value
        self.slots = slots
        self._members = members
        self._begun = begun
        self._next: Shape | None = None

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        slot, self._next = self._members.get(name, ("", None))
        self.slot: Any = slot

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        return self._next

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        self.slots[self.slot] = value
        if self._begun is not None:
            self._begun.add(self.slot)


class DictFrame(_Slots):
    """An object with free names."""

    def __init__(self, key: Shape, item: Shape) -> None:
        self.value: dict[Any, Any] = {}
        self.slots: Any = self.value
        self._key = key
        self._item = item

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        self.slot: Any = self._key.key(name)

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        return self._item


class PairFrame(Frame):
    """One `{"key": …, "value": …}` of an object with free names that is written as a list of them."""

    def __init__(self, whole: DictFrame, key: Shape) -> None:
        self._whole = whole
        self._key = key
        self._name = ""
        self._has_key = False

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        self._name = name

    @property
    def shows(self) -> bool:
        """See `Frame.shows`."""
        return self._name == "value"

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        if self._name == "key":
            return self._key
        return self._whole.next() if self._name == "value" and self._has_key else None

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        if self._name == "key":
            self._has_key = True
            self._whole.slot = value
        else:
            self._whole.put(value)

    def grow(self, piece: str) -> None:
        """See `Frame.grow`."""
        self._whole.grow(piece)


class ArrayFrame(_Slots):
    """An array."""

    def __init__(self, item: Shape) -> None:
        self.slots: list[Any] = []
        self.value: Any = self.slots
        self._item = item

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        self.slot: Any = len(self.slots)
        return self._item

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        if self.slot == len(self.slots):
            self.slots.append(value)
        else:
            self.slots[self.slot] = value


class RecordFrame(_Slots):
    """A tuple of fixed length, from an array or from an object with a name for each item. Tuples cannot be filled in
    place: it is made anew when it is shown, and its length is bounded by its type."""

    def __init__(self, make: Callable[[Sequence[Any]], Any], names: Sequence[str], items: Sequence[Shape]) -> None:
        self.slots: list[Any] = [None] * len(items)
        self.slot: Any = -1
        self.value: Any = make(self.slots)
        self._make = make
        self._names = names
        self._items = items
        self._is_object = False

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        self._is_object = True
        self.slot = self._names.index(name) if name in self._names else len(self._items)

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        if not self._is_object:
            self.slot += 1
        index: int = self.slot
        return self._items[index] if index < len(self._items) else None

    def refresh(self) -> None:
        """See `Frame.refresh`."""
        self.parent.put(self._make(self.slots))


class UndecidedFrame(Frame):
    """An object of one of several types. Names and tags tell which."""

    undecided = True

    def __init__(self, options: Sequence[ObjectShape], raw: Shape) -> None:
        self._options = options
        self._raw = raw
        self._name = ""

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        self._name = name
        self._options = [option for option in self._options if name in option.members] or self._options

    @property
    def shows(self) -> bool:
        """See `Frame.shows`."""
        return False

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        return self._raw

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        self._options = [each for each in self._options if each.may_have(self._name, value)] or self._options

    def choice(self) -> Shape | None:
        """See `Frame.choice`."""
        return self._options[0] if len(self._options) == 1 else None


class EnvelopeFrame(Frame):
    """The root, which may be an envelope around what is meant, or that itself. The first name tells."""

    undecided = True

    def __init__(self, bare: Shape) -> None:
        self._bare = bare
        self._name = ""
        self._choice: Shape | None = None

    def named(self, name: str) -> None:
        """See `Frame.named`."""
        if not self._name and name != ENVELOPE:
            self._choice = self._bare
        self._name = name

    def next(self) -> Shape | None:
        """See `Frame.next`."""
        return self._bare if self._name == ENVELOPE else None

    def put(self, value: Any) -> None:
        """See `Frame.put`."""
        self.parent.put(value)

    def grow(self, piece: str) -> None:
        """See `Frame.grow`."""
        self.parent.grow(piece)

    def choice(self) -> Shape | None:
        """See `Frame.choice`."""
        return self._choice
