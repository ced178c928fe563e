"""What servers say in the headers of a response: the id of the request, and rate limits.

Sources for the names and forms of rate limits:
- OpenAI: https://platform.openai.com/docs/guides/rate-limits ("6m0s", "20ms")
- Azure: https://learn.microsoft.com/en-us/answers/questions/5625878 (resets are plain seconds, unknown counts are -1)
- Fireworks: https://docs.fireworks.ai/serverless/rate-limits (tokens of the prompt and generated ones)
- Anthropic: https://docs.anthropic.com/en/api/rate-limits (resets are RFC 3339 times)
- Others: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/06/ (`RateLimit-*`, in seconds), and the
  same names after `X-`
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from ..types.rate_limits import RateLimits
from .retry_after import parse_date, parse_wait

# Names of providers and of the clouds that serve their models, most telling first.
_REQUEST_IDS = (
    *("x-request-id", "request-id", "x-amzn-requestid", "x-amz-request-id"),
    *("apim-request-id", "x-ms-request-id", "mistral-correlation-id"),
)

# Headers by what they limit, most telling first. The braces stand for `limit`, `remaining` or `reset`.
_RATE_LIMITS = {
    "requests": (
        *("x-ratelimit-{}-requests", "anthropic-ratelimit-requests-{}"),
        *("ratelimit-{}", "x-ratelimit-{}"),
    ),
    "tokens": ("x-ratelimit-{}-tokens", "anthropic-ratelimit-tokens-{}"),
    "input_tokens": ("anthropic-ratelimit-input-tokens-{}", "x-ratelimit-{}-tokens-prompt"),
    "output_tokens": ("anthropic-ratelimit-output-tokens-{}", "x-ratelimit-{}-tokens-generated"),
}
_HEADERS = {
    f"{kind}_{state}": tuple(name.format(state) for name in names)
    for kind, names in _RATE_LIMITS.items()
    for state in ("limit", "remaining", "reset")
}
# A count, and what older drafts of `RateLimit-Limit` write after it: "100, 100;w=60".
_COUNT = re.compile(r"\s*(\d{1,15})\s*(?:[,;].*)?", re.ASCII | re.DOTALL)
_LONGEST_RESET = 366 * 86_400.0  # seconds; more is no wait, but a time in seconds since 1970


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the server's id of the request. Names of `headers` are in lower case."""
    for name in _REQUEST_IDS:
        if value := headers.get(name):
            # Halves of surrogate pairs could not be printed.
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return None


def select_rate_limit_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that `rate_limits` reads: parsing them takes longer than keeping them, and few callers ask."""
    found = {sys.intern(lower): value for name, value in headers.items() if "ratelimit" in (lower := name.lower())}
    if found and (date := headers.get("date")):
        found["date"] = date
    return found


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """Return the rate limits that the headers state; `None` if they state none. Names of `headers` are in lower case.

    A value that makes no sense counts as not stated. Resets that are times count from the `date` of the response.
    """
    found = RateLimits(
        requests_limit=_count(headers, "requests_limit"),
        requests_remaining=_count(headers, "requests_remaining"),
        requests_reset=_reset(headers, "requests_reset"),
        tokens_limit=_count(headers, "tokens_limit"),
        tokens_remaining=_count(headers, "tokens_remaining"),
        tokens_reset=_reset(headers, "tokens_reset"),
        input_tokens_limit=_count(headers, "input_tokens_limit"),
        input_tokens_remaining=_count(headers, "input_tokens_remaining"),
        input_tokens_reset=_reset(headers, "input_tokens_reset"),
        output_tokens_limit=_count(headers, "output_tokens_limit"),
        output_tokens_remaining=_count(headers, "output_tokens_remaining"),
        output_tokens_reset=_reset(headers, "output_tokens_reset"),
    )
    return None if found == _NOTHING_STATED else found


def _count(headers: Mapping[str, str], stated: str) -> int | None:
    match = _COUNT.fullmatch(_value(headers, stated))
    return int(match[1]) if match else None


def _reset(headers: Mapping[str, str], stated: str) -> float | None:
    if not (value := _value(headers, stated)):
        return None
    seconds = parse_wait(value, since=parse_date(headers.get("date", "")))
    return seconds if seconds is not None and seconds <= _LONGEST_RESET else None


def _value(headers: Mapping[str, str], stated: str) -> str:
    for name in _HEADERS[stated]:
        if value := headers.get(name):
            return value
    return ""


_NOTHING_STATED = RateLimits()
