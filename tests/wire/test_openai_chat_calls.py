"""Tool calls of chat completions, as many kinds of servers split them: each is put together, or refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings, strategies as st

from mirascope_like.types import content as c
from mirascope_like.types.chunks import Chunk, Reply, ToolCallChunk, ToolCallStartChunk
from mirascope_like.wire.codec import JsonObject, MalformedResponseError
from mirascope_like.wire.features import get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat

from .traffic import fold

LEFT_OUT = "left out"
ONE, TWO = '{"n": 1}', '{"n": 2}'
FINISH: JsonObject = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def entry(index: object, id: object = LEFT_OUT, name: object = LEFT_OUT, args: object = LEFT_OUT) -> JsonObject:
    """One entry of a delta's `tool_calls`."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not LEFT_OUT}
    fields: JsonObject = {"index": index, "id": id, "type": "function", "function": function}
    return {key: value for key, value in fields.items() if value is not LEFT_OUT}


def delta(*entries: JsonObject) -> JsonObject:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(entries)}}]}


def chunks_of(*events: JsonObject) -> list[Chunk]:
    """The chunks of a stream of these events, decoded one by one."""
    decoder = OpenAIChat(get_chat_dialect("openai")).decoder()
    data = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return [chunk for piece in (*data, b"data: [DONE]\n\n") for chunk in decoder.feed(piece)] + decoder.end()


def streamed(*entries: JsonObject) -> Reply:
    """The answer of a stream that brings these entries one by one."""
    return fold(chunks_of(*map(delta, entries), FINISH))


def whole(message: JsonObject) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return fold(OpenAIChat(get_chat_dialect("openai")).decode({"choices": [choice]}))


def calls(reply: Reply) -> list[tuple[str, str]]:
    return [(part.name, part.args) for part in reply.content if isinstance(part, c.ToolCall)]


def test_ids_that_change_do_not_begin_calls() -> None:
    for ids in (["a", "b", "c"], [LEFT_OUT, "b", LEFT_OUT], [LEFT_OUT, "b", "c"], [None, None, "c"], ["a", "", "a"]):
        first, second, third = ids
        entries = (entry(0, first, "f", ""), entry(0, second, args=ONE[:4]), entry(0, third, args=ONE[4:]))
        assert calls(streamed(*entries)) == [("f", ONE)]


@pytest.mark.parametrize("ids", [["a", "a", "a"], ["a", "b", "c"], ["a", None, ""], ["", "", ""], [None, "b", "b"]])
@pytest.mark.parametrize("index", [0, 7, "0"])
def test_a_name_in_pieces_is_one_name(ids: Sequence[object], index: object) -> None:
    first, second, third = ids
    entries = (entry(index, first, "get_wea", ""), entry(index, second, "ther"), entry(index, third, args=ONE))
    assert calls(streamed(*entries)) == [("get_weather", ONE)]


@pytest.mark.parametrize("ids", [["a", "a", "a"], ["a", None, ""], ["", "", ""], [None, None, "a"]])
def test_a_name_in_pieces_is_one_name_without_an_index(ids: Sequence[object]) -> None:
    test_a_name_in_pieces_is_one_name(ids, None)


@pytest.mark.parametrize("pieces", [("", ONE), ("", ONE[:4], ONE[4:]), (LEFT_OUT, None, ONE), (ONE[:4], ONE[4:], "")])
@pytest.mark.parametrize("index", [0, None])
def test_a_repeated_name_is_no_new_call(pieces: Sequence[object], index: object) -> None:
    assert calls(streamed(*(entry(index, "a", "f", piece) for piece in pieces))) == [("f", ONE)]
    assert calls(streamed(*(entry(index, LEFT_OUT, "f", piece) for piece in pieces))) == [("f", ONE)]


