"""The JSON form of messages and parts: documented, versioned, and the same for storage, logs and other programs.

    >>> from mirascope_like import llm
    >>> llm.to_dict(llm.messages.user("Hi"))
    {'role': 'user', 'content': [{'type': 'text', 'text': 'Hi'}]}
    >>> llm.from_dict({'role': 'user', 'content': [{'type': 'text', 'text': 'Hi'}]})
    UserMessage(content=(Text(text='Hi', citations=()),), name=None)
    >>> llm.dump_messages([llm.messages.system("Be brief.")])
    {'version': 1, 'messages': [{'role': 'system', 'content': {'type': 'text', 'text': 'Be brief.'}}]}

Every value is plain JSON (`json.dumps` takes it). Messages are tagged by `role`, parts and sources by `type`.
Fields with their default value are left out. `from_dict(to_dict(x)) == x`.

A message's `raw_message` must be plain JSON already, as codecs make it. In a tool's result, `{"$part": …}` is a part,
`{"$parts": […]}` a list with parts in it, and `{"$json": …}` a plain object that has one of these names itself.

`version` grows when a reader of the old form could misread the new one; `load_messages` reads every version so far.
In a `ToolOutput`, a result that is not a plain JSON value is written as the text that the model was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from . import content as c
from .json_forms import from_json_form, to_json_form
from .messages import AssistantMessage, Message, SystemMessage, UserMessage

VERSION: Final = 1

PartDict: TypeAlias = dict[str, Any]
"""A content part or source: its `type`, and its fields under their own names."""


class MessageDict(TypedDict):
    """A message. `content` is one text part for a system message, else a list of parts."""

    role: Literal["system", "user", "assistant"]
    content: PartDict | list[PartDict]
    name: NotRequired[str]
    provider_id: NotRequired[str]
    model_id: NotRequired[str]
    provider_model_name: NotRequired[str]
    raw_message: NotRequired[Any]


class MessagesDict(TypedDict):
    """A list of messages, with the version of this form."""

    version: Literal[1]
    messages: list[MessageDict]


Part: TypeAlias = c.UserContentPart | c.AssistantContentPart

_MESSAGE_TYPES = (SystemMessage, UserMessage, AssistantMessage)


def to_dict(value: Message | Part) -> dict[str, Any]:
    """Return the JSON form of a message or content part."""
    return to_json_form(value)


def from_dict(data: Mapping[str, Any]) -> Any:
    """Return the message or content part of a JSON form. Raises `ValueError` for other data."""
    return from_json_form(data)


def dump_messages(messages: Iterable[Message]) -> MessagesDict:
    """Return the JSON form of a conversation."""
    return {"version": VERSION, "messages": [cast("MessageDict", to_dict(message)) for message in messages]}


def load_messages(data: Mapping[str, Any]) -> list[Message]:
    """Return the messages of a conversation's JSON form. Raises `ValueError` for other data and unknown versions."""
    if not isinstance(cast("object", data), Mapping):
        raise ValueError(f"This is not the JSON form of a conversation, which is an object: {str(data)[:200]}")
    if data.get("version") != VERSION:
        raise ValueError(f"Version {data.get('version')!r} of the message format is not known; this reads {VERSION}.")
    if not isinstance(data.get("messages"), list):
        raise ValueError("This is not the JSON form of a conversation: it has no list of messages.")
    loaded = [from_dict(message) for message in data["messages"]]
    for value in loaded:
        if not isinstance(value, _MESSAGE_TYPES):
            raise ValueError(f"A conversation consists of messages, not of a {type(value).__name__}.")
    return loaded
