"""No error holds an API key: not in its words, its pickle, its causes, or the variables of its traceback.

The server repeats all that it was sent in headers, in each place where an error could quote it. The keys are those of
the provider, of the call, and of a client of the user's.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import anthropic
import httpx
import httpx2
import openai
import pytest

from mirascope_like import chat, llm
from mirascope_like.transport.http import HttpTransport

from ..chat.conftest import events as events_of
from ..conftest import Colour
from ..llm.chat_server import pieces
from ..transport.server import Exchange, Server

KEYS = {name: f"0123456789-{name}-secret-abcdef" for name in ("provider", "call", "client", "query")}
WAYS = ["aiohttp", "httpx2", "client-httpx2", "client-httpx", "client-threads", "openai", "anthropic"]


def echo(exchange: Exchange) -> str:
    """All headers that came, in one line."""
    request = exchange.request
    return " ".join([request.path, *request.headers.values()])


def status(exchange: Exchange) -> None:
    said = echo(exchange)
    error = {"message": f"Wrong key: {said}", "code": said, "type": said, "param": said, "more": [{said: said}]}
    exchange.json({"error": error}, 401, {"request-id": said, "x-request-id": said})


def page(exchange: Exchange) -> None:
    exchange.whole(f"<h1>{echo(exchange)}</h1>".encode(), 502)


def redirect(exchange: Exchange) -> None:
    exchange.whole(echo(exchange).encode(), 307, {"location": f"https://x.test/?{echo(exchange)}"})


def no_status_line(exchange: Exchange) -> None:
    exchange.raw(f"SSH-2.0 {echo(exchange)}\r\n\r\n".encode())
    exchange.hang_up()


def no_header(exchange: Exchange) -> None:
    exchange.raw(f"HTTP/1.1 200 OK\r\n{echo(exchange)}\r\n\r\n".encode())
    exchange.hang_up()


def no_reason(exchange: Exchange) -> None:
    exchange.raw(f"HTTP/1.1 abc {echo(exchange)}\r\n\r\n".encode())
    exchange.hang_up()


def no_json(exchange: Exchange) -> None:
    exchange.whole(b'{"choices": ' + echo(exchange).encode(), headers={"x-echo": echo(exchange)})


def other_json(exchange: Exchange) -> None:
    exchange.json([echo(exchange)])


def reported(exchange: Exchange) -> None:
    exchange.json({"error": {"message": f"Failed: {echo(exchange)}", "code": 500}}, headers={"x-echo": echo(exchange)})


def no_gzip(exchange: Exchange) -> None:
    exchange.whole(echo(exchange).encode(), headers={"content-encoding": "gzip", "x-echo": echo(exchange)})


def short(exchange: Exchange) -> None:
    exchange.raw(
        f"HTTP/1.1 200 OK\r\nx-echo: {echo(exchange)}\r\ncontent-length: 9999\r\n\r\n{echo(exchange)}".encode()
    )
    exchange.cut()


def short_refusal(exchange: Exchange) -> None:
    exchange.raw(
        f"HTTP/1.1 401 No\r\nx-echo: {echo(exchange)}\r\ncontent-length: 9999\r\n\r\n{echo(exchange)}".encode()
    )
    exchange.cut()


def silent(exchange: Exchange) -> None:
    exchange.raw(f"HTTP/1.1 200 OK\r\nx-echo: {echo(exchange)}\r\ncontent-length: 9999\r\n\r\n".encode())
    exchange.wait_gone()


def begun(exchange: Exchange) -> None:
    """The beginning of a stream."""
    exchange.start(headers={"x-echo": echo(exchange)})
    exchange.send(pieces("Hello there")[0])


def cut_stream(exchange: Exchange) -> None:
    begun(exchange)
    exchange.cut()


def broken_stream(exchange: Exchange) -> None:
    begun(exchange)
    exchange.raw(f"{echo(exchange)}\r\n\r\n".encode())
    exchange.hang_up()


def silent_stream(exchange: Exchange) -> None:
    begun(exchange)
    exchange.wait_gone()


def failed_stream(exchange: Exchange) -> None:
    begun(exchange)
    exchange.send(b"data: %b\n\n" % json.dumps({"error": {"message": echo(exchange), "code": echo(exchange)}}).encode())
    exchange.end()


def nonsense_stream(exchange: Exchange) -> None:
    begun(exchange)
    exchange.send(b'data: {"choices": %b\n\n' % echo(exchange).encode())
    exchange.end()


WHOLE = [
    *(status, page, redirect, no_status_line, no_header, no_reason, no_json, other_json, reported, no_gzip),
    *(short, short_refusal, silent),
]
STREAMED = [
    *(status, redirect, no_status_line, no_header, no_gzip, short_refusal, silent),
    *(cut_stream, broken_stream, silent_stream, failed_stream, nonsense_stream),
]


def places(error: BaseException) -> Iterator[tuple[str, str]]:
    """Where a key could be: in an error, and in each that it came from."""
    yield "words", f"{error} {error!r} {error.args!r} {vars(error)!r}"
    yield "pickle", repr(pickle.dumps(error))
    yield "unpickled", repr(vars(pickle.loads(pickle.dumps(error))))
    yield "traceback", "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for name in ("__cause__", "__context__", "original_exception"):
        if (other := getattr(error, name, None)) is not None:
            yield from ((f"{name} {place}", text) for place, text in places(other))
    for failure in getattr(error, "failures", ()):
        yield from ((f"failures {place}", text) for place, text in places(failure.exception))
        yield "model", f"{failure!r} {pickle.dumps(failure)!r}"


def check(error: BaseException) -> None:
    """Fail if a key, or half of one, is in any of the places."""
    for place, text in places(error):
        for key in KEYS.values():
            assert key not in text, f"a key is in the {place} of {error!r}"
            assert key[: len(key) // 2] not in text, f"half a key is in the {place} of {error!r}"


def register(way: str, url: str, native: bool) -> Any:
    """Serve `mine/…` in a way, with all keys that there can be; the client that has to be closed, if there is one."""
    options: dict[str, Any] = {}
    provider, client = "openai:completions", None
    own = {"headers": {"x-team-token": KEYS["client"]}, "params": {"api_key": KEYS["query"]}}
    match way:
        case "aiohttp" | "httpx2":
            options["transport"] = HttpTransport(asyncio=way)  # type: ignore[arg-type]
        case "client-httpx2":
            client = (httpx2.AsyncClient if native else httpx2.Client)(**own)
        case "client-httpx":
            client = (httpx.AsyncClient if native else httpx.Client)(**own)
        case "client-threads":
            client = httpx2.Client(**own)
        case "openai":
            kind: Any = openai.AsyncOpenAI if native else openai.OpenAI
            client = kind(base_url=url, api_key=KEYS["client"], default_query={"api_key": KEYS["query"]})
        case _:
            kind = anthropic.AsyncAnthropic if native else anthropic.Anthropic
            client = kind(base_url=url, api_key=KEYS["client"])
            provider = "anthropic"
    if client is None or way.startswith("client"):
        options |= {"base_url": url, "api_key": KEYS["provider"]}
    llm.register_provider(provider, scope="mine/", **options, **({} if client is None else {"client": client}))
    return client


async def close(client: Any) -> None:
    if client is not None:
        closing = client.aclose() if hasattr(client, "aclose") else client.close()
        if closing is not None:
            await closing


def failing(colour: Colour, way: str, url: str, ask: Callable[[], Any]) -> Exception:
    """What a call in this way fails with."""

    async def scenario() -> Exception | None:
        client = register(way, url, colour.is_async)
        try:
            await ask()
        except Exception as error:
            return error
        finally:
            await close(client)
        return None

    error = colour.run(scenario)
    assert error is not None, "nothing failed"
    return error


def options() -> dict[str, Any]:
    return {"timeout": 0.2, "extra_headers": {"x-call-token": KEYS["call"]}}


def asking(colour: Colour, stream: bool) -> Callable[[], Any]:
    async def ask() -> None:
        model = llm.Model("mine/x", **options())
        if stream:
            await colour.got((await colour.got(colour.stream(model, "Hi"))).finish())
        else:
            await colour.got(colour.ask(model, "Hi"))

    return ask


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", WHOLE, ids=lambda answer: answer.__name__)
def test_errors_of_whole_answers(colour: Colour, server: Server, answer: Callable[[Exchange], None], way: str) -> None:
    server.answer = answer
    error = failing(colour, way, server.url, asking(colour, stream=False))
    assert isinstance(error, llm.ProviderError)
    check(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", STREAMED, ids=lambda answer: answer.__name__)
def test_errors_of_streams(colour: Colour, server: Server, answer: Callable[[Exchange], None], way: str) -> None:
    server.answer = answer
    error = failing(colour, way, server.url, asking(colour, stream=True))
    assert isinstance(error, llm.ProviderError)
    check(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [silent, silent_stream], ids=lambda answer: answer.__name__)
def test_the_time_is_up(colour: Colour, server: Server, answer: Callable[[Exchange], None], way: str) -> None:
    server.answer = answer

    async def ask() -> None:
        model = llm.Model("mine/x", **options() | {"timeout": llm.Timeout(total=0.2)})
        if answer is silent:
            await colour.got(colour.ask(model, "Hi"))
        else:
            await colour.got((await colour.got(colour.stream(model, "Hi"))).finish())

    error = failing(colour, way, server.url, ask)
    assert isinstance(error, llm.TimeoutError)
    check(error)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_there(colour: Colour, way: str) -> None:
    with Server() as server:
        url = server.url
    error = failing(colour, way, url, asking(colour, stream=False))
    assert isinstance(error, llm.ConnectionError)
    check(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [status, no_status_line, cut_stream], ids=lambda answer: answer.__name__)
def test_errors_of_the_lazy_api(colour: Colour, server: Server, answer: Callable[[Exchange], None], way: str) -> None:
    server.answer = answer

    async def ask() -> None:
        model: Any = (chat.get_async_model if colour.is_async else chat.get_model)("mine/x")
        await colour.all(events_of(model.prompt("Hi", **options())))

    error = failing(colour, way, server.url, ask)
    assert isinstance(error, llm.ProviderError)
    check(error)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("answer", [short, cut_stream, page], ids=lambda answer: answer.__name__)
def test_errors_after_retries(colour: Colour, server: Server, answer: Callable[[Exchange], None], stream: bool) -> None:
    server.answer = answer
    ask = llm.Model("mine/x", retry=llm.RetryConfig(max_retries=1, initial_delay=0), **options())

    async def scenario() -> None:
        if stream:
            await colour.got((await colour.got(colour.stream(ask, "Hi"))).finish())
        else:
            await colour.got(colour.ask(ask, "Hi"))

    check(failing(colour, "aiohttp", server.url, scenario))


@pytest.mark.parametrize("family", [httpx2, httpx])
def test_passwords_of_a_client_are_not_shown(server: Server, family: Any) -> None:
    def answer(exchange: Exchange) -> None:
        password = base64.b64decode(exchange.request.headers["authorization"].split()[1]).decode()
        exchange.json({"error": {"message": f"Wrong password: {password}"}}, 401)

    server.answer = answer
    with family.Client(auth=("me", KEYS["client"])) as client:
        llm.register_provider("openai:completions", scope="mine/", base_url=server.url, client=client)
        with pytest.raises(llm.AuthenticationError, match="Wrong password: me:") as caught:
            llm.Model("mine/x").call("Hi")
    check(caught.value)


AWKWARD = "0123456789/call+secret&key=="
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda key: quote(key, safe=""),
    "percent, but slashes": quote,
    "percent in lower case": lambda key: re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML": html.escape,
    "JSON": lambda key: key.replace("/", r"\/").replace("=", r"\u003d"),
}


def carrying(given: str, url: str) -> llm.Model:
    """A model whose calls carry the awkward secret. No variable of the test holds it, for tracebacks show those."""
    key = AWKWARD if given == "api_key" else "0"
    llm.register_provider("openai:completions", scope="mine/", base_url=url, api_key=key)
    basic = f"Basic {base64.b64encode(f'me:{AWKWARD}'.encode()).decode()}"
    headers = {
        "api_key": {},
        "basic": {"authorization": basic},
        "cookie": {"cookie": f"a=1; s={AWKWARD}; b=2"},
    }
    return llm.Model("mine/x", extra_headers=headers.get(given, {given: AWKWARD}))


@pytest.mark.parametrize("given", ["api_key", "x-session", "x-team", "x-sid", "cookie", "basic"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_secrets_that_a_server_writes_otherwise(server: Server, form: Callable[[str], str], given: str) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": f"Wrong: {form(AWKWARD)}!"}}, 401)
    model = carrying(given, server.url)
    with pytest.raises(llm.AuthenticationError) as caught:
        model.call("Hi")
    assert "Wrong: [redacted]!" in str(caught.value)
    for place, text in places(caught.value):
        assert form(AWKWARD) not in text and AWKWARD not in text, place


def test_ordinary_words_of_headers_are_shown(server: Server) -> None:
    headers = {
        **{"user-agent": "my-service/1.2.3456", "x-title": "Catalogue 2026", "openai-organization": "org-12345678"},
        **{"x-environment": "production", "x-short": "a1", "anthropic-beta": "context-1m-2025-08-07"},
    }
    said = " ".join(["No access:", *headers.values(), server.url])
    server.answer = lambda exchange: exchange.json({"error": {"message": said}}, 403)
    llm.register_provider("openai:completions", scope="mine/", base_url=server.url, api_key="0", headers=headers)
    with pytest.raises(llm.PermissionError) as caught:
        llm.Model("mine/x").call("Hi")
    assert said in str(caught.value)


@pytest.mark.parametrize("way", ["aiohttp", "httpx2", "client-httpx2", "client-httpx"])
def test_a_header_that_cannot_be_sent_is_not_shown(colour: Colour, server: Server, way: str) -> None:
    async def ask() -> None:
        model = llm.Model("mine/x", extra_headers={"x-call-token": f"{KEYS['call']}\n"})
        await colour.got(colour.ask(model, "Hi"))

    error = failing(colour, way, server.url, ask)
    assert isinstance(error, ValueError)
    check(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [silent, silent_stream], ids=lambda answer: answer.__name__)
def test_a_call_that_is_cancelled_shows_no_key(server: Server, answer: Callable[[Exchange], None], way: str) -> None:
    server.answer = answer

    async def ask() -> None:
        model = llm.Model("mine/x", extra_headers={"x-call-token": KEYS["call"]})
        async with asyncio.timeout(0.2):
            if answer is silent:
                await model.call_async("Hi")
            else:
                await (await model.stream_async("Hi")).finish()

    error = failing(Colour("asyncio"), way, server.url, ask)
    assert type(error) is TimeoutError
    check(error)
