"""The shape of the package: who may import whom, what is loaded when, and how long files and functions may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import mirascope_like
from mirascope_like import llm

PACKAGE = Path(mirascope_like.__file__).parent

# Layers, from the bottom: what each may import of the package, beside itself.
ALLOWED = {
    "errors": {"types"},  # values that errors hold, and the errors that values hold
    "types": {"errors"},
    "schema": {"errors", "types"},
    "wire": {"errors", "types", "schema"},
    "transport": {"errors"},
    "local": {"errors", "types", "schema", "wire", "transport"},
    "engine": {"errors", "types", "schema", "wire", "transport", "local"},
    "lazy": set[str](),
    "log": {"errors", "types", "schema", "engine"},
    "llm": {"lazy", "errors", "types", "schema", "wire", "transport", "engine", "log"},
    "chat": {"lazy", "errors", "types", "schema", "wire", "transport", "engine", "log"},
}
# Who may look at a clock or share with threads, beside transports and the log: the runtime, its alarm clock and
# threads, a count that threads share, and what measures calls.
TIMED = {
    "engine.runtime",
    "engine.timers",
    "engine.tasks",
    "engine.threads",
    "engine.retry_budget",
    "engine.events",
    "chat.queues",
}
SHELL = {"__init__", "__main__"}  # the package's own door, and the command line

CLOCKS_LOOPS_AND_THREADS = {"anyio", "asyncio", "concurrent", "sniffio", "threading", "time", "trio"}
CLIENTS = {"aiohttp", "http", "httpx", "httpx2", "requests", "socket", "urllib3"}
VENDORS = {"anthropic", "openai", "xllamacpp"}
LOOPS = {"anyio", "asyncio", "trio"}
HEAVY = CLIENTS | VENDORS | LOOPS | {"docstring_parser", "jiter", "jsonschema", "pydantic", "sqlite3", "ssl"}

# What Pydantic may change in any release. Only `schema.pydantic_internals` uses it; a hook that Pydantic documents for
# users' types is needed elsewhere too.
PYDANTIC_INTERNALS = re.compile(
    r"__(?:get_)?pydantic\w*__|__private_attributes__|\bpydantic(?:_core)?\._\w+|\bPydanticUndefined\b"
    r"|\bGenerateJsonSchema\b|\bcore_schema\b|\bSchemaValidator\b|\bdefault_factory_takes_validated_data\b"
)
MAY_USE = {"types.pydantic_fields": {"__get_pydantic_core_schema__", "core_schema"}}

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    """`engine/runtime.py` → "engine.runtime"; a folder's `__init__.py` → "engine"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def layer_of(path: Path) -> str:
    return name_of(path).partition(".")[0]