TOLD_APART: dict[str, list[JsonObject]] = {
    "one index, whole calls": [entry(0, "a", "f", ONE), entry(0, "b", "g", TWO)],
    "one index, equal names": [entry(0, "a", "f", ONE), entry(0, "b", "f", TWO)],
    "one index, one id": [entry(0, "a", "f", ONE), entry(0, "a", "g", TWO)],
    "one index, one id, equal names": [entry(0, "a", "f", ONE), entry(0, "a", "f", TWO)],
    "one index, arguments in pieces": [
        entry(0, "a", "f", ""),
        entry(0, "a", args=ONE),
        entry(0, "b", "g", ""),
        entry(0, "b", args=TWO),
    ],
    "one index, calls in one list": [entry(0, "a", "f", ONE), entry(0, "b", "g", TWO)],
    "no index or id": [entry(None, None, "f", ONE), entry(None, None, "f", TWO)],
    "one id for all": [entry(0, "a", "f", ONE), entry(1, "a", "f", TWO)],
    "no index, one id for all": [entry(None, "a", "f", ONE), entry(None, "a", "f", TWO)],
    "no index, interleaved": [
        entry(None, "a", "f", ""),
        entry(None, "b", "g", ""),
        entry(None, "b", args=TWO),
        entry(None, "a", args=ONE),
    ],
    "no index, arguments first": [
        entry(None, "a", None, ONE),
        entry(None, "a", "f"),
        entry(None, "b", None, TWO),
        entry(None, "b", "g"),
    ],
    "text as index": [entry("0", "a", "f", ""), entry("1", "b", "g", ""), entry(1, args=TWO), entry(0, args=ONE)],
    "indexes from one": [entry(1, "a", "f", ""), entry(2, "b", "g", ""), entry(2, args=TWO), entry(1, args=ONE)],
    "indexes that jump": [entry(3, "a", "f", ""), entry(9, "b", "g", ""), entry(9, args=TWO), entry(3, args=ONE)],
    "index left out later": [
        entry(0, "a", "f", ""),
        entry(None, args=ONE),
        entry(1, "b", "g", ""),
        entry(None, args=TWO),
    ],
    "index only later": [entry(None, "a", "f", ""), entry(0, "a", args=ONE), entry(1, "b", "g", TWO)],
    "ids later": [entry(0, None, "f", ""), entry(1, None, "g", ""), entry(0, "a", args=ONE), entry(1, "b", args=TWO)],
    "ids empty": [entry(0, "", "f", ""), entry(0, "", "", ONE), entry(1, "", "g", ""), entry(1, "", "", TWO)],
    "objects": [entry(0, "a", "f", {"n": 1}), entry(1, "b", "g", {"n": 2})],
    "name null": [entry(0, "a", "f", ""), entry(0, "a", None, ONE), entry(1, "b", "g", None), entry(1, "b", None, TWO)],
    "no function in the first": [{"index": 0, "id": "a"}, entry(0, name="f", args=ONE), entry(1, "b", "g", TWO)],
    "no level for the function": [
        {"index": 0, "id": "a", "name": "f", "arguments": ONE},
        {"id": "b", "name": "g", "arguments": {"n": 2}},
    ],
    "an empty object first": [
        entry(0, "a", "f", "{}"),
        entry(0, args=ONE[:3]),
        entry(0, args=ONE[3:]),
        entry(1, "b", "g", TWO),
    ],
    "arguments twice": [
        entry(0, "a", "f", ONE[:3]),
        entry(0, args=ONE[3:]),
        entry(0, "a", "f", '{"n":1}'),
        entry(1, "b", "g", TWO),
    ],
    "arguments twice, as text and object": [entry(0, "a", "f", ONE), entry(0, args={"n": 1}), entry(1, "b", "g", TWO)],
    "entries that say nothing": [
        {},
        {"index": 5},
        entry(0, "a", "f", ONE),
        entry(0, "", "", ""),
        entry(1, "b", "g", TWO),
    ],
}


