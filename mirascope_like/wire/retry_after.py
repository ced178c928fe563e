"""How long a server asks to wait before a retry.

Servers say it in headers, in the details of an error (Google), and in its message (OpenAI, whose errors inside streams
have no headers). Some say it twice, rounded or as 0 in one place: the longest wait counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

__all__ = ["parse_retry_after"]

_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Nothing in these patterns backtracks: servers may write long texts.
_PART = r"(?>(\d++(?:\.\d++)?)\s*+(ms|milli|[smhd])[a-z]*+)"
_DURATION = re.compile(rf"(?:{_PART}[\s,]*+)++", re.IGNORECASE)
_IN_MESSAGE = re.compile(rf"\b(?:try again|retry) (?:in|after) ((?:{_PART}[\s,]*+)++)", re.IGNORECASE)


def parse_retry_after(headers: Mapping[str, str], body: object, message: str) -> float | None:
    """Return the longest wait, in seconds, that a failed response names; `None` if it names no valid one."""
    waits = [*_waits_in_headers(headers), *_waits_in_details(body), *_waits_in_message(message)]
    return max((seconds for seconds in waits if 0 <= seconds < math.inf), default=None)


def _waits_in_headers(headers: Mapping[str, str]) -> Generator[float]:
    for name, read in _HEADERS.items():
        with suppress(TypeError, ValueError, OverflowError):
            if name in headers:
                yield read(headers[name])


def _waits_in_details(body: object) -> Generator[float]:
    """Yield the `retryDelay` of Google's `{"error": {"details": [{"retryDelay": "2.5s"}]}}`, which may be in a list."""
    failures = cast("Sequence[Any]", body if isinstance(body, list) else [body])
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        for detail in failures[0]["error"]["details"]:
            if "retryDelay" in detail:
                yield _parse_duration(detail["retryDelay"])


def _waits_in_message(message: str) -> Generator[float]:
    for match in _IN_MESSAGE.finditer(message):
        yield _parse_duration(match[1])


def _parse_duration(text: str) -> float:
    """Return the seconds of "2.5s", "6m0s", "250ms" or "20 seconds". Raises `ValueError` for other text."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in re.findall(_PART, text, re.IGNORECASE))


def _parse_milliseconds(value: str) -> float:
    return float(value) / 1000


def _parse_seconds_or_date(value: str) -> float:
    """Return the seconds of a `Retry-After` value (RFC 9110, 10.2.3), until its date if it is one."""
    if value.replace(".", "", 1).isdigit():
        return float(value)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    date = parsedate_to_datetime(value)
    if date.tzinfo is None:  # a date that ends in -0000 or has the form of C's asctime is in UTC
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


_HEADERS = {
    "retry-after-ms": _parse_milliseconds,
    "x-ms-retry-after-ms": _parse_milliseconds,
    "retry-after": _parse_seconds_or_date,
}
