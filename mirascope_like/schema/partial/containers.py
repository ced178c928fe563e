"""Containers: partial objects and arrays that are filled in place while their JSON arrives.

Each container shows its object or array in `value`; `next_type_plan` is the type plan of the next value in it. Adding
a value takes the same time whether it is the first or the ten-thousandth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from ..dialects.definitions import Dialect
from ..type_schema import ENVELOPE


class ValuePlan:
    """What a container needs to know about the type of a value in it. `type_plans` has one for each kind of type."""

    shows_partial_strings = False
    """Whether strings are shown as they arrive."""
    needs_no_validation = False
    """Whether the partial value, once complete, is the final value without validation."""

    def make_container(self, opening: str) -> Container:
        """Return a container for an object ("{") or array ("[")."""
        return Container()

    def parse(self, text: str, dialect: Dialect) -> Any:
        """Return the value of a complete JSON text in a dialect. Raises `ValueError`."""
        raise NotImplementedError

    def parse_key(self, name: str) -> Any:
        """Return a name in an object as a key, unchanged if it is not a valid key."""
        raise NotImplementedError

    def has_member(self, name: str) -> bool:
        """Whether values are objects with a member of this name."""
        return False

    def can_have(self, name: str, value: Any) -> bool:
        """Whether a member can have a value."""
        return True


class Container:
    """An open object or array: `JsonStream` calls it for everything inside. This base class shows nothing of it: the
    value is validated when it is complete."""

    plan: ValuePlan | None
    """The plan of its type; `None` if its type does not matter."""
    parent: Container
    """The container that it is in."""
    dialect: Dialect
    """The dialect of the text."""
    value: Any = None
    """The partial value; `None` if nothing is shown."""
    next_type_plan: ValuePlan | None = None
    """The plan of the next or open value; `None` if that value is not shown."""
    is_undecided: bool = False
    """Whether the content may belong to another container. A value that is not shown may tell; see
    `chosen_container`."""
    needs_whole_string: bool = False
    """Whether `complete` is called for the open string when it is complete."""
    _is_shown = False  # whether the open value is shown in part
    _has_invalid = False  # whether a value in it was not valid by itself

    # -- what subclasses override -------------------------------------------------------------------------------------

    def add_key(self, name: str) -> bool:
        """Receive the name of the next value in an object. Return whether it makes clear that the object belongs to
        another container, see `chosen_container`."""
        return False

    def put(self, value: Any) -> bool:
        """Set the next value. Return whether it is visible at once."""
        return True

    def replace(self, value: Any) -> bool:
        """Replace the value that was set last."""
        return self.put(value)

    def append_to_string(self, piece: str) -> None:
        """Add a piece to the open string, which is shown."""

    def chosen_plan(self) -> ValuePlan | None:
        """Return the plan of the type that the content has made clear; `None` if there is none."""
        return None

    # -- what `JsonStream` calls ---------------------------------------------------------------------------------------

    def begin_container(self, opening: str) -> Container:
        """Begin an object ("{") or array ("["). Return the container for its content."""
        plan = self.next_type_plan
        return self.adopt(Container() if plan is None else plan.make_container(opening), plan)

    def chosen_container(self) -> Container | None:
        """Return the container to read this object with instead, from its first name; `None` if that is not clear
        yet."""
        plan = self.chosen_plan()
        return None if plan is None else self.parent.adopt(plan.make_container("{"), self.plan)

    def adopt(self, container: Container, plan: ValuePlan | None) -> Container:
        """Use a container for the next value, whose type has this plan. Return the container."""
        container.plan, container.parent, container.dialect = plan, self, self.dialect
        self._is_shown = container.value is not None
        if self._is_shown:
            self.put(container.value)
        return container

    def add_scalar(self, token: str) -> bool:
        """Add a number, `true`, `false` or `null`, as written. Return whether it is shown."""
        self._is_shown = False
        return self.complete(token)

    def begin_string(self, piece: str) -> bool:
        """Begin a string with its first piece. Return whether it is shown as it grows."""
        plan = self.next_type_plan
        if plan is None or not plan.shows_partial_strings:
            self._is_shown = False
            self.needs_whole_string = plan is not None
            return False
        self._is_shown = True
        self.needs_whole_string = not plan.needs_no_validation
        self.put(piece)
        return True

    def complete(self, text: str) -> bool:
        """Complete the open value with all of its JSON. Return whether it is shown. An invalid value stays as it was
        shown; the whole is validated at its end."""
        if self.next_type_plan is None:
            return False
        try:
            value = self.next_type_plan.parse(text, self.dialect)
        except (ValueError, RecursionError):
            self._has_invalid = True  # the whole may still be valid, as with an optional part that is `null`
            if not self._is_shown:
                self.put(None)
            return False
        return self.replace(value) if self._is_shown else self.put(value)

    def end(self) -> bool:
        """End the object or array. Return whether the outer container's `complete` must be called with it."""
        return self.plan is not None and (self._has_invalid or self.value is None or not self.plan.needs_no_validation)


