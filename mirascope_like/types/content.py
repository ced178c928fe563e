"""The content parts of a message.

A user message has `Text`, `Image`, `Audio`, `Document` and `ToolOutput`; an assistant message has `Text`, `Thought`,
`ToolCall`, `ServerToolCall` and `ProviderBlock`. All are frozen and compare by content.

Other content of a provider is never dropped: it is kept as a `ProviderBlock`, and the whole response in the provider's
own form in `AssistantMessage.raw_message`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, ClassVar, Generic, Literal, TypeAlias

from typing_extensions import TypeVar

from . import json_forms, media_types
from .pydantic_fields import PydanticField
from .tool_errors import ToolError
from .unfinished import CanBeUnfinished

ResultT = TypeVar("ResultT", default=Any, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The source of a piece of text. `raw` is the provider's own form of it."""

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Text(PydanticField):
    """Text, of any role. `citations` are the sources that a model named for it."""

    type: ClassVar[Literal["text"]] = "text"
    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Base64ImageSource:
    """An image's bytes as base64 text."""

    type: ClassVar[Literal["base64_image_source"]] = "base64_image_source"
    data: str = field(repr=False)
    mime_type: str


@dataclass(frozen=True, slots=True)
class URLImageSource:
    """An image that the provider fetches itself."""

    type: ClassVar[Literal["url_image_source"]] = "url_image_source"
    url: str


