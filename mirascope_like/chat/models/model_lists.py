"""The models that there are: registering them, and listing them with their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from ..async_api import AnyAsyncModel, AsyncLibraryModel
from ..sync_api import AnySyncModel, LibraryModel
from . import registry


@dataclass(frozen=True, slots=True)
class ModelWithAliases:
    """A model in both colours (`None` where there is none), and its other names."""

    model: AnySyncModel | None
    async_model: AnyAsyncModel | None
    aliases: list[str] = field(default_factory=list[str])

    @property
    def model_id(self) -> str:
        """Its name."""
        return next(model.model_id for model in (self.model, self.async_model) if model is not None)

    def matches(self, query: str) -> bool:
        """Whether `query` is part of one of its names, in any case."""
        names = [*self.aliases, *(str(model) for model in (self.model, self.async_model) if model is not None)]
        return any(query.lower() in name.lower() for name in names)


def register(
    model: AnySyncModel | None = None,
    async_model: AnyAsyncModel | None = None,
    aliases: Iterable[str] | None = None,
) -> None:
    """Make a model known to `get_model` and `get_async_model`, in one colour or both: `chat.register(Echo())`."""
    registry.register(model, async_model, aliases)


def get_models() -> list[AnySyncModel]:
    """The models that are registered or well known. Others of the library's providers are there all the same: see
    `get_model`."""
    return [entry.model for entry in get_models_with_aliases() if entry.model is not None]


def get_async_models() -> list[AnyAsyncModel]:
    """See `get_models`."""
    return [entry.async_model for entry in get_models_with_aliases() if entry.async_model is not None]


def get_models_with_aliases() -> list[ModelWithAliases]:
    """The models of `get_models` and `get_async_models`, in both colours, with their other names."""
    return [_in_both_colours(entry) for entry in registry.entries()]


def get_model_aliases() -> dict[str, AnySyncModel]:
    """Each name of each model of `get_models`."""
    return {
        name: entry.model
        for entry in get_models_with_aliases()
        if entry.model is not None
        for name in (*entry.aliases, entry.model_id)
    }


def get_async_model_aliases() -> dict[str, AnyAsyncModel]:
    """See `get_model_aliases`."""
    return {
        name: entry.async_model
        for entry in get_models_with_aliases()
        if entry.async_model is not None
        for name in (*entry.aliases, entry.model_id)
    }


def _in_both_colours(entry: registry.Entry) -> ModelWithAliases:
    model = cast("AnySyncModel | None", entry.model("sync", LibraryModel))
    async_model = cast("AnyAsyncModel | None", entry.model("async", AsyncLibraryModel))
    return ModelWithAliases(model, async_model, entry.aliases)
