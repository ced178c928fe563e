"""Messages and their parts, and the events of which an answer is made while it arrives.

All are frozen and compare by content. `provider_metadata` is what only the author of a model understands (signatures,
its own form of a message); it goes back with the history and is never dropped. What the library itself keeps of a
message is in no field; see `origins`. `from_dict(to_dict(x)) == x`, where `to_dict` puts what is in a file in the place
of its path.
"""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, TypeAlias, cast

from ...types.lineage import get_call_id, set_call_id
from ...types.media_types import check_stored_url
from ...types.unfinished import CanBeUnfinished
from ..storage.message_forms import AttachmentDict, MessageDict, PartDict
from ..storage.restrictions import AllowFiles, allowed_path
from .attachments import Attachment, without_path
from .origins import OWN, HasOrigin, KnownPart, Origin, OwnData, get_origin, own_data, own_data_of_parts, set_origin

Metadata: TypeAlias = dict[str, Any]


class _Dictable:
    """The JSON form that all parts share: `type`, and the fields that hold something."""

    __slots__ = ()

    def to_dict(self) -> PartDict:
        """The JSON form; see `message_forms`."""
        return cast("PartDict", {"type": cast("Part", self).type, **_fields_to_dict(self)})


@dataclass(frozen=True, slots=True)
class TextPart(_Dictable):
    """Words, of anybody."""

    type: ClassVar[Literal["text"]] = "text"
    text: str
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ReasoningPart(_Dictable):
    """What a model thought. `redacted` without text: it thought, and its provider does not show what."""

    type: ClassVar[Literal["reasoning"]] = "reasoning"
    text: str = ""
    redacted: bool = False
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ToolCallPart(CanBeUnfinished, _Dictable):
    """The model wants a tool run. `server_executed`: its provider ran it already.

    Arguments that are no JSON object are kept as `{"_raw": text}`.
    """

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    name: str
    arguments: dict[str, Any]
    tool_call_id: str | None = None
    server_executed: bool = False
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ToolResultPart(_Dictable):
    """What a tool gave back: `output` is the text that the model reads, `exception` what went wrong."""

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    name: str
    output: str
    tool_call_id: str | None = None
    server_executed: bool = False
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    exception: str | None = None
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class AttachmentPart(_Dictable):
    """A file."""

    type: ClassVar[Literal["attachment"]] = "attachment"
    attachment: Attachment
    provider_metadata: Metadata | None = None


