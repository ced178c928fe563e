"""Downloads reach no private network, take what they are allowed and no longer, and fail with errors of the library."""

from __future__ import annotations

import base64
import gzip
import itertools
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm
from mirascope_like.engine.downloads import HTTPDownloader
from mirascope_like.transport import environment
from mirascope_like.types.media_types import DownloadRules

from ..conftest import PATIENCE, Colour
from ..transport.server import Exchange, Server

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
CERTIFICATE = str(Path(__file__).parents[1] / "transport" / "localhost.pem")
MEDIA = [llm.Image, llm.Audio, llm.Document]

Answer = Callable[[Exchange], None]


async def download(colour: Colour, url: str, kind: Any = llm.Image, **rules: Any) -> Any:
    return await colour.got((kind.download_async if colour.is_async else kind.download)(url, **rules))


def downloaded(colour: Colour, url: str, **rules: Any) -> Any:
    return colour.run(lambda: download(colour, url, **{"allow_private": True, **rules}))


def refusal(colour: Colour, url: str, error: type[Exception] = llm.DownloadError, **rules: Any) -> str:
    """What a download fails with."""
    with pytest.raises(llm.Error) as caught:
        downloaded(colour, url, **rules)
    assert type(caught.value) is error
    return str(caught.value)


def fetched(colour: Colour, downloader: HTTPDownloader, url: str, **rules: Any) -> bytes:
    limits = DownloadRules(1_000, 10, **rules)

    async def scenario() -> bytes:
        return await colour.got((downloader.fetch_async if colour.is_async else downloader.fetch)(url, limits))

    return colour.run(scenario)


def only(*addresses: str) -> HTTPDownloader:
    """A downloader for which these addresses are the Internet."""
    return HTTPDownloader(lambda address: address in addresses)


