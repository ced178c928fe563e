"""One GET of a file, over a connection to an address that was checked.

* The connection goes to that address: a name that is looked up a second time may lead elsewhere. TLS and the `Host`
  header go by the name all the same.
* Each GET has a connection of its own, with neither cookies nor the environment's credentials (netrc), and without a
  proxy unless it is told one. It asks for no compression and follows no redirect.
* A URL's user name and password go to the URL's own origin only, and stand in no message.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..errors import ConnectionError, DownloadError
from . import HttpRequest, Timeouts
from .channels import CONNECT_TIMEOUT, BlockingByteStream, NativeByteStream, translate_exception
from .failures import describe_error
from .httpx_internals import NetworkStream, opened_stream, shut_down

if TYPE_CHECKING:
    import httpx2

__all__ = ["BlockingGet", "FileURL", "NativeGet", "Route"]

_PORTS = {"http": 80, "https": 443}
_MAX_URL_TEXT = 200  # characters


@dataclass(frozen=True, slots=True)
class FileURL:
    """A URL that files are downloaded from. Its text has neither credentials nor a query, which may hold a key."""

    url: httpx2.URL

    @classmethod
    def parse(cls, text: str) -> FileURL:
        """Read a URL. Raises `DownloadError` for one that is not valid, or neither http:// nor https://."""
        import httpx2

        with contextlib.suppress(httpx2.InvalidURL, UnicodeError):
            url = httpx2.URL(text)
            if url.scheme in _PORTS and url.host and (url.port is None or 0 < url.port < 2**16):
                return cls(url)
        raise DownloadError("Only files at valid http:// and https:// URLs are downloaded.")

    def resolve_redirect(self, location: str) -> FileURL:
        """Return the URL that a redirect leads to. Credentials stay with their origin. Raises as `of`."""
        import httpx2

        with contextlib.suppress(httpx2.InvalidURL, ValueError):
            to = self.parse(str(self.url.join(location)))
            return FileURL(to.url.copy_with(userinfo=self.url.userinfo if to.origin == self.origin else b""))
        raise DownloadError(f"{self} redirects to something else than a valid http:// or https:// URL.")

    @property
    def host(self) -> str:
        """The host, in ASCII."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        """The port, also where the URL leaves it out."""
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
        """The headers of a GET."""
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
    """How a file is reached: at an address of its host, or through a proxy, which looks the host up itself."""

    file: FileURL
    address: str | None = None
    proxy: str | None = None


class _Get:
    """What GETs of both colours share."""

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
        """What errors name."""
        return HttpRequest(str(self._route.file), {}, b"", self._timeouts)

    def _translate_exception(self, exc: BaseException) -> BaseException:
        """Return what to raise for what the client raised, also for an address or a proxy that it cannot use."""
        unusable = isinstance(exc, ValueError | ImportError)
        if unusable:
            return ConnectionError(describe_error(exc))
        return translate_exception(exc, self._request_for_errors())


class BlockingGet(_Get):
    """A GET by blocking calls: `BlockingGet(route, timeout)`, where each step of it may take so many seconds."""

    def __init__(self, route: Route, timeout: float) -> None:
        super().__init__(route, timeout)
        self._stream: NetworkStream | None = None  # as soon as the client is connected
        self._closed = False

    async def open(self) -> BlockingByteStream:
        """Send it and return as soon as status and headers are there. Raises `ProviderError`."""
        import httpx2

        try:
            transport = httpx2.HTTPTransport(**self._options())
            response = transport.handle_request(self._request(trace=self._trace))
            return BlockingByteStream(response, self._request_for_errors(), transport)
        except BaseException as exc:
            error = self._translate_exception(exc)
        raise error

    async def close(self) -> None:
        """End the connection. Another thread that waits in `open` is woken by it."""
        self._closed = True
        self._shut_down()

    def _shut_down(self) -> None:
        if self._stream is not None:
            shut_down(self._stream)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the connection as soon as the client has it: the server may send headers for ever."""
        stream = opened_stream(event, info)
        if stream is not None:
            self._stream = stream
            if self._closed:
                self._shut_down()


class NativeGet(_Get):
    """A GET under asyncio or trio: `NativeGet(route, timeout)`. Cancelling ends it."""

    async def open(self) -> NativeByteStream:
        """Send it and return as soon as status and headers are there. Raises `ProviderError`."""
        import httpx2

        try:
            transport = httpx2.AsyncHTTPTransport(**self._options())
            response = await transport.handle_async_request(self._request())
            return NativeByteStream(response, self._request_for_errors(), transport)
        except BaseException as exc:
            error = self._translate_exception(exc)
        raise error

    async def close(self) -> None:
        """Nothing is left to close once it is cancelled."""
