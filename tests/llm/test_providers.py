"""From a model id to a server: who is asked, under what name, with what key; and what is made of refusals."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from mirascope_like import llm
from mirascope_like.transport.base import HttpReply, HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport, StreamedBody
from mirascope_like.wire.features import UNKNOWN, get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat
from mirascope_like.wire.openai_chat.scripted_responses import encode_response

from ..conftest import Colour
from ..transport.server import Exchange, Received, Server
from .chat_server import echo, saying
from .responses_server import answering

KEY = "sk-very-secret"


def answer_any(exchange: Exchange) -> None:
    """Answers in the protocol of the path that is asked."""
    path = exchange.request.path
    if path.endswith("/messages"):
        said = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
        usage = {"input_tokens": 1, "output_tokens": 1}
        exchange.json({"id": "msg_1", "model": "claude", "stop_reason": "end_turn", "usage": usage, **said})
    elif path.endswith("/responses"):
        answering(lambda _: [llm.Text("Hello")])(exchange)
    else:
        saying("Hello")(exchange)


@pytest.fixture(autouse=True)
def answering_server(server: Server) -> None:
    server.answer = answer_any


def ask(model_id: str, server: Server, content: Any = "Hi", **params: Any) -> Received:
    """The request that a call makes."""
    assert llm.Model(model_id, **params).call(content).text() == "Hello"
    return server.received[-1]


# -- who is asked, and under what name --------------------------------------------------------------------------------

SOUND = llm.Audio.from_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")


@pytest.mark.parametrize(
    ("provider", "model_id", "path", "name"),
    [
        ("openai", "openai/gpt-5-mini", "/responses", "gpt-5-mini"),
        ("openai", "openai/gpt-5-mini:completions", "/chat/completions", "gpt-5-mini"),
        ("openai", "openai/gpt-4o:responses", "/responses", "gpt-4o"),
        ("openai", "openai/gpt-4o-audio-preview", "/chat/completions", "gpt-4o-audio-preview"),
        ("openai", "openai/not-known-yet", "/responses", "not-known-yet"),
        ("openai", "openai/ft:gpt-4o:org/x:1", "/responses", "ft:gpt-4o:org/x:1"),
        ("openai:completions", "openai/gpt-5-mini", "/chat/completions", "gpt-5-mini"),
        ("openai:responses", "openai/gpt-4o-mini", "/responses", "gpt-4o-mini"),
        ("anthropic", "anthropic/claude-sonnet-4-5", "/v1/messages", "claude-sonnet-4-5"),
        ("openrouter", "openrouter/meta-llama/llama-3", "/chat/completions", "meta-llama/llama-3"),
        ("together", "together/meta-llama/Llama-3/x", "/chat/completions", "meta-llama/Llama-3/x"),
        ("xai", "xai/grok-4", "/chat/completions", "grok-4"),
        ("groq", "groq/openai/gpt-oss-20b", "/chat/completions", "openai/gpt-oss-20b"),
        ("mistral", "mistral/mistral-large", "/chat/completions", "mistral-large"),
        ("deepseek", "deepseek/deepseek-chat", "/chat/completions", "deepseek-chat"),
        ("ollama", "ollama/hf.co/org/model:latest", "/chat/completions", "hf.co/org/model:latest"),
    ],
)
def test_routes(server: Server, provider: str, model_id: str, path: str, name: str) -> None:
    llm.register_provider(provider, base_url=server.url, api_key=KEY)
    request = ask(model_id, server)
    assert (request.path, request.json["model"]) == (path, name)
    key = {"x-api-key": KEY} if provider == "anthropic" else {"authorization": f"Bearer {KEY}"}
    assert request.headers | key == request.headers


def test_sound_goes_to_chat_completions(server: Server) -> None:
    llm.register_provider("openai", base_url=server.url, api_key=KEY)
    assert ask("openai/gpt-5-mini", server).path == "/responses"
    assert ask("openai/gpt-5-mini", server, ["What is this?", SOUND]).path == "/chat/completions"


def test_the_longest_scope_decides(server: Server) -> None:
    llm.register_provider("openai:completions", scope="my/", base_url=f"{server.url}/short")
    llm.register_provider("openai:completions", scope=["my/big/", "my/exact"], base_url=f"{server.url}/long")
    paths = {
        "my/model": ("/short/chat/completions", "model"),
        "my/big/model/x": ("/long/chat/completions", "model/x"),
        "my/bigger": ("/short/chat/completions", "bigger"),
        "my/exact": ("/long/chat/completions", "exact"),
        "my/exactly": ("/short/chat/completions", "exactly"),
    }
    for model_id, expected in paths.items():
        request = ask(model_id, server)
        assert (request.path, request.json["model"]) == expected


def test_what_is_registered_last_counts(server: Server) -> None:
    llm.register_provider("openai:completions", scope="my/", base_url=f"{server.url}/old")
    model = llm.Model("my/model")
    llm.register_provider("openai:completions", scope="my/", base_url=f"{server.url}/new/")
    model.call("Hi")
    assert server.received[-1].path == "/new/chat/completions"
    llm.reset_provider_registry()
    with pytest.raises(llm.NoRegisteredProviderError):
        model.call("Hi")


def test_an_unknown_scope() -> None:
    with pytest.raises(llm.NoRegisteredProviderError, match=r"'nobody/x'.*openai/.*register_provider") as caught:
        llm.Model("nobody/x").call("Hi")
    assert caught.value.model_id == "nobody/x"
    llm.register_provider("openai", api_key=KEY)
    with pytest.raises(llm.NoRegisteredProviderError) as again:
        llm.Model("nobody/x").call("Hi")
    assert str(again.value).count("openai/") == 1
    with pytest.raises(ValueError, match="no provider 'nobody'"):
        llm.register_provider("nobody")
    for scope, found in (("", "has no slash"), ("vllm", "has no slash"), ([], "scope is empty")):
        with pytest.raises(ValueError, match=found):
            llm.register_provider("openai", scope=scope)


# -- keys and addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["OPENAI", "ANTHROPIC"])
def test_the_environment_says_where_and_with_what_key(
    server: Server, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setenv(f"{provider}_BASE_URL", f"{server.url}/")
    model_id = f"{provider.lower()}/some-model"
    with pytest.raises(llm.MissingAPIKeyError, match=f"{provider}_API_KEY") as caught:
        llm.Model(model_id).call("Hi")
    assert caught.value.env_var == f"{provider}_API_KEY"
    assert server.received == []
    monkeypatch.setenv(f"{provider}_API_KEY", KEY)
    assert KEY in " ".join(ask(model_id, server).headers.values())


@pytest.mark.parametrize("name", ["openrouter", "together", "xai", "groq", "mistral", "deepseek"])
def test_each_has_a_key_of_its_own(name: str) -> None:
    with pytest.raises(llm.MissingAPIKeyError, match=f"{name.upper()}_API_KEY"):
        llm.Model(f"{name}/x").call("Hi")


def test_ollama_needs_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
    assert "authorization" not in ask("ollama/x", server).headers


def test_another_server_is_not_shown_the_key_and_nothing_is_assumed_of_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    llm.register_provider("openai:completions", scope="vllm/", base_url=server.url)
    model_id = "vllm/meta-llama/Llama-3.2-1B"
    request = ask(model_id, server, temperature=0.5, top_p=0.9, max_tokens=9, stop_sequences=["."])
    assert "authorization" not in request.headers
    sent = {"model": "meta-llama/Llama-3.2-1B", "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "stop": ["."]}
    assert request.json | sent == request.json
    assert llm.Model(model_id).provider_id == "vllm"
    llm.register_provider("openai:completions", scope="vllm/", base_url=server.url, api_key="mine")
    assert ask(model_id, server).headers["authorization"] == "Bearer mine"


def test_headers_timeout_and_more_of_the_body(server: Server) -> None:
    llm.register_provider("openai:completions", scope="my/", base_url=server.url, headers={"x-team": "a"})
    request = ask("my/x", server, extra_headers={"x-trace": "1"}, extra_body={"top_a": 0.1, "model": "y"}, timeout=5)
    assert (request.headers["x-team"], request.headers["x-trace"]) == ("a", "1")
    assert (request.json["top_a"], request.json["model"]) == (0.1, "y")


def test_secrets_are_shown_nowhere(server: Server) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": "No."}}, 401)
    provider = llm.register_provider("openai", base_url=server.url, api_key=KEY, headers={"x-secret": KEY})
    assert KEY not in repr(provider)
    assert KEY not in repr(provider.endpoint("gpt-5", ()))
    with pytest.raises(llm.AuthenticationError) as caught:
        llm.Model("openai/gpt-5", extra_headers={"x-other": KEY}).call("Hi")
    assert KEY not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
    server.answer = lambda exchange: exchange.hang_up()
    with pytest.raises(llm.ConnectionError) as lost:
        llm.Model("openai/gpt-5").call("Hi")
    assert KEY not in f"{lost.value!r} {lost.value} {vars(lost.value)}"


# -- clients that the user brings -------------------------------------------------------------------------------------


def clients(kind: str, server: Server) -> tuple[str, Any, Any]:
    """A built-in's id, and a sync and an async client for it."""
    if kind == "httpx2":
        return "openai:completions", httpx2.Client(), httpx2.AsyncClient()
    if kind == "httpx":
        return "openai:completions", httpx.Client(), httpx.AsyncClient()
    options = {"base_url": server.url, "api_key": KEY}
    if kind == "openai":
        return "openai:completions", openai.OpenAI(**options), openai.AsyncOpenAI(**options)
    return "anthropic", anthropic.Anthropic(**options), anthropic.AsyncAnthropic(**options)


