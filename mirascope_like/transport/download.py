"""Fetching images, sound and documents by URL, for `Image.download` and its kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConnectionError

if TYPE_CHECKING:
    import httpx2

__all__ = ["HTTPDownloader"]

_TIMEOUT_SECONDS = 60.0


class HTTPDownloader:
    """Fetches over HTTP, following redirects, and gives up as soon as there is too much."""

    def fetch(self, url: str, max_size: int) -> bytes:
        """The bytes behind a URL. `ValueError` if there are more than `max_size`, `ConnectionError` if there are
        none."""
        import httpx2

        data = bytearray()
        try:
            with httpx2.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as response:
                response.raise_for_status()
                for piece in response.iter_bytes():
                    _grow(data, piece, url, max_size)
        except httpx2.HTTPError as error:
            raise _failed(url, error) from error
        return bytes(data)

    async def fetch_async(self, url: str, max_size: int) -> bytes:
        """See `fetch`."""
        import httpx2

        data = bytearray()
        try:
            async with (
                httpx2.AsyncClient(follow_redirects=True, timeout=_TIMEOUT_SECONDS) as client,
                client.stream("GET", url) as response,
            ):
                response.raise_for_status()
                async for piece in response.aiter_bytes():
                    _grow(data, piece, url, max_size)
        except httpx2.HTTPError as error:
            raise _failed(url, error) from error
        return bytes(data)


def _grow(data: bytearray, piece: bytes, url: str, max_size: int) -> None:
    data += piece
    if len(data) > max_size:
        raise ValueError(f"{url} has more than the {max_size:,} bytes allowed; pass max_size= to allow more.")


def _failed(url: str, error: httpx2.HTTPError) -> ConnectionError:
    return ConnectionError(f"{url} could not be fetched: {error}", original_exception=error)
