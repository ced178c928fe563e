"""Clients of the vendors' SDKs as transports: `openai.AzureOpenAI(...)`, `anthropic.AsyncAnthropicBedrock(...)`, ...

* Theirs: authentication, base URL, default headers, the rewriting of URL and body (deployments, regions), timeout.
  Ours: the messages, and retrying; their own retries and redirects are off, so that one `post` is one HTTP request.
* `HttpRequest.url` is a path here, relative to the client's base URL ("/chat/completions", "/v1/messages"), and
  `HttpRequest.headers` have no authentication.
* No SDK is imported: a client is recognised by its classes' names, and what is needed of its SDK is already loaded.
* Amazon Bedrock streams Anthropic's events in a binary frame; they come out as server-sent events.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from .. import errors
from . import ByteStream, HttpReply, HttpRequest
from .aws_events import AWSByteStream
from .channels import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    BlockingByteStream,
    NativeByteStream,
    make_reply,
    read_reply,
    translate_exception,
)
from .clients import ClientPair, ThreadedChannel, has_base
from .sdk_internals import ASYNC_BASE, SYNC_BASE, find_httpx, omit_own_headers

if TYPE_CHECKING:
    import httpx2

__all__ = ["BlockingSDKChannel", "NativeSDKChannel", "SDKTransport", "find_sdk", "is_sdk_client"]

_SDKS = ("openai", "anthropic")
# Packages that clients for clouds have their credentials from, and that fail on their own.
_CREDENTIAL_PACKAGES = ("azure", "botocore", "google")


class SDKTransport:
    """`SDKTransport(client)` or `SDKTransport(client, async_client)`: through clients of `openai` or `anthropic`.

    Raises `TypeError` for anything else, and for two clients of one colour.
    """

    def __init__(self, *clients: object) -> None:
        self._clients = ClientPair(clients, _SDKS, SYNC_BASE, ASYNC_BASE)

    def blocking(self) -> BlockingSDKChannel:
        """A channel over the sync client. Raises `TypeError` if there is none."""
        return BlockingSDKChannel(self._clients.get_sync_client())

    def native(self) -> NativeSDKChannel | ThreadedChannel:
        """A channel over the async client, or over the sync one in worker threads.

        Raises `RuntimeError` if the async client is in use in another event loop.
        """
        client = self._clients.get_async_client()
        return ThreadedChannel(self.blocking()) if client is None else NativeSDKChannel(client)


def is_sdk_client(candidate: object) -> bool:
    """Whether this is a client of an SDK that `SDKTransport` takes."""
    return find_sdk(candidate) is not None


def find_sdk(client: object) -> str | None:
    """The SDK that the client is of, and so what it speaks: "openai" or "anthropic"; `None` if of neither."""
    for sdk in _SDKS:
        if has_base(client, (sdk,), SYNC_BASE) or has_base(client, (sdk,), ASYNC_BASE):
            return sdk
    return None


class BlockingSDKChannel:
    """A channel over a sync SDK client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole answer."""
        try:
            return make_reply(self._send(request, stream=False))
        except BaseException as exc:
            error = translate_exception(exc, _request_for_errors(self._client, request))
        raise error

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return as soon as status and headers are there."""
        named_request = _request_for_errors(self._client, request)
        try:
            return _decode_aws_events(BlockingByteStream(self._send(request, stream=True), named_request, self._client))
        except BaseException as exc:
            error = translate_exception(exc, named_request)
        raise error

    def _send(self, request: HttpRequest, *, stream: bool) -> httpx2.Response:
        try:
            arguments = _post_arguments(self._client, request)
            response: httpx2.Response = self._client.post(request.url, **arguments, stream=stream)
        except Exception as exc:
            response = _get_error_response(self._client, exc, request)
        request.sent = response.request
        return response


class NativeSDKChannel:
    """A channel over an async SDK client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole answer."""
        return await read_reply(await self.open(request))

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return as soon as status and headers are there."""
        named_request = _request_for_errors(self._client, request)
        try:
            return _decode_aws_events(NativeByteStream(await self._send(request), named_request, self._client))
        except BaseException as exc:
            error = translate_exception(exc, named_request)
        raise error

    async def _send(self, request: HttpRequest) -> httpx2.Response:
        try:
            arguments = _post_arguments(self._client, request)
            response: httpx2.Response = await self._client.post(request.url, **arguments, stream=True)
        except Exception as exc:
            response = _get_error_response(self._client, exc, request)
        request.sent = response.request
        return response


def _post_arguments(client: Any, request: HttpRequest) -> dict[str, Any]:
    """What to give to the client's `post`. `cast_to` makes it return the response as it is, streamed or not."""
    sdk = _find_sdk_module(client)
    headers = {**omit_own_headers(client, sdk, request.headers), **request.headers}
    options: dict[str, Any] = {"max_retries": 0, "follow_redirects": False, "headers": headers}
    family = find_httpx(sdk)
    connect, read = request.timeouts.connect, request.timeouts.read
    if connect is not None or read is not None:
        options["timeout"] = family.Timeout(read or READ_TIMEOUT, connect=connect or CONNECT_TIMEOUT)
    return {"body": json.loads(request.body), "cast_to": family.Response, "options": options}


def _get_error_response(client: Any, exc: Exception, request: HttpRequest) -> httpx2.Response:
    """The response behind an SDK's exception; if there is none, raise what the connection raised."""
    sdk = _find_sdk_module(client)
    if isinstance(exc, sdk.APIError):
        request.sent = getattr(exc, "request")  # noqa: B009
    if isinstance(exc, sdk.APIStatusError):
        response: httpx2.Response = getattr(exc, "response")  # noqa: B009
        return response
    if isinstance(exc, sdk.APIConnectionError) and isinstance(exc.__cause__, Exception):
        raise exc.__cause__
    if isinstance(exc, sdk.APIError) or type(exc).__module__.partition(".")[0] in _CREDENTIAL_PACKAGES:
        raise errors.ProviderError(f"The {type(client).__name__} client error: {exc}", original_exception=exc) from exc
    raise exc


def _find_sdk_module(client: object) -> Any:
    return sys.modules[find_sdk(client) or ""]


def _request_for_errors(client: Any, request: HttpRequest) -> HttpRequest:
    """The request with the client's address, which error messages name."""
    return dataclasses.replace(request, url=str(client.base_url))


def _decode_aws_events(stream: ByteStream) -> ByteStream:
    return AWSByteStream(stream) if AWSByteStream.can_read(stream) else stream