@pytest.mark.parametrize("entries", TOLD_APART.values(), ids=TOLD_APART)
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one list"])
def test_two_calls_are_told_apart(entries: list[JsonObject], at_once: bool) -> None:
    reply = fold(chunks_of(delta(*entries), FINISH)) if at_once else streamed(*entries)
    (first, one), (second, two) = calls(reply)
    assert (first, json.loads(one), json.loads(two)) == ("f", {"n": 1}, {"n": 2})
    assert second in ("f", "g")
    ids = [part.id for part in reply.content if isinstance(part, c.ToolCall)]
    assert all(ids) and len(set(ids)) == 2


def test_names_of_one_index_are_told_apart_by_the_id_of_the_arguments() -> None:
    now, f = entry(0, "a", "now", ""), entry(0, "b", "f", "")
    assert calls(streamed(now, f, entry(0, "b", args=ONE))) == [("now", "{}"), ("f", ONE)]
    assert calls(streamed(now, entry(0, "b", "f", ONE))) == [("now", "{}"), ("f", ONE)]
    assert calls(streamed(now, f, entry(0, "b", "g", ""), entry(0, "b", args=ONE))) == [("now", "{}"), ("fg", ONE)]
    # Where calls come whole, so do their names.
    assert calls(streamed(entry(0, "a", "f", ONE), entry(0, "b", "now", ""), entry(0, "c", "then", ""))) == [
        ("f", ONE),
        ("now", "{}"),
        ("then", "{}"),
    ]


CONTRADICTORY: dict[str, list[JsonObject]] = {
    "no name at all": [entry(0, "a", None, ONE)],
    "arguments at another index": [entry(0, "a", "f", ""), entry(1, None, None, ONE)],
    "arguments at another index with the same id": [entry(0, "a", "f", ""), entry(4, "a", args=ONE)],
    "arguments at another index with another id": [entry(0, "a", "f", ""), entry(1, "b", None, ONE)],
    "the index of one call and the id of another": [
        entry(0, "a", "f", ""),
        entry(1, "b", "g", ""),
        entry(1, "a", args=ONE),
    ],
    "nothing to tell which": [entry(0, "a", "f", ""), entry(1, "b", "g", ""), entry(None, args=ONE)],
    "no call of this id": [entry(None, "a", "f", ""), entry(None, "b", "g", ""), entry(None, "c", args=ONE)],
    "two objects for one call": [entry(0, "a", "f", ONE), entry(0, "a", args=TWO)],
    "two objects, another id": [entry(0, "a", "f", ONE), entry(0, "b", args=TWO)],
    "two objects, no index": [
        entry(0, "a", "f", ""),
        entry(1, "b", "g", ""),
        entry(1, args=ONE),
        entry(None, args=TWO),
    ],
    "a name that goes on too late": [
        entry(0, "a", "get_wea", ""),
        entry(1, "b", "f", ""),
        entry(1, args=ONE),
        entry(0, "a", "ther"),
        entry(0, "a", args=TWO),
    ],
    "arguments of one id, the name of another": [entry(0, "a", None, ONE), entry(0, "b", "f", "")],
}


@pytest.mark.parametrize("entries", CONTRADICTORY.values(), ids=CONTRADICTORY)
def test_arguments_that_cannot_be_attributed_are_an_error(entries: list[JsonObject]) -> None:
    said = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    with pytest.raises(MalformedResponseError):
        chunks_of(said, *map(delta, entries), FINISH)


def test_what_came_with_contradictory_arguments_is_kept() -> None:
    decoder = OpenAIChat(get_chat_dialect("openai")).decoder()
    events = (delta(entry(0, "a", "f", ONE)), delta(entry(0, "a", args=TWO)))
    with pytest.raises(MalformedResponseError) as caught:
        decoder.feed(b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events))
    assert list(caught.value.chunks) == [ToolCallStartChunk("a", "f"), ToolCallChunk("a", ONE)]


