"""Vendor SDKs' clients: their authentication and addresses, one HTTP request a call, and their errors unwrapped."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrock
from anthropic.lib.vertex import AnthropicVertex

from mirascope_like import errors
from mirascope_like.transport.aws_event_stream import EventStreamDecoder
from mirascope_like.transport.base import ByteStream, HttpRequest, Timeouts
from mirascope_like.transport.sdk_clients import SDKTransport, find_sdk, is_sdk_client

from .conftest import NO_TLS, drive, run
from .server import PATIENCE, PATIENT, Exchange, Server

BODY = json.dumps({"model": "m", "messages": []}).encode()
STREAM_BODY = json.dumps({"model": "m", "messages": [], "stream": True}).encode()


def openai_client(url: str, http_client: Any) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="key", http_client=http_client)


def azure(url: str, http_client: Any) -> Any:
    return openai.AzureOpenAI(azure_endpoint=url, api_version="v9", api_key="key", http_client=http_client)


def azure_deployment(url: str, http_client: Any) -> Any:
    return openai.AzureOpenAI(
        azure_endpoint=url, azure_deployment="d", api_version="v9", api_key="key", http_client=http_client
    )


def claude(url: str, http_client: Any) -> Any:
    return anthropic.Anthropic(base_url=url, api_key="key", http_client=http_client)


def bedrock(url: str, http_client: Any) -> Any:
    return AnthropicBedrock(base_url=url, aws_region="r", api_key="key", http_client=http_client)


def vertex(url: str, http_client: Any) -> Any:
    return AnthropicVertex(base_url=url, region="r", project_id="p", access_token="key", http_client=http_client)


def foundry(url: str, http_client: Any) -> Any:
    return anthropic.AnthropicFoundry(base_url=url, api_key="key", http_client=http_client)


VERTEX_MODEL = "/projects/p/locations/r/publishers/anthropic/models/m"
# how to make the client, the path that is asked for, and where it goes
CASES = [
    (openai_client, "/chat/completions", "/v1/chat/completions"),
    (azure, "/chat/completions", "/openai/deployments/m/chat/completions?api-version=v9"),
    (azure, "/responses", "/openai/responses?api-version=v9"),
    (azure_deployment, "/chat/completions", "/openai/deployments/d/chat/completions?api-version=v9"),
    (claude, "/v1/messages", "/v1/messages"),
    (bedrock, "/v1/messages", "/model/m/invoke"),
    (vertex, "/v1/messages", f"{VERTEX_MODEL}:rawPredict"),
    (foundry, "/v1/messages", "/v1/messages"),
]


@pytest.mark.parametrize(("make", "path", "sent_to"), CASES)
def test_the_clients_address_and_authentication_are_used(
    server: Server, make: Callable[[str, Any], Any], path: str, sent_to: str
) -> None:
    with httpx2.Client(verify=NO_TLS) as http_client:
        client = make(server.url, http_client)
        reply = run(SDKTransport(client).blocking().post(HttpRequest(path, {"x-mark": "7"}, BODY, PATIENT)))
    assert reply.status == 200
    (received,) = server.received
    assert (received.path, received.headers["x-mark"]) == (sent_to, "7")
    credentials = {received.headers.get(name) for name in ("authorization", "api-key", "x-api-key")} - {None}
    assert credentials <= {"key", "Bearer key"}
    assert credentials


def test_the_body_is_rewritten_by_the_client(server: Server) -> None:
    with httpx2.Client(verify=NO_TLS) as http_client:
        transport = SDKTransport(bedrock(server.url, http_client))
        run(transport.blocking().post(HttpRequest("/v1/messages", {}, BODY, PATIENT)))
    assert server.received[0].json.keys() == {"messages", "anthropic_version"}  # the model is in the address


def test_a_vertex_stream_has_its_own_address(server: Server) -> None:
    server.answer = lambda exchange: exchange.stream(b"data: {}\n\n")
    with httpx2.Client(verify=NO_TLS) as http_client:
        transport = SDKTransport(vertex(server.url, http_client))
        stream = run(transport.blocking().open(HttpRequest("/v1/messages", {}, STREAM_BODY, PATIENT)))
        assert run(read(stream)) == b"data: {}\n\n"
    assert server.received[0].path == f"{VERTEX_MODEL}:streamRawPredict"


def test_an_sdk_with_a_legacy_http_client(server: Server) -> None:
    with httpx.Client(verify=NO_TLS) as http_client:
        channel = SDKTransport(openai_client(server.url, http_client)).blocking()
        assert run(channel.post(HttpRequest("/x", {}, BODY, PATIENT))).status == 200
        server.answer = lambda exchange: exchange.json({}, 503)
        assert run(channel.post(HttpRequest("/x", {}, BODY, PATIENT))).status == 503
        server.answer = server.hold
        with pytest.raises(errors.TimeoutError):
            run(channel.post(HttpRequest("/x", {}, BODY, Timeouts(0.05, 0.05))))
    assert len(server.received) == 3


def test_clients_are_told_apart() -> None:
    assert find_sdk(openai.AsyncAzureOpenAI(azure_endpoint="http://h", api_version="1", api_key="k")) == "openai"
    assert find_sdk(anthropic.AsyncAnthropic(api_key="k")) == "anthropic"
    assert is_sdk_client(openai.OpenAI(api_key="k"))
    for other in (None, openai, openai.OpenAI, httpx2.Client(verify=NO_TLS)):
        assert find_sdk(other) is None
        assert not is_sdk_client(other)


def test_missing_colours_and_foreign_loops(server: Server, async_colour: str) -> None:
    client = openai.AsyncOpenAI(base_url=server.url, api_key="k", http_client=httpx2.AsyncClient(verify=NO_TLS))
    transport = SDKTransport(client)
    with pytest.raises(TypeError, match="AsyncOpenAI"):
        transport.blocking()

    async def first() -> None:
        async with client:
            assert (await transport.native().post(HttpRequest("/x", {}, BODY, PATIENT))).status == 200

    async def second() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            transport.native()

    drive(async_colour, first)
    drive(async_colour, second)


def test_a_wrong_key_is_not_shown(server: Server) -> None:
    with httpx2.Client(verify=NO_TLS) as http_client:
        client = openai.OpenAI(base_url=server.url, api_key="sk-secret\n", http_client=http_client)
        with pytest.raises(ValueError, match="API key") as caught:
            run(SDKTransport(client).blocking().post(HttpRequest("/x", {}, BODY, PATIENT)))
    assert "secret" not in str(caught.getrepr(style="short", chain=True))


def test_half_a_surrogate_pair_is_called_by_its_name(server: Server) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "half: \ud83d"}]}).encode()
    with httpx2.Client(verify=NO_TLS) as http_client:
        channel = SDKTransport(openai_client(server.url, http_client)).blocking()
        with pytest.raises(ValueError, match="surrogate pair"):
            run(channel.post(HttpRequest("/chat/completions", {}, body, PATIENT)))


async def read(stream: ByteStream) -> bytes:
    data = b""
    while (piece := await stream.next()) is not None:
        data += piece
    return data


# Amazon's binary frame


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def message(payload: bytes, **headers: str) -> bytes:
    names = b"".join(header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    names += b"\x04date\x08" + bytes(8) + b"\x02ok\x00" + b"\x01n\x04" + bytes(4)  # other types of headers
    prelude = struct.pack(">II", len(payload) + len(names) + 16, len(names))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + names + payload
    return data + struct.pack(">I", zlib.crc32(data))


def chunk(event: bytes) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(event).decode(), "p": "abc"}).encode()
    return message(payload, message_type="event", event_type="chunk", content_type="application/json")


EVENTS = [b'{"type":"message_start"}', '{"type":"delta","text":"ä"}'.encode(), b'{"type":"message_stop"}']
AS_TEXT = b"".join(b"data: %b\n\n" % event for event in EVENTS)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_frames_may_be_split_anywhere(size: int) -> None:
    data = b"".join(map(chunk, EVENTS))
    decoder = EventStreamDecoder()
    assert b"".join(decoder.feed(data[at : at + size]) for at in range(0, len(data), size)) == AS_TEXT


@pytest.mark.parametrize("kind", ["exception", "error"])
def test_errors_within_a_stream_are_error_events(kind: str) -> None:
    if kind == "exception":
        frame = message(b'{"message":"slow down"}', message_type=kind, exception_type="throttlingException")
    else:
        frame = message(b"", message_type=kind, error_code="throttlingException", error_message="slow down")
    name, data = EventStreamDecoder().feed(frame).strip().split(b"\n")
    assert name == b"event: error"
    expected = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    assert json.loads(data.removeprefix(b"data: ")) == expected


def broken_frames() -> list[bytes]:
    whole = chunk(EVENTS[0])
    prelude = struct.pack(">II", 8, 0)
    return [
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        b"data: {}\n\ndata: {}\n\n",
        prelude + struct.pack(">I", zlib.crc32(prelude)),
        message(b"[]", message_type="event"),
        message(b'{"bytes": 1}', message_type="event"),
        message(b"no JSON", message_type="event"),
    ]


@pytest.mark.parametrize("data", broken_frames())
def test_damaged_frames_are_errors(data: bytes) -> None:
    with pytest.raises(errors.ResponseValidationError):
        EventStreamDecoder().feed(data)


def test_a_bedrock_stream_is_read_as_server_sent_events(colour: str, server: Server) -> None:
    frames = map(chunk, EVENTS)
    server.answer = lambda exchange: exchange.stream(*frames, content_type="application/vnd.amazon.eventstream")

    async def main() -> None:
        http_client: Any = httpx2.Client(verify=NO_TLS) if colour == "blocking" else httpx2.AsyncClient(verify=NO_TLS)
        make: Any = AnthropicBedrock if colour == "blocking" else AsyncAnthropicBedrock
        client = make(base_url=server.url, aws_region="r", api_key="key", http_client=http_client)
        transport = SDKTransport(client)
        channel = transport.blocking() if colour == "blocking" else transport.native()
        stream = await channel.open(HttpRequest("/v1/messages", {}, STREAM_BODY, PATIENT))
        assert stream.headers["content-type"] == "text/event-stream"
        assert await read(stream) == AS_TEXT
        await stream.close()
        http_client.close() if colour == "blocking" else await http_client.aclose()

    drive(colour, main)
    assert server.received[0].path == "/model/m/invoke-with-response-stream"


def test_a_damaged_bedrock_stream_is_closed(server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start("application/vnd.amazon.eventstream")
        exchange.send(b"x" * 100)
        server.hold(exchange)

    server.answer = answer
    with httpx2.Client(verify=NO_TLS) as http_client:
        channel = SDKTransport(bedrock(server.url, http_client)).blocking()
        stream = run(channel.open(HttpRequest("/v1/messages", {}, STREAM_BODY, PATIENT)))
        with pytest.raises(errors.ResponseValidationError):
            run(stream.next())
        assert server.gone.get(timeout=PATIENCE)
        with pytest.raises(errors.StreamClosedError):
            run(stream.next())
