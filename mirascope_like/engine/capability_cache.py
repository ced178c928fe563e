"""What servers have taught about themselves: remembered for the process, and known to every later request.

A lesson belongs to an endpoint: a model at an address, by a protocol. The oldest endpoints are forgotten first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from .requests import Endpoint, HTTPEndpoint

if TYPE_CHECKING:
    from ..wire.unsupported_params import Adjustment

_MOST = 1_000  # endpoints

# What each endpoint has taught, by what it does not take. Each use is one operation of a dict, which threads may share.
_lessons: dict[tuple[str, ...], dict[str, Adjustment]] = {}


def _key(endpoint: HTTPEndpoint) -> tuple[str, ...]:
    return (endpoint.provider_id, endpoint.base_url, endpoint.model, type(endpoint.codec).__qualname__)


def taught(endpoint: Endpoint, more: Iterable[Adjustment] = ()) -> Endpoint:
    """The endpoint with what is remembered of it, and with `more` lessons."""
    if not isinstance(endpoint, HTTPEndpoint):
        return endpoint
    features = endpoint.features
    for lesson in (*_remembered(endpoint), *more):
        features = lesson.apply_to(features)
    return endpoint if features is endpoint.features else replace(endpoint, features=features)


def remember(endpoint: Endpoint, lesson: Adjustment) -> None:
    """Let all later requests to the endpoint know the lesson."""
    if not isinstance(endpoint, HTTPEndpoint):
        return
    _lessons.setdefault(_key(endpoint), {}).setdefault(lesson.unsupported, lesson)
    for oldest in list(_lessons)[:-_MOST]:
        _lessons.pop(oldest, None)


def _remembered(endpoint: HTTPEndpoint) -> Iterable[Adjustment]:
    known = _lessons.get(_key(endpoint))
    return known.copy().values() if known else ()


def forget() -> None:
    """Forget all lessons."""
    _lessons.clear()
