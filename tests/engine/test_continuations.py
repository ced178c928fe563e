"""Answers that broke off, and how they go on: by the model that takes up its own words, or anew; told either way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from mirascope_like import llm
from mirascope_like.engine.requests import HTTPEndpoint
from mirascope_like.transport.base import HttpReply, HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport, StreamedBody
from mirascope_like.wire.features import Features, find_features, get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response, encode_unfinished_events

from ..conftest import Colour
from ..llm import messages_server
from ..transport.server import Exchange, Server

Piece = HttpReply | StreamedBody


@dataclass
class Going:
    """A provider whose models go on from the beginning of an answer, or do not; `sent` are the roles and texts."""

    answers: list[Piece]
    prefill: bool | None = True
    id: str = "going"
    sent: list[list[tuple[str, str]]] = field(default_factory=list)
    rest: str = ""
    """What a model has to say when it has no answers left, from where it is asked to go on."""

    def endpoint(self, name: str, messages: Any) -> HTTPEndpoint:
        return HTTPEndpoint(
            provider_id=self.id,
            model=name,
            codec=OpenAIChat(get_chat_dialect("scripted")),
            transport=MemoryTransport(self._answer),
            base_url="http://going",
            features=Features(prefill=self.prefill),
        )

    def _answer(self, request: HttpRequest) -> Piece:
        self.sent.append([(each["role"], each["content"]) for each in json.loads(request.body)["messages"]])
        if self.answers:
            return self.answers.pop(0)
        role, said = self.sent[-1][-1]
        return full(self.rest.removeprefix(said if role == "assistant" else ""))

    def model(self, **options: Any) -> llm.Model:
        return llm.Model("going/model", provider=self, **options)


def breaking(*pieces: bytes) -> StreamedBody:
    """A stream that breaks behind these pieces."""
    return StreamedBody(pieces, error=llm.ConnectionError("It broke."))


def cut(text: str) -> StreamedBody:
    """A stream that breaks behind this text."""
    return breaking(*encode_unfinished_events([llm.Text(text)]))


def full(text: str) -> StreamedBody:
    return StreamedBody(encode_events([llm.Text(text)]))


CONTINUE = llm.RetryConfig(initial_delay=0, after_output="continue")


async def broken(colour: Colour, model: llm.Model) -> Any:
    """A stream that was read until it broke."""
    response = await colour.got(colour.stream(model, "Count."))
    with pytest.raises(llm.ConnectionError):
        await colour.got(response.finish())
    return response


def test_a_model_goes_on_from_its_own_words(colour: Colour) -> None:
    going = Going([cut("one two "), full(" three"), full("Bye")])

    async def scenario() -> None:
        first = await broken(colour, going.model())
        assert first.continues is None
        second = await colour.got(first.resume())
        assert await colour.all(second.text_stream()) == ["one two ", "three"]
        assert (second.text(), second.continues) == ("one two three", "prefill")
        assert [message.role for message in second.messages] == ["user", "assistant"]
        assert (await colour.got(second.resume("Thanks"))).continues is None

    colour.run(scenario)
    asked = ("user", "Count.")
    assert going.sent[1] == [asked, ("assistant", "one two")]
    assert going.sent[2] == [asked, ("assistant", "one two three"), ("user", "Thanks")]


@pytest.mark.parametrize("prefill", [None, False])
def test_other_models_begin_anew(colour: Colour, prefill: bool | None) -> None:
    going = Going([cut("one two"), full("eins zwei drei")], prefill)

    async def scenario() -> None:
        second = await colour.got((await broken(colour, going.model())).resume())
        await colour.got(second.finish())
        assert (second.text(), second.continues) == ("eins zwei drei", "restart")

    colour.run(scenario)
    assert going.sent == [[("user", "Count.")]] * 2


def test_another_model_goes_on(colour: Colour) -> None:
    first, other = Going([cut("one two")], prefill=None), Going([full(" three")])

    async def scenario() -> None:
        response = await broken(colour, first.model())
        with other.model():
            second = await colour.got(response.resume())
        await colour.got(second.finish())
        assert (second.text(), second.continues, second.provider_id) == ("one two three", "prefill", "going")

    colour.run(scenario)
    assert other.sent == [[("user", "Count."), ("assistant", "one two")]]


@pytest.mark.parametrize(
    "options",
    [{"thinking": {"level": "low"}}, {"format": llm.format(list[int], mode="strict")}, {"nothing": "said"}],
    ids=["thinking", "held to a schema", "nothing said"],
)
def test_when_no_model_can_go_on(colour: Colour, options: dict[str, Any]) -> None:
    options = dict(options)
    format = options.pop("format", None)
    cut_off = breaking(*encode_unfinished_events([llm.Text("x")])[:1]) if options.pop("nothing", None) else cut("[1,")
    going = Going([cut_off, full("[1, 2]")])

    async def scenario() -> None:
        response = await colour.got(colour.stream(going.model(**options), "Count.", format=format))
        with pytest.raises(llm.ConnectionError):
            await colour.got(response.finish())
        assert (await colour.got(response.resume())).continues == "restart"

    colour.run(scenario)
    assert going.sent[1] == going.sent[0]


@pytest.mark.parametrize("reason", [llm.FinishReason.MAX_TOKENS, llm.FinishReason.CONTEXT_LENGTH_EXCEEDED])
def test_an_answer_that_met_a_limit(colour: Colour, reason: llm.FinishReason) -> None:
    limited = encode_response([llm.Text("one two")], reason)
    going = Going([HttpReply(200, {}, limited), HttpReply(200, {}, encode_response([llm.Text(" three")]))])

    async def scenario() -> None:
        first = await colour.got(colour.ask(going.model(), "Count."))
        assert first.finish_reason is reason
        second = await colour.got(first.resume())
        assert (second.text(), second.continues) == ("one two three", "prefill")

    colour.run(scenario)


def test_a_complete_answer_wants_words(colour: Colour) -> None:
    going = Going([full("one")])

    async def scenario() -> None:
        response = await colour.got(colour.stream(going.model(), "Count."))
        with pytest.raises(ValueError, match="complete"):
            await colour.got(response.resume())

    colour.run(scenario)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_paused_answer_goes_on_in_the_next_message(colour: Colour, server: Server, stream: bool) -> None:
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tea"}}

    def answer(exchange: Exchange) -> None:
        body = messages_server.whole([llm.Text("Tea.")])
        if len(server.received) == 1:
            body |= {"content": [search], "stop_reason": "pause_turn"}
        if not stream:
            return exchange.json(body)
        index, ended = {"index": 0}, {"delta": {"stop_reason": body["stop_reason"]}, "usage": {}}
        exchange.stream(
            messages_server.event({"type": "message_start", "message": {**body, "content": []}}),
            messages_server.event({"type": "content_block_start", **index, "content_block": body["content"][0]}),
            messages_server.event({"type": "content_block_stop", **index}),
            messages_server.event({"type": "message_delta", **ended}),
            messages_server.event({"type": "message_stop"}),
        )

    server.answer = answer
    llm.register_provider("anthropic", base_url=server.url, api_key="key")

    async def scenario() -> None:
        ask = colour.stream if stream else colour.ask
        first = await colour.got(ask(llm.Model("anthropic/claude-sonnet-4-5"), "What is it?", format=list[str]))
        if stream:
            await colour.got(first.finish())
        assert first.finish_reason is llm.FinishReason.PAUSE
        with pytest.raises(llm.ParseError, match="paused"):
            await colour.got(first.validate(2))
        second = await colour.got(first.resume())
        if stream:
            await colour.got(second.finish())
        assert (second.text(), second.continues) == ("Tea.", None)
        assert [message.role for message in second.messages] == ["user", "assistant", "assistant"]

    colour.run(scenario)
    _, (asked, paused) = (request.json["messages"] for request in server.received)
    assert (asked["role"], asked["content"][0]["text"], paused["role"]) == ("user", "What is it?", "assistant")
    assert [block | search for block in paused["content"]] == paused["content"]  # it may have marks beside


# -- within one stream ------------------------------------------------------------------------------------------------


def test_a_stream_goes_on_where_that_is_asked_for(colour: Colour) -> None:
    going = Going([cut("one two"), cut(" three "), full("four")])

    async def scenario() -> None:
        response = await colour.got(colour.stream(going.model(retry=CONTINUE), "Count."))
        assert "".join(await colour.all(response.text_stream())) == "one two three four"
        assert response.text() == "one two three four"
        assert (response.continues, len(response.retry_failures)) == ("prefill", 2)
        assert len(response.texts) == 1

    colour.run(scenario)
    assert [sent[-1] for sent in going.sent] == [
        ("user", "Count."),
        ("assistant", "one two"),
        ("assistant", "one two three"),
    ]


def test_a_stream_restarts_where_it_cannot_go_on(colour: Colour) -> None:
    going = Going([cut("one two"), full("eins zwei")], prefill=None)

    async def scenario() -> None:
        response = await colour.got(colour.stream(going.model(retry=CONTINUE), "Count."))
        with pytest.raises(llm.StreamRestarted):
            await colour.all(response.text_stream())
        assert "".join(await colour.all(response.text_stream())) == "eins zwei"
        assert response.continues == "restart"

    colour.run(scenario)


def test_going_on_is_retried_too(colour: Colour) -> None:
    busy = HttpReply(503, {}, b"{}")
    going = Going([cut("one two"), busy, busy, full(" three")])
    retry = llm.RetryConfig(initial_delay=0)

    async def scenario() -> None:
        first = await broken(colour, going.model(retry=retry))
        second = await colour.got(first.resume())
        assert "".join(await colour.all(second.text_stream())) == "one two three"
        assert len(second.retry_failures) == 2

    colour.run(scenario)


def test_a_fallback_that_cannot_go_on_begins_anew(colour: Colour) -> None:
    going = Going([cut("one two"), HttpReply(503, {}, b"{}")])
    other = Going([full("eins zwei")], prefill=None)
    retry = llm.RetryConfig(max_retries=0, fallback_models=[other.model()])

    async def scenario() -> None:
        second = await colour.got((await broken(colour, going.model(retry=retry))).resume())
        assert "".join(await colour.all(second.text_stream())) == "eins zwei"
        assert second.continues == "restart"

    colour.run(scenario)


STORY = "Once upon a time, 雨 fell. The end."


@pytest.mark.parametrize("prefill", [True, None])
@pytest.mark.parametrize("after_output", ["restart", "continue"])
def test_wherever_a_stream_breaks_nothing_is_lost_or_said_twice(after_output: Any, prefill: bool | None) -> None:
    body = b"".join(encode_events([llm.Text(STORY)]))
    retry = llm.RetryConfig(initial_delay=0, after_output=after_output)
    for end in range(0, len(body), 11):
        going = Going([breaking(body[:end])], prefill)
        going.rest = STORY
        response = going.model(retry=retry).stream("Tell a story.")
        shown = ""
        while not response.consumed:
            try:
                for text in response.text_stream():
                    shown += text
            except llm.StreamRestarted:
                shown = ""
        assert shown == response.text() == STORY


@pytest.mark.parametrize(
    ("model", "known"),
    [("claude-haiku-4-5", True), ("claude-opus-4-1", True), ("claude-sonnet-4-6", False), ("claude-opus-5-5", False)],
)
def test_what_is_known_of_claude(model: str, known: bool) -> None:
    assert find_features("anthropic", model).prefill is known
