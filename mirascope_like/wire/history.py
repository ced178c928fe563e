"""What every codec does alike when it sends history: decide what goes back verbatim, and say the rest in words."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from ..errors import UnsupportedParamWarning
from ..values.chunks import Accumulator, Chunk
from ..values.content import AssistantContentPart, Text, Thought, ToolCall
from ..values.messages import AssistantMessage
from ..values.results import result_images
from . import Request, WireError

__all__ = ["data_url", "left_out", "result_images", "sent_verbatim", "spoken"]


def sent_verbatim(message: AssistantMessage, request: Request, decode: Callable[[], list[Chunk]]) -> bool:
    """Whether a message's raw form goes back as it is.

    It does if it came from this provider and model, the caller does not want thoughts as text, and it still says what
    the message's content says, so that edited messages are sent as edited. `decode` gives the chunks of the raw form.
    """
    thinking = request.params.get("thinking") or {"level": "default"}
    if message.provider_id != request.provider_id or message.model_id != request.model_id:
        return False
    if thinking.get("encode_thoughts_as_text"):
        return False
    if _compared.get(id(message)) is message:
        return True
    if same := _says_the_same(message, decode):
        _compared[id(message)] = message
    return same


# Messages whose raw form was found to say what they say: a conversation is compared once, not once a turn.
_compared: WeakValueDictionary[int, AssistantMessage] = WeakValueDictionary()


def _says_the_same(message: AssistantMessage, decode: Callable[[], list[Chunk]]) -> bool:
    accumulator = Accumulator()
    try:
        for chunk in decode():
            accumulator.add(chunk)
    except (WireError, LookupError, TypeError, ValueError, AttributeError):
        return False  # no raw form that this codec can read
    return _gist(accumulator.content) == _gist(message.content)


def spoken(message: AssistantMessage, request: Request) -> str:
    """A message's texts as one, for a provider or model that did not write them.

    Thoughts of others cannot be checked by their signatures, so they are left out, or written as text if the caller
    asks for that."""
    thinking = request.params.get("thinking") or {"level": "default"}
    as_text = thinking.get("encode_thoughts_as_text", False)
    said: list[str] = []
    for part in message.content:
        if isinstance(part, Text):
            said.append(part.text)
        elif isinstance(part, Thought) and as_text and part.thought:
            said.append(f"**Thinking:** {part.thought}\n\n")
    return "".join(said)


def data_url(mime_type: str, base64_text: str) -> str:
    """A `data:` URL (RFC 2397)."""
    return f"data:{mime_type};base64,{base64_text}"


def left_out(name: str, request: Request) -> None:
    """Warn that the param `name` cannot be sent to this model."""
    warnings.warn(
        f"{request.model_id or request.model} does not take {name!r}: it is left out of the request.",
        UnsupportedParamWarning,
        stacklevel=2,
    )


def _gist(content: Sequence[AssistantContentPart]) -> tuple[str, list[tuple[str, str, object]]]:
    """What a message says to others: its words and its calls, however they are cut into parts, or spaced."""
    words = "".join(part.text for part in content if isinstance(part, Text))
    return words, [(part.id, part.name, _arguments(part.args)) for part in content if isinstance(part, ToolCall)]


def _arguments(args: str) -> object:
    """What arguments say. Those that are cut off say nothing: where JSON values are sent, they go back as none."""
    try:
        return json.loads(args)
    except (ValueError, RecursionError):
        return {}
