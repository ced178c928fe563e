"""How long a server asks to wait before a retry, and how servers write times.

Servers say it in headers, in the details of an error (Google), and in its message (OpenAI, whose errors inside streams
have no headers). Some say it twice, rounded or as 0 in one place: the longest wait counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Nothing in these patterns backtracks: servers may write long texts.
_NUMBER = re.compile(r"\d++(?:\.\d*+)?", re.ASCII)
_PART = r"(?>(\d++(?:\.\d++)?)\s*+(ms|milli|[smhd])[a-z]*+)"
_DURATION = re.compile(rf"(?:{_PART}[\s,]*+)++", re.IGNORECASE)
_IN_MESSAGE = re.compile(rf"\b(?:try again|retry) (?:in|after) ((?:{_PART}[\s,]*+)++)", re.IGNORECASE)


def parse_retry_after(headers: Mapping[str, str], body: object, message: str) -> float | None:
    """Return the longest wait, in seconds, that a failed response names; `None` if it names no valid one."""
    waits = [*_waits_in_headers(headers), *_waits_in_details(body), *_waits_in_message(message)]
    return max((seconds for seconds in waits if 0 <= seconds < math.inf), default=None)


def parse_wait(value: str, since: datetime | None = None) -> float | None:
    """Return the seconds of a header's value: a number, a duration such as "6m0s", or the time from `since` (now if not
    given) until a date. `None` for other text."""
    if _NUMBER.fullmatch(value):
        seconds = float(value)
    elif _DURATION.fullmatch(value):
        seconds = _parse_duration(value)
    elif date := parse_date(value):
        from datetime import UTC, datetime

        seconds = max(0.0, (date - (since or datetime.now(UTC))).total_seconds())
    else:
        return None
    return seconds if seconds < math.inf else None


def parse_date(value: str) -> datetime | None:
    """Return the date of a header's value, of RFC 9110 (5.6.7) or RFC 3339; `None` for other text."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(TypeError, ValueError, OverflowError):
            date = parse(value)
            # A date that ends in -0000 or has the form of C's asctime is in UTC.
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _waits_in_headers(headers: Mapping[str, str]) -> Generator[float]:
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        with suppress(ValueError):
            if name in headers:
                yield float(headers[name]) / 1000
    if (seconds := parse_wait(headers.get("retry-after", ""))) is not None:
        yield seconds


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
