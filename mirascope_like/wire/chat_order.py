"""The order of messages that a chat-completions server takes. Pure functions of encoded messages; which rules hold for
a server is data, in its `ChatDialect`.

Rules
* Leading system messages become one where later ones are not taken; those are told as the user's, in tags, where they
  stood.
* Where turns must alternate, messages of one role in a row become one, and the user begins.
* Where the model must answer results before the user goes on, it says "(no text)".
* There is at least one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from . import JsonObject
from .features import ChatDialect
from .history import NOTHING, tagged

__all__ = ["ordered"]


def ordered(messages: Sequence[JsonObject], dialect: ChatDialect) -> list[JsonObject]:
    """The messages in an order that the server takes."""
    if dialect.system != "anywhere":
        messages = _with_system_first(messages, dialect)
    if dialect.alternate:
        messages = _alternating(messages)
    if dialect.answer_after_results:
        messages = _with_answers(messages)
    if dialect.prefix and messages and messages[-1]["role"] == "assistant":
        messages = [*messages[:-1], {**messages[-1], "prefix": True}]
    return list(messages) or [_says("user")]


def _says(role: str, text: str = NOTHING) -> JsonObject:
    return {"role": role, "content": text}


def _is_system(message: JsonObject) -> bool:
    return bool(message["role"] == "system")


def _with_system_first(messages: Sequence[JsonObject], dialect: ChatDialect) -> list[JsonObject]:
    leading = list(takewhile(_is_system, messages))
    text = "\n\n".join(message["content"] for message in leading)
    first: list[JsonObject] = []
    if leading:
        first = [_says("system", text) if dialect.system == "first" else _says("user", tagged(text))]
    rest = messages[len(leading) :]
    return first + [_says("user", tagged(message["content"])) if _is_system(message) else message for message in rest]


def _alternating(messages: Sequence[JsonObject]) -> list[JsonObject]:
    joined: list[JsonObject] = []
    for message in messages:
        role = message["role"]
        if role in ("user", "assistant") and joined and joined[-1]["role"] == role:
            joined[-1] = _joined(joined[-1], message)
            continue
        if role == "assistant" and (not joined or _is_system(joined[-1])):
            joined.append(_says("user"))
        joined.append(message)
    return joined


def _joined(first: JsonObject, second: JsonObject) -> JsonObject:
    """One message that says what these two of one role say."""
    contents = [message["content"] for message in (first, second) if message.get("content")]
    both: JsonObject = {**first, **second, "content": contents[0] if contents else first["content"]}
    if calls := [*(first.get("tool_calls") or ()), *(second.get("tool_calls") or ())]:
        both["tool_calls"] = calls
    if len(contents) == 2:
        if all(isinstance(content, str) for content in contents):
            both["content"] = "\n\n".join(contents)
        else:
            both["content"] = [part for content in contents for part in _parts(content)]
    return both


def _parts(content: str | list[JsonObject]) -> Iterable[JsonObject]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _with_answers(messages: Sequence[JsonObject]) -> list[JsonObject]:
    answered: list[JsonObject] = []
    for message in messages:
        if message["role"] == "user" and answered and answered[-1]["role"] == "tool":
            answered.append(_says("assistant"))
        answered.append(message)
    return answered
