"""What went wrong, in the library's own words: one place for all providers, transports and codecs.

Whoever fails says so in its own way: a status, an error in the body or the stream of an answer that began with 200,
bytes that are not of the protocol, a connection that breaks. Here each becomes an error of the library, signed with who
was asked, without the secrets that a server may have repeated.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import (
    APIError,
    ConnectionError,
    IncompleteStreamError,
    ProviderError,
    ResponseValidationError,
    TimeoutError,
    api_error,
    error_text,
)
from ..wire import MalformedReply, ReportedError, TruncatedStream, WireError
from ..wire.failures import read_failure
from ..wire.secrets import redacted, shortened

if TYPE_CHECKING:
    from ..values.chunks import Reply

__all__ = ["FAILURES", "check_status", "in_our_words"]

FAILURES = (ProviderError, WireError, builtins.ConnectionError, builtins.TimeoutError)
"""What transports and codecs raise, those of users included."""

# Characters of what a server says.
_LONGEST_MESSAGE = 2_000
_LONGEST_QUOTE = 200
# Names of providers and of the clouds that serve their models, most telling first.
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "mistral-correlation-id")


def check_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises `ReportedError` for an HTTP status that is an error."""
    if 300 <= status < 400 and (location := headers.get("location")):
        words = f"The server redirects to {location}, which is not followed. Check base_url."
        raise ReportedError(words, status=status, body=body.decode("utf-8", "replace"))
    if not 200 <= status < 300:
        raise read_failure(status, body)


def in_our_words(error: BaseException, provider: str, model: str, partial: Reply | None = None) -> ProviderError:
    """The library's error for what a transport or codec raised (one of `FAILURES`), signed with who was asked.

    `partial` is what had arrived. Raise it from its `original_exception`: what the codec raised may quote a secret."""
    made = _made(error)
    made.original_exception = made.original_exception or error.__cause__
    if isinstance(error, WireError):
        made.message = redacted(made.message, error.secrets)
        made.args = (made.message,)
        made.request_id = redacted(made.request_id or _request_id(error.headers), error.secrets)
        if isinstance(made, APIError):
            made.body = redacted(made.body, error.secrets)
            made.code = redacted(made.code, error.secrets)
            made.type = redacted(made.type, error.secrets)
    made.provider = provider
    made.model = model
    made.partial = partial
    return made


def _made(error: BaseException) -> ProviderError:
    match error:
        case ProviderError():
            return error
        case ReportedError():
            return _reported(error)
        case TruncatedStream():
            return IncompleteStreamError(f"The stream ended early: {error}. What had arrived is in `partial`.")
        case MalformedReply():
            quoted = shortened(error.quoted, error.secrets, _LONGEST_QUOTE)
            return ResponseValidationError(f"The answer is not of the protocol: {error}: {quoted!r}.")
        case builtins.TimeoutError():
            return TimeoutError(error_text(error), original_exception=error)
        case OSError():
            return ConnectionError(error_text(error), original_exception=error)
        case _:
            return ResponseValidationError(error_text(error))


def _reported(failure: ReportedError) -> APIError:
    headers = failure.headers
    return api_error(
        failure.status,
        shortened(failure.message, failure.secrets, _LONGEST_MESSAGE),
        meaning=failure.meaning,
        type=failure.type,
        code=failure.code,
        body=failure.body,
        request_id=failure.request_id,
        retry_after=_retry_after(headers),
        should_retry=_SHOULD_RETRY.get(headers.get("x-should-retry", "").strip().lower()),
    )


_SHOULD_RETRY = {"true": True, "false": False}


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as the first header says that can be understood."""
    for name, read in _WAITS.items():
        with suppress(TypeError, ValueError, OverflowError):
            if name in headers and 0 <= (seconds := read(headers[name])) < math.inf:
                return seconds
    return None


def _milliseconds(value: str) -> float:
    return float(value) / 1000


def _seconds_or_date(value: str) -> float:
    """RFC 9110, 10.2.3."""
    if value.replace(".", "", 1).isdigit():
        return float(value)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())


_WAITS = {"retry-after-ms": _milliseconds, "retry-after": _seconds_or_date}
