"""Every error the library raises, and whose fault each one is.

    Error
    ├── ProviderError                      talking to a model server failed
    │   ├── APIError                       the server answered with an error
    │   │   ├── BadRequestError            400, 413, 422: ours or the caller's
    │   │   ├── AuthenticationError        401: the key
    │   │   ├── PermissionError            403: the account        (also a builtins.PermissionError)
    │   │   ├── NotFoundError              404: the model or the URL
    │   │   ├── RateLimitError             429: too much, too soon
    │   │   └── ServerError                5xx: theirs; 408, 409, 425: it will pass
    │   ├── ConnectionError                no connection, or lost  (also a builtins.ConnectionError)
    │   │   └── IncompleteStreamError      a stream ended before its end was announced; has `.partial`
    │   ├── TimeoutError                   a timeout has passed    (also a builtins.TimeoutError)
    │   └── ResponseValidationError        an answer that is not of the protocol
    ├── RetriesExhausted                   all attempts failed; has `.failures`
    ├── StreamRestarted                    a stream broke and is sent again: read it from its start
    ├── StreamClosedError                  reading on after a stream was closed by its reader
    ├── ToolError                          told to the model in place of a result
    │   ├── ToolExecutionError             the tool raised, or its arguments did not fit
    │   └── ToolNotFoundError              the model called a tool that it was not given
    ├── ParseError                         the reply is not of the wanted type
    ├── FeatureNotSupportedError           the provider or model cannot do what was asked
    ├── NoRegisteredProviderError          no provider for this model id
    ├── MissingAPIKeyError                 the provider's key is not set
    ├── DownloadError                      a file is not downloaded: its URL, address or size (also a ValueError)
    ├── LogError                           a log could not be written or read, or has no such entry
    ├── UnknownModelError                  no model of this name           (also a KeyError)
    ├── ChainLimitExceeded                 one more round of tools than allowed (also a ValueError)
    ├── ToolCallLimitExceeded              more tool calls in one response than allowed
    └── ModelError                         for models that users write
        └── NeedsKeyException              such a model's key is not set

The three names that Python has too inherit from Python's, so that `except TimeoutError` works with either.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .values.tool_errors import Error, ToolError, ToolExecutionError, ToolNotFoundError

if TYPE_CHECKING:
    from .values.chunks import Reply
    from .values.model_like import ModelLike

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "CapabilityWarning",
    "ChainLimitExceeded",
    "ConnectionError",
    "DownloadError",
    "Error",
    "FeatureNotSupportedError",
    "IncompleteStreamError",
    "LogError",
    "MissingAPIKeyError",
    "ModelError",
    "NeedsKeyException",
    "NoRegisteredProviderError",
    "NotFoundError",
    "ParseError",
    "PermissionError",
    "ProviderError",
    "RateLimitError",
    "ResponseValidationError",
    "RetriesExhausted",
    "RetryFailure",
    "ServerError",
    "StreamClosedError",
    "StreamRestarted",
    "TimeoutError",
    "ToolCallLimitExceeded",
    "ToolError",
    "ToolExecutionError",
    "ToolNotFoundError",
    "UnknownModelError",
    "UnsupportedParamWarning",
    "api_error",
    "error_text",
]


class ProviderError(Error):
    """Talking to a model server failed.

    `provider` and `model` say where (`None` until known), and `request_id` is for the provider's support (`None` if no
    answer had begun). `original_exception`, which is also the `__cause__`, is a copy of what was caught, if anything:
    its type and text alone, since the exceptions of HTTP clients hold API keys. `partial` is what a broken stream had
    delivered before it broke.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        request_id: str | None = None,
        original_exception: BaseException | None = None,
        partial: Reply | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.request_id = request_id
        self.original_exception = original_exception
        self.partial = partial

    def __str__(self) -> str:
        where = "/".join(part for part in (self.provider, self.model) if part)
        return f"{where}: {self.message}" if where else self.message


