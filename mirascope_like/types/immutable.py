"""Dataclasses of the library's own that type checkers guard against changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from typing_extensions import dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def immutable(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots and keyword arguments, whose fields are set once.

    Only type checkers refuse to set them later: `frozen=True` would do so at run time too, but makes an object with
    many fields take more than twice as long to create, and each call creates several. Values that users create are
    frozen.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
