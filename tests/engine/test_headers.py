"""HTTP headers: one of a name, whoever sets it and however it is spelled, and none that only an HTTP client may set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from mirascope_like import chat, llm
from mirascope_like.transport.http import HttpTransport

from ..conftest import Colour
from ..transport.server import Received, Server

OURS, THEIRS = "Bearer of-the-application", "Bearer of-the-user"
FRAMING = ["Content-Length", "transfer-encoding", "Host", "CONNECTION", "TE", "Upgrade", "expect", " Content-Length"]
CLIENTS = {
    "httpx2": (httpx2.Client, httpx2.AsyncClient),
    "httpx": (httpx.Client, httpx.AsyncClient),
    "openai": (openai.OpenAI, openai.AsyncOpenAI),
    "anthropic": (anthropic.Anthropic, anthropic.AsyncAnthropic),
}


def sent(
    colour: Colour, server: Server, model_id: str = "mine/x", *, stream: bool = False, client: Any = None, **params: Any
) -> Received:
    """The request that a call makes, which the server refuses."""
    server.answer = lambda exchange: exchange.json({"error": {"message": "No."}}, 401)

    async def scenario() -> None:
        try:
            model = llm.Model(model_id, **params)
            await colour.got((colour.stream if stream else colour.ask)(model, "Hi"))
        finally:
            if client is not None:
                closing = client.aclose() if hasattr(client, "aclose") else client.close()
                if closing is not None:
                    await closing

    with pytest.raises(llm.AuthenticationError):
        colour.run(scenario)
    return server.received[-1]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asyncio", ["aiohttp", "httpx2"])
@pytest.mark.parametrize("spelled", ["authorization", "Authorization", "AUTHORIZATION"])
def test_the_users_authorization_replaces_the_providers(
    colour: Colour, server: Server, asyncio: Any, spelled: str, stream: bool
) -> None:
    transport = HttpTransport(asyncio=asyncio)
    llm.register_provider(
        "openai:completions", scope="mine/", base_url=server.url, api_key="of-the-application", transport=transport
    )
    request = sent(colour, server, stream=stream, extra_headers={spelled: THEIRS, "Content-TYPE": "application/x+json"})
    assert request.all("authorization") == [THEIRS]
    assert request.all("content-type") == ["application/x+json"]


@pytest.mark.parametrize("spelled", ["x-api-key", "X-Api-Key"])
def test_every_key_header_is_replaced(colour: Colour, server: Server, spelled: str) -> None:
    llm.register_provider(
        "anthropic", scope="mine/", base_url=server.url, api_key="ours", headers={"X-API-KEY": "team", "X-Team": "a"}
    )
    request = sent(colour, server)
    assert (request.all("x-api-key"), request.all("x-team")) == (["team"], ["a"])
    request = sent(colour, server, extra_headers={spelled: "mine", "x-TEAM": "b"})
    assert (request.all("x-api-key"), request.all("x-team")) == (["mine"], ["b"])


@pytest.mark.parametrize("way", CLIENTS)
def test_headers_of_a_client_are_replaced(colour: Colour, server: Server, way: str) -> None:
    is_sdk = way in ("openai", "anthropic")
    more: dict[str, Any] = {"base_url": server.url, "api_key": "of-the-application"} if is_sdk else {"headers": {}}
    more["default_headers" if is_sdk else "headers"] = {"AUTHORIZATION": OURS, "X-Team": "a"}
    client = CLIENTS[way][colour.is_async](**more)
    provider = "anthropic" if way == "anthropic" else "openai:completions"
    llm.register_provider(provider, scope="mine/", client=client, **({} if is_sdk else {"base_url": server.url}))
    request = sent(colour, server, client=client, extra_headers={"authorization": THEIRS, "x-TEAM": "b"})
    assert (request.all("authorization"), request.all("x-team")) == ([THEIRS], ["b"])
    assert len(request.all("content-type")) == 1


@pytest.mark.parametrize("family", [httpx2, httpx])
@pytest.mark.parametrize("own", [{"headers": {"Authorization": THEIRS}}, {"auth": lambda request: _signed(request)}])
def test_a_client_that_brings_a_key_needs_none_and_gets_none(
    server: Server, monkeypatch: pytest.MonkeyPatch, family: Any, own: dict[str, Any]
) -> None:
    for key in (None, "of-the-application"):
        if key is not None:
            monkeypatch.setenv("OPENAI_API_KEY", key)
        client = family.Client(**own)
        llm.register_provider("openai", base_url=server.url, client=client)
        assert sent(Colour("blocking"), server, "openai/x", client=client).all("authorization") == [THEIRS]


def _signed(request: Any) -> Any:
    request.headers["authorization"] = THEIRS
    return request


def test_a_key_given_in_code_replaces_the_clients(server: Server) -> None:
    client = httpx2.Client(headers={"authorization": OURS})
    llm.register_provider("openai", scope="mine/", base_url=server.url, client=client, api_key="mine")
    assert sent(Colour("blocking"), server, client=client).all("authorization") == ["Bearer mine"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("family", [httpx2, httpx])
@pytest.mark.parametrize("is_sync", [True, False], ids=["sync", "native"])
@pytest.mark.parametrize(
    ("registered", "params", "expected"),
    [
        ({}, {"extra_headers": {"AUTHORIZATION": THEIRS}}, THEIRS),
        ({"headers": {"Authorization": THEIRS}}, {}, THEIRS),
        ({"api_key": "mine"}, {}, "Bearer mine"),
        ({"api_key": "mine"}, {"extra_headers": {"Authorization": THEIRS}}, THEIRS),
        ({}, {}, "Basic YXBwOnB3"),
        ({"headers": {"X-Team": "a"}}, {"extra_headers": {"X-User": "b"}}, "Basic YXBwOnB3"),
    ],
)
def test_auth_of_a_client_replaces_only_a_key_of_the_environment(
    colour: Colour,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    family: Any,
    is_sync: bool,
    stream: bool,
    registered: dict[str, Any],
    params: dict[str, Any],
    expected: str,
) -> None:
    if not colour.is_async and not is_sync:
        pytest.skip("blocking calls need a sync client")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-application")
    client = (family.Client if is_sync else family.AsyncClient)(auth=("app", "pw"))
    llm.register_provider("openai:completions", scope="openai/", base_url=server.url, client=client, **registered)
    request = sent(colour, server, "openai/x", stream=stream, client=client, **params)
    assert request.all("authorization") == [expected]


def test_auth_of_a_client_comes_with_a_key_that_has_a_header_of_its_own(colour: Colour, server: Server) -> None:
    client = (httpx2.AsyncClient if colour.is_async else httpx2.Client)(auth=("app", "pw"))
    llm.register_provider("anthropic", scope="mine/", base_url=server.url, client=client, api_key="mine")
    request = sent(colour, server, client=client)
    assert (request.all("authorization"), request.all("x-api-key")) == (["Basic YXBwOnB3"], ["mine"])


def test_a_client_without_the_key_header_gets_the_providers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "ours")
    client = httpx2.Client(headers={"authorization": THEIRS})  # of a gateway: the key has a header of its own
    llm.register_provider("anthropic", base_url=server.url, client=client)
    request = sent(Colour("blocking"), server, "anthropic/x", client=client)
    assert (request.all("authorization"), request.all("x-api-key")) == ([THEIRS], ["ours"])


@pytest.mark.parametrize("name", FRAMING)
def test_framing_headers_are_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match=f"header '{name}' cannot be set here"):
        llm.Model("mine/x", extra_headers={name: "1"})
    with pytest.raises(ValueError, match=f"header '{name}' cannot be set here"):
        llm.register_provider("openai", headers={name: "1"})
    with pytest.raises(ValueError, match=f"header '{name}' cannot be set here"):
        chat.get_model("openai/x").prompt("Hi", extra_headers={name: "1"})


def test_framing_headers_of_an_endpoint_are_refused_too(server: Server) -> None:
    class Mine:
        id = "mine"

        def endpoint(self, name: str, messages: Any) -> llm.HTTPEndpoint:
            return replace(served.endpoint(name, messages), headers={"Transfer-Encoding": "chunked"})

    served = llm.register_provider("openai:completions", scope="served/", base_url=server.url)
    assert isinstance(served, llm.HTTPProvider)
    llm.register_provider(Mine(), scope="mine/")
    with pytest.raises(ValueError, match="'Transfer-Encoding' cannot be set here"):
        llm.Model("mine/x").call("Hi")
    assert server.received == []


def test_headers_are_in_no_repr() -> None:
    headers = {"Authorization": THEIRS}
    model = llm.Model("openai/x", extra_headers=headers)
    prompt = chat.get_model("openai/x").prompt("Hi", extra_headers=headers).prompt
    assert model.params.get("extra_headers") == prompt.options.model_dump()["extra_headers"] == headers
    assert "of-the-user" not in f"{model.params!r} {prompt!r} {prompt.options!r}"


@pytest.mark.parametrize("value", ["a\r\nx-other: b", "a\nb", "a\0b", "ä"])
def test_values_that_would_break_a_request_are_refused(colour: Colour, server: Server, value: str) -> None:
    llm.register_provider("openai:completions", scope="mine/", base_url=server.url, api_key="ours")

    async def scenario() -> None:
        await colour.got(colour.ask(llm.Model("mine/x", extra_headers={"x-mine": value}), "Hi"))

    with pytest.raises(ValueError, match="header that HTTP does not allow"):
        colour.run(scenario)
    assert server.received == []
