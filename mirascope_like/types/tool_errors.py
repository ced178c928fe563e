"""The root of all errors, and the errors of tool calls, which are a part of messages (`ToolOutput.error`).

All other errors may hold messages and are defined in `mirascope_like.errors`, which also has these: import them there.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, Self, TypeVar

E = TypeVar("E", bound=BaseException)
ErrorT = TypeVar("ErrorT", bound="Error")


def to_picklable(error: E) -> E | Exception:
    """Return the error, or one with its type's name and its text if it cannot be pickled, or loaded again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return Exception(f"{type(error).__name__}: {error}")
    return error


class Error(Exception):
    """The root of all errors of this library."""

    __module__ = "mirascope_like.errors"

    def __reduce__(self) -> Any:
        # By default, Python copies an exception by passing its message to the class; most classes take other arguments.
        state = {
            name: to_picklable(value) if isinstance(value, BaseException) else value
            for name, value in vars(self).items()
        }
        return _rebuild_error, (type(self), self.args, state)

    def __deepcopy__(self, memo: object) -> Self:
        return _rebuild_error(type(self), self.args, vars(self))


def _rebuild_error(kind: type[ErrorT], args: tuple[object, ...], state: Mapping[str, object]) -> ErrorT:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ToolError(Error):
    """The failure of a tool call. Two are equal if they have the same type and text."""

    __module__ = "mirascope_like.errors"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash((type(self), str(self)))


class ToolExecutionError(ToolError):
    """The tool raised, or its arguments did not fit. `tool_exception` is the exception (`None` if the output was loaded
    from its JSON form)."""

    __module__ = "mirascope_like.errors"

    def __init__(self, message: str, *, tool_exception: BaseException | None = None) -> None:
        super().__init__(message)
        self.tool_exception = tool_exception


class ToolNotFoundError(ToolError):
    """The model called a tool that does not exist."""

    __module__ = "mirascope_like.errors"

    def __init__(self, tool_name: str, *, known: tuple[str, ...] = ()) -> None:
        self.tool_name = tool_name
        self.known = known
        choice = f"The tools are: {', '.join(known)}." if known else "There are no tools."
        super().__init__(f"There is no tool named {tool_name!r}. {choice}")
