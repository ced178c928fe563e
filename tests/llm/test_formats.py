"""Values of answers: what models are told, and how their text is read."""

from __future__ import annotations

import enum
import json
import pickle
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.engine.chunk_filter import ChunkFilter
from mirascope_like.engine.plan import prepare
from mirascope_like.schema.formats import FORMAT_TOOL
from mirascope_like.types.chunks import (
    Chunk,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
)
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

from ..conftest import Colour
from ..transport.server import Exchange, Server
from .chat_server import register, saying


class Book(BaseModel):
    """A book to read."""

    title: str
    pages: int = 0


BOOK = Book(title="Moby", pages=3)
JSON = '{"title": "Moby", "pages": 3}'


@pytest.fixture(params=["whole", "stream"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


async def asked(colour: Colour, kind: str, model: llm.Model, format: Any, **options: Any) -> Any:
    response = await colour.got((colour.stream if kind == "stream" else colour.ask)(model, "Hi", format=format))
    if kind == "stream":
        await colour.got(response.finish())
    return response


# -- modes ------------------------------------------------------------------------------------------------------------


def test_strict(colour: Colour, kind: str) -> None:
    model = llm.scripted(JSON)
    response = colour.run(lambda: asked(colour, kind, model, llm.format(Book, mode="strict")))
    assert response.parse() == BOOK
    assert response.format.mode == "strict"
    (body,) = model.requests
    sent = body["response_format"]["json_schema"]
    assert (sent["name"], sent["description"], sent["strict"]) == ("Book", "A book to read.", True)
    assert sent["schema"]["required"] == ["title", "pages"]
    assert sent["schema"]["additionalProperties"] is False
    assert body["messages"] == [{"role": "user", "content": "Hi"}]


def test_json(colour: Colour, kind: str) -> None:
    model = llm.scripted(f"Here you are:\n```json\n{JSON}\n```")
    response = colour.run(lambda: asked(colour, kind, model, llm.format(Book, mode="json")))
    assert response.parse() == BOOK
    (body,) = model.requests
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["role"] == "system"
    assert '"title"' in body["messages"][0]["content"]
    assert response.messages[0] == llm.messages.user("Hi")


def test_tool(colour: Colour, kind: str) -> None:
    def decide(body: dict[str, Any]) -> llm.ToolCall:
        return llm.ToolCall(id="1", name=body["tool_choice"]["function"]["name"], args=JSON)

    model = llm.scripted(decide)
    response = colour.run(lambda: asked(colour, kind, model, llm.format(Book, mode="tool")))
    assert response.parse() == BOOK
    assert response.tool_calls == []
    assert response.content == (llm.Text(JSON),)
    (body,) = model.requests
    assert body["tools"][0]["function"]["parameters"]["properties"].keys() == {"title", "pages"}


def test_tool_beside_other_tools(colour: Colour, kind: str) -> None:
    def look() -> str:
        return "seen"

    def last(body: dict[str, Any]) -> list[llm.ToolCall]:
        assert body["tool_choice"] == "required"
        return [llm.ToolCall(id="2", name=body["tools"][-1]["function"]["name"], args=JSON)]

    model = llm.scripted([llm.ToolCall(id="1", name="look", args="{}")], last, "and then")
    call = llm.call(model, tools=[look], format=llm.format(Book, mode="tool"))(colour.fn(lambda: "Hi"))

    async def scenario() -> None:
        response = await colour.got(call.stream() if kind == "stream" else call())
        outputs = await colour.got(response.execute_tools())
        response = await colour.got(response.resume(outputs))
        assert await colour.got(response.execute_tools()) == []
        assert response.parse() == BOOK
        await colour.got(response.resume("thanks"))

    colour.run(scenario)
    assert [message["role"] for message in model.requests[2]["messages"][-3:]] == ["tool", "assistant", "user"]
    assert "tool_calls" not in model.requests[2]["messages"][-2]


def test_of_several_final_answers_the_first_counts(colour: Colour, kind: str) -> None:
    def look() -> str:
        return "seen"

    def final(body: dict[str, Any]) -> list[llm.ToolCall]:
        name = body["tools"][-1]["function"]["name"]
        others = ("2", "look", "{}"), ("3", name, '{"title": "Other"}')
        return [llm.ToolCall(id=id, name=name, args=args) for id, name, args in (("1", name, JSON), *others)]

    model = llm.scripted(final, "and then")
    call = llm.call(model, tools=[look], format=llm.format(Book, mode="tool"))(colour.fn(lambda: "Hi"))

    async def scenario() -> None:
        response = await colour.got(call.stream() if kind == "stream" else call())
        if kind == "stream":
            await colour.got(response.finish())
        assert response.content == (llm.Text(JSON), llm.ToolCall(id="2", name="look", args="{}"))
        assert response.parse() == BOOK
        await colour.got(response.resume(await colour.got(response.execute_tools())))

    colour.run(scenario)
    said, result = model.requests[1]["messages"][-2:]
    assert (said["content"], [call["id"] for call in said["tool_calls"]]) == (JSON, ["2"])
    assert result["tool_call_id"] == "2"


def test_a_citation_of_text_beside_the_final_answer_is_not_one_of_the_answer(colour: Colour, server: Server) -> None:
    def call(args: str, **fields: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": {"arguments": args, **fields}}]}

    source = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "Shop"}}
    deltas = [
        call(JSON[:5], name=FORMAT_TOOL) | {"content": ""},
        {"content": "I looked it up.", "annotations": [source]},
        call(JSON[5:]),
    ]
    events = [{"choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas]
    data = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    server.answer = lambda exchange: exchange.stream(*data, b"data: [DONE]\n\n")
    register(server)
    model = llm.Model("test/x")

    async def scenario() -> None:
        response = await colour.got(colour.stream(model, "Hi", format=llm.format(Book, mode="tool")))
        await colour.got(response.finish())
        assert response.content == (llm.Text(JSON),)

    colour.run(scenario)


def _call(id: str) -> list[Chunk]:
    return [ToolCallStartChunk(id, FORMAT_TOOL), ToolCallChunk(id, f"of {id}"), ToolCallEndChunk(id)]


@pytest.mark.parametrize(
    "chunks",
    [
        [*_call("1"), *_call("2")],
        [*_call("1"), *_call("1")],
        [chunk for pair in zip(_call("1"), _call("2"), strict=True) for chunk in pair],
        [*_call("1")[:2], *_call("2"), *_call("1")[2:]],
        [*_call("1")[:2], *_call("2")[:2], *_call("1")[2:]],
    ],
    ids=["one after another", "of one id", "together", "one in another", "cut off"],
)
def test_final_answers_may_come_in_any_order(chunks: list[Chunk]) -> None:
    """On some wires a call ends before the next begins, on others all are open to the end."""
    prepared = prepare(
        llm.scripted("Hi").plan([llm.messages.user("Hi")], format=llm.format(Book, mode="tool")), stream=True
    )
    shown = ChunkFilter(prepared)
    assert [each for chunk in chunks for each in shown([chunk])] == [
        TextStartChunk(),
        TextChunk("of 1"),
        TextEndChunk(),
    ]
    other = ToolCallStartChunk("2", "look")
    assert shown([TextStartChunk(), other, ToolCallChunk("3", "{}")]) == [
        TextStartChunk(),
        other,
        ToolCallChunk("3", "{}"),
    ]


def test_the_mode_follows_the_model(server: Server) -> None:
    """Where nothing is known of a model, it is told; a conversation may go on with one of which more is known."""
    server.answer = saying(JSON)
    register(server)
    response = llm.Model("test/x").call("Hi", format=Book)
    assert response.format.mode == "json"
    assert "response_format" not in server.received[0].json
    model = llm.scripted(JSON)
    resumed = model.resume(response=response, content="Again.")
    assert resumed.format.mode == "strict"
    assert resumed.parse() == BOOK
    assert [message["role"] for message in model.requests[0]["messages"]] == ["user", "assistant", "user"]


def test_instructions_of_the_types_own() -> None:
    class Own(BaseModel):
        n: int

        @classmethod
        def formatting_instructions(cls) -> str:
            return "Say n."

    model = llm.scripted('{"n": 1}', '{"n": 1}')
    model.call("Hi", format=Own)
    model.call([llm.messages.system("Be brief."), llm.messages.user("Hi")], format=Own)
    assert [body["messages"][0]["content"] for body in model.requests] == ["Say n.", "Be brief.\nSay n."]


def test_a_parser(colour: Colour, kind: str) -> None:
    @llm.output_parser(formatting_instructions="One word a line.")
    def words(response: llm.BaseResponse[Any]) -> list[str]:
        """Reads words."""
        return [line for line in response.text().splitlines() if line] or 1 / 0

    model = llm.scripted("a\nb", "\n")
    response = colour.run(lambda: asked(colour, kind, model, words))
    assert response.parse() == ["a", "b"]
    assert model.requests[0]["messages"][0]["content"] == "One word a line."
    assert (words.__name__, words.__doc__) == ("words", "Reads words.")
    empty = colour.run(lambda: asked(colour, kind, model, words))
    with pytest.raises(llm.ParseError) as caught:
        empty.parse()
    assert isinstance(caught.value.original_exception, ZeroDivisionError)
    with pytest.raises(ValueError, match="parser"):
        llm.format(words, mode="json")


def test_wrong_modes() -> None:
    with pytest.raises(ValueError, match="parser"):
        llm.format(Book, mode="parser")
    with pytest.raises(ValueError, match="mode"):
        llm.format(Book, mode="xml")  # type: ignore[arg-type]


# -- kinds of values --------------------------------------------------------------------------------------------------


class Mood(enum.Enum):
    GOOD = "good"


class Place(TypedDict):
    city: str


class Pair(NamedTuple):
    a: int
    b: str


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Book, JSON, BOOK),
        (Book, f"```json\n{JSON}\n```", BOOK),
        (Book, f"Use {{braces}}: {JSON} as said.", BOOK),
        (Book, '{"title": "```json {", "pages": 1}', Book(title="```json {", pages=1)),
        (int, '{"output": 3}', 3),
        (int, "3", 3),
        (bool, '{"output": false}', False),
        (str, '{"output": ""}', ""),
        (float, "1.5", 1.5),
        (list[Book], f"[{JSON}]", [BOOK]),
        (list[str], '{"output": ["a"]}', ["a"]),
        (dict[str, int], '{"output": {"output": 1}}', {"output": 1}),
        (set[int], "[1, 1]", {1}),
        (Mood, '{"output": "good"}', Mood.GOOD),
        (Literal["a", "b"], '{"output": "a"}', "a"),
        (int | str, '{"output": "x"}', "x"),
        (Book | None, '{"output": null}', None),
        (Place, '{"city": "Oslo"}', {"city": "Oslo"}),
        (Point, '{"x": 1}', Point(1)),
        (Pair, '{"output": [1, "b"]}', Pair(1, "b")),
        (date, '{"output": "2024-02-29"}', date(2024, 2, 29)),
        (Decimal, '{"output": "1.10"}', Decimal("1.10")),
        (frozenset[int], '{"output": [1]}', frozenset({1})),
    ],
    ids=str,
)
def test_values(kind: Any, text: str, value: object) -> None:
    model = llm.scripted(text)
    parsed = model.call("Hi", format=kind).parse()
    assert parsed == value
    assert type(parsed) is type(value)
    schema = model.requests[0]["response_format"]["json_schema"]
    assert schema["schema"]["type"] == "object"
    assert schema["name"].replace("_", "").replace("-", "").isalnum()


