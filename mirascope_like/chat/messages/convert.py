"""Messages of this API as the library's own, and back.

Every library message goes here and back unchanged: a message of this API remembers the one that it was made from, and
what this API has no field for; see `origins`. That counts only while a part still says what it said then, so what a
user edits is sent as edited. A message that is converted a second time gives the same object.

The other way, an answer of a model that a user wrote keeps its metadata in the raw message, with `OWN` as the provider.
For metadata of what users and tools say the library has no place: it stays on this side.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias, cast

from ...errors import ToolExecutionError, error_text
from ...types import content as c, messages as m, serialization
from ...types.finite_json import parse_finite_json
from ...types.lineage import get_call_id, set_call_id
from ...types.result_text import result_text
from ...types.tool_results import result_images
from ...types.unfinished import get_unfinished, with_unfinished
from .attachments import from_media, to_media
from .origins import (
    OWN,
    KnownPart,
    Origin,
    OwnData,
    changeable,
    get_origin,
    own_data,
    own_data_of_parts,
    set_origin,
)
from .parts import AttachmentPart, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, part_from_dict

_HIDDEN_THOUGHT = re.compile("reason|think")  # in a provider's word for a block that nobody else understands
_FIELDS = ("name", "provider_id", "model_id", "provider_model_name", "raw_message")

_OwnedPart: TypeAlias = tuple[Part, OwnData | None]
"""A part, and the library's own data of it."""


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments in a call's JSON text. What is no JSON object is kept as `{"_raw": text}`, and so is one with `NaN`
    or infinite numbers, which JSON does not have; blank means none."""
    if not text.strip():
        return {}
    try:
        value = parse_finite_json(text)
    except (ValueError, RecursionError):
        return {"_raw": text}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"_raw": text}


def args_text(arguments: Mapping[str, Any]) -> str:
    """The JSON text of a call's arguments; the model's own text if that was no JSON object."""
    match arguments:
        case {"_raw": str(text)} if len(arguments) == 1:
            return text
        case _:
            return json.dumps(arguments, ensure_ascii=False)


def own_block(part: Part) -> c.ProviderBlock:
    """A part that the library has no name for in an answer: kept, and sent to nobody."""
    return c.ProviderBlock(kind=OWN, raw=deepcopy(dict(part.to_dict())))


def answered_call(block: c.ProviderBlock, calls: Mapping[str, str]) -> str | None:
    """The id of the call, of those that the provider ran, which a block names, and so answers."""
    return next((value for value in block.raw.values() if isinstance(value, str) and value in calls), None)


# -- to the library ---------------------------------------------------------------------------------------------------


def to_llm(messages: Iterable[Message]) -> list[m.Message]:
    """The library's own messages. Raises `ValueError` for a role or part that cannot be sent. Attachments by path are
    read now; see `attachments.loaded`."""
    return [_to_llm(message) for message in messages]


def _to_llm(message: Message) -> m.Message:
    origin = get_origin(message)
    if origin is not None and (same := origin.unchanged(message)) is not None:
        return same
    own, owned, held = own_data(message), _owned(message), changeable(message)
    known = tuple(KnownPart.of(*each) for each in owned)  # as they are before they are encoded
    made = set_call_id(_encoded(message, own, owned), get_call_id(message))
    set_origin(message, Origin(own, known, held, made))
    return made


def _owned(message: Message) -> list[_OwnedPart]:
    return list(zip(message.parts, own_data_of_parts(message), strict=True))


def _encoded(message: Message, own: OwnData, parts: Sequence[_OwnedPart]) -> m.Message:
    match message.role:
        case "system":
            return _system(parts)
        case "user" | "tool":
            return m.UserMessage(content=list(_user_content(parts)), name=own.get("name"))
        case "assistant":
            return _assistant(message, own, parts)
        case role:
            raise ValueError(f"A message is of role system, user, assistant or tool, not {role!r}.")


def _system(parts: Sequence[_OwnedPart]) -> m.SystemMessage:
    said = [_part_to_llm(*each) for each in parts]
    if len(said) == 1 and isinstance(said[0], c.Text):
        return m.SystemMessage(content=said[0])
    if not all(isinstance(part, c.Text) for part in said):
        raise ValueError("A system message is text, and nothing else.")
    return m.SystemMessage(content=c.Text("\n\n".join(part.text for part in said if isinstance(part, c.Text))))


def _user_content(parts: Sequence[_OwnedPart]) -> Iterator[c.UserContentPart]:
    for part, own in parts:
        said = _part_to_llm(part, own)
        if not isinstance(said, c.Text | c.Image | c.Audio | c.Document | c.ToolOutput):
            raise ValueError(f"A {type(part).__name__} is part of an answer; users and tools cannot say it.")
        yield said
    for part, own in parts:
        if isinstance(part, ToolResultPart) and own is None:
            # Of what tools attach, only images go with the result itself.
            yield from (media for media in map(to_media, part.attachments) if not isinstance(media, c.Image))


def _assistant(message: Message, own: OwnData, parts: Sequence[_OwnedPart]) -> m.AssistantMessage:
    content = list(_answer(parts))
    if not own and (message.provider_metadata or [part for part, _ in _views(content)] != message.parts):
        own = {"provider_id": OWN, "raw_message": [deepcopy(dict(message.to_dict()))]}
    return m.AssistantMessage(content=content, **{name: own.get(name) for name in _FIELDS})


def _answer(parts: Iterable[_OwnedPart]) -> Iterator[c.AssistantContentPart]:
    for part, own in parts:
        said = _part_to_llm(part, own)
        if isinstance(said, c.Text | c.Thought | c.ToolCall | c.ServerToolCall | c.ProviderBlock):
            yield said
        else:
            yield own_block(part)


def _part_to_llm(part: Part, own: OwnData | None) -> c.UserContentPart | c.AssistantContentPart:
    original = None if own is None else serialization.from_dict(own)
    said = original if original is not None and _says_same(part, original) else _plain_to_llm(part)
    return with_unfinished(said, get_unfinished(part))


def _plain_to_llm(part: Part) -> c.UserContentPart | c.AssistantContentPart:
    match part:
        case TextPart():
            return c.Text(part.text)
        case ReasoningPart():
            return c.Thought(part.text)
        case AttachmentPart():
            return to_media(part.attachment)
        case ToolCallPart():
            kind = c.ServerToolCall if part.server_executed else c.ToolCall
            return kind(id=part.tool_call_id or "", name=part.name, args=args_text(part.arguments))
        case ToolResultPart(server_executed=True):
            return own_block(part)
        case ToolResultPart():
            return _output(part)


def _output(part: ToolResultPart) -> c.ToolOutput[Any]:
    images = [media for media in map(to_media, part.attachments) if isinstance(media, c.Image)]
    said = [part.output] if part.output else []
    error = None if part.exception is None else ToolExecutionError(part.exception)
    result: Any = [*said, *images] if images else part.output
    return c.ToolOutput(id=part.tool_call_id or "", name=part.name, result=result, error=error)


# -- from the library -------------------------------------------------------------------------------------------------


def from_llm(messages: Iterable[m.Message]) -> list[Message]:
    """Messages of this API. `to_llm(from_llm(messages)) == messages`, as far as tools' results have a JSON form."""
    return [set_call_id(made, get_call_id(message)) for message in messages for made in _from_llm(message)]


