"""What differs by client: which one is chosen, and what aiohttp has to be kept from."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import trio

from mirascope_like import errors
from mirascope_like.transport.base import HttpRequest, Timeouts
from mirascope_like.transport.environment import make_proxy_finder
from mirascope_like.transport.http import HttpTransport

from .conftest import run
from .server import PATIENT, Exchange, Server

CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))


def request_to(server: Server, body: bytes = b"{}") -> HttpRequest:
    return HttpRequest(f"{server.url}/post", {"authorization": "Bearer sk-secret"}, body, PATIENT)


def agent(transport: HttpTransport, server: Server) -> str:
    """What the server is told of the client."""

    async def main() -> None:
        await transport.native().post(request_to(server))

    asyncio.run(main())
    return server.received[-1].headers["user-agent"]


def test_the_client_under_asyncio_is_chosen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "aiohttp" in agent(HttpTransport(), server)
    assert "httpx2" in agent(HttpTransport(asyncio="httpx2"), server)
    monkeypatch.setenv("MIRASCOPE_LIKE_ASYNCIO_CLIENT", "httpx2")
    assert "httpx2" in agent(HttpTransport(), server)
    assert "aiohttp" in agent(HttpTransport(asyncio="aiohttp"), server)
    monkeypatch.setenv("MIRASCOPE_LIKE_ASYNCIO_CLIENT", "requests")
    with pytest.raises(ValueError, match="requests"):
        HttpTransport()


def in_fresh_python(code: str, **environment: str) -> str:
    """What the code prints, on both streams, where warnings are shown as they are by default."""
    code = "import asyncio, os, sys, trio\nfrom mirascope_like.transport import HttpRequest\n" + code
    code = "from mirascope_like.transport.http import HttpTransport\n" + code
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)
    return done.stderr + done.stdout


POST = """
transport = HttpTransport()
async def post(method="native"):
    print((await getattr(transport, method)().post(HttpRequest({url!r} + "/post", {{}}, b"{{}}"))).status)
"""


@pytest.mark.parametrize(
    ("use", "loaded"),
    [
        ("asyncio.run(post())", "aiohttp"),
        ("trio.run(post)", "httpx2"),
        ("list(post('blocking').__await__())", "httpx2"),
    ],
)
def test_only_the_client_that_is_used_is_loaded(server: Server, use: str, loaded: str) -> None:
    code = POST.format(url=server.url) + use + "\nprint(*{'aiohttp', 'httpx2'} & set(sys.modules))"
    assert in_fresh_python(code) == f"200\n{loaded}\n"


@pytest.mark.parametrize("end", ["", "loop.close()"])
def test_a_loop_that_is_left_behind_leaves_in_silence(server: Server, end: str) -> None:
    code = f"""
for _ in range(2):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(post())
    {end}
"""
    assert in_fresh_python(POST.format(url=server.url) + code) == "200\n200\n"


def test_a_forked_child_that_ends_leaves_the_parents_connections_alone(server: Server) -> None:
    code = """
async def main():
    await post()
    sys.stdout.flush()
    if not os.fork():
        sys.exit()
    os.wait()
    await post()
try:
    asyncio.run(main())
except SystemExit:
    pass
