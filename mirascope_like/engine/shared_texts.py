"""Keeps each long text of a response once.

The text of a streamed response arrives in pieces, which the reply, the provider's raw message and the packed chunks
join independently. Here the equal strings become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ..types.chunks import Reply
from ..types.content import Text, Thought, ToolCall


def reply_texts(reply: Reply) -> dict[str, str]:
    """Return the texts, thoughts and arguments of a reply, each under itself."""
    texts: dict[str, str] = {}
    for part in reply.content:
        match part:
            case Text(text) | Thought(text) | ToolCall(args=text):
                texts[text] = text
            case _:
                pass
    return texts


def share_texts(reply: Reply) -> Reply:
    """Return the reply, with its own strings in its raw message."""
    if reply.raw_message is None:
        return reply
    return replace(reply, raw_message=copy_json(reply.raw_message, reply_texts(reply)))


def copy_json(value: Any, texts: Mapping[str, str] | None = None) -> Any:
    """Return a copy of JSON data, in which `texts` replace equal strings."""
    if isinstance(value, str):
        return value if texts is None else texts.get(value, value)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: copy_json(item, texts) for name, item in items}
    if isinstance(value, list | tuple):
        return [copy_json(item, texts) for item in cast("list[object]", value)]
    return value
