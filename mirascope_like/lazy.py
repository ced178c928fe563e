"""Load the public names of a package when they are first used (PEP 562), so that importing the package is cheap.

Such a package lists its names twice: for type checkers in imports under `if TYPE_CHECKING`, and for Python in a table
under `else`. A test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def exports(
    package: str, table: Mapping[str, str]
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's `__all__`, `__getattr__` and `__dir__`.

    `table` maps modules, relative to the package, to their names, which are separated by white space.
    """
    module_of = {name: module for module, listed in table.items() for name in listed.split()}
    exported = sorted(module_of)

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(module_of[name], package)
        value = getattr(module, name) if hasattr(module, name) else import_module(f"{module.__name__}.{name}")
        setattr(sys.modules[package], name, value)  # so that `load` is called once for each name
        return value

    return exported, load, lambda: exported
