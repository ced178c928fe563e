"""Tool calls of a response that did not end well.

Such a call may be incomplete, so code that runs the calls of a history must know it. The call carries the reason: what
to tell the model in place of a result.

The reason is not a field. It takes no part in `==`, `hash` and `repr`, and it is in no JSON form. Copies and pickles
keep it, and so do messages that are made from the same calls. A new call, for example one of `dataclasses.replace`, has
none.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

T = TypeVar("T")


class CanBeUnfinished:
    """Base of tool calls: of dataclasses that are frozen and have slots."""

    __slots__ = ("_unfinished",)
    _unfinished: str | None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_call, (type(self), self.__getstate__(), get_unfinished(self))


def get_unfinished(call: object) -> str | None:
    """Return why a call must not be run, as text for the model; `None` if its response ended well."""
    return getattr(call, "_unfinished", None)


def with_unfinished(call: T, why: str | None) -> T:
    """Return the call with this reason: itself if it has the reason already, or is no call, else a copy."""
    if not isinstance(call, CanBeUnfinished) or get_unfinished(call) == why:
        return call
    made = copy.copy(call)
    object.__setattr__(made, "_unfinished", why)
    return made


def _rebuild_call(kind: type[Any], state: object, why: str | None) -> object:
    made: Any = object.__new__(kind)
    made.__setstate__(state)
    return with_unfinished(made, why)