def test_a_call_starts_once_its_name_is_certain() -> None:
    decoder = OpenAIChat(get_chat_dialect("openai")).decoder()

    def fed(*entries: JsonObject) -> list[Chunk]:
        return decoder.feed(f"data: {json.dumps(delta(*entries))}\n\n".encode())

    assert fed(entry(0, "a", "get_", "")) == []
    assert fed(entry(0, "a", "weather")) == []
    assert fed(entry(1, "b", "now", "")) == []
    assert fed(entry(0, args="{")) == [ToolCallStartChunk("a", "get_weather"), ToolCallChunk("a", "{")]
    assert fed(entry(0, args="}")) == [ToolCallChunk("a", "}")]
    assert fed(entry(2, "c", "f", ONE)) == [
        ToolCallStartChunk("b", "now"),
        ToolCallStartChunk("c", "f"),
        ToolCallChunk("c", ONE),
    ]


@pytest.mark.parametrize("first", [entry(0, "a", "f", ""), entry(0, "a", "f", "{}")])
def test_finish_reasons_end_no_call(first: JsonObject) -> None:
    """Calls may come in the event of the finish reason, and behind it."""
    ended = delta(entry(0, args=ONE[:3]))
    ended["choices"][0]["finish_reason"] = "tool_calls"
    late = delta(entry(0, args=ONE[3:]), entry(1, "b", "g", TWO))
    assert calls(fold(chunks_of(delta(first), ended, late))) == [("f", ONE), ("g", TWO)]


def test_the_old_field_for_one_call() -> None:
    def old(**function: object) -> JsonObject:
        return {"choices": [{"index": 0, "delta": {"function_call": function}}]}

    def both(args: str) -> JsonObject:
        event = delta(entry(0, "a", "f", args))
        event["choices"][0]["delta"]["function_call"] = {"name": "f", "arguments": args}
        return event

    for events in (
        [old(name="f", arguments=""), old(arguments=ONE[:3]), old(arguments=ONE[3:])],
        [old(name="f"), delta(entry(0, "a", "f", "")), old(arguments=ONE), delta(entry(0, args=ONE))],
        [both(""), both(ONE), old(name="f", arguments=ONE), old(name="", arguments="")],
    ):
        assert calls(fold(chunks_of(*events, FINISH))) == [("f", ONE)]


def test_custom_tools_take_any_text() -> None:
    pieces = ['{"a":1}', '{"a":1}', "{}", "}"]
    entries = ({"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": piece}} for piece in pieces)
    assert calls(streamed(*entries)) == [("f", "".join(pieces))]


# -- any calls, split by any server -----------------------------------------------------------------------------------

Call = tuple[str, str]

TOOLS = ("get", "get_weather", "weather_map", "now")  # a name may begin as another does


