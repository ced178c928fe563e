"""Finding JSON in a model's text, and the errors for text without usable JSON."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import ParseError
from ..types.chunks import FinishReason

_FENCE_START = re.compile(r"```(?:json)?[ \t]*\r?\n", re.IGNORECASE)
_FENCE_END = re.compile(r"\r?\n[ \t]*```")
_OPENING = re.compile(r"[{\[]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_DECODER = json.JSONDecoder(strict=False)  # finds where a value ends, even with line breaks in strings
# Limits, so that no text takes long to search.
_MAX_OPENINGS = 200
_MAX_SCAN = 20_000  # characters
_MAX_EXCERPT = 80  # characters

_END_MESSAGES = {
    FinishReason.MAX_TOKENS: (
        "The response was truncated at the token limit (finish_reason is max_tokens). Raise max_tokens, or ask for "
        "less."
    ),
    FinishReason.CONTEXT_LENGTH_EXCEEDED: (
        "The response was truncated: the model's context is full (finish_reason is context_length_exceeded). Shorten "
        "the conversation, or ask for less."
    ),
    FinishReason.REFUSAL: "The model or a filter refused (finish_reason is refusal): {text}",
    FinishReason.PAUSE: (
        "The provider paused the response before it was complete (finish_reason is pause). Call resume() to continue."
    ),
    FinishReason.ERROR: "The provider failed before the response was complete (finish_reason is error).",
    FinishReason.CANCELLED: "The response was cancelled before it was complete (finish_reason is cancelled).",
    FinishReason.UNKNOWN: (
        "The response may be incomplete: the provider did not confirm that it is complete (finish_reason is unknown; "
        "see raw_finish_reason)."
    ),
}

_FIX_ADVICE = "Answer again and correct this. Write only the JSON."
_JSON_ADVICE = "Answer again with the JSON alone: complete, and with nothing around it."


def read_json(text: str) -> object:
    """Parse a JSON text. Raises `ValueError`, also for NaN, infinities, half surrogate pairs, and more than 200 levels
    of nesting."""
    import jiter

    value: object = jiter.from_json(text.encode(), allow_inf_nan=False)
    return value


def json_candidates(text: str) -> Iterator[str]:
    """Iterate over the parts of a text that may be its JSON, most likely first: all of it, fenced blocks, then what
    starts like JSON in the middle of prose. Fragments of broken JSON are never accepted as the answer."""
    yield (whole := text.strip())
    yield from _fenced_blocks(text)
    position = 0
    cleaned = _CONTROL.sub(" ", whole)
    for _ in range(_MAX_OPENINGS):
        if (found := _OPENING.search(whole, position)) is None:
            return
        start = found.start()
        try:
            _, position = _DECODER.raw_decode(whole, start)
        except json.JSONDecodeError as error:
            is_json = _has_json_members(cleaned[start:], error.pos - start)
            end = _end_of_value(whole, start) if is_json else None
            if not is_json or (end is None and whole[start] == "[" and _has_text_before(whole, start)):
                position = found.end()
                continue
            position = end or len(whole)
        except (ValueError, RecursionError):  # too large a number, or too deep
            position = _end_of_value(whole, start) or len(whole)
        yield whole[start:position]


def _fenced_blocks(text: str) -> Iterator[str]:
    """Iterate over fenced blocks. Each part of the text is searched once, however many fences are never closed."""
    start = _FENCE_START.search(text)
    while start and (end := _FENCE_END.search(text, start.end())):
        yield text[start.end() : end.start()].strip()
        start = _FENCE_START.search(text, end.end())


def _has_json_members(text: str, wrong_at: int) -> bool:
    """Whether invalid JSON has members before it ends or goes wrong, and so was meant as JSON. Brackets of prose, as in
    "{it is}", "[0, 1)" or "[3, p. 5]", have none, or only numbers."""
    import jiter

    for readable in (text, text[:wrong_at]):
        data = readable.encode(errors="replace")
        with contextlib.suppress(ValueError):
            read: Any = jiter.from_json(data, partial_mode="trailing-strings")
            return not all(isinstance(item, int | float) for item in read)  # the names, for an object
    return True  # too deep


def _has_text_before(text: str, position: int) -> bool:
    """Whether there is text before a position in its line, as before "[0, 1)" in prose."""
    return bool(text[text.rfind("\n", 0, position) + 1 : position].strip())


def _end_of_value(text: str, start: int) -> int | None:
    """Return the position behind an object or array, by its brackets alone; `None` if it has no end within reach."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text, start, start + _MAX_SCAN):
        depth += (found[0] in "{[") - (found[0] in "}]")
        if not depth:
            return found.end()
    return None


def is_closed_json(text: str) -> bool:
    """Whether a text ends like closed JSON. A bare number or word may always go on."""
    return text.rstrip().endswith(("}", "]", '"', "```"))


def incomplete_error(error: ParseError, ended: FinishReason | None, pending: str | None) -> ParseError:
    """Return the error for an incomplete response: `ended` is its finish reason, `pending` why it is not complete yet.
    `error` is the problem with the text so far."""
    why = pending if ended is None else _END_MESSAGES[ended].format(text=repr(error.text.strip()))
    return ParseError(
        why or str(error),
        text=error.text,
        original_exception=error.original_exception or error,
        cut_off=ended is not None and ended.cuts_off,
    )


def unusable_error(text: str, wrong: Exception | None, broken: Exception | None) -> ParseError:
    """Return the error for a text: `wrong` is why its JSON does not fit the type, `broken` why it is not JSON."""
    if wrong is not None:
        return ParseError(_describe_error(wrong), text=text, original_exception=wrong, advice=_FIX_ADVICE)
    if broken is not None:
        message = f"The JSON in the response is broken: {broken}."
        return ParseError(message, text=text, original_exception=broken, advice=_JSON_ADVICE)
    excerpt = text if len(text) <= _MAX_EXCERPT else f"{text[:_MAX_EXCERPT]}…"
    return ParseError(f"The response contains no JSON: {excerpt!r}", text=text, advice=_JSON_ADVICE)


def _describe_error(error: Exception) -> str:
    errors: Any = getattr(error, "errors", None)
    if errors is None:
        return "The JSON in the response is nested too deeply." if isinstance(error, RecursionError) else str(error)
    details = errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, d['loc'])) or 'the response'}: {d['msg']}" for d in details)