def imports(path: Path, *, at_runtime: bool = False) -> Iterator[str]:
    """The absolute names that a module imports; those of the package begin with a dot. `at_runtime` leaves out what is
    imported for checking types only."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in _statements(parsed(path), at_runtime=at_runtime):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            start = "." + ".".join(part for part in base if part)
            yield from ([start] if node.module else (f"{start.rstrip('.')}.{alias.name}" for alias in node.names))


def _statements(tree: ast.AST, *, at_runtime: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if at_runtime and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _statements(child, at_runtime=at_runtime)


def roots(path: Path, *, at_runtime: bool = True) -> set[str]:
    """The top-level names of the foreign packages that a module imports."""
    return {name.partition(".")[0] for name in imports(path, at_runtime=at_runtime) if not name.startswith(".")}


def own(path: Path) -> set[str]:
    """The layers that a module imports from."""
    return {name.lstrip(".").partition(".")[0] for name in imports(path) if name.startswith(".")}


@pytest.mark.parametrize("path", [path for path in modules() if layer_of(path) not in SHELL], ids=name_of)
def test_layers(path: Path) -> None:
    layer = layer_of(path)
    assert own(path) - {layer} <= ALLOWED[layer]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_few_touch_the_world(path: Path) -> None:
    if layer_of(path) in ("transport", "local", "log") or name_of(path) in TIMED:
        return
    assert not roots(path) & (CLOCKS_LOOPS_AND_THREADS | CLIENTS)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_vendors_are_imported_only_where_their_clients_are_used(path: Path) -> None:
    allowed = {"transport.sdk_clients": {"anthropic", "openai"}, "local.server": {"xllamacpp"}}
    assert roots(path) & VENDORS <= allowed.get(name_of(path), set())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_dependencies_are_imported(path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in requirements}
    declared |= {"pydantic_core"}  # pydantic requires one version of it, and no other
    assert roots(path) - sys.stdlib_module_names <= declared


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_one_module_uses_internals_of_pydantic(path: Path) -> None:
    if name_of(path) == "schema.pydantic_internals":
        return
    assert set(PYDANTIC_INTERNALS.findall(path.read_text("utf-8"))) <= MAY_USE.get(name_of(path), set())


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after running this."""
    command = [sys.executable, "-c", f"import sys\nfrom mirascope_like import llm\n{code}\nprint(*sys.modules)"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(shown.stdout.split())


def test_importing_the_face_loads_nothing() -> None:
    ours = {name for name in loaded_by("") if name.startswith("mirascope_like")}
    assert ours == {"mirascope_like", "mirascope_like.lazy", "mirascope_like.llm"}


def test_using_the_face_loads_nothing_heavy() -> None:
    assert HEAVY & loaded_by("\n".join(f"llm.{name}" for name in llm.__all__)) == set()


@pytest.mark.parametrize("path", [path for path in modules() if "lazy" in own(path)], ids=name_of)
def test_lazy_names_are_the_same_for_python_and_for_type_checkers(path: Path) -> None:
    (either,) = [node for node in parsed(path).body if isinstance(node, ast.If)]
    checked = {
        f"{'.' * node.level}{node.module or ''}": " ".join(sorted(alias.name for alias in node.names))
        for node in either.body
        if isinstance(node, ast.ImportFrom)
    }
    (table,) = [node for node in ast.walk(ast.Module(either.orelse, [])) if isinstance(node, ast.Dict)]
    listed = ast.literal_eval(table)
    assert {module: " ".join(sorted(names.split())) for module, names in listed.items()} == checked


def test_importing_the_lazy_face_loads_nothing_heavy() -> None:
    assert HEAVY & loaded_by("from mirascope_like import chat") == set()


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    tree = parsed(path)
    assert len(path.read_text("utf-8").splitlines()) < MAX_FILE_LINES
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


# Private and undocumented parts of HTTP clients and SDKs, and the one module that may use them.
INTERNALS = {
    "transport.aiohttp_internals": {"ContentEncodingError", "Connection closed.", "_create_connection"},
    "transport.httpx_internals": {"aiter_raw", "connect_tcp.complete", "network_stream", "start_tls.complete"},
    "transport.sdk_internals": {"AsyncAPIClient", "Omit", "SyncAPIClient", "auth_headers", "default_headers"},
}
# What has a common name, and is such a part only in modules that import aiohttp.
AIOHTTP_INTERNALS = {"__exit__", "protocol", "set_exception"}
CLIENT_NAMES = {"aiohttp", "httpx", "httpx2"}


def names_used(tree: ast.Module) -> set[str]:
    """The names of attributes, functions and imports in a module, and its texts."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.alias):
            names.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_internals_of_clients_are_used_in_one_module_each(path: Path) -> None:
    others = [names for owner, names in INTERNALS.items() if owner != name_of(path)]
    if "aiohttp" in roots(path, at_runtime=False) and name_of(path) != "transport.aiohttp_internals":
        others.append(AIOHTTP_INTERNALS)
    assert names_used(parsed(path)) & set().union(*others) == set()


@pytest.mark.parametrize("path", [path for path in modules() if layer_of(path) == "transport"], ids=name_of)
def test_transports_use_only_public_attributes(path: Path) -> None:
    """Private ones only of `self`; no attribute of another object by name; no class of a client to inherit from."""
    if name_of(path) in INTERNALS:
        return
    tree = parsed(path)
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    private = [node for node in attributes if node.attr.startswith("_") and not node.attr.endswith("__")]
    assert {ast.unparse(node) for node in private if ast.unparse(node.value) != "self"} <= {"os._exit"}
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls & {"setattr", "delattr"} == set()
    bases = [ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    assert [base for base in bases if base.partition(".")[0] in CLIENT_NAMES] == []


def test_one_method_sets_final_states() -> None:
    setters = {
        function.name
        for function in ast.walk(parsed(PACKAGE / "engine" / "run.py"))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any("self._final" in ast.unparse(target) for target in node.targets)
    }
    assert setters == {"_end", "__setstate__"}  # one sets it, the other restores it; `__init__` declares the attribute
    final = {"DONE", "FAILED", "CLOSED"}
    for node in ast.walk(parsed(PACKAGE / "engine" / "run.py")):
        if isinstance(node, ast.Assign) and any("self._step" in ast.unparse(target) for target in node.targets):
            assert not final & {word.attr for word in ast.walk(node.value) if isinstance(word, ast.Attribute)}
