"""One response: a prompt, and what the model answers when it is first read.

Reading goes through a `Stream` of the engine, which asks the model once, keeps what arrived, and shows it to any number
of tasks or threads. Its plan source takes the response's turn in the queue of its conversation, prepares toolboxes,
reads files and converts the messages. At its end the messages join the conversation, before any reader sees the end.

All is written once, as coroutines over a `Runtime`. The sync and async classes, in `responses`, only say which. The
functions at the end are for the other modules of this API.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self
from weakref import WeakMethod

from typing_extensions import TypeVar

from ..engine.plan import Plan
from ..engine.results import Result, State
from ..engine.runtime import Runtime
from ..engine.streams import Reader, Stream
from ..engine.unfinished_responses import why_unfinished
from ..errors import StreamClosedError, StreamRestarted
from ..schema.formats import AnyFormat
from ..types.lineage import set_call_id
from .ids import new_id
from .iterators import Step, texts
from .messages.event_assembler import message_events
from .messages.history import client_calls, with_results
from .messages.parts import Message, StreamEvent, TextPart
from .messages.unfinished_calls import mark_unfinished
from .prompts.prompt import AnyModel, AskedResponse, Prompt
from .queues import Queue, Ticket
from .storage.json_forms import ResponseDict, response_to_dict
from .tools.tool import ToolCall, ToolResult, refuse_calls
from .tools.toolbox import prepare_all

if TYPE_CHECKING:
    from .messages.attachments import Attachment

F = TypeVar("F", default=Any)
AnyConversation = TypeVar("AnyConversation", bound="ResponseConversation", default=Any)


class ResponseConversation(Protocol):
    """A conversation, as far as its responses need it."""

    id: str
    queue: Queue
    messages: list[Message]

    def add(self, turn: ResponseState[Any]) -> None:
        """Take in a response that is complete now."""
        ...

    def ends_with(self, turn: ResponseState[Any]) -> bool:
        """Whether a response is its last one so far."""
        ...

    def branch_at(self, turn: ResponseState[Any]) -> Self:
        """Return a branch that goes as far as one of its responses."""
        ...

    def continued_from(self, turn: ResponseState[Any]) -> Self:
        """Return the conversation in which a reply to a response belongs."""
        ...


class ResponseState(AskedResponse[AnyConversation], Generic[F, AnyConversation]):
    """A prompt and its response. See the module's docstring."""

    _runtime: ClassVar[Runtime]
    _unread: ClassVar[str]

    def __init__(
        self,
        prompt: Prompt,
        conversation: AnyConversation | None = None,
        place: Ticket | None = None,
        replies_to: ResponseState[Any] | None = None,
    ) -> None:
        # The place is that of its chain, if it is part of one.
        super().__init__(prompt, conversation, place or Ticket(self._runtime, self._go_on))
        self.id: str = new_id()
        self.format: AnyFormat | None = prompt.format  # once there is an answer: as the model was held to it
        self.ran: Sequence[ToolResult] = ()
        self._queue: Queue | None = conversation.queue if conversation is not None and place is None else None
        self.replies_to: ResponseState[Any] | None = replies_to
        """The response whose `reply()` made this one."""
        self.stored: bool = False
        """Whether it comes from a JSON form, whose id may be that of somebody else's response."""
        self._messages: list[Message] = []
        self._callbacks: list[Callable[[Any], Any]] = []
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._answer = prompt.model.answering(prompt)
        # Weak, so that dropping the response drops its stream, which closes the connection.
        plan_source, on_end = partial(_make_plan, WeakMethod(self._plan)), partial(_end, WeakMethod(self._end))
        self._stream: Stream | None = Stream(self._runtime, plan_source, whole=self._answer.whole, on_end=on_end)

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def model(self) -> AnyModel:
        """The model that is asked."""
        return self.prompt.model

    @property
    def stream(self) -> bool:
        """Whether the answer is sent bit by bit."""
        return self.prompt.stream

    @property
    def attachments(self) -> Sequence[Attachment]:
        """The files that went with the prompt."""
        return self.prompt.attachments

    @property
    def done(self) -> bool:
        """Whether the answer is complete. One that failed never is."""
        return self._stream is None or self._stream.finished

    def text_or_raise(self) -> str:
        """The text, if the answer is complete; `ValueError` if it is not."""
        self._check_done()
        return self._said_text()

    def tool_calls_or_raise(self) -> list[ToolCall]:
        """The tool calls, if the answer is complete; `ValueError` if it is not."""
        self._check_done()
        return self._tool_calls()

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_events(self) -> Step[StreamEvent]:
        return EventReader(self).next

    def _texts(self) -> Step[str]:
        return texts(self._read_events())

    async def _finish(self) -> None:
        stream = self._stream
        while stream is not None and not stream.finished:
            if (failure := stream.failure) is not None:
                raise failure
            await stream.advance()
        if self._callbacks:
            await self._call_back()

    async def _go_on(self) -> bool:
        """Read on by a step; return whether there was one to do. Its error is for those who read."""
        stream = self._stream
        if stream is None or stream.finished or stream.failure is not None:
            return False
        with suppress(Exception):
            await stream.advance()
            if stream.finished:
                await self._call_back()
        return True

    async def _close(self) -> None:
        if self._stream is not None:
            await self._stream.close(_closed())

    async def _plan(self) -> Plan:
        self._started = datetime.now(UTC)
        if self.conversation is not None:
            await self._enter(self.conversation)
        if self._ended is not None:  # closed meanwhile
            self._leave()
            raise _closed()
        if self.conversation is not None and not self.prompt.own_history:
            self.prompt: Prompt = replace(self.prompt, history=tuple(self.conversation.messages))
        if self.prompt.given_tools:
            await prepare_all(self._runtime, self.prompt.given_tools)
        return await self._answer.plan(self._runtime, self, self._labels())

    async def _enter(self, conversation: AnyConversation) -> None:
        if self._queue is not None:
            await self._queue.enter(self.place)
        if self.replies_to is None or conversation.ends_with(self.replies_to):
            return
        # It went on elsewhere since this reply was made, and must not lose that.
        self._leave()
        self.conversation: AnyConversation | None = conversation.branch_at(self.replies_to)
        self._queue = self.conversation.queue
        await self._queue.enter(self.place)

    def _labels(self) -> dict[str, str]:
        if self.conversation is not None:
            return {"id": self.id, "conversation": self.conversation.id}
        answered = self.continued
        return {"id": self.id} if answered is None else {"id": self.id, "replies_to": answered.id}

    @property
    def continued(self) -> ResponseState[Any] | None:
        """The response that this one replies to, if its id can be trusted."""
        return None if self.replies_to is None or self.replies_to.stored else self.replies_to

    @property
    def _thread(self) -> str:
        """The id of its conversation, or what a log calls responses without one: by the first of them."""
        if self.conversation is not None and self.done and not self.conversation.ends_with(self):
            return new_id()  # the conversation went on since: this is a branch
        first: ResponseState[Any] = self
        while first.continued is not None:
            first = first.continued
        if first.stored and self.conversation is None:
            return new_id()
        return first.id if self.conversation is None else self.conversation.id

    def _end(self, result: Result | None) -> None:
        self._ended = datetime.now(UTC)  # before it leaves: see `_plan`
        try:
            if result is not None and result.state is State.DONE:
                self._complete(result)
        finally:
            self._leave()

    def _complete(self, result: Result) -> None:
        messages = self._answer.messages(self, result)
        self.set_finish_reason(result.reply.finish_reason)
        self._messages = [set_call_id(message, self.id) for message in self._marked(messages)]
        self.format = result.format or self.format  # a model that a user wrote is held to nothing
        if self.conversation is not None:
            self.conversation.add(self)

    def _marked(self, messages: Sequence[Message]) -> list[Message]:
        return mark_unfinished(messages, why_unfinished(self.finish_reason))

    async def _call_back(self) -> None:
        callbacks: list[Callable[[Any], Any]] = []
        with suppress(IndexError):  # each goes to one reader, and all of them at once: they may read themselves
            while True:
                callbacks.append(self._callbacks.pop(0))
        failures: list[Exception] = []
        for callback in callbacks:
            try:
                await self._runtime.invoke_inline(partial(callback, self))
            except Exception as error:  # the others are called all the same
                failures.append(error)
        if failures:
            raise failures[0]

    async def _on_done(self, callback: Callable[[Self], Any]) -> None:
        self._callbacks.append(callback)
        if self.done:
            await self._call_back()

    def _leave(self) -> None:
        if self._queue is not None:
            self._queue.leave(self.place)

    # -- what there is at the end -------------------------------------------------------------------------------------

    def _check_done(self) -> None:
        if not self.done:
            raise ValueError(f"Response {self._unread}")

    def _said_text(self) -> str:
        parts = [part for message in self._messages for part in message.parts]
        return "".join([part.text for part in parts if isinstance(part, TextPart)])

    def _tool_calls(self) -> list[ToolCall]:
        calls = client_calls(self._messages)
        return [
            ToolCall(call.name, deepcopy(call.arguments), call.tool_call_id)  # hooks may change it
            for call in calls
            if call.tool_call_id not in self.executed
        ]

    def _duration_ms(self) -> int:
        if self._started is None or self._ended is None:
            return 0
        return max(0, round((self._ended - self._started).total_seconds() * 1000))

    def _datetime_utc(self) -> str:
        return "" if self._started is None else self._started.isoformat()

    def _parsed(self) -> Any:
        if self.format is None:
            raise ValueError("parsed() needs a prompt with schema=….")
        pending = "There are unanswered tool calls: reply() runs them, as a chain does." if self._tool_calls() else None
        return self.format.value_of(self, self._said_text(), ended=self.finish_reason, pending=pending)

    def _plain_value(self) -> dict[str, Any]:
        """What a JSON form says of the answer's value: nothing if there is none."""
        if self.format is None or self.prompt.schema is None:
            return {}
        with suppress(Exception):  # also those of the user's own validators
            value = self._parsed()
            return {"value": value if self.format.parser is not None else self.format.plain(self._said_text())}
        return {}

    def _to_dict(self) -> ResponseDict:
        times = self._datetime_utc(), self._duration_ms()
        return response_to_dict(self, self._messages, self._usage(), *times, self._plain_value())

    def __repr__(self) -> str:
        text = self._said_text() if self.done else f"... {self._unread} ..."
        return f"<{type(self).__name__} prompt={self.prompt.prompt!r} text={text!r}>"

    def _restore(self, messages: Sequence[Message], started: datetime | None, duration_ms: int) -> None:
        self._stream = None
        self._messages = self._marked(messages)
        self._started = started
        self._ended = None if started is None else started + timedelta(milliseconds=duration_ms)


