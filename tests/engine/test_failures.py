"""Whoever fails, in whatever words: it comes out as the library's own error, with all that is known and no secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from mirascope_like import llm
from mirascope_like.transport.base import HttpReply, HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport, StreamedBody

from ..conftest import Colour
from ..transport.server import Exchange, Server

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
PLAIN_KEY = "0123456789abcdef0123456789abcdef"
MODELS = {"chat": "openai/gpt-4o:completions", "responses": "openai/gpt-4o:responses", "messages": "anthropic/claude"}


def serve(server: Server, answer: Callable[[Exchange], None] | None = None, key: str = KEY) -> None:
    if answer is not None:
        server.answer = answer
    for provider in ("openai", "anthropic"):
        llm.register_provider(provider, base_url=server.url, api_key=key)


def failure(colour: Colour, model_id: str, *, stream: bool = False, **params: Any) -> llm.ProviderError:
    """What a call, or a stream read to its end, fails with."""

    async def scenario() -> None:
        model = llm.Model(model_id, **params)
        if stream:
            await colour.got((await colour.got(colour.stream(model, "Hi"))).finish())
        else:
            await colour.got(colour.ask(model, "Hi"))

    with pytest.raises(llm.ProviderError) as caught:
        colour.run(scenario)
    return caught.value


def events(*bodies: object) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(body).encode() for body in bodies)


# -- statuses, and words that say more ---------------------------------------------------------------------------------

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_9"}
FAILED = {
    "type": "response.failed",
    "response": {"id": "r", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down"}},
}

WORDS: list[tuple[int, object, type[llm.APIError]]] = [
    (400, {"error": {"message": "No.", "code": "model_not_found"}}, llm.NotFoundError),
    (400, {"error": {"message": "API key not valid. Please pass one.", "code": 400}}, llm.AuthenticationError),
    (400, {"code": "Client error", "error": "Incorrect API key provided: ab***yz."}, llm.AuthenticationError),
    (400, {"object": "error", "message": "No.", "type": "invalid_request_error"}, llm.BadRequestError),
    (401, {"detail": "Invalid API Key"}, llm.AuthenticationError),
    (403, {"error": {"message": "No.", "status": "PERMISSION_DENIED"}}, llm.PermissionError),
    (429, {"error": {"message": "No.", "code": "insufficient_quota"}}, llm.RateLimitError),
    (500, {"error": {"message": "No.", "code": "invalid_api_key"}}, llm.ServerError),
]


@pytest.mark.parametrize(("status", "body", "kind"), WORDS)
def test_the_status_decides_unless_it_is_400(
    server: Server, status: int, body: object, kind: type[llm.APIError]
) -> None:
    serve(server, lambda exchange: exchange.json(body, status))
    error = failure(Colour("blocking"), MODELS["chat"])
    assert isinstance(error, llm.APIError)
    assert (type(error), error.status_code, error.body) == (kind, status, body)


WHOLE: list[tuple[str, object, type[llm.APIError], int | None]] = [
    ("chat", {"error": {"message": "No.", "type": "server_error"}}, llm.ServerError, 500),
    ("chat", {"error": "model is loading"}, llm.APIError, None),
    ("chat", {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400}, llm.BadRequestError, 400),
    ("chat", {"choices": [{"error": {"code": 502, "message": "No."}, "finish_reason": "error"}]}, llm.ServerError, 502),
    ("responses", {"error": {"code": "server_error", "message": "No."}, "output": []}, llm.ServerError, 500),
    ("responses", {"status": "failed", "output": []}, llm.APIError, None),
    ("responses", FAILED["response"], llm.RateLimitError, 429),
    ("messages", OVERLOADED, llm.ServerError, 529),
    ("messages", {"error": {"type": "rate_limit_error", "message": "No."}}, llm.RateLimitError, 429),
]


@pytest.mark.parametrize(("protocol", "body", "kind", "status"), WHOLE)
def test_an_error_in_a_body_of_status_200(
    colour: Colour, server: Server, protocol: str, body: object, kind: type[llm.APIError], status: int | None
) -> None:
    serve(server, lambda exchange: exchange.json(body, headers={"x-request-id": "req_1"}))
    error = failure(colour, MODELS[protocol])
    assert isinstance(error, llm.APIError)
    assert (type(error), error.status_code) == (kind, status)
    assert json.dumps(error.body) in json.dumps(body), "the body, or the part of it that tells of the error"
    assert error.request_id in ("req_1", "req_9")
    assert error.provider in MODELS[protocol]


LATE = {"type": "error", "code": "server_error", "message": "No."}
CHAT_START = {"choices": [{"index": 0, "delta": {"content": "So far"}}]}
RESPONSE_START = [
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "So far"},
]
MESSAGE_START = [
    {"type": "message_start", "message": {"id": "m", "model": "c"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So far"}},
]
STREAMS: list[tuple[str, bytes, type[llm.APIError], int | None]] = [
    ("chat", events(CHAT_START, {"error": {"message": "No.", "type": "server_error"}}), llm.ServerError, 500),
    ("chat", events(CHAT_START, {"object": "error", "message": "No.", "code": 429}), llm.RateLimitError, 429),
    ("chat", events(CHAT_START) + b'event: error\ndata: {"message": "No."}\n\n', llm.APIError, None),
    ("chat", events(CHAT_START) + b"event: error\ndata: No.\n\n", llm.APIError, None),
    ("responses", events(*RESPONSE_START, FAILED), llm.RateLimitError, 429),
    ("responses", events(*RESPONSE_START, LATE), llm.ServerError, 500),
    ("messages", events(*MESSAGE_START, OVERLOADED), llm.ServerError, 529),
]


@pytest.mark.parametrize(("protocol", "body", "kind", "status"), STREAMS)
def test_an_error_in_a_stream_of_status_200(
    colour: Colour, server: Server, protocol: str, body: bytes, kind: type[llm.APIError], status: int | None
) -> None:
    serve(server, lambda exchange: exchange.whole(body, headers={"request-id": "req_9", "x-should-retry": "true"}))
    error = failure(colour, MODELS[protocol], stream=True)
    assert isinstance(error, llm.APIError)
    assert (type(error), error.status_code, error.request_id, error.should_retry) == (kind, status, "req_9", True)
    assert error.partial is not None
    assert error.partial.content == (llm.Text("So far"),)


# -- what headers say --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "attribute", "value"),
    [
        ({"x-request-id": "req_1"}, "request_id", "req_1"),
        ({"request-id": "req_2"}, "request_id", "req_2"),
        ({"x-amzn-requestid": "req_3"}, "request_id", "req_3"),
        ({"apim-request-id": "req_4"}, "request_id", "req_4"),
        ({}, "request_id", None),
        ({"x-should-retry": "true"}, "should_retry", True),
        ({"x-should-retry": "False"}, "should_retry", False),
        ({"x-should-retry": "perhaps"}, "should_retry", None),
        ({}, "should_retry", None),
        ({"retry-after": "3"}, "retry_after", 3.0),
        ({"retry-after-ms": "", "retry-after": "3"}, "retry_after", 3.0),
        ({"retry-after-ms": "-1", "retry-after": "3"}, "retry_after", 3.0),
        ({"retry-after-ms": "soon", "retry-after": "later"}, "retry_after", None),
        ({"retry-after": "Fri, 31 Dec 99999999999 23:59:59 GMT"}, "retry_after", None),
    ],
)
def test_what_headers_say(server: Server, headers: dict[str, str], attribute: str, value: object) -> None:
    serve(server, lambda exchange: exchange.json({"error": {"message": "No."}}, 503, headers))
    for stream in (False, True):
        assert getattr(failure(Colour("blocking"), MODELS["chat"], stream=stream), attribute) == value


@pytest.mark.parametrize("body", [b"{}", b"no JSON"])
def test_an_answer_that_is_none_names_its_request(server: Server, body: bytes) -> None:
    serve(server, lambda exchange: exchange.whole(body, headers={"x-request-id": "req_1"}))
    error = failure(Colour("blocking"), MODELS["chat"])
    assert isinstance(error, llm.ResponseValidationError)
    assert error.request_id == "req_1"


# -- secrets -----------------------------------------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """All that printing, logging or inspecting an error may show."""
    import traceback

    return "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY], ids=["known-shape", "any-shape"])
@pytest.mark.parametrize("protocol", MODELS)
@pytest.mark.parametrize(
    "answer",
    [
        lambda key, exchange: exchange.json({"error": {"message": f"Incorrect API key: {key}.", "seen": [key]}}, 401),
        lambda key, exchange: exchange.json({"error": {"message": "No.", "headers": {key: f"Bearer {key}"}}}),
        lambda key, exchange: exchange.json({"error": {"message": "No.", "code": key, "type": key}}, 401),
        lambda key, exchange: exchange.json({"error": {"message": "No."}, "request_id": key}, 401),
        lambda key, exchange: exchange.json({"error": {"message": "No."}}, 401, {"x-request-id": key}),
        lambda key, exchange: exchange.whole(b"", 302, {"location": f"http://127.0.0.1/{key}"}),
        lambda key, exchange: exchange.whole(f"<html>{key}</html>".encode(), 502),
        lambda key, exchange: exchange.whole(f"<html>{key}</html>".encode()),
        lambda key, exchange: exchange.json({"strange": key}),
        # Where messages are shortened, in the midst of the key.
        lambda key, exchange: exchange.json({"error": {"message": "x" * 1_980 + key}}, 400),
        lambda key, exchange: exchange.whole(("x" * 1_980 + key).encode(), 400),
        lambda key, exchange: exchange.whole(("x" * 180 + key).encode()),
        lambda key, exchange: exchange.stream(events("x" * 180 + key)),
        lambda key, exchange: exchange.json({"strange": "x" * 170 + key}),
    ],
)
def test_a_key_that_the_server_repeats_is_not_shown(
    server: Server, protocol: str, key: str, answer: Callable[[str, Exchange], None]
) -> None:
    serve(server, lambda exchange: answer(key, exchange), key)
    for stream in (False, True):
        error = failure(Colour("blocking"), MODELS[protocol], stream=stream)
        assert key[:10] not in shown(error)
    assert any(key in value for value in server.received[0].headers.values())


def test_a_key_in_a_refusal_that_teaches_is_not_shown(server: Server) -> None:
    refusal = "Unsupported parameter: 'max_completion_tokens'." + "x" * 150 + PLAIN_KEY
    serve(server, lambda exchange: exchange.json({"error": {"message": refusal}}, 400), PLAIN_KEY)
    with pytest.warns(llm.CapabilityWarning) as warned:
        failure(Colour("blocking"), MODELS["chat"], max_tokens=5)
    assert PLAIN_KEY[:10] not in str(warned[0].message)


def test_a_key_that_only_the_users_client_knows_is_not_shown(server: Server) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": f"Wrong key: {KEY}"}}, 401)
    with openai.OpenAI(base_url=server.url, api_key=KEY) as client:
        llm.register_provider("openai:completions", scope="mine/", client=client)
        assert KEY not in shown(failure(Colour("blocking"), "mine/x"))


def test_a_byte_order_mark_does_not_hide_what_an_error_says(server: Server) -> None:
    body = json.dumps({"error": {"message": "No.", "code": "x"}}).encode("utf-8-sig")
    serve(server, lambda exchange: exchange.whole(body, 400))
    error = failure(Colour("blocking"), MODELS["chat"])
    assert isinstance(error, llm.APIError)
    assert (error.message, error.code) == ("No.", "x")


def test_what_is_no_secret_stays(server: Server) -> None:
    body = {"error": {"message": "A task-oriented disk-space error of application/json.", "code": "risk-free-x"}}
    serve(server, lambda exchange: exchange.json(body, 400))
    error = failure(Colour("blocking"), MODELS["chat"])
    assert isinstance(error, llm.APIError)
    assert error.body == body


# -- the network, by every way to a server -----------------------------------------------------------------------------


def _register(way: str, url: str, native: bool) -> Any:
    """Serve `mine/…` in a way; the client that has to be closed, if there is one."""
    options: dict[str, Any] = {"base_url": url, "api_key": KEY}
    made: Any = None
    match way:
        case "httpx2":
            made = httpx2.AsyncClient() if native else httpx2.Client()
        case "httpx":
            made = httpx.AsyncClient() if native else httpx.Client()
        case "openai":
            made = openai.AsyncOpenAI(**options) if native else openai.OpenAI(**options)
        case "anthropic":
            made = anthropic.AsyncAnthropic(**options) if native else anthropic.Anthropic(**options)
        case _:
            pass
    provider = "anthropic" if way == "anthropic" else "openai:completions"
    more = {} if way in ("openai", "anthropic") else {"base_url": url}
    llm.register_provider(provider, scope="mine/", **more, **({"client": made} if made else {}))
    return made


def _broken(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
    exchange.cut()


NETWORK: dict[str, tuple[Callable[[Exchange], None] | None, type[llm.ProviderError], type[Exception]]] = {
    "refused": (None, llm.ConnectionError, ConnectionError),
    "reset": (lambda exchange: exchange.cut(), llm.ConnectionError, ConnectionError),
    "closed": (lambda exchange: exchange.hang_up(), llm.ConnectionError, ConnectionError),
    "broken": (_broken, llm.ConnectionError, ConnectionError),
    "silent": (None, llm.TimeoutError, TimeoutError),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("what", NETWORK)
@pytest.mark.parametrize("way", ["own", "httpx2", "httpx", "openai", "anthropic"])
def test_a_broken_network(colour: Colour, server: Server, way: str, what: str, stream: bool) -> None:
    answer, kind, builtin = NETWORK[what]
    server.answer = answer or server.hold
    url = server.url
    if what == "refused":
        with Server() as gone:
            url = gone.url

    async def scenario() -> None:
        client = _register(way, url, colour.is_async)
        try:
            model = llm.Model("mine/x", timeout=0.1 if what == "silent" else 5)
            if stream:
                await colour.got((await colour.got(colour.stream(model, "Hi"))).finish())
            else:
                await colour.got(colour.ask(model, "Hi"))
        finally:
            if client is not None:
                closing = client.aclose() if hasattr(client, "aclose") else client.close()
                if closing is not None:
                    await closing

    with pytest.raises(kind) as caught:
        colour.run(scenario)
    assert isinstance(caught.value, builtin)
    assert (caught.value.provider, caught.value.model) == ("mine", "x")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ConnectionResetError("gone"), llm.ConnectionError),
        (BrokenPipeError(), llm.ConnectionError),
        (TimeoutError("late"), llm.TimeoutError),
    ],
)
def test_what_a_transport_of_ones_own_raises(colour: Colour, raised: OSError, kind: type[llm.ProviderError]) -> None:
    def answer(request: HttpRequest) -> HttpReply | StreamedBody:
        raise raised

    llm.register_provider("openai:completions", scope="mine/", base_url="http://x", transport=MemoryTransport(answer))
    error = failure(colour, "mine/x")
    assert (type(error), type(error.original_exception)) == (kind, type(raised))
    assert str(error.original_exception) == str(raised)
    assert error.__cause__ is error.original_exception
