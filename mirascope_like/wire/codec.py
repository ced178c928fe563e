"""Wire protocols: codecs that turn requests into JSON and responses into chunks.

Codecs are pure functions: they perform no I/O, import no vendor SDK, and are the same for sync and async. `encode`
turns a `Request` into a JSON body; a response, streamed or not, becomes chunks. So the engine assembles streamed and
non-streamed responses in the same way.

A codec raises `ReportedError` (the server reports a failure), `MalformedResponseError` (the response does not follow
the protocol) or `TruncatedStreamError` (the bytes ended before the response did). The engine turns these into the
library's errors, since only the engine knows which provider it called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..types.chunks import Chunk
from ..types.messages import Message
from ..types.params import Params
from .features import UNKNOWN, Features

if TYPE_CHECKING:
    from ..schema.dialects.definitions import Dialect
    from ..schema.formats import Format
    from ..schema.tools import ProviderTool, ToolSchema

JsonObject: TypeAlias = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Request:
    """All that a codec needs to encode a request. `model` is the name that is sent; `model_id` is the one the user
    wrote."""

    model: str
    messages: Sequence[Message]
    params: Params = field(default_factory=lambda: Params())
    tools: Sequence[ToolSchema] = ()
    provider_tools: Sequence[ProviderTool] = ()
    format: Format[Any] | None = None
    provider_id: str = ""
    model_id: str = ""
    features: Features = UNKNOWN
    stream: bool = False


@dataclass(slots=True)
class EncodedRequest:
    """An encoded request: the path below the provider's base URL, the JSON body, and headers of the protocol."""

    path: str
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Decoder(Protocol):
    """Decodes one streamed response: bytes in, chunks out, however the bytes are split."""

    raw_events: list[str]
    """The text of each event so far."""
    is_complete: bool
    """Whether the response is known to be complete, whatever follows."""

    def feed(self, data: bytes) -> list[Chunk]:
        """Decode more bytes. Raises `ReportedError` or `MalformedResponseError`."""
        ...

    def end(self) -> list[Chunk]:
        """Mark the end of the bytes. Raises `TruncatedStreamError` if the response is not complete."""
        ...


class Codec(Protocol):
    """One wire protocol."""

    @property
    def schema_dialect(self) -> Dialect:
        """The JSON Schema dialect that the server can enforce."""
        ...

    def encode(self, request: Request) -> EncodedRequest:
        """Encode a request."""
        ...

    def decode(self, body: Any) -> list[Chunk]:
        """Decode a complete, non-streamed response (parsed JSON). Raises `ReportedError` or
        `MalformedResponseError`."""
        ...

    def decoder(self) -> Decoder:
        """Return a new decoder for a streamed response."""
        ...


class WireError(Exception):
    """Base of the errors that codecs raise. `chunks` holds what was decoded from the same bytes before the error.

    The sender of the request adds the `headers` of the response, and the `secrets` that the server's text may repeat.
    """

    chunks: Sequence[Chunk] = ()
    headers: Mapping[str, str] = MappingProxyType({})
    secrets: Sequence[str] = ()


@dataclass(eq=False, repr=False)
class ReportedError(WireError):
    """The server reports a failure: by its status, in the body, or inside a stream.

    `message` is the server's full text; secrets are removed before it is shown, then it is truncated. `implied_status`
    is the HTTP status that the text implies, where it says more than the actual status. `is_permanent`: a
    retry cannot help until somebody pays or raises a limit.
    """

    message: str
    _: KW_ONLY
    status: int | None = None
    implied_status: int | None = None
    type: str | None = None
    code: str | None = None
    body: object = None
    request_id: str | None = None
    is_permanent: bool = False


class MalformedResponseError(WireError):
    """The response does not follow the protocol. `response_text` is its full text; secrets are removed before it is
    shown, then it is truncated."""

    def __init__(self, reason: str, response_text: str) -> None:
        super().__init__(reason)
        self.response_text = response_text


class TruncatedStreamError(WireError):
    """The bytes ended before the response did."""
