"""The only module that uses private or undocumented parts of httpx2 and httpcore2, and of the legacy httpx and
httpcore.

`tests/transport/test_internals.py` fails if these libraries change them.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx2


class NetworkStream(Protocol):
    """A connection of httpcore2 or httpcore."""

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream knows by this name, such as its "socket"."""
        ...


def response_stream(response: httpx2.Response) -> NetworkStream | None:
    """Return the connection that an HTTP/1.1 response arrives on; `None` if that is unknown or shared."""
    if not response.http_version.startswith("HTTP/1"):
        return None
    stream: NetworkStream | None = response.extensions.get("network_stream")
    return stream


def opened_stream(event: str, info: Mapping[str, Any]) -> NetworkStream | None:
    """Return the connection that a `trace` event reports as opened; `None` for other events."""
    stream: NetworkStream | None = None
    if event.endswith(("connect_tcp.complete", "start_tls.complete")):
        stream = info["return_value"]
    return stream


def shut_down(stream: NetworkStream) -> None:
    """Shut down both directions of the stream's socket. This wakes a thread that reads from it; closing does not."""
    import socket

    sock = stream.get_extra_info("socket")
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def iterate_body(response: httpx2.Response) -> tuple[AsyncIterator[bytes], AsyncIterator[bytes]]:
    """Return an iterator over the decoded body, and the one over the raw body that it reads from.

    A decoder that fails does not close the raw iterator. The caller must run both out: if they are only dropped, the
    event loop closes the client's nested generators late, and trio warns of it.
    """
    raw = response.aiter_raw()

    def take_raw() -> _Unclosed:
        delattr(response, "aiter_raw")  # it would keep the response alive, and the response keeps it
        return _Unclosed(raw)

    setattr(response, "aiter_raw", take_raw)  # noqa: B010
    return response.aiter_bytes(), raw


class _Unclosed:
    """A raw body whose iterator stays open when a failing decoder closes this."""

    def __init__(self, raw: AsyncIterator[bytes]) -> None:
        self._raw = raw

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._raw

    async def aclose(self) -> None:
        """Leave the iterator to the caller of `iterate_body`."""