class APIError(ProviderError):
    """The server answered with an error.

    `status_code` is the HTTP status (of an error reported inside an answer that began with 200: the status that it
    names or means, else `None`), `code` and `type` are the provider's own words, `body` is its JSON or text without
    secrets, `retry_after` is how long it asks to wait, in seconds, and `should_retry` whether it says that asking
    again may help (`None` if it does not say).
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        type: str | None = None,
        code: str | None = None,
        body: object = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        provider: str | None = None,
        model: str | None = None,
        request_id: str | None = None,
        original_exception: BaseException | None = None,
        partial: Reply | None = None,
    ) -> None:
        super().__init__(
            message,
            provider=provider,
            model=model,
            request_id=request_id,
            original_exception=original_exception,
            partial=partial,
        )
        self.status_code = status_code
        self.type = type
        self.code = code
        self.body = body
        self.retry_after = retry_after
        self.should_retry = should_retry

    def __str__(self) -> str:
        text = super().__str__()
        notes = [f"HTTP {self.status_code}"] if self.status_code is not None else []
        if self.request_id:
            notes.append(f"request {self.request_id}")
        return f"{text} ({', '.join(notes)})" if notes else text


class BadRequestError(APIError):
    """The server did not understand or accept the request (400, 413, 422)."""


class AuthenticationError(APIError):
    """The API key is missing or wrong (401)."""


class PermissionError(APIError, builtins.PermissionError):
    """The key is right but may not do this (403)."""


class NotFoundError(APIError):
    """No such model or address (404)."""


class RateLimitError(APIError):
    """Too many requests or tokens, or no credit (429). `retry_after` says how long to wait, if the server said so."""


class ServerError(APIError):
    """The server failed (5xx), or something was in the way that passes: it waited too long for the request (408), was
    busy with another (409), or would not take it so early (425)."""


class ConnectionError(ProviderError, builtins.ConnectionError):
    """No connection could be made, or it broke."""


class IncompleteStreamError(ConnectionError):
    """A stream ended before the provider announced its end. `partial` is what had arrived until then."""


class TimeoutError(ProviderError, builtins.TimeoutError):
    """A call took longer than one of its timeouts allows; the message says which."""


class ResponseValidationError(ProviderError):
    """The server's answer is not of the protocol it should speak."""


@dataclass(frozen=True, slots=True)
class RetryFailure:
    """One attempt that failed: which model was asked, and what it failed with."""

    model: ModelLike
    exception: Exception

    def __str__(self) -> str:
        return f"{self.model.model_id}: {type(self.exception).__name__}: {self.exception}"


class RetriesExhausted(Error):
    """All attempts failed. `failures` are what each failed with, in order; the cause is the last.

    `reason` says why retrying stopped early; empty if all allowed attempts were made.
    """

    def __init__(self, failures: Sequence[RetryFailure], reason: str = "") -> None:
        self.failures: tuple[RetryFailure, ...] = tuple(failures)
        self.reason = reason
        count = len(self.failures)
        head = "The attempt failed" if count == 1 else f"All {count} attempts failed"
        lines = "".join(f"\n- {failure}" for failure in self.failures)
        super().__init__(f"{head}.{f' No other was made: {reason}' if reason else ''}{lines}")

    @property
    def partial(self) -> Reply | None:
        """What the last attempt had delivered before it broke, if anything."""
        last = self.failures[-1].exception if self.failures else None
        return last.partial if isinstance(last, ProviderError) else None


class StreamRestarted(Error):
    """A stream broke after something of it was shown, and is being sent again: what was shown counts no more.

    `failure` is what it broke with. The response is as new: read it from the start.
    """

    def __init__(self, failure: RetryFailure) -> None:
        self.failure = failure
        super().__init__(f"The stream broke and begins anew; iterate over the response again. It broke with {failure}")


class StreamClosedError(Error):
    """A stream was closed by its reader (by `close`, by leaving its `with`, or by breaking out of its loop) and then
    read on. What had arrived can still be read from the response's properties."""


