"""Which models there are, by name.

A name is looked for among the registered models and aliases first, then among the library's own: "provider/name", or a
bare name that is known ("gpt-6-luna"). Then installed packages are asked, once: those with an entry point in the group
"mirascope_like", whose `register_models(register)` is a pluggy hook (`@chat.hookimpl`). A model found once is the same
object from then on.

Models of providers are made when they are first asked for, by who asks: the sync or the async API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar, overload

from ...engine.providers import registry as providers
from ...engine.runtime import BLOCKING, Once, run
from ...engine.scoped_variables import ScopedVariable
from ...errors import NoRegisteredProviderError, UnknownModelError
from ..prompts.prompt import BaseModel
from .model_aliases import DEFAULT_MODEL, LISTED, provider_of

Colour: TypeAlias = Literal["sync", "async"]
D = TypeVar("D")

_MISSING: dict[Colour, str] = {
    "sync": "Unknown model (async model exists)",
    "async": "Unknown async model (sync model exists)",
}
_loading: ScopedVariable[bool] = ScopedVariable("mirascope_like_loading_models")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in one colour or both, and its other names."""

    model_id: str
    models: dict[Colour, BaseModel]
    aliases: list[str] = field(default_factory=list[str])
    of_provider: bool = False
    """Whether it exists in both colours, of which those that were asked for are in `models`."""

    def model(self, colour: Colour, make: Callable[[str], BaseModel]) -> BaseModel | None:
        """The model in a colour; one of a provider is made if need be."""
        found = self.models.get(colour)
        if found is None and self.of_provider:
            found = self.models.setdefault(colour, make(self.model_id))
        return found


class Models:
    """Models by name. `chat`'s functions use one for the whole process."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}  # by model id, in the order of their registration
        self._library: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}
        self._default: str | None = None
        self._plugins = Once()

    def register(
        self,
        model: BaseModel | None = None,
        async_model: BaseModel | None = None,
        aliases: Iterable[str] | None = None,
    ) -> None:
        """Make a model known, in one colour or both. What is registered last counts."""
        both: dict[Colour, BaseModel | None] = {"sync": model, "async": async_model}
        models: dict[Colour, BaseModel] = {colour: each for colour, each in both.items() if each is not None}
        if not models:
            raise TypeError("register() takes a model, an async_model, or both.")
        entry = Entry(next(iter(models.values())).model_id, models, list(aliases or ()))
        self._entries.pop(entry.model_id, None)
        self._entries[entry.model_id] = entry
        self._aliases.update(dict.fromkeys(entry.aliases, entry.model_id))

    def find(self, name: str) -> Entry | None:
        """The model of a name."""
        if (entry := self._known(name)) is None:
            self._load_plugins()
            entry = self._known(name)
        return entry

    def all(self) -> list[Entry]:
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

    def _known(self, name: str) -> Entry | None:
        entry = self._entries.get(name)
        if entry is None and (target := self._aliases.get(name)) is not None and target != name:
            return self._known(target)
        return entry or self._of_library(name)

    def _of_library(self, name: str) -> Entry | None:
        if "/" not in name:
            provider = provider_of(name)
            return None if provider is None else self._known(f"{provider}/{name}")
        if name not in self._library:
            try:
                providers.find(name)
            except NoRegisteredProviderError:
                return None
            self._library.setdefault(name, Entry(name, {}, of_provider=True))
        return self._library[name]

    def _load_plugins(self) -> None:
        if not _loading.innermost:  # a package may look up what is there, while it registers its own
            run(self._plugins.do(BLOCKING, self._load))

    async def _load(self) -> None:
        from .plugins import load_plugins

        with _loading.holding(True):
            load_plugins(self.register)

    def _with_aliases(self, entry: Entry) -> Entry:
        model_id = entry.model_id
        names = [alias for alias, target in self._aliases.items() if target == model_id]
        bare = model_id.partition("/")[2]
        if bare and provider_of(bare) == model_id.partition("/")[0]:
            names.append(bare)
        return replace(entry, aliases=names)


_models = Models()


def register(model: BaseModel | None, async_model: BaseModel | None, aliases: Iterable[str] | None) -> None:
    """Make a model known, in one colour or both."""
    _models.register(model, async_model, aliases)


def find_model(name: str | None, colour: Colour, make: Callable[[str], BaseModel]) -> BaseModel:
    """The model of a name or alias; without one, the default model. `make` makes those of providers. Raises
    `UnknownModelError`."""
    name = get_default_model() if name is None else name
    entry = _models.find(name)
    model = None if entry is None else entry.model(colour, make)
    if model is None:
        raise _unknown(f"{_MISSING[colour] if entry else 'Unknown model'}: {name}", name)
    return model


def entries() -> list[Entry]:
    """The models that are registered or well known, with all their names."""
    return _models.all()


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
