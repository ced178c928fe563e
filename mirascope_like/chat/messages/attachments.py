"""Files that go with a prompt: by content, by path, or by URL.

Making an attachment, and giving it to a prompt, reads no file and opens no connection. What it holds is found out when
it is asked for; the `_async` forms do so without blocking the event loop. `types.media_types` tells file types:
by the first bytes, or by the name for text documents, which have no signature.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from ...engine.downloads import HTTPDownloader
from ...engine.runtime import BLOCKING, NATIVE, Runtime, run
from ...types import media_types
from ...types.content import (
    Audio,
    Base64AudioSource,
    Base64DocumentSource,
    Base64ImageSource,
    Document,
    Image,
    TextDocumentSource,
    URLDocumentSource,
    URLImageSource,
)

MAX_BYTES = 64 * 1024 * 1024
"""How much of a file or URL is read, in bytes, before it is given up."""

# Two names of one type: models and files speak of it in different words.
_SAME_TYPES = {"audio/wave": "audio/wav", "audio/x-wav": "audio/wav", "audio/mp3": "audio/mpeg"}
_MEDIA_NAMES = {"audio/mpeg": "audio/mp3"}

TYPES_BY_SUFFIX = {
    **media_types.DOCUMENT_TYPES,
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".aiff": "audio/aiff",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
"""The MIME types of files, by the ends of their names."""

media_types.set_downloader(HTTPDownloader())


@dataclass(frozen=True, slots=True, init=False)
class Attachment:
    """A file for a model to look at. Give its bytes as `content`, or a `path` or `url` where they are.

    `type` is the MIME type; if it is not given, it is told from the content. `allow_private` lets the `url` be fetched
    from addresses that are not public; it is no part of the JSON form.
    """

    type: str | None = None
    path: str | None = None
    url: str | None = None
    content: bytes | None = None
    allow_private: bool = field(default=False, compare=False)

    def __init__(
        self,
        type: str | None = None,
        path: str | os.PathLike[str] | None = None,
        url: str | None = None,
        content: bytes | None = None,
        *,
        allow_private: bool = False,
    ) -> None:
        given: dict[str, object] = {"type": type, "path": None if path is None else os.fspath(path), "url": url}
        given |= {"content": content or None, "allow_private": allow_private}  # no bytes are no content
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = [f"type={self.type!r}"] if self.type else []
        shown += [f"{name}={value!r}" for name, value in (("path", self.path), ("url", self.url)) if value]
        shown += [f"content=<{len(self.content)} bytes>"] if self.content else []
        shown += ["allow_private=True"] if self.allow_private else []
        return f"Attachment({', '.join(shown)})"

    def id(self) -> str:
        """A name by content: the SHA-256 of the bytes, or of the URL where there are none. Reads a file."""
        return run(_id(BLOCKING, self))

    async def id_async(self) -> str:
        """See `id`."""
        return await _id(NATIVE, self)

    def resolve_type(self) -> str:
        """The MIME type: as given, or told from the bytes, which may have to be read or fetched for that. `ValueError`
        if it is not known."""
        return run(_type(BLOCKING, self))

    async def resolve_type_async(self) -> str:
        """See `resolve_type`."""
        return await _type(NATIVE, self)

    def content_bytes(self) -> bytes:
        """The bytes: as given, read from the file, or fetched from the URL (by the rules of `llm.Image.download`).

        Raises `ValueError` (`DownloadError` among them) if there are none or over `MAX_BYTES`, or if they may not be
        fetched; `OSError`, `ConnectionError` and `TimeoutError` if they cannot be had.
        """
        return run(_bytes(BLOCKING, self))

    async def content_bytes_async(self) -> bytes:
        """See `content_bytes`."""
        return await _bytes(NATIVE, self)

    def base64_content(self) -> str:
        """The bytes as base64 text. Errors as `content_bytes`."""
        return _base64(self.content_bytes())

    async def base64_content_async(self) -> str:
        """See `base64_content`."""
        return _base64(await self.content_bytes_async())


async def _id(runtime: Runtime, attachment: Attachment) -> str:
    if attachment.content or attachment.path:
        return hashlib.sha256(await _bytes(runtime, attachment)).hexdigest()
    return hashlib.sha256(json.dumps({"url": attachment.url}).encode()).hexdigest()


async def _type(runtime: Runtime, attachment: Attachment) -> str:
    # What is in a file counts for more than its name; of a URL the name must do, if it says anything.
    at_hand = type_at_hand(attachment) if attachment.type or not attachment.path else None
    return at_hand or _told_type(await _bytes(runtime, attachment), attachment.path or attachment.url)


async def _bytes(runtime: Runtime, attachment: Attachment) -> bytes:
    if attachment.content:
        return attachment.content
    return cast("bytes", await runtime.invoke(_reading(runtime, attachment)))


def _reading(runtime: Runtime, attachment: Attachment) -> Callable[[], Any]:
    if attachment.path:
        return partial(media_types.read_file, attachment.path, MAX_BYTES)
    if attachment.url:
        rules = media_types.DownloadRules(MAX_BYTES, allow_private=attachment.allow_private)
        return partial(media_types.download_async if runtime is NATIVE else media_types.download, attachment.url, rules)
    raise ValueError("This attachment is empty: give it content=, path= or url=.")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def type_at_hand(attachment: Attachment) -> str | None:
    """The MIME type as far as it can be told without reading anything: as given, from the content at hand, or from the
    name of the file or URL."""
    if attachment.type:
        return _SAME_TYPES.get(attachment.type, attachment.type)
    name = attachment.path or attachment.url
    if attachment.content:
        with contextlib.suppress(ValueError):
            return _told_type(attachment.content, name)
    return TYPES_BY_SUFFIX.get(_suffix(name))


def _told_type(data: bytes, name: str | None) -> str:
    for tell in (media_types.detect_image_type, media_types.detect_audio_type, media_types.detect_document_type):
        with contextlib.suppress(ValueError):
            kind = tell(data)
            return _SAME_TYPES.get(kind, kind)
    if (suffix := _suffix(name)) in TYPES_BY_SUFFIX:
        return TYPES_BY_SUFFIX[suffix]
    raise ValueError("The type of this attachment cannot be told from its content: pass type='…'.")


def _suffix(name: str | None) -> str:
    path = (name or "").partition("?")[0].partition("#")[0]
    return os.path.splitext(path)[1].lower()


def check_types(attachments: Iterable[Attachment], allowed: Collection[str]) -> None:
    """`ValueError` if a model that takes these MIME types cannot take an attachment, as far as its type is at hand."""
    for attachment in attachments:
        if not allowed:
            raise ValueError("This model does not support attachments.")
        kind = type_at_hand(attachment)
        if kind is not None and kind not in {_SAME_TYPES.get(name, name) for name in allowed}:
            names = ", ".join(sorted(allowed))
            raise ValueError(f"This model does not support attachments of type {kind!r}, only {names}")


async def loaded(runtime: Runtime, attachment: Attachment) -> Attachment:
    """The attachment with all that a request needs at hand: its type, and its bytes unless the provider fetches them
    itself. Errors as `Attachment.content_bytes` and `resolve_type`."""
    at_hand = type_at_hand(attachment)
    by_provider = attachment.url and not attachment.path and at_hand and not at_hand.startswith("audio/")
    if attachment.content or by_provider:
        return replace(attachment, type=at_hand)
    data = await _bytes(runtime, attachment)
    kind = await _type(runtime, replace(attachment, content=data))
    return replace(attachment, type=kind, content=data)


def without_path(attachment: Attachment) -> Attachment:
    """The attachment with what is in its file in place of the path. Reads it now; errors as
    `Attachment.content_bytes`."""
    if not attachment.path:
        return attachment
    data = attachment.content_bytes()
    with_data = replace(attachment, content=data)
    return Attachment(type_at_hand(with_data), url=attachment.url, content=data)


def to_media(attachment: Attachment) -> Image | Audio | Document:
    """The library's own value for an attachment that is `loaded`; for another, a file is read now, and a URL without a
    known type is taken for an image's."""
    kind = type_at_hand(attachment)
    if attachment.url and not attachment.content and not attachment.path:
        if kind is None or kind.startswith("image/"):
            return Image(URLImageSource(attachment.url))
        return Document(URLDocumentSource(attachment.url))
    return _of_content(attachment.content_bytes(), kind or attachment.resolve_type())


def _of_content(data: bytes, kind: str) -> Image | Audio | Document:
    match kind.partition("/")[0]:
        case "image":
            return Image(Base64ImageSource(_base64(data), kind))
        case "audio":
            return Audio(Base64AudioSource(_base64(data), _MEDIA_NAMES.get(kind, kind)))
        case _ if media_types.is_text_type(kind):
            return Document(TextDocumentSource(data.decode("utf-8"), kind))
        case _:
            return Document(Base64DocumentSource(_base64(data), kind))


def from_media(value: Image | Audio | Document) -> Attachment:
    """The attachment of an image, sound or document."""
    match value.source:
        case URLImageSource(url) | URLDocumentSource(url):
            return Attachment(url=url)
        case TextDocumentSource(data, kind):
            return Attachment(type=kind, content=data.encode("utf-8", "surrogatepass"))
        case Base64ImageSource(data, kind) | Base64AudioSource(data, kind) | Base64DocumentSource(data, kind):
            return Attachment(type=_SAME_TYPES.get(kind, kind), content=_decoded(data))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:  # not base64: kept as it is
        return text.encode()
