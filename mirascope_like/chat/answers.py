"""How a model answers a prompt: the one seam between models and responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..engine.plan import Plan
from ..engine.runtime import Runtime
from ..types.chunks import Chunk
from .parts import Message, StreamEvent

if TYPE_CHECKING:
    from ..engine.streams import Stream
    from .turns import Turn

__all__ = ["Answering"]


class Answering(Protocol):
    """One answer, on its way through the engine."""

    async def plan(self, runtime: Runtime, turn: Turn[Any]) -> Plan:
        """The engine's plan of it. Raises what is wrong with the prompt."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the answer is asked for undivided."""
        ...

    def events(self, chunk: Chunk | None) -> Sequence[StreamEvent]:
        """The events that came with a chunk; with `None`, those that came after the last."""
        ...

    def begin_anew(self) -> None:
        """Forget what has come: the answer broke off, and begins anew."""
        ...

    def messages(self, turn: Turn[Any], stream: Stream) -> list[Message]:
        """The messages of the complete answer; notes on the turn what else is known of it."""
        ...
