"""The library's errors for failures of HTTP connections. No message quotes a header."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from .. import errors
from .base import HttpRequest


def read_timeout_error(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """Return the error for a server that was silent for too long."""
    limit = _time_limit_text(request.timeouts.read)
    return _timeout_error(f"{_host_of(request)} sent nothing{limit}. Pass a longer timeout if it needs more.", cause)


def connect_timeout_error(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """Return the error for a connection that took too long to open."""
    limit = _time_limit_text(request.timeouts.connect)
    return _timeout_error(f"No connection to {_host_of(request)}{limit}. Check the base_url and the network.", cause)


def pool_timeout_error(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """Return the error for a user's client that allows no further connection."""
    limit = f"to {_host_of(request)}{_time_limit_text(request.timeouts.read)}"
    return _timeout_error(
        f"The HTTP client had no free connection {limit}. Raise its limits, or make fewer calls at a time.", cause
    )


def connect_error(request: HttpRequest, reason: str, cause: BaseException | None) -> errors.ConnectionError:
    """Return the error for a connection that could not be opened."""
    check = "Check the base_url, the network, and that the server is running."
    return errors.ConnectionError(
        f"No connection to {_host_of(request)}: {reason}. {check}", original_exception=copy_error(cause)
    )


def broken_connection_error(request: HttpRequest, reason: str, cause: BaseException | None) -> errors.ConnectionError:
    """Return the error for a connection that failed while in use, or that delivered something other than HTTP."""
    return errors.ConnectionError(
        f"The connection to {_host_of(request)} broke: {reason}. Trying again may help.",
        original_exception=copy_error(cause),
    )


def decoding_error(reason: str, cause: BaseException) -> errors.ResponseValidationError:
    """Return the error for a body that does not match its `content-encoding`, or whose encoding is unknown."""
    return errors.ResponseValidationError(
        f"The response cannot be decompressed: {reason}.", original_exception=copy_error(cause)
    )


def invalid_header_error(request: HttpRequest) -> ValueError:
    """Return the error for an invalid header. Raise it without a cause or context, which may quote an API key."""
    return ValueError(
        f"The request to {_host_of(request)} has a header that HTTP does not allow. "
        "Is there a line break or a letter outside ASCII in the API key or in extra_headers?"
    )


def invalid_text_error(request: HttpRequest) -> ValueError:
    """Return the error for a body that the client cannot send because it escapes nothing."""
    return ValueError(
        f"The request to {_host_of(request)} has half of a surrogate pair in a text, which this client cannot send. "
        "Replace it, as in text.encode('utf-8', 'replace').decode()."
    )


def invalid_url_error(request: HttpRequest, reason: str) -> ValueError:
    """Return the error for a URL that cannot be posted to."""
    url = request.url.partition("?")[0]
    return ValueError(f"Invalid URL: {url!r}. {reason.rstrip('.')}. Check the base_url.")


def copy_error(error: BaseException | None, clean: Callable[[str], str] = str) -> BaseException | None:
    """Return an exception of the same type and text, and nothing else: attributes and frames of an HTTP client's
    exceptions hold the request's headers with API keys. `clean` may change the text.

    If the class cannot be constructed from its arguments, the copy is a plain `Exception` that names the class. The
    original loses its frames."""
    if error is None:
        return None
    text = clean(describe_error(error))
    drop_frames(error)
    for args in (error.args, (text,)):
        if all(isinstance(arg, str | int) for arg in args):
            with contextlib.suppress(Exception):
                copy = type(error)(*(clean(arg) if isinstance(arg, str) else arg for arg in args))
                if describe_error(copy) == text:
                    return copy
    return Exception(f"{type(error).__name__}: {text}")


def drop_frames(error: BaseException) -> None:
    """Drop the frames and the context of an exception and its causes.

    Each frame refers to its callers' frames, and an HTTP client's frames are often part of a reference cycle: a stream
    that the caller drops would stay open until the next garbage collection."""
    found: list[BaseException | None] = [error]
    seen: set[int] = set()
    while found:
        each = found.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            found += (each.__cause__, each.__context__)
            each.__traceback__ = each.__context__ = None


def describe_error(error: BaseException) -> str:
    """Return the text of an exception, or of its nearest cause that has one: under trio, only the cause names a bad
    certificate. If none has a text, return the name of its type."""
    cause: BaseException | None = error
    while cause is not None:
        if (text := errors.error_text(cause)) != type(cause).__name__:
            return text
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _timeout_error(message: str, cause: Exception) -> errors.TimeoutError:
    return errors.TimeoutError(message, original_exception=copy_error(cause))


def _time_limit_text(seconds: float | None) -> str:
    return " in time" if seconds is None else f" within {seconds:g} s"


def _host_of(request: HttpRequest) -> str:
    return request.url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "the server"
