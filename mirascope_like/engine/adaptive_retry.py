"""Learning from a refusal: a request that a server refuses for a part that can be spared is sent again without it.

Rules
* One more request for a lesson at most, and none if the lesson changes nothing in the request.
* What was learned is remembered as soon as the server answers otherwise. Refused for the same again, it was wrong.
* What the caller asked for by name, such as a format in mode "strict", is never spared: then the refusal is the answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import CapabilityWarning, FeatureNotSupportedError
from ..wire.codec import ReportedError
from ..wire.redaction import redact_and_truncate
from .capability_cache import remember
from .plan import Prepared
from .requests import HTTPExchange
from .runtime import Runtime

if TYPE_CHECKING:
    from ..wire.unsupported_params import Adjustment

T = TypeVar("T")


async def sent(
    runtime: Runtime,
    prepared: Prepared,
    prepare: Callable[[Sequence[Adjustment]], Prepared],
    send: Callable[[Prepared], Awaitable[T]],
) -> tuple[Prepared, T]:
    """Send what was prepared, and again as long as refusals teach something that `prepare` can heed.

    Gives what was sent at last, and its answer."""
    lessons: list[Adjustment] = []
    while True:
        try:
            answer = await send(prepared)
        except ReportedError as failure:
            await runtime.load("refusals", _load_reader)
            learned = _learned(failure, prepared)
            if lessons and learned != lessons[-1]:
                remember(prepared.endpoint, lessons[-1])
            if learned is None or learned in lessons:
                raise
            lessons.append(learned)
            prepared = _changed(prepared, partial(prepare, lessons), failure, learned)
        else:
            for lesson in lessons[-1:]:
                remember(prepared.endpoint, lesson)
            return prepared, answer


def _load_reader() -> None:
    from ..wire import unsupported_params as unsupported_params


def _learned(failure: ReportedError, prepared: Prepared) -> Adjustment | None:
    from ..wire.unsupported_params import find_adjustment

    return find_adjustment(failure, prepared.request)


def _changed(
    prepared: Prepared, prepare: Callable[[], Prepared], failure: ReportedError, learned: Adjustment
) -> Prepared:
    """What is prepared with what the failure taught. Raises the failure if that is no help."""
    try:
        changed = prepare()
    except FeatureNotSupportedError:
        raise failure from None
    if _body(changed) == _body(prepared):
        raise failure
    said = redact_and_truncate(failure.message, failure.secrets, 200)
    text = f"{changed.request.model_id} does not take {learned.unsupported}, and is asked without from now on: {said}"
    warnings.warn(text, CapabilityWarning, stacklevel=2)
    return changed


def _body(prepared: Prepared) -> bytes | None:
    return prepared.exchange.http.body if isinstance(prepared.exchange, HTTPExchange) else None
