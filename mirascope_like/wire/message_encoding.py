"""Helpers that all codecs use to encode messages: they decide which messages are sent back verbatim, write the others
as text, and make the ids and names of calls valid for the server.

Each id is converted on its own, so a call and its result always match, also in later requests.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast
from weakref import WeakValueDictionary

from ..errors import UnsupportedParamWarning
from ..types.chunks import Accumulator, Chunk
from ..types.content import (
    AssistantContentPart,
    Base64DocumentSource,
    Base64ImageSource,
    Image,
    Text,
    Thought,
    ToolCall,
    URLImageSource,
    UserContentPart,
)
from ..types.finite_json import parse_finite_json
from ..types.messages import AssistantMessage
from ..types.result_text import result_text
from ..types.tool_results import result_images, result_items
from .codec import JsonObject, Request, WireError

NO_TEXT = "(no text)"
"""The text that stands in where a server requires a text and there is none."""

_INVALID_NAME_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME_LENGTH = 64  # characters; the limit for functions on all servers


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIdFormat:
    """The tool call ids that a server accepts: those that fully match `pattern`. Others are replaced by `prefix` and a
    hash of `digits` hex digits."""

    pattern: str
    prefix: str = "call_"
    digits: int = 32

    def make_valid(self, id: str) -> str:
        """Return the id to send for a call's id."""
        if re.fullmatch(self.pattern, id):
            return id
        return self.prefix + sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[: self.digits]


def make_valid_name(name: str) -> str:
    """Return the name to send for a function's name: models invent names that no server accepts back."""
    return _INVALID_NAME_CHARACTER.sub("_", name)[:_MAX_NAME_LENGTH] or "_"


def arguments_object(args: str) -> dict[str, Any]:
    """Return arguments (JSON text) as an object; an empty one if they are truncated, not an object, or have numbers
    that JSON does not have."""
    value = _parse_arguments(args)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def tag_system_text(text: str) -> str:
    """Return a system message as tagged user text, for a server that does not accept it in its place."""
    return f"<system>\n{text}\n</system>"


def can_send_verbatim(message: AssistantMessage, request: Request, decode: Callable[[], list[Chunk]]) -> bool:
    """Return whether a message's raw form can be sent back unchanged.

    It can if it came from this provider and model, the caller does not want thoughts as text, and it still has the same
    content as the message, so edited messages are sent as edited. `decode` returns the chunks of the raw form.
    """
    thinking = request.params.get("thinking") or {"level": "default"}
    if message.provider_id != request.provider_id or message.model_id != request.model_id:
        return False
    if thinking.get("encode_thoughts_as_text"):
        return False
    if _unedited_messages.get(id(message)) is message:
        return True
    if same := _is_unedited(message, decode):
        _unedited_messages[id(message)] = message
    return same


# Messages whose raw form is known to have their content: each message is compared once, not once a turn.
_unedited_messages: WeakValueDictionary[int, AssistantMessage] = WeakValueDictionary()


def _is_unedited(message: AssistantMessage, decode: Callable[[], list[Chunk]]) -> bool:
    accumulator = Accumulator()
    try:
        for chunk in decode():
            accumulator.add(chunk)
    except (WireError, LookupError, TypeError, ValueError, AttributeError):
        return False  # this codec cannot read the raw form
    return _comparable_content(accumulator.content) == _comparable_content(message.content)


def message_text(message: AssistantMessage, request: Request) -> str:
    """Return the message's text, for a provider or model that did not produce the message.

    Other providers cannot verify the signatures of thoughts, so thoughts are left out, or written as text if the caller
    requests it.
    """
    thinking = request.params.get("thinking") or {"level": "default"}
    as_text = thinking.get("encode_thoughts_as_text", False)
    texts: list[str] = []
    for part in message.content:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, Thought) and as_text and part.thought:
            texts.append(f"**Thinking:** {part.thought}\n\n")
    return "".join(texts)


def encode_user_content(
    parts: Sequence[UserContentPart], encode: Callable[[UserContentPart], JsonObject]
) -> str | list[JsonObject]:
    """Encode user content for OpenAI's protocols: a single text becomes a string; otherwise each part is encoded. Empty
    texts are left out."""
    nonempty = [part for part in parts if not isinstance(part, Text) or part.text] or parts[:1]
    if not nonempty:
        return ""
    if len(nonempty) == 1 and isinstance(nonempty[0], Text):
        return nonempty[0].text
    return [encode(part) for part in nonempty]


def encode_result(
    result: object, encode_text: Callable[[str], JsonObject], encode_image: Callable[[Image], JsonObject]
) -> str | list[JsonObject]:
    """Encode a tool's result: as a list if it has images, else as text."""
    if not result_images(result):
        return result_text(result)
    return [
        encode_image(item) if isinstance(item, Image) else encode_text(result_text(item))
        for item in result_items(result)
    ]


def image_url(source: Base64ImageSource | URLImageSource) -> str:
    """Return the URL of an image; a `data:` URL if the image has none."""
    return source.url if isinstance(source, URLImageSource) else data_url(source.mime_type, source.data)


def document_file(source: Base64DocumentSource) -> JsonObject:
    """Return a document as OpenAI's protocols have files: with a name, since the name shows the type."""
    name = f"document.{source.media_type.rpartition('/')[2]}"
    return {"filename": name, "file_data": data_url(source.media_type, source.data)}


def data_url(mime_type: str, base64_text: str) -> str:
    """Return a `data:` URL (RFC 2397)."""
    return f"data:{mime_type};base64,{base64_text}"


def warn_omitted(name: str, request: Request, together_with: str = "", instead: str = "") -> None:
    """Warn that the param `name` cannot be sent to this model, or not `together_with` another param; `instead` is a
    sentence on what the caller can do."""
    what = f"{name!r} together with {together_with!r}" if together_with else repr(name)
    model = request.model_id or request.model
    text = f"{model} does not support {what}; {name!r} is left out of the request. {instead}"
    warnings.warn(text.rstrip(), UnsupportedParamWarning, stacklevel=2)


def _comparable_content(content: Sequence[AssistantContentPart]) -> tuple[str, list[tuple[str, str, object]]]:
    """Return a message's text and calls, independent of how they are split into parts or spaced."""
    text = "".join(part.text for part in content if isinstance(part, Text))
    return text, [(part.id, part.name, _parse_arguments(part.args)) for part in content if isinstance(part, ToolCall)]


def _parse_arguments(args: str) -> object:
    """Return the value of arguments; an empty object if they are truncated, or have a number that Python reads and JSON
    does not have: `NaN`, `Infinity`, and `1e999`, which becomes infinity."""
    try:
        return parse_finite_json(args)
    except (ValueError, RecursionError):
        return {}
