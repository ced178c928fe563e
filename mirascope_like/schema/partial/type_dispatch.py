"""Choosing the type plan for a type; see `type_plans`."""

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

from ..class_fields import fill_type_parameters, resolve_hints
from .object_plans import DataclassPlan, ModelPlan, RootModelPlan, TypedDictPlan, UnionPlan
from .type_plans import AnyPlan, ArrayPlan, DictPlan, LiteralPlan, StringPlan, TuplePlan, TypePlan

MAX_CACHED_TYPES = 1024  # how many types have their plans cached


def plan_for(kind: Any) -> TypePlan:
    """Return the plan of a type."""
    try:
        hash(kind)
    except TypeError:  # the type has metadata that cannot be hashed
        return _make_plan(kind)
    return _cached_plan(kind)


def _make_plan(kind: Any) -> TypePlan:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _refine_plan(plan_for(args[0]), kind)
    if origin in (Required, NotRequired, ReadOnly):
        return plan_for(args[0])
    if isinstance(kind, NewType):
        return plan_for(kind.__supertype__)
    if isinstance(kind, TypeVar):
        return plan_for(_resolve_type_variable(kind))
    if isinstance(origin or kind, _ALIAS_TYPES):
        alias = origin or kind
        parameters = dict(zip(alias.__type_params__, args, strict=False))
        return _refine_plan(plan_for(fill_type_parameters(alias.__value__, parameters)), kind)
    if origin in (Union, types.UnionType):
        return _make_union_plan(kind, args)
    if origin is Literal:
        return LiteralPlan(kind, args)
    if kind is Any or kind is object:
        return AnyPlan(kind)
    return _make_class_plan(kind, origin or kind, args)


if TYPE_CHECKING:
    _cached_plan = _make_plan
else:
    _cached_plan = functools.lru_cache(MAX_CACHED_TYPES)(_make_plan)


def _make_class_plan(kind: Any, cls: Any, args: tuple[Any, ...]) -> TypePlan:
    from pydantic import BaseModel, RootModel

    if not inspect.isclass(cls):
        return TypePlan(kind)
    if cls is str:
        return StringPlan(kind)
    if issubclass(cls, enum.Enum):
        return LiteralPlan(kind, cls)
    if issubclass(cls, BaseModel):
        return RootModelPlan(kind, plan_for) if issubclass(cls, RootModel) else ModelPlan(kind, plan_for)
    if dataclasses.is_dataclass(cls):
        return DataclassPlan(kind, plan_for)
    if is_typeddict(cls):
        return TypedDictPlan(kind, plan_for)
    return _make_container_plan(kind, cls, args)


def _make_container_plan(kind: Any, cls: Any, args: tuple[Any, ...]) -> TypePlan:
    if cls is tuple and args and args[-1] is not Ellipsis:
        return TuplePlan(kind, plan_for, args, [f"item_{position}" for position in range(len(args))])
    if (names := getattr(cls, "_fields", None)) is not None and issubclass(cls, tuple):
        hints = resolve_hints(kind)
        return TuplePlan(kind, plan_for, [hints.get(name, Any) for name in names], names, cast("Any", cls)._make)
    if cls in _ARRAY_TYPES:
        return ArrayPlan(kind, plan_for, args[:1] or (Any,))
    if cls in _DICT_TYPES:
        return DictPlan(kind, plan_for, args if len(args) == 2 else (str, Any))
    return TypePlan(kind)


def _resolve_type_variable(variable: Any) -> Any:
    """Return the type that Pydantic uses for a type parameter without an argument."""
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007  # a tuple
    default = getattr(variable, "__default__", NoDefault)
    return (variable.__bound__ or Any) if default is NoDefault else default


def _make_union_plan(kind: Any, args: tuple[Any, ...]) -> TypePlan:
    others = [arg for arg in args if arg is not type(None)]
    is_optional = len(others) == 1 and len(args) == 2
    return _refine_plan(plan_for(others[0]), kind) if is_optional else UnionPlan(kind, plan_for, args)


def _refine_plan(plan: TypePlan, kind: Any) -> TypePlan:
    """Return the plan for the same type with more requirements: optional `None`, constraints, validators."""
    refined = copy.copy(plan)
    refined.full_type = kind
    refined.annotations = (*plan.annotations, *getattr(kind, "__metadata__", ()))
    for name in ("_schema", "_validator"):  # what was cached for the plan
        refined.__dict__.pop(name, None)
    if get_origin(kind) is Annotated and not isinstance(plan, UnionPlan):
        refined.needs_no_validation = False
    return refined


_ALIAS_TYPES: tuple[Any, ...] = (TypeAliasType,)
if sys.version_info >= (3, 12):
    from typing import TypeAliasType as _BuiltinAlias

    _ALIAS_TYPES = (TypeAliasType, _BuiltinAlias)

_ARRAY_TYPES: set[Any] = {
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
_DICT_TYPES: set[Any] = {
    dict,
    collections.OrderedDict,
    collections.defaultdict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
}