@dataclass(frozen=True, slots=True)
class Image(PydanticField):
    """An image: PNG, JPEG, WebP, GIF, HEIC or HEIF bytes, or a URL."""

    type: ClassVar[Literal["image"]] = "image"
    source: Base64ImageSource | URLImageSource

    @classmethod
    def from_url(cls, url: str) -> Image:
        """Make an image that the provider fetches itself; it is not downloaded here. Raises `ValueError` for a path."""
        return cls(URLImageSource(media_types.check_url(url)))

    @classmethod
    def from_bytes(cls, data: bytes, *, max_size: int = media_types.MAX_IMAGE_BYTES) -> Image:
        """Make an image from its bytes. Raises `ValueError` if its type is unknown or it has over `max_size` bytes."""
        return cls(Base64ImageSource(*media_types.encode_base64(data, media_types.detect_image_type, max_size)))

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, max_size: int = media_types.MAX_IMAGE_BYTES) -> Image:
        """Make an image from a regular file. Reads it immediately, and blocks. Raises `OSError`, and the
        errors of `from_bytes`."""
        return cls.from_bytes(media_types.read_file(path, max_size), max_size=max_size)

    @classmethod
    def download(
        cls,
        url: str,
        *,
        max_size: int = media_types.MAX_IMAGE_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Image:
        """Download an image now: over http:// or https://, from a public address, following up to ten redirects.

        The download ends as soon as it exceeds `max_size` bytes, and after `timeout` seconds in all. `allow_private`
        also allows addresses of private networks and of this machine, and proxies of the environment, which look up
        addresses themselves. Raises `DownloadError` if these rules forbid it or it has too many bytes,
        `ConnectionError`, `TimeoutError`, and `ValueError` for bytes of another type."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(media_types.download(url, rules), max_size=max_size)

    @classmethod
    async def download_async(
        cls,
        url: str,
        *,
        max_size: int = media_types.MAX_IMAGE_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Image:
        """See `download`."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(await media_types.download_async(url, rules), max_size=max_size)


@dataclass(frozen=True, slots=True)
class Base64AudioSource:
    """Audio as base64 text."""

    type: ClassVar[Literal["base64_audio_source"]] = "base64_audio_source"
    data: str = field(repr=False)
    mime_type: str


@dataclass(frozen=True, slots=True)
class Audio(PydanticField):
    """Audio: WAV, MP3, AIFF, AAC, OGG or FLAC bytes."""

    type: ClassVar[Literal["audio"]] = "audio"
    source: Base64AudioSource

    @classmethod
    def from_bytes(cls, data: bytes, *, max_size: int = media_types.MAX_AUDIO_BYTES) -> Audio:
        """Make audio from its bytes. Raises `ValueError` if its type is unknown or it has over `max_size` bytes."""
        return cls(Base64AudioSource(*media_types.encode_base64(data, media_types.detect_audio_type, max_size)))

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, max_size: int = media_types.MAX_AUDIO_BYTES) -> Audio:
        """Make audio from a regular file. Reads it immediately, and blocks. Raises `OSError`, and the
        errors of `from_bytes`."""
        return cls.from_bytes(media_types.read_file(path, max_size), max_size=max_size)

    @classmethod
    def download(
        cls,
        url: str,
        *,
        max_size: int = media_types.MAX_AUDIO_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Audio:
        """Download audio now, with the arguments and errors of `Image.download`."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(media_types.download(url, rules), max_size=max_size)

    @classmethod
    async def download_async(
        cls,
        url: str,
        *,
        max_size: int = media_types.MAX_AUDIO_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Audio:
        """See `download`."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(await media_types.download_async(url, rules), max_size=max_size)


@dataclass(frozen=True, slots=True)
class Base64DocumentSource:
    """A document's bytes as base64 text."""

    type: ClassVar[Literal["base64_document_source"]] = "base64_document_source"
    data: str = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class TextDocumentSource:
    """A document that is text."""

    type: ClassVar[Literal["text_document_source"]] = "text_document_source"
    data: str
    media_type: str


@dataclass(frozen=True, slots=True)
class URLDocumentSource:
    """A document that the provider fetches itself."""

    type: ClassVar[Literal["url_document_source"]] = "url_document_source"
    url: str


@dataclass(frozen=True, slots=True)
class Document(PydanticField):
    """A PDF or text document, or the URL of one."""

    type: ClassVar[Literal["document"]] = "document"
    source: Base64DocumentSource | TextDocumentSource | URLDocumentSource

    @classmethod
    def from_url(cls, url: str, *, download: Literal[False] = False) -> Document:
        """Make a document that the provider fetches itself; nothing is downloaded here. Raises `ValueError` for a path,
        and for `download=True`: use `Document.download` instead."""
        if download:
            raise ValueError("To download a document, write Document.download(url), or await download_async(url).")
        return cls(URLDocumentSource(media_types.check_url(url)))

    @classmethod
    def from_bytes(
        cls, data: bytes, *, mime_type: str | None = None, max_size: int = media_types.MAX_DOCUMENT_BYTES
    ) -> Document:
        """Make a document from its bytes. Without `mime_type` it must be a PDF; text types must be UTF-8.

        Raises `ValueError` if the type is unknown, text is not UTF-8, or there are over `max_size` bytes."""
        media_types.check_bytes(data)
        media_types.check_size(len(data), max_size)
        mime_type = mime_type or media_types.detect_document_type(data)
        if media_types.is_text_type(mime_type):
            return cls(TextDocumentSource(media_types.decode_text(data), mime_type))
        return cls(Base64DocumentSource(*media_types.encode_base64(data, lambda _: mime_type, max_size)))

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], *, mime_type: str | None = None, max_size: int = media_types.MAX_DOCUMENT_BYTES
    ) -> Document:
        """Make a document from a regular file. Its type is `mime_type`, or PDF by its bytes, or text by its extension.
        Reads the file immediately, and blocks. Raises `OSError`, and the errors of `from_bytes`."""
        data = media_types.read_file(path, max_size)
        try:
            kind = mime_type or media_types.detect_file_type(path, data)
            return cls.from_bytes(data, mime_type=kind, max_size=max_size)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    @classmethod
    def download(
        cls,
        url: str,
        *,
        mime_type: str | None = None,
        max_size: int = media_types.MAX_DOCUMENT_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Document:
        """Download a document now, with the arguments and errors of `Image.download` and `from_bytes`."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(media_types.download(url, rules), mime_type=mime_type, max_size=max_size)

    @classmethod
    async def download_async(
        cls,
        url: str,
        *,
        mime_type: str | None = None,
        max_size: int = media_types.MAX_DOCUMENT_BYTES,
        timeout: float = media_types.DOWNLOAD_SECONDS,
        allow_private: bool = False,
    ) -> Document:
        """See `download`."""
        rules = media_types.DownloadRules(max_size, timeout, allow_private)
        return cls.from_bytes(await media_types.download_async(url, rules), mime_type=mime_type, max_size=max_size)


@dataclass(frozen=True, kw_only=True)  # no slots: Python 3.11 cannot make `ToolOutput[int](...)` with them
class ToolOutput(PydanticField, Generic[ResultT]):
    """The output of a tool call, for the model.

    `result` is the tool's return value (any JSON-able value, an image, or a list with images in it) or, if `error` is
    set, the error text for the model.
    """

    type: ClassVar[Literal["tool_output"]] = "tool_output"
    id: str
    name: str
    result: ResultT | str
    error: ToolError | None = None

    @property
    def output(self) -> ResultT | str:
        """The result; raises `error` if the call failed."""
        if self.error is not None:
            raise self.error
        return self.result


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(CanBeUnfinished, PydanticField):
    """A tool call of the model. `args` is JSON text exactly as the model wrote it (an object; `{}` for none)."""

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    id: str
    name: str
    args: str


@dataclass(frozen=True, slots=True)
class Thought(PydanticField):
    """A thought of the model, or the provider's summary of it; may be empty if the provider only signs it."""

    type: ClassVar[Literal["thought"]] = "thought"
    thought: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerToolCall(PydanticField):
    """A tool that the provider ran itself, such as its web search. `args` is JSON text; `raw` its own form."""

    type: ClassVar[Literal["server_tool_call"]] = "server_tool_call"
    id: str
    name: str
    args: str
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderBlock(PydanticField):
    """A block of a response that has no common form: results of server tools, redacted thoughts, unknown blocks.

    `kind` is the provider's name for it and `raw` the block, as JSON values."""

    type: ClassVar[Literal["provider_block"]] = "provider_block"
    kind: str
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


UserContentPart: TypeAlias = Text | Image | Audio | Document | ToolOutput[Any]
AssistantContentPart: TypeAlias = Text | Thought | ToolCall | ServerToolCall | ProviderBlock
UserContent: TypeAlias = str | UserContentPart | Sequence[str | UserContentPart]
AssistantContent: TypeAlias = str | AssistantContentPart | Sequence[str | AssistantContentPart]

json_forms.PARTS.add(
    {
        each.type: each
        for each in (
            Text,
            Image,
            Audio,
            Document,
            ToolOutput,
            ToolCall,
            Thought,
            ServerToolCall,
            ProviderBlock,
            Base64ImageSource,
            URLImageSource,
            Base64AudioSource,
            Base64DocumentSource,
            TextDocumentSource,
            URLDocumentSource,
        )
    }
)
json_forms.register_records("citations", Citation)
