"""Finding the JSON in what a model wrote, and saying what is wrong with it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import ParseError
from ..values.chunks import FinishReason

__all__ = ["incomplete_error", "is_closed_json", "is_like_json", "json_candidates", "read_json", "unusable_error"]

_FENCE_START = re.compile(r"```(?:json)?[ \t]*\r?\n", re.IGNORECASE)
_FENCE_END = re.compile(r"\r?\n[ \t]*```")
_OPENING = re.compile(r"[{\[]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_DECODER = json.JSONDecoder(strict=False)  # to find where a value ends, even if it has line breaks in strings
# So that no text takes long to look through.
_MAX_OPENINGS = 200
_MAX_SCAN = 20_000  # characters

_END_MESSAGES = {
    FinishReason.MAX_TOKENS: (
        "The answer was cut off at the limit of tokens before it was complete (finish_reason is max_tokens). "
        "Raise max_tokens, or ask for less."
    ),
    FinishReason.CONTEXT_LENGTH_EXCEEDED: (
        "The answer was cut off before it was complete: there was no more room in the model's context "
        "(finish_reason is context_length_exceeded). Shorten the conversation, or ask for less."
    ),
    FinishReason.REFUSAL: "The model or a filter refused (finish_reason is refusal). It said: {text}",
    FinishReason.PAUSE: "The provider paused the answer before it was complete (finish_reason is pause): let it go on.",
    FinishReason.ERROR: "The provider failed before the answer was complete (finish_reason is error).",
    FinishReason.CANCELLED: "The answer was cancelled before it was complete (finish_reason is cancelled).",
    FinishReason.UNKNOWN: (
        "The answer may be incomplete: the provider did not say that it is complete (finish_reason is unknown, see "
        "raw_finish_reason)."
    ),
}

_FIX_ADVICE = "Answer again, with this put right. Write only the JSON."
_JSON_ADVICE = "Answer again with the JSON alone: complete, and with nothing around it."


def read_json(text: str) -> object:
    """The value of a JSON text. Raises `ValueError`, also for NaN, infinities, halves of surrogate pairs, and what is
    nested more than 200 deep."""
    import jiter

    value: object = jiter.from_json(text.encode(), allow_inf_nan=False)
    return value


def json_candidates(text: str) -> Iterator[str]:
    """The places in a text where its JSON may be, likeliest first: all of it, fenced blocks, then what starts like JSON
    in the middle of prose. Of JSON that is broken nothing inside is taken for the whole."""
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
    """Yield what stands in fences. Each part of the text is searched once, however many fences are never closed."""
    start = _FENCE_START.search(text)
    while start and (end := _FENCE_END.search(text, start.end())):
        yield text[start.end() : end.start()].strip()
        start = _FENCE_START.search(text, end.end())


def _has_json_members(text: str, wrong_at: int) -> bool:
    """Whether text that is no JSON was meant to be: it has members of some before it ends or goes wrong. Brackets of
    prose, as in "{it is}", "[0, 1)" or "[3, p. 5]", hold nothing, or numbers."""
    import jiter

    for readable in (text, text[:wrong_at]):
        data = readable.encode(errors="replace")
        with contextlib.suppress(ValueError):
            read: Any = jiter.from_json(data, partial_mode="trailing-strings")
            return not all(isinstance(item, int | float) for item in read)  # of an object: its names
    return True  # too deep


def _has_text_before(text: str, position: int) -> bool:
    """Whether something stands before a position in its line, as before "[0, 1)" in prose."""
    return bool(text[text.rfind("\n", 0, position) + 1 : position].strip())


def _end_of_value(text: str, start: int) -> int | None:
    """The position behind an object or array, by its brackets alone; `None` if it has no end in reach."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text, start, start + _MAX_SCAN):
        depth += (found[0] in "{[") - (found[0] in "}]")
        if not depth:
            return found.end()
    return None


def is_like_json(text: str) -> bool:
    """Whether a text begins as JSON does."""
    return text.startswith(("{", "["))


def is_closed_json(text: str) -> bool:
    """Whether a text ends where JSON may end. Of a bare number or word nobody knows."""
    return text.rstrip().endswith(("}", "]", '"', "```"))


def incomplete_error(error: ParseError, ended: FinishReason | None, pending: str | None) -> ParseError:
    """The error for an answer that is no value since it is not a whole one: for why it ended, or what it still waits
    for. `error` says what is wrong with what there is of it."""
    why = pending if ended is None else _END_MESSAGES[ended].format(text=repr(error.text.strip()))
    return ParseError(
        why or str(error),
        text=error.text,
        original_exception=error.original_exception or error,
        cut_off=ended is not None and ended.cuts_off,
    )


def unusable_error(text: str, wrong: Exception | None, broken: Exception | None) -> ParseError:
    """The error for a text: `wrong` is why its JSON is not of the type, `broken` why it is no JSON."""
    if wrong is not None:
        return ParseError(_describe_error(wrong), text=text, original_exception=wrong, advice=_FIX_ADVICE)
    if broken is not None:
        message = f"the JSON in it is broken: {broken}."
        return ParseError(message, text=text, original_exception=broken, advice=_JSON_ADVICE)
    return ParseError("there is no JSON in it.", text=text, advice=_JSON_ADVICE)


def _describe_error(error: Exception) -> str:
    errors: Any = getattr(error, "errors", None)
    if errors is None:
        return "it is nested too deeply." if isinstance(error, RecursionError) else str(error)
    details = errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, d['loc'])) or 'the answer'}: {d['msg']}" for d in details)
