"""What a tool gave back, as the text that a model reads: strings as they are, all else compact UTF-8 JSON.

A tool may itself ask a model: an answer that it returns counts as what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from .result_text import result_text

if TYPE_CHECKING:
    from .content import Image, ToolCall

__all__ = [
    "ResponseLike",
    "StreamResponseLike",
    "materialize_result",
    "result_images",
    "result_text_without_images",
    "stream_finisher",
]

_SCALARS = frozenset({str, int, float, bool})


@runtime_checkable
class ResponseLike(Protocol):
    """An answer of a model, as responses are."""

    @property
    def format(self) -> object | None: ...
    @property
    def finish_reason(self) -> object | None: ...
    @property
    def tool_calls(self) -> Sequence[ToolCall]: ...
    def text(self) -> str: ...
    def parse(self) -> Any: ...


@runtime_checkable
class StreamResponseLike(ResponseLike, Protocol):
    """An answer that comes bit by bit; `finish` reads all of it, in its own colour."""

    @property
    def consumed(self) -> bool: ...
    def finish(self) -> Any: ...


def stream_finisher(result: Any) -> Callable[[], Any] | None:
    """What reads the rest of a result that is an answer on its way; `None` for all others."""
    is_coming = getattr(result, "consumed", None) is False  # asked first: it is quicker than asking for a protocol
    return result.finish if is_coming and isinstance(result, StreamResponseLike) else None


def materialize_result(result: Any) -> Any:
    """A result that can be read each time that it is sent: what can be read only once is made a list, a `Text` its
    words, and an answer what it says, also inside of dicts, lists and tuples. A result without such things stays as it
    is.

    Raises `TypeError` for an answer that is not read to its end, is incomplete, or waits for its own tools, and for the
    bytes of a file that no model would see there: it would read them as text, if at all. Raises what an answer's
    `parse` raises."""
    try:
        return _materialize(result, _TOP_LEVEL)
    except RecursionError:  # a circle, say: `result_text` tells what is wrong
        return result


# Where a value stands in a result. Images are sent as images where they are alone or in a list.
_TOP_LEVEL, _IN_LIST, _NESTED = range(3)


def _materialize(value: Any, position: int) -> Any:
    if value is None or type(value) in _SCALARS:  # most are, and asking for an iterator takes time
        return value
    item_position = _IN_LIST if position == _TOP_LEVEL else _NESTED
    if isinstance(value, dict):
        old = cast("Mapping[Any, Any]", value)
        new = {key: _materialize(item, _NESTED) for key, item in old.items()}
        return new if any(new[key] is not item for key, item in old.items()) else old
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        new_items = [_materialize(item, item_position) for item in items]
        return new_items if any(new is not old for new, old in zip(new_items, items, strict=True)) else items
    if isinstance(value, Iterator):
        return [_materialize(item, item_position) for item in cast("Iterable[Any]", value)]
    if isinstance(value, ResponseLike) and callable(value.parse) and callable(value.text):
        return _read_response(value)
    return _convert_part(value, position)


def _convert_part(value: Any, position: int) -> Any:
    from .content import Audio, Document, Image, Text

    if isinstance(value, Text):
        return value.text
    if isinstance(value, Image) and position != _NESTED:
        return value
    if isinstance(value, Image | Audio | Document) and value.source.type.startswith("base64_"):
        raise TypeError(
            f"A model cannot see this {type(value).__name__} in a tool's result: of files, only an Image that is the "
            "result, or stands in a list that is. Return what it says as text."
        )
    return value


def _read_response(answer: ResponseLike) -> Any:
    if stream_finisher(answer) is not None:
        raise TypeError("The answer is not read to its end: finish() it before returning it.")
    if answer.tool_calls:
        names = ", ".join(call.name for call in answer.tool_calls)
        raise TypeError(f"The answer waits for its own tools ({names}): execute them and resume before returning it.")
    if answer.format is not None:
        return answer.parse()
    if answer.finish_reason not in (None, "refusal"):
        raise TypeError(f"The answer is incomplete (finish_reason is {answer.finish_reason}): {answer.text()!r}")
    return answer.text()


def result_text_without_images(result: object) -> str:
    """The text of a tool's result but for its images. Raises as `result_text`."""
    if not result_images(result):
        return result_text(result)
    from .content import Image

    items = cast("Sequence[Any]", result) if isinstance(result, list | tuple) else [result]
    return "\n".join(result_text(item) for item in items if not isinstance(item, Image))


def result_images(result: object) -> list[Image]:
    """The images in a tool's result: itself, or members of a list."""
    from .content import Image

    items = cast("Sequence[Any]", result) if isinstance(result, list | tuple) else [result]
    return [item for item in items if isinstance(item, Image)]
