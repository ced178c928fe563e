"""Download a file by one GET, over a connection to an address that the caller has checked.

* The connection goes to that address: a second lookup of the name could return another. TLS and the `Host` header use
  the name.
* Each GET has its own connection, with neither cookies nor the environment's credentials (netrc), and without a proxy
  unless `Route.proxy` names one. It requests no compression and follows no redirect.
* A URL's user name and password are sent to the URL's own origin only, and appear in no message.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..errors import ConnectionError, DownloadError
from .base import HttpRequest, Timeouts
from .connection_errors import describe_error
from .httpx_channel import CONNECT_TIMEOUT, BlockingByteStream, NativeByteStream, translate_exception
from .httpx_internals import NetworkStream, opened_stream, shut_down

if TYPE_CHECKING:
    import httpx2

_PORTS = {"http": 80, "https": 443}
_MAX_URL_TEXT = 200  # characters


@dataclass(frozen=True, slots=True)
class FileURL:
    """The URL of a file. Its text contains neither credentials nor the query, which may contain a key."""

    url: httpx2.URL

    @classmethod
    def parse(cls, text: str) -> FileURL:
        """Parse a URL. Raises `DownloadError` unless it is a valid http:// or https:// URL."""
        import httpx2

        with contextlib.suppress(httpx2.InvalidURL, UnicodeError):
            url = httpx2.URL(text)
            if url.scheme in _PORTS and url.host and (url.port is None or 0 < url.port < 2**16):
                return cls(url)
        raise DownloadError("Only files at valid http:// and https:// URLs are downloaded.")

    def resolve_redirect(self, location: str) -> FileURL:
        """Return the target of a redirect. Credentials are kept for the same origin only. Raises as `parse` does."""
        import httpx2

        with contextlib.suppress(httpx2.InvalidURL, ValueError):
            to = self.parse(str(self.url.join(location)))
            return FileURL(to.url.copy_with(userinfo=self.url.userinfo if to.origin == self.origin else b""))
        raise DownloadError(f"{self} redirects to something other than a valid http:// or https:// URL.")

    @property
    def host(self) -> str:
        """The host, in ASCII."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        """The port; the scheme's default if the URL has none."""
        return self.url.port or _PORTS[self.url.scheme]

    @property
    def site(self) -> str:
        """The URL without its path, and without credentials."""
        return f"{self.url.scheme}://{self.url.netloc.decode('ascii')}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """The scheme, host and port."""
        return self.url.scheme, self.host, self.port

    def __str__(self) -> str:
        path = self.url.raw_path.partition(b"?")[0].decode("ascii")
        return (self.site + path)[:_MAX_URL_TEXT]

    def headers(self) -> Mapping[str, str]:
        """Return the headers of a GET."""
        headers = {
            "host": self.url.netloc.decode("ascii"),
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "mirascope-like",
        }
        if self.url.userinfo:
            credentials = unquote(self.url.userinfo.decode("ascii")).encode()
            headers["authorization"] = f"Basic {base64.b64encode(credentials).decode('ascii')}"
        return headers


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a file: at an address of its host, or through a proxy, which looks up the host itself."""

    file: FileURL
    address: str | None = None
    proxy: str | None = None


class _Get:
    """What sync and async GETs share."""

    def __init__(self, route: Route, timeout: float) -> None:
        self._route = route
        self._timeouts = Timeouts(min(timeout, CONNECT_TIMEOUT), timeout)

    def _request(self, **extensions: object) -> httpx2.Request:
        import httpx2

        file, address = self._route.file, self._route.address
        timeout = httpx2.Timeout(self._timeouts.read, connect=self._timeouts.connect)
        extensions |= {"timeout": timeout.as_dict(), "sni_hostname": file.host}
        url = file.url if address is None else file.url.copy_with(host=address)
        return httpx2.Request("GET", url, headers=file.headers(), extensions=extensions)

    def _options(self) -> dict[str, Any]:
        import httpx2

        from .environment import no_tls_context, tls_context

        return {
            "verify": tls_context() if self._route.file.url.scheme == "https" else no_tls_context(),
            "proxy": self._route.proxy,
            "trust_env": False,
            "limits": httpx2.Limits(max_keepalive_connections=0),
        }

    def _request_for_errors(self) -> HttpRequest:
        """Return the request that error messages name."""
        return HttpRequest(str(self._route.file), {}, b"", self._timeouts)

    def _translate_exception(self, exc: BaseException) -> BaseException:
        """Return the exception to raise for the client's, also if it cannot use the address or the proxy."""
        unusable = isinstance(exc, ValueError | ImportError)
        if unusable:
            return ConnectionError(describe_error(exc))
        return translate_exception(exc, self._request_for_errors())


class BlockingGet(_Get):
    """A GET by blocking calls: `BlockingGet(route, timeout)`. Each of its steps may take `timeout` seconds."""

    def __init__(self, route: Route, timeout: float) -> None:
        super().__init__(route, timeout)
        self._stream: NetworkStream | None = None  # as soon as the client is connected
        self._closed = False

    async def open(self) -> BlockingByteStream:
        """Send the GET and return once status and headers have arrived. Raises `ProviderError`."""
        import httpx2

        try:
            transport = httpx2.HTTPTransport(**self._options())
            response = transport.handle_request(self._request(trace=self._trace))
            return BlockingByteStream(response, self._request_for_errors(), transport)
        except BaseException as exc:
            error = self._translate_exception(exc)
        raise error

    async def close(self) -> None:
        """Shut down the connection. This wakes another thread that waits in `open`."""
        self._closed = True
        self._shut_down()

    def _shut_down(self) -> None:
        if self._stream is not None:
            shut_down(self._stream)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Store the connection as soon as it is open, so that it can be closed: a server may send headers for ever."""
        stream = opened_stream(event, info)
        if stream is not None:
            self._stream = stream
            if self._closed:
                self._shut_down()


class NativeGet(_Get):
    """A GET under asyncio or trio: `NativeGet(route, timeout)`. To stop it, cancel the task."""

    async def open(self) -> NativeByteStream:
        """Send the GET and return once status and headers have arrived. Raises `ProviderError`."""
        import httpx2

        try:
            transport = httpx2.AsyncHTTPTransport(**self._options())
            response = await transport.handle_async_request(self._request())
            return NativeByteStream(response, self._request_for_errors(), transport)
        except BaseException as exc:
            error = self._translate_exception(exc)
        raise error

    async def close(self) -> None:
        """Do nothing: cancelling the task has closed the connection."""