class ParseError(Error):
    """The reply is not of the wanted type.

    `original_exception` says why, `text` is what the model wrote. `retry_message()` is what to tell the model. If
    `cut_off`, a limit (of tokens, of the context) ended the reply before it was complete: the model did not err.
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        original_exception: BaseException | None = None,
        advice: str = "Answer again, correcting this. Write only the answer, in the format that was asked for.",
        cut_off: bool = False,
    ) -> None:
        super().__init__(message)
        self.text = text
        self.original_exception = original_exception
        self.cut_off = cut_off
        self._advice = advice

    def retry_message(self) -> str:
        """What to tell the model so that it can mend its answer: text for `response.resume(...)`."""
        return f"Your last answer could not be used: {self}\n{self._advice}"


class FeatureNotSupportedError(Error):
    """The provider or model cannot do what was asked."""

    def __init__(self, feature: str, provider_id: str, model_id: str | None = None, message: str | None = None) -> None:
        self.feature = feature
        self.provider_id = provider_id
        self.model_id = model_id
        where = f"{provider_id} (model {model_id!r})" if model_id else provider_id
        super().__init__(message or f"{feature} is not supported by {where}.")


class NoRegisteredProviderError(Error):
    """No provider is registered for this model id."""

    def __init__(self, model_id: str, known: tuple[str, ...] = ()) -> None:
        self.model_id = model_id
        scopes = f" Known scopes: {', '.join(known)}." if known else ""
        super().__init__(
            f"No provider is registered for {model_id!r}.{scopes} "
            "For another server, call llm.register_provider('openai:completions', scope='…/', base_url='…')."
        )


class MissingAPIKeyError(Error):
    """The provider's API key is not set."""

    def __init__(self, provider_id: str, env_var: str) -> None:
        self.provider_id = provider_id
        self.env_var = env_var
        super().__init__(
            f"No API key for {provider_id!r}: set the environment variable {env_var}, "
            f"or call llm.register_provider({provider_id!r}, api_key='…')."
        )


class DownloadError(Error, ValueError):
    """A file is not downloaded, by the rules for downloads: its URL is not http:// or https://, its host is not at a
    public address, there are too many redirects, or the file is too large or compressed. What the network or the server
    refuses is a `ConnectionError` or `TimeoutError`."""


class LogError(Error):
    """A log could not be written or read, or has no such entry."""


class UnknownModelError(Error, KeyError):
    """There is no model of this name, or none of this colour."""

    def __str__(self) -> str:  # a KeyError would show its message as a key, in quotes
        return str(self.args[0])


class ChainLimitExceeded(Error, ValueError):
    """A chain needs one more call of the model than its limit allows. `responses` are the finished ones; the tool calls
    of the last were not run."""

    def __init__(self, limit: int, responses: Sequence[Any] = ()) -> None:
        self.limit = limit
        self.responses: list[Any] = list(responses)
        super().__init__(
            f"Chain limit of {limit} exceeded: the model still calls tools. What is finished is in `responses`; "
            "reply() to the last of them goes on."
        )


class ToolCallLimitExceeded(Error):
    """A response makes more tool calls than `tool_call_limit` allows. None of them was run. `count` is how many it
    makes."""

    def __init__(self, count: int, limit: int) -> None:
        self.count = count
        self.limit = limit
        super().__init__(
            f"The response makes {count} tool calls; at most {limit} are run, so none was. Raise the limit with "
            "tool_call_limit=… if this is meant."
        )


class ModelError(Error):
    """What models that users write may raise for their own failures."""


class NeedsKeyException(ModelError):
    """A model's key is not set."""


class UnsupportedParamWarning(UserWarning):
    """A parameter was left out of a request because the provider or model is known not to take it."""


class CapabilityWarning(UserWarning):
    """A server refused a part of a request. The request was sent again without it, and later ones spare it that."""


# HTTP status → error. A status that is not listed: 4xx is the request's fault, 5xx the server's. Those that pass are
# what the vendors' own packages ask again after.
_ERROR_BY_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionError,
    404: NotFoundError,
    408: ServerError,
    409: ServerError,
    425: ServerError,
    429: RateLimitError,
}


def error_text(error: BaseException) -> str:
    """What an error says; the name of its type if it says nothing, or fails even at that."""
    with contextlib.suppress(Exception):
        if text := str(error):
            return text
    return type(error).__name__


def api_error(status: int | None, message: str, *, meaning: int | None = None, **details: Any) -> APIError:
    """The error for an HTTP status; `details` are `APIError`'s keyword arguments.

    `meaning` is the status that the server's words mean, where they say it better than its status does."""
    effective = meaning or status
    kind = _ERROR_BY_STATUS.get(effective or 0)
    if kind is None:
        kind = APIError if effective is None or effective < 400 else BadRequestError if effective < 500 else ServerError
    return kind(message, status_code=status, **details)
