"""How long a call may take. All times are in seconds; `None` sets no limit, or leaves it to what is below."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeAlias

__all__ = ["Timeout", "TimeoutLike", "as_timeout", "check_seconds"]

_MAX_SECONDS = 1_000_000  # seconds, or eleven days; some systems cannot wait for much more


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Time limits, in seconds. Raises `ValueError` for a time that is not more than 0, or is more than 1,000,000.

    `total`: the whole call, with all its attempts and the waits between them; of a stream, until its end.
    `connect`: until there is a connection (by default 10).
    `first_token`: of a stream, how long its first content is waited for, in each attempt.
    `idle`: silence between two signs of life from the server (by default 600).
    `tool`: each tool that the answer calls; `llm.tool(timeout=…)` of a tool overrides it.
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
        """The same, where connecting and silence may not last longer than `seconds`."""
        return replace(self, connect=_shorter_limit(self.connect, seconds), idle=_shorter_limit(self.idle, seconds))


TimeoutLike: TypeAlias = float | Timeout
"""A number stands for the longest silence: while connecting, and between two signs of life."""


def as_timeout(timeout: TimeoutLike | None) -> Timeout:
    """What was asked for, as a `Timeout`."""
    if isinstance(timeout, Timeout):
        return timeout
    return _NO_LIMITS if timeout is None else Timeout(connect=timeout, idle=timeout)


def check_seconds(name: str, seconds: object) -> None:
    """Raises `TypeError` or `ValueError` if this is no time to wait for."""
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
