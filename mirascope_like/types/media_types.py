"""Detection of file types, and the conversion of files to base64 text.

Types are detected by the first bytes (signatures as registered at IANA and listed by the formats' own specifications),
never by a name, except for text documents, which have no signature.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from os import PathLike
from typing import Protocol, cast

from .timeout import check_seconds

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_AUDIO_BYTES = 25 * 1024 * 1024
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
DOWNLOAD_SECONDS = 120.0

_FTYP_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"msf1": "image/heif"}

_PDF = b"%PDF-"
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|data:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

DOCUMENT_TYPES = {
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".ts": "text/typescript",
    ".py": "text/x-python",
    ".html": "text/html",
    ".htm": "text/html",
    ".css": "text/css",
    ".xml": "text/xml",
    ".rtf": "text/rtf",
}


def detect_image_type(data: bytes) -> str:
    """Return the MIME type of an image. Raises `ValueError` for a type that models do not accept."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _FTYP_BRANDS:
        return _FTYP_BRANDS[data[8:12]]
    raise ValueError("These bytes are not a PNG, JPEG, WebP, GIF, HEIC or HEIF image.")


def detect_audio_type(data: bytes) -> str:
    """Return the MIME type of audio. Raises `ValueError` for a type that models do not accept."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if data.startswith(b"OggS"):
        return "audio/ogg"
    if data.startswith(b"fLaC"):
        return "audio/flac"
    if data.startswith(b"ID3"):
        return "audio/mp3"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        # An MPEG frame header; its layer bits are 00 in AAC's ADTS and never in MP3.
        return "audio/aac" if data[1] & 0x06 == 0 else "audio/mp3"
    raise ValueError("These bytes are not WAV, MP3, AIFF, AAC, OGG or FLAC audio.")


def detect_document_type(data: bytes) -> str:
    """Return the MIME type of a PDF. Raises `ValueError` for other bytes: text has no signature."""
    if data.startswith(_PDF):
        return "application/pdf"
    raise ValueError("These bytes are not a PDF. For a text document, pass its type: mime_type='text/plain'.")


def document_type_by_extension(path: str | PathLike[str]) -> str:
    """Return the MIME type for a file's extension. Raises `ValueError` if it is unknown."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in DOCUMENT_TYPES:
        raise ValueError(f"No document type is known for {suffix or 'a name without extension'!r}: pass mime_type='…'.")
    return DOCUMENT_TYPES[suffix]


def detect_file_type(path: str | PathLike[str], data: bytes) -> str:
    """Return the MIME type of a file: PDF by its bytes, text by its extension. Raises `ValueError` for other files."""
    if data.startswith(_PDF):
        return detect_document_type(data)
    kind = document_type_by_extension(path)
    return kind if is_text_type(kind) else detect_document_type(data)


def is_text_type(mime_type: str) -> bool:
    """Whether a document of this type is sent as text rather than as base64."""
    return mime_type.startswith("text/") or mime_type == "application/json"


def decode_text(data: bytes) -> str:
    """Return the text of a document. Raises `ValueError` if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"This is not UTF-8 text: {error}. Decode it with its own encoding, and pass text.encode()."
        ) from error


def check_bytes(data: object) -> None:
    """Raise `TypeError` for data that is not bytes."""
    if not isinstance(data, bytes | bytearray):
        raise TypeError(
            f"The data must be bytes, not {type(data).__name__}. For text, use "
            "Document.from_bytes(text.encode(), mime_type='text/plain'); for a path, use from_file."
        )


def check_url(url: str) -> str:
    """Return the URL unchanged. Raises `ValueError` for a path, for the URL of a file, and for spaces around it or
    control characters."""
    if not isinstance(cast("object", url), str) or not _URL.match(url) or _is_file_url(url):
        raise ValueError(f"{str(url)!r} is not a URL that a provider can fetch: for a local file, use from_file.")
    return _check_characters(url)


def check_stored_url(url: str) -> str:
    """Return a URL of stored data unchanged. Raises `ValueError` for the URL of a file, and for spaces around it or
    control characters."""
    if _is_file_url(url):
        raise ValueError(f"{url!r} is the URL of a file, which stored data must not contain.")
    return _check_characters(url)


def _is_file_url(url: str) -> bool:
    """Return True if fetching the URL would read a file. urllib also knows files as `local_file`."""
    return _CONTROL.sub("", url).strip().lower().removeprefix("url:").startswith(("file:", "local_file:"))


def _check_characters(url: str) -> str:
    """Return the URL unchanged. Raises `ValueError` for a URL that clients may interpret differently: some leave
    control characters and surrounding spaces out."""
    if _CONTROL.search(url) or url != url.strip():
        raise ValueError(f"{url[:100]!r} has control characters in it or spaces around it: remove them from the URL.")
    return url


def check_size(size: int, max_size: int) -> None:
    """Raise `ValueError` if there are more bytes than allowed."""
    if size > max_size:
        raise ValueError(f"{size:,} bytes are more than the {max_size:,} allowed; pass max_size= to allow more.")


def encode_base64(data: bytes, kind: Callable[[bytes], str], max_size: int) -> tuple[str, str]:
    """Return the base64 text and MIME type of some bytes, after checking their size and type."""
    check_bytes(data)
    check_size(len(data), max_size)
    mime_type = kind(data)
    return base64.b64encode(data).decode("ascii"), mime_type


def read_file(path: str | PathLike[str], max_size: int) -> bytes:
    """Return a regular file's bytes. Raises `ValueError` for a pipe or device, and for over `max_size` bytes: it
    reads no more, whatever size the file system reports."""
    with open(path, "rb", opener=_open_nonblocking) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{os.fspath(path)}: not a regular file, so it is not read.")
        if status.st_size > max_size or len(data := file.read(max_size + 1)) > max_size:
            raise ValueError(
                f"{os.fspath(path)}: more than the {max_size:,} bytes allowed; pass max_size= to allow more."
            )
        return data


def _open_nonblocking(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """The limits of a download: its maximum size in bytes and time in seconds, and whether it may go to addresses
    that are not public (and so into a private network, or through a proxy)."""

    max_size: int
    timeout: float = DOWNLOAD_SECONDS
    allow_private: bool = False

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout)


class Downloader(Protocol):
    """Fetches the bytes of a URL, within the rules."""

    def fetch(self, url: str, rules: DownloadRules) -> bytes: ...

    def fetch_async(self, url: str, rules: DownloadRules) -> Awaitable[bytes]: ...


_downloader: Downloader | None = None


def set_downloader(downloader: Downloader) -> None:
    """Set the downloader that `download` and `download_async` use. `types` has no HTTP client, so the public APIs pass
    one in."""
    global _downloader
    _downloader = downloader


def _get_downloader() -> Downloader:
    if _downloader is None:
        raise RuntimeError("No downloader is set: import mirascope_like.llm, or call set_downloader().")
    return _downloader


def download(url: str, rules: DownloadRules) -> bytes:
    """Return the bytes of a URL."""
    return _get_downloader().fetch(url, rules)


async def download_async(url: str, rules: DownloadRules) -> bytes:
    """See `download`."""
    return await _get_downloader().fetch_async(url, rules)
