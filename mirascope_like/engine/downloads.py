"""Downloads of images, sound and documents: which URLs are followed, how far, for how long, and up to which size.

Rules
* Only http:// and https://, also of redirects, of which there may be ten.
* For each of them the host is looked up, and refused if any of its addresses is not public. The connection goes to
  one of these addresses.
* A proxy looks hosts up itself, where they cannot be checked. So where the environment names one for a URL, only
  `allow_private` lets it be used.
* A body may not be compressed, so that `max_size` counts what arrives; and all together may take `timeout` seconds.
* Whatever goes wrong is a `DownloadError`, a `ConnectionError` or a `TimeoutError` of this library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast

from ..errors import ConnectionError, DownloadError, ProviderError, TimeoutError, error_text
from ..transport.base import ByteStream
from ..transport.connection_errors import copy_error
from ..transport.download import BlockingGet, FileURL, NativeGet, Route
from ..transport.public_addresses import is_public, resolve_host
from ..types.media_types import DownloadRules
from ..wire.redaction import find_secrets, redact_and_truncate
from .runtime import BLOCKING, NATIVE, Runtime, run
from .threads import Late

T = TypeVar("T")

_MOST_REDIRECTS = 10
_LONGEST_SAID = 300  # characters of what the network or the server said
_REDIRECTS = (301, 302, 303, 307, 308)


class _Get(Protocol):
    async def open(self) -> ByteStream: ...
    async def close(self) -> None: ...


class HTTPDownloader:
    """Fetches files over HTTP. `is_allowed` decides which addresses are public."""

    def __init__(self, is_allowed: Callable[[str], bool] = is_public) -> None:
        self._is_allowed = is_allowed

    def fetch(self, url: str, rules: DownloadRules) -> bytes:
        """Return the bytes behind a URL. Raises `DownloadError`, `ConnectionError` and `TimeoutError`."""
        return run(_Download(BLOCKING, BlockingGet, rules, self._is_allowed).data(url))

    async def fetch_async(self, url: str, rules: DownloadRules) -> bytes:
        """See `fetch`."""
        return await _Download(NATIVE, NativeGet, rules, self._is_allowed).data(url)


class _Download:
    def __init__(
        self,
        runtime: Runtime,
        get: Callable[[Route, float], _Get],
        rules: DownloadRules,
        is_allowed: Callable[[str], bool],
    ) -> None:
        self._runtime = runtime
        self._get = get
        self._rules = rules
        self._is_allowed = is_allowed
        self._end = runtime.clock() + rules.timeout

    async def data(self, text: str) -> bytes:
        """The bytes behind a URL and its redirects."""
        file = FileURL.parse(text)
        try:
            return await self._follow(file)
        except (ProviderError, Late) as error:
            failed = self._failed(file, error)
        raise failed

    async def _follow(self, file: FileURL) -> bytes:
        here = file
        for _ in range(_MOST_REDIRECTS + 1):
            body = await self._open(here)
            try:
                if (location := _redirect(body)) is None:
                    return await self._read(here, body)
            finally:
                await body.close()
            here = here.resolve_redirect(location)
        raise DownloadError(f"{file} redirects more than {_MOST_REDIRECTS} times.")

    async def _open(self, file: FileURL) -> ByteStream:
        """Connect to the first address that can be had, and send the request."""
        failures: list[ProviderError] = []
        for route in await self._routes(file):
            get = self._get(route, self._left())
            try:
                return await self._within(get.open, get.close)
            except ProviderError as error:
                failures.append(error)
        raise failures[-1]

    async def _routes(self, file: FileURL) -> Sequence[Route]:
        from ..transport.environment import environment_proxy

        proxy = environment_proxy(file.site)
        if proxy is not None and not self._rules.allow_private:
            raise DownloadError(
                f"{file} would be downloaded through the proxy that the environment names, which looks up the host "
                "itself, so that its address cannot be checked. Pass allow_private=True to trust the proxy, or exclude "
                "the host with NO_PROXY."
            )
        if proxy is not None:
            return [Route(file, proxy=proxy)]
        addresses = await self._addresses(file)
        if not self._rules.allow_private and not all(map(self._is_allowed, addresses)):
            raise DownloadError(f"{file} is not at a public address. Pass allow_private=True if you trust the URL.")
        return [Route(file, address) for address in addresses]

    async def _addresses(self, file: FileURL) -> Sequence[str]:
        look_up = partial(resolve_host, file.host, file.port)
        try:
            return cast("Sequence[str]", await self._runtime.invoke_within(self._left, look_up))
        except (OSError, UnicodeError) as error:
            failed = ConnectionError(f"its host was not found: {error_text(error)}")
        raise failed

    async def _read(self, file: FileURL, body: ByteStream) -> bytes:
        _check_answer(file, body)
        self._check_size(file, _length(body))
        data = bytearray()
        while (piece := await self._within(body.next, body.close)) is not None:
            data += piece
            self._check_size(file, len(data))
        return bytes(data)

    def _check_size(self, file: FileURL, size: int) -> None:
        if size > (most := self._rules.max_size):
            raise DownloadError(f"{file} has more than the {most:,} bytes allowed; pass max_size= to allow more.")

    def _left(self) -> float:
        """The seconds that are left. Raises `Late` if there are none."""
        left = self._end - self._runtime.clock()
        if left <= 0:
            raise Late
        return left

    def _within(self, job: Callable[[], Awaitable[T]], close: Callable[[], Awaitable[None]]) -> Awaitable[T]:
        return self._runtime.read_within(self._left(), job, close)

    def _failed(self, file: FileURL, error: ProviderError | Late) -> ProviderError:
        """The error for what the network did. What the server said may be in it, but no credentials of the URL."""
        if isinstance(error, Late) or self._runtime.clock() >= self._end:
            seconds = f"{self._rules.timeout:g} s"
            return TimeoutError(f"{file} was not downloaded within {seconds}. Pass a longer timeout= if it needs more.")
        kind = TimeoutError if isinstance(error, TimeoutError) else ConnectionError
        clean = partial(
            redact_and_truncate, secrets=find_secrets(file.headers(), str(file.url)), max_length=_LONGEST_SAID
        )
        cause = copy_error(error.original_exception, clean)
        said = error_text(cause) if cause is not None else clean(error.message)
        failed = kind(f"{file} could not be downloaded: {said}", original_exception=cause)
        failed.__cause__ = cause
        return failed


def _redirect(body: ByteStream) -> str | None:
    return body.headers.get("location") if body.status in _REDIRECTS else None


def _check_answer(file: FileURL, body: ByteStream) -> None:
    if not 200 <= body.status < 300:
        raise ConnectionError(f"the server answered with status {body.status}.")
    if body.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise DownloadError(f"{file} is sent compressed, although the request allows no compression.")


def _length(body: ByteStream) -> int:
    """The size that the server announces, in bytes; 0 if it announces none."""
    length = body.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0