async def _make_plan(method: WeakMethod[Callable[[], Any]]) -> Plan:
    make_plan = method()
    assert make_plan is not None, "somebody reads the response"
    plan: Plan = await make_plan()
    return plan


def _end(method: WeakMethod[Callable[[Result | None], None]], result: Result | None) -> None:
    end = method()
    if end is not None:  # else the response was dropped
        end(result)


def _closed() -> StreamClosedError:
    return StreamClosedError("The response was closed before its end.")


class EventReader:
    """Reads the events of a response, from the first. Dropping it loses nothing.

    If the response begins anew, a reader that has given an event raises `StreamRestarted`; another reads the new one.
    """

    def __init__(self, response: ResponseState[Any]) -> None:
        self._response = response
        self._events: deque[StreamEvent] = deque()  # of the last chunk
        self._has_given = False
        self._reader: Reader | None = None
        if response._stream is None:
            self._events.extend(message_events(response._messages))
        else:
            self._begin(response._stream)

    def _begin(self, stream: Stream) -> None:
        self._reader = Reader(stream)
        self._convert = self._response._answer.event_converter()

    async def next(self) -> StreamEvent | None:
        """Return the next event; `None` after the last. Raises what reading failed with, and `StreamRestarted`."""
        while not self._events:
            if self._reader is None or not await self._read(self._reader):
                return None
        self._has_given = True
        return self._events.popleft()

    async def _read(self, reader: Reader) -> bool:
        """Read a chunk; return whether there was one."""
        stream = self._response._stream
        try:
            chunk = reader.peek() or await reader.next()
        except StreamRestarted as restarted:
            if self._has_given or stream is None or restarted is stream.failure:
                raise
            self._begin(stream)
            return True
        if chunk is None:
            await self._response._call_back()
            return False
        self._events.extend(self._convert(chunk))
        return True