def test_what_cannot_be_a_format() -> None:
    class Opaque:
        pass

    with pytest.raises(TypeError, match="cannot be a format"):
        llm.scripted("x").call("Hi", format=Opaque)


@pytest.mark.parametrize("text", ["", "no idea", "{", '{"title": 3}', '{"pages": 1}', "[1]"])
def test_what_is_not_of_the_format(text: str) -> None:
    with pytest.raises(llm.ParseError) as caught:
        llm.scripted(text).call("Hi", format=Book).parse()
    assert caught.value.text == text
    assert str(caught.value) in caught.value.retry_message()


def test_partial_values() -> None:
    stream = llm.scripted(JSON).stream("Hi", format=Book)
    assert stream.parse(partial=True) is None
    stream.finish()
    assert stream.parse(partial=True).title == "Moby"
    assert llm.scripted("Hi").call("Hi").parse(partial=True) is None
    response = llm.scripted("[1]").call("Hi", format=list[int])
    assert response.parse(partial=True) == pickle.loads(pickle.dumps(response)).parse() == [1]


def test_a_partial_value_begins_anew_with_its_stream(colour: Colour) -> None:
    script = llm.scripted(['{"title": "Emma', llm.ConnectionError("The line is dead.")], JSON)
    model = llm.retry(script, initial_delay=0, after_output="restart")

    async def scenario() -> None:
        stream = await colour.got(colour.stream(model, "Hi", format=Book))
        texts = stream.text_stream()
        assert [await colour.next(texts), await colour.next(texts)] == ['{"title":', ' "Emma']
        assert stream.parse(partial=True).title == "Emma"
        with pytest.raises(llm.StreamRestarted):
            await colour.next(texts)
        assert stream.parse(partial=True) is None
        await colour.all(stream.text_stream())
        assert stream.parse(partial=True) == stream.parse() == BOOK

    colour.run(scenario)


