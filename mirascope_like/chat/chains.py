"""Chains: a prompt, the tools that its answer calls, what they gave, and so on, as one thing to read.

When there is another round, the engine's `Rounds` decide; a chain is a view on their turns. Reading one twice asks
nothing again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Generic, Self

from typing_extensions import TypeVar

from ..engine.runtime import Runtime
from ..engine.tool_loop import Rounds
from ..errors import ChainLimitExceeded, StreamClosedError
from ..types.chunks import FinishReason
from .iterators import Step, texts
from .messages.history import pending_calls, result_part
from .messages.parts import AttachmentPart, Message, StreamEvent
from .prompts.prompt import Prompt
from .queues import Ticket
from .response_replies import ContinuableResponse, follow, resume
from .response_state import (
    AnyConversation,
    EventReader,
    calls_of,
    close,
    dict_of,
    go_on,
    messages_of,
    read_to_end,
)
from .storage.json_forms import ChainDict
from .storage.message_forms import VERSION
from .tools.tool import PauseChain, ToolResult
from .usage import Usage, total

DEFAULT_LIMIT = 100
"""How many calls of the model a chain may make, unless it is told. Nobody needs as many; it ends what would not end."""

F = TypeVar("F", default=Any)
G = TypeVar("G", default=Any)


class _Round:
    """A turn in the engine's loop."""

    def __init__(self, turn: ContinuableResponse[Any], place: Ticket) -> None:
        self.turn = turn
        self._place = place

    async def settle(self) -> None:
        await read_to_end(self.turn)

    @property
    def calls_tools(self) -> bool:
        return bool(calls_of(self.turn))

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.turn.finish_reason

    async def follow(self) -> _Round:
        with self._place.running():
            return _Round(await follow(self.turn), self._place)


async def _begin(
    kind: type[ContinuableResponse[Any]],
    prompt: Prompt,
    conversation: AnyConversation,
    place: Ticket,
    rounds: Rounds[_Round],
) -> _Round:
    await conversation.queue.enter(place)
    rounds.check()  # closed in the meantime
    if not prompt.own_history:
        prompt = replace(prompt, history=tuple(conversation.messages))
    turn = kind(replace(prompt, own_history=True), conversation, place=place)
    if prompt.asks_nothing and prompt.given_tools and (calls := pending_calls(prompt.history)):
        with place.running():
            turn = await resume(turn, calls)
    return _Round(turn, place)


class ChainBase(Generic[F, AnyConversation]):
    """A chain of either colour."""

    _runtime: ClassVar[Runtime]
    _kind: ClassVar[type[ContinuableResponse[Any]]]

    def __init__(self, prompt: Prompt, conversation: AnyConversation, limit: int | None) -> None:
        self.prompt: Prompt = prompt
        self.conversation: AnyConversation = conversation
        self._place = Ticket(self._runtime, self._go_on)
        begin = partial(_begin, self._kind, prompt, conversation, self._place)
        self._rounds: Rounds[_Round] = Rounds(self._runtime, begin, limit or None)

    @property
    def done(self) -> bool:
        """Whether the last answer is complete."""
        return self._rounds.finished

    async def _at(self, position: int) -> Any:
        """The turn at a position."""
        try:
            found = await self._rounds.at(position)
        except ChainLimitExceeded as error:
            error.responses = [round.turn for round in self._rounds.turns]
            raise
        finally:
            if self._rounds.ended:
                self.conversation.queue.leave(self._place)
        return None if found is None else found.turn

    async def _finish(self) -> list[Any]:
        """All turns, complete."""
        while await self._at(len(self._rounds.turns)) is not None:
            pass
        return [each.turn for each in self._rounds.turns]

    async def _go_on(self) -> bool:
        """Do a step; whether there are more. Where the chain was closed, its tools that run come to their end."""
        await self._rounds.idle()
        turns = self._rounds.turns
        if turns and await go_on(turns[-1].turn):
            return True
        return await self._at(len(turns)) is not None

    async def _last(self) -> Any:
        return (await self._finish())[-1]

    async def _close(self) -> None:
        self._rounds.stop(StreamClosedError("The chain was closed before its end."))
        if self._rounds.ended:  # else who reads it leaves, when its tools have ended: what they give comes first
            self.conversation.queue.leave(self._place)
        for round in self._rounds.turns:
            await close(round.turn)

    def _events(self) -> Step[StreamEvent]:
        return _ChainEvents(self._at).next

    def _texts(self) -> Step[str]:
        return texts(self._events())

    async def _text(self) -> str:
        await self._finish()  # first: an answer that began anew meanwhile is no text to show half of
        step = self._texts()
        pieces: list[str] = []
        while (piece := await step()) is not None:
            pieces.append(piece)
        return "".join(pieces)

    async def _usage(self) -> Usage:
        return total(Usage(turn.input_tokens, turn.output_tokens, turn.token_details) for turn in await self._finish())

    async def _messages(self) -> list[Message]:
        return [message for turn in await self._finish() for message in (*_told(turn), *messages_of(turn))]

    def _to_dict(self) -> ChainDict:
        return {"version": VERSION, "responses": [dict_of(round.turn) for round in self._rounds.turns]}

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.done:
            raise TypeError("The chain is not complete, so it cannot be copied or pickled: read it first.")
        turns = [round.turn for round in self._rounds.turns]
        return object.__new__, (type(self),), (self.conversation, turns)

    def __setstate__(self, state: tuple[AnyConversation, Sequence[ContinuableResponse[Any]]]) -> None:
        conversation, turns = state
        ChainBase.__init__(self, turns[0].prompt, conversation, None)
        for turn in turns:
            turn.conversation = conversation
        self._rounds.restore([_Round(turn, self._place) for turn in turns])

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        state = "done" if self.done else "not yet done"
        return f"<{type(self).__name__} prompt={self.prompt.prompt!r} {len(self._rounds.turns)} responses, {state}>"


