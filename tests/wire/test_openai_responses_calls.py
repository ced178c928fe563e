"""Tool calls of the Responses API, as many kinds of servers stream them: each is put together, or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings, strategies as st

from mirascope_like.types import content as c
from mirascope_like.types.chunks import Reply
from mirascope_like.wire.codec import JsonObject, MalformedResponseError
from mirascope_like.wire.openai_responses.codec import OpenAIResponses

from .test_openai_chat_calls import ARGS, LEFT_OUT, ONE, TOOLS, TWO, Call, calls, cut, runnable
from .traffic import decode_stream, fold

CREATED: JsonObject = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}


def call(number: int, args: str, **fields: Any) -> JsonObject:
    item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": f"f{number}"}
    return {**item, "arguments": args, **fields}


def event(kind: str, index: object = LEFT_OUT, id: object = LEFT_OUT, **fields: Any) -> JsonObject:
    made: JsonObject = {"type": f"response.{kind}", "output_index": index, "item_id": id, **fields}
    return {name: value for name, value in made.items() if value is not LEFT_OUT}


def added(index: object, item: JsonObject) -> JsonObject:
    return event("output_item.added", index, item=item)


def done(index: object, item: JsonObject) -> JsonObject:
    return event("output_item.done", index, item=item)


def delta(index: object, id: object, piece: str) -> JsonObject:
    return event("function_call_arguments.delta", index, id, delta=piece)


def complete(index: object, id: object, args: str) -> JsonObject:
    return event("function_call_arguments.done", index, id, arguments=args)


def completed(*output: JsonObject) -> JsonObject:
    return {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [*output]}}


def read(*events: JsonObject) -> Reply:
    data = (f"data: {json.dumps(each)}\n\n".encode() for each in (CREATED, *events))
    return fold(decode_stream(OpenAIResponses(), data))


F0, F1 = call(0, ""), call(1, "")
EXPECTED = [("f0", ONE), ("f1", TWO)]
TOLD_APART: dict[str, list[JsonObject]] = {
    "ids that change": [
        added(0, F0),
        delta(0, "x", ONE[:3]),
        delta(0, "y", ONE[3:]),
        done(0, call(0, ONE, id="z")),
        added(1, F1),
        delta(1, "v", TWO),
        done(1, call(1, TWO, id="w")),
    ],
    "one index for all": [
        added(0, F0),
        added(0, F1),
        delta(0, "fc_1", TWO[:3]),
        delta(0, "fc_0", ONE),
        delta(0, "fc_1", TWO[3:]),
        done(0, call(0, ONE)),
        done(0, call(1, TWO)),
    ],
    "one index for all, one by one": [
        added(0, F0),
        delta(0, LEFT_OUT, ONE),
        done(0, call(0, ONE)),
        added(0, F1),
        delta(0, LEFT_OUT, TWO),
        done(0, call(1, TWO)),
    ],
    "one id for all": [
        added(0, {**F0, "id": "fc"}),
        added(1, {**F1, "id": "fc"}),
        delta(1, "fc", TWO),
        delta(0, "fc", ONE),
        complete(1, "fc", TWO),
        complete(0, "fc", ONE),
    ],
    "no index": [
        added(LEFT_OUT, F0),
        added(None, F1),
        delta(LEFT_OUT, "fc_1", TWO),
        delta(None, "fc_0", ONE),
        done(LEFT_OUT, call(0, ONE)),
        done(LEFT_OUT, call(1, TWO)),
    ],
    "no index or id, one by one": [
        added(LEFT_OUT, {**F0, "id": None}),
        delta(LEFT_OUT, LEFT_OUT, ONE),
        done(LEFT_OUT, call(0, ONE, id=None)),
        added(LEFT_OUT, {**F1, "id": None}),
        delta(LEFT_OUT, LEFT_OUT, TWO),
        done(LEFT_OUT, call(1, TWO, id=None)),
    ],
    "text as index": [added("0", F0), added("1", F1), delta(1, "fc_1", TWO), delta("0", "fc_0", ONE)],
    "indexes from one": [added(1, F0), delta(1, "fc_0", ONE), added(2, F1), delta(2, "fc_1", TWO)],
    "indexes that jump": [added(4, F0), added(9, F1), delta(9, "x", TWO), delta(4, "y", ONE)],
    "arguments only at the end": [added(0, F0), complete(0, "fc_0", ONE), added(1, F1), complete(1, "fc_1", TWO)],
    "only items that are done": [done(1, call(1, TWO)), done(0, call(0, ONE))],
    "arguments at the start": [added(0, call(0, ONE)), added(1, call(1, TWO)), delta(1, "fc_1", TWO)],
    "an empty object at the start": [
        added(0, call(0, "{}")),
        delta(0, "fc_0", ONE),
        added(1, call(1, "{}")),
        delta(1, "fc_1", TWO),
    ],
    "deltas before their item": [delta(0, "fc_0", ONE), added(0, F0), delta(1, "fc_1", TWO), added(1, F1)],
    "no item, but its name": [
        complete(0, "fc_0", ONE) | {"name": "f0"},
        delta(1, "fc_1", TWO),
        complete(1, "fc_1", TWO) | {"name": "f1"},
    ],
    "another notation at the end": [
        added(0, F0),
        delta(0, "fc_0", ONE),
        done(0, call(0, '{"n":1}')),
        done(1, call(1, TWO)),
    ],
    "events twice": [
        added(0, F0),
        added(0, F0),
        delta(0, "fc_0", ONE),
        complete(0, "fc_0", ONE),
        complete(0, "fc_0", ONE),
        done(0, call(0, ONE)),
        done(0, call(0, ONE)),
        added(1, F1),
        done(1, call(1, TWO)),
    ],
    "no id for the call": [
        added(0, {**F0, "call_id": None}),
        delta(0, "fc_0", ONE),
        added(1, {**F1, "call_id": ""}),
        delta(1, "fc_1", TWO),
    ],
    "one id for both calls": [
        added(0, {**F0, "call_id": "call"}),
        delta(0, "fc_0", ONE),
        added(1, {**F1, "call_id": "call"}),
        delta(1, "fc_1", TWO),
    ],
    "objects": [done(0, {**F0, "arguments": {"n": 1}}), done(1, {**F1, "arguments": {"n": 2}})],
}


@pytest.mark.parametrize("events", TOLD_APART.values(), ids=TOLD_APART)
def test_two_calls_are_told_apart(events: list[JsonObject]) -> None:
    reply = read(*events, completed())
    assert [(name, json.loads(args)) for name, args in calls(reply)] == [("f0", {"n": 1}), ("f1", {"n": 2})]
    ids = [part.id for part in reply.content if isinstance(part, c.ToolCall)]
    assert all(ids) and len(set(ids)) == 2


CONTRADICTORY: dict[str, list[JsonObject]] = {
    "no item": [delta(0, "fc_0", ONE)],
    "no item at this index": [added(0, F0), delta(3, "x", ONE)],
    "the index of one call and the id of another": [added(0, F0), added(1, F1), delta(1, "fc_0", ONE)],
    "the id of a call and an index of none": [added(0, F0), delta(5, "fc_0", ONE)],
    "nothing to tell which": [added(0, F0), added(1, F1), delta(LEFT_OUT, "x", ONE)],
    "one index for all, an unknown id": [added(0, F0), added(0, F1), delta(0, "x", ONE)],
    "other arguments at the end": [added(0, F0), delta(0, "fc_0", ONE), complete(0, "fc_0", TWO)],
    "other arguments of the item": [added(0, F0), delta(0, "fc_0", ONE), done(0, call(0, TWO))],
    "no arguments at the end": [added(0, F0), delta(0, "fc_0", ONE), done(0, call(0, "{}"))],
    "another item at the end": [added(0, F0), delta(0, "fc_0", ONE), completed(call(1, TWO))],
    "another name at the end": [added(0, F0), completed(call(0, TWO, name="f1"))],
    "no call at the end": [added(0, F0), completed({"type": "message", "content": []})],
}


@pytest.mark.parametrize("events", CONTRADICTORY.values(), ids=CONTRADICTORY)
def test_arguments_that_cannot_be_attributed_are_an_error(events: list[JsonObject]) -> None:
    with pytest.raises(MalformedResponseError):
        read(*events, completed())


def test_calls_of_one_id_stay_two_in_a_whole_answer() -> None:
    body = completed(call(0, ONE, call_id="call"), call(1, TWO, call_id="call"))["response"]
    reply = fold(OpenAIResponses().decode(body))
    assert calls(reply) == EXPECTED
    assert len({part.id for part in reply.content if isinstance(part, c.ToolCall)}) == 2


def test_an_item_that_the_last_event_leaves_out_is_not_taken_for_the_next() -> None:
    thought = {"type": "reasoning", "summary": []}
    said = event("reasoning_summary_text.delta", 0, "rs", delta="Hm.", summary_index=0)
    message = {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}
    reply = read(added(0, thought), said, completed(message, call(1, TWO)))
    assert reply.content == (c.Thought("Hm."), c.Text("Yes."), c.ToolCall(id="call_1", name="f1", args=TWO))


# -- any calls, streamed by any server --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """How a server streams calls."""

    index: Literal["right", "from one", "text", "zero", "none"]
    ids: Literal["right", "changing", "none", "one for all"]
    call_ids: Literal["right", "none", "one for all"]
    begun: Literal["without arguments", "with arguments", "with an empty object", "never"]
    deltas: Literal["pieces", "none"]
    ended: Literal["arguments", "item", "both", "neither"]
    output: Literal["in the last event", "nowhere"]
    order: Literal["one by one", "mixed"]

    @property
    def is_clear(self) -> bool:
        """Whether it tells all calls apart and all that they are."""
        says_which = self.index in ("right", "from one", "text")
        return says_which and (self.output == "in the last event" or self._has_names)

    @property
    def is_possible(self) -> bool:
        """Whether its calls have arguments somewhere, and something to tell them apart if they are mixed."""
        has_args = self.deltas == "pieces" or self.ended != "neither" or self.begun == "with arguments"
        says_which = self.index not in ("zero", "none") or self.ids == "right"
        return (self.output == "in the last event" or has_args) and (self.order == "one by one" or says_which)

    @property
    def _has_names(self) -> bool:
        return self.begun != "never" or self.ended in ("item", "both")

    def events(self, made: Sequence[Call], dice: random.Random) -> Iterator[JsonObject]:
        """The events of calls."""
        of_calls = [list(self._of(number, each, dice)) for number, each in enumerate(made)]
        turns = [number for number, events in enumerate(of_calls) for _ in events]
        if self.order == "mixed":
            dice.shuffle(turns)
        yield from (of_calls[number].pop(0) for number in turns)
        output = [self._item(number, name, args, 0) for number, (name, args) in enumerate(made)]
        yield completed(*(output if self.output == "in the last event" else []))

    def _of(self, number: int, made: Call, dice: random.Random) -> Iterator[JsonObject]:
        name, args = made
        index = {"right": number, "from one": number + 1, "text": str(number), "zero": 0}.get(self.index, LEFT_OUT)
        if self.begun != "never":
            first = {"with arguments": args, "with an empty object": "{}"}.get(self.begun, "")
            yield added(index, self._item(number, name, first, 1))
        for place, piece in enumerate(cut(args, dice) if self.deltas == "pieces" else ()):
            yield delta(index, self._id(number, 2 + place), piece)
        if self.ended in ("arguments", "both"):
            yield complete(index, self._id(number, 1_000), args)
        if self.ended in ("item", "both"):
            yield done(index, self._item(number, name, args, 1_001))

    def _item(self, number: int, name: str, args: str, count: int) -> JsonObject:
        call_id = {"right": f"call_{number}", "one for all": "call"}.get(self.call_ids)
        return call(number, args, id=self._id(number, count), call_id=call_id, name=name)

    def _id(self, number: int, count: int) -> object:
        return {"right": f"fc_{number}", "changing": f"fc_{number}_{count}", "one for all": "fc"}.get(self.ids)


STYLES = st.builds(Style).filter(lambda style: style.is_possible)
CALLS = st.lists(st.tuples(st.sampled_from(TOOLS), ARGS), min_size=1, max_size=4)


@settings(max_examples=500)
@given(CALLS, STYLES, st.randoms(use_true_random=False))
def test_no_call_gets_the_arguments_of_another(made: list[Call], style: Style, dice: random.Random) -> None:
    try:
        reply = read(*style.events(made, dice))
    except MalformedResponseError:
        assert not style.is_clear
        return
    got = calls(reply)
    if style.is_clear:
        assert [(name, json.loads(args)) for name, args in got] == [(name, json.loads(args)) for name, args in made]
    assert runnable(got) <= runnable(made)
