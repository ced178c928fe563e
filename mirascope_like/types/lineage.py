"""The id of the call that a message came from.

The response to a call carries the id of that call, so that a log knows which call another one continues. Equal content
does not show this: two users may send the same prompt and get the same response.

The id is not a field. It takes no part in `==`, `hash` and `repr`, and it is in no JSON form, because a client that
sends a JSON form could otherwise name the call of another user. Copies and pickles keep it. New messages, for example
those of `dataclasses.replace`, have none.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .known_hashes import HasKnownHash

T = TypeVar("T")


class HasCallId(HasKnownHash):
    """Base of messages that can carry the id of their call: of dataclasses that are frozen and have slots."""

    __slots__ = ("_call_id",)
    _call_id: str

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_message, (type(self), self.__getstate__(), get_call_id(self))


def get_call_id(message: object) -> str | None:
    """Return the id of the call that a message came from, if it is known."""
    return getattr(message, "_call_id", None)


def set_call_id(message: T, call_id: str | None) -> T:
    """Set the id of the call that a new message came from, and return the message."""
    if call_id is not None and isinstance(message, HasCallId):
        object.__setattr__(message, "_call_id", call_id)
    return message


def _rebuild_message(kind: type[Any], state: object, call_id: str | None) -> object:
    message: Any = object.__new__(kind)
    message.__setstate__(state)
    return set_call_id(message, call_id)