def port_of(server: Server) -> str:
    return server.url.rpartition(":")[2]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[list[str]]]:
    """A table of names: what each look-up gives, one after the other."""
    table: dict[str, Iterator[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in table:
            return real(host, port, *args, **options)
        if not (addresses := next(table[name])):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = [real(address, port, type=socket.SOCK_STREAM) for address in addresses]
        return list(itertools.chain.from_iterable(found))

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def answering(server: Server) -> None:
    server.answer = lambda exchange: exchange.whole(PNG)


def redirecting(**places: str) -> Answer:
    """Redirect the paths that have a place; the others get the picture."""

    def answer(exchange: Exchange) -> None:
        place = places.get(exchange.request.path.lstrip("/"))
        if place is None:
            exchange.whole(PNG)
        else:
            exchange.whole(b"elsewhere", 302, {"location": place, "set-cookie": "session=1; Path=/"})

    return answer


# -- where to ---------------------------------------------------------------------------------------------------------

PRIVATE = ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]", "[::]"]


@pytest.mark.parametrize("host", [*PRIVATE, "169.254.169.254", "10.0.0.1", "[fe80::1]", "[64:ff9b::7f00:1]"])
def test_private_addresses_are_refused(colour: Colour, server: Server, host: str) -> None:
    url = f"http://{host}:{port_of(server)}/dot.png"
    assert "not at a public address. Pass allow_private=True" in refusal(colour, url, allow_private=False)
    assert server.connections == 0


@pytest.mark.parametrize("kind", MEDIA)
def test_every_kind_of_media_has_the_same_rules(colour: Colour, server: Server, kind: Any) -> None:
    with pytest.raises(llm.DownloadError, match="not at a public address"):
        colour.run(lambda: download(colour, f"{server.url}/x", kind))
    with pytest.raises(llm.DownloadError, match="more than the 10 bytes"):
        colour.run(lambda: download(colour, f"{server.url}/x", kind, max_size=10, allow_private=True))
    assert len(server.received) == 1


def test_a_name_with_any_private_address_is_refused(colour: Colour, names: dict[str, Any], server: Server) -> None:
    names["files.test"] = itertools.repeat(["93.184.216.34", "127.0.0.1"])
    url = f"http://files.test:{port_of(server)}/x"
    assert "files.test" in refusal(colour, url, allow_private=False)
    assert server.connections == 0


@pytest.mark.parametrize("place", ["http://localhost:{port}/secret", "//127.1:{port}/secret", "/secret"])
def test_the_address_of_each_redirect_is_checked(colour: Colour, server: Server, place: str) -> None:
    server.answer = redirecting(moved=place.format(port=port_of(server)))
    verdicts = itertools.chain([True], itertools.repeat(False))  # as if the first alone were public
    with pytest.raises(llm.DownloadError, match="not at a public address"):
        fetched(colour, HTTPDownloader(lambda address: next(verdicts)), f"{server.url}/moved")
    assert [request.path for request in server.received] == ["/moved"]


def test_the_address_that_was_checked_is_connected_to(colour: Colour, names: dict[str, Any], server: Server) -> None:
    names["files.test"] = iter([["127.0.0.1"], ["127.0.0.2"]])  # the second look-up would lead elsewhere
    port = port_of(server)
    assert fetched(colour, only("127.0.0.1"), f"http://files.test:{port}/a%20b?c=d#e") == PNG
    (request,) = server.received
    assert (request.path, request.all("host")) == ("/a%20b?c=d", [f"files.test:{port}"])
    assert next(names["files.test"]) == ["127.0.0.2"]


def test_another_address_is_tried_if_one_fails(colour: Colour, names: dict[str, Any], server: Server) -> None:
    names["files.test"] = itertools.repeat(["::1", "127.0.0.1"])
    url = f"http://files.test:{port_of(server)}/x"
    assert fetched(colour, only("::1", "127.0.0.1"), url) == PNG


@pytest.mark.parametrize("url", ["https://localhost:{port}/x", "https://files.test:{port}/x"])
def test_certificates_are_checked_by_name(
    colour: Colour, names: dict[str, Any], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(CERTIFICATE)
    theirs.sni_callback = lambda sock, name, context: asked.append(name)
    ours = ssl.create_default_context(cafile=CERTIFICATE)
    monkeypatch.setattr(environment, "tls_context", lambda: ours)
    names["localhost"] = names["files.test"] = itertools.repeat(["127.0.0.1"])
    with Server(tls=theirs) as server:
        server.answer = lambda exchange: exchange.whole(PNG)
        if "localhost" in url:
            assert downloaded(colour, url.format(port=port_of(server))) == llm.Image.from_bytes(PNG)
        else:
            said = refusal(colour, url.format(port=port_of(server)), llm.ConnectionError)
            assert "CERTIFICATE_VERIFY_FAILED" in said
    assert asked == [url.partition("://")[2].partition(":")[0]]


BAD_URLS = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:image/png;base64,AAAA",
    "127.0.0.1/x",
    "//127.0.0.1/x",
    "http://",
    "http:///x",
    "",
    "http://127.0.0.1/\r\nx: y",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:http/",
    "http://[::1/",
    "http://\u2024\u2024/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_only_valid_urls_of_http(colour: Colour, url: str) -> None:
    assert refusal(colour, url) == "Only files at valid http:// and https:// URLs are downloaded."


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://x/", "http://[::1", "http://x:99999/", "gopher://x"])
def test_redirects_lead_to_urls_of_http_only(colour: Colour, server: Server, place: str) -> None:
    server.answer = redirecting(moved=place)
    said = refusal(colour, f"{server.url}/moved")
    assert said == f"{server.url}/moved redirects to something other than a valid http:// or https:// URL."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(colour: Colour, server: Server, status: int) -> None:
    def answer(exchange: Exchange) -> None:
        step = int(exchange.request.path.rpartition("/")[2])
        if step < 10:
            exchange.whole(b"elsewhere", status, {"location": f"../{step}/{step + 1}"})
        else:
            exchange.whole(PNG)

    server.answer = answer
    assert downloaded(colour, f"{server.url}/0/0") == llm.Image.from_bytes(PNG)
    assert len(server.received) == 11


def test_redirects_without_end_are_given_up(colour: Colour, server: Server) -> None:
    server.answer = redirecting(a="/b", b="/a")
    assert refusal(colour, f"{server.url}/a") == f"{server.url}/a redirects more than 10 times."
    assert len(server.received) == 11


def test_a_proxy_that_the_client_does_not_know(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "gopher://127.0.0.1:1")
    assert "gopher" in refusal(colour, "http://files.test/x", llm.ConnectionError)


def test_a_host_that_is_not_found(colour: Colour, names: dict[str, Any]) -> None:
    names["gone.test"] = itertools.repeat([])
    said = refusal(colour, "http://gone.test/x", llm.ConnectionError)
    assert "http://gone.test/x could not be downloaded: its host was not found" in said
    assert "its host was not found" in refusal(colour, f"http://{'a' * 300}/x", llm.ConnectionError)


# -- what goes out ----------------------------------------------------------------------------------------------------


def test_nothing_of_the_environment_goes_out(
    colour: Colour, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server.answer = redirecting(moved="/there")
    downloaded(colour, f"{server.url}/moved")
    for request in server.received:
        assert set(request.headers) == {"host", "accept", "accept-encoding", "user-agent"}
        assert request.headers["accept-encoding"] == "identity"


def test_credentials_of_a_url_are_for_its_origin(colour: Colour, server: Server) -> None:
    with Server() as other:
        other.answer = lambda exchange: exchange.whole(PNG)
        server.answer = redirecting(here="/there", there=f"{other.url}/x")
        downloaded(colour, server.url.replace("://", "://me:p%40ss@") + "/here")
        ours = [request.headers.get("authorization") for request in server.received]
        assert ours == [f"Basic {base64.b64encode(b'me:p@ss').decode()}"] * 2
        assert [request.headers.get("authorization") for request in other.received] == [None]
        assert all("cookie" not in request.headers for request in [*server.received, *other.received])


def test_a_redirect_cannot_bring_credentials(colour: Colour, server: Server) -> None:
    server.answer = redirecting(moved=server.url.replace("://", "://admin:admin@") + "/x")
    downloaded(colour, f"{server.url}/moved")
    assert all("authorization" not in request.headers for request in server.received)


@pytest.mark.parametrize("answer", ["status", "line", "large"])
def test_errors_hold_no_credentials_of_the_url(colour: Colour, server: Server, answer: str) -> None:
    def echo(exchange: Exchange) -> None:
        said = exchange.request.headers["authorization"] + exchange.request.path
        if answer == "line":
            exchange.raw(f"SSH-2.0 {said}\r\n\r\n".encode())
            exchange.hang_up()
        exchange.raw(
            f"HTTP/1.1 {404 if answer == 'status' else 200} {said}\r\ncontent-length: 999999999\r\n\r\n".encode()
        )

    server.answer = echo
    url = server.url.replace("://", "://me:secret-word@") + "/x?token=secret-word"
    error = llm.DownloadError if answer == "large" else llm.ConnectionError
    with pytest.raises(error) as caught:
        downloaded(colour, url)
    text = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    for secret in ("secret-word", base64.b64encode(b"me:secret-word").decode()):
        assert secret not in text
    assert f"{server.url}/x" in text


# -- proxies ----------------------------------------------------------------------------------------------------------


def test_a_proxy_is_used_only_if_it_is_trusted(
    colour: Colour, names: dict[str, Any], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    with pytest.raises(llm.DownloadError, match=r"proxy that the environment names.*allow_private=True.*NO_PROXY"):
        downloaded(colour, "http://files.test/x", allow_private=False)
    assert server.received == []
    assert downloaded(colour, "http://files.test/x") == llm.Image.from_bytes(PNG)
    assert [request.path for request in server.received] == ["http://files.test/x"]
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "files.test")
    names["files.test"] = itertools.repeat(["127.0.0.1"])
    with pytest.raises(llm.DownloadError, match="not at a public address"):
        downloaded(colour, f"http://files.test:{port_of(server)}/x", allow_private=False)
    assert fetched(colour, only("127.0.0.1"), f"http://files.test:{port_of(server)}/x") == PNG


# -- how much ---------------------------------------------------------------------------------------------------------


def test_the_size_is_that_of_what_arrives(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: exchange.stream(PNG[:8], PNG[8:])
    assert downloaded(colour, f"{server.url}/x", max_size=len(PNG)) == llm.Image.from_bytes(PNG)
    said = refusal(colour, f"{server.url}/x", max_size=len(PNG) - 1)
    assert said == f"{server.url}/x has more than the 15 bytes allowed; pass max_size= to allow more."


def test_a_body_without_end_is_given_up(colour: Colour, server: Server) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.start("image/png")
        while True:
            exchange.send(bytes(1000))

    server.answer = endless
    assert "more than the 5,000 bytes" in refusal(colour, f"{server.url}/x", max_size=5_000)
    server.wait_all_gone()


def test_a_size_that_is_announced_is_believed_before_it_comes(colour: Colour, server: Server) -> None:
    def announce(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n")
        server.gone.put(exchange.wait_gone())

    server.answer = announce
    assert "more than" in refusal(colour, f"{server.url}/x")
    assert server.gone.get(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(PNG)),
        ("deflate, deflate", zlib.compress(zlib.compress(bytes(10**6)))),
        ("Identity, gzip", gzip.compress(PNG)),
        ("br", PNG),
    ],
    ids=["gzip", "bomb", "second", "br"],
)
def test_compressed_bodies_are_refused(colour: Colour, server: Server, encoding: str, data: bytes) -> None:
    server.answer = lambda exchange: exchange.whole(data, headers={"content-encoding": encoding})
    assert "is sent compressed" in refusal(colour, f"{server.url}/x")


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_may_be_said_to_be_as_it_is(colour: Colour, server: Server, encoding: str) -> None:
    server.answer = lambda exchange: exchange.whole(PNG, headers={"content-encoding": encoding})
    assert downloaded(colour, f"{server.url}/x") == llm.Image.from_bytes(PNG)


# -- how long ---------------------------------------------------------------------------------------------------------


def drip(exchange: Exchange, *pieces: bytes) -> None:
    """Send these, and the last of them again and again, as long as the client is there."""
    for piece in itertools.chain(pieces, itertools.repeat(pieces[-1])):
        exchange.raw(piece)
        time.sleep(0.01)


def redirect_slowly(exchange: Exchange) -> None:
    time.sleep(0.1)
    exchange.whole(b"", 302, {"location": "/"})


SLOW: dict[str, Answer] = {
    "nothing": lambda exchange: None if exchange.wait_gone() else exchange.hang_up(),
    "headers": lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\nx-header: ", b"x"),
    "informational statuses": lambda exchange: drip(exchange, b"HTTP/1.1 102 Wait\r\n\r\n"),
    "a body": lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"x"),
    "chunks": lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "redirects": redirect_slowly,
}


@pytest.mark.parametrize("slow", SLOW)
def test_all_together_may_take_a_time(colour: Colour, server: Server, slow: str) -> None:
    server.answer = SLOW[slow]
    said = refusal(colour, f"{server.url}/x", llm.TimeoutError, timeout=0.3)
    assert said == f"{server.url}/x was not downloaded within 0.3 s. Pass a longer timeout= if it needs more."
    server.wait_all_gone()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon"])
def test_times_that_cannot_be_meant(timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="timeout"):
        llm.Image.download("http://127.0.0.1/", timeout=timeout)


def test_cancelling_ends_the_connection(native: Colour, server: Server) -> None:
    server.answer = server.hold

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: llm.Image.download_async(f"{server.url}/x", allow_private=True))
            while not server.received:
                await anyio.sleep(0.001)
            group.cancel_scope.cancel()

    native.run(scenario)
    assert server.gone.get(timeout=PATIENCE)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def short(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")
    exchange.hang_up()


def no_http(exchange: Exchange) -> None:
    exchange.raw(b"SSH-2.0\r\n\r\n")
    exchange.hang_up()


BROKEN: dict[str, tuple[Answer, str]] = {
    "404": (lambda exchange: exchange.whole(b"", 404), "the server answered with status 404"),
    "500": (lambda exchange: exchange.whole(b"", 500), "the server answered with status 500"),
    "a redirect to nowhere": (lambda exchange: exchange.whole(b"", 302), "the server answered with status 302"),
    "cut": (lambda exchange: exchange.cut(), "could not be downloaded: "),
    "closed": (lambda exchange: exchange.hang_up(), "could not be downloaded: "),
    "short": (short, "could not be downloaded: "),
    "no HTTP": (no_http, "could not be downloaded: "),
}


@pytest.mark.parametrize("what", BROKEN)
def test_failures_are_errors_of_the_library(colour: Colour, server: Server, what: str) -> None:
    server.answer, said = BROKEN[what]
    assert said in refusal(colour, f"{server.url}/x", llm.ConnectionError)
    server.wait_all_gone()


def test_nobody_is_there(colour: Colour) -> None:
    with Server() as gone:
        url = gone.url
    assert "onnect" in refusal(colour, f"{url}/x", llm.ConnectionError)


def test_no_connection_is_left(colour: Colour, server: Server) -> None:
    server.answer = redirecting(moved="/there")
    downloaded(colour, f"{server.url}/moved")
    server.wait_all_gone()


# -- attachments ------------------------------------------------------------------------------------------------------


def content(colour: Colour, attachment: chat.Attachment) -> bytes:
    async def scenario() -> bytes:
        method = attachment.content_bytes_async if colour.is_async else attachment.content_bytes
        return await colour.got(method())

    return colour.run(scenario)


def test_attachments_have_the_same_rules(colour: Colour, server: Server) -> None:
    with pytest.raises(chat.DownloadError, match="not at a public address"):
        content(colour, chat.Attachment(url=f"{server.url}/x"))
    assert server.connections == 0
    assert content(colour, chat.Attachment(url=f"{server.url}/x", allow_private=True)) == PNG


def test_a_prompt_fetches_its_attachments_by_the_rules(colour: Colour, server: Server) -> None:
    llm.register_provider("openai:completions", scope="mine/", base_url=server.url)
    model: Any = (chat.get_async_model if colour.is_async else chat.get_model)("mine/x")

    async def scenario() -> None:
        await colour.got(model.prompt("Look", attachments=[chat.Attachment(url=f"{server.url}/dot")]).text())

    with pytest.raises(chat.DownloadError, match="not at a public address"):
        colour.run(scenario)
    assert server.connections == 0


def test_stored_attachments_cannot_allow_themselves(server: Server) -> None:
    part = chat.AttachmentPart(chat.Attachment(url=f"{server.url}/x", allow_private=True))
    stored: Any = chat.Message("user", [part]).to_dict()
    assert "allow_private" not in repr(stored)
    stored["parts"][0]["attachment"]["allow_private"] = True
    (again,) = chat.Message.from_dict(stored).parts
    assert isinstance(again, chat.AttachmentPart)
    with pytest.raises(chat.DownloadError, match="not at a public address"):
        again.attachment.content_bytes()
