"""The default transport: one client a process, one client an event loop, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from mirascope_like import errors
from mirascope_like.transport.base import ByteStream, Channel, HttpRequest, Transport
from mirascope_like.transport.http import HttpTransport

from .conftest import drive, run
from .server import PATIENCE, PATIENT, Exchange, Server


def request_to(server: Server, body: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest(f"{server.url}/post", headers, body, PATIENT)


def channel_of(transport: Transport, colour: str) -> Channel:
    return transport.blocking() if colour == "blocking" else transport.native()


def test_is_a_transport() -> None:
    assert isinstance(HttpTransport(), Transport)


def test_connections_are_used_again(colour: str, server: Server) -> None:
    transport = HttpTransport()

    async def main() -> None:
        for _ in range(5):
            await channel_of(transport, colour).post(request_to(server))

    drive(colour, main)
    assert server.connections == 1


def test_every_event_loop_gets_its_own_client_and_closes_it(async_colour: str, server: Server) -> None:
    transport = HttpTransport()

    async def main() -> None:
        stream = await transport.native().open(request_to(server))
        assert await stream.next() == b'{"echo": {}}'
        assert await stream.next() is None
        await transport.native().post(request_to(server))

    for runs in range(1, 4):
        drive(async_colour, main)
        assert server.connections == runs
    server.wait_all_gone()
    gc.collect()  # a socket that was forgotten would warn


def test_any_number_of_requests_may_be_in_flight(async_colour: str, server: Server) -> None:
    together = threading.Barrier(200)

    def answer(exchange: Exchange) -> None:
        together.wait(PATIENCE)
        exchange.json({})

    server.answer = answer
    transport = HttpTransport()

    async def main() -> None:
        for _ in range(2):
            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(transport.native().post, request_to(server))

    drive(async_colour, main)
    assert 200 <= server.connections < 400  # some are kept for the next rush, not all
    server.wait_all_gone()


def test_two_loops_at_once(server: Server) -> None:
    transport = HttpTransport()

    async def main() -> None:
        for _ in range(5):
            await asyncio.gather(*(transport.native().post(request_to(server)) for _ in range(3)))

    threads = [threading.Thread(target=asyncio.run, args=[main()]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(server.received) == 45


def test_a_loop_that_ends_in_the_middle_of_a_stream_closes_it(async_colour: str, server: Server) -> None:
    server.answer = server.drip
    transport = HttpTransport()
    streams: list[ByteStream] = []

    async def main() -> None:
        streams.append(await transport.native().open(request_to(server)))
        server.push(b"one")
        assert await streams[0].next() == b"one"
        server.push(None)

    drive(async_colour, main)
    assert server.gone.get(timeout=PATIENCE)


def test_a_transport_that_is_dropped_closes_its_connections(server: Server) -> None:
    transport = HttpTransport()
    run(transport.blocking().post(request_to(server)))
    del transport
    gc.collect()
    server.wait_all_gone()


def test_eight_threads_share_one_transport(server: Server) -> None:
    transport = HttpTransport()
    with ThreadPoolExecutor(8) as pool:
        calls = [transport.blocking().post(request_to(server, b"%d" % n)) for n in range(50)]
        answering = [pool.submit(run, call) for call in calls]
    assert [future.result().body for future in answering] == [b'{"echo": %d}' % n for n in range(50)]
    assert server.connections <= 8


def _post(transport: HttpTransport, request: HttpRequest) -> None:
    assert run(transport.blocking().post(request)).status == 200

    async def main() -> None:
        assert (await transport.native().post(request)).status == 200

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the test's server has threads
def test_a_forked_process_connects_anew(server: Server) -> None:
    transport = HttpTransport()
    _post(transport, request_to(server))
    child = multiprocessing.get_context("fork").Process(target=_post, args=[transport, request_to(server)])
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0
    _post(transport, request_to(server))
    # parent: blocking, loop 1; child: blocking, loop 2; parent: blocking again, loop 3
    assert [received.connection for received in server.received] == [1, 2, 3, 4, 1, 5]


def _close(stream: ByteStream) -> None:
    run(stream.close())
    with pytest.raises(errors.StreamClosedError):
        run(stream.next())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the test's server has threads
def test_a_forked_process_that_closes_a_stream_leaves_it_to_its_parent(server: Server) -> None:
    server.answer = server.drip
    server.push(b"one")
    stream = run(HttpTransport().blocking().open(request_to(server)))
    assert run(stream.next()) == b"one"
    child = multiprocessing.get_context("fork").Process(target=_close, args=[stream])
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0
    server.push(b"two")
    assert run(stream.next()) == b"two"
    server.push(None)
    run(stream.close())
    assert server.gone.get(timeout=PATIENCE)


def test_closing_from_another_thread_wakes_the_reader(server: Server) -> None:
    server.answer = server.drip
    server.push(b"one")
    stream = run(HttpTransport().blocking().open(request_to(server)))
    assert run(stream.next()) == b"one"
    server.push(None)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: run(stream.next()))
        with pytest.raises(TimeoutError):
            reading.result(0.05)  # it waits
        run(stream.close())
        with pytest.raises(errors.StreamClosedError):
            reading.result(PATIENCE)


def test_unix_domain_socket(colour: str, tmp_path: Path) -> None:
    with Server(str(tmp_path / "s")) as server:
        transport = HttpTransport(uds=str(tmp_path / "s"))

        async def main() -> None:
            assert (await channel_of(transport, colour).post(request_to(server))).body == b'{"echo": {}}'

        drive(colour, main)


def test_compressed_answers_are_decompressed(colour: str, server: Server) -> None:
    server.answer = lambda exchange: exchange.whole(gzip.compress(b"text"), headers={"content-encoding": "gzip"})
    transport = HttpTransport()

    async def main() -> None:
        channel = channel_of(transport, colour)
        assert (await channel.post(request_to(server))).body == b"text"
        stream = await channel.open(request_to(server))
        assert await stream.next() == b"text"
        assert await stream.next() is None

    drive(colour, main)


@pytest.mark.parametrize("colour", ["blocking", "asyncio"])  # under trio, httpx2 leaves a generator to the collector
def test_an_answer_that_is_not_compressed_as_it_says(colour: str, server: Server) -> None:
    server.answer = lambda exchange: exchange.whole(b"text", headers={"content-encoding": "gzip"})
    transport = HttpTransport()

    async def main() -> None:
        with pytest.raises(errors.ResponseValidationError, match="decompress"):
            await channel_of(transport, colour).post(request_to(server))
        stream = await channel_of(transport, colour).open(request_to(server))
        with pytest.raises(errors.ResponseValidationError, match="decompress"):
            await stream.next()

    drive(colour, main)


def test_redirects_are_not_followed(colour: str, server: Server) -> None:
    server.answer = lambda exchange: exchange.json({}, 307, {"location": "/elsewhere"})
    transport = HttpTransport()

    async def main() -> None:
        assert (await channel_of(transport, colour).post(request_to(server))).status == 307

    drive(colour, main)
    assert [received.path for received in server.received] == ["/post"]


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret\u201d"])
def test_a_header_that_cannot_be_sent_is_not_shown(colour: str, server: Server, key: str) -> None:
    transport = HttpTransport()

    async def main() -> None:
        await channel_of(transport, colour).post(request_to(server, authorization=key))

    with pytest.raises(ValueError, match="API key") as caught:
        drive(colour, main)
    assert "secret" not in str(caught.getrepr(style="short", chain=True))
    assert server.received == []


def test_a_name_and_password_in_the_url_are_sent(colour: str, server: Server) -> None:
    transport = HttpTransport()

    async def main() -> None:
        url = server.url.replace("//", "//Aladdin:open%20sesame@")
        await channel_of(transport, colour).post(HttpRequest(url, {}, b"{}", PATIENT))

    drive(colour, main)
    (received,) = server.received
    assert received.all("authorization") == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]


@pytest.mark.parametrize("colour", ["blocking", "trio"])  # aiohttp refuses to choose
def test_a_header_is_sent_in_place_of_the_password_in_the_url(colour: str, server: Server) -> None:
    transport = HttpTransport()

    async def main() -> None:
        url = server.url.replace("//", "//name:password@")
        await channel_of(transport, colour).post(HttpRequest(url, {"Authorization": "Bearer key"}, b"{}", PATIENT))

    drive(colour, main)
    (received,) = server.received
    assert received.all("authorization") == ["Bearer key"]


@pytest.mark.parametrize("url", ["localhost:8000/v1", "/v1/chat", "ftp://host/", "http://host:port/"])
def test_a_bad_url_is_the_callers_error(colour: str, url: str) -> None:
    transport = HttpTransport()

    async def main() -> None:
        await channel_of(transport, colour).post(HttpRequest(url, {}, b"{}"))

    with pytest.raises(ValueError, match=r"'\. [A-Z][^.]*\. Check the base_url\.$"):
        drive(colour, main)


def test_a_server_that_speaks_no_http_is_a_connection_error(colour: str, server: Server) -> None:
    server.answer = lambda exchange: exchange.raw(b"SSH-2.0\r\n\r\n")
    transport = HttpTransport()

    async def main() -> None:
        with pytest.raises(errors.ConnectionError, match="broke"):
            await channel_of(transport, colour).post(request_to(server))

    drive(colour, main)


def test_a_stale_connection_is_not_used_again(colour: str, server: Server) -> None:
    def answer_and_leave(exchange: Exchange) -> None:
        exchange.json({})
        exchange.hang_up()

    server.answer = answer_and_leave
    transport = HttpTransport()

    async def main() -> None:
        for number in range(1, 4):
            await channel_of(transport, colour).post(request_to(server))
            server.wait_all_gone()
            assert server.connections == number

    drive(colour, main)


def in_fresh_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def test_importing_loads_no_client() -> None:
    code = """
import sys, mirascope_like.transport.clients, mirascope_like.transport.http, mirascope_like.transport.sdk_clients
print({"httpx2", "httpx", "anyio", "asyncio", "ssl", "openai", "anthropic"} & set(sys.modules))
"""
    assert in_fresh_python(code) == "set()\n"


def test_plain_http_reads_no_certificates_and_a_process_ends_in_silence(server: Server) -> None:
    code = f"""
import asyncio, ssl
ssl.SSLContext.load_verify_locations = None
from mirascope_like.transport import HttpRequest, Timeouts
from mirascope_like.transport.http import HttpTransport
transport = HttpTransport()
request = HttpRequest({server.url!r} + "/post", {{}}, b"{{}}")
async def main():
    print((await transport.native().post(request)).status)
asyncio.run(main())
try:
    transport.blocking().post(request).send(None)
except StopIteration as done:
    print(done.value.status)
"""
    assert in_fresh_python(code) == "200\n200\n"