async def close(client: Any) -> None:
    done = client.aclose() if hasattr(client, "aclose") else client.close()
    if done is not None:
        await done


@pytest.mark.parametrize("kind", ["httpx2", "httpx", "openai", "anthropic"])
def test_clients_of_ones_own(colour: Colour, server: Server, kind: str) -> None:
    async def scenario() -> None:
        provider, sync, native = clients(kind, server)
        base = {"base_url": server.url} if kind.startswith("httpx") else {}
        try:
            llm.register_provider(provider, scope="mine/", client=(sync, native), **base)
            response = await colour.got(colour.ask(llm.Model("mine/x"), "Hi"))
            assert (response.text(), response.provider_id) == ("Hello", "mine")
        finally:
            await close(sync)
            if colour.is_async:
                await close(native)

    colour.run(scenario)
    (request,) = server.received
    assert request.json["model"] == "x"
    assert (KEY in " ".join(request.headers.values())) == (kind in ("openai", "anthropic"))


def test_an_http_client_alone_is_not_another_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with httpx2.Client() as client:
        llm.register_provider("openai", scope="by-proxy/", client=client)
        assert ask("by-proxy/gpt-5", server).headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("kind", [httpx2, httpx])
def test_an_http_client_has_a_base_url(server: Server, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with kind.Client(base_url=f"{server.url}/v9") as client, kind.Client(base_url=f"{server.url}/no") as other:
        llm.register_provider("openai", client=client)
        assert ask("openai/gpt-5", server).path == "/v9/responses"
        llm.register_provider("openai:completions", scope="mine/", client=client)
        asked = ask("mine/x", server)
        assert (asked.path, "authorization" in asked.headers) == ("/v9/chat/completions", False)
        llm.register_provider("openai", client=other, base_url=server.url)
        assert ask("openai/gpt-5", server).path == "/responses"


@pytest.mark.parametrize("mark", ["?", "#"])
def test_nothing_stands_behind_a_base_url(server: Server, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    url = f"{server.url}/v1{mark}key={KEY}"
    with httpx2.Client(base_url=url) as client:
        for options in ({"base_url": url}, {"client": client}):
            with pytest.raises(ValueError, match=r"'openai:completions' must end .* params=") as refused:
                llm.register_provider("openai:completions", scope="my/", **options)
            assert KEY not in str(refused.value)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ValueError, match="'openai' must end with its path"):
        llm.Model("openai/gpt-5").call("Hi")
    assert server.received == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"http://me:{KEY}@127.0.0.1:9/v1", "name and password"),
        ("http://127.0.0.1:9/v1/chat/completions", "before '/chat/completions'"),
        ("http://127.0.0.1:9/v1/responses/", "before '/responses'"),
        ("http://127.0.0.1:9/v1/messages", "before '/v1/messages'"),
    ],
)
def test_a_url_that_is_no_base_url(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        llm.register_provider("openai:completions", scope="my/", base_url=url)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("kind", [httpx2, httpx])
def test_a_client_adds_its_query(server: Server, kind: Any) -> None:
    server.answer = saying("Hello")
    with kind.Client(base_url=f"{server.url}/v1", params={"api-version": "3"}) as client:
        llm.register_provider("openai:completions", scope="my/", client=client)
        assert ask("my/x", server).path == "/v1/chat/completions?api-version=3"


def test_a_client_of_another_protocols_sdk_is_refused() -> None:
    options = {"base_url": "http://127.0.0.1:9", "api_key": KEY}
    with openai.OpenAI(**options) as one, anthropic.Anthropic(**options) as other:
        with pytest.raises(TypeError, match=r"'anthropic' takes clients of the anthropic package.*got OpenAI"):
            llm.register_provider("anthropic", client=one)
        for name in ("openai", "openai:completions", "openai:responses", "groq"):
            with pytest.raises(TypeError, match=rf"'{name}' takes clients of the openai package.*got Anthropic"):
                llm.register_provider(name, scope="my/", client=other)
        own = llm.HTTPProvider(
            id="own", codec=lambda *_: (OpenAIChat(get_chat_dialect("own")), "x"), default_base_url=""
        )
        with pytest.raises(TypeError, match="only built-in"):
            llm.register_provider(Mine(), client=other)
        assert llm.register_provider(own, client=other).id == "own"  # nothing is known of it


def test_two_clients_of_different_servers() -> None:
    async def scenario() -> None:
        async with httpx2.AsyncClient(base_url="http://b") as native:
            with httpx2.Client(base_url="http://a") as client:
                with pytest.raises(ValueError, match=r"http://a.*http://b.*base_url="):
                    llm.register_provider("openai", client=(client, native))
                provider = llm.register_provider("openai", client=(client, native), base_url="http://c")
            assert isinstance(provider, llm.HTTPProvider) and provider.base_url == "http://c"

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["openai", "anthropic", "mistral", "local"])
def test_providers_can_be_pickled_without_their_keys(server: Server, name: str) -> None:
    provider = llm.register_provider(name, scope="mine/", base_url=server.url, api_key=KEY, headers={"x-y": "z"})
    assert isinstance(provider, llm.HTTPProvider)
    stored = pickle.dumps(provider)
    assert KEY.encode() not in stored
    assert pickle.loads(stored) == replace(provider, api_key=None, headers={})
    assert copy.copy(provider) == copy.deepcopy(provider) == provider


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen: list[str] = []

    def answer(request: HttpRequest) -> HttpReply:
        seen.append(request.url)
        raise llm.ConnectionError("enough")

    llm.register_provider("openai", scope="plain/", transport=MemoryTransport(answer))
    with pytest.raises(llm.ConnectionError):
        llm.Model("plain/gpt-5").call("Hi")
    assert seen == ["https://api.openai.com/v1/responses"]


