"""The JSON form of messages and parts: documented, versioned, and the same for storage, logs and other programs.

    >>> from mirascope_like import llm
    >>> llm.to_dict(llm.messages.user("Hi"))
    {'role': 'user', 'content': [{'type': 'text', 'text': 'Hi'}]}
    >>> llm.from_dict({'role': 'user', 'content': [{'type': 'text', 'text': 'Hi'}]})
    UserMessage(content=(Text(text='Hi', citations=()),), name=None)
    >>> llm.dump_messages([llm.messages.system("Be brief.")])
    {'version': 1, 'messages': [{'role': 'system', 'content': {'type': 'text', 'text': 'Be brief.'}}]}

Every value is plain JSON (`json.dumps` takes it). A message is told by its `role`, a part or source by its `type`.
Fields that hold their default are left out. `from_dict(to_dict(x)) == x`.

A message's `raw_message` must be plain JSON already, as codecs make it. In a tool's result, `{"$part": …}` is a part,
`{"$parts": […]}` a list with parts in it, and `{"$json": …}` a plain object that has one of these names itself.

`version` grows when a reader of the old form could misread the new one; `load_messages` reads every version so far.
A `ToolOutput` whose result is no plain JSON value is written as the text that the model was sent.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from math import isfinite
from types import NoneType
from typing import Any, Final, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from ..errors import ToolError, ToolExecutionError, ToolNotFoundError
from . import content as c
from .media import stored_url
from .messages import AssistantMessage, Message, SystemMessage, UserMessage

__all__ = [
    "VERSION",
    "MessageDict",
    "MessagesDict",
    "PartDict",
    "dump_messages",
    "from_dict",
    "load_messages",
    "to_dict",
]

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

_PARTS: dict[str, type] = {
    kind.type: kind
    for kind in (
        c.Text,
        c.Image,
        c.Audio,
        c.Document,
        c.ToolOutput,
        c.ToolCall,
        c.Thought,
        c.ServerToolCall,
        c.ProviderBlock,
        c.Base64ImageSource,
        c.URLImageSource,
        c.Base64AudioSource,
        c.Base64DocumentSource,
        c.TextDocumentSource,
        c.URLDocumentSource,
    )
}
_PART_TYPES = tuple(_PARTS.values())
_MESSAGE_TYPES = (SystemMessage, UserMessage, AssistantMessage)
_MESSAGES: dict[str, type[Message]] = {kind.role: kind for kind in _MESSAGE_TYPES}
_TOOL_ERRORS = {"tool_execution": ToolExecutionError, "tool": ToolError}
_PLAIN: tuple[object, ...] = (str, bool, int, NoneType)
_TAGS = ("$part", "$parts", "$json")


def to_dict(value: Message | Part) -> dict[str, Any]:
    """The JSON form of a message or content part."""
    return _tagged(value)


def from_dict(data: Mapping[str, Any]) -> Any:
    """The message or content part of a JSON form. Raises `ValueError` if it is none."""
    try:
        if (role := data.get("role")) is not None:
            return _build(_MESSAGES, role, "role", data)
        return _build(_PARTS, data.get("type"), "type", data)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"This is not the JSON form of a message or part ({error}): {str(data)[:200]}") from error


def dump_messages(messages: Iterable[Message]) -> MessagesDict:
    """The JSON form of a conversation."""
    return {"version": VERSION, "messages": [cast("MessageDict", to_dict(message)) for message in messages]}


def load_messages(data: Mapping[str, Any]) -> list[Message]:
    """The messages of a conversation's JSON form. Raises `ValueError` if it is none, or of an unknown version."""
    if not isinstance(cast("object", data), Mapping):
        raise ValueError(f"This is not the JSON form of a conversation, which is an object: {str(data)[:200]}")
    if data.get("version") != VERSION:
        raise ValueError(f"Version {data.get('version')!r} of the message format is not known; this reads {VERSION}.")
    if not isinstance(data.get("messages"), list):
        raise ValueError("This is not the JSON form of a conversation: it has no list of messages.")
    loaded = [from_dict(message) for message in data["messages"]]
    for value in loaded:
        if not isinstance(value, _MESSAGE_TYPES):
            raise ValueError(f"A conversation is made of messages: a {type(value).__name__} cannot stand on its own.")
    return loaded