def _told(turn: ContinuableResponse[Any]) -> list[Message]:
    """What the model was told before a turn by the tools of this chain."""
    if not turn.ran:
        return []
    attached = [AttachmentPart(attachment) for attachment in turn.prompt.attachments]
    told = [Message("tool", [result_part(result) for result in turn.ran])]
    return [*told, Message("user", [*attached])] if attached else told


class _ChainEvents:
    """The events of all rounds. `message_index` is the index of their message in `messages()`, which tells the rounds
    apart. Results of tools are events too, and where two rounds' texts would touch there is a text event of a space,
    which is in no message."""

    def __init__(self, at: Any) -> None:
        self._at = at
        self._turn: ContinuableResponse[Any] | None = None
        self._number = -1
        self._reader: EventReader | None = None
        self._base = 0
        self._waiting: list[StreamEvent] = []
        self._last_character = ""
        self._new_round = False
        self._paused = False

    async def next(self) -> StreamEvent | None:
        while not self._waiting:
            if self._turn is None and not await self._next_turn():
                return None
            await self._read()
        return self._waiting.pop(0)

    async def _next_turn(self) -> bool:
        """Begin with the next turn, if there is one; before a pause come the results that it has."""
        try:
            self._turn = await self._at(self._number + 1)
        except PauseChain as pause:
            if self._paused or not pause.tool_results:
                raise
            self._paused = True
            self._waiting += self._events_of(pause.tool_results)
            return True
        if self._turn is None:
            return False
        self._number += 1
        self._reader = EventReader(self._turn)
        self._new_round = self._number > 0
        self._waiting += self._events_of(self._turn.ran)
        self._base += len(_told(self._turn))
        return True

    def _events_of(self, results: Sequence[ToolResult]) -> list[StreamEvent]:
        return [
            StreamEvent(
                "tool_result",
                result.output,
                tool_call_id=result.tool_call_id,
                tool_name=result.name,
                message_index=self._base,
            )
            for result in results
        ]

    async def _read(self) -> None:
        if self._waiting or self._turn is None or self._reader is None:
            return
        event = await self._reader.next()
        if event is None:
            self._base += len(messages_of(self._turn))
            self._turn = self._reader = None
            return
        if event.type == "text" and event.chunk:
            self._waiting += self._space_before(event)
        self._waiting.append(replace(event, message_index=self._base + event.message_index))

    def _space_before(self, event: StreamEvent) -> Sequence[StreamEvent]:
        touching = self._new_round and self._last_character and not self._last_character.isspace()
        self._new_round = False
        self._last_character = event.chunk[-1]
        return [StreamEvent("text", " ", message_index=self._base)] if touching and not event.chunk[0].isspace() else []
