"""The JSON form of messages and parts, as types: for storage, for logs, and for other programs.

`to_dict` of a value in `parts` gives one of these and `from_dict` takes it back. All is plain JSON. Fields that hold
nothing are left out. `VERSION` grows when a reader of the old form could misread the new one.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

VERSION: Final = 1


class AttachmentDict(TypedDict):
    """A file: `type` is its MIME type, `content` its bytes as base64 text. `path` is in forms of early versions only,
    and read only if `allow_files=` allows it."""

    type: NotRequired[str]
    path: NotRequired[str]
    url: NotRequired[str]
    content: NotRequired[str]


class TextPartDict(TypedDict):
    """Words."""

    type: Literal["text"]
    text: str
    provider_metadata: NotRequired[dict[str, Any]]


class ReasoningPartDict(TypedDict):
    """What a model thought."""

    type: Literal["reasoning"]
    text: NotRequired[str]
    redacted: NotRequired[bool]
    provider_metadata: NotRequired[dict[str, Any]]


class ToolCallPartDict(TypedDict):
    """A tool that a model wants run, or that its provider ran."""

    type: Literal["tool_call"]
    name: str
    arguments: dict[str, Any]
    tool_call_id: NotRequired[str]
    server_executed: NotRequired[bool]
    provider_metadata: NotRequired[dict[str, Any]]


class ToolResultPartDict(TypedDict):
    """What a tool gave back."""

    type: Literal["tool_result"]
    name: str
    output: str
    tool_call_id: NotRequired[str]
    server_executed: NotRequired[bool]
    attachments: NotRequired[list[AttachmentDict]]
    exception: NotRequired[str]
    provider_metadata: NotRequired[dict[str, Any]]


class AttachmentPartDict(TypedDict):
    """A file."""

    type: Literal["attachment"]
    attachment: AttachmentDict
    provider_metadata: NotRequired[dict[str, Any]]


PartDict: TypeAlias = TextPartDict | ReasoningPartDict | ToolCallPartDict | ToolResultPartDict | AttachmentPartDict


class MessageDict(TypedDict):
    """A message."""

    role: str
    parts: list[PartDict]
    provider_metadata: NotRequired[dict[str, Any]]
