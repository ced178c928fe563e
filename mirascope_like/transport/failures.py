"""What can go wrong between a request and its answer, in the library's words. None of them quotes a header."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from .. import errors
from . import HttpRequest

__all__ = [
    "bad_header",
    "bad_text",
    "bad_url",
    "broken",
    "copied",
    "drop_frames",
    "no_answer",
    "no_connection",
    "no_free_connection",
    "not_connected",
    "said",
    "undecodable",
]


def no_answer(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """The server was silent for too long."""
    waited = _within(request.timeouts.read)
    return _late(f"{_host(request)} said nothing{waited}. Pass a longer timeout if it needs more.", cause)


def not_connected(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """Connecting took too long."""
    waited = _within(request.timeouts.connect)
    return _late(f"No connection to {_host(request)}{waited}. Check the base_url and the network.", cause)


def no_free_connection(request: HttpRequest, cause: Exception) -> errors.TimeoutError:
    """The user's own client allows no further connection."""
    waited = f"to {_host(request)}{_within(request.timeouts.read)}"
    return _late(f"The HTTP client had no free connection {waited}. Raise its limits, or call less at a time.", cause)


def no_connection(request: HttpRequest, said: str, cause: BaseException | None) -> errors.ConnectionError:
    """Connecting failed."""
    check = "Check the base_url, the network, and that the server is running."
    return errors.ConnectionError(
        f"No connection to {_host(request)}: {said}. {check}", original_exception=copied(cause)
    )


def broken(request: HttpRequest, said: str, cause: BaseException | None) -> errors.ConnectionError:
    """The connection failed in the middle, or what came over it is no HTTP."""
    return errors.ConnectionError(
        f"The connection to {_host(request)} broke: {said}. Trying again may help.", original_exception=copied(cause)
    )


def undecodable(said: str, cause: BaseException) -> errors.ResponseValidationError:
    """The body is not compressed as its `content-encoding` says, or in a way that is not known here."""
    return errors.ResponseValidationError(
        f"The answer cannot be decompressed: {said}.", original_exception=copied(cause)
    )


def bad_header(request: HttpRequest) -> ValueError:
    """A header cannot be sent. Raise this without a cause or context, which may quote an API key."""
    return ValueError(
        f"The request to {_host(request)} has a header that HTTP does not allow. "
        "Is there a line break or a letter outside ASCII in the API key or in extra_headers?"
    )


def bad_text(request: HttpRequest) -> ValueError:
    """The body cannot be sent, by a client that escapes nothing."""
    return ValueError(
        f"The request to {_host(request)} has half of a surrogate pair in a text, which this client cannot send. "
        "Replace it, as in text.encode('utf-8', 'replace').decode()."
    )


def bad_url(request: HttpRequest, said: str) -> ValueError:
    """The URL is none that can be posted to."""
    url = request.url.partition("?")[0]
    return ValueError(f"Not a URL to post to: {url!r}. {said.rstrip('.')}. Check the base_url.")


def copied(error: BaseException | None, clean: Callable[[str], str] = str) -> BaseException | None:
    """Return an exception of the same type and text, with nothing else: attributes and frames of an HTTP client's
    exceptions hold the request's headers, and API keys in them. `clean` may change the text.

    If the class makes none from its arguments, the copy is a plain one that names the class. The original loses its
    frames."""
    if error is None:
        return None
    drop_frames(error)
    text = clean(said(error))
    for args in (error.args, (text,)):
        if all(isinstance(arg, str | int) for arg in args):
            with contextlib.suppress(Exception):
                copy = type(error)(*(clean(arg) if isinstance(arg, str) else arg for arg in args))
                if said(copy) == text:
                    return copy
    return Exception(f"{type(error).__name__}: {text}")


def drop_frames(error: BaseException) -> None:
    """Drop the frames of an exception, its causes and contexts.

    Each frame refers to its callers' frames, and an HTTP client's frames are often part of a reference cycle: a stream
    that the caller drops would stay open until the next garbage collection."""
    found: list[BaseException | None] = [error]
    seen: set[int] = set()
    while found:
        each = found.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            found += (each.__cause__, each.__context__)


def said(error: BaseException) -> str:
    """What an exception says, or the nearest of its causes that says something: under trio, a bad certificate is only
    told there. If none does, the name of its type."""
    cause: BaseException | None = error
    while cause is not None:
        if (text := errors.error_text(cause)) != type(cause).__name__:
            return text
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _late(message: str, cause: Exception) -> errors.TimeoutError:
    return errors.TimeoutError(message, original_exception=copied(cause))


def _within(seconds: float | None) -> str:
    return " in time" if seconds is None else f" within {seconds:g} s"


def _host(request: HttpRequest) -> str:
    return request.url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "the server"
