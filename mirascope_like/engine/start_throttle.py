"""When an event loop begins calls that are all made at once.

Making a request ready takes a fraction of a millisecond in which the loop does nothing else, so a thousand that begin
together would stop it for a good part of a second: no other task would run, and no response would be read. So a loop
begins a few calls a round, and the others wait in line. Responses are read between the rounds, and their connections
and memory serve the calls that follow. This limits how fast calls begin, never how many are under way.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio

_CALLS_PER_ROUND = 8  # a few milliseconds of work


class _Line:
    """The calls of one loop that wait to begin."""

    def __init__(self) -> None:
        self._free = _CALLS_PER_ROUND
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._released = 0  # of those that waited, the ones that do not run yet

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._free and not self._waiting and not self._released:
            self._free -= 1
            return
        if not self._waiting:  # also when calls began one after another, which is seldom and quick
            loop.call_soon(self._next_round, loop)
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        try:
            await place
        finally:
            if place.done() and not place.cancelled():
                self._released -= 1

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._free = _CALLS_PER_ROUND
        while self._waiting and self._free:
            place = self._waiting.popleft()
            if not place.done():  # else it was cancelled
                place.set_result(None)
                self._free -= 1
                self._released += 1
        if self._waiting:
            loop.call_soon(self._next_round, loop)


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()


async def wait_to_start(loop: asyncio.AbstractEventLoop) -> None:
    """Return when this loop, which is running, may begin another call: at once unless many others begin too. First
    come, first served."""
    line = _lines.get(loop)
    if line is None:
        line = _lines[loop] = _Line()
    await line.wait(loop)
