"""Responses can be pickled, deep-copied and sent to other processes, after real requests; their pickles hold no key."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import queue
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .chat_server import register, saying

KEY = "sk-very-secret-key"
KINDS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class Book(BaseModel):
    title: str


@llm.tool
def look(at: str) -> str:
    return f"seen: {at}"


@pytest.fixture
def model(server: Server) -> llm.Model:
    server.answer = saying('{"title": "Dune"}')
    register(server, api_key=KEY)
    return llm.Model("test/model", extra_headers={"x-tenant-key": KEY}, temperature=0.5)


async def ask(colour: Colour, model: llm.Model, stream: bool, **options: Any) -> Any:
    response = await colour.got((colour.stream if stream else colour.ask)(model, "Which book?", **options))
    if stream:
        await colour.got(response.finish())
    return response


def shown(response: Any) -> list[Any]:
    """What a response shows."""
    names = [
        "content",
        "messages",
        "usage",
        "finish_reason",
        "raw_finish_reason",
        "response_id",
        "provider_id",
        "model_id",
    ]
    names += ["provider_model_name", "request_id", "rate_limits", "continues"]
    return [getattr(response, name) for name in names] + [response.text(), response.pretty(), repr(response)]


@KINDS
def test_a_response_pickles(colour: Colour, model: llm.Model, server: Server, stream: bool) -> None:
    async def scenario() -> Any:
        response = await ask(colour, model, stream, tools=[look], format=Book)
        pickled = pickle.dumps(response)
        assert KEY.encode() not in pickled
        other = pickle.loads(pickled)
        assert type(other) is type(response)
        assert shown(other) == shown(response)
        assert other.parse() == response.parse() == Book(title="Dune")
        assert list(other.toolkit) == [look]
        assert other.params == {"temperature": 0.5}
        if stream:
            assert other.consumed
            assert list(other.chunks) == list(response.chunks) == await colour.all(other.chunk_stream())
            assert "".join(await colour.all(other.text_stream())) == response.text()
        else:
            assert other.raw == response.raw
        resumed = await colour.got(other.resume("And another?"))
        if stream:
            await colour.got(resumed.finish())
        assert len(resumed.messages) == 4

    colour.run(scenario)
    first, second = server.received
    assert first.headers["x-tenant-key"] == KEY
    assert second.headers["authorization"] == f"Bearer {KEY}"  # the provider is found by the model id
    assert "x-tenant-key" not in second.headers


@KINDS
def test_a_deep_copy_shares_no_container_that_can_change(colour: Colour, model: llm.Model, stream: bool) -> None:
    context = llm.Context(deps=object())

    async def scenario() -> None:
        response = await ask(colour, model, stream)
        other = copy.deepcopy(response)
        assert shown(other) == shown(response)
        assert other.params == response.params and other.params is not response.params
        if not stream:
            assert other.raw == response.raw and other.raw is not response.raw
        resumed = await colour.got(other.resume("And another?"))
        assert resumed.params["extra_headers"] == {"x-tenant-key": KEY}

    colour.run(scenario)
    with_context = model.context_call("Which book?", ctx=context)
    assert copy.deepcopy(with_context).context is context
    assert pickle.loads(pickle.dumps(with_context)).context is None


def test_a_stream_that_is_not_finished(colour: Colour, model: llm.Model) -> None:
    async def scenario() -> None:
        response = await colour.got(colour.stream(model, "Which book?"))
        for copied in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match=r"finish\(\) it first"):
                copied(response)
        await colour.close(response)
        other = pickle.loads(pickle.dumps(response))
        assert (other.consumed, other.content) == (False, ())
        with pytest.raises(llm.StreamClosedError):
            await colour.all(other.text_stream())

    colour.run(scenario)


def test_a_stream_that_failed(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: exchange.stream(b'data: {"choices": [{"delta": {"content": "Du"}}]}\n\n')
    register(server, api_key=KEY)

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.Model("test/model"), "Which book?"))
        with pytest.raises(llm.IncompleteStreamError):
            await colour.got(response.finish())
        other = pickle.loads(pickle.dumps(response))
        assert other.text() == "Du"
        with pytest.raises(llm.IncompleteStreamError):
            await colour.all(other.text_stream())

    colour.run(scenario)


class OddError(llm.ConnectionError):
    """An error that pickles, and cannot be unpickled."""

    def __init__(self, text: str, *, needed: object) -> None:
        super().__init__(text)
        self.needed = needed


@KINDS
def test_an_error_that_does_not_pickle_becomes_its_text(model: llm.Model, server: Server, stream: bool) -> None:
    from mirascope_like.transport.base import HttpRequest
    from mirascope_like.transport.in_memory import MemoryTransport
    from mirascope_like.wire.openai_chat.scripted_responses import encode_response

    attempts = iter([OddError("odd", needed=lambda: None), None])

    def answer(request: HttpRequest) -> Any:
        if (error := next(attempts)) is not None:
            raise error
        from mirascope_like.transport.base import HttpReply

        return HttpReply(200, {"content-type": "application/json"}, encode_response([llm.Text("Hello")]))

    llm.register_provider("openai:completions", "odd/", base_url="http://x", transport=MemoryTransport(answer))
    odd = llm.Model("odd/model", retry=llm.RetryConfig(initial_delay=0))
    response: Any = odd.stream("Hi") if stream else odd.call("Hi")
    if stream:
        response.finish()
    other = pickle.loads(pickle.dumps(response))
    (failure,) = other.retry_failures
    assert "OddError" in str(failure.exception) and "odd" in str(failure.exception)


def read_in_another_process(response: llm.Response[Book]) -> tuple[str, llm.Response[Book]]:
    return response.parse().title, response


def ask_in_another_process(url: str) -> llm.StreamResponse:
    llm.register_provider("openai:completions", scope="test/", base_url=url, api_key=KEY)
    response = llm.Model("test/model").stream("Which book?")
    response.finish()
    return response


def test_responses_go_to_other_processes_and_come_back(model: llm.Model, server: Server) -> None:
    response = model.call("Which book?", format=Book)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        title, back = pool.submit(read_in_another_process, response).result()
        assert title == "Dune"
        assert shown(back) == shown(response)
        assert pool.submit(ask_in_another_process, server.url).result().text() == response.text()


# -- memory -----------------------------------------------------------------------------------------------------------


def retained(server: Server, make: Any) -> tuple[int, Any]:
    """The bytes that something keeps, once caches are warm, without those that the server keeps in this process."""
    make()
    gc.collect()
    tracemalloc.start()
    kept = make()
    server.received.clear()
    server.arrived = queue.Queue()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size, kept


def test_a_conversation_retains_little_more_than_its_text(server: Server) -> None:
    said = "0123456789abcdef" * 256
    server.answer = saying(said)
    register(server, api_key=KEY)

    def converse() -> list[Any]:
        responses = [llm.Model("test/model").call("Tell me.")]
        for _ in range(99):
            responses.append(responses[-1].resume("Go on."))
        return responses

    size, responses = retained(server, converse)
    assert size < 4 * sum(len(response.text()) for response in responses)


def test_a_stream_retains_little_more_than_its_text(colour: Colour, server: Server) -> None:
    text = " ".join(f"{n % 100:07}" for n in range(2_100))
    server.answer = saying(text)
    register(server, api_key=KEY)

    async def scenario() -> Any:
        response = await colour.got(colour.stream(llm.Model("test/model"), "Tell me."))
        await colour.got(response.finish())
        return response

    size, response = retained(server, lambda: colour.run(scenario))
    assert len(response.chunks) > 2_000 and response.text() == text
    assert size < 6 * len(text)


class OddToolError(Exception):
    """Its pickle cannot be loaded: the class takes other arguments."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)


@pytest.mark.parametrize("error", [OddToolError("oh", 1), ValueError(lambda: None)], ids=["odd", "lambda"])
def test_a_history_with_a_failed_tool_pickles(error: Exception) -> None:
    def fail() -> str:
        raise error

    model = llm.scripted([llm.ToolCall(id="1", name="fail", args="{}")], "Done.")
    response = model.call("Hi", tools=[fail])
    outputs = response.execute_tools()
    assert copy.deepcopy(outputs)[0].error == outputs[0].error
    resumed = response.resume(outputs)
    for value in (outputs, resumed):
        pickle.loads(pickle.dumps(value))
    other = pickle.loads(pickle.dumps(resumed))
    assert other.messages == resumed.messages
    assert type(error).__name__ in str(other.messages[-2].content[0].error.tool_exception)


def test_events_pickle_without_their_subscribers() -> None:
    events: list[llm.Event] = []
    secret = KEY
    remove = llm.subscribe(lambda event: events.append(event) or bool(secret))
    llm.scripted("Hello").call("Hi")
    with pytest.raises(OddError):
        llm.scripted(OddError("odd", needed=lambda: None)).call("Hi")
    remove()
    for event in events:
        pickle.loads(pickle.dumps(event))
