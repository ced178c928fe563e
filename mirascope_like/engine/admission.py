"""When an event loop begins calls that are all asked for at once.

Making a call ready takes a fraction of a millisecond in which the loop does nothing else, so a thousand that begin
together would stop it for a good part of a second: no other task would run, and no answer would be read. Here a loop
begins a few calls a round, and the others wait in line. So answers are read between beginnings, and their connections
and memory serve the calls that follow. This limits how fast calls begin, never how many are under way.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio

__all__ = ["admitted"]

# Calls that begin in one round of a loop: a few milliseconds of work.
_A_ROUND = 8


class _Admission:
    """The line of one loop."""

    def __init__(self) -> None:
        self._free = _A_ROUND
        self._line: deque[asyncio.Future[None]] = deque()

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._free == _A_ROUND:
            loop.call_soon(self._next_round, loop)
        if self._free:
            self._free -= 1
        else:
            place: asyncio.Future[None] = loop.create_future()
            self._line.append(place)
            await place

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._free = _A_ROUND
        while self._line and self._free:
            place = self._line.popleft()
            if not place.done():  # else it was cancelled
                place.set_result(None)
                self._free -= 1
        if self._free < _A_ROUND:
            loop.call_soon(self._next_round, loop)


_admissions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Admission] = WeakKeyDictionary()


async def admitted(loop: asyncio.AbstractEventLoop) -> None:
    """Return when this loop, which is running, may begin another call: at once unless many others begin too. First
    come, first served."""
    admission = _admissions.get(loop)
    if admission is None:
        admission = _admissions[loop] = _Admission()
    await admission.wait(loop)
