"""All errors that the library raises, as a tree with the cause of each.

    Error
    ├── ProviderError                      a request to a model server failed
    │   ├── APIError                       the server responded with an error
    │   │   ├── BadRequestError            400, 413, 422: the server rejected the request
    │   │   ├── AuthenticationError        401: the API key
    │   │   ├── PermissionError            403: the account        (also a builtins.PermissionError)
    │   │   ├── NotFoundError              404: no such model or URL
    │   │   ├── RateLimitError             429: too many requests or tokens
    │   │   └── ServerError                5xx: the server; 408, 409, 425: temporary
    │   ├── ConnectionError                no connection, or lost  (also a builtins.ConnectionError)
    │   │   └── IncompleteStreamError      a stream ended before the provider ended it; has `.partial`
    │   ├── TimeoutError                   a time limit passed     (also a builtins.TimeoutError)
    │   └── ResponseValidationError        a response that violates the protocol
    ├── RetriesExhausted                   all attempts failed; has `.failures`
    ├── StreamRestarted                    a stream broke and is restarted: read it from its start
    ├── StreamClosedError                  reading a stream after its reader closed it
    ├── ToolError                          reported to the model in place of a result
    │   ├── ToolExecutionError             the tool raised, or its arguments did not fit
    │   └── ToolNotFoundError              the model called an unknown tool
    ├── ParseError                         the response does not have the requested type
    ├── FeatureNotSupportedError           the provider or model lacks a feature
    ├── NoRegisteredProviderError          no provider for this model id
    ├── MissingAPIKeyError                 the provider's key is not set
    ├── DownloadError                      a download is refused: its URL, address or size (also a ValueError)
    ├── LogError                           a log cannot be written or read, or has no such entry
    ├── UnknownModelError                  no model of this name           (also a KeyError)
    ├── ChainLimitExceeded                 more rounds of tool calls than allowed (also a ValueError)
    ├── ToolCallLimitExceeded              more tool calls in one response than allowed
    └── ModelError                         raised by models that users write
        └── NeedsKeyException              such a model's key is not set

The three errors that share a name with a built-in inherit from it, so `except TimeoutError` catches either.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .types.tool_errors import Error, ToolError, ToolExecutionError, ToolNotFoundError, to_picklable

if TYPE_CHECKING:
    from .types.chunks import Reply
    from .types.model_like import ModelLike

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
    """A request to a model server failed.

    `provider` and `model` name the server (`None` until known), and `request_id` is for the provider's support (`None`
    if no response had begun). `original_exception`, which is also the `__cause__`, is a copy of the exception that was
    caught, if any: only its type and text, since the exceptions of HTTP clients hold API keys. `partial` is what a
    stream had delivered before it broke.
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
    """The server responded with an error.

    `status_code` is the HTTP status (for an error inside a response that began with 200: the status that the error
    names or means, else `None`). `code` and `type` are the provider's own words. `body` is its JSON or text without
    secrets. `retry_after` is the wait that the server asks for, in seconds, and `should_retry` whether it says that a
    retry may help (`None` if it does not say).
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
    """The API key is valid but lacks the permission (403)."""


class NotFoundError(APIError):
    """There is no such model or URL (404)."""


class RateLimitError(APIError):
    """Too many requests or tokens, or no credit (429). `retry_after` is the wait in seconds, if the server gave it."""


class ServerError(APIError):
    """The server failed (5xx), or could not handle the request for now: it timed out while waiting for the request
    (408), was busy with another one (409), or refused it as too early (425)."""


class ConnectionError(ProviderError, builtins.ConnectionError):
    """The connection could not be made, or was lost."""


class IncompleteStreamError(ConnectionError):
    """A stream ended before the provider announced its end. `partial` is what had arrived by then."""


class TimeoutError(ProviderError, builtins.TimeoutError):
    """A call exceeded one of its timeouts; the message says which."""


class ResponseValidationError(ProviderError):
    """The server's response violates its protocol."""


@dataclass(frozen=True, slots=True)
class RetryFailure:
    """One failed attempt: the model that was called, and the exception."""

    model: ModelLike
    exception: Exception

    def __reduce__(self) -> tuple[type[RetryFailure], tuple[ModelLike, Exception]]:
        return RetryFailure, (self.model, to_picklable(self.exception))

    def __deepcopy__(self, memo: object) -> RetryFailure:
        return self

    def __str__(self) -> str:
        return f"{self.model.model_id}: {type(self.exception).__name__}: {self.exception}"


