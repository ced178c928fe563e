"""The conversion of tool results for the model: to values that can be sent again, to text, and to images.

A tool may itself call a model: a response that it returns is replaced by its parsed value or text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from .result_text import result_text

if TYPE_CHECKING:
    from .content import Image, ToolCall

_SCALARS = frozenset({str, int, float, bool})


@runtime_checkable
class ResponseLike(Protocol):
    """A response of a model."""

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
    """A streamed response; `finish` reads all of it (sync or async, as the response is)."""

    @property
    def consumed(self) -> bool: ...
    def finish(self) -> Any: ...


def stream_finisher(result: Any) -> Callable[[], Any] | None:
    """Return the `finish` method of a result that is an unfinished stream; `None` for other results."""
    is_coming = getattr(result, "consumed", None) is False  # checked first, since checking a protocol is slower
    return result.finish if is_coming and isinstance(result, StreamResponseLike) else None


def materialize_result(result: Any) -> Any:
    """Return a result that can be read each time that it is sent: iterators become lists, a `Text` its text, and a
    response its parsed value or text, also inside of dicts, lists and tuples. Other results are returned unchanged.

    Raises `TypeError` for a response that is unfinished, incomplete, or has tool calls that were not run, and for
    files that cannot be sent in a tool's result. Raises the errors of a response's `parse`."""
    try:
        return _materialize(result, _TOP_LEVEL)
    except RecursionError:  # for example a cycle, for which `result_text` raises
        return result


# The position of a value in a result. Images are sent as images at the top level and in a list there.
_TOP_LEVEL, _IN_LIST, _NESTED = range(3)


def _materialize(value: Any, position: int) -> Any:
    if value is None or type(value) in _SCALARS:  # the common case, and checking for an iterator is slow
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
            f"A tool's result cannot contain this {type(value).__name__}. Only an Image can be sent, as the result "
            "itself or as an item of a list that is the result. Return the file's content as text."
        )
    return value


def _read_response(response: ResponseLike) -> Any:
    if stream_finisher(response) is not None:
        raise TypeError("The tool returned a stream that is not finished: call finish() before returning it.")
    if response.tool_calls:
        names = ", ".join(call.name for call in response.tool_calls)
        raise TypeError(f"The response has tool calls to run ({names}): execute them and resume before returning it.")
    if response.format is not None:
        return response.parse()
    if response.finish_reason not in (None, "refusal"):
        raise TypeError(f"The response is incomplete (finish_reason is {response.finish_reason}): {response.text()!r}")
    return response.text()


def result_text_without_images(result: object) -> str:
    """Return the text of a tool's result without its images. Raises the errors of `result_text`."""
    if not result_images(result):
        return result_text(result)
    from .content import Image

    return "\n".join(result_text(item) for item in result_items(result) if not isinstance(item, Image))


def result_images(result: object) -> list[Image]:
    """Return the images in a tool's result: the result itself, or items of a list."""
    from .content import Image

    return [item for item in result_items(result) if isinstance(item, Image)]


def result_items(result: Any) -> Sequence[Any]:
    """Return the items of a result that is a list; any other result as the only item."""
    return cast("Sequence[Any]", result) if isinstance(result, list | tuple) else [result]
