"""No module of the package imports itself, directly or through others: also not for type checkers, in a function or by
`import_module`.

The packages whose names are loaded when they are first used (see `mirascope_like.lazy`) import all that they offer;
their imports do not count, and no module of the package may import from them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import mirascope_like

PACKAGE = Path(mirascope_like.__file__).parent
NAME = PACKAGE.name


def modules() -> dict[str, str]:
    """Return the source of each module by its dotted name; a package's name ends in `.__init__`."""
    return {
        ".".join([NAME, *path.relative_to(PACKAGE).with_suffix("").parts]): path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
    }


def imported(module: str, source: str) -> Iterator[str]:
    """Yield the absolute names that a module imports, wherever it does so."""
    package = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = absolute("." * node.level + (node.module or ""), package)
                yield from (f"{base}.{alias.name}" for alias in node.names)
            case ast.Call(func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[name, *_]):
                assert isinstance(name, ast.Constant), f"{module} imports a module whose name it computes"
                yield absolute(str(name.value), package)
            case _:
                pass


def absolute(name: str, package: str) -> str:
    """Return the absolute form of a name that may begin with dots."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parents = package.split(".")
    return ".".join([*parents[: len(parents) - level + 1], *filter(None, [name.lstrip(".")])])


def edges(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the modules of the package that each module imports."""
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = set(imported(module, source)) if module not in lazy(sources) else set[str]()
        found[module] = {home for name in names if (home := home_of(name, sources))} - {module}
    return found


def home_of(name: str, sources: Mapping[str, str]) -> str | None:
    """Return the module that an imported name is, or is in."""
    for candidate in (name, f"{name}.__init__", name.rpartition(".")[0], f"{name.rpartition('.')[0]}.__init__"):
        if candidate in sources:
            return candidate
    return None


def lazy(sources: Mapping[str, str]) -> set[str]:
    """Return the packages whose names are loaded when they are first used, and what loads them."""
    tables = {module for module, source in sources.items() if "lazy as _lazy" in source}
    return {f"{NAME}.__init__", f"{NAME}.lazy", *tables}


def cycles(edges: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that import each other."""
    reached = {module: reachable(module, edges) for module in edges}
    groups = {frozenset(other for other in reached[module] if module in reached[other]) for module in edges}
    return [set(group) for group in groups if group]


def reachable(module: str, edges: Mapping[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, directly or through others."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_no_module_imports_itself() -> None:
    assert cycles(edges(modules())) == []


def test_no_module_imports_from_a_package_with_lazy_names() -> None:
    sources = modules()
    tables = lazy(sources) - {f"{NAME}.lazy"}
    users = {module for module, imports in edges(sources).items() if imports & tables}
    assert users <= {f"{NAME}.__main__"}


@pytest.mark.parametrize(
    "back",
    [
        "from .a import x",
        "from . import a",
        "from mirascope_like.p.a import x",
        "import mirascope_like.p.a",
        "if TYPE_CHECKING:\n    from .a import x",
        "def f():\n    from .a import x",
        "from importlib import import_module\nimport_module('.a', __package__)",
        "import importlib\nimportlib.import_module('mirascope_like.p.a')",
        "from .c import y",
    ],
)
def test_every_way_to_import_counts(back: str) -> None:
    sources = {
        "mirascope_like.p.__init__": "",
        "mirascope_like.p.a": "from .b import f",
        "mirascope_like.p.b": back,
        "mirascope_like.p.c": "from ..p import a",
    }
    (cycle,) = cycles(edges(sources))
    assert {"mirascope_like.p.a", "mirascope_like.p.b"} <= cycle


def test_imports_that_lead_nowhere_back_are_no_cycle() -> None:
    assert cycles(edges({"mirascope_like.p.a": "from .b import f", "mirascope_like.p.b": "import json"})) == []
