"""Tool calls as odd servers send them, and as models get them wrong: each is run or told to the model, none is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.wire.openai_chat import scripted_responses as chat_server

from ..conftest import Colour
from ..llm import messages_server
from ..transport.server import Server
from .protocols import MODEL, PROTOCOLS, Protocol
from .server import Answer, chunked, in_turn, sized

CHAT, RESPONSES, MESSAGES = PROTOCOLS


def double(n: int) -> int:
    """Twice n."""
    return 2 * n


def chat_stream(*deltas: dict[str, Any], finish: str = "tool_calls") -> Answer:
    """A stream of chat completions: each dict is the delta of one tool call."""
    choices: list[dict[str, Any]] = [{"index": 0, "delta": {"tool_calls": [delta]}} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    events = [b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode() for choice in choices]
    return chunked([*events, b"data: [DONE]\n\n"])


def begun(index: int | str | None, id: str | None, args: str = "", name: str | None = "double") -> dict[str, Any]:
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": args}}


def more(index: int, args: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": args}}


ONE, TWO = '{"n": 1}', '{"n": 2}'
ODD_STREAMS = {
    "interleaved": [
        begun(0, "a"),
        begun(1, "b"),
        more(1, TWO[:3]),
        more(0, ONE[:4]),
        more(1, TWO[3:]),
        more(0, ONE[4:]),
    ],
    "one index, different ids": [begun(0, "a", ONE), begun(0, "b", TWO)],
    "no index": [begun(None, "a", ONE), begun(None, "b", TWO)],
    "one id for both": [begun(0, "a", ONE), begun(1, "a", TWO)],
    "no ids": [begun(0, None, ONE), begun(1, None, TWO)],
    "the id in each piece": [begun(0, "a", ONE[:4]), begun(0, "a", ONE[4:]), begun(1, "b", TWO)],
    "empty names in later pieces": [begun(0, "a", ONE[:4]), begun(0, "", ONE[4:], ""), begun(1, "b", TWO)],
    "arguments before the name": [begun(0, "a", ONE[:4], None), begun(0, "a", ONE[4:]), begun(1, "b", TWO)],
    "finished as if nothing was called": [begun(0, "a", ONE), begun(1, "b", TWO)],
    "another id in each piece": [
        begun(0, "a"),
        {**more(0, ONE[:4]), "id": "b"},
        {**more(0, ONE[4:]), "id": "c"},
        begun(1, "d", TWO),
    ],
    "ids in later pieces": [begun(0, None), {**more(0, ONE), "id": "a"}, begun(1, None), {**more(1, TWO), "id": "b"}],
    "names in pieces": [begun(0, "a", "", "dou"), begun(0, None, "", "ble"), more(0, ONE), begun(1, "b", TWO)],
    "one index, arguments in pieces": [begun(0, "a"), more(0, ONE), begun(0, "b"), more(0, TWO)],
    "an empty object first": [begun(0, "a", "{}"), more(0, ONE), begun(1, "b", "{}"), more(1, TWO)],
    "arguments twice": [begun(0, "a", ONE[:4]), more(0, ONE[4:]), begun(0, "a", ONE), begun(1, "b", TWO), more(1, TWO)],
    "text as index": [begun("0", "a"), begun("1", "b"), more(1, TWO), more(0, ONE)],
}


@pytest.mark.parametrize("oddity", ODD_STREAMS)
def test_odd_streams_of_calls(colour: Colour, server: Server, oddity: str) -> None:
    CHAT.register(server)
    finish = "stop" if oddity.startswith("finished") else "tool_calls"
    server.answer = in_turn(chat_stream(*ODD_STREAMS[oddity], finish=finish), chunked(CHAT.events()))

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[double]))
        await colour.got(response.finish())
        outputs = await colour.got(response.execute_tools())
        assert [output.output for output in outputs] == [2, 4]
        last = await colour.got(response.resume(outputs))
        await colour.got(last.finish())

    colour.run(scenario)
    asked, first, second = server.received[-1].json["messages"][-3:]
    assert [call["id"] for call in asked["tool_calls"]] == [first["tool_call_id"], second["tool_call_id"]]
    assert first["tool_call_id"] != second["tool_call_id"]
    assert len(server.received) == 2


def responses_stream(*events: dict[str, Any], output: list[Any] | None = None) -> Answer:
    """A stream of the Responses API: events without "response." and "output_item." before their types."""
    ended = {"id": "resp_1", "model": "m", "status": "completed", "output": output or []}
    types = {"added": "response.output_item.added", "done": "response.output_item.done"}
    types["delta"] = "response.function_call_arguments.delta"
    made = [{**event, "type": types[event["type"]]} for event in events]
    made.append({"type": "response.completed", "response": ended})
    return chunked(b"data: %b\n\n" % json.dumps(event).encode() for event in made)


def item(type: str, index: int, id: str, args: str = "") -> dict[str, Any]:
    """An event of an item: a call of `double`."""
    call = {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "double", "arguments": args}
    return {"type": type, "output_index": index, "item": call}


def piece(index: int, id: str, args: str) -> dict[str, Any]:
    return {"type": "delta", "output_index": index, "item_id": f"fc_{id}", "delta": args}


def messages_stream(*events: dict[str, Any]) -> Answer:
    """A stream of Anthropic's Messages API: the events between those of its start and end."""
    start, *_, end, stop = MESSAGES.events(llm.ToolCall(id="x", name="x", args="{}"))
    return chunked([start, *(messages_server.event(event) for event in events), end, stop])