def _build(kinds: Mapping[str, type], tag: object, key: str, data: Mapping[str, Any]) -> Any:
    kind = kinds.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise ValueError(f"{key}={tag!r} is not known; these are: {', '.join(kinds)}.")
    known = {f.name for f in fields(kind)}
    if unknown := set(data) - known - {key}:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}.")
    return kind(**{name: _value_from_json(name, value) for name, value in data.items() if name != key})


def _tagged(value: Any) -> dict[str, Any]:
    key = "role" if isinstance(value, _MESSAGE_TYPES) else "type"
    return {key: getattr(value, key), **_fields_to_dict(value)}


def _fields_to_dict(value: Any) -> dict[str, Any]:
    return {
        f.name: _value_to_json(f.name, item)
        for f in fields(value)
        if not _is_default(f, item := getattr(value, f.name))
    }


def _is_default(f: Field[Any], value: Any) -> bool:
    if f.default_factory is not MISSING:
        return bool(value == f.default_factory())
    return f.default is not MISSING and bool(value == f.default)


def _value_to_json(name: str, value: Any) -> Any:
    return _FIELDS[name][0](value) if name in _FIELDS else value


def _value_from_json(name: str, value: Any) -> Any:
    return _FIELDS[name][1](value) if name in _FIELDS else value


def _content_to_json(content: Any) -> Any:
    return _tagged(content) if isinstance(content, c.Text) else [_tagged(part) for part in content]


def _content_from_json(content: Any) -> Any:
    match content:
        case [*parts]:
            return [from_dict(part) for part in parts]
        case _:
            return from_dict(content)


def _citations_to_json(citations: Iterable[c.Citation]) -> list[dict[str, Any]]:
    return [_fields_to_dict(citation) for citation in citations]


def _citations_from_json(citations: Iterable[Mapping[str, Any]]) -> tuple[c.Citation, ...]:
    return tuple(c.Citation(**citation) for citation in citations)


def _result_to_json(result: Any) -> Any:
    if isinstance(result, _PART_TYPES):
        return {"$part": _tagged(result)}
    if _has_parts(result):
        return {"$parts": [_result_to_json(item) for item in result]}
    if _is_json(result):
        return {"$json": result} if any(tag in _keys(result) for tag in _TAGS) else result
    from .results import result_text

    return result_text(result)


def _has_parts(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(v, _PART_TYPES) for v in cast("Iterable[object]", value))


def _keys(value: Any) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, dict) else ()


def _result_from_json(result: Any) -> Any:
    match result:
        case {"$part": part}:
            return from_dict(part)
        case {"$parts": [*parts]}:
            return [_result_from_json(part) for part in parts]
        case {"$json": value}:
            return value
        case _:
            return result


def _is_json(value: Any) -> bool:
    match cast("object", type(value)):
        case builtins.list:
            return all(_is_json(item) for item in value)
        case builtins.dict:
            return all(type(key) is str and _is_json(item) for key, item in value.items())
        case builtins.float:
            return isfinite(value)
        case kind:
            return kind in _PLAIN


def _error_to_json(error: ToolError) -> dict[str, Any]:
    if isinstance(error, ToolNotFoundError):
        return {"type": "tool_not_found", "tool_name": error.tool_name, "known": list(error.known)}
    kind = "tool_execution" if isinstance(error, ToolExecutionError) else "tool"
    return {"type": kind, "message": str(error)}


def _error_from_json(data: Mapping[str, Any]) -> ToolError:
    if data["type"] == "tool_not_found":
        return ToolNotFoundError(data["tool_name"], known=tuple(data["known"]))
    error: ToolError = _TOOL_ERRORS[data["type"]](data["message"])
    return error


# Fields that are not plain JSON: how they become it, and back.
_FIELDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "content": (_content_to_json, _content_from_json),
    "source": (_tagged, from_dict),
    "citations": (_citations_to_json, _citations_from_json),
    "result": (_result_to_json, _result_from_json),
    "error": (_error_to_json, _error_from_json),
    "url": (str, stored_url),
}
