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

`version` grows when a reader of the old form could misread the new one; `load_messages` reads every version so far.
A `ToolOutput` whose result is no plain JSON value is written as the text that the model was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from ..errors import ToolError, ToolExecutionError, ToolNotFoundError
from . import content as c
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

VERSION = 1


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
_Value: TypeAlias = (
    Part
    | c.Base64ImageSource
    | c.URLImageSource
    | c.Base64AudioSource
    | c.Base64DocumentSource
    | c.TextDocumentSource
    | c.URLDocumentSource
)

_PARTS: dict[str, type[_Value]] = {
    kind.type: kind
    for kind in (
        c.Text,
        c.Image,
        c.Audio,
        c.Document,
        c.ToolOutput[Any],
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
_MESSAGES: dict[str, type[Message]] = {m.role: m for m in (SystemMessage, UserMessage, AssistantMessage)}
_TOOL_ERRORS = {"tool_not_found": ToolNotFoundError, "tool_execution": ToolExecutionError, "tool": ToolError}


def to_dict(value: Message | Part) -> dict[str, Any]:
    """The JSON form of a message or content part."""
    head = {"role": value.role} if isinstance(value, _message_types()) else {"type": value.type}
    return {**head, **_fields_to_dict(value)}


def from_dict(data: Mapping[str, Any]) -> Any:
    """The message or content part of a JSON form. Raises `ValueError` if it is none."""
    if (role := data.get("role")) is not None:
        return _build(_MESSAGES, role, "role", data)
    return _build(_PARTS, data.get("type"), "type", data)


def dump_messages(messages: Iterable[Message]) -> MessagesDict:
    """The JSON form of a conversation."""
    return {"version": VERSION, "messages": [cast("MessageDict", to_dict(message)) for message in messages]}


def load_messages(data: Mapping[str, Any]) -> list[Message]:
    """The messages of a conversation's JSON form. Raises `ValueError` for an unknown version."""
    if data.get("version") != VERSION:
        raise ValueError(f"Version {data.get('version')!r} of the message format is not known; this reads {VERSION}.")
    return [from_dict(message) for message in data["messages"]]


@cache
def _message_types() -> tuple[type, ...]:
    return tuple(_MESSAGES.values())


def _build(kinds: Mapping[str, type], tag: object, key: str, data: Mapping[str, Any]) -> Any:
    kind = kinds.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise ValueError(f"{key}={tag!r} is not known; these are: {', '.join(kinds)}.")
    origin: type = getattr(kind, "__origin__", kind)
    known = {f.name for f in fields(origin)}
    if unknown := set(data) - known - {key}:
        raise ValueError(f"{origin.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}.")
    return kind(**{name: _value_from_json(origin, name, data[name]) for name in known if name in data})


def _fields_to_dict(value: Any) -> dict[str, Any]:
    return {
        f.name: _value_to_json(f.name, item)
        for f in fields(value)
        if not _is_default(f, item := getattr(value, f.name))
    }


def _is_default(f: Field[Any], value: Any) -> bool:
    if f.default_factory is not MISSING:
        return value == f.default_factory()
    return f.default is not MISSING and value == f.default


def _value_to_json(name: str, value: Any) -> Any:
    if name in _SPECIAL:
        return _SPECIAL[name][0](value)
    return _nested_to_json(value)


def _value_from_json(kind: type, name: str, value: Any) -> Any:
    if name in _SPECIAL:
        return _SPECIAL[name][1](value)
    if name in ("raw", "raw_message"):
        return value
    return _nested_from_json(value, as_list=kind in _message_types())


def _nested_to_json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_nested_to_json(item) for item in cast("Sequence[Any]", value)]
    return to_dict(value) if hasattr(type(value), "type") else value


def _nested_from_json(value: Any, *, as_list: bool) -> Any:
    if isinstance(value, list):
        items = [from_dict(item) for item in cast("list[Any]", value)]
        return items if as_list else tuple(items)
    return from_dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value


def _citations_to_json(citations: Iterable[c.Citation]) -> list[dict[str, Any]]:
    return [_fields_to_dict(citation) for citation in citations]


def _citations_from_json(citations: Iterable[Mapping[str, Any]]) -> tuple[c.Citation, ...]:
    return tuple(c.Citation(**citation) for citation in citations)


def _result_to_json(result: Any) -> Any:
    """Parts inside a result keep their `type` tag under `$part`, so that a plain dict is never taken for one."""
    if isinstance(result, list | tuple) and any(hasattr(type(item), "type") for item in cast("list[Any]", result)):
        return {"$parts": [_result_to_json(item) for item in cast("list[Any]", result)]}
    if hasattr(type(result), "type") and isinstance(result, tuple(_part_types())):
        return {"$part": to_dict(result)}
    if _is_json(result):
        return result
    from .results import result_text

    return result_text(result)


def _result_from_json(result: Any) -> Any:
    if isinstance(result, Mapping):
        if "$part" in result:
            return from_dict(cast("Mapping[str, Any]", result["$part"]))
        if "$parts" in result:
            return [_result_from_json(item) for item in cast("list[Any]", result["$parts"])]
    return cast("Any", result)


@cache
def _part_types() -> tuple[type, ...]:
    return tuple(getattr(kind, "__origin__", kind) for kind in _PARTS.values())


def _is_json(value: Any) -> bool:
    if value is None or isinstance(value, str | bool | int | float):
        return type(value) in (str, bool, int, float, type(None))
    if type(value) is list:
        return all(_is_json(item) for item in cast("list[Any]", value))
    if type(value) is dict:
        return all(type(k) is str and _is_json(v) for k, v in cast("dict[Any, Any]", value).items())
    return False


def _error_to_json(error: ToolError) -> dict[str, Any]:
    if isinstance(error, ToolNotFoundError):
        return {"type": "tool_not_found", "tool_name": error.tool_name, "known": list(error.known)}
    kind = "tool_execution" if isinstance(error, ToolExecutionError) else "tool"
    return {"type": kind, "message": str(error)}


def _error_from_json(data: Mapping[str, Any]) -> ToolError:
    if data["type"] == "tool_not_found":
        return ToolNotFoundError(data["tool_name"], known=tuple(data["known"]))
    return _TOOL_ERRORS[data["type"]](data["message"])


_SPECIAL: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "citations": (_citations_to_json, _citations_from_json),
    "result": (_result_to_json, _result_from_json),
    "error": (_error_to_json, _error_from_json),
}
