"""Models of other packages, by pluggy.

A package says in its `pyproject.toml`

    [project.entry-points.mirascope_like]
    my_models = "my_package.models"

and in that module

    from mirascope_like import chat

    @chat.hookimpl
    def register_models(register):
        register(MyModel(), MyAsyncModel(), aliases=("mine",))

pluggy is imported only if there is such a package; the extra `mirascope-like[plugins]` brings it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GROUP = "mirascope_like"


class HookSpecs:
    """What a package may offer."""

    def register_models(self, register: Callable[..., None]) -> None:
        """Call `register(model, async_model, aliases)` for each model; any of the three may be left out."""


def load_plugins(register: Callable[..., None]) -> None:
    """Let the installed packages register their models. Raises `ImportError` if pluggy is needed and not there."""
    from importlib.metadata import entry_points

    if not entry_points(group=GROUP):
        return
    pluggy = _pluggy()
    manager: Any = pluggy.PluginManager(GROUP)
    pluggy.HookspecMarker(GROUP)(HookSpecs.register_models)
    manager.add_hookspecs(HookSpecs)
    manager.load_setuptools_entrypoints(GROUP)
    manager.hook.register_models(register=register)


def hookimpl(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Mark a function of a package as one that this library calls: `register_models(register)`. Options are those of
    `pluggy.HookimplMarker`."""
    return _pluggy().HookimplMarker(GROUP)(function, **options)


def _pluggy() -> Any:
    try:
        import pluggy
    except ImportError as error:
        raise ImportError("Models of other packages need pluggy: pip install 'mirascope-like[plugins]'.") from error
    return pluggy
