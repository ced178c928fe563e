"""What a server says when it fails. Every provider words it differently; what they share is data here.

Shapes seen: `{"error": {"message", "type", "code", …}}` (OpenAI, Anthropic, OpenRouter, Google), `{"error": "text"}`
(Ollama), `{"code", "error": "text"}` (xAI), `{"detail": …}` (Mistral, FastAPI servers), `{"message": …}`, and text or
HTML from proxies on the way.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from . import MalformedReply, ReportedError

__all__ = ["WRONG_SHAPE", "malformed", "read_failure", "reading", "reported"]

WRONG_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading raises when a field is not what it should be."""

_LONGEST_MESSAGE = 2_000
_NO_REASON = "the server gave no reason"


def read_failure(status: int | None, body: bytes) -> ReportedError:
    """The failure that a body with an error status reports, whatever it looks like."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value: object = json.loads(text)
    except ValueError:
        message = text[:_LONGEST_MESSAGE] or _NO_REASON
        return ReportedError(message, status=status, body=text)
    return reported(value, status=status)


def reported(value: object, *, status: int | None = None) -> ReportedError:
    """The failure that a JSON value describes. `status` is the HTTP status, unless the value names one itself."""
    body = _first(value)
    if not isinstance(body, Mapping):
        return ReportedError((_words(value) or _NO_REASON)[:_LONGEST_MESSAGE], status=status, body=value)
    outer = cast("Mapping[str, Any]", body)
    inner: object = outer.get("error")
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else outer
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("detail") or outer.get("message")
    code = fields.get("code", outer.get("code"))
    return ReportedError(
        _words(message) or json.dumps(outer, ensure_ascii=False)[:_LONGEST_MESSAGE],
        status=status or _status(fields, outer),
        type=_words(fields.get("type")) or _words(fields.get("status")),
        code=None if code is None else str(code),
        body=value,
    )


def malformed(answer: object, error: Exception) -> MalformedReply:
    """For what goes wrong (see `WRONG_SHAPE`) when an answer has not the shape that its protocol promises."""
    return MalformedReply(f"the answer has not the shape of its protocol ({error!r}): {str(answer)[:200]}")


@contextmanager
def reading(answer: object) -> Generator[None]:
    """Make a `MalformedReply` of what goes wrong while an answer is read."""
    try:
        yield
    except WRONG_SHAPE as error:
        raise malformed(answer, error) from error


def _first(value: object) -> object:
    """Google sends its errors as a list of one."""
    return next(iter(cast("Sequence[object]", value)), None) if isinstance(value, list) else value


def _status(*places: Mapping[str, Any]) -> int | None:
    """An HTTP status that an error inside a stream names: some put it in `status_code`, some in `code`."""
    for place in places:
        for key in ("status_code", "status", "code"):
            number = place.get(key)
            if isinstance(number, int) and 400 <= number < 600:
                return number
    return None


def _words(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
