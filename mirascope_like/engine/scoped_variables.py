"""Context variables that hold a value for as long as a `with` block runs.

A plain `ContextVar` leaks when a block ends in another context than it began in: a generator that is left early is
closed by the event loop in a task of its own, or by the garbage collector on any thread, and the context where the
block began keeps the value. Here such an end marks the block as over, and look-ups in every context skip it.

As with any context variable, tasks and threads that were started inside the block with a copy of its context keep the
value, even if they outlive the block.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Generic, TypeVar

T = TypeVar("T")


class Scope(Generic[T]):
    """A value and the block that set it. `owner` identifies the frame of the block, if it is known."""

    __slots__ = ("is_over", "owner", "token", "value")

    def __init__(self, value: T, owner: int | None) -> None:
        self.value: T = value
        self.owner: int | None = owner
        self.is_over: bool = False
        self.token: Token[tuple[Scope[T], ...]] | None = None


class ScopedVariable(Generic[T]):
    """A context variable with the values of the blocks around the current code."""

    def __init__(self, name: str) -> None:
        # A tuple, replaced whole, because copies of a context share what it holds.
        self._scopes: ContextVar[tuple[Scope[T], ...]] = ContextVar(name, default=())
        self._open: dict[Scope[T], None] = {}  # of all contexts, oldest first

    def __iter__(self) -> Iterator[T]:
        """Iterate over the values, innermost first."""
        return (scope.value for scope in reversed(self._scopes.get()) if not scope.is_over)

    @property
    def innermost(self) -> T | None:
        """The value of the innermost block, or None outside of all blocks."""
        return next(iter(self), None) if self._scopes.get() else None

    @contextmanager
    def holding(self, value: T) -> Generator[None]:
        """Set the value for a block."""
        scope = self.enter(value)
        try:
            yield
        finally:
            self.leave(scope)

    def enter(self, value: T, owner: int | None = None) -> Scope[T]:
        """Begin a block. `owner` is the `id` of its frame, for `find`."""
        scope = Scope(value, owner)
        scope.token = self._scopes.set((*(each for each in self._scopes.get() if not each.is_over), scope))
        self._open[scope] = None
        return scope

    def leave(self, scope: Scope[T]) -> None:
        """End a block. Blocks that began later and have not ended keep their values."""
        self._open.pop(scope, None)
        token, scope.token = scope.token, None  # it holds the context
        others = tuple(each for each in self._scopes.get() if each is not scope)
        try:
            if token is not None:
                self._scopes.reset(token)
        except ValueError:  # the block began in another context, where this one cannot change the variable
            scope.is_over = True
        self._scopes.set(others)

    def find(self, value: T, owner: int) -> Scope[T] | None:
        """Return the open block to end for an object that can begin several, such as a model: the last one that this
        frame began, else the innermost in this context, else the last one that began anywhere."""
        begun = [scope for scope in reversed(list(self._open)) if scope.value is value]
        here = self._scopes.get()
        by_frame = (scope for scope in begun if scope.owner == owner)
        in_context = (scope for scope in begun if scope in here)
        return next(by_frame, None) or next(in_context, None) or next(iter(begun), None)
