"""How a model answers a prompt: the one seam between models and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ...engine.plan import Plan
from ...engine.runtime import Runtime
from ...types.chunks import Chunk
from ..messages.parts import Message, StreamEvent

if TYPE_CHECKING:
    from ...engine.results import Result
    from ..response_state import Turn


class Answering(Protocol):
    """One answer, on its way through the engine."""

    async def plan(self, runtime: Runtime, turn: Turn[Any], labels: Mapping[str, str]) -> Plan:
        """Make the engine's plan of it. Raises what is wrong with the prompt."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the answer is asked for undivided."""
        ...

    def event_converter(self) -> Callable[[Chunk], Sequence[StreamEvent]]:
        """Return what converts the chunks of the response, one after the other, to events. Each reader has its own."""
        ...

    def messages(self, turn: Turn[Any], result: Result) -> list[Message]:
        """Return the messages of the complete response; set what else is known of it on the turn."""
        ...
