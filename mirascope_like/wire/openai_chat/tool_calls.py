"""Assembles tool calls from the deltas of chat completions.

Servers disagree on what identifies a call within a response: the index, the id, the name, or only the order.

Rules
* A delta belongs to the call at its `index`. Without an index its `id` decides; without either, the newest call.
* At a known index, a delta without a name continues that call, whatever its id is: some servers send another id in
  each delta.
* An equal name is a repeat. A different name continues the name while there are no arguments, unless earlier calls of
  the response began with their arguments in the same delta. After arguments, a name begins a new call if it is
  different, has a new id, or comes with another JSON object.
* Names with different ids and no arguments between them are pieces of one name, unless the arguments have the last id.
* Complete arguments that are repeated count once, and an empty object is replaced by the arguments that follow it.
* A call's start chunk is sent once its name is certain: when its arguments begin, when those of a later call begin, or
  at the end of the response.
* Arguments that cannot be attributed to one call raise `MalformedResponseError`: no call runs with another call's
  arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..codec import JsonObject, MalformedResponseError
from ..json_parsing import as_object, as_text
from ..part_writer import PartWriter
from ..tool_calls import ArgumentsBuffer, arguments_text, normalize_index

_MAX_NAME_LENGTH = 1_000  # characters


@dataclass(slots=True)
class _Delta:
    """One entry of `tool_calls`. Missing fields are empty; a missing `index` is `None`."""

    index: object
    id: str
    name: str
    args: str
    is_custom: bool


class _PartialCall:
    """A tool call that is still arriving."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.id = ""
        self.ids: set[str] = set()  # all ids of its deltas
        self.names: list[tuple[str, str]] = []  # (id, piece): pieces of its name, each with the id known at that time
        self._args_ids: set[str] = set()  # ids that came with arguments
        self._args_id: str = ""  # the last of `_args_ids`
        self.is_custom = False
        self.has_index = False
        self.is_started = False
        self.has_args = False
        self._is_placeholder = False  # whether the arguments are an empty object so far
        self.args = ArgumentsBuffer()

    @property
    def name(self) -> str:
        return "".join(piece for _, piece in self.names)

    def is_different_from(self, delta: _Delta) -> bool:
        """Return whether a delta has another name or id than this call."""
        return not (self._has_name(delta.name, delta.id) and self.can_have_id(delta.id))

    def _has_name(self, name: str, id: str) -> bool:
        """Return whether a name repeats a known one: the whole name, the part that came with this id, or the last
        piece."""
        of_id = "".join(piece for own, piece in self.names if own == id)
        return not self.names or name in (self.name, of_id, self.names[-1][1])

    def is_complete_before(self, args: str) -> bool:
        """Return whether these arguments follow a complete JSON object."""
        return self.has_args and bool(args.strip()) and self.is_complete()

    def is_repeated_by(self, args: str) -> bool:
        """Return whether these arguments repeat this call's, or replace its empty object."""
        return self._is_placeholder or self.args.has_same_value(args)

    def can_have_id(self, id: str) -> bool:
        """Return whether an id may be this call's: it is one of its deltas' ids, or no id is known."""
        return not id or not self.ids or id in self.ids

    def is_complete(self) -> bool:
        """Return whether the arguments are a complete JSON object."""
        return not self.is_custom and self.args.is_complete()

    def add_id(self, id: str) -> None:
        self.id = self.id or id
        self.ids.add(id)

    def add_name(self, name: str, id: str) -> None:
        """Add a piece of the name, unless it repeats a known one. Raises `MalformedResponseError` if the name was
        final."""
        if self.names and self._has_name(name, id):
            return
        if self.is_started:
            raise MalformedResponseError(f"the name of tool call {self.name!r} continues after the call began", name)
        if len(name) + len(self.name) > _MAX_NAME_LENGTH:
            raise MalformedResponseError(f"the name of a tool call has more than {_MAX_NAME_LENGTH} characters", name)
        self.names.append((id or (self.names[-1][0] if self.names else ""), name))

    def split_by_id(self, id: str) -> Sequence[Sequence[tuple[str, str]]]:
        """Split the name if its pieces have several ids and this is one of them: keep the pieces of the first id,
        return the others by id. Raises `MalformedResponseError` if the name was final."""
        by_id: dict[str, list[tuple[str, str]]] = {}
        for piece in self.names:
            by_id.setdefault(piece[0], []).append(piece)
        if len(by_id) < 2 or id not in by_id or "" in by_id:
            return ()
        if self.is_started:
            raise MalformedResponseError(f"tool call {self.name!r} has the deltas of several calls", id)
        self.names, *others = by_id.values()
        self.ids = {self.id}
        return others

    def add_args(self, args: str, id: str) -> None:
        """Add a piece of the arguments. Raises `MalformedResponseError` for a second object after a complete one, and
        for pieces whose ids alternate: those belong to two calls."""
        if id and id != self._args_id:
            if id in self._args_ids:
                raise MalformedResponseError(f"tool call {self.name!r} has arguments of two ids in turn", args)
            self._args_ids.add(id)
            self._args_id = id
        if self.has_args and "{" in args and args.lstrip().startswith("{") and self.is_complete():
            if not self.can_have_id(id) or not self.is_repeated_by(args):
                raise MalformedResponseError(f"tool call {self.name!r} has a second arguments object", args)
            if not self._is_placeholder:
                return
            self._clear_args()
        if (not self.has_args or self._is_placeholder) and (text := args.strip()):
            self._is_placeholder = text == "{}" and not (self.has_args or self.is_custom)
            self.has_args = True
        self.args.add(args)

    def _clear_args(self) -> None:
        self.has_args = self._is_placeholder = False
        self.args = ArgumentsBuffer()

    def write_start(self, writer: PartWriter) -> None:
        """Write that the call begins."""
        self.id = writer.ids.make_unique(self.id)
        self.is_started = True
        writer.begin_call(self.id, self.name)

    def write_args(self, writer: PartWriter) -> None:
        """Write the arguments that are not written yet. An empty object waits, since it may be a placeholder."""
        if not self._is_placeholder:
            writer.write_arguments(self.id, self.args)

    def write_end(self, writer: PartWriter) -> None:
        """Write the remaining arguments and the end."""
        self._is_placeholder = False
        writer.end_call(self.id, self.args)

    def to_raw(self) -> JsonObject:
        """Return the call in the form of a non-streamed response."""
        if self.is_custom:
            return {"type": "custom", "id": self.id, "custom": {"name": self.name, "input": self.args.text}}
        return {"type": "function", "id": self.id, "function": {"name": self.name, "arguments": self.args.text or "{}"}}


