"""Cookies: the library's own clients serve the keys of many users, so they keep none; a user's client keeps its own."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest

from mirascope_like import llm
from mirascope_like.transport.http import HttpTransport
from mirascope_like.wire.openai_chat.scripted_responses import encode_response

from ..conftest import Colour
from ..llm.chat_server import pieces
from ..transport.server import Exchange, Server

SESSION = "session=of-the-first; Path=/; Max-Age=3600"


def answer(exchange: Exchange) -> None:
    """Set a cookie: with a whole answer, a streamed one, or a refusal."""
    body, headers = exchange.request.json, {"set-cookie": SESSION}
    if body["messages"][-1]["content"] == "refuse":
        exchange.json({"error": {"message": "No."}}, 401, headers)
    elif body.get("stream"):
        exchange.start(headers=headers)
        for piece in pieces("Hello"):
            exchange.send(piece)
        exchange.end()
    else:
        exchange.whole(encode_response([llm.Text("Hello")]), headers=headers)


async def ask_all(colour: Colour, *model_ids: str) -> None:
    """A whole answer, a streamed one and a refusal from each model."""
    for model_id in model_ids:
        model = llm.Model(model_id)
        await colour.got(colour.ask(model, "Hi"))
        await colour.got((await colour.got(colour.stream(model, "Hi"))).finish())
        with pytest.raises(llm.AuthenticationError):
            await colour.got(colour.ask(model, "refuse"))


@pytest.mark.parametrize("asyncio", ["aiohttp", "httpx2"])
def test_no_cookie_of_one_key_goes_out_with_another(colour: Colour, server: Server, asyncio: Any) -> None:
    transport = HttpTransport(asyncio=asyncio)
    with Server() as other_port:
        server.answer = other_port.answer = answer
        for name, each in (("first", server), ("second", server), ("third", other_port)):
            llm.register_provider(
                "openai:completions", scope=f"{name}/", base_url=each.url, api_key=name, transport=transport
            )
        colour.run(lambda: ask_all(colour, "first/x", "second/x", "third/x", "first/x"))
        received = [*server.received, *other_port.received]
    assert {request.headers["authorization"] for request in received} == {
        "Bearer first",
        "Bearer second",
        "Bearer third",
    }
    assert [request.headers["cookie"] for request in received if "cookie" in request.headers] == []


@pytest.mark.parametrize("family", [httpx2, httpx])
def test_a_users_client_keeps_its_cookies(server: Server, family: Any) -> None:
    server.answer = answer
    with family.Client(cookies={"given": "1"}) as client:
        llm.register_provider("openai:completions", scope="mine/", base_url=server.url, client=client)
        Colour("blocking").run(lambda: ask_all(Colour("blocking"), "mine/x"))
    first, *others = [request.headers["cookie"] for request in server.received]
    assert first == "given=1"
    assert all("session=of-the-first" in cookies and "given=1" in cookies for cookies in others)
