"""One request and its answer.

An `Exchange` is a request that is ready to go out. It gives its answer as chunks, whole or as they arrive, so what is
above it does not know how a model is reached: `HTTPExchange` goes over a transport and a codec, and a model that runs
in this process may give its chunks itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ProviderError
from ..transport.base import ByteStream, HttpReply, HttpRequest, Timeouts, Transport
from ..types.chunks import Chunk
from ..types.headers import Headers, check_headers, merge_headers
from ..types.timeout import as_timeout
from ..wire.codec import Codec, Decoder, MalformedResponseError, Request, WireError
from ..wire.json_parsing import parse_json
from ..wire.redaction import find_secrets
from .failures import check_status
from .runtime import Runtime

if TYPE_CHECKING:
    from ..schema.dialects.definitions import Dialect
    from ..wire.features import Features


class ChunkSource(Protocol):
    """An answer that is arriving."""

    @property
    def raw(self) -> list[str]:
        """The text of each event so far, in the provider's words. The reader may clear it."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response, by lower-case names; empty if there are none."""
        ...

    @property
    def cancel_safe(self) -> bool:
        """Whether `next` can be called again after a call of it was cancelled."""
        ...

    @property
    def loop_bound(self) -> bool:
        """Whether it can be read only in the event loop in which it began."""
        ...

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks (there may be none in what came); `None` behind the last.

        Raises `ProviderError` or `WireError`, whose `chunks` still count.
        """
        ...

    async def close(self) -> None:
        """Give up what has not come yet. Safe to call at any time, and twice."""
        ...


@dataclass(slots=True)
class WholeResponse:
    """A whole answer: its chunks, its body as parsed JSON, and the headers by lower-case names."""

    chunks: Sequence[Chunk]
    raw: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Exchange(Protocol):
    """A request that is ready to go out, once."""

    async def ask(self, runtime: Runtime) -> WholeResponse:
        """Send it and wait for the whole answer. Raises `ProviderError` or `WireError`."""
        ...

    async def open(self, runtime: Runtime) -> ChunkSource:
        """Send it and return when the answer begins. Raises `ProviderError` or `WireError`."""
        ...


class Endpoint(Protocol):
    """All that it takes to reach one model."""

    @property
    def provider_id(self) -> str:
        """Whose model it is."""
        ...

    @property
    def model(self) -> str:
        """The model's name there."""
        ...

    @property
    def features(self) -> Features:
        """What is known of it."""
        ...

    @property
    def schema_dialect(self) -> Dialect:
        """The JSON Schema that it can be held to."""
        ...

    def exchange(self, request: Request) -> Exchange:
        """Make a request ready to go out. Raises what is wrong with it; sends nothing."""
        ...


_WHOLE_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_STREAM_HEADERS = {"content-type": "application/json", "accept": "text/event-stream"}


@dataclass(slots=True, kw_only=True)
class HTTPEndpoint:
    """A model behind a URL. `headers` hold secrets and are in no repr; as `Headers` they are checked, and named in
    lower case."""

    provider_id: str
    model: str
    codec: Codec
    transport: Transport
    base_url: str
    headers: Mapping[str, str] = field(default_factory=Headers, repr=False)
    features: Features

    def __post_init__(self) -> None:
        if not isinstance(self.headers, Headers):  # else they are checked
            self.headers = merge_headers(check_headers(self.headers))

    @property
    def schema_dialect(self) -> Dialect:
        """The codec's."""
        return self.codec.schema_dialect

    def exchange(self, request: Request) -> HTTPExchange:
        """See `Endpoint`."""
        outgoing = self.codec.encode(request)
        extra = request.params.get("extra_body")
        headers = Headers(_STREAM_HEADERS if request.stream else _WHOLE_HEADERS)
        headers.update({name.lower(): value for name, value in outgoing.headers.items()})
        headers.update(self.headers)
        if extra_headers := request.params.get("extra_headers"):
            headers = merge_headers(headers, check_headers(extra_headers))
        timeout = as_timeout(request.params.get("timeout"))
        http = HttpRequest(
            self.base_url + outgoing.path,
            headers,
            _json_bytes({**outgoing.body, **extra} if extra else outgoing.body),
            Timeouts(timeout.connect, timeout.idle),
        )
        return HTTPExchange(self.transport, self.codec, http)


