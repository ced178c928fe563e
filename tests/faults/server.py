"""Answers that go wrong, byte by byte, as values: for the loopback server of `transport/server.py`.

    server.answer = chunked(protocol.events()).first(3).then("reset")
    server.answer = in_turn(status(429, {"retry-after": "0"}), sized(protocol.whole()))

An `Answer` is what is written, in writes that the client receives one by one as far as the network lets it, and what
becomes of the connection afterwards.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..transport.server import Exchange

End = Literal["keep", "close", "half-close", "reset", "stall"]


@dataclass(frozen=True)
class Answer:
    """What is written, and then: "keep" the connection for the next request, "close" it in good order, "half-close"
    it (end our direction alone), "reset" it (RST), or "stall" until the client hangs up."""

    writes: tuple[bytes, ...]
    end: End = "keep"

    def __call__(self, exchange: Exchange) -> None:
        for write in self.writes:
            exchange.raw(write)
        match self.end:
            case "close":
                exchange.hang_up()
            case "half-close":
                exchange.half_close()
            case "reset":
                exchange.cut()
            case "stall":
                exchange.wait_gone()
            case "keep":
                pass

    def then(self, end: End) -> Answer:
        """The same, ended otherwise."""
        return replace(self, end=end)

    def first(self, pieces: int) -> Answer:
        """The head and so many pieces of the body; -1 leaves out the end alone."""
        start, *body = self.writes
        return replace(self, writes=(start, *body[:pieces]))

    def cut(self, size: int) -> Answer:
        """The first bytes, head included, in one write."""
        return replace(self, writes=(b"".join(self.writes)[:size],))

    def byte_by_byte(self) -> Answer:
        """The same bytes, each in a write of its own."""
        return replace(self, writes=tuple(bytes([byte]) for write in self.writes for byte in write))

    def at_once(self) -> Answer:
        """The same bytes in one write."""
        return replace(self, writes=(b"".join(self.writes),))

    def spoilt(self, old: bytes, new: bytes) -> Answer:
        """With these bytes replaced."""
        assert any(old in write for write in self.writes), "there is nothing to spoil"
        return replace(self, writes=tuple(write.replace(old, new) for write in self.writes))


def chunked(pieces: Iterable[bytes], status: int = 200, **headers: str) -> Answer:
    """A streamed answer: each piece a chunk and a write, and the end of the chunks as the last write."""
    start = head(status, {"content-type": "text/event-stream", "transfer-encoding": "chunked", **_names(headers)})
    chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return Answer((start, *chunks, b"0\r\n\r\n"))


def until_close(pieces: Iterable[bytes], status: int = 200, **headers: str) -> Answer:
    """A streamed answer whose body ends with the connection, as HTTP/1.0 had it: nothing else tells its end."""
    start = head(status, {"content-type": "text/event-stream", "connection": "close", **_names(headers)})
    return Answer((start, *pieces), "close")


def sized(body: bytes, status: int = 200, *, claimed: int | None = None, **headers: str) -> Answer:
    """A whole answer. `claimed` is the length that it gives itself, if that is not the true one."""
    length = str(len(body) if claimed is None else claimed)
    return Answer(
        (head(status, {"content-type": "application/json", "content-length": length, **_names(headers)}), body)
    )


def gzipped(body: bytes) -> Answer:
    """A whole answer, compressed."""
    return sized(gzip.compress(body), content_encoding="gzip")


def failing(status: int, **headers: str) -> Answer:
    """An error status with a reason."""
    reason = {"error": {"message": "Not now.", "type": "some_error"}}
    return sized(json.dumps(reason).encode(), status, **headers)


def raw(*writes: bytes) -> Answer:
    """Anything at all."""
    return Answer(writes)


def in_turn(*answers: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """The answers one after the other, a request each; the last is given again and again."""
    lock, waiting = threading.Lock(), list(answers)

    def answer(exchange: Exchange) -> None:
        with lock:
            chosen = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        chosen(exchange)

    return answer


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
