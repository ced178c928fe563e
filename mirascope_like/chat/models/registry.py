"""Which models there are, by name.

A name is looked for among the registered models and aliases first, then among the library's own: "provider/name", or a
bare name that is known ("gpt-6-luna"). Then installed packages are asked, once: those with an entry point in the group
"mirascope_like", whose `register_models(register)` is a pluggy hook (`@chat.hookimpl`). A model found once is the same
object from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, overload

from ...engine.providers import registry as providers
from ...engine.runtime import BLOCKING, Once, run
from ...engine.scoped_variables import ScopedVariable
from ...errors import NoRegisteredProviderError, UnknownModelError
from .base import AsyncKeyModel, AsyncModel, KeyModel, Model
from .model_aliases import DEFAULT_MODEL, LISTED, provider_of
from .provider_models import AsyncLibraryModel, LibraryModel

AnySyncModel: TypeAlias = Model | KeyModel
AnyAsyncModel: TypeAlias = AsyncModel | AsyncKeyModel
D = TypeVar("D")

_loading: ScopedVariable[bool] = ScopedVariable("mirascope_like_loading_models")


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


class Models:
    """Models by name. `chat`'s functions use one for the whole process."""

    def __init__(self) -> None:
        self._entries: dict[str, ModelWithAliases] = {}  # by model id, in the order of their registration
        self._library: dict[str, ModelWithAliases] = {}
        self._aliases: dict[str, str] = {}
        self._default: str | None = None
        self._plugins = Once()

    def register(
        self,
        model: AnySyncModel | None = None,
        async_model: AnyAsyncModel | None = None,
        aliases: Iterable[str] | None = None,
    ) -> None:
        """Make a model known, in one colour or both. What is registered last counts."""
        if model is None and async_model is None:
            raise TypeError("register() takes a model, an async_model, or both.")
        entry = ModelWithAliases(model, async_model, list(aliases or ()))
        self._entries.pop(entry.model_id, None)
        self._entries[entry.model_id] = entry
        self._aliases.update(dict.fromkeys(entry.aliases, entry.model_id))

    def find(self, name: str) -> ModelWithAliases | None:
        """The model of a name."""
        if (entry := self._known(name)) is None:
            self._load_plugins()
            entry = self._known(name)
        return entry

    def all(self) -> list[ModelWithAliases]:
        """The registered models and those of the library that are well known."""
        self._load_plugins()
        library = [self._known(model_id) for model_id in dict.fromkeys((*LISTED, *self._library))]
        found = {entry.model_id: entry for entry in (*self._entries.values(), *(each for each in library if each))}
        return [self._with_aliases(entry) for entry in found.values()]

    def set_alias(self, alias: str, name: str) -> None:
        """Give a model another name. `UnknownModelError` if there is no such model."""
        entry = self.find(name)
        if entry is None:
            raise UnknownModelError(f"Unknown model: {name}")
        self._aliases[alias] = entry.model_id

    def remove_alias(self, alias: str) -> None:
        """Take a name away. `KeyError` if there is none."""
        if alias not in self._aliases:
            raise KeyError(f"No such alias: {alias}")
        del self._aliases[alias]

    @property
    def default(self) -> str | None:
        """The model that is meant by no name."""
        return self._default

    @default.setter
    def default(self, name: str | None) -> None:
        self._default = name

    def _known(self, name: str) -> ModelWithAliases | None:
        entry = self._entries.get(name)
        if entry is None and (target := self._aliases.get(name)) is not None and target != name:
            return self._known(target)
        return entry or self._of_library(name)

    def _of_library(self, name: str) -> ModelWithAliases | None:
        if "/" not in name:
            provider = provider_of(name)
            return None if provider is None else self._known(f"{provider}/{name}")
        if name not in self._library:
            try:
                providers.find(name)
            except NoRegisteredProviderError:
                return None
            self._library.setdefault(name, ModelWithAliases(LibraryModel(name), AsyncLibraryModel(name)))
        return self._library[name]

    def _load_plugins(self) -> None:
        if not _loading.innermost:  # a package may look up what is there, while it registers its own
            run(self._plugins.do(BLOCKING, self._load))

    async def _load(self) -> None:
        from .plugins import load_plugins

        with _loading.holding(True):
            load_plugins(self.register)

    def _with_aliases(self, entry: ModelWithAliases) -> ModelWithAliases:
        model_id = entry.model_id
        names = [alias for alias, target in self._aliases.items() if target == model_id]
        bare = model_id.partition("/")[2]
        if bare and provider_of(bare) == model_id.partition("/")[0]:
            names.append(bare)
        return ModelWithAliases(entry.model, entry.async_model, names)