Part: TypeAlias = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | AttachmentPart
_PARTS: dict[str, type[Part]] = {
    kind.type: kind for kind in (TextPart, ReasoningPart, ToolCallPart, ToolResultPart, AttachmentPart)
}
_PART_TYPES = tuple(_PARTS.values())


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Message(HasOrigin):
    """What somebody said. `role` is "system", "user", "assistant" or "tool"."""

    role: str
    parts: list[Part]
    provider_metadata: Metadata | None = field(default=None, repr=False)

    def to_dict(self) -> MessageDict:
        """The JSON form; see `message_forms`. Reads files that are attached by path, and blocks for it; errors as
        `Attachment.content_bytes`."""
        own_parts = zip(self.parts, own_data_of_parts(self), strict=True)
        parts = [_with_metadata(part.to_dict(), part.provider_metadata, own) for part, own in own_parts]
        data = {"role": self.role, "parts": parts}
        return cast("MessageDict", _with_metadata(data, self.provider_metadata, own_data(self)))

    def with_parts(self, parts: Iterable[Part]) -> Message:
        """Return the message with other parts, as one of the same call and origin; itself if they are the same."""
        given = list(parts)
        if len(given) == len(self.parts) and all(map(operator.is_, given, self.parts)):
            return self
        made = set_call_id(replace(self, parts=given), get_call_id(self))
        return set_origin(made, get_origin(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, allow_files: AllowFiles = False) -> Message:
        """The message of a JSON form. Raises `ValueError` if it is none, and if it names a file by its path: `to_dict`
        stores what is in a file. `allow_files=True` allows paths of all files, `allow_files="a/directory"` those of
        files in it."""
        try:
            fields, own = _without_own_data(data)
            stored = [_without_own_data(part) for part in fields["parts"]]
            parts = [part_from_dict(part, allow_files) for part, _ in stored]
            made = cls(fields["role"], parts, fields.get("provider_metadata"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"This is not the JSON form of a message ({error}): {str(data)[:200]}") from error
        owned = [KnownPart.of(part, own) for part, (_, own) in zip(parts, stored, strict=True)]
        return set_origin(made, Origin(own or {}, tuple(owned)))


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A piece of an answer.

    `type` is "text", "reasoning", "tool_call_name", "tool_call_args" (a piece of JSON text) or "tool_result" (of a tool
    that the provider ran); `chunk` is the piece. Events of one part have one `part_index`; see `event_assembler`. A new
    `message_index` begins another message.
    """

    type: str
    chunk: str
    part_index: int | None = None
    tool_call_id: str | None = None
    server_executed: bool = False
    tool_name: str | None = None
    redacted: bool = False
    provider_metadata: Metadata | None = None
    message_index: int = 0


def part_from_dict(data: Mapping[str, Any], allow_files: AllowFiles = False) -> Part:
    """The part of a JSON form. Raises `ValueError` if it is none, and for a path of a file that is not allowed."""
    _check_form(data, "a part of a message")
    kind = _PARTS.get(data.get("type", ""))
    if kind is None:
        raise ValueError(f"type={data.get('type')!r} is no part of a message; these are: {', '.join(_PARTS)}.")
    known = {f.name for f in fields(kind)}
    if unknown := set(data) - known - {"type"}:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}.")
    try:
        return kind(**{name: _from_json(name, value, allow_files) for name, value in data.items() if name != "type"})
    except TypeError as error:
        raise ValueError(f"This is not the JSON form of a {kind.__name__}: {error}") from error


def _with_metadata(data: Mapping[str, Any], metadata: Metadata | None, own: OwnData | None) -> dict[str, Any]:
    """Return the JSON form of a message or part, with the library's own data in its metadata."""
    held = {**(metadata or {}), OWN: own} if own else metadata
    return {**data, "provider_metadata": held} if held else {**data}


def _without_own_data(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], OwnData | None]:
    """Return the JSON form of a message or part without the library's own data, and that data."""
    metadata: object = data.get("provider_metadata") if isinstance(cast("object", data), Mapping) else None
    if not isinstance(metadata, Mapping) or OWN not in metadata:
        return data, None
    rest = dict(cast("Mapping[str, Any]", metadata))
    own = rest.pop(OWN)
    if not isinstance(own, Mapping):
        raise ValueError(f"{OWN!r} in the provider_metadata of a JSON form is an object, not {str(own)[:50]!r}.")
    return {**data, "provider_metadata": rest or None}, cast("OwnData", own)


def _fields_to_dict(value: Any) -> dict[str, Any]:
    return {
        f.name: _to_json(f.name, held)
        for f in fields(value)
        if (held := getattr(value, f.name)) != f.default and (held or f.default_factory is MISSING)
    }


def _attachment_to_dict(attachment: Attachment) -> AttachmentDict:
    held = without_path(attachment)
    data = cast("AttachmentDict", _fields_to_dict(replace(held, allow_private=False)))
    if held.content:
        data["content"] = base64.b64encode(held.content).decode("ascii")
    return data


def _attachment_from_dict(data: Mapping[str, Any], allow_files: AllowFiles) -> Attachment:
    _check_form(data, "an attachment")
    content = data.get("content")
    try:
        decoded = None if content is None else base64.b64decode(content, validate=True)
    except ValueError as error:
        raise ValueError(f"The content of an attachment is no base64 text: {str(content)[:50]!r}") from error
    path, url = _text(data, "path"), _text(data, "url")
    if decoded:  # that is what was in the file
        path = None
    return Attachment(
        _text(data, "type"), path and allowed_path(path, allow_files), url and check_stored_url(url), decoded
    )


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value: object = data.get(name)
    if not isinstance(value, str | None):
        raise ValueError(f"The {name} of an attachment is text, not {str(value)[:50]!r}.")
    return value


def _check_form(data: object, what: str) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"The JSON form of {what} is an object, not {str(data)[:50]!r}.")


# Fields that are not plain JSON: how they become it, and back.
_FIELDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, AllowFiles], Any]]] = {
    "attachment": (_attachment_to_dict, _attachment_from_dict),
    "attachments": (
        lambda attachments: [_attachment_to_dict(attachment) for attachment in attachments],
        lambda attachments, allow_files: [_attachment_from_dict(attachment, allow_files) for attachment in attachments],
    ),
}


def _to_json(name: str, value: Any) -> Any:
    return _FIELDS[name][0](value) if name in _FIELDS else value


def _from_json(name: str, value: Any, allow_files: AllowFiles) -> Any:
    return _FIELDS[name][1](value, allow_files) if name in _FIELDS else value


# -- builders ---------------------------------------------------------------------------------------------------------

Content: TypeAlias = "str | Attachment | Part | Iterable[Content]"
"""What a message can be built from. Lists may hold lists."""


def user(*content: Content, provider_metadata: Metadata | None = None) -> Message:
    """A user message from texts, attachments, parts, and lists of these. Raises `TypeError` for anything else."""
    return Message("user", list(_parts(content)), provider_metadata)


def assistant(*content: Content, provider_metadata: Metadata | None = None) -> Message:
    """A message of the model. See `user`."""
    return Message("assistant", list(_parts(content)), provider_metadata)


def system(*content: Content, provider_metadata: Metadata | None = None) -> Message:
    """A message that stands above all else. See `user`."""
    return Message("system", list(_parts(content)), provider_metadata)


def tool_message(*content: Content, provider_metadata: Metadata | None = None) -> Message:
    """A message of tools: their results, as `ToolResultPart`s. See `user`."""
    return Message("tool", list(_parts(content)), provider_metadata)


def _parts(content: object) -> Iterator[Part]:
    match content:
        case str():
            yield TextPart(content)
        case Attachment():
            yield AttachmentPart(content)
        case list() | tuple():
            for item in cast("Iterable[object]", content):
                yield from _parts(item)
        case _ if isinstance(content, _PART_TYPES):
            yield content
        case _:
            raise TypeError(
                f"A message is made of text, attachments, parts and lists of these, not of {type(content).__name__}."
            )