def test_an_async_client_cannot_serve_blocking_calls(server: Server) -> None:
    async def scenario() -> None:
        async with httpx2.AsyncClient() as client:
            llm.register_provider("openai:completions", scope="my/", base_url=server.url, client=client)
            with pytest.raises(TypeError, match="async client"):
                llm.Model("my/x").call("Hi")

    asyncio.run(scenario())


def test_what_is_no_client() -> None:
    with pytest.raises(TypeError, match="got str"):
        llm.register_provider("openai", client="x")
    with pytest.raises(TypeError, match="one of them"):
        llm.register_provider("openai", client="x", transport=MemoryTransport(lambda _: StreamedBody([])))


# -- providers of one's own -------------------------------------------------------------------------------------------


class Mine:
    """The whole of a provider."""

    id = "mine"

    def endpoint(self, name: str, messages: Sequence[llm.Message]) -> llm.HTTPEndpoint:
        return llm.HTTPEndpoint(
            provider_id=self.id,
            model=name.upper(),
            codec=OpenAIChat(get_chat_dialect("mine")),
            transport=MemoryTransport(
                lambda request: StreamedBody([encode_response([llm.Text(echo(json.loads(request.body)))])])
            ),
            base_url="http://nowhere",
            features=UNKNOWN,
        )


