"""Names of a package that are loaded when they are first used (PEP 562), so that importing the package costs nothing.

Such a package says twice where its names come from: to type checkers in imports under `if TYPE_CHECKING`, and to Python
in a table under `else`. A test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["exports"]


def exports(
    package: str, table: Mapping[str, str]
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """A package's `__all__`, `__getattr__` and `__dir__`.

    `table` has the names of each module, separated by blanks; modules are relative to the package.
    """
    module_of = {name: module for module, listed in table.items() for name in listed.split()}
    exported = sorted(module_of)

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(module_of[name], package)
        value = getattr(module, name) if hasattr(module, name) else import_module(f"{module.__name__}.{name}")
        setattr(sys.modules[package], name, value)  # the next time, nobody asks
        return value

    return exported, load, lambda: exported