# -- for the other modules of this API, so that users need not see it ------------------------------------------------


async def read_to_end(turn: ResponseState[Any]) -> None:
    """Read a turn to its end."""
    await turn._finish()


async def close(turn: ResponseState[Any]) -> None:
    """Give up what has not come yet, and the connection."""
    await turn._close()


async def go_on(turn: ResponseState[Any]) -> bool:
    """Read a turn on by a step; whether there was one to do. Raises nothing that readers are told."""
    return await turn._go_on()


def messages_of(turn: ResponseState[Any]) -> list[Message]:
    """The messages of a complete answer."""
    return list(turn._messages)


def record_of(turn: ResponseState[Any]) -> list[Message]:
    """Return the history that a complete response leaves. If it did not end well, its tool calls have results that say
    so: nobody who goes on from it runs them by mistake."""
    messages = [*turn.prompt.messages, *messages_of(turn)]
    why = why_unfinished(turn.finish_reason)
    return messages if why is None else with_results(messages, refuse_calls(calls_of(turn), why))


def forget_messages(turn: ResponseState[Any], ids: Collection[int]) -> None:
    """Leave what comes before the last of some messages, found by their `id()`, out of a turn's history. The system
    prompt stays. A response that said one of them is no longer the one that the turn replies to."""
    prompt = turn.prompt
    said_already = None if prompt.said_already is None else _without(prompt.said_already, ids)
    turn.prompt = replace(prompt, history=_without(prompt.history, ids), said_already=said_already)
    if turn.replies_to is not None and any(id(message) in ids for message in messages_of(turn.replies_to)):
        turn.replies_to = None


def _without(messages: Sequence[Message], ids: Collection[int]) -> Sequence[Message]:
    end = max((n + 1 for n, message in enumerate(messages) if id(message) in ids), default=0)
    return (*(message for message in messages[: min(end, 1)] if message.role == "system"), *messages[end:])


def dict_of(turn: ResponseState[Any]) -> ResponseDict:
    """The JSON form of a complete response."""
    return turn._to_dict()


def calls_of(turn: ResponseState[Any]) -> list[ToolCall]:
    """The tool calls of a complete answer."""
    return turn._tool_calls()


def restore(turn: ResponseState[Any], messages: Sequence[Message], started: datetime | None, duration_ms: int) -> None:
    """Make a turn one that was answered before."""
    turn._restore(messages, started, duration_ms)
