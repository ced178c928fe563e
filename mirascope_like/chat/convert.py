"""Messages of this face as the library's own, and back.

Every library message goes here and back unchanged: what this face has no field for (citations, a call's exact text, the
provider's raw message with its signatures) is kept under `OWN` in `provider_metadata`, in its JSON form.
It counts only while the part still says what it said then, so what a user edits is sent as edited.

The other way, an answer of a model that a user wrote keeps its metadata in the raw message, with `OWN` as the provider.
For metadata of what users and tools say the library has no place: it stays on this side.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from ..errors import ToolExecutionError, error_text
from ..types import content as c, messages as m, serialization
from ..types.finite_json import parse_finite_json
from ..types.lineage import get_call_id, set_call_id
from ..types.result_text import result_text
from ..types.tool_results import result_images
from ..types.unfinished import get_unfinished, with_unfinished
from .attachments import from_media, to_media
from .parts import AttachmentPart, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, part_from_dict

__all__ = ["OWN", "answered_call", "args_text", "arguments_of", "from_llm", "own_block", "to_llm"]

OWN: Final = "mirascope_like"

_HIDDEN_THOUGHT = re.compile("reason|think")  # in a provider's word for a block that nobody else understands
_FIELDS = ("name", "provider_id", "model_id", "provider_model_name", "raw_message")


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
    return c.ProviderBlock(kind=OWN, raw=dict(part.to_dict()))


def answered_call(block: c.ProviderBlock, calls: Mapping[str, str]) -> str | None:
    """The id of the call, of those that the provider ran, which a block names, and so answers."""
    return next((value for value in block.raw.values() if isinstance(value, str) and value in calls), None)


# -- to the library ---------------------------------------------------------------------------------------------------


def to_llm(messages: Iterable[Message]) -> list[m.Message]:
    """The library's own messages. Raises `ValueError` for a role or part that cannot be sent. Attachments by path are
    read now; see `attachments.loaded`."""
    return [set_call_id(_to_llm(message), get_call_id(message)) for message in messages]


def _to_llm(message: Message) -> m.Message:
    kept: dict[str, Any] = (message.provider_metadata or {}).get(OWN) or {}
    match message.role:
        case "system":
            return _system(message.parts)
        case "user" | "tool":
            return m.UserMessage(content=list(_user_content(message.parts)), name=kept.get("name"))
        case "assistant":
            return _assistant(message, kept)
        case role:
            raise ValueError(f"A message is of role system, user, assistant or tool, not {role!r}.")


def _system(parts: Sequence[Part]) -> m.SystemMessage:
    said = [_part_to_llm(part) for part in parts]
    if len(said) == 1 and isinstance(said[0], c.Text):
        return m.SystemMessage(content=said[0])
    if not all(isinstance(part, c.Text) for part in said):
        raise ValueError("A system message is text, and nothing else.")
    return m.SystemMessage(content=c.Text("\n\n".join(part.text for part in said if isinstance(part, c.Text))))


def _user_content(parts: Sequence[Part]) -> Iterator[c.UserContentPart]:
    for part in parts:
        said = _part_to_llm(part)
        if not isinstance(said, c.Text | c.Image | c.Audio | c.Document | c.ToolOutput):
            raise ValueError(f"A {type(part).__name__} is part of an answer; users and tools cannot say it.")
        yield said
    for part in parts:
        if isinstance(part, ToolResultPart) and OWN not in (part.provider_metadata or {}):
            # Of what tools attach, only images go with the result itself.
            yield from (media for media in map(to_media, part.attachments) if not isinstance(media, c.Image))


def _assistant(message: Message, kept: Mapping[str, Any]) -> m.AssistantMessage:
    content = list(_answer(message.parts))
    if not kept and (message.provider_metadata or list(_answer_parts(content)) != message.parts):
        kept = {"provider_id": OWN, "raw_message": [dict(message.to_dict())]}
    return m.AssistantMessage(content=content, **{name: kept.get(name) for name in _FIELDS})


def _answer(parts: Iterable[Part]) -> Iterator[c.AssistantContentPart]:
    for part in parts:
        said = _part_to_llm(part)
        if isinstance(said, c.Text | c.Thought | c.ToolCall | c.ServerToolCall | c.ProviderBlock):
            yield said
        else:
            yield own_block(part)


def _part_to_llm(part: Part) -> c.UserContentPart | c.AssistantContentPart:
    return with_unfinished(_bare_to_llm(part), get_unfinished(part))


def _bare_to_llm(part: Part) -> c.UserContentPart | c.AssistantContentPart:
    data = (part.provider_metadata or {}).get(OWN)
    if data is None:
        return _plain_to_llm(part)
    original = serialization.from_dict(data)
    return original if _says_same(part, original) else _plain_to_llm(part)


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
    """Messages of this face. `to_llm(from_llm(messages)) == messages`, as far as tools' results have a JSON form."""
    return [set_call_id(made, get_call_id(message)) for message in messages for made in _from_llm(message)]


