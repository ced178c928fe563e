"""History that can be sent: what every provider wants of calls and results, whoever made the conversation.

A conversation is edited, cut, reordered, joined with another, or comes from a provider with other customs. Before each
request it is put in order, as a copy. What differs from provider to provider is the codecs' business.

Rules
* A call is sent with its result, or not at all. An assistant message of which only thoughts remain is left out.
* Results stand right behind the message with their calls, whatever was said in between.
* A result answers the nearest call before it that has its id and no result yet. One that answers none is told as the
  user's text, or left out if it only repeats the result before it of that id.
* No two calls of a conversation have one id: later ones are numbered, in their raw message too. What stands first stays
  as it is, so that the beginning of a conversation is sent alike in every turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from ..types.content import AssistantContentPart, Text, Thought, ToolCall, ToolOutput, UserContentPart
from ..types.messages import AssistantMessage, Message, SystemMessage, UserMessage
from ..types.tool_results import result_images, result_text_without_images

_CALLS_AND_RESULTS = (ToolCall, ToolOutput)  # a union would be made anew for each part
_Place: TypeAlias = tuple[int, int]  # of a part: the index of its message, and its own there


def sendable(messages: Sequence[Message]) -> Sequence[Message]:
    """The conversation as it can be sent: see the rules of this module."""
    if not any(isinstance(part, _CALLS_AND_RESULTS) for message in messages for part in _parts(message)):
        return messages
    return _Ordered(messages).messages


def _parts(message: Message) -> Sequence[AssistantContentPart | UserContentPart]:
    return () if isinstance(message, SystemMessage) else message.content


class _Ordered:
    """The messages again, in order."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages: list[Message] = []
        self._answers, self._strays = _paired(messages)
        self._ids: set[str] = set()
        self._numbers: dict[str, int] = {}  # the last one that was added to each id
        self._results: Sequence[ToolOutput[Any]] = ()  # of the calls just before: for the user message that follows
        for index, message in enumerate(messages):
            match message:
                case AssistantMessage():
                    self._close()
                    self._assistant(index, message)
                case UserMessage():
                    self._user(index, message)
                case _:
                    self._close()
                    self.messages.append(message)
        self._close()

    def _close(self) -> None:
        """No user message followed the calls."""
        if self._results:
            self.messages.append(UserMessage(content=self._results))
        self._results = ()

    def _assistant(self, index: int, message: AssistantMessage) -> None:
        kept: list[AssistantContentPart] = []
        results: list[ToolOutput[Any]] = []
        ids: dict[str, str] = {}
        for place, part in enumerate(message.content):
            if isinstance(part, ToolCall):
                if (result := self._answers.get((index, place))) is None:
                    continue
                ids[part.id] = id = self._unused(part.id)
                part = part if id == part.id else replace(part, id=id)
                results.append(result if id == result.id else replace(result, id=id))
            kept.append(part)
        if all(isinstance(part, Thought) for part in kept) and len(kept) < len(message.content):
            return
        self.messages.append(_said_anew(message, kept, ids))
        self._results = results

    def _unused(self, id: str) -> str:
        name = id
        while name in self._ids:
            self._numbers[id] = number = self._numbers.get(id, 1) + 1
            name = f"{id}_{number}"
        self._ids.add(name)
        return name

    def _user(self, index: int, message: UserMessage) -> None:
        content: list[UserContentPart] = []
        for place, part in enumerate(message.content):
            content.extend(self._strays[index, place] if isinstance(part, ToolOutput) else [part])
        content = [*self._results, *content]
        self._results = ()
        if content or not message.content:
            self.messages.append(replace(message, content=content))


def _paired(
    messages: Sequence[Message],
) -> tuple[dict[_Place, ToolOutput[Any]], dict[_Place, Sequence[UserContentPart]]]:
    """The result of each call, by the place of the call; and what takes a result's own place: text, or nothing."""
    answers: dict[_Place, ToolOutput[Any]] = {}
    strays: dict[_Place, Sequence[UserContentPart]] = {}
    unanswered: dict[str, list[deque[_Place]]] = {}  # by id, then by message
    last: dict[str, ToolOutput[Any]] = {}
    for index, message in enumerate(messages):
        for place, part in enumerate(_parts(message)):
            if isinstance(part, ToolCall):
                by_message = unanswered.setdefault(part.id, [])
                if not by_message or by_message[-1][0][0] != index:
                    by_message.append(deque())
                by_message[-1].append((index, place))
            elif isinstance(part, ToolOutput):
                strays[index, place] = ()
                if by_message := unanswered.get(part.id, []):
                    nearest = by_message[-1]
                    answers[nearest.popleft()] = part
                    if not nearest:
                        by_message.pop()
                elif part.id not in last or _told(part) != _told(last[part.id]):
                    strays[index, place] = _told(part)
                last[part.id] = part
    return answers, strays


def _told(output: ToolOutput[Any]) -> Sequence[UserContentPart]:
    """A result as what the user says."""
    return [
        Text(f"Result of {output.name}:\n{result_text_without_images(output.result)}"),
        *result_images(output.result),
    ]


def _said_anew(
    message: AssistantMessage, content: Sequence[AssistantContentPart], ids: Mapping[str, str]
) -> AssistantMessage:
    """The message with this content, in which calls have these ids instead of their own; itself if nothing changes."""
    if len(content) == len(message.content) and all(old == new for old, new in ids.items()):
        return message
    return replace(message, content=content, raw_message=_renamed(message.raw_message, ids))


def _renamed(raw: Any, ids: Mapping[str, str]) -> Any:
    """A raw message in which calls have these ids, wherever the protocol keeps them."""
    if isinstance(raw, Mapping):
        fields = cast("Mapping[str, Any]", raw)
        return {
            name: ids.get(value, value)
            if name in ("id", "call_id") and isinstance(value, str)
            else _renamed(value, ids)
            for name, value in fields.items()
        }
    if isinstance(raw, list | tuple):
        return [_renamed(item, ids) for item in cast("Iterable[Any]", raw)]
    return raw