class RetriesExhausted(Error):
    """All attempts failed. `failures` has one entry per attempt, in order; the last one's exception is the cause.

    `reason` says why retrying stopped early; it is empty if all allowed attempts were made.
    """

    def __init__(self, failures: Sequence[RetryFailure], reason: str = "") -> None:
        self.failures: tuple[RetryFailure, ...] = tuple(failures)
        self.reason = reason
        count = len(self.failures)
        head = "The attempt failed" if count == 1 else f"All {count} attempts failed"
        lines = "".join(f"\n- {failure}" for failure in self.failures)
        super().__init__(f"{head}.{f' No further attempt was made: {reason}' if reason else ''}{lines}")

    @property
    def partial(self) -> Reply | None:
        """Return what the last attempt had delivered before it broke, if anything."""
        last = self.failures[-1].exception if self.failures else None
        return last.partial if isinstance(last, ProviderError) else None


class StreamRestarted(Error):
    """A stream broke after some of it was read, and its request is sent again: discard what was read.

    `failure` is the failed attempt. The response starts anew: read it from the start.
    """

    def __init__(self, failure: RetryFailure) -> None:
        self.failure = failure
        super().__init__(
            f"The stream broke and was restarted; iterate over the response again. It broke with {failure}"
        )


class StreamClosedError(Error):
    """A stream was read after its reader had closed it (by `close`, by leaving its `with`, or by breaking out of its
    loop). What had arrived can still be read from the response's properties."""


class ParseError(Error):
    """The response does not have the requested type.

    `original_exception` says why, `text` is what the model wrote. `retry_message()` is the feedback for the model. If
    `cut_off` (truncated), a limit of tokens or of the context ended the response: the model did not err.
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        original_exception: BaseException | None = None,
        advice: str = "Correct this and answer again. Write only the answer, in the requested format.",
        cut_off: bool = False,
    ) -> None:
        super().__init__(message)
        self.text = text
        self.original_exception = original_exception
        self.cut_off = cut_off
        self._advice = advice

    def retry_message(self) -> str:
        """Return the feedback with which the model can correct its answer: text for `response.resume(...)`."""
        return f"Your last answer could not be used: {self}\n{self._advice}"


class FeatureNotSupportedError(Error):
    """The provider or model does not support a feature that the call uses."""

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
    """The rules for downloads forbid a file: its URL is not http:// or https://, its host is not at a public address,
    there are too many redirects, or the file is too large or compressed. Failures of the network or server are raised
    as `ConnectionError` or `TimeoutError`."""


class LogError(Error):
    """A log cannot be written or read, or has no such entry."""


class UnknownModelError(Error, KeyError):
    """There is no model of this name, or none for this kind of call (sync or async)."""

    def __str__(self) -> str:  # KeyError shows its message in quotes, as a key
        return str(self.args[0])


class ChainLimitExceeded(Error, ValueError):
    """A chain needs more model calls than its limit allows. `responses` are the finished ones; the tool calls of the
    last one were not run."""

    def __init__(self, limit: int, responses: Sequence[Any] = ()) -> None:
        self.limit = limit
        self.responses: list[Any] = list(responses)
        super().__init__(
            f"Chain limit of {limit} exceeded: the model still calls tools. The finished responses are in "
            "`responses`; continue with reply() on the last one."
        )


class ToolCallLimitExceeded(Error):
    """A response makes more tool calls than `tool_call_limit` allows. None of them was run. `count` is their number."""

    def __init__(self, count: int, limit: int) -> None:
        self.count = count
        self.limit = limit
        super().__init__(
            f"The response makes {count} tool calls, but at most {limit} are allowed, so none was run. If this is "
            "intended, raise the limit with tool_call_limit=…."
        )


class ModelError(Error):
    """Raised by user-defined models for their own failures."""


class NeedsKeyException(ModelError):
    """The key of a model is not set."""


class UnsupportedParamWarning(UserWarning):
    """A parameter was left out of a request because the provider or model is known not to support it."""


class CapabilityWarning(UserWarning):
    """A server refused a part of a request. The request was sent again without it, and later ones leave it out."""


# HTTP status → error. Other statuses: 4xx is the request's fault, 5xx the server's. The temporary ones are those after
# which the vendors' own packages retry.
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
    """Return an error's text, or the name of its type if the text is empty or cannot be made."""
    with contextlib.suppress(Exception):
        if text := str(error):
            return text
    return type(error).__name__


def api_error(status: int | None, message: str, *, meaning: int | None = None, **details: Any) -> APIError:
    """Return the error for an HTTP status; `details` are `APIError`'s keyword arguments.

    `meaning` is the status that the server's error text implies, if that is more exact than `status`.
    """
    effective = meaning or status
    kind = _ERROR_BY_STATUS.get(effective or 0)
    if kind is None:
        kind = APIError if effective is None or effective < 400 else BadRequestError if effective < 500 else ServerError
    return kind(message, status_code=status, **details)
