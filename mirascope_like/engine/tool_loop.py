"""Rounds: ask, run the tools that the answer calls, ask again with what they gave, until an answer calls none.

`llm` or `chat` defines one round, as a `Turn`; this module decides whether another round follows. The turns are made
one by one, as they are asked for, and kept: all readers see the same turns, and nothing is asked or run twice. What
stopped the rounds stops every later reader in the same place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, Self, TypeVar

from ..errors import ChainLimitExceeded, StreamClosedError
from ..types.chunks import FinishReason
from .runtime import Runtime
from .unfinished_responses import ends_loop


class Turn(Protocol):
    """One question and its answer, in a row of them."""

    async def settle(self) -> None:
        """Read the answer to its end."""
        ...

    @property
    def calls_tools(self) -> bool:
        """Whether the answer, once it is complete, asks for tools to be run."""
        ...

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended, once it is complete."""
        ...

    async def follow(self) -> Self:
        """Run those tools, and make the turn that tells the model what they gave."""
        ...


T = TypeVar("T", bound=Turn)


class Rounds(Generic[T]):
    """The turns of a loop. `begin` makes the first; `limit` is how many there may be (`None`: any number)."""

    def __init__(self, runtime: Runtime, begin: Callable[[Rounds[T]], Awaitable[T]], limit: int | None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"The limit is {limit}: at least one call of the model is needed. None means no limit.")
        self.turns: list[T] = []
        self.finished: bool = False
        self._begin = begin
        self._limit = limit
        self._lock = runtime.lock()
        self._busy = False
        self._failure: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether there will be no more turns, for better or worse, and no tools run for one."""
        return not self._busy and (self.finished or self._failure is not None)

    async def at(self, position: int) -> T | None:
        """The turn at a position, once those before it are complete; `None` behind the last.

        Raises `ChainLimitExceeded` where one more turn is needed than the limit allows; it runs no tools for it.
        """
        while position >= len(self.turns):
            if self.finished:
                return None
            self.check()
            async with self._lock:
                if position >= len(self.turns) and not self.ended:
                    await self._guarded()
        return self.turns[position]

    async def idle(self) -> None:
        """Wait until nothing is under way that `at` began; tools that run come to their end though it was stopped."""
        async with self._lock:
            pass

    def stop(self, reason: Exception) -> None:
        """Make no more turns: who asks for one gets `reason`. What is under way is not cancelled, and leads nowhere."""
        if not self.finished and self._failure is None:
            self._failure = reason

    def restore(self, turns: Sequence[T]) -> None:
        """Set all turns: no other follows."""
        self.turns = list(turns)
        self.finished = True

    def check(self) -> None:
        """Raise what it was stopped with, if it was."""
        if self._failure is not None:
            raise self._failure

    async def _guarded(self) -> None:
        self._busy = True
        try:
            await self._advance()
        except Exception as error:
            self.stop(error)
            raise
        except BaseException as error:
            # Tools may have run already, and must not run again.
            self.stop(StreamClosedError(f"The chain was interrupted ({type(error).__name__})."))
            raise
        finally:
            self._busy = False

    async def _advance(self) -> None:
        """Make the next turn. Somebody may stop the rounds at each wait, and what is made then is asked by nobody."""
        made = await (self._follow(self.turns[-1]) if self.turns else self._begin(self))
        self.check()
        if made is None:
            self.finished = True
        else:
            self.turns.append(made)

    async def _follow(self, last: T) -> T | None:
        await last.settle()
        self.check()
        if not last.calls_tools or ends_loop([turn.finish_reason for turn in self.turns]):
            return None
        if self._limit is not None and len(self.turns) >= self._limit:
            raise ChainLimitExceeded(self._limit)
        return await last.follow()