@dataclass(slots=True)
class HTTPExchange:
    """A request over a transport."""

    transport: Transport
    codec: Codec
    http: HttpRequest

    @property
    def secrets(self) -> list[str]:
        """The secrets that the request carries, those of a client of the user's too. No error may show them."""
        return _secrets(self.http)

    async def ask(self, runtime: Runtime) -> WholeResponse:
        """See `Exchange`."""
        reply = await runtime.channel(self.transport).post(self.http)
        try:
            check_status(reply.status, reply.headers, reply.body)
            body = _parsed(reply)
            answer = WholeResponse(self.codec.decode(body), body, reply.headers)
        except WireError as error:
            _note(error, self.http, reply.headers)
            raise
        self.http.sent = None  # what holds the answer holds this, too
        return answer

    async def open(self, runtime: Runtime) -> ChunkSource:
        """See `Exchange`."""
        body = await runtime.channel(self.transport).open(self.http)
        if not 200 <= body.status < 300:
            try:
                check_status(body.status, body.headers, await _read_all(body))
            except WireError as error:
                _note(error, self.http, body.headers)
                raise
        self.http = replace(self.http, body=b"")  # it is sent, and the stream may stay open for long
        return _Decoded(self.http, body, self.codec.decoder())


# Bytes that are decoded before what is in them is shown: of all that came at once, the first words need not wait for
# the last.
_AT_ONCE = 16 * 1024


class _Decoded:
    """The chunks of a body that is arriving."""

    def __init__(self, http: HttpRequest, body: ByteStream, decoder: Decoder) -> None:
        self._http = http
        self._body = body
        self._decoder = decoder
        self._data = b""
        self._taken = 0  # how much of it was decoded
        self._ended = False
        self.cancel_safe: bool = getattr(body, "cancel_safe", False)
        self.loop_bound: bool = getattr(body, "loop_bound", True)

    @property
    def raw(self) -> list[str]:
        return self._decoder.raw_events

    @property
    def headers(self) -> Mapping[str, str]:
        return self._body.headers

    async def next(self) -> Sequence[Chunk] | None:
        if self._ended:
            return None
        try:
            if self._taken >= len(self._data):
                data = await self._body.next()
                if data is None:
                    self._ended = True
                    chunks = self._decoder.end()
                    self._http.sent = None
                    return chunks
                self._data, self._taken = data, 0
            start, self._taken = self._taken, self._taken + _AT_ONCE
            return self._decoder.feed(self._data[start : self._taken])
        except (ProviderError, WireError) as error:
            if self._decoder.is_complete:
                self._ended = True  # the answer is whole; only the end of its connection went wrong
                return getattr(error, "chunks", ())
            if isinstance(error, WireError):
                _note(error, self._http, self._body.headers)
            raise

    async def close(self) -> None:
        await self._body.close()


def _note(error: WireError, http: HttpRequest, headers: Mapping[str, str]) -> None:
    """Add to what a codec raised what only the sender of the request knows."""
    error.headers = headers
    error.secrets = _secrets(http)


def _secrets(http: HttpRequest) -> list[str]:
    sent = http.sent
    return find_secrets(http.headers) if sent is None else find_secrets({**http.headers, **sent.headers}, str(sent.url))


async def _read_all(body: ByteStream) -> bytes:
    pieces: list[bytes] = []
    try:
        while (data := await body.next()) is not None:
            pieces.append(data)
    finally:
        await body.close()
    return b"".join(pieces)


def _parsed(reply: HttpReply) -> Any:
    try:
        return parse_json(reply.body)
    except (ValueError, RecursionError) as error:
        raise MalformedResponseError("the body is no JSON", reply.body.decode("utf-8", "replace")) from error


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _json_bytes(body: Mapping[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(body).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8; JSON can escape it
        return json.dumps(body, separators=(",", ":")).encode()
