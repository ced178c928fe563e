"""The protocol of whatever names a model: models themselves, and plans of calls."""

from __future__ import annotations

from typing import Protocol

from .params import Params

__all__ = ["ModelLike"]


class ModelLike(Protocol):
    """What names a model: an id, params, and whom to ask in place of the provider registered for the id."""

    @property
    def model_id(self) -> str: ...
    @property
    def params(self) -> Params: ...
    @property
    def provider_override(self) -> object | None: ...