def block(index: int, id: str, input: dict[str, Any] | None = None) -> dict[str, Any]:
    use = {"type": "tool_use", "id": id, "name": "double", "input": input or {}}
    return {"type": "content_block_start", "index": index, "content_block": use}


def partial(index: int, args: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": args}}


RESPONSES_STREAMS = {
    "one index for all": [item("added", 0, "a"), item("added", 0, "b"), piece(0, "b", TWO), piece(0, "a", ONE)],
    "another id in each event": [
        item("added", 0, "a"),
        piece(0, "x", ONE[:4]),
        piece(0, "y", ONE[4:]),
        item("done", 0, "a", ONE),
        item("done", 1, "b", TWO),
    ],
    "one id for both": [item("done", 0, "a", ONE), item("done", 1, "a", TWO)],
    "deltas before their item": [piece(0, "a", ONE), item("added", 0, "a"), piece(1, "b", TWO), item("added", 1, "b")],
}
MESSAGES_STREAMS = {
    "input in the start event and again in deltas": [block(0, "a", {"n": 1}), partial(0, ONE), block(1, "b", {"n": 2})],
    "one index for all": [block(0, "a"), partial(0, ONE), block(0, "b"), partial(0, TWO)],
    "one id for both": [block(0, "a"), partial(0, ONE), block(1, "a"), partial(1, TWO)],
    "text as index": [block(0, "a"), partial(0, ONE), {**block(1, "b"), "index": "1"}, partial(1, TWO)],
}
OTHER_STREAMS = [
    *((RESPONSES, responses_stream(*events)) for events in RESPONSES_STREAMS.values()),
    *((MESSAGES, messages_stream(*events)) for events in MESSAGES_STREAMS.values()),
]


@pytest.mark.parametrize(("protocol", "answer"), OTHER_STREAMS, ids=[*RESPONSES_STREAMS, *MESSAGES_STREAMS])
def test_odd_streams_of_calls_in_other_protocols(
    colour: Colour, server: Server, protocol: Protocol, answer: Answer
) -> None:
    protocol.register(server)
    server.answer = in_turn(answer, chunked(protocol.events()))

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[double]))
        await colour.got(response.finish())
        outputs = await colour.got(response.execute_tools())
        assert [output.output for output in outputs] == [2, 4]
        assert len({output.id for output in outputs}) == 2
        last = await colour.got(response.resume(outputs))
        await colour.got(last.finish())

    colour.run(scenario)
    assert len(server.received) == 2


CONTRADICTORY = {
    "chat, no call at this index": (CHAT, chat_stream(begun(0, "a"), more(1, ONE))),
    "chat, two calls wait": (CHAT, chat_stream(begun(0, "a"), begun(1, "b"), {"function": {"arguments": ONE}})),
    "chat, two objects": (CHAT, chat_stream(begun(0, "a", ONE), more(0, TWO))),
    "responses, the id of another": (
        RESPONSES,
        responses_stream(item("added", 0, "a"), item("added", 1, "b"), piece(1, "a", ONE)),
    ),
    "responses, no call at this index": (RESPONSES, responses_stream(item("added", 0, "a"), piece(1, "x", ONE))),
    "responses, other arguments at the end": (
        RESPONSES,
        responses_stream(item("added", 0, "a"), piece(0, "a", ONE), item("done", 0, "a", TWO)),
    ),
    "messages, two calls at one index": (MESSAGES, messages_stream(block(0, "a"), block(0, "b"), partial(0, ONE))),
    "messages, no call at this index": (MESSAGES, messages_stream(block(0, "a"), partial(1, ONE))),
    "messages, another input": (MESSAGES, messages_stream(block(0, "a", {"n": 1}), partial(0, TWO))),
}


@pytest.mark.parametrize(("protocol", "answer"), CONTRADICTORY.values(), ids=CONTRADICTORY)
def test_arguments_that_cannot_be_attributed_run_nothing(
    colour: Colour, server: Server, protocol: Protocol, answer: Answer
) -> None:
    protocol.register(server)
    server.answer = answer

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[double]))
        with pytest.raises(llm.ResponseValidationError) as caught:
            await colour.got(response.finish())
        assert caught.value.partial is not None
        outputs = await colour.got(response.execute_tools())
        assert all(output.error is not None for output in outputs)

    colour.run(scenario)


