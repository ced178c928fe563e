"""Which output item an event of OpenAI's Responses API is about.

Rules
* An item's place is its `output_index`. If several items have one index, all but the first go behind the others.
* Other events belong to the item at their `output_index`, since some servers send another `item_id` in each event. The
  `item_id` decides if the index is missing or is shared; if neither helps, the newest open item is meant.
* Arguments of calls that cannot be attributed by these rules raise `MalformedReply`.
"""

from __future__ import annotations

from . import JsonObject, MalformedReply
from .calls import OpenParts, index_of
from .openai_responses_items import ARGUMENTS, CLIENT_CALLS
from .parsing import as_object

__all__ = ["Places", "may_be"]


class Places:
    """The places of the items of one answer."""

    def __init__(self) -> None:
        self._items: dict[int, JsonObject] = {}  # as they began
        self._open = OpenParts[int]()
        self._open_calls = OpenParts[int]()
        self._done: set[int] = set()
        self._by_index: dict[object, int] = {}
        self._by_id: dict[object, int | None] = {}  # `None`: several items have this id
        self._shared: set[object] = set()  # indexes of several items
        self._next = 0  # behind all places that are taken

    @property
    def any_done(self) -> bool:
        """Whether an item was complete."""
        return bool(self._done)

    def added(self, event: JsonObject) -> int:
        """Return the place of an item that begins."""
        item, index = as_object(event.get("item")), index_of(event.get("output_index"))
        place = self._by_index.get(index)
        if place is None or (place in self._items and not self._is_open_as(place, item)):
            place = self._new(index)
        self._note(place, index, item)
        self._open.add(place)
        if item.get("type") in CLIENT_CALLS:
            self._open_calls.add(place)
        return place

    def done(self, event: JsonObject) -> int:
        """Return the place of an item that is complete."""
        item, index = as_object(event.get("item")), index_of(event.get("output_index"))
        place = self._fitting(index, item)
        if place is None:
            place = self._new(index)
        self._note(place, index, item)
        self._items[place] = item
        self._done.add(place)
        self._open.remove(place)
        self._open_calls.remove(place)
        return place

    def of(self, event: JsonObject) -> int:
        """Return the place of the item that an event brings more of. Arguments whose call is not clear raise
        `MalformedReply`."""
        index, by_id = index_of(event.get("output_index")), self._by_id.get(event.get("item_id"))
        if by_id in self._done:
            by_id = None  # the id of several items, most likely
        if index is None or index in self._shared:
            return self._newest(event) if by_id is None else by_id
        place = self._by_index.get(index)
        if place is None:
            place = self._by_index[index] = self._free(index)
            self._next = max(self._next, place + 1)
        if event["type"] in ARGUMENTS and by_id not in (None, place):
            raise MalformedReply("arguments have the index of one item and the id of another", str(event))
        return place

    def _newest(self, event: JsonObject) -> int:
        """Return the place of the item that is most likely meant by an event without a useful index or id."""
        items = self._open_calls if event["type"] in ARGUMENTS else self._open
        if items is self._open_calls and len(items) > 1:
            raise MalformedReply("arguments came without the index or id of their call", str(event))
        return self._next if items.newest is None else items.newest

    def _fitting(self, index: object, item: JsonObject) -> int | None:
        """Return the place of the item that a complete one may be: by its index, its id, or as the newest."""
        by_index = self._by_index.get(index)
        by_ids = (self._by_id.get(item.get("call_id")), self._by_id.get(item.get("id")))
        newest = self._open.newest if index is None else None
        known = (*by_ids, by_index) if index in self._shared else (by_index, *by_ids)
        for place in (*known, newest):
            if place is not None and place not in self._done and may_be(self._items.get(place, {}), item):
                return place
        repeated = by_ids if index is None else (by_index,)
        return next((place for place in repeated if place is not None and self._items[place] == item), None)

    def _is_open_as(self, place: int, item: JsonObject) -> bool:
        """Whether an item that begins has begun before at this place."""
        known = self._items[place]
        ids = [(known[name], item[name]) for name in ("call_id", "id") if known.get(name) and item.get(name)]
        return place in self._open and bool(ids) and all(one == other for one, other in ids)

    def _new(self, index: object) -> int:
        if index in self._by_index:
            self._shared.add(index)
            return self._next
        return self._free(index)

    def _free(self, index: object) -> int:
        if isinstance(index, int) and index >= 0 and index not in self._items:
            return index
        return self._next

    def _note(self, place: int, index: object, item: JsonObject) -> None:
        self._items.setdefault(place, item)
        self._next = max(self._next, place + 1)
        if index is not None:
            self._by_index[index] = place
        for id in (item.get("call_id"), item.get("id")):
            if id and self._by_id.setdefault(id, place) != place:
                self._by_id[id] = None


def may_be(began: JsonObject, item: JsonObject) -> bool:
    """Whether an item may be the complete form of one that began. Its `id` does not tell: some servers change it."""
    pairs = ((began.get(name), item.get(name)) for name in ("type", "call_id", "name"))
    return all(not a or not b or a == b for a, b in pairs)
