"""Reading function signatures: parameters with their types, the `Context` parameter, and methods not bound yet."""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from weakref import WeakKeyDictionary

import typing_extensions
from typing_extensions import Format, ReadOnly, get_annotations

from ..types.context import Context

R = TypeVar("R")

# Annotations that are never a context, as types and as text.
_PLAIN_TYPES = (str, int, float, bool, "str", "int", "float", "bool")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_UNPACK = (typing.Unpack, typing_extensions.Unpack)  # two in Python 3.11
_IDENTIFIER = re.compile(r"(?<![.\w])[^\W\d]\w*")
_ABSENT = object()
"""The default for keys that a `TypedDict` does not require."""


def unwrap_method(fn: Any) -> Callable[..., Any]:
    """Return the function in a `classmethod` or `staticmethod`; any other unchanged."""
    inner: Callable[..., Any] = cast("Any", fn).__func__ if isinstance(fn, classmethod | staticmethod) else fn
    return inner


def unwrap_partial(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function in a `functools.partial`, or in several; any other unchanged."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def underlying_function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain function that has the annotations."""
    fn = unwrap_partial(fn)
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return fn
    return getattr(fn, "__wrapped__", None) or type(fn).__call__


def cache_per_function(make: Callable[..., R]) -> Callable[..., R]:
    """Cache `make(fn, …)` for as long as the function lives: each call with functions makes tools of them, and so does
    each object with methods."""
    known: WeakKeyDictionary[Callable[..., Any], dict[Any, R]] = WeakKeyDictionary()

    @functools.wraps(make)
    def wrapper(fn: Callable[..., Any], *more: Hashable) -> R:
        plain = fn.__func__ if inspect.ismethod(fn) and is_unbound(fn.__func__) else fn
        if not inspect.isfunction(plain):
            return make(fn, *more)
        cached, key = known.setdefault(plain, {}), (fn.__doc__, *more)
        if key not in cached:
            cached[key] = make(fn, *more)
        return cached[key]

    return wrapper


def typed_parameters(fn: Callable[..., Any], hidden: Container[str]) -> list[inspect.Parameter]:
    """Return the parameters that a caller can pass by name, without `hidden` ones, with their types (`Any` if there is
    none). `**kwargs: Unpack[…]` gives those of its `TypedDict`. Raises `NameError` for an unknown type."""
    shown = [p for p in _parameters(fn) if p.name not in hidden and p.kind is not p.VAR_POSITIONAL]
    kinds = _parameter_types(fn, shown)
    typed = [parameter.replace(annotation=kinds.get(parameter.name, Any)) for parameter in shown]
    return [each for parameter in typed for each in _unpack_parameter(parameter) if each.name not in hidden]


def parameter_names(fn: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the parameters that a caller can pass by name."""
    return frozenset(parameter.name for parameter in _parameters(fn) if parameter.kind not in _VARIADIC)


def starred_parameter_name(fn: Callable[..., Any]) -> str | None:
    """Return the name of a function's `*args`, if it has any."""
    if _is_plain_function(fn) and not fn.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return next((p.name for p in _parameters(fn) if p.kind is p.VAR_POSITIONAL), None)


def _unpack_parameter(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if get_origin(parameter.annotation) not in _UNPACK:
        return [parameter]
    (kind,) = get_args(parameter.annotation)
    kinds = get_type_hints(kind, include_extras=True)
    return [_key_parameter(name, each, name in kind.__required_keys__) for name, each in kinds.items()]


def _key_parameter(name: str, kind: Any, required: bool) -> inspect.Parameter:
    while (qualifier := get_origin(kind)) in (Required, NotRequired, ReadOnly):
        required = qualifier is Required or (required and qualifier is not NotRequired)
        (kind,) = get_args(kind)
    default = inspect.Parameter.empty if required else _ABSENT
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _parameters(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that a caller passes: without `self` or `cls`."""
    called = unwrap_method(fn) if isinstance(cast("object", fn), classmethod) else fn
    parameters = list(inspect.signature(called).parameters.values())
    return parameters[1:] if parameters and _is_receiver(called, parameters[0].name) else parameters


def is_unbound(fn: Callable[..., Any]) -> bool:
    """Whether a function is a method without its object: it is defined in a class, for example, and begins with
    `self`."""
    if inspect.ismethod(fn):
        return False
    names = names_in_code(fn) if _is_plain_function(fn) else tuple(inspect.signature(unwrap_method(fn)).parameters)
    return bool(names) and _is_receiver(fn, names[0])


def _is_receiver(fn: Callable[..., Any], name: str) -> bool:
    """Whether a function's first parameter is the object it will be bound to: it has the usual name, and the function
    is defined in a class. Outside of one, only `self` without a type counts: a class may get the function later."""
    if name not in ("self", "cls") or isinstance(fn, staticmethod) or inspect.ismethod(fn):
        return False
    fn = unwrap_method(fn)
    around = getattr(fn, "__qualname__", "").rpartition(".")[0]
    if around and not around.endswith("<locals>"):
        return True
    return name == "self" and inspect.isfunction(fn) and name not in get_annotations(fn, format=Format.FORWARDREF)


def _is_plain_function(fn: Callable[..., Any]) -> TypeGuard[types.FunctionType]:
    """Whether a function's code has its parameters, so that the slower `inspect.signature` is not needed."""
    return isinstance(fn, types.FunctionType) and not hasattr(fn, "__wrapped__")


def names_in_code(fn: types.FunctionType) -> tuple[str, ...]:
    """Return the names of a function's own parameters, but for `*args` and `**kwargs`."""
    code = fn.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


@dataclass(frozen=True, slots=True)
class ContextParameter:
    """The parameter for a call's `Context`. `place` is its index among the positional arguments, or `None` if it is
    passed by name; `by_name`: it is keyword-only; `required`: it cannot be left out."""

    name: str
    place: int | None
    by_name: bool
    required: bool


@cache_per_function
def context_parameter(fn: Callable[..., Any]) -> ContextParameter | None:
    """Return the parameter for the call's `Context`, found by its annotation whatever its name and place; `None` if
    there is none."""
    if _is_plain_function(fn) and not _can_take_context(fn):
        return None
    for index, parameter in enumerate(_parameters(fn)):
        if parameter.kind not in _VARIADIC and _is_for_context(fn, parameter, is_first=index == 0):
            by_name = parameter.kind is parameter.KEYWORD_ONLY
            by_place = parameter.kind is parameter.POSITIONAL_ONLY or (index == 0 and not by_name)
            required = by_place or parameter.default is parameter.empty
            return ContextParameter(parameter.name, index if by_place else None, by_name, required)
    return None


def _can_take_context(fn: types.FunctionType) -> bool:
    annotations = get_annotations(fn, format=Format.FORWARDREF)
    return any(annotations.get(name) not in (None, *_PLAIN_TYPES) for name in names_in_code(fn))


def _is_for_context(fn: Callable[..., Any], parameter: inspect.Parameter, *, is_first: bool) -> bool:
    annotation = parameter.annotation
    if annotation is parameter.empty or isinstance(annotation, type) or annotation in _PLAIN_TYPES:
        return _is_context(annotation)
    try:
        return _is_context(_parameter_types(fn, [parameter])[parameter.name])
    except Exception:  # a name that only type checkers see, for example: then the first parameter's text decides
        return is_first and (parameter.name == "ctx" or re.search(r"\bContext\b", str(annotation)) is not None)


def _is_context(annotation: Any) -> bool:
    kind: Any = get_origin(annotation) or annotation
    if kind in (types.UnionType, Union):
        return any(_is_context(member) for member in get_args(annotation))
    if kind is Annotated or isinstance(kind, TypeVar):
        return _is_context(annotation.__origin__ if kind is Annotated else cast("Any", kind).__bound__)
    if hasattr(kind, "__value__"):  # of a `type` statement
        return _is_context(kind.__value__)
    return isinstance(kind, type) and issubclass(kind, Context)


def _parameter_types(fn: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> dict[str, Any]:
    """Return the types of some parameters. Other annotations, such as the return type, need not exist at run time;
    names may come from enclosing scopes. Raises `NameError` for a name that is in none."""
    plain: Any = inspect.unwrap(underlying_function(fn))
    plain = getattr(plain, "__func__", plain)
    annotations = get_annotations(plain, format=Format.FORWARDREF)
    wanted = {parameter.name for parameter in parameters}
    shown = types.SimpleNamespace(
        __annotations__={name: annotation for name, annotation in annotations.items() if name in wanted}
    )
    names = _type_parameters(fn, plain)
    if inspect.isfunction(plain):
        names |= _enclosing_names(plain)
    return get_type_hints(shown, getattr(plain, "__globals__", None), names, include_extras=True)


def _type_parameters(fn: Callable[..., Any], plain: Any) -> dict[str, Any]:
    """Return the type parameters of a function, and of the class that it is defined in or bound to, by name."""
    receiver = getattr(fn, "__self__", None)
    around = getattr(plain, "__qualname__", "").split(".")[:-1]
    owner: Any = getattr(plain, "__globals__", {}).get(around[0]) if around else None
    for name in around[1:]:
        owner = getattr(owner, name, None)
    found = (owner, receiver if isinstance(receiver, type) else type(receiver), plain)
    return {each.__name__: each for of in found for each in getattr(of, "__type_params__", ())}


def _enclosing_names(fn: types.FunctionType) -> dict[str, Any]:
    """Return the values of names in a function's annotations that come from enclosing functions.

    Annotations that are text make no closure. Names in them that are not found elsewhere are looked up while the
    enclosing function runs, as it does when something is decorated in it, and cached.
    """
    cached = _cached_names(fn)
    texts = [text for text in get_annotations(fn, format=Format.FORWARDREF).values() if isinstance(text, str)]
    unknown = set(_IDENTIFIER.findall(" ".join(texts))) - cached.keys() - fn.__globals__.keys() - vars(builtins).keys()
    if unknown and (around := _enclosing_locals(fn)):
        cached |= {name: around[name] for name in unknown if name in around}
    with contextlib.suppress(ValueError):  # a variable that has no value yet
        return {**cached, **inspect.getclosurevars(fn).nonlocals}
    return cached


@cache_per_function
def _cached_names(fn: types.FunctionType) -> dict[str, Any]:
    return {}


def _enclosing_locals(fn: types.FunctionType) -> Mapping[str, Any]:
    around, local, _ = fn.__qualname__.rpartition(".<locals>.")
    frame = inspect.currentframe() if local else None
    while frame is not None:
        if frame.f_code.co_qualname == around and frame.f_globals is fn.__globals__:
            return frame.f_locals
        frame = frame.f_back
    return {}
