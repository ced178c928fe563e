"""Messages in pickles: each in its JSON form, once in a pickle, however many responses and conversations have it.

The histories of a conversation's responses share their messages. They still do after unpickling.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any
from weakref import WeakValueDictionary

from ..storage.message_forms import MessageDict
from .parts import Message


class PickledMessage:
    """A message that pickles as its JSON form. Unpickling gives the message itself.

    A pickler stores an object once, and keeps it until the pickle is complete. So there is one for each message, as
    long as anybody holds it.
    """

    __slots__ = ("__weakref__", "_message")

    def __init__(self, message: Message) -> None:
        self._message = message

    def __reduce__(self) -> tuple[Any, tuple[MessageDict]]:
        return Message.from_dict, (self._message.to_dict(),)


_pickled: MutableMapping[int, PickledMessage] = WeakValueDictionary()  # by the id of the message, which they hold


def pickled_messages(messages: Iterable[Message]) -> list[PickledMessage]:
    """Return the messages in the form for pickles."""
    return [
        _pickled.get(id(message)) or _pickled.setdefault(id(message), PickledMessage(message)) for message in messages
    ]
