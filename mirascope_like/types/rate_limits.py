"""The rate limits that a server states with a response."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What a server allows in its current period, as of one response. `None` where the server does not say.

    `…_limit`: how many requests or tokens the server allows in the period.
    `…_remaining`: how many are left of them.
    `…_reset`: seconds from the response until the limit is whole again.

    Some servers limit input and output tokens separately, others all tokens together.
    """

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None
    input_tokens_limit: int | None = None
    input_tokens_remaining: int | None = None
    input_tokens_reset: float | None = None
    output_tokens_limit: int | None = None
    output_tokens_remaining: int | None = None
    output_tokens_reset: float | None = None
