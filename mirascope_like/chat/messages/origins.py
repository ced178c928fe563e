"""Where a message came from, or what it was sent as: the library's own message.

A `Message` keeps it in a hidden slot, together with what its parts held at that time. What the parts have no field for
(citations, the exact text of a call's arguments, the provider's raw message with its signatures) is only there: it is
not in `provider_metadata`, and `==` ignores it. `Message.to_dict` writes it under `OWN`, `Message.from_dict` reads it.

`parts` is a list, and parts hold dicts and lists. So what is known of a part counts only as long as the message has the
same object and nothing in it has changed. An origin may therefore be kept when parts are replaced, added or left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

from ...types.lineage import HasCallId, get_call_id

if TYPE_CHECKING:
    from ...types.messages import Message as LLMMessage

OWN: Final = "mirascope_like"
"""The key of the library's own data in `provider_metadata` of JSON forms."""

OwnData: TypeAlias = Mapping[str, Any]
M = TypeVar("M", bound="HasOrigin")


class _MessageLike(Protocol):
    @property
    def parts(self) -> Sequence[object]: ...


@dataclass(frozen=True, slots=True)
class KnownPart:
    """A part as it was when its message was made or sent. `own` is the library's own data of it, if there is any."""

    part: object
    held: tuple[object, ...]
    own: OwnData | None = None

    @classmethod
    def of(cls, part: object, own: OwnData | None = None) -> KnownPart:
        """Return what is known of a part as it is now."""
        return cls(part, changeable(part), own)

    @property
    def key(self) -> int:
        """See `_key`."""
        return _key(self.part)

    def is_now(self, part: object) -> bool:
        """Return whether a part with the same key is still as it was."""
        return (part is self.part or part == self.part) and changeable(part) == self.held


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a message. `own` is the library's own data of it; `message` is the library's message, once it is
    known."""

    own: OwnData
    parts: tuple[KnownPart, ...]
    held: tuple[object, ...] = ()
    message: LLMMessage | None = None

    def unchanged(self, message: _MessageLike) -> LLMMessage | None:
        """Return the library's message, if nothing in this one has changed since."""
        parts = message.parts
        same = (
            self.message is not None
            and len(parts) == len(self.parts)
            and all(part is known.part and known.is_now(part) for part, known in zip(parts, self.parts, strict=True))
            and changeable(message) == self.held
            and (not isinstance(self.message, HasCallId) or get_call_id(self.message) == get_call_id(message))
        )
        return self.message if same else None


class HasOrigin(HasCallId):
    """Base of messages that remember their origin. Copies and pickles keep it, but for the library's message, which is
    made again when it is needed: a result of a tool in it may be anything."""

    __slots__ = ("_origin",)
    _origin: Origin | None

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, args = super().__reduce__()
        origin = get_origin(self)
        return _rebuild_message, (rebuild, args, origin and replace(origin, message=None))


def get_origin(message: object) -> Origin | None:
    """Return the origin of a message, if it has one."""
    return getattr(message, "_origin", None)


def set_origin(message: M, origin: Origin | None) -> M:
    """Set the origin of a message, and return the message."""
    object.__setattr__(message, "_origin", origin)
    return message


def own_data(message: object) -> OwnData:
    """Return the library's own data of a message."""
    origin = get_origin(message)
    return (origin.own if origin is not None else None) or _stored_own_data(message) or {}


def own_data_of_parts(message: _MessageLike) -> list[OwnData | None]:
    """Return the library's own data of each part of a message: `None` for parts without any, and for changed ones."""
    origin = get_origin(message)
    known = {each.key: each for each in origin.parts if each.own is not None} if origin is not None else {}
    return [
        found.own if (found := known.get(_key(part))) is not None and found.is_now(part) else _stored_own_data(part)
        for part in message.parts
    ]


def changeable(value: object) -> tuple[object, ...]:
    """Return what may change in a message or part without it becoming another object, in a form to compare.

    Dicts are compared as JSON text, since `1 == True`; the order of keys does not count. Files may change at any time.
    """
    arguments, metadata = getattr(value, "arguments", None), getattr(value, "provider_metadata", None)
    files: Sequence[object] = getattr(value, "attachments", None) or [getattr(value, "attachment", None)]
    return (_json_text(arguments), _json_text(metadata), *map(_file, files))


def _file(attachment: object) -> object:
    return attachment if getattr(attachment, "path", None) is None else _always_new(attachment)


def _json_text(value: object) -> object:
    if value is None:
        return None
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return _always_new(value)


def _always_new(_: object) -> object:
    """Return a value that equals no other, so that what cannot be compared counts as changed."""
    return object()


def _key(part: object) -> int:
    """Return a key for a part that its copies share if they differ in why the call is unfinished only."""
    return id(getattr(part, "arguments", part))


def _stored_own_data(value: object) -> OwnData | None:
    """Return own data in `provider_metadata`, where a caller has taken it over from a JSON form."""
    metadata: Mapping[str, Any] = getattr(value, "provider_metadata", None) or {}
    own = metadata.get(OWN)
    return cast("OwnData", own) if isinstance(own, Mapping) else None


def _rebuild_message(rebuild: Any, args: Any, origin: Origin | None) -> object:
    return set_origin(rebuild(*args), origin)