"""
    assert in_fresh_python(POST.format(url=server.url) + code) == "200\n200\n"
    assert [received.connection for received in server.received] == [1, 1]


def test_a_dropped_transport_closes_its_connections(server: Server) -> None:
    async def main() -> None:
        transport = HttpTransport()
        await transport.native().post(request_to(server))
        del transport
        gc.collect()
        await asyncio.to_thread(server.wait_all_gone)

    asyncio.run(main())


def test_a_large_body_is_sent_whole(server: Server) -> None:
    server.answer = lambda exchange: exchange.json(len(exchange.request.body))

    async def main() -> None:
        reply = await HttpTransport().native().post(request_to(server, b"x" * 5_000_000))
        assert reply.body == b"5000000"

    asyncio.run(main())


def test_a_server_that_takes_no_body_is_a_timeout_and_hung_up_on() -> None:
    async def main(listener: socket.socket) -> None:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(errors.TimeoutError):
            await HttpTransport().native().post(HttpRequest(url, {}, b"x" * 20_000_000, Timeouts(10, 0.1)))
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1 << 20):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(main(listener))


def test_compressed_streams_are_read_as_they_come(server: Server) -> None:
    compressor = zlib.compressobj(wbits=31)

    def answer(exchange: Exchange) -> None:
        exchange.start(headers={"content-encoding": "gzip"})
        exchange.send(compressor.compress(b"one") + compressor.flush(zlib.Z_SYNC_FLUSH))
        server.hold(exchange)

    server.answer = answer

    async def main() -> None:
        stream = await HttpTransport().native().open(request_to(server))
        assert await stream.next() == b"one"
        await stream.close()

    asyncio.run(main())


def test_long_headers_are_read(server: Server) -> None:
    server.answer = lambda exchange: exchange.json({}, headers={"Policy": "x" * 30_000})

    async def main() -> None:
        assert len((await HttpTransport().native().post(request_to(server))).headers["policy"]) == 30_000

    asyncio.run(main())


# -- TLS and proxies --------------------------------------------------------------------------------------------------


def test_certificates_are_those_of_the_environment() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with Server(tls=context) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        for use in ("asyncio.run(post())", "trio.run(post)", "list(post('blocking').__await__())"):
            code = POST.format(url=url) + use
            assert in_fresh_python(code, SSL_CERT_FILE=CERTIFICATE) == "200\n"
            assert "CERTIFICATE_VERIFY_FAILED" in in_fresh_python(code)


@pytest.mark.parametrize("colour", ["blocking", "asyncio", "trio"])
def test_proxies_are_those_of_the_environment(server: Server, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = server.url.replace("://", "://me:sk-secret@")
    for name, value in {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    server.answer = lambda exchange: exchange.json({}, 200 if exchange.request.path.startswith("http:") else 407)
    transport = HttpTransport()

    async def main() -> None:
        channel = transport.blocking() if colour == "blocking" else transport.native()
        assert (await channel.post(HttpRequest("http://model.test/x", {}, b"{}", PATIENT))).status == 200
        assert (await channel.post(request_to(server))).status == 407
        with pytest.raises(errors.ConnectionError, match="the proxy responded 407") as caught:
            await channel.post(HttpRequest("https://model.test/x", {}, b"{}", PATIENT))
        assert "secret" not in repr(caught.value.original_exception)

    {"blocking": lambda: run(main()), "asyncio": lambda: asyncio.run(main()), "trio": lambda: trio.run(main)}[colour]()
    assert [received.path for received in server.received] == ["http://model.test/x", "/post", "model.test:443"]
    assert server.received[0].headers["proxy-authorization"].startswith("Basic ")
    assert "proxy-authorization" not in server.received[1].headers


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def main() -> None:
        with pytest.raises(errors.ConnectionError, match=r"the proxy 127\.0\.0\.1:1 cannot be reached: \[Errno"):
            await HttpTransport().native().post(HttpRequest("https://model.test/x", {}, b"{}", PATIENT))

    asyncio.run(main())


def test_the_environment_is_asked_once_for_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = {"http": "http://proxy.test:1", "all": "http://all.test:1"}
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "other.test")
    find = make_proxy_finder(proxies)
    urls = ["http://model.test/x", "https://model.test/x", "http://other.test/x"]
    asked = [find(url) for url in urls]
    assert asked == ["http://proxy.test:1", "http://all.test:1", None]
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "model.test")
    assert [find(url) for url in urls] == asked
    assert make_proxy_finder(proxies)(urls[0]) is None


def test_a_way_to_compress_that_is_not_known_here(server: Server) -> None:
    server.answer = lambda exchange: exchange.whole(b"text", headers={"content-encoding": "br"})

    async def main() -> None:
        with pytest.raises(errors.ResponseValidationError, match="decompress"):
            await HttpTransport().native().post(request_to(server))

    asyncio.run(main())


def test_causes_of_errors_do_not_quote_the_key(server: Server) -> None:
    server.answer = lambda exchange: exchange.raw(b"SSH-2.0\r\n\r\n")

    async def main() -> None:
        with pytest.raises(errors.ConnectionError) as caught:
            await HttpTransport().native().post(request_to(server))
        assert caught.value.original_exception is not None
        assert "secret" not in repr(caught.value.original_exception)

    asyncio.run(main())