def test_a_provider_object(colour: Colour) -> None:
    provider = Mine()
    assert isinstance(provider, llm.Provider)
    assert llm.register_provider(provider) is provider

    async def scenario() -> None:
        for model in (llm.Model("mine/x"), llm.Model("any/x", provider=provider)):
            assert model.provider_id == "mine"
            assert (await colour.got(colour.ask(model, "Hi"))).text() == "Hi"

    colour.run(scenario)
    with pytest.raises(TypeError, match="api_key"):
        llm.register_provider(provider, api_key=KEY)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, llm.BadRequestError),
        (401, llm.AuthenticationError),
        (403, llm.PermissionError),
        (404, llm.NotFoundError),
        (413, llm.BadRequestError),
        (422, llm.BadRequestError),
        (429, llm.RateLimitError),
        (500, llm.ServerError),
        (503, llm.ServerError),
        (529, llm.ServerError),
        (302, llm.APIError),
    ],
)
def test_statuses(colour: Colour, server: Server, status: int, error: type[llm.APIError], stream: bool) -> None:
    body = {"error": {"message": "Because.", "type": "some_type", "code": "some_code"}}
    headers = {"x-request-id": "req_1", "retry-after": "7"}
    server.answer = lambda exchange: exchange.json(body, status, headers)
    llm.register_provider("openai:completions", scope="my/", base_url=server.url)

    async def scenario() -> None:
        await colour.got((colour.stream if stream else colour.ask)(llm.Model("my/x"), "Hi"))

    with pytest.raises(error) as caught:
        colour.run(scenario)
    refused = caught.value
    assert type(refused) is error
    assert (refused.status_code, refused.type, refused.code) == (status, "some_type", "some_code")
    assert (refused.request_id, refused.retry_after, refused.body) == ("req_1", 7.0, body)
    assert (refused.provider, refused.model, refused.message) == ("my", "x", "Because.")
    assert str(refused) == f"my/x: Because. (HTTP {status}, request req_1)"
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
        ({}, None),
    ],
)
def test_how_long_to_wait(server: Server, headers: dict[str, str], seconds: float | None) -> None:
    server.answer = lambda exchange: exchange.json({}, 429, headers)
    llm.register_provider("openai:completions", scope="my/", base_url=server.url)
    with pytest.raises(llm.RateLimitError) as caught:
        llm.Model("my/x").call("Hi")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b'"no"', b"\xff\xfe"])
