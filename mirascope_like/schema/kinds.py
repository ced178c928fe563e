"""Which shape a type has; see `shapes`."""

from __future__ import annotations

import collections
import collections.abc
import copy
import dataclasses
import enum
import functools
import inspect
import sys
import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from typing_extensions import NoDefault, ReadOnly, TypeAliasType, is_typeddict

from .members import filled, hints_of
from .objects import DataclassShape, ModelShape, RootModelShape, TypedDictShape, UnionShape
from .shapes import AnyShape, ArrayShape, DictShape, LiteralShape, RecordShape, Shape, TextShape

__all__ = ["shape_of"]

CACHED = 1024  # types whose shapes are kept


def shape_of(kind: Any) -> Shape:
    """The shape of a type."""
    try:
        hash(kind)
    except TypeError:  # what the type is annotated with cannot be hashed
        return _make_shape(kind)
    return _kept(kind)


def _make_shape(kind: Any) -> Shape:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _as(shape_of(args[0]), kind)
    if origin in (Required, NotRequired, ReadOnly):
        return shape_of(args[0])
    if isinstance(kind, NewType):
        return shape_of(kind.__supertype__)
    if isinstance(kind, TypeVar):
        return shape_of(_stands_for(kind))
    if isinstance(origin or kind, _ALIASES):
        alias = origin or kind
        return _as(shape_of(filled(alias.__value__, dict(zip(alias.__type_params__, args, strict=False)))), kind)
    if origin in (Union, types.UnionType):
        return _union(kind, args)
    if origin is Literal:
        return LiteralShape(kind, args)
    if kind is Any or kind is object:
        return AnyShape(kind)
    return _class(kind, origin or kind, args)


if TYPE_CHECKING:
    _kept = _make_shape
else:
    _kept = functools.lru_cache(CACHED)(_make_shape)


def _class(kind: Any, cls: Any, args: tuple[Any, ...]) -> Shape:
    from pydantic import BaseModel, RootModel

    if not inspect.isclass(cls):
        return Shape(kind)
    if cls is str:
        return TextShape(kind)
    if issubclass(cls, enum.Enum):
        return LiteralShape(kind, cls)
    if issubclass(cls, BaseModel):
        return RootModelShape(kind, shape_of) if issubclass(cls, RootModel) else ModelShape(kind, shape_of)
    if dataclasses.is_dataclass(cls):
        return DataclassShape(kind, shape_of)
    if is_typeddict(cls):
        return TypedDictShape(kind, shape_of)
    return _container(kind, cls, args)


def _container(kind: Any, cls: Any, args: tuple[Any, ...]) -> Shape:
    if cls is tuple and args and args[-1] is not Ellipsis:
        return RecordShape(kind, tuple, [f"item_{position}" for position in range(len(args))], args, shape_of)
    if (names := getattr(cls, "_fields", None)) is not None and issubclass(cls, tuple):
        hints = hints_of(kind)
        return RecordShape(kind, cast("Any", cls)._make, names, [hints.get(name, Any) for name in names], shape_of)
    if cls in _ARRAYS:
        return ArrayShape(kind, args[0] if args else Any, shape_of)
    if cls in _DICTS:
        key, item = args if len(args) == 2 else (str, Any)
        return DictShape(kind, key, item, shape_of)
    return Shape(kind)


def _stands_for(variable: Any) -> Any:
    """What Pydantic takes for a type parameter that is not filled in."""
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007  # a tuple
    default = getattr(variable, "__default__", NoDefault)
    return (variable.__bound__ or Any) if default is NoDefault else default


def _union(kind: Any, args: tuple[Any, ...]) -> Shape:
    others = [arg for arg in args if arg is not type(None)]
    return _as(shape_of(others[0]), kind) if len(others) == 1 and len(args) == 2 else UnionShape(kind, args, shape_of)


def _as(shape: Shape, kind: Any) -> Shape:
    """The shape with more asked of it: `None`, constraints, validators."""
    made = copy.copy(shape)
    made.wanted = kind
    made.noted = (*shape.noted, *getattr(kind, "__metadata__", ()))
    made.__dict__.pop("_validator", None)
    if get_origin(kind) is Annotated and not isinstance(shape, UnionShape):
        made.settled = False
    return made


_ALIASES: tuple[Any, ...] = (TypeAliasType,)
if sys.version_info >= (3, 12):
    from typing import TypeAliasType as _BuiltinAlias

    _ALIASES = (TypeAliasType, _BuiltinAlias)

_ARRAYS: set[Any] = {
    list,
    set,
    frozenset,
    tuple,
    collections.deque,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Set,
    collections.abc.MutableSet,
    collections.abc.Iterable,
    collections.abc.Collection,
}
_DICTS: set[Any] = {
    dict,
    collections.OrderedDict,
    collections.defaultdict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
}