def _from_llm(message: m.Message) -> list[Message]:
    match message:
        case m.SystemMessage():
            return [Message("system", [_part_from_llm(message.content)])]
        case m.UserMessage():
            tools = bool(message.content) and all(isinstance(part, c.ToolOutput) for part in message.content)
            parts = [_part_from_llm(part) for part in message.content]
            return [Message("tool" if tools else "user", parts, _kept(message, ("name",)))]
        case m.AssistantMessage():
            if said := _as_said(message):
                return said
            return [Message("assistant", list(_answer_parts(message.content)), _kept(message, _FIELDS))]


def _kept(message: m.Message, names: Sequence[str]) -> dict[str, Any] | None:
    held = {name: value for name in names if (value := getattr(message, name)) is not None}
    return {OWN: held} if held else None


def _as_said(message: m.AssistantMessage) -> list[Message] | None:
    """The messages that a raw message of this face holds, if the answer still says what they say."""
    raw = message.raw_message
    if message.provider_id != OWN or not isinstance(raw, list | tuple):
        return None
    with contextlib.suppress(ValueError, TypeError):
        messages = [Message.from_dict(data) for data in cast("Sequence[Any]", raw)]
        if _gist(_answer(part for each in messages for part in each.parts)) == _gist(message.content):
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


def _answer_parts(content: Iterable[c.AssistantContentPart]) -> Iterator[Part]:
    server_calls: dict[str, str] = {}
    for part in content:
        made = _part_from_llm(part)
        if isinstance(part, c.ServerToolCall):
            server_calls[part.id] = part.name
        elif isinstance(part, c.ProviderBlock) and isinstance(made, ToolResultPart) and not made.tool_call_id:
            id = answered_call(part, server_calls)
            made = made if id is None else replace(made, name=server_calls[id], tool_call_id=id)
        yield made


def _part_from_llm(part: c.UserContentPart | c.AssistantContentPart) -> Part:
    return with_unfinished(_bare_from_llm(part), get_unfinished(part))


def _bare_from_llm(part: c.UserContentPart | c.AssistantContentPart) -> Part:
    if isinstance(part, c.ProviderBlock) and part.kind == OWN:
        with contextlib.suppress(ValueError):
            return part_from_dict(part.raw)
    plain = _plain_from_llm(part)
    if _comes_back(plain, part):
        return plain
    data = serialization.to_dict(part)
    if isinstance(part, c.ToolOutput) and _comes_back(plain, serialization.from_dict(data)):  # of the user's own type
        return plain
    return replace(plain, provider_metadata={OWN: data})


def _comes_back(plain: Part, part: c.UserContentPart | c.AssistantContentPart) -> bool:
    try:
        return _plain_to_llm(plain) == part
    except ValueError:  # empty files, and others that cannot be sent
        return False


def _plain_from_llm(part: c.UserContentPart | c.AssistantContentPart) -> Part:
    """The part as far as this face has fields for it."""
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
    return plain == replace(part, provider_metadata=None)
