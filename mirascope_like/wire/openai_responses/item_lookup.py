"""Finds the output item that an event of OpenAI's Responses API is about.

Rules
* An item's position is its `output_index`. If several items have one index, all but the first come after the others.
* Other events belong to the item at their `output_index`, since some servers send another `item_id` in each event. The
  `item_id` decides if the index is missing or shared; if neither helps, the newest open item is meant.
* Arguments of calls that cannot be attributed by these rules raise `MalformedResponseError`.
"""

from __future__ import annotations

from ..codec import JsonObject, MalformedResponseError
from ..json_parsing import as_object
from ..tool_calls import OpenParts, normalize_index
from .output_items import ARGUMENT_EVENTS, CLIENT_CALLS


class ItemPositions:
    """The positions of the items of one response."""

    def __init__(self) -> None:
        self._items: dict[int, JsonObject] = {}  # by position, as they began or were done
        self._open = OpenParts[int]()
        self._open_calls = OpenParts[int]()
        self._done: set[int] = set()
        self._by_index: dict[object, int] = {}
        self._by_id: dict[object, int | None] = {}  # `None`: several items have this id
        self._shared_indexes: set[object] = set()  # indexes that several items have
        self._next = 0  # after all used positions

    @property
    def has_done_item(self) -> bool:
        """Whether an item was complete."""
        return bool(self._done)

    def add_item(self, event: JsonObject) -> int:
        """Return the position of an item that begins."""
        item, index = as_object(event.get("item")), normalize_index(event.get("output_index"))
        position = self._by_index.get(index)
        if position is None or (position in self._items and not self._has_begun_as(position, item)):
            position = self._new_position(index)
        self._remember_item(position, index, item)
        self._open.add(position)
        if item.get("type") in CLIENT_CALLS:
            self._open_calls.add(position)
        return position

    def finish_item(self, event: JsonObject) -> int:
        """Return the position of an item that is complete."""
        item, index = as_object(event.get("item")), normalize_index(event.get("output_index"))
        position = self._matching_position(index, item)
        if position is None:
            position = self._new_position(index)
        self._remember_item(position, index, item)
        self._items[position] = item
        self._done.add(position)
        self._open.remove(position)
        self._open_calls.remove(position)
        return position

    def find_item(self, event: JsonObject) -> int:
        """Return the position of the item that an event belongs to. Raises `MalformedResponseError` for arguments whose
        call is not clear."""
        index, by_id = normalize_index(event.get("output_index")), self._by_id.get(event.get("item_id"))
        if by_id in self._done:
            by_id = None  # most likely several items have this id
        if index is None or index in self._shared_indexes:
            return self._newest_position(event) if by_id is None else by_id
        position = self._by_index.get(index)
        if position is None:
            position = self._by_index[index] = self._free_position(index)
            self._next = max(self._next, position + 1)
        if event["type"] in ARGUMENT_EVENTS and by_id not in (None, position):
            raise MalformedResponseError("arguments have the index of one item and the id of another", str(event))
        return position

    def _newest_position(self, event: JsonObject) -> int:
        """Return the position of the item that an event without a useful index or id most likely belongs to."""
        items = self._open_calls if event["type"] in ARGUMENT_EVENTS else self._open
        if items is self._open_calls and len(items) > 1:
            raise MalformedResponseError("arguments came without the index or id of their call", str(event))
        return self._next if items.newest is None else items.newest

    def _matching_position(self, index: object, item: JsonObject) -> int | None:
        """Return the position of the open item that a complete one belongs to: by its index, its id, or as the
        newest."""
        by_index = self._by_index.get(index)
        by_ids = (self._by_id.get(item.get("call_id")), self._by_id.get(item.get("id")))
        newest = self._open.newest if index is None else None
        known = (*by_ids, by_index) if index in self._shared_indexes else (by_index, *by_ids)
        for position in (*known, newest):
            if (
                position is not None
                and position not in self._done
                and can_be_same_item(self._items.get(position, {}), item)
            ):
                return position
        repeated = by_ids if index is None else (by_index,)
        return next((position for position in repeated if position is not None and self._items[position] == item), None)

    def _has_begun_as(self, position: int, item: JsonObject) -> bool:
        """Return whether an item that begins has already begun at this position."""
        known = self._items[position]
        ids = [(known[name], item[name]) for name in ("call_id", "id") if known.get(name) and item.get(name)]
        return position in self._open and bool(ids) and all(one == other for one, other in ids)

    def _new_position(self, index: object) -> int:
        if index in self._by_index:
            self._shared_indexes.add(index)
            return self._next
        return self._free_position(index)

    def _free_position(self, index: object) -> int:
        if isinstance(index, int) and index >= 0 and index not in self._items:
            return index
        return self._next

    def _remember_item(self, position: int, index: object, item: JsonObject) -> None:
        self._items.setdefault(position, item)
        self._next = max(self._next, position + 1)
        if index is not None:
            self._by_index[index] = position
        for id in (item.get("call_id"), item.get("id")):
            if id and self._by_id.setdefault(id, position) != position:
                self._by_id[id] = None


def can_be_same_item(began: JsonObject, item: JsonObject) -> bool:
    """Return whether an item may be the complete form of one that began. The `id` does not decide: some servers change
    it."""
    pairs = ((began.get(name), item.get(name)) for name in ("type", "call_id", "name"))
    return all(not a or not b or a == b for a, b in pairs)
