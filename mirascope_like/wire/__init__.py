"""JSON ↔ values: one codec a protocol, pure functions of their input.

No codec performs I/O, imports a vendor's SDK, or knows a colour. `encode` turns a `Request` into a JSON body; an
answer, whole or streamed, becomes chunks. The engine folds those, so that a protocol has one way to say a thing, not
two.

A codec says what is wrong by raising `ReportedError` (the server reports a failure), `MalformedResponseError` (the
answer is
not of this protocol) or `TruncatedStreamError` (the bytes ended before the answer did). The engine makes the library's
errors of them, since only it knows who was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..values.chunks import Chunk
from ..values.messages import Message
from ..values.params import Params

if TYPE_CHECKING:
    from ..schema.dialects import Dialect
    from ..schema.formats import Format
    from ..schema.tools import ProviderTool, ToolSchema
    from .features import Features

__all__ = [
    "Codec",
    "Decoder",
    "EncodedRequest",
    "JsonObject",
    "MalformedResponseError",
    "ReportedError",
    "Request",
    "TruncatedStreamError",
    "WireError",
]

JsonObject: TypeAlias = dict[str, Any]


def _unknown_features() -> Features:
    from .features import UNKNOWN

    return UNKNOWN


@dataclass(slots=True, kw_only=True)
class Request:
    """All that a codec needs to know to ask. `model` is the name that is sent; `model_id` the one the user wrote."""

    model: str
    messages: Sequence[Message]
    params: Params = field(default_factory=lambda: Params())
    tools: Sequence[ToolSchema] = ()
    provider_tools: Sequence[ProviderTool] = ()
    format: Format[Any] | None = None
    provider_id: str = ""
    model_id: str = ""
    features: Features = field(default_factory=_unknown_features)
    stream: bool = False


@dataclass(slots=True)
class EncodedRequest:
    """A request as it goes out: the path below the provider's base URL, the JSON body, and headers of the protocol."""

    path: str
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Decoder(Protocol):
    """A state machine for one streamed answer: bytes in, chunks out, however the bytes are cut."""

    raw_events: list[str]
    """The text of each event so far."""
    is_complete: bool
    """Whether the answer is known to be whole, whatever may follow."""

    def feed(self, data: bytes) -> list[Chunk]:
        """Take in more bytes. Raises `ReportedError` or `MalformedResponseError`."""
        ...

    def end(self) -> list[Chunk]:
        """There are no more bytes. Raises `TruncatedStreamError` if the answer is not complete."""
        ...


class Codec(Protocol):
    """One wire protocol."""

    @property
    def schema_dialect(self) -> Dialect:
        """The JSON Schema that the server can hold a model to."""
        ...

    def encode(self, request: Request) -> EncodedRequest:
        """The JSON body that asks for what `request` says."""
        ...

    def decode(self, body: Any) -> list[Chunk]:
        """The chunks of a whole answer (parsed JSON). Raises `ReportedError` or `MalformedResponseError`."""
        ...

    def decoder(self) -> Decoder:
        """A fresh decoder for a streamed answer."""
        ...


class WireError(Exception):
    """What a codec raises. `chunks` is what the same bytes said before they went wrong, so that nothing is lost.

    Whoever sent the request adds the `headers` of the answer, and the `secrets` that the server's words may repeat."""

    chunks: Sequence[Chunk] = ()
    headers: Mapping[str, str] = MappingProxyType({})
    secrets: Sequence[str] = ()


class ReportedError(WireError):
    """The server says that it failed, by status, in the body, or inside a stream.

    `message` is all that it says: it is shown without its secrets, then shortened.
    `meaning` is the HTTP status that its words mean, where they say more than its status does. `is_lasting` if sending
    the request again cannot help, since somebody has to pay or to raise a limit first."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        meaning: int | None = None,
        type: str | None = None,
        code: str | None = None,
        body: object = None,
        request_id: str | None = None,
        is_lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.implied_status = meaning
        self.type = type
        self.code = code
        self.body = body
        self.request_id = request_id
        self.is_lasting = is_lasting


class MalformedResponseError(WireError):
    """The answer is not of the protocol. `quoted` is all it says: it is shown without its secrets, then shortened."""

    def __init__(self, reason: str, quoted: str) -> None:
        super().__init__(reason)
        self.response_text = quoted


class TruncatedStreamError(WireError):
    """The bytes ended before the answer did."""
