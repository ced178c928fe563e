"""What transport and codec raise, in the library's own words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..errors import APIError, IncompleteStreamError, ProviderError, ResponseValidationError, api_error
from ..values.chunks import Reply
from ..wire import MalformedReply, ReportedError, TruncatedStream, WireError
from ..wire.failures import read_failure

__all__ = ["check_status", "in_our_words"]


def check_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises the error of an HTTP status that is one."""
    if 200 <= status < 300:
        return
    failure = read_failure(status, body)
    raise _reported(failure, headers)


def in_our_words(
    error: ProviderError | WireError, provider: str, model: str, partial: Reply | None = None
) -> ProviderError:
    """The library's error for what transport or codec raised, signed with who was asked and what had arrived."""
    match error:
        case ReportedError():
            made: ProviderError = _reported(error, {})
        case TruncatedStream():
            made = IncompleteStreamError(f"The stream ended early: {error}. What had arrived is in `partial`.")
        case MalformedReply():
            made = ResponseValidationError(f"The answer is not of the protocol: {error}.")
        case ProviderError():
            made = error
        case _:
            made = ResponseValidationError(str(error))
    made.provider = provider
    made.model = model
    made.partial = partial
    return made


def _reported(failure: ReportedError, headers: Mapping[str, str]) -> APIError:
    return api_error(
        failure.status,
        failure.message,
        type=failure.type,
        code=failure.code,
        body=failure.body,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=_retry_after(headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as far as the server said so in a way that can be understood."""
    try:
        seconds = _said_to_wait(headers)
    except (TypeError, ValueError):
        return None
    return seconds if seconds is not None and 0 <= seconds < math.inf else None


def _said_to_wait(headers: Mapping[str, str]) -> float | None:
    """From `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, 10.2.3)."""
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    if (value := headers.get("retry-after")) is None:
        return None
    if value.replace(".", "", 1).isdigit():
        return float(value)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
