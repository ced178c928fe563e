"""Values of answers: written as the provider asks, read as the prompt asks, and stored so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import chat, llm
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

from ..conftest import Colour
from ..llm.chat_server import saying
from ..transport.server import Exchange, Server
from .conftest import call, scripted


class Dog(BaseModel):
    name: str
    age: int = 5
    tags: dict[str, int] = {}


def strict(colour: Colour, server: Server) -> Any:
    """A model that is held to schemas, in its provider's dialect."""
    llm.register_provider("openai:completions", scope="openai/", base_url=server.url, api_key="key")
    return (chat.get_async_model if colour.is_async else chat.get_model)("openai/gpt-4o-mini")


@pytest.mark.parametrize(
    ("schema", "text", "value", "plain"),
    [
        (Dog, '{"name": "Rex", "age": null, "tags": null}', Dog(name="Rex"), {"name": "Rex"}),
        (
            Dog,
            '{"name": "Rex", "age": 3, "tags": [{"key": "a", "value": 1}]}',
            Dog(name="Rex", age=3, tags={"a": 1}),
            {"name": "Rex", "age": 3, "tags": {"a": 1}},
        ),
        (tuple[int, str], '{"output": {"item_0": 1, "item_1": "a"}}', (1, "a"), [1, "a"]),
        (list[int], '{"output": []}', [], []),
        (int | None, '{"output": null}', None, None),
        (
            {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
            '{"name": "Rex", "age": null}',
            {"name": "Rex"},
            {"name": "Rex"},
        ),
    ],
    ids=["defaults", "dict", "tuple", "list", "null", "json schema"],
)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_forms_of_a_dialect_are_undone(
    colour: Colour, server: Server, schema: Any, text: str, value: Any, plain: Any, stream: bool
) -> None:
    server.answer = saying(text)

    async def scenario() -> None:
        response = strict(colour, server).prompt("A dog", schema=schema, stream=stream)
        assert await colour.got(response.parsed()) == value
        stored = json.loads(json.dumps(response.to_dict()))
        assert stored["value"] == plain
        for _ in range(2):
            rebuilt = type(response).from_dict(stored)
            assert await colour.got(rebuilt.parsed()) == plain
            assert await colour.got(rebuilt.text()) == text
            stored = rebuilt.to_dict()
        if colour.is_async:
            assert (await response.to_sync_response()).parsed() == value

    colour.run(scenario)
    assert server.received[0].json["response_format"]["json_schema"]["strict"] is True


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (list[int], [1, 2]),
        (dict[str, int], {"a": 1}),
        (list[Tree], [{"name": "oak", "branches": [{"name": "twig", "branches": []}]}]),
        (Tree, {"name": "oak", "branches": []}),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2]),
    ],
    ids=str,
)
def test_a_stored_schema_gives_what_its_type_would_as_json(colour: Colour, schema: Any, value: Any) -> None:
    approved: list[bool] = []

    def slow() -> None:
        if not approved:
            raise chat.PauseChain

    async def scenario() -> None:
        text = json.dumps(value if schema is Tree else {"output": value})
        model = scripted(colour, [call("slow")], text, text)
        with pytest.raises(chat.PauseChain) as raised:
            await colour.got(model.chain("Go", tools=[slow], schema=schema).text())
        approved.append(True)
        resume = chat.resume_async if colour.is_async else chat.resume
        chain = resume(json.loads(json.dumps(raised.value.to_dict())), model=model, tools=[slow])
        assert await colour.got(chain.parsed()) == value
        last = (await colour.all(chain.responses()))[-1]
        rebuilt = type(last).from_dict(json.loads(json.dumps(last.to_dict())), model=model)
        assert await colour.got((await colour.got(rebuilt.reply("Again"))).parsed()) == value

    colour.run(scenario)


def test_each_answer_is_read_as_it_was_asked_for(colour: Colour, server: Server) -> None:
    server.answer = saying('{"name": "Rex", "age": null, "tags": []}')

    async def scenario() -> None:
        first = strict(colour, server).prompt("A dog", schema=Dog)
        again = await colour.got(first.reply("Another", schema=Dog))
        assert await colour.got(again.parsed()) == await colour.got(first.parsed()) == Dog(name="Rex")
        own = scripted(colour, '{"name": "Rex", "tags": {"a": 1}}').prompt("A dog", schema=Dog)
        assert await colour.got(own.parsed()) == Dog(name="Rex", tags={"a": 1})

    colour.run(scenario)


@pytest.mark.parametrize(
    ("reason", "said", "cut_off"),
    [
        (llm.FinishReason.MAX_TOKENS, "token limit", True),
        (llm.FinishReason.CONTEXT_LENGTH_EXCEEDED, "context", True),
        (llm.FinishReason.REFUSAL, "refused", False),
    ],
)
def test_half_an_answer_is_no_value(
    colour: Colour, server: Server, reason: llm.FinishReason, said: str, cut_off: bool
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.stream(*encode_events([llm.Text("12")], reason))

    server.answer = answer

    async def scenario() -> None:
        response = strict(colour, server).prompt("A number", schema=int)
        for _ in range(2):
            with pytest.raises(chat.ParseError, match=said) as caught:
                await colour.got(response.parsed())
            assert caught.value.cut_off is cut_off
            assert response.finish_reason is reason
            stored = response.to_dict()
            assert "value" not in stored
            response = type(response).from_dict(stored)

    colour.run(scenario)


def test_an_answer_that_met_the_limit_at_its_end_has_a_value(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: exchange.whole(
        encode_response([llm.Text('{"output": 12}')], llm.FinishReason.MAX_TOKENS)
    )

    async def scenario() -> None:
        response = strict(colour, server).prompt("A number", schema=int, stream=False)
        assert await colour.got(response.parsed()) == 12
        assert await colour.got(type(response).from_dict(response.to_dict()).parsed()) == 12

    colour.run(scenario)


def test_there_is_no_value_before_the_tools_have_run(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, [call("look")]).prompt("A dog", schema=Dog, tools=[chat.Tool("look")])
        with pytest.raises(chat.ParseError, match="unanswered tool calls"):
            await colour.got(response.parsed())

    colour.run(scenario)
