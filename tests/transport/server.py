"""A loopback HTTP/1.1 server whose answers a test writes as a function: `server.answer = lambda exchange: ...`."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mirascope_like.transport.base import Timeouts

PATIENCE = 10.0  # seconds after which something that should happen counts as not happening
UNREAD = 1.0  # seconds after which a client that does not read is not going to
PATIENT = Timeouts(PATIENCE, PATIENCE)


@dataclass(frozen=True)
class Received:
    """A request as it came in. Header names are lower case; `connection` counts connections from 1. `fields` are the
    headers one by one, those of the same name too."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    fields: Sequence[tuple[str, str]] = ()

    def all(self, name: str) -> list[str]:
        """The values of all headers of this name."""
        return [value for each, value in self.fields if each == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _unread(table: str, sock: socket.socket) -> bool:
    """Whether the other end of a connection has bytes that it did not read, by the kernel's table of sockets."""
    port, client = sock.getsockname()[1], sock.getpeername()[1]
    rows = (row.split() for row in table.splitlines()[1:])
    waiting = {(row[1][-4:], row[2][-4:]): row[4][-8:] for row in rows}  # (its port, our port): bytes not read
    return waiting.get((f"{client:04X}", f"{port:04X}"), "0").strip("0") != ""


class Exchange:
    """One request that is being answered, on the thread of its connection."""

    def __init__(self, sock: socket.socket, request: Received) -> None:
        self._sock = sock
        self.request = request

    def json(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a whole JSON body."""
        self.whole(json.dumps(value).encode(), status, {"content-type": "application/json", **(headers or {})})

    def whole(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a whole body."""
        self._head(status, {"content-length": str(len(body)), **(headers or {})}, body)

    def start(self, content_type: str = "text/event-stream", headers: Mapping[str, str] | None = None) -> None:
        """Begin a chunked answer: status and headers."""
        self._head(200, {"content-type": content_type, "transfer-encoding": "chunked", **(headers or {})}, b"")

    def send(self, piece: bytes) -> None:
        """One piece of a chunked answer."""
        self._sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        """The end of a chunked answer."""
        self._sock.sendall(b"0\r\n\r\n")

    def stream(self, *pieces: bytes, content_type: str = "text/event-stream") -> None:
        """A whole chunked answer."""
        self.start(content_type)
        for piece in pieces:
            self.send(piece)
        self.end()

    def raw(self, data: bytes) -> None:
        """Anything at all."""
        self._sock.sendall(data)

    def cut(self) -> None:
        """Reset the connection, once the client has fetched what was sent; does not return."""
        self._wait_fetched()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    def hang_up(self) -> None:
        """Close the connection in good order, but too early."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """End our direction of the connection; what the client still says is read until it closes its own."""
        self._sock.shutdown(socket.SHUT_WR)
        self.wait_gone()

    def wait_gone(self) -> bool:
        """Wait for the client to close the connection; false if it does not."""
        self._sock.settimeout(PATIENCE)
        try:
            return self._sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def _wait_fetched(self) -> None:
        """A reset throws away what lies in the client's socket. Only Linux tells how much that is."""
        table = Path("/proc/net/tcp")
        deadline = time.monotonic() + UNREAD
        while table.exists() and _unread(table.read_text(), self._sock) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _head(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._sock.sendall("\r\n".join(lines).encode() + body)


class Server:
    """Listens on a free loopback port, or on the Unix socket `uds`; a thread for each connection. `tls` encrypts.

    `received` has every request in order, `gone` gets a truth value for each `hold`: whether the client hung up.
    """

    def __init__(self, uds: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answer: Callable[[Exchange], None] = lambda exchange: exchange.json({"echo": exchange.request.json})
        self.received: list[Received] = []
        self.arrived: queue.Queue[Received] = queue.Queue()
        self.gone: queue.Queue[bool] = queue.Queue()
        self._pieces: queue.Queue[bytes | None] = queue.Queue()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        if uds is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(uds)
            self._listener.listen()
            self.url = "http://local"
        self._spawn(self._accept)

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return len(self._sockets)

    def wait_all_gone(self) -> None:
        """Wait until no connection is left."""
        for thread in self._threads[1:]:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection is still open"

    # Ready-made answers

    def hold(self, exchange: Exchange) -> None:
        """Answer nothing, until the client hangs up."""
        self.gone.put(exchange.wait_gone())

    def drip(self, exchange: Exchange) -> None:
        """Stream what the test `push`es, as it does; hold the connection when it pushes `None`."""
        exchange.start()
        while (piece := self._pieces.get(timeout=PATIENCE)) is not None:
            exchange.send(piece)
        self.hold(exchange)

    def push(self, piece: bytes | None) -> None:
        self._pieces.put(piece)

    # Machinery

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="loopback server")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                if sock.family == socket.AF_INET:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each write arrives at once
                self._sockets.append(sock)
                self._spawn(self._serve, sock, len(self._sockets))

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), self._secured(sock) as sock, sock.makefile("rb") as file:
            while line := file.readline():
                request = self._read(line.decode().split()[1], file, number)
                self.received.append(request)
                self.arrived.put(request)
                self.answer(Exchange(sock, request))

    def _secured(self, sock: socket.socket) -> socket.socket:
        return sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True)

    @staticmethod
    def _read(path: str, file: Any, number: int) -> Received:
        fields: list[tuple[str, str]] = []
        while line := file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name.lower(), value.strip()))
        headers = dict(fields)
        return Received(path, headers, file.read(int(headers.get("content-length", 0))), number, fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
