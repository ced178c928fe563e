"""Responses: what can be read of them, and how they go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirascope_like import llm
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

from ..conftest import Colour
from ..transport.server import Exchange, Server
from .chat_server import register

THOUGHT, CALL = llm.Thought("First\nthis."), llm.ToolCall(id="c1", name="look", args='{"at": "x"}')
PARTS = [THOUGHT, "Hello there.", CALL]
PRETTY = '**Thinking:**\n  First\n  this.\n\nHello there.\n\n**ToolCall (look):** {"at": "x"}'


async def asked(colour: Colour, kind: str, *replies: Any, **options: Any) -> Any:
    """A complete response of a kind ("whole", "stream"), with a context or not."""
    model = llm.scripted(*replies)
    name = f"{'context_' if 'ctx' in options else ''}{'stream' if kind == 'stream' else 'call'}"
    method = getattr(model, f"{name}_async" if colour.is_async else name)
    response = await colour.got(method("Hi", **options))
    if kind == "stream":
        await colour.got(response.finish())
    return response


@pytest.fixture(params=["whole", "stream"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_eight(colour: Colour) -> None:
    async def scenario() -> list[type]:
        ctx = llm.Context(deps=1)
        return [
            type(await asked(colour, kind, "Hi", **options))
            for kind in ("whole", "stream")
            for options in ({}, {"ctx": ctx})
        ]

    blocking = [llm.Response, llm.ContextResponse, llm.StreamResponse, llm.ContextStreamResponse]
    native = [
        llm.AsyncResponse,
        llm.AsyncContextResponse,
        llm.AsyncStreamResponse,
        llm.AsyncContextStreamResponse,
    ]
    expected = native if colour.is_async else blocking
    assert colour.run(scenario) == expected
    assert all(issubclass(each, llm.BaseResponse) for each in expected)


def test_what_can_be_read(colour: Colour, kind: str) -> None:
    def look(at: str) -> None: ...

    response = colour.run(lambda: asked(colour, kind, PARTS, tools=[look]))
    assert response.content == (THOUGHT, llm.Text("Hello there."), CALL)
    assert response.texts == [llm.Text("Hello there.")]
    assert response.thoughts == [THOUGHT]
    assert response.tool_calls == [CALL]
    assert response.text() == "Hello there."
    assert response.pretty() == PRETTY
    assert (response.finish_reason, response.raw_finish_reason) == (None, "tool_calls")
    assert response.usage.output_tokens == 3
    assert response.usage.total_tokens == response.usage.input_tokens + 3
    assert (response.provider_id, response.model_id) == ("scripted", "scripted/model")
    assert response.provider_model_name == "scripted"
    assert response.response_id == "chatcmpl-scripted"
    assert response.params == {}
    assert response.format is None
    assert response.context is None
    assert response.parse() is None
    assert [tool.name for tool in response.toolkit] == ["look"]
    assert response.messages == [llm.messages.user("Hi"), response.messages[1]]
    assert response.messages[1].content == response.content
    if kind == "whole":
        assert json.loads(json.dumps(response.raw))


def test_text_joins_texts() -> None:
    text = llm.scripted("one").call("Hi")
    assert text.text() == "one"
    nothing = llm.scripted([CALL]).call("Hi")
    assert nothing.text() == ""
    assert nothing.pretty() == '**ToolCall (look):** {"at": "x"}'


def test_repr_is_useful(colour: Colour, kind: str) -> None:
    response = colour.run(lambda: asked(colour, kind, "word " * 49 + "word"))
    assert repr(response).startswith(f"<{type(response).__name__} scripted/model 'word word")
    assert repr(response).endswith("…', 50 tokens>")
    assert len(repr(response)) < 150
    call = colour.run(lambda: asked(colour, kind, [CALL]))
    assert 'look({"at": "x"})' in repr(call)


@pytest.mark.parametrize("reason", [llm.FinishReason.MAX_TOKENS, llm.FinishReason.REFUSAL])
def test_why_an_answer_ended(colour: Colour, kind: str, reason: llm.FinishReason, server: Server) -> None:
    parts = [llm.Text("cut")]

    def answer(exchange: Exchange) -> None:
        if exchange.request.json.get("stream"):
            exchange.stream(*encode_events(parts, reason))
        else:
            exchange.whole(encode_response(parts, reason))

    server.answer = answer
    register(server)

    async def scenario() -> Any:
        ask = colour.stream if kind == "stream" else colour.ask
        response = await colour.got(ask(llm.Model("test/model"), "Hi"))
        return await colour.got(response.finish()) or response if kind == "stream" else response

    response = colour.run(scenario)
    assert response.finish_reason is reason
    assert str(reason) in repr(response)


def test_resume_leaves_the_response_as_it_was(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        response = await asked(colour, kind, "one", "two", "three")
        before = response.messages
        second = await colour.got(response.resume("more"))
        third = await colour.got(second.resume(["and", llm.Text("more")]))
        if kind == "stream":
            await colour.got(third.finish())
        assert response.messages == before
        assert type(third) is type(response)
        assert [message.role for message in third.messages] == ["user", "assistant"] * 3
        assert [third.messages[i].content[0] for i in (2, 3)] == [llm.Text("more"), llm.Text("two")]
        assert third.messages[4].content == (llm.Text("and"), llm.Text("more"))

    colour.run(scenario)


def test_resume_takes_messages(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        response = await asked(colour, kind, "one", "two")
        resumed = await colour.got(response.resume([llm.messages.user("more", name="Ann")]))
        assert resumed.messages[2] == llm.messages.user("more", name="Ann")

    colour.run(scenario)


def test_resume_refuses_nothing(colour: Colour, kind: str) -> None:
    async def scenario() -> None:
        response = await asked(colour, kind, "one")
        for content, error in ((None, ValueError), ([], ValueError), ({"role": "user"}, TypeError)):
            with pytest.raises(error):
                await colour.got(response.resume(content))

    colour.run(scenario)


def test_a_conversation_goes_through_json(colour: Colour, kind: str) -> None:
    def look(at: str) -> dict[str, str]:
        return {"seen": at}

    async def scenario() -> None:
        response = await asked(colour, kind, PARTS, "It is x.", tools=[look])
        response = await colour.got(response.resume(await colour.got(response.execute_tools())))
        if kind == "stream":
            await colour.got(response.finish())
        stored = json.dumps(llm.dump_messages(response.messages))
        loaded = llm.load_messages(json.loads(stored))
        assert loaded == response.messages
        model = llm.scripted("Again: x.")
        again = await colour.got(colour.ask(model, [*loaded, llm.messages.user("Again?")]))
        assert again.text() == "Again: x."
        roles = [message["role"] for message in model.requests[0]["messages"]]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]
        assert model.requests[0]["messages"][1]["tool_calls"][0]["function"]["name"] == "look"

    colour.run(scenario)


def test_tool_failures_go_through_json() -> None:
    failed = llm.scripted([llm.ToolCall(id="1", name="nope", args="{}")]).call("Hi").execute_tools()
    (message,) = llm.load_messages(llm.dump_messages([llm.messages.user(failed)]))
    assert message == llm.messages.user(failed)
    assert isinstance(message.content[0].error, llm.ToolNotFoundError)


def test_calls_that_nobody_answered_are_not_sent(colour: Colour, kind: str) -> None:
    def look(at: str) -> str:
        return at

    calls = [llm.ToolCall(id=id, name="look", args=f'{{"at": "{id}"}}') for id in "ab"]
    model = llm.scripted([llm.Text("Let me see."), *calls], "one", calls, "two")

    async def scenario() -> None:
        response = await colour.got((colour.stream if kind == "stream" else colour.ask)(model, "Hi", tools=[look]))
        (first, _) = await colour.got(response.execute_tools())
        response = await colour.got(response.resume([first, "Only this."]))
        response = await colour.got(response.resume("Look again."))
        await colour.got(response.resume("Never mind."))

    colour.run(scenario)
    sent = model.requests[3]["messages"]
    shape = [(message["role"], [call["id"] for call in message.get("tool_calls", ())]) for message in sent]
    assert shape == [
        *(("user", []), ("assistant", ["a"]), ("tool", []), ("user", [])),
        *(("assistant", []), ("user", []), ("user", [])),
    ]