class _SlotContainer(Container):
    """A container that stores values in `slots`, the current one under `slot`."""

    slots: Any
    slot: Any = 0

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        self.slots[self.slot] = value
        return True

    def append_to_string(self, piece: str) -> None:
        """See `Container.append_to_string`. The slot drops its reference first: then Python extends the string."""
        slots, slot = self.slots, self.slot
        text = slots[slot]
        slots[slot] = None
        text += piece
        slots[slot] = text


class RootContainer(_SlotContainer):
    """Holds the outermost value."""

    def __init__(self, plan: ValuePlan, dialect: Dialect) -> None:
        self.slots: list[Any] = [None]
        self.next_type_plan: ValuePlan | None = plan
        self.dialect: Dialect = dialect


class ObjectContainer(_SlotContainer):
    """An object with known members. `members` has, by name in JSON, their key in `slots` and their plan.
    `filled_slots` collects the slots that have a value."""

    def __init__(
        self,
        value: Any,
        slots: MutableMapping[str, Any],
        members: Mapping[str, tuple[str, ValuePlan]],
        filled_slots: set[str] | None = None,
    ) -> None:
        self.value = value
        self.slots = slots
        self._members = members
        self._filled_slots = filled_slots

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        self.slot: Any
        self.next_type_plan: ValuePlan | None
        self.slot, self.next_type_plan = self._members.get(name, ("", None))
        return False

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        self.slots[self.slot] = value
        if self._filled_slots is not None:
            self._filled_slots.add(self.slot)
        return True

    def end(self) -> bool:
        """See `Container.end`. Members that did not arrive get their defaults, or are errors."""
        return super().end() or self._filled_slots is None or len(self._filled_slots) < len(self.slots)


class DictContainer(_SlotContainer):
    """An object with any keys (a dict)."""

    def __init__(self, key: ValuePlan, item: ValuePlan) -> None:
        self.value: dict[Any, Any] = {}
        self.slots: Any = self.value
        self.next_type_plan: ValuePlan | None = item
        self._key = key

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        self.slot: Any = self._key.parse_key(name)
        return False


class PairContainer(Container):
    """One `{"key": …, "value": …}` of a dict that is written as an array of pairs."""

    def __init__(self, whole: DictContainer, key: ValuePlan) -> None:
        self._dict = whole
        self._key = key
        self._has_key = False
        self._has_value = False
        self.next_type_plan: ValuePlan | None = None

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        if name == "key":
            self.next_type_plan = self._key
        else:
            self.next_type_plan = self._dict.next_type_plan if name == "value" and self._has_key else None
        return False

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        if self.next_type_plan is not self._key:
            self._has_value = True
            return self._dict.put(value)
        self._has_key = True
        self._has_value = False
        self._dict.slot = value
        return False

    def append_to_string(self, piece: str) -> None:
        """See `Container.append_to_string`."""
        self._dict.append_to_string(piece)

    def end(self) -> bool:
        """See `Container.end`. The pair is in the dict already, unless its value came before its key or is invalid."""
        return self._has_invalid or not self._has_value