def _from_llm(message: m.Message) -> list[Message]:
    match message:
        case m.SystemMessage():
            return [_view("system", message, [message.content])]
        case m.UserMessage():
            tools = bool(message.content) and all(isinstance(part, c.ToolOutput) for part in message.content)
            return [_view("tool" if tools else "user", message, message.content)]
        case m.AssistantMessage():
            return _as_said(message) or [_view("assistant", message, message.content)]


def _view(role: str, message: m.Message, content: Iterable[c.UserContentPart | c.AssistantContentPart]) -> Message:
    owned = list(_views(content))
    made = Message(role, [part for part, _ in owned])
    known = tuple(KnownPart.of(*each) for each in owned)
    return set_origin(made, Origin(_kept(message), known, changeable(made), message))


def _kept(message: m.Message) -> OwnData:
    return {name: value for name in _FIELDS if (value := getattr(message, name, None)) is not None}


def _as_said(message: m.AssistantMessage) -> list[Message] | None:
    """The messages that a raw message of this API holds, if the answer still says what they say."""
    raw = message.raw_message
    if message.provider_id != OWN or not isinstance(raw, list | tuple):
        return None
    with contextlib.suppress(ValueError, TypeError):
        messages = [Message.from_dict(data) for data in cast("Sequence[Any]", raw)]
        if _gist(_answer(owned for each in messages for owned in _owned(each))) == _gist(message.content):
            return _as_unfinished(messages, message.content)
    return None


