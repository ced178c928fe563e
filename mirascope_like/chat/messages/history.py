"""What may stand in a history, and how it is cut.

A tool call without its result is never sent, since providers refuse a history with one; nor is a result whose call is
gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace

from ...errors import error_text
from ..tools.tool import ToolResult
from .attachments import Attachment
from .origins import own_data_of_parts
from .parts import AttachmentPart, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart


def client_calls(messages: Sequence[Message]) -> list[ToolCallPart]:
    """The tool calls that are the caller's to run."""
    return [
        part
        for message in messages
        if message.role == "assistant"
        for part in message.parts
        if isinstance(part, ToolCallPart) and not part.server_executed
    ]


def identified(messages: Sequence[Message], new_id: Callable[[], str]) -> list[Message]:
    """The messages, with an id for each tool call of the caller's that has none, so that its result can name it."""
    return [message.with_parts(_identified(part, new_id) for part in message.parts) for message in messages]


def _identified(part: Part, new_id: Callable[[], str]) -> Part:
    if isinstance(part, ToolCallPart) and not part.server_executed and part.tool_call_id is None:
        return replace(part, tool_call_id=new_id())
    return part


def pending_calls(messages: Sequence[Message]) -> list[ToolCallPart]:
    """The calls at the end of a history that have no result yet: those of the last message with calls, if only results
    follow it."""
    behind: list[Message] = []
    for message in reversed(messages):
        if message.role == "assistant":
            results = _Results(behind)
            return [call for call in client_calls([message]) if not results.take(call)]
        if message.role != "tool":
            return []
        behind.append(message)
    return []


def result_part(result: ToolResult) -> ToolResultPart:
    """Return a tool's result as part of a message. Its attachments go beside it, in a message of the user's, since few
    providers take them in a result."""
    exception = None if result.exception is None else error_text(result.exception)
    return ToolResultPart(result.name, result.output, result.tool_call_id, exception=exception)


def with_results(messages: Sequence[Message], results: Sequence[ToolResult]) -> list[Message]:
    """Return a history with the results of some of its calls. While others wait, files stay in the results, for nothing
    may stand between results of one answer."""
    if not results:
        return list(messages)
    parts = [replace(result_part(result), attachments=list(result.attachments)) for result in results]
    made = [*messages, Message("tool", [*parts])]
    if pending_calls(made):
        return made
    bare, files = without_files(made)
    return [*bare, Message("user", [AttachmentPart(file) for file in files])] if files else made


def answered(messages: Sequence[Message]) -> list[Message]:
    """The messages without calls that have no result in the tool messages right behind them."""
    kept: list[Message] = []
    for position, message in enumerate(messages):
        if message.role == "assistant" and client_calls([message]):
            kept.extend(_with_results(message, _Results(_tool_messages_at(messages, position + 1))))
        else:
            kept.append(message)
    return kept


def without_files(messages: Sequence[Message]) -> tuple[list[Message], list[Attachment]]:
    """The messages, without the files in the results at their end, and these files. Results that came from elsewhere
    keep theirs."""
    start = _results_start(messages)
    files: list[Attachment] = []
    bare = [each.with_parts(_without_files(each, files)) for each in messages[start:]]
    return [*messages[:start], *bare], files


def _without_files(message: Message, files: list[Attachment]) -> Iterator[Part]:
    for part, own in zip(message.parts, own_data_of_parts(message), strict=True):
        yield part if own else _part_without_files(part, files)


def _part_without_files(part: Part, files: list[Attachment]) -> Part:
    if not isinstance(part, ToolResultPart) or not part.attachments or part.provider_metadata:
        return part
    files += part.attachments
    return replace(part, attachments=[])


def without_results(messages: Sequence[Message], ids: Container[str | None]) -> list[Message]:
    """Return the messages without results, at their end, of calls with these ids: others are given now.

    While calls still wait there, all results stay.
    """
    if pending_calls(messages):
        return list(messages)
    start = _results_start(messages)
    kept = [
        message.with_parts(part for part in message.parts if not _has_id(part, ids)) for message in messages[start:]
    ]
    return [*messages[:start], *(message for message in kept if message.parts)]


