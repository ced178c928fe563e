"""Messages, and the conversion of prompts to messages.

`promote` accepts text, a part, a sequence of these, a message, or a list or tuple of messages. Other values raise
`TypeError` at once, with the type that was found.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, cast

from .content import (
    AssistantContent,
    AssistantContentPart,
    Audio,
    Document,
    Image,
    ProviderBlock,
    ServerToolCall,
    Text,
    Thought,
    ToolCall,
    ToolOutput,
    UserContent,
    UserContentPart,
)
from .json_forms import MESSAGES
from .known_hashes import HasKnownHash
from .lineage import HasCallId
from .pydantic_fields import PydanticField

__all__ = [
    "AssistantMessage",
    "Message",
    "PromptContent",
    "SystemContent",
    "SystemMessage",
    "UserMessage",
    "assistant",
    "is_messages",
    "promote",
    "promote_to_messages",
    "system",
    "user",
]

SystemContent: TypeAlias = str | Text

_USER_PARTS = (Text, Image, Audio, Document, ToolOutput)
_ASSISTANT_PARTS = (Text, Thought, ToolCall, ServerToolCall, ProviderBlock)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMessage(HasKnownHash, PydanticField):
    """Instructions for the model, which take precedence over the other messages."""

    role: ClassVar[Literal["system"]] = "system"
    content: Text

    def __post_init__(self) -> None:
        if isinstance(self.content, str):
            object.__setattr__(self, "content", Text(self.content))
        elif not isinstance(self.content, Text):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"A system message is text, not {_describe_type(self.content)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage(HasKnownHash, PydanticField):
    """A message from the user, or tool outputs. `name` distinguishes users, where a provider supports it."""

    role: ClassVar[Literal["user"]] = "user"
    content: Sequence[UserContentPart]
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", _to_parts(self.content, _USER_PARTS, "user"))


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class AssistantMessage(HasCallId, PydanticField):
    """A message from the model.

    `raw_message` is the same message in the provider's own JSON form. It is sent back verbatim to the provider and
    model it came from (signatures and encrypted thoughts are only there) as long as it matches `content`: if you edit
    the content, the message is encoded anew from its parts.
    """

    role: ClassVar[Literal["assistant"]] = "assistant"
    content: Sequence[AssistantContentPart]
    name: str | None = None
    provider_id: str | None = None
    model_id: str | None = None
    provider_model_name: str | None = None
    raw_message: Mapping[str, Any] | Sequence[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", _to_parts(self.content, _ASSISTANT_PARTS, "assistant"))


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage

PromptContent: TypeAlias = str | UserContentPart | Message | Sequence[str | UserContentPart | Message]
"""A prompt, as accepted by `promote`. One sequence type, not two, lets type checkers infer the type of lists."""

_MESSAGE_TYPES = (SystemMessage, UserMessage, AssistantMessage)
_CONTENT_TYPES = (str, *_USER_PARTS)
MESSAGES.add({each.role: each for each in _MESSAGE_TYPES})


def system(content: SystemContent) -> SystemMessage:
    """Make a system message from text."""
    return SystemMessage(content=Text(content) if isinstance(content, str) else content)


def user(content: UserContent, *, name: str | None = None) -> UserMessage:
    """Make a user message from text, a part, or a sequence of these."""
    return UserMessage(content=cast("Sequence[UserContentPart]", content), name=name)


def assistant(
    content: AssistantContent,
    *,
    model_id: str | None = None,
    provider_id: str | None = None,
    provider_model_name: str | None = None,
    raw_message: Mapping[str, Any] | Sequence[Any] | None = None,
    name: str | None = None,
) -> AssistantMessage:
    """Make an assistant message from text, a part, or a sequence of these. See `AssistantMessage` for `raw_message`."""
    return AssistantMessage(
        content=cast("Sequence[AssistantContentPart]", content),
        model_id=model_id,
        provider_id=provider_id,
        provider_model_name=provider_model_name,
        raw_message=raw_message,
        name=name,
    )


def is_messages(value: object) -> bool:
    """Return True if `value` is a message, or a non-empty list or tuple of messages only."""
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else (value,)
    return bool(items) and all(isinstance(item, _MESSAGE_TYPES) for item in items)


def promote(value: object) -> tuple[Message, ...]:
    """Return the messages of a prompt: of what a prompt function returned, or a call got as its argument.

    Raises `TypeError` for a value that is neither messages nor content, and `ValueError` for an empty list.
    """
    if isinstance(value, _MESSAGE_TYPES):
        return (value,)
    if isinstance(value, _CONTENT_TYPES):
        return (user(cast("UserContent", value)),)
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            "The prompt is a coroutine: a decorator that is not async wraps an async function. Make that decorator "
            "return an async function."
        )
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"A prompt is text, a content part, a message, or a list of these, not {_describe_type(value)}. "
            "Return a string, or messages made with llm.messages.user(...)."
        )
    items = cast("Sequence[Any]", value)
    if not items:
        raise ValueError("The prompt is an empty list: there is nothing to send to the model.")
    found = [isinstance(item, _MESSAGE_TYPES) for item in items]
    if all(found):
        return tuple(items)
    if any(found):
        stray = items[found.index(False)]
        raise TypeError(
            f"A list must hold either messages or content, not both: found {_describe_type(stray)} among messages."
        )
    return (user(items),)


def promote_to_messages(value: object) -> list[Message]:
    """Return the messages of a prompt as a list; see `promote`."""
    return list(promote(value))


def _to_parts(content: object, allowed: tuple[type, ...], role: str) -> tuple[Any, ...]:
    if isinstance(content, str):
        return (Text(content),)
    parts: list[object] = []
    for part in cast("Sequence[object]", content) if _is_sequence(content) else (content,):
        if not isinstance(part, (str, *allowed)):
            names = ", ".join(kind.__name__ for kind in allowed)
            raise TypeError(
                f"{_describe_type(part)} cannot be part of a message of role {role!r}; these can: str, {names}."
            )
        parts.append(Text(part) if isinstance(part, str) else part)
    return tuple(parts)


def _is_sequence(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _describe_type(value: object) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
