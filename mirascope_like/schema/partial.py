"""Values of half-received text: a type whose fields may not be there yet.

Each model type has one partial type, made once and kept with it. A field that has not begun is `None`.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, cast, get_args, get_origin

from typing_extensions import TypeVar

from .formats import Format

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

__all__ = ["Partial", "parse_partial"]

F = TypeVar("F", default=Any)

Partial: TypeAlias = Annotated[F, "each field may still be None"]

_NOTHING = object()


def parse_partial(format: Format[F], text: str) -> Partial[F] | None:
    """What half-received text says so far, as a value whose fields may be `None`; `None` if it says nothing yet."""
    from jiter import from_json

    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value: object = from_json(text[start:].encode(), partial_mode="trailing-strings", allow_inf_nan=False)
    except ValueError:
        return None
    value = format.unwrap(value)
    try:
        return cast("F", _adapter(cast("Any", format.formattable)).validate_python(value))
    except ValueError:
        return None


@functools.lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(_partial(kind, ()))


def _partial(kind: Any, above: tuple[Any, ...]) -> Any:
    """The type with every field of every model in it optional. A model inside itself is left as plain data."""
    from pydantic import BaseModel

    if kind in above:
        return Any
    if isinstance(kind, type) and not get_args(kind) and issubclass(kind, BaseModel):
        return _partial_model(kind, (*above, kind))
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return Union[tuple(_partial(arg, above) for arg in args)]  # noqa: UP007
    if origin is Annotated:
        return _partial(args[0], above)
    if origin in (list, set, frozenset, dict):
        return cast("Any", origin)[tuple(_partial(arg, above) for arg in args)]
    return kind


def _partial_model(model: type[BaseModel], above: tuple[Any, ...]) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model

    fields = {
        name: (_partial(field.annotation, above) | None, Field(default=None, validation_alias=field.validation_alias))
        for name, field in model.model_fields.items()
    }
    config = ConfigDict(extra="ignore", populate_by_name=True, arbitrary_types_allowed=True)
    return create_model(f"Partial{model.__name__}", __config__=config, **cast("dict[str, Any]", fields))