_models = Models()


def register(
    model: AnySyncModel | None = None,
    async_model: AnyAsyncModel | None = None,
    aliases: Iterable[str] | None = None,
) -> None:
    """Make a model known to `get_model` and `get_async_model`, in one colour or both: `chat.register(Echo())`."""
    _models.register(model, async_model, aliases)


def get_model(name: str | None = None) -> AnySyncModel:
    """The model of a name or alias; without one, the default model. `UnknownModelError`: there is none, or no name."""
    name = get_default_model() if name is None else name
    entry = _models.find(name)
    if entry is not None and entry.model is not None:
        return entry.model
    raise _unknown(f"Unknown model (async model exists): {name}" if entry else f"Unknown model: {name}", name)


def get_async_model(name: str | None = None) -> AnyAsyncModel:
    """See `get_model`."""
    name = get_default_model() if name is None else name
    entry = _models.find(name)
    if entry is not None and entry.async_model is not None:
        return entry.async_model
    raise _unknown(f"Unknown async model (sync model exists): {name}" if entry else f"Unknown model: {name}", name)


def get_models() -> list[AnySyncModel]:
    """The models that are registered or well known. Others of the library's providers are there all the same: see
    `get_model`."""
    return [entry.model for entry in _models.all() if entry.model is not None]


def get_async_models() -> list[AnyAsyncModel]:
    """See `get_models`."""
    return [entry.async_model for entry in _models.all() if entry.async_model is not None]


def get_models_with_aliases() -> list[ModelWithAliases]:
    """The models of `get_models` and `get_async_models`, in both colours, with their other names."""
    return _models.all()


def get_model_aliases() -> dict[str, AnySyncModel]:
    """Each name of each model of `get_models`."""
    return {
        name: entry.model
        for entry in _models.all()
        if entry.model is not None
        for name in (*entry.aliases, entry.model_id)
    }


def get_async_model_aliases() -> dict[str, AnyAsyncModel]:
    """See `get_model_aliases`."""
    return {
        name: entry.async_model
        for entry in _models.all()
        if entry.async_model is not None
        for name in (*entry.aliases, entry.model_id)
    }


def set_alias(alias: str, model_id_or_alias: str) -> None:
    """Give a model another name, in this process. Raises `UnknownModelError`."""
    _models.set_alias(alias, model_id_or_alias)


def remove_alias(alias: str) -> None:
    """Take a name away that was given. Raises `KeyError`."""
    _models.remove_alias(alias)


@overload
def get_default_model() -> str: ...
@overload
def get_default_model(*, default: D) -> str | D: ...
def get_default_model(*, default: Any = DEFAULT_MODEL) -> Any:
    """The model that is meant by no name: what was set, else `default`."""
    return _models.default or default


def set_default_model(name: str | None) -> None:
    """Say which model is meant by no name, in this process; `None` goes back to the library's own choice."""
    _models.default = name


def reset() -> None:
    """Forget all models, aliases and the default that were set in this process."""
    global _models
    _models = Models()


def _unknown(message: str, name: str) -> UnknownModelError:
    from difflib import get_close_matches

    if not name:
        return UnknownModelError(
            "The name of the model is empty: is a variable unset? Give None for the default model."
        )
    if _models.find(name) is None and "/" in name:
        try:
            providers.find(name)
        except NoRegisteredProviderError as why:
            message = f"{message}. {why}"
    error = UnknownModelError(message)
    known = [each for entry in _models.all() for each in (entry.model_id, *entry.aliases)]
    if name not in known and (close := get_close_matches(name, known, n=1)):
        error.add_note(f"Did you mean {close[0]!r}?")
    return error
