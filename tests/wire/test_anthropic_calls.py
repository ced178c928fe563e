"""Tool calls of the Messages API, as many kinds of servers stream them: each is put together, or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings, strategies as st

from mirascope_like.types import content as c
from mirascope_like.types.chunks import Reply
from mirascope_like.wire.anthropic.codec import AnthropicMessages
from mirascope_like.wire.codec import JsonObject, MalformedResponseError

from .test_openai_chat_calls import ARGS, LEFT_OUT, ONE, TOOLS, TWO, Call, cut, runnable
from .traffic import decode_stream, fold

BEGIN: JsonObject = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "content": []}}
END: list[JsonObject] = [
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]
BY_PROVIDER = "now"  # the tool that the provider runs


def event(kind: str, index: object, **fields: object) -> JsonObject:
    """An event about a content block."""
    made: JsonObject = {"type": f"content_block_{kind}", "index": index, **fields}
    return {name: value for name, value in made.items() if value is not LEFT_OUT}


def start(index: object, name: str, input: object, id: object) -> JsonObject:
    kind = "server_tool_use" if name == BY_PROVIDER else "tool_use"
    return event("start", index, content_block={"type": kind, "id": id, "name": name, "input": input})


def piece(index: object, json_text: object) -> JsonObject:
    return event("delta", index, delta={"type": "input_json_delta", "partial_json": json_text})


def read(*events: JsonObject) -> Reply:
    data = (f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in (BEGIN, *events, *END))
    return fold(decode_stream(AnthropicMessages(), data))


def calls(reply: Reply) -> list[Call]:
    return [(part.name, part.args) for part in reply.content if isinstance(part, c.ToolCall | c.ServerToolCall)]


FIRST, SECOND = start(0, "get", {}, "toolu_0"), start(0, "get", {}, "toolu_1")
STOP = event("stop", 0)
CONTRADICTORY: dict[str, list[JsonObject]] = {
    "a call that begins twice": [FIRST, piece(0, ONE), FIRST],
    "a call that begins twice, with arguments": 2 * [start(0, "get", json.loads(ONE), "toolu_0")],
    "arguments behind the end of their call": [FIRST, STOP, piece(0, ONE)],
    "arguments behind the end, before a call at the same index": [FIRST, STOP, piece(0, ONE), SECOND, piece(0, TWO)],
    "arguments before any call, without an index": [piece(LEFT_OUT, ONE), FIRST, piece(0, ONE), STOP],
    "arguments of no call": [FIRST, piece(0, ONE), STOP, piece(1, TWO)],
}


@pytest.mark.parametrize("events", CONTRADICTORY.values(), ids=CONTRADICTORY)
def test_arguments_that_cannot_be_attributed_are_an_error(events: list[JsonObject]) -> None:
    with pytest.raises(MalformedResponseError):
        read(*events)


def test_calls_at_one_index_are_told_apart() -> None:
    for between in ([], [STOP], [STOP, STOP]):
        assert calls(read(FIRST, piece(0, ONE), *between, SECOND, piece(0, TWO))) == [("get", ONE), ("get", TWO)]


@dataclass(frozen=True)
class Style:
    """How a server streams calls. What is not "once" happens to some of them."""

    index: Literal["right", "from one", "jumps", "text", "zero", "none", "in the first"]
    ids: Literal["right", "none", "one for all"]
    starts: Literal["once", "twice", "late", "never"]
    stops: Literal["once", "twice", "early", "never"]
    args: Literal["pieces", "at once", "object", "in the start", "in the start and in pieces"]
    order: Literal["one by one", "mixed"]
    noise: bool

    @property
    def has_indexes(self) -> bool:
        return self.index in ("right", "from one", "jumps", "text")

    @property
    def is_possible(self) -> bool:
        """Whether anybody could tell the calls apart: without indexes they come one by one, and each is begun. One that
        is begun again behind its end is a second one."""
        if (self.starts, self.stops) == ("twice", "early"):
            return False
        return self.has_indexes or (self.order == "one by one" and self.starts in ("once", "twice"))

    @property
    def is_clear(self) -> bool:
        """Whether it tells all calls apart and all that they are."""
        return self.has_indexes and self.starts == "once" and self.stops != "early"

    def events(self, made: Sequence[Call], dice: random.Random) -> Iterator[JsonObject]:
        """The events of calls, and of texts if there is noise."""
        of_blocks = [list(self._of_call(number, each, dice)) for number, each in enumerate(made)]
        if self.noise:
            of_blocks.insert(dice.randint(0, len(made)), list(self._of_text(len(made), dice)))
        turns = [number for number, events in enumerate(of_blocks) for _ in events]
        if self.order == "mixed":
            dice.shuffle(turns)
        yield from (of_blocks[number].pop(0) for number in turns)

    def _of_call(self, number: int, made: Call, dice: random.Random) -> Iterator[JsonObject]:
        name, args = made
        id = {"right": f"toolu_{number}", "one for all": "toolu"}.get(self.ids)
        index, later = self._index(number, 0), self._index(number, 1)
        input = json.loads(args) if self.args.startswith("in the start") else {}
        first, stop = start(index, name, input, id), event("stop", later)
        deltas = [piece(later, each) for each in self._pieces(args, dice)]
        match self.starts if dice.random() < 0.5 else "once":
            case "twice":
                begun = [first, *deltas[:1], first, *deltas[1:]]
            case "late":
                begun = [*deltas[:1], first, *deltas[1:]]
            case "never":
                begun = deltas
            case _:
                begun = [first, *deltas]
        match self.stops if dice.random() < 0.5 else "once":
            case "twice":
                begun += [stop, stop]
            case "early":
                begun.insert(dice.randint(1, len(begun)) if begun else 0, stop)
            case "never":
                pass
            case _:
                begun.append(stop)
        yield from begun

    def _pieces(self, args: str, dice: random.Random) -> Iterator[object]:
        if self.noise:
            yield dice.choice(["", None])
        if self.args in ("at once", "object"):
            yield json.loads(args) if self.args == "object" else args
        elif self.args != "in the start" and args != "{}":
            yield from cut(args, dice)
        if self.noise:
            yield dice.choice(["", None])

    def _of_text(self, number: int, dice: random.Random) -> Iterator[JsonObject]:
        index, later = self._index(number, 0), self._index(number, 1)
        if dice.random() < 0.5:
            yield event("start", index, content_block={"type": "text", "text": ""})
        for text in ('{"n":', "", " 1}"):
            yield {"type": "ping"}
            yield event("delta", later, delta={"type": "text_delta", "text": text})
        yield event("stop", later)

    def _index(self, number: int, count: int) -> object:
        given = {"right": number, "from one": number + 1, "jumps": 7 * number + 3, "text": str(number), "zero": 0}
        if self.index == "in the first" and not count:
            return number
        return given.get(self.index, LEFT_OUT)


STYLES = st.builds(Style).filter(lambda style: style.is_possible)
CALLS = st.lists(st.tuples(st.sampled_from(TOOLS), ARGS), min_size=1, max_size=4)


@settings(max_examples=200)
@given(CALLS, STYLES, st.randoms(use_true_random=False))
def test_no_call_gets_the_arguments_of_another(made: list[Call], style: Style, dice: random.Random) -> None:
    try:
        reply = read(*style.events(made, dice))
    except MalformedResponseError:
        assert not style.is_clear
        return
    got = calls(reply)
    if style.is_clear:
        assert len(got) == len(made)
        assert runnable(got) == runnable(made)
    assert runnable(got) <= runnable(made)
    ids = [part.id for part in reply.content if isinstance(part, c.ToolCall | c.ServerToolCall)]
    assert all(ids) and len(set(ids)) == len(ids)
