"""Learning from a refusal: a request that a server refuses for a part that can be spared is sent again without it.

Rules
* One more request for a lesson at most, and none if the lesson changes nothing in the request.
* What was learned is remembered as soon as the server answers otherwise. Refused in the same words, it was wrong.
* What the caller asked for by name, such as a format in mode "strict", is never spared: then the refusal is the answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import CapabilityWarning, FeatureNotSupportedError
from ..wire import ReportedError
from .capabilities import remember
from .exchanges import HTTPExchange
from .plan import Prepared

if TYPE_CHECKING:
    from ..wire.lessons import Lesson

__all__ = ["sent"]

T = TypeVar("T")


async def sent(
    prepared: Prepared, prepare: Callable[[Sequence[Lesson]], Prepared], send: Callable[[Prepared], Awaitable[T]]
) -> tuple[Prepared, T]:
    """Send what was prepared, and again as long as refusals teach something that `prepare` can heed.

    Gives what was sent at last, and its answer."""
    lessons: list[Lesson] = []
    refusal: ReportedError | None = None
    while True:
        try:
            answer = await send(prepared)
        except ReportedError as failure:
            if refusal is not None and failure.message == refusal.message:
                raise
            _remember_last(prepared, lessons)
            prepared, refusal = _changed(prepared, prepare, lessons, failure), failure
            continue
        _remember_last(prepared, lessons)
        return prepared, answer


def _remember_last(prepared: Prepared, lessons: Sequence[Lesson]) -> None:
    for lesson in lessons[-1:]:
        remember(prepared.endpoint, lesson)


def _changed(
    prepared: Prepared,
    prepare: Callable[[Sequence[Lesson]], Prepared],
    lessons: list[Lesson],
    failure: ReportedError,
) -> Prepared:
    """The request prepared with one lesson more, which is added to `lessons`. Raises the failure if it teaches none."""
    from ..wire.lessons import lesson

    learned = lesson(failure)
    if learned is None or learned in lessons:
        raise failure
    try:
        changed = prepare([*lessons, learned])
    except FeatureNotSupportedError:
        raise failure from None
    if _body(changed) == _body(prepared):
        raise failure
    lessons.append(learned)
    what = f"{changed.request.model_id} does not take {learned.what}, and is asked without from now on"
    warnings.warn(f"{what}: {failure.message[:200]}", CapabilityWarning, stacklevel=2)
    return changed


def _body(prepared: Prepared) -> bytes | None:
    return prepared.exchange.http.body if isinstance(prepared.exchange, HTTPExchange) else None
