"""The context that a caller passes to its prompt functions and tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from typing_extensions import TypeVar

DepsT = TypeVar("DepsT", default=None)


@dataclass(kw_only=True)
class Context(Generic[DepsT]):
    """Dependencies of a call: anything that prompts and tools need and the model must not see. You may subclass it."""

    deps: DepsT
