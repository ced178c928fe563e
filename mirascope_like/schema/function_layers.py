"""The layers of a callable: partials, methods and wrappers, and the function in the middle.

Layers pass arguments that a caller, and so a model, must not pass: keywords that a partial has bound, the object of a
method, what a wrapper adds.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast

from .signatures import names_in_code

_MAX_LAYERS = 50  # some objects have every attribute, and so an endless number of layers


def layers(fn: object) -> Iterator[object]:
    """Iterate over a callable and the callables inside it, outermost first."""
    for _ in range(_MAX_LAYERS):
        if fn is None:
            return
        yield fn
        fn = _next_layer(fn)


def bound_keywords(fn: Callable[..., Any]) -> frozenset[str]:
    """Return the names of keyword arguments that partials among the layers have bound."""
    partials: list[Any] = [layer for layer in layers(fn) if _is_partial(layer)]
    return frozenset(name for each in partials for name in each.keywords)


def layer_parameter_names(fn: Callable[..., Any]) -> frozenset[str]:
    """Return the names of all parameters of all layers, including `self` and bound ones."""
    functions = [layer for layer in layers(fn) if inspect.isfunction(layer)]
    return frozenset(name for function in functions for name in names_in_code(function)) | bound_keywords(fn)


def _is_partial(layer: object) -> bool:
    return isinstance(layer, functools.partial | functools.partialmethod)


def _next_layer(fn: Any) -> object:
    if _is_partial(fn):
        return cast("object", fn.func)
    for name in _INNER:
        if (inner := getattr(fn, name, None)) is not None:
            return cast("object", inner)
    if inspect.isroutine(fn):
        return None
    return cast("Any", fn).__init__ if inspect.isclass(fn) else cast("object", fn.__call__)


# The attributes in which callables keep what they call: methods, functions that Python makes of a `partialmethod`
# (since 3.13, and before), wrappers.
_INNER = ("__func__", "__partialmethod__", "_partialmethod", "__wrapped__")
