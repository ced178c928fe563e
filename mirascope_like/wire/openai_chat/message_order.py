"""Puts encoded messages into the order that a chat-completions server accepts. The functions are pure; a server's
`ChatDialect` is data that says which rules apply.

Rules
* Where later system messages are not accepted, leading ones are merged into one; later ones become tagged user text in
  the same place.
* Where roles must alternate, consecutive messages of one role are merged, and the user begins.
* Where the model must respond to tool results before the next user message, it says "(no text)".
* There is at least one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from ..codec import JsonObject
from ..features import ChatDialect
from ..message_encoding import NO_TEXT, tag_system_text


def order_messages(messages: Sequence[JsonObject], dialect: ChatDialect) -> list[JsonObject]:
    """Return the messages in an order that the server accepts."""
    if dialect.system != "anywhere":
        messages = _restrict_system_messages(messages, dialect)
    if dialect.must_alternate_roles:
        messages = _alternate_roles(messages)
    if dialect.needs_assistant_after_results:
        messages = _insert_assistant_messages(messages)
    if dialect.marks_prefill and messages and messages[-1]["role"] == "assistant":
        messages = [*messages[:-1], {**messages[-1], "prefix": True}]
    return list(messages) or [_make_message("user")]


def _make_message(role: str, text: str = NO_TEXT) -> JsonObject:
    return {"role": role, "content": text}


def _is_system(message: JsonObject) -> bool:
    return bool(message["role"] == "system")


def _restrict_system_messages(messages: Sequence[JsonObject], dialect: ChatDialect) -> list[JsonObject]:
    leading = list(takewhile(_is_system, messages))
    text = "\n\n".join(message["content"] for message in leading)
    first: list[JsonObject] = []
    if leading:
        first = [
            _make_message("system", text) if dialect.system == "first" else _make_message("user", tag_system_text(text))
        ]
    rest = messages[len(leading) :]
    return first + [
        _make_message("user", tag_system_text(message["content"])) if _is_system(message) else message
        for message in rest
    ]


def _alternate_roles(messages: Sequence[JsonObject]) -> list[JsonObject]:
    merged: list[JsonObject] = []
    for message in messages:
        role = message["role"]
        if role in ("user", "assistant") and merged and merged[-1]["role"] == role:
            merged[-1] = _merge_messages(merged[-1], message)
            continue
        if role == "assistant" and (not merged or _is_system(merged[-1])):
            merged.append(_make_message("user"))
        merged.append(message)
    return merged


def _merge_messages(first: JsonObject, second: JsonObject) -> JsonObject:
    """Return one message with the content of two messages of the same role."""
    contents = [message["content"] for message in (first, second) if message.get("content")]
    merged: JsonObject = {**first, **second, "content": contents[0] if contents else first["content"]}
    if calls := [*(first.get("tool_calls") or ()), *(second.get("tool_calls") or ())]:
        merged["tool_calls"] = calls
    if len(contents) == 2:
        if all(isinstance(content, str) for content in contents):
            merged["content"] = "\n\n".join(contents)
        else:
            merged["content"] = [part for content in contents for part in _content_parts(content)]
    return merged


def _content_parts(content: str | list[JsonObject]) -> Iterable[JsonObject]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _insert_assistant_messages(messages: Sequence[JsonObject]) -> list[JsonObject]:
    inserted: list[JsonObject] = []
    for message in messages:
        if message["role"] == "user" and inserted and inserted[-1]["role"] == "tool":
            inserted.append(_make_message("assistant"))
        inserted.append(message)
    return inserted
