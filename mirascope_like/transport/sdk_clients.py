"""Transport over clients of vendor SDKs: `openai.AzureOpenAI(...)`, `anthropic.AsyncAnthropicBedrock(...)`, ...

* The client does authentication, base URL, default headers, timeout, and the rewriting of URL and body (deployments,
  regions). The library does the messages and retries: the client's own retries and redirects are off, so that one
  `post` is one HTTP request.
* `HttpRequest.url` is a path here, relative to the client's base URL ("/chat/completions", "/v1/messages"), and
  `HttpRequest.headers` contain no authentication.
* This module imports no SDK: it recognises a client by the names of its classes, and its SDK is already loaded.
* Amazon Bedrock streams Anthropic's events in a binary format; the channel returns them as server-sent events.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from .. import errors
from .aws_event_stream import AWSByteStream
from .base import ByteStream, HttpReply, HttpRequest
from .clients import ClientPair, ThreadedChannel, has_base
from .httpx_channel import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    BlockingByteStream,
    NativeByteStream,
    make_reply,
    read_reply,
    translate_exception,
)
from .sdk_internals import ASYNC_BASE, SYNC_BASE, find_httpx, omit_own_headers

if TYPE_CHECKING:
    import httpx2

_SDKS = ("openai", "anthropic")
# Packages that provide credentials to clients for clouds, and raise their own errors.
_CREDENTIAL_PACKAGES = ("azure", "botocore", "google")


class SDKTransport:
    """Sends requests through clients of `openai` or `anthropic`: `SDKTransport(client)` or
    `SDKTransport(client, async_client)`.

    Raises `TypeError` for anything else, and for two sync or two async clients.
    """

    def __init__(self, *clients: object) -> None:
        self._clients = ClientPair(clients, _SDKS, SYNC_BASE, ASYNC_BASE)

    def blocking(self) -> BlockingSDKChannel:
        """Return a channel over the sync client. Raises `TypeError` if there is none."""
        return BlockingSDKChannel(self._clients.get_sync_client())

    def native(self) -> NativeSDKChannel | ThreadedChannel:
        """Return a channel over the async client, or over the sync one in worker threads.

        Raises `RuntimeError` if the async client is in use in another event loop.
        """
        client = self._clients.get_async_client()
        return ThreadedChannel(self.blocking()) if client is None else NativeSDKChannel(client)


def is_sdk_client(candidate: object) -> bool:
    """Return True for a client of an SDK that `SDKTransport` supports."""
    return find_sdk(candidate) is not None


def find_sdk(client: object) -> str | None:
    """Return the name of the client's SDK, and so its protocol: "openai" or "anthropic"; `None` for other clients."""
    for sdk in _SDKS:
        if has_base(client, (sdk,), SYNC_BASE) or has_base(client, (sdk,), ASYNC_BASE):
            return sdk
    return None


class BlockingSDKChannel:
    """A channel over a sync SDK client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def post(self, request: HttpRequest) -> HttpReply:
        """Send the request and read the whole response."""
        try:
            return make_reply(self._send(request, stream=False))
        except BaseException as exc:
            error = translate_exception(exc, _request_for_errors(self._client, request))
        raise error

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return once status and headers have arrived."""
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
        """Send the request and read the whole response."""
        return await read_reply(await self.open(request))

    async def open(self, request: HttpRequest) -> ByteStream:
        """Send the request and return once status and headers have arrived."""
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
    """Return the arguments for the client's `post`. `cast_to` makes it return the plain response, streamed or not."""
    sdk = _find_sdk_module(client)
    headers = {**omit_own_headers(client, sdk, request.headers), **request.headers}
    options: dict[str, Any] = {"max_retries": 0, "follow_redirects": False, "headers": headers}
    family = find_httpx(sdk)
    connect, read = request.timeouts.connect, request.timeouts.read
    if connect is not None or read is not None:
        options["timeout"] = family.Timeout(read or READ_TIMEOUT, connect=connect or CONNECT_TIMEOUT)
    return {"body": json.loads(request.body), "cast_to": family.Response, "options": options}


def _get_error_response(client: Any, exc: Exception, request: HttpRequest) -> httpx2.Response:
    """Return the response of an SDK's exception; if there is none, raise what the connection raised."""
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
    """Return the request with the client's address, which error messages name."""
    return dataclasses.replace(request, url=str(client.base_url))


def _decode_aws_events(stream: ByteStream) -> ByteStream:
    return AWSByteStream(stream) if AWSByteStream.can_read(stream) else stream