def _as_unfinished(messages: Sequence[Message], content: Sequence[c.AssistantContentPart]) -> list[Message]:
    """The messages, whose calls are as unfinished as those of the same content, in the same order."""
    reasons = iter([get_unfinished(part) for part in content if isinstance(part, c.ToolCall)])

    def as_unfinished(part: Part) -> Part:
        own = isinstance(part, ToolCallPart) and not part.server_executed
        return with_unfinished(part, next(reasons, None)) if own else part

    return [message.with_parts(map(as_unfinished, message.parts)) for message in messages]


def _gist(content: Iterable[c.AssistantContentPart]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Words and calls."""
    parts = list(content)
    calls = [(part.name, arguments_of(part.args)) for part in parts if isinstance(part, c.ToolCall)]
    return "".join(part.text for part in parts if isinstance(part, c.Text)), calls


def _views(content: Iterable[c.UserContentPart | c.AssistantContentPart]) -> Iterator[_OwnedPart]:
    """The parts of this API, in which what the provider ran answers its calls."""
    server_calls: dict[str, str] = {}
    for part in content:
        made, own = _part_from_llm(part)
        if isinstance(part, c.ServerToolCall):
            server_calls[part.id] = part.name
        elif isinstance(part, c.ProviderBlock) and isinstance(made, ToolResultPart) and not made.tool_call_id:
            id = answered_call(part, server_calls)
            made = made if id is None else replace(made, name=server_calls[id], tool_call_id=id)
        yield with_unfinished(made, get_unfinished(part)), own


def _part_from_llm(part: c.UserContentPart | c.AssistantContentPart) -> _OwnedPart:
    if isinstance(part, c.ProviderBlock) and part.kind == OWN:
        with contextlib.suppress(ValueError):
            return part_from_dict(deepcopy(part.raw)), None
    plain = _plain_from_llm(part)
    if _comes_back(plain, part):
        return plain, None
    data = serialization.to_dict(part)
    if isinstance(part, c.ToolOutput) and _comes_back(plain, serialization.from_dict(data)):  # of the user's own type
        return plain, None
    return plain, data


def _comes_back(plain: Part, part: c.UserContentPart | c.AssistantContentPart) -> bool:
    try:
        return _plain_to_llm(plain) == part
    except ValueError:  # empty files, and others that cannot be sent
        return False


def _plain_from_llm(part: c.UserContentPart | c.AssistantContentPart) -> Part:
    """The part as far as this API has fields for it."""
    match part:
        case c.Text(text):
            return TextPart(text)
        case c.Thought(thought):
            return ReasoningPart(thought, redacted=not thought)
        case c.ToolCall() | c.ServerToolCall():
            by_provider = isinstance(part, c.ServerToolCall)
            return ToolCallPart(part.name, arguments_of(part.args), part.id or None, by_provider)
        case c.ToolOutput():
            return _result(part)
        case c.ProviderBlock():
            if _HIDDEN_THOUGHT.search(part.kind):
                return ReasoningPart(redacted=True)
            return ToolResultPart(part.kind, result_text(part.raw), server_executed=True)
        case _:
            return AttachmentPart(from_media(part))


def _result(output: c.ToolOutput[Any]) -> ToolResultPart:
    result: Any = output.result
    images = result_images(result)
    items = cast("Sequence[Any]", result) if images and isinstance(result, list | tuple) else [result]
    said = [item for item in items if not isinstance(item, c.Image)]
    return ToolResultPart(
        output.name,
        "\n".join(result_text(item) for item in said),
        output.id or None,
        attachments=[from_media(image) for image in images],
        exception=None if output.error is None else error_text(output.error),
    )


def _says_same(part: Part, original: c.UserContentPart | c.AssistantContentPart) -> bool:
    plain = _plain_from_llm(original)
    if isinstance(original, c.ProviderBlock) and isinstance(plain, ToolResultPart) and isinstance(part, ToolResultPart):
        plain = replace(plain, name=part.name, tool_call_id=part.tool_call_id)  # named by the call that it answers
    bare = replace(part, provider_metadata=None)
    return plain == bare and changeable(plain) == changeable(bare)
