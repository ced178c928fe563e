"""The protocol of objects that name a model: models themselves, and plans of calls."""

from __future__ import annotations

from typing import Protocol

from .params import Params


class ModelLike(Protocol):
    """An object that names a model: its id, params, and a provider to use instead of the one registered for the id."""

    @property
    def model_id(self) -> str: ...
    @property
    def params(self) -> Params: ...
    @property
    def provider_override(self) -> object | None: ...
