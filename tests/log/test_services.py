"""The log of a web service: a real ASGI server, whose clients hang up, and which is ended by a signal.

How such a server behaves is what these tests are about: that it cancels a handler whose client went away, and that it
ends itself by the signal that it got, so that `atexit` does not run.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirascope_like import llm

from ..conftest import PATIENCE
from ..llm.chat_server import pieces
from ..test_docs import ROOT, blocks
from ..transport.server import Exchange, Server

pytest.importorskip("uvicorn")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are otherwise there")

SERVICE = """
import os
import anyio

llm.register_provider("openai:completions", scope="test/", base_url=os.environ["MODELS"])
model = llm.Model("test/model")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        async with lifespan(app):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return

    async def listen():
        while (await receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await globals()[scope["path"].strip("/")](send)
        await send({"type": "http.response.body"})
        group.cancel_scope.cancel()

def body(text):
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}

async def read(send):
    async with await model.stream_async("read") as response:
        async for text in response.text_stream():
            await send(body(text))

async def leave(send):
    async with await model.stream_async("leave") as response:
        async for text in response.text_stream():
            await send(body(text))

async def dwell(send):
    response = await model.stream_async("dwell")
    async for text in response.text_stream():
        await send(body(text))
        await anyio.sleep_forever()

async def lazy(send):
    async for text in chat.get_async_model("test/model").prompt("lazy"):
        await send(body(text))

async def many(send):
    busy = llm.scripted("Hello!", repeat=True)
    for _ in range(300):
        await busy.call_async("many")
"""


def lifespan() -> str:
    """The block of the page that says how to log in a service."""
    (block,) = [block.code for block in blocks(ROOT / "docs" / "logging.md") if "def lifespan" in block.code]
    return block


@contextlib.contextmanager
def service(folder: Path, server: Server) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The running service, and its port."""
    (folder / "service.py").write_text(f"from mirascope_like import chat, llm\n{lifespan()}\n{SERVICE}")
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    fd = listener.fileno()
    command = [sys.executable, "-m", "uvicorn", "service:app", "--fd", str(fd), "--lifespan", "on"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "MODELS": server.url}
    with (folder / "errors").open("w") as errors, listener:
        process = subprocess.Popen(command, cwd=folder, pass_fds=[fd], env=environment, stderr=errors)
        try:
            yield process, listener.getsockname()[1]
        finally:
            process.kill()
            process.wait()


def hear(port: int, path: str, size: int | None = None) -> bytes:
    """What the service answers; after `size` bytes the client hangs up."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.read(size)


def test_clients_that_hang_up_and_a_service_that_is_ended(tmp_path: Path, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        events = pieces("one two three")
        if exchange.request.json["messages"][-1]["content"] == "read":
            return exchange.stream(*events)
        exchange.start()
        exchange.send(events[0])
        while True:  # so that some calls are cancelled between two chunks, whenever that is
            exchange.send(events[1])

    server.answer = answer
    with service(tmp_path, server) as (process, port):
        for _ in range(16):
            assert hear(port, "/read") == b"one two three"
            for path in ("/leave", "/dwell", "/lazy"):
                assert hear(port, path, 3) == b"one"
        assert hear(port, "/many") == b""
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    with llm.open_log(tmp_path / "calls.db") as reader:
        rows = list(reader.responses())
    assert Counter(row.prompt for row in rows) == {"read": 16, "leave": 16, "dwell": 16, "lazy": 16, "many": 300}
    assert Counter(row.prompt for row in rows if row.error_type is None) == {"read": 16, "many": 300}
    assert len(server.received) == 64
