"""What went wrong, in the library's own words: one place for all providers, transports and codecs.

Whoever fails says so in its own way: a status, an error in the body or the stream of an answer that began with 200,
bytes that are not of the protocol, a connection that breaks. Here each becomes an error of the library, signed with who
was asked, without the secrets that a server may have repeated.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
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
from ..transport.connection_errors import copy_error
from ..wire.codec import MalformedResponseError, ReportedError, TruncatedStreamError, WireError
from ..wire.error_bodies import parse_error_body
from ..wire.redaction import redact, redact_and_truncate
from ..wire.response_headers import request_id
from ..wire.retry_after import parse_retry_after

if TYPE_CHECKING:
    from ..types.chunks import Reply

FAILURES = (ProviderError, WireError, builtins.ConnectionError, builtins.TimeoutError)
"""What transports and codecs raise, those of users included."""

# Characters of what a server says.
_LONGEST_MESSAGE = 2_000
_LONGEST_QUOTE = 200


def check_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises `ReportedError` for an HTTP status that is an error."""
    if 300 <= status < 400 and (location := headers.get("location")):
        words = f"The server redirects to {location}, which is not followed. Check base_url."
        raise ReportedError(words, status=status, body=body.decode("utf-8", "replace"))
    if not 200 <= status < 300:
        raise parse_error_body(status, body)


def in_our_words(
    error: BaseException, provider: str, model: str, secrets: Sequence[str] = (), partial: Reply | None = None
) -> ProviderError:
    """The library's error for what a transport or codec raised (one of `FAILURES`), signed with who was asked.

    Nothing in it holds one of the request's `secrets`: not its words, not its cause, which is a copy of what was
    raised, and not its frames, which begin where it is raised next. `partial` is what had arrived. Raise it outside of
    the `except` block, where it would get a context."""
    made = _made(error)
    cause = made.original_exception or error.__cause__
    made.original_exception = made.__cause__ = copy_error(cause, lambda text: redact(text, secrets))
    made.__context__ = made.__traceback__ = None
    made.message = redact(made.message, secrets)
    made.args = (made.message,)
    if isinstance(error, WireError):
        made.request_id = redact(made.request_id or request_id(error.headers), secrets)
    if isinstance(made, APIError):
        made.body = redact(made.body, secrets)
        made.code = redact(made.code, secrets)
        made.type = redact(made.type, secrets)
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
        case TruncatedStreamError():
            return IncompleteStreamError(f"The stream ended early: {error}. What had arrived is in `partial`.")
        case MalformedResponseError():
            quoted = redact_and_truncate(error.response_text, error.secrets, _LONGEST_QUOTE)
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
        redact_and_truncate(failure.message, failure.secrets, _LONGEST_MESSAGE),
        meaning=failure.implied_status,
        type=failure.type,
        code=failure.code,
        body=failure.body,
        request_id=failure.request_id,
        retry_after=parse_retry_after(headers, failure.body, failure.message),
        should_retry=_should_retry(failure),
    )


def _should_retry(failure: ReportedError) -> bool | None:
    """Return whether the server says that a retry may help; `None` if it does not say."""
    said = _SHOULD_RETRY.get(failure.headers.get("x-should-retry", "").strip().lower())
    return False if failure.is_permanent else said


_SHOULD_RETRY = {"true": True, "false": False}
