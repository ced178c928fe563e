"""What may go wrong between a call and its answer, and what then has to happen: one row each, for the tests and for
the table in docs/reliability.md."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..transport.server import Exchange, Server
from .protocols import MODEL, TEXT, Protocol
from .server import Answer, End, chunked, failing, gzipped, in_turn, raw, sized, until_close

SHORT = 0.2  # seconds of silence after which a call ends whose server says nothing more


@dataclass(frozen=True, kw_only=True)
class Row:
    """A scenario. `raises` is the error that the caller gets, `None` if it gets the answer; of what had arrived of
    a stream, nothing may be missing."""

    scenario: str
    answer: Callable[[Protocol], Callable[[Exchange], None]]
    raises: type[Exception] | None = None
    may_lose: bool = False  # no HTTP: a client may refuse all that comes together with the fault
    may_raise: type[Exception] | None = None  # an HTTP client that looks farther sees something else go wrong
    has: tuple[tuple[str, Any], ...] = ()  # attributes of the error
    stream: bool = False
    requests: int = 1
    retry: llm.RetryConfig | None = None

    @property
    def model(self) -> llm.Model:
        """Who is asked."""
        return llm.Model(MODEL, timeout=SHORT if "silence" in self.scenario else PATIENCE, retry=self.retry)


@dataclass(frozen=True)
class Outcome:
    """What happened: the text that the caller has in the end (of a broken stream, what had arrived), and the error."""

    text: str
    error: Exception | None
    requests: int


async def observe(row: Row, protocol: Protocol, colour: Colour, server: Server) -> Outcome:
    """Play a row."""
    before = len(server.received)
    protocol.register(server)
    server.answer = row.answer(protocol)
    text, error = "", None
    try:
        text = await ask(colour, row.model, row.stream)
    except (llm.ProviderError, llm.RetriesExhausted, ValueError) as raised:
        error = raised
        partial = getattr(raised, "partial", None)
        text = said_in(partial) if partial else ""
    return Outcome(text, error, len(server.received) - before)


async def ask(colour: Colour, model: llm.Model, stream: bool) -> str:
    """The text of an answer, whole or streamed."""
    if not stream:
        return said_in(await colour.got(colour.ask(model, "Hi")))
    response = await colour.got(colour.stream(model, "Hi"))
    await colour.got(response.finish())
    return said_in(response)


def said_in(answer: Any) -> str:
    """The texts of a response or a reply."""
    return "".join(part.text for part in answer.content if isinstance(part, llm.Text))


def statuses() -> list[Row]:
    """Error statuses, each with the error it is."""
    errors = {
        400: llm.BadRequestError,
        401: llm.AuthenticationError,
        403: llm.PermissionError,
        404: llm.NotFoundError,
        408: llm.ServerError,
        409: llm.ServerError,
        413: llm.BadRequestError,
        422: llm.BadRequestError,
        429: llm.RateLimitError,
        500: llm.ServerError,
        503: llm.ServerError,
        529: llm.ServerError,
    }
    return [
        Row(
            scenario=f"status {status}" + (", to a request for a stream" if stream else ""),
            answer=lambda _, status=status: failing(status, x_request_id="r7"),
            raises=error,
            has=(("status_code", status), ("request_id", "r7"), ("message", "Not now.")),
            stream=stream,
        )
        for stream in (False, True)
        for status, error in errors.items()
        if not stream or status in (401, 429, 503)
    ]


def told_to_wait(scenario: str, seconds: float | None, **headers: str) -> Row:
    return Row(
        scenario=f"status 429 with {scenario}",
        answer=lambda _: failing(429, **headers),
        raises=llm.RateLimitError,
        has=(("retry_after", seconds),),
    )


HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

STATUSES = [
    *statuses(),
    told_to_wait("`Retry-After: 3`", 3.0, retry_after="3"),
    told_to_wait("`Retry-After-Ms: 250`", 0.25, retry_after_ms="250"),
    told_to_wait("a `Retry-After` that is nonsense", None, retry_after="soon, -3"),
    Row(
        scenario="status 502 with a page of a proxy",
        answer=lambda _: sized(HTML, 502, content_type="text/html"),
        raises=llm.ServerError,
        has=(("body", HTML.decode()),),
    ),
    Row(
        scenario="status 503 with an empty body",
        answer=lambda _: sized(b"", 503),
        raises=llm.ServerError,
    ),
    Row(
        scenario="status 500 with a body of 4 MB",
        answer=lambda _: sized(b"x" * 4_000_000, 500),
        raises=llm.ServerError,
    ),
    Row(
        scenario="a redirect",
        answer=lambda _: sized(b"", 307, location="http://127.0.0.1:9/elsewhere"),
        raises=llm.APIError,
        has=(
            ("status_code", 307),
            ("message", "The server redirects to http://127.0.0.1:9/elsewhere, which is not followed. Check base_url."),
        ),
    ),
]

WHOLE = [
    Row(scenario="all is well", answer=lambda p: sized(p.whole())),
    Row(scenario="each byte comes alone", answer=lambda p: sized(p.whole()).byte_by_byte()),
    Row(scenario="the body is compressed", answer=lambda p: gzipped(p.whole())),
    Row(scenario="the body ends with the connection", answer=lambda p: until_close([p.whole()])),
    Row(scenario="the body has 4 MB of space before it", answer=lambda p: sized(b" " * 4_000_000 + p.whole())),
    Row(
        scenario="an informational status comes first",
        answer=lambda p: Answer((b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n", *sized(p.whole()).writes)),
    ),
    Row(
        scenario="the connection is closed before the answer",
        answer=lambda _: raw().then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="the connection is reset before the answer",
        answer=lambda _: raw().then("reset"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="the headers are cut",
        answer=lambda p: sized(p.whole()).cut(25).then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="the answer is no HTTP",
        answer=lambda _: raw(b"SSH-2.0-OpenSSH_9.7\r\n\r\n").then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="a header has no end",
        answer=lambda _: raw(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 1_000_000).then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="the body is shorter than it says",
        answer=lambda p: sized(p.whole(), claimed=len(p.whole()) + 9).then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="the body is longer than it says",
        answer=lambda p: sized(p.whole(), claimed=len(p.whole()) - 9).then("close"),
        raises=llm.ResponseValidationError,
        may_raise=llm.ConnectionError,
    ),
    Row(
        scenario="the connection is reset in the body",
        answer=lambda p: sized(p.whole()).cut(150).then("reset"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="a chunk has no size",
        answer=lambda p: chunked([p.whole()]).spoilt(b"\r\n{", b"zz\r\n{").then("close"),
        raises=llm.ConnectionError,
    ),
    Row(
        scenario="a compressed body is cut",
        answer=lambda p: sized(gzip.compress(p.whole())[:-20], content_encoding="gzip"),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is empty",
        answer=lambda _: sized(b""),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is a web page",
        answer=lambda _: sized(HTML, content_type="text/html"),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is cut JSON",
        answer=lambda p: sized(p.whole()[:-5]),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is `null`",
        answer=lambda _: sized(b"null"),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is other JSON",
        answer=lambda _: sized(b'{"answer": [42]}'),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is nested 100,000 deep",
        answer=lambda _: sized(b"[" * 100_000),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="the body is no UTF-8",
        answer=lambda p: sized(p.whole().replace("ü".encode(), b"\xfc")),
        raises=llm.ResponseValidationError,
    ),
    Row(
        scenario="an error with status 200",
        answer=lambda p: sized(p.failure.partition(b"data: ")[2]),
        raises=llm.ServerError,
        has=(("message", "Overloaded."),),
    ),
    Row(
        scenario="silence before the headers",
        answer=lambda _: raw().then("stall"),
        raises=llm.TimeoutError,
    ),
    Row(
        scenario="silence after the headers",
        answer=lambda p: sized(p.whole()).first(0).then("stall"),
        raises=llm.TimeoutError,
    ),
    Row(
        scenario="silence in the body",
        answer=lambda p: sized(p.whole()).cut(150).then("stall"),
        raises=llm.TimeoutError,
    ),
]


def streamed(scenario: str, answer: Callable[[Protocol], Answer], raises: type[Exception] | None = None) -> Row:
    return Row(scenario=scenario, answer=answer, raises=raises, stream=True)


def broken(end: End, after: int = 5) -> Callable[[Protocol], Answer]:
    """A stream that comes to this end after some events."""
    return lambda protocol: chunked(protocol.events()).first(after).then(end)


def followed_by(wrong: bytes) -> Callable[[Protocol], Answer]:
    """A stream that says some and then this."""
    return lambda protocol: chunked([*protocol.events()[:5], wrong])


def among(events: list[bytes], *more: bytes) -> list[bytes]:
    """Events with others in their middle."""
    middle = len(events) // 2
    return [*events[:middle], *more, *events[middle:]]


STREAM = [
    streamed("all is well", lambda p: chunked(p.events())),
    streamed("each byte comes alone", lambda p: chunked(p.events()).byte_by_byte()),
    streamed("each byte is a chunk", lambda p: chunked([bytes([b]) for b in b"".join(p.events())])),
    streamed("everything comes at once", lambda p: chunked(p.events()).at_once()),
    streamed("the body ends with the connection", lambda p: until_close(p.events())),
    streamed(
        "lines end in CR LF, with a byte-order mark before and comments between",
        lambda p: chunked([b"\xef\xbb\xbf", *(e.replace(b"\n", b"\r\n") + b": ping\r\n\r\n" for e in p.events())]),
    ),
    streamed("events of unknown kinds come between", lambda p: chunked(among(p.events(), *UNKNOWN[p.name]))),
    streamed("the last event has no empty line", lambda p: chunked([b"".join(p.events()).rstrip(b"\n")])),
    streamed("the server goes on after the end", lambda p: chunked([*p.events(), *p.events()])),
    streamed("the connection is reset after the end", broken("reset", after=-1)),
    streamed("noise follows the end", lambda p: chunked([*p.events(), b"data: {oops\n\n"])),
    streamed("the server answers whole", lambda p: sized(p.whole())),
    streamed(
        "the stream ends in good order, before the answer does",
        lambda p: chunked(p.events()[:5]),
        llm.IncompleteStreamError,
    ),
    streamed("… so does one that says nothing", lambda _: chunked([]), llm.IncompleteStreamError),
    streamed("the connection is closed", broken("close"), llm.ConnectionError),
    streamed("our direction alone is closed", broken("half-close"), llm.ConnectionError),
    streamed("the connection is reset", broken("reset"), llm.ConnectionError),
    streamed(
        "the connection ends, and with it a body of no length",
        lambda p: until_close(p.events()[:5]),
        llm.IncompleteStreamError,
    ),
    streamed("an event reports an error", lambda p: chunked([*p.events()[:5], p.failure]), llm.ServerError),
    streamed("an event is no JSON", followed_by(b"data: {oops\n\n"), llm.ResponseValidationError),
    streamed(
        "an event is JSON of another kind",
        followed_by(b"data: [1]\n\n"),
        llm.ResponseValidationError,
    ),
    streamed("noise follows", followed_by(bytes(range(256)) * 40), llm.IncompleteStreamError),
    Row(
        scenario="a chunk has no size",
        answer=lambda p: Answer((*chunked(p.events()[:5]).writes[:-1], b"zz\r\n\r\n"), "close"),
        raises=llm.ConnectionError,
        may_lose=True,
        stream=True,
    ),
    streamed("the body is a web page", lambda _: sized(HTML, content_type="text/html"), llm.IncompleteStreamError),
    streamed(
        "an error with status 200, whole",
        lambda p: sized(p.failure.partition(b"data: ")[2]),
        llm.ServerError,
    ),
    streamed("silence before the headers", lambda _: raw().then("stall"), llm.TimeoutError),
    streamed("silence after the headers", broken("stall", after=0), llm.TimeoutError),
    streamed("silence in the middle", broken("stall"), llm.TimeoutError),
    streamed("silence before the end of the chunks", broken("stall", after=-1)),
]

UNKNOWN = {
    "chat": (b'data: {"object": "telemetry", "choices": []}\n\n', b"event: ping\n\n"),
    "responses": (b'data: {"type": "response.telemetry", "load": 0.5}\n\n', b"event: ping\n\n"),
    "messages": (b'event: telemetry\ndata: {"type": "telemetry", "load": 0.5}\n\n', b"event: ping\n\n"),
}

AGAIN = llm.RetryConfig(max_retries=2, initial_delay=0)


def retried(
    scenario: str,
    answer: Callable[[Protocol], Callable[[Exchange], None]],
    requests: int,
    raises: type[Exception] | None = None,
    *,
    stream: bool = False,
    retry: llm.RetryConfig = AGAIN,
) -> Row:
    return Row(scenario=scenario, answer=answer, raises=raises, requests=requests, stream=stream, retry=retry)


def then_well(*wrong: Answer, stream: bool = False) -> Callable[[Protocol], Callable[[Exchange], None]]:
    """These answers, and then a right one."""
    return lambda p: in_turn(*wrong, chunked(p.events()) if stream else sized(p.whole()))


def broken_then_well(protocol: Protocol) -> Callable[[Exchange], None]:
    """A stream that is cut, and then a right one."""
    return in_turn(broken("reset")(protocol), chunked(protocol.events()))


RETRIED = [
    retried("status 503, then all is well", then_well(failing(503)), 2),
    retried("status 503, to a request for a stream", then_well(failing(503), stream=True), 2, stream=True),
    retried("status 429 with `Retry-After-Ms: 1`", then_well(failing(429, retry_after_ms="1")), 2),
    retried("status 429 with `Retry-After: 3600`", lambda _: failing(429, retry_after="3600"), 1, llm.RetriesExhausted),
    retried(
        "status 503 with `X-Should-Retry: false`",
        lambda _: failing(503, x_should_retry="false"),
        1,
        llm.RetriesExhausted,
    ),
    retried("status 400 with `X-Should-Retry: true`", then_well(failing(400, x_should_retry="true")), 2),
    retried("status 400", lambda _: failing(400), 1, llm.BadRequestError),
    retried("status 503, always", lambda _: failing(503), 3, llm.RetriesExhausted),
    retried("the connection is reset, twice", then_well(raw().then("reset"), raw().then("reset")), 3),
    retried("silence, then all is well", then_well(raw().then("stall")), 2),
    retried("a stream that is cut before it says anything", then_well(chunked([]), stream=True), 2, stream=True),
    retried("a stream that is cut after some text", broken("reset"), 1, llm.ConnectionError, stream=True),
    retried(
        'a stream that is cut after some text, with `after_output="restart"`',
        broken_then_well,
        2,
        stream=True,
        retry=llm.RetryConfig(max_retries=2, initial_delay=0, after_output="restart"),
    ),
]

ROWS = [*STATUSES, *WHOLE, *STREAM, *RETRIED]


def expected_text(row: Row, protocol: Protocol) -> str:
    """What the caller must have in the end: everything, or of a broken stream what its complete events brought."""
    if row.raises is None:
        return TEXT
    answer = row.answer(protocol)
    return protocol.says(b"".join(answer.writes)) if row.stream and isinstance(answer, Answer) else ""