def _has_id(part: Part, ids: Container[str | None]) -> bool:
    return isinstance(part, ToolResultPart) and part.tool_call_id is not None and part.tool_call_id in ids


def _results_start(messages: Sequence[Message]) -> int:
    """Where the results of tools at the end of a history begin."""
    start = len(messages)
    while start and messages[start - 1].role == "tool":
        start -= 1
    return start


def with_system(messages: Sequence[Message], system: str) -> list[Message]:
    """The messages, with this system prompt in place of the one they begin with; no text leaves theirs."""
    if not system:
        return list(messages)
    first = Message("system", [TextPart(system)])
    rest = messages[1:] if messages and messages[0].role == "system" else messages
    if list(messages[:1]) == [first]:
        return list(messages)
    return [first, *rest]


def trimmed(
    messages: Sequence[Message], max_messages: int | None, max_tokens: int | None, count: Callable[[Message], int]
) -> list[Message]:
    """The system prompt and as many of the last exchanges as fit. An exchange begins with a user message and is kept or
    dropped whole, so no call loses its result. The last one always stays."""
    system = [message for message in messages[:1] if message.role == "system"]
    exchanges = list(_exchanges(messages[len(system) :]))
    kept: list[list[Message]] = []
    for exchange in reversed(exchanges):
        made = [*system, *(message for each in (exchange, *kept) for message in each)]
        too_many = max_messages is not None and len(made) > max_messages
        too_long = max_tokens is not None and sum(map(count, made)) > max_tokens
        if kept and (too_many or too_long):
            break
        kept.insert(0, exchange)
    return [*system, *(message for exchange in kept for message in exchange)]


class _Results:
    """Results of tools, each of which answers one call: by id, or by name if one of the two has no id. The first result
    that fits is taken."""

    def __init__(self, messages: Sequence[Message]) -> None:
        parts = (part for message in messages for part in message.parts)
        results = [part for part in parts if isinstance(part, ToolResultPart) and not part.server_executed]
        self._taken: set[int] = set()
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        self._without_id: dict[str, deque[int]] = {}
        for position, result in enumerate(results):
            self._by_name.setdefault(result.name, deque()).append(position)
            if result.tool_call_id is None:
                self._without_id.setdefault(result.name, deque()).append(position)
            else:
                self._by_id.setdefault(result.tool_call_id, deque()).append(position)

    def take(self, call: ToolCallPart) -> bool:
        if call.tool_call_id is None:
            fitting = [self._by_name.get(call.name)]
        else:
            fitting = [self._by_id.get(call.tool_call_id), self._without_id.get(call.name)]
        found = [position for queue in fitting if queue and (position := self._first(queue)) is not None]
        self._taken.update(sorted(found)[:1])
        return bool(found)

    def _first(self, queue: deque[int]) -> int | None:
        """Return the first position of a queue that is not taken."""
        while queue and queue[0] in self._taken:
            queue.popleft()
        return queue[0] if queue else None


def _tool_messages_at(messages: Sequence[Message], position: int) -> list[Message]:
    end = position
    while end < len(messages) and messages[end].role == "tool":
        end += 1
    return list(messages[position:end])


def _with_results(message: Message, results: _Results) -> list[Message]:
    """The message with only the calls that have results; nothing if it has no more to say then."""
    kept: list[Part] = []
    for part in message.parts:
        if not isinstance(part, ToolCallPart) or part.server_executed or results.take(part):
            kept.append(part)
    if len(kept) == len(message.parts):
        return [message]
    return [message.with_parts(kept)] if not all(isinstance(part, ReasoningPart) for part in kept) else []


def _exchanges(messages: Sequence[Message]) -> Iterator[list[Message]]:
    exchange: list[Message] = []
    for message in messages:
        if message.role == "user" and exchange and exchange[-1].role != "tool":
            yield exchange
            exchange = []
        exchange.append(message)
    if exchange:
        yield exchange