@dataclass(frozen=True)
class Style:
    """How a server splits calls into deltas."""

    index: Literal["right", "from one", "jumps", "text", "zero", "none", "in the first"]
    ids: Literal["first", "each", "changing", "later", "none", "empty", "one for all"]
    names: Literal["first", "each", "pieces", "null later", "late"]
    args: Literal["pieces", "at once", "object", "twice", "empty object first"]
    empty: Literal["", "{}", "{ }"]
    order: Literal["one by one", "mixed"]

    @property
    def is_possible(self) -> bool:
        """Whether anybody could tell the calls apart. Mixed calls need an index or id, names that come behind arguments
        an index, and ids that change tell nothing without an index or beside names in each delta."""
        if self.ids == "changing" and (self.names in ("each", "late") or self.index in ("none", "in the first")):
            return False
        if self.names == "late":
            return self.has_indexes or (self.index == "none" and self.ids == "each")
        return self.has_indexes or self.ids == "each" or self.order == "one by one"

    @property
    def is_clear(self) -> bool:
        """Whether it tells all calls apart, and when their names are complete."""
        if self.names == "pieces" and self.order == "mixed":
            return False
        if self.ids == "changing" and self.args in ("twice", "empty object first"):
            return False
        return self.has_indexes or (self.index == "none" and self.ids == "each")

    @property
    def has_indexes(self) -> bool:
        return self.index in ("right", "from one", "jumps", "text")

    def entries(self, calls: Sequence[Call], dice: random.Random) -> list[JsonObject]:
        """The deltas of calls."""
        of_calls = [list(self._of(number, name, args, dice)) for number, (name, args) in enumerate(calls)]
        if self.order == "one by one":
            return [each for entries in of_calls for each in entries]
        starts = [entries.pop(0) for entries in of_calls]
        turns = [number for number, entries in enumerate(of_calls) for _ in entries]
        dice.shuffle(turns)
        return [*starts, *(of_calls[number].pop(0) for number in turns)]

    def _of(self, number: int, name: str, args: str, dice: random.Random) -> Iterator[JsonObject]:
        for count, (piece, more) in enumerate(self._pieces(name, args, dice)):
            yield entry(self._index(number, count), self._id(number, count), piece, more)

    def _pieces(self, name: str, args: str, dice: random.Random) -> Iterator[tuple[object, object]]:
        later = {"each": name, "null later": None}.get(self.names, LEFT_OUT)
        given = list(self._args(args, dice))
        if self.names == "late" and given[0]:
            yield LEFT_OUT, given.pop(0)
            yield name, given.pop(0) if given else LEFT_OUT
        elif self.names == "pieces" and len(name) > 1:
            yield from ((piece, "") for piece in cut(name, dice))
        elif self.args in ("at once", "object"):
            yield name, given.pop(0)
        else:
            yield name, dice.choice(["", None, LEFT_OUT])
        yield from ((later, piece) for piece in given)

    def _args(self, args: str, dice: random.Random) -> Iterator[object]:
        if args == "{}":
            yield self.empty
            return
        if self.args == "empty object first":
            yield "{}"
        if self.args == "object":
            yield json.loads(args)
        elif self.args == "at once":
            yield args
        else:
            yield from cut(args, dice)
        if self.args == "twice":
            yield args

    def _index(self, number: int, count: int) -> object:
        match self.index:
            case "right":
                return number
            case "from one":
                return number + 1
            case "jumps":
                return 7 * number + 3
            case "text":
                return str(number)
            case "zero":
                return 0
            case "in the first":
                return LEFT_OUT if count else number
            case _:
                return LEFT_OUT

    def _id(self, number: int, count: int) -> object:
        match self.ids:
            case "first":
                return LEFT_OUT if count else f"call_{number}"
            case "each":
                return f"call_{number}"
            case "changing":
                return f"call_{number}_{count}"
            case "later":
                return f"call_{number}" if count else LEFT_OUT
            case "empty":
                return ""
            case "one for all":
                return "call"
            case _:
                return LEFT_OUT


def cut(text: str, dice: random.Random) -> Iterator[str]:
    """A text in pieces."""
    while text:
        size = dice.randint(1, len(text))
        yield text[:size]
        text = text[size:]


STYLES = st.builds(Style).filter(lambda style: style.is_possible)
VALUES: st.SearchStrategy[object] = st.sampled_from([0, "}{", 'a "b\\', {"x": []}, {}])
ARGS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=2).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from(TOOLS), ARGS), min_size=1, max_size=4)


@settings(max_examples=500)
@given(CALLS, STYLES, st.randoms(use_true_random=False), st.booleans())
def test_no_call_gets_the_arguments_of_another(
    made: list[Call], style: Style, dice: random.Random, at_once: bool
) -> None:
    entries = style.entries(made, dice)
    at_once = at_once and style.names != "pieces"
    events = [delta(*entries)] if at_once else list(map(delta, entries))
    try:
        reply = fold(chunks_of(*events, FINISH))
    except MalformedResponseError:
        assert not style.is_clear
        return
    got = calls(reply)
    if style.is_clear:
        assert [(name, json.loads(args)) for name, args in got] == [(name, json.loads(args)) for name, args in made]
    assert runnable(got) <= runnable(made)
    assert isinstance(reply.raw_message, dict)
    assert whole(reply.raw_message).content == reply.content


def runnable(calls: Iterable[Call]) -> Counter[tuple[str, str]]:
    """The calls of known tools whose arguments are a JSON object."""
    known = ((name, value(text)) for name, text in calls if name in TOOLS)
    return Counter((name, json.dumps(args)) for name, args in known if isinstance(args, dict))


def value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
