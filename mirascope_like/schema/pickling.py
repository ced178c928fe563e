"""How objects that decorators make are pickled.

By reference if their name refers to the same object, as functions are. Otherwise by value: the function, and the
arguments that the object was made with. If the name refers to another object of the same function, as it does for
`call.options(…)`, the function is found by way of that one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar, cast

D = TypeVar("D")


def reduce_dataclass(value: D, **changed: object) -> tuple[partial[D], tuple[()]]:
    """Return what `value.__reduce__` returns for a dataclass of keyword arguments: its fields, with changes."""
    kept = {each.name: getattr(value, each.name) for each in fields(cast("Any", value))}
    return partial(type(value), **{**kept, **changed}), ()


def mark_bound(bound: Any, unbound: object) -> None:
    """Note the object that is the attribute of a class, of which a method was bound just now. Each access to the method
    makes a new one; two are equal if they are bound to the same object and come from the same attribute."""
    vars(bound)["_unbound"] = unbound


def reduce_decorated(value: Any, args: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Any:
    """Return what `value.__reduce__` returns. `args` make it from its function, `value.fn`, and `state` are the
    attributes to set then."""
    found: Any = _find_by_name(value)
    if found is value:
        return value.__qualname__
    owner = getattr(value.fn, "__self__", None)
    is_same_function = getattr(found, "fn", None) == value.fn
    if is_same_function and _is_same_attribute(found, value):
        return getattr, (owner, value.__name__)
    if not is_same_function:
        _check_method(value.fn, owner)
    kind = cast("type[object]", type(value))
    made = (kind, found if is_same_function else value.fn, dict(args))
    return (_make, made) if state is None else (_make, made, dict(state))


def _is_same_attribute(one: object, other: object) -> bool:
    unbound = getattr(one, "_unbound", None)
    return unbound is not None and unbound is getattr(other, "_unbound", None)


def _find_by_name(value: Any) -> Any:
    """Return what has the name of this object in its module, or is the method of this name; `None` if there is
    nothing."""
    owner = getattr(value.fn, "__self__", None)
    if owner is not None:
        return getattr(owner, value.__name__, None)
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found


def _check_method(fn: Callable[..., Any], owner: object) -> None:
    """Raise `PicklingError` for a method that its name does not refer to, such as one of a base class: Python would
    pickle that name."""
    name: str = getattr(fn, "__name__", "")
    if owner is not None and getattr(owner, name, None) != fn:
        from pickle import PicklingError

        raise PicklingError(f"The method {name!r} cannot be pickled: its object has another one of this name.")


def _make(kind: Callable[..., Any], source: Any, args: Mapping[str, Any]) -> Any:
    return kind(getattr(source, "fn", source), **args)


def can_be_pickled(value: object) -> bool:
    """Whether `pickle` accepts an object."""
    import pickle

    try:
        pickle.dumps(value)
    except Exception:  # also what the object's own methods raise
        return False
    return True