WRONG_CALLS = {
    "no JSON": '{"n": oops}',
    "cut JSON": '{"n": 1',
    "no object": "[1]",
    "another type": '{"n": "many"}',
    "nothing": "",
    "unknown arguments": '{"m": 1}',
    "nested without end": '{"n": ' + "[" * 20_000,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("args", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_what_the_model_gets_wrong_it_is_told(colour: Colour, server: Server, args: str, stream: bool) -> None:
    CHAT.register(server)
    wrong = llm.ToolCall(id="a", name="double", args=args)
    right = llm.ToolCall(id="b", name="double", args='{"n": 2}')

    async def scenario() -> None:
        outputs = await told(colour, server, CHAT, wrong, right, stream=stream)
        assert isinstance(outputs[0].error, llm.ToolExecutionError)
        assert outputs[1].output == 4

    colour.run(scenario)
    assert [message["tool_call_id"] for message in server.received[-1].json["messages"][-2:]] == ["a", "b"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_unknown_tool_is_told_to_the_model(colour: Colour, server: Server, protocol: Protocol, stream: bool) -> None:
    protocol.register(server)
    unknown = llm.ToolCall(id="call_a", name="treble", args='{"n": 1}')

    async def scenario() -> None:
        (output,) = await told(colour, server, protocol, unknown, stream=stream)
        assert isinstance(output.error, llm.ToolNotFoundError)

    colour.run(scenario)
    assert b"no tool named" in server.received[-1].body


async def told(colour: Colour, server: Server, protocol: Protocol, *calls: llm.ToolCall, stream: bool) -> list[Any]:
    """The outputs of these calls, after they were sent back."""
    ask = colour.stream if stream else colour.ask
    frame = (lambda *parts: chunked(protocol.events(*parts))) if stream else (lambda *p: sized(protocol.whole(*p)))
    server.answer = in_turn(frame(*calls), frame())
    response = await colour.got(ask(llm.Model(MODEL), "Hi", tools=[double]))
    if stream:
        await colour.got(response.finish())
    outputs = await colour.got(response.execute_tools())
    last = await colour.got(response.resume(outputs))
    if stream:
        await colour.got(last.finish())
    assert len(server.received) == 2
    return outputs


def test_items_that_are_done_out_of_order(colour: Colour, server: Server) -> None:
    RESPONSES.register(server)
    calls = [llm.ToolCall(id=id, name="double", args=f'{{"n": {n}}}') for id, n in (("a", 1), ("b", 2))]
    created, *items, completed = RESPONSES.events(*calls)
    first, second = items[: len(items) // 2], items[len(items) // 2 :]
    interleaved = [event for pair in zip(second, first, strict=True) for event in pair]

    async def scenario() -> None:
        for order in ([*second, *first], interleaved, second, first, []):
            server.answer = chunked([created, *order, completed])
            response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[double]))
            await colour.got(response.finish())
            assert response.tool_calls == calls

    colour.run(scenario)


def test_blocks_without_their_beginning_or_end(colour: Colour, server: Server) -> None:
    MESSAGES.register(server)
    calls = [llm.ToolCall(id=id, name="double", args=f'{{"n": {n}}}') for id, n in (("a", 1), ("b", 2))]
    events = MESSAGES.events(*calls)
    no_ends = [event for event in events if b"content_block_stop" not in event]
    stray = [event for event in events if b"content_block_delta" in event][:1]

    async def scenario() -> None:
        for order in (no_ends, [*events[:2], *stray, *events[2:]], [*events, *stray]):
            server.answer = chunked(order)
            response = await colour.got(colour.stream(llm.Model(MODEL), "Hi", tools=[double]))
            await colour.got(response.finish())
            assert response.tool_calls == calls

    colour.run(scenario)


class Book(BaseModel):
    title: str


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_value_that_the_token_limit_cut(colour: Colour, server: Server, stream: bool) -> None:
    CHAT.register(server)
    cut = llm.Text('{"title": "Em')
    at_limit = llm.FinishReason.MAX_TOKENS
    server.answer = (
        chunked(chat_server.encode_events([cut], at_limit))
        if stream
        else sized(chat_server.encode_response([cut], at_limit))
    )

    async def scenario() -> None:
        ask = colour.stream if stream else colour.ask
        response = await colour.got(ask(llm.Model(MODEL), "Hi", format=Book))
        if stream:
            await colour.got(response.finish())
        with pytest.raises(llm.ParseError) as caught:
            await colour.got(response.validate(max_retries=3))
        assert caught.value.cut_off
        assert response.finish_reason is llm.FinishReason.MAX_TOKENS
        assert response.text() == cut.text

    colour.run(scenario)
    assert len(server.received) == 1
