"""What a call waits for before it sends a request: a place in a line, or room below a limit.

A `Gate` is passed before each attempt. It gives a `Lease`, which is settled once, when the attempt is over: with the
tokens that were used, the headers of the response and the error, as far as there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..types.chunks import Usage
from .plan import Plan
from .runtime import BLOCKING, NATIVE, Runtime


class Lease(Protocol):
    """Permission for one attempt."""

    def settle(self, usage: Usage | None, headers: Mapping[str, str], error: BaseException | None) -> None:
        """Note that the attempt is over."""
        ...


class Gate(Protocol):
    """Lets attempts begin. `can_wait` tells whether `acquire` ever waits."""

    @property
    def can_wait(self) -> bool: ...

    async def acquire(self, plan: Plan) -> Lease:
        """Wait until a request of this plan may be made ready and sent."""
        ...


class _FreeLease:
    def settle(self, usage: Usage | None, headers: Mapping[str, str], error: BaseException | None) -> None:
        pass


FREE_LEASE: Lease = _FreeLease()
"""The lease of a gate that counts nothing."""


class _StartGate:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.can_wait: bool = runtime is NATIVE

    async def acquire(self, plan: Plan) -> Lease:
        """See `Gate`."""
        await self._runtime.admit()
        return FREE_LEASE


_NATIVE_GATE, _BLOCKING_GATE = _StartGate(NATIVE), _StartGate(BLOCKING)


def start_gate(runtime: Runtime) -> Gate:
    """Return the gate of all calls: of many that begin at once on an event loop, it lets a few pass in each round."""
    return _NATIVE_GATE if runtime is NATIVE else _BLOCKING_GATE