# -- asking again -----------------------------------------------------------------------------------------------------


def test_validate_asks_again(colour: Colour, kind: str) -> None:
    model = llm.scripted("no idea", '{"title": 3}', JSON)

    async def scenario() -> None:
        response = await asked(colour, kind, model, llm.format(Book, mode="json"))
        value, last = await colour.got(response.validate(max_retries=2))
        assert value == last.parse() == BOOK
        assert type(last) is type(response)
        assert len(last.messages) == 6

    colour.run(scenario)
    said = [body["messages"][-1]["content"] for body in model.requests]
    assert "no JSON" in said[1]
    assert "title: Input should be a valid string" in said[2]


def test_validate_gives_up(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        response = await asked(colour, kind, llm.scripted("one", "two", "three"), Book)
        with pytest.raises(llm.ParseError) as caught:
            await colour.got(response.validate())
        assert caught.value.text == "two"
        with pytest.raises(llm.ParseError):
            await colour.got(response.validate(0))
        with pytest.raises(ValueError, match="negative"):
            await colour.got(response.validate(-1))

    colour.run(scenario)


def test_validate_of_what_is_right_asks_nobody(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        response = await asked(colour, kind, llm.scripted(JSON), Book)
        assert await colour.got(response.validate()) == (BOOK, response)
        response = await asked(colour, kind, llm.scripted("Hi"), None)
        assert await colour.got(response.validate()) == (None, response)

    colour.run(scenario)


def test_validate_wants_the_tool_calls_answered(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        model = llm.scripted([llm.ToolCall(id="1", name="look", args="{}")])
        response = await asked(colour, kind, model, Book)
        with pytest.raises(ValueError, match="unanswered tool calls"):
            await colour.got(response.validate())
        assert len(model.requests) == 1

    colour.run(scenario)


def test_validate_does_not_ask_again_for_what_the_limit_cut_off(colour: Colour, kind: str, server: Server) -> None:
    parts = [llm.Text('{"title": "Mo')]

    def answer(exchange: Exchange) -> None:
        if kind == "stream":
            exchange.stream(*encode_events(parts, llm.FinishReason.MAX_TOKENS))
        else:
            exchange.whole(encode_response(parts, llm.FinishReason.MAX_TOKENS))

    server.answer = answer
    register(server)

    async def scenario() -> None:
        response = await asked(colour, kind, llm.Model("test/x"), Book)
        with pytest.raises(llm.ParseError):
            await colour.got(response.validate(3))

    colour.run(scenario)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (llm.FinishReason.CONTEXT_LENGTH_EXCEEDED, "the model's context is full"),
        (llm.FinishReason.REFUSAL, "refused.*: '12'"),
    ],
)
def test_answers_that_did_not_simply_end(colour: Colour, kind: str, reason: llm.FinishReason, said: str) -> None:
    async def scenario() -> None:
        model = llm.scripted(["12", reason], [JSON, reason])
        response = await asked(colour, kind, model, int)
        assert response.parse(partial=True) in (None, 12)
        for read in (lambda: response.parse(), lambda: response.validate(2)):
            with pytest.raises(llm.ParseError, match=said) as caught:
                await colour.got(read())
            assert (caught.value.cut_off, caught.value.text) == (reason.cuts_off, "12")
        assert len(model.requests) == 1
        assert (await asked(colour, kind, model, Book)).parse() == BOOK  # it has an end

    colour.run(scenario)


def test_parse_says_what_is_still_to_be_done(colour: Colour) -> None:
    async def scenario() -> None:
        model = llm.scripted([llm.ToolCall(id="1", name="look", args="{}")], "12", "12", JSON)
        with pytest.raises(llm.ParseError, match="unanswered tool calls"):
            (await asked(colour, "whole", model, Book)).parse()
        stream = await colour.got(colour.stream(model, "Hi", format=int))
        with pytest.raises(llm.ParseError, match=r"not finished: call finish\(\)"):
            stream.parse()
        await colour.got(stream.finish())
        assert stream.parse() == 12
        closed = await colour.got(colour.stream(model, "Hi", format=int))
        await colour.close(closed)
        with pytest.raises(llm.ParseError, match="was closed"):
            closed.parse()

    colour.run(scenario)


def test_validate_with_a_context(colour: Colour) -> None:
    @colour.fn
    def ask(ctx: llm.Context[int]) -> str:
        return "Hi"

    async def scenario() -> None:
        ctx, other = llm.Context(deps=1), llm.Context(deps=2)
        for args, kwargs, expected in [((), {}, ctx), ((other,), {"max_retries": 1}, other), ((other, 1), {}, other)]:
            call = llm.call(llm.scripted("no idea", JSON), format=Book)(ask)
            response = await colour.got(call(ctx))
            value, last = await colour.got(response.validate(*args, **kwargs))
            assert (value, last.context) == (BOOK, expected)

    colour.run(scenario)