def test_refusals_without_json(server: Server, body: bytes) -> None:
    server.answer = lambda exchange: exchange.whole(body, 502)
    llm.register_provider("openai:completions", scope="my/", base_url=server.url)
    with pytest.raises(llm.ServerError, match=r"^my/x: .+ \(HTTP 502\)$"):
        llm.Model("my/x").call("Hi")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"choices": 3}'])
def test_answers_that_are_none(colour: Colour, server: Server, body: bytes) -> None:
    server.answer = lambda exchange: exchange.whole(body)
    llm.register_provider("openai:completions", scope="my/", base_url=server.url)

    async def scenario() -> None:
        await colour.got(colour.ask(llm.Model("my/x"), "Hi"))

    with pytest.raises(llm.ResponseValidationError, match=r"^my/x: "):
        colour.run(scenario)


def test_nobody_is_there(colour: Colour) -> None:
    with Server() as server:
        url = server.url
    llm.register_provider("openai:completions", scope="my/", base_url=url)

    async def scenario() -> None:
        await colour.got(colour.ask(llm.Model("my/x"), "Hi"))

    with pytest.raises(llm.ConnectionError, match=r"^my/x: No connection to 127\.0\.0\.1") as caught:
        colour.run(scenario)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.original_exception is not None


def test_silence(colour: Colour, server: Server) -> None:
    server.answer = server.hold
    llm.register_provider("openai:completions", scope="my/", base_url=server.url)

    async def scenario() -> None:
        await colour.got(colour.ask(llm.Model("my/x", timeout=0.05), "Hi"))

    with pytest.raises(llm.TimeoutError, match=r"^my/x: .* within 0.05 s") as caught:
        colour.run(scenario)
    assert isinstance(caught.value, TimeoutError)


def test_the_embedded_model_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRASCOPE_LIKE_LOCAL_MODEL", raising=False)
    with pytest.raises(llm.NotFoundError, match="is 'local/smollm2-135m'"):
        llm.Model("local/typo").call("Hi")
    monkeypatch.setenv("MIRASCOPE_LIKE_LOCAL_MODEL", "/some/file.gguf")
    assert llm.Model("local/mine").provider.endpoint("mine", [])


def test_the_embedded_model_takes_no_empty_stop_sequence() -> None:
    with pytest.raises(ValueError, match="empty stop sequence"):
        llm.Model("local/smollm2-135m", stop_sequences=["\n", ""]).call("Hi")