class ToolCalls:
    """The tool calls of one response. Work is linear in the number of deltas and their size."""

    def __init__(self, writer: PartWriter) -> None:
        self._writer = writer
        self._calls: list[_PartialCall] = []
        self._by_index: dict[object, _PartialCall] = {}
        self._by_id: dict[str, _PartialCall] = {}
        self._shared_indexes: set[object] = set()  # indexes that several calls have
        self._count_without_args = 0
        self._started_count = 0  # calls are started in order
        self._certain_count = 0  # calls whose names are certain, if they have one
        self._has_whole_calls = False  # whether the first call came with name and arguments in one delta

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, entries: Iterable[JsonObject]) -> None:
        """Add the `tool_calls` of one delta of a stream and write them. Raises `MalformedResponseError`."""
        name = ""
        for entry in entries:
            delta = _parse_delta(entry)
            if delta.index is None and name and delta.name != name and delta.name and not delta.id:
                delta.index = object()  # names beside each other in one list are not pieces of one name
            name = delta.name or name
            if delta.args or delta.name or delta.id:
                self._add_delta(delta)

    def end(self) -> None:
        """Write the rest of the calls. Raises `MalformedResponseError` for arguments without a name."""
        for call in self._calls:
            if call.has_args and not call.names:
                raise MalformedResponseError("arguments came without the name of their tool", call.args.text)
        self._calls = [call for call in self._calls if call.names]
        for call in self._calls:
            if not call.is_started:
                call.write_start(self._writer)
            call.write_end(self._writer)

    def function_arguments(self) -> list[str]:
        """Return the arguments of the function calls so far, as the model wrote them."""
        return [call.args.text for call in self._calls if not call.is_custom]

    def to_raw(self) -> list[JsonObject]:
        """Return the calls in the form of a non-streamed message."""
        return [call.to_raw() for call in self._calls]

    def _add_delta(self, delta: _Delta) -> None:
        call = self._find_or_begin_call(delta)
        call.is_custom = call.is_custom or delta.is_custom
        if delta.name and not (call.names and call.has_args):
            call.add_name(delta.name, delta.id)
        if not call.has_args and delta.args.strip():
            call = self._split_call(call, delta)
            self._count_without_args -= 1
            self._certain_count = max(self._certain_count, call.position + 1)
        if delta.args:
            call.add_args(delta.args, delta.id)
        self._remember_keys(call, delta)
        if self._started_count < self._certain_count:
            self._start_certain_calls()
        if call.is_started:
            call.write_args(self._writer)

    def _remember_keys(self, call: _PartialCall, delta: _Delta) -> None:
        """Remember the index and id by which later deltas may name a call."""
        if delta.index is not None:
            call.has_index = True
            if self._by_index.setdefault(delta.index, call) is not call:
                self._shared_indexes.add(delta.index)
            if delta.name or delta.args:
                self._by_index[delta.index] = call
        if delta.id:
            self._by_id[delta.id] = call
            call.add_id(delta.id)

    def _find_or_begin_call(self, delta: _Delta) -> _PartialCall:
        """Return the call that a delta belongs to; a new one if the delta begins one."""
        call = self._find_call(delta)
        if call is not None and not self._is_next_call(call, delta):
            return call
        if not self._calls:
            self._has_whole_calls = bool(delta.name and delta.args.strip())
        return self._begin_call()

    def _is_next_call(self, call: _PartialCall, delta: _Delta) -> bool:
        """Return whether a delta begins another call at the place of this one."""
        if not delta.name:
            return False
        if call.is_different_from(delta):
            return call.has_args or self._has_whole_calls
        if not call.is_complete_before(delta.args):
            return False
        return (self._has_whole_calls and not delta.id) or not call.is_repeated_by(delta.args)

    def _find_call(self, delta: _Delta) -> _PartialCall | None:
        """Return the call at the place of a delta. Raises `MalformedResponseError` if it is ambiguous."""
        by_id = self._by_id.get(delta.id)
        if delta.index is None:
            return by_id or self._find_newest_call(delta)
        call = self._by_index.get(delta.index)
        if call is None:
            return by_id if by_id and not (by_id.has_index or delta.name) else None
        if by_id and delta.index in self._shared_indexes:
            return by_id
        if by_id and delta.args and not delta.name and delta.id not in call.ids:
            raise MalformedResponseError("arguments have the index of one tool call and the id of another", delta.args)
        return call

    def _find_newest_call(self, delta: _Delta) -> _PartialCall | None:
        """Return the call that a delta without an index continues, if no call has its id."""
        call = self._calls[-1] if self._calls else None
        if call is None or (call.id and (delta.id or not call.names)):
            return None
        if delta.args and not delta.name and not call.has_args and self._count_without_args > 1:
            raise MalformedResponseError(
                "arguments have no index or id, and several tool calls have no arguments yet", delta.args
            )
        return call

    def _begin_call(self) -> _PartialCall:
        self._calls.append(call := _PartialCall(len(self._calls)))
        self._count_without_args += 1
        return call

    def _split_call(self, call: _PartialCall, delta: _Delta) -> _PartialCall:
        """Return the call that the first arguments at an index belong to. It is one of several if names with different
        ids came at that index, which looked like pieces of one name until now."""
        ids = call.ids
        others = call.split_by_id(delta.id)
        if not others:
            return call
        self._shared_indexes.add(delta.index)
        for id in ids:
            self._by_id.pop(id, None)
        self._by_id[call.id] = call
        for names in others:
            other = self._begin_call()
            for id, name in names:
                other.add_name(name, id)
                other.add_id(id)
                self._by_id[id] = other
        return self._by_id[delta.id]

    def _start_certain_calls(self) -> None:
        """Start the calls whose names are certain, in order."""
        while self._started_count < self._certain_count and (call := self._calls[self._started_count]).names:
            self._started_count += 1
            call.write_start(self._writer)
            call.write_args(self._writer)


def _parse_delta(entry: JsonObject) -> _Delta:
    function = as_object(entry.get("function") or entry.get("custom")) or entry  # some servers leave this level out
    args = function.get("arguments")
    args = function.get("input") if args is None else args
    index = entry.get("index")
    return _Delta(
        index if isinstance(index, int) else normalize_index(index),
        as_text(entry.get("id")),
        as_text(function.get("name")),
        args if isinstance(args, str) else arguments_text(args),
        entry.get("type") == "custom",
    )
