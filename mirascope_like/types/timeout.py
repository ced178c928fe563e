"""Time limits of a call. All times are in seconds; `None` sets no limit, or leaves it to the layers below."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeAlias

_MAX_SECONDS = 1_000_000  # seconds, or eleven days; some systems cannot wait for much more


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Time limits, in seconds. Raises `ValueError` for a time that is not more than 0, or is more than 1,000,000.

    `total`: the whole call, with all attempts and the waits between them; for a stream, until its end.
    `connect`: until the connection is open (default: 10).
    `first_token`: of a stream, until its first content arrives, in each attempt.
    `idle`: without any data from the server (default: 600).
    `tool`: each tool that the response calls; `llm.tool(timeout=…)` overrides it.
    """

    total: float | None = None
    connect: float | None = None
    first_token: float | None = None
    idle: float | None = None
    tool: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            check_seconds(f"Timeout({each.name}=…)", getattr(self, each.name))

    def within(self, seconds: float) -> Timeout:
        """Return a copy where `connect` and `idle` are at most `seconds`."""
        return replace(self, connect=_shorter_limit(self.connect, seconds), idle=_shorter_limit(self.idle, seconds))


TimeoutLike: TypeAlias = float | Timeout
"""A number is the limit for both `connect` and `idle`."""


def as_timeout(timeout: TimeoutLike | None) -> Timeout:
    """Return the time limits as a `Timeout`."""
    if isinstance(timeout, Timeout):
        return timeout
    return _NO_LIMITS if timeout is None else Timeout(connect=timeout, idle=timeout)


def check_seconds(name: str, seconds: object) -> None:
    """Raise `TypeError` or `ValueError` if `seconds` is neither `None` nor a valid time limit."""
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} is {seconds!r}: it must be a number of seconds.")
    if not 0 < seconds <= _MAX_SECONDS:
        raise ValueError(
            f"{name} is {seconds}: it must be more than 0 seconds, and at most {_MAX_SECONDS:,}; None sets no limit."
        )


def _shorter_limit(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


_NO_LIMITS = Timeout()