class ArrayContainer(_SlotContainer):
    """An array."""

    slot: Any = -1

    def __init__(self, item: ValuePlan) -> None:
        self.slots: list[Any] = []
        self.value: Any = self.slots
        self.next_type_plan: ValuePlan | None = item

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        self.slots.append(value)
        return True

    def replace(self, value: Any) -> bool:
        """See `Container.replace`."""
        self.slots[-1] = value
        return True


class TupleContainer(_SlotContainer):
    """A tuple of fixed length, from an array or from an object with a name for each item. A tuple cannot be filled in
    place, so it is built again whenever it grows; its type bounds its length."""

    def __init__(self, make: Callable[[Sequence[Any]], Any], names: Sequence[str], items: Sequence[ValuePlan]) -> None:
        self.slots: list[Any] = [None] * len(items)
        self.slot: Any = -1
        self.value: Any = make(self.slots)
        self._make_tuple = make
        self._names = names
        self._items = items
        self._is_object = False

    def _select_item(self, slot: int) -> None:
        self.slot = slot
        self.next_type_plan: ValuePlan | None = self._items[slot] if slot < len(self._items) else None

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        self._is_object = True
        self._select_item(self._names.index(name) if name in self._names else len(self._items))
        return False

    def begin_container(self, opening: str) -> Container:
        """See `Container.begin_container`."""
        self._start_item()
        return super().begin_container(opening)

    def add_scalar(self, token: str) -> bool:
        """See `Container.add_scalar`."""
        self._start_item()
        return super().add_scalar(token)

    def begin_string(self, piece: str) -> bool:
        """See `Container.begin_string`."""
        self._start_item()
        return super().begin_string(piece)

    def _start_item(self) -> None:
        if not self._is_object:
            self._select_item(self.slot + 1)

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        self.slots[self.slot] = value
        return self.parent.replace(self._make_tuple(self.slots))

    def append_to_string(self, piece: str) -> None:
        """See `Container.append_to_string`."""
        super().append_to_string(piece)
        self.parent.replace(self._make_tuple(self.slots))


class UndecidedContainer(Container):
    """An object whose type is one of several. Its names and tags tell which."""

    is_undecided = True

    def __init__(self, options: Sequence[ValuePlan], raw: ValuePlan) -> None:
        self.next_type_plan: ValuePlan | None = raw
        self._options = options
        self._name = ""

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        self._name = name
        self._options = [option for option in self._options if option.has_member(name)] or self._options
        return len(self._options) == 1

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        self._options = [each for each in self._options if each.can_have(self._name, value)] or self._options
        return False

    def chosen_plan(self) -> ValuePlan | None:
        """See `Container.chosen_plan`."""
        return self._options[0] if len(self._options) == 1 else None


class EnvelopeContainer(Container):
    """The outermost object: the envelope around a value, or the value itself. Its first name tells which."""

    is_undecided = True

    def __init__(self, bare: ValuePlan) -> None:
        self._bare_plan = bare
        self._name = ""
        self._is_bare = False

    def add_key(self, name: str) -> bool:
        """See `Container.add_key`."""
        self._is_bare = not self._name and name != ENVELOPE
        self._name = name
        self.next_type_plan: ValuePlan | None = self._bare_plan if name == ENVELOPE else None
        return self._is_bare

    def put(self, value: Any) -> bool:
        """See `Container.put`."""
        return self.parent.put(value)

    def replace(self, value: Any) -> bool:
        """See `Container.replace`."""
        return self.parent.replace(value)

    def append_to_string(self, piece: str) -> None:
        """See `Container.append_to_string`."""
        self.parent.append_to_string(piece)

    def chosen_plan(self) -> ValuePlan | None:
        """See `Container.chosen_plan`."""
        return self._bare_plan if self._is_bare else None
