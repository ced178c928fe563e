"""The public names: complete, documented, typed, and alike in both colours."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import llm

from .test_architecture import PACKAGE, modules, name_of, parsed

PAIRS = [
    (llm.Prompt, llm.AsyncPrompt),
    (llm.ContextPrompt, llm.AsyncContextPrompt),
    (llm.Call, llm.AsyncCall),
    (llm.ContextCall, llm.AsyncContextCall),
    (llm.Response, llm.AsyncResponse),
    (llm.ContextResponse, llm.AsyncContextResponse),
    (llm.StreamResponse, llm.AsyncStreamResponse),
    (llm.ContextStreamResponse, llm.AsyncContextStreamResponse),
    (llm.TextStream, llm.AsyncTextStream),
    (llm.ThoughtStream, llm.AsyncThoughtStream),
    (llm.ToolCallStream, llm.AsyncToolCallStream),
]
WITH_TWINS = [llm.Model, llm.Image, llm.Audio, llm.Document]

# What these give has no type: parsed JSON of others, and results of any tool.
UNTYPED = {"from_dict", "Response.raw", "Toolkit.execute"}

# Private names of objects of the same class, of the standard library, and a hook that aiohttp documents.
REACHED = {
    "super()._bind_arguments",
    "super()._stand_for",
    "bound._stand_for",
    "response._resume",
    "resumed._read_rest",
    "os._exit",
    "other._accepts",
    "super()._create_connection",
    # Of `chat.response_state`, by its own functions:
    "turn._close",
    "turn._finish",
    "turn._follow",
    "turn._go_on",
    "turn._messages",
    "turn._restore",
    "turn._resume",
    "turn._to_dict",
    "turn._tool_calls",
    "response._messages",
    "response._stream",
    "self._response._answer",
    "self._response._call_back",
    "self._response._stream",
}
# Documented names of named tuples, which begin with an underscore so as not to meet a field's.
NAMED_TUPLE = {"_make", "_fields", "_field_defaults", "_asdict", "_replace"}

# Run by path, never imported.
SCRIPTS = {"local.server"}


def public(owner: object) -> dict[str, Any]:
    return {name: value for name, value in vars(owner).items() if not name.startswith("_")}


def classes() -> list[type]:
    found = (getattr(llm, name) for name in llm.__all__)
    return [each for each in found if inspect.isclass(each) and each.__module__.startswith("mirascope_like")]


def function_of(member: object) -> Callable[..., Any] | None:
    """The function under a method, class method or property."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member if inspect.isfunction(member) else None)


def methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods and properties of a class, with those that it inherits from the package."""
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("mirascope_like"):
            for name, member in public(base).items():
                if function := function_of(member):
                    yield name, function


def test_all_is_sorted_and_complete() -> None:
    assert list(llm.__all__) == sorted(llm.__all__)
    ours = {name: value for name, value in public(llm).items() if not inspect.ismodule(value)}
    assert {name for name, value in ours.items() if getattr(value, "__module__", "").startswith("mirascope_like")} <= {
        *llm.__all__
    }
    assert [name for name in llm.__all__ if not hasattr(llm, name)] == []


@pytest.mark.parametrize("name", llm.__all__)
def test_public_names_say_what_they_are(name: str) -> None:
    value = getattr(llm, name)
    if inspect.isclass(value) and value.__module__.startswith("mirascope_like"):
        doc = vars(value).get("__doc__")
        assert doc and not doc.startswith(f"{name}("), "a class needs a docstring of its own"
    elif inspect.isfunction(value) or inspect.ismodule(value):
        assert value.__doc__


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_public_methods_say_what_they_do(kind: type) -> None:
    assert [name for name, function in methods(kind) if not function.__doc__] == []


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_public_methods_say_what_they_give(kind: type) -> None:
    if issubclass(kind, Enum | dict):
        return
    loose = {f"{kind.__name__}.{name}" for name, function in methods(kind) if gives_any(function)}
    assert {name for name in loose if not name.endswith(".raw")} <= UNTYPED


def test_public_functions_say_what_they_give() -> None:
    functions = {name: getattr(llm, name) for name in llm.__all__ if inspect.isfunction(getattr(llm, name))}
    assert {name for name, function in functions.items() if gives_any(function)} <= UNTYPED


def gives_any(function: Callable[..., Any]) -> bool:
    """Whether a function is annotated to give anything at all. What overloads say counts, where there are some."""
    return any(
        each.__annotations__.get("return", "Any") == "Any" for each in typing.get_overloads(function) or [function]
    )


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_two_colours_are_alike(sync: type, asynchronous: type) -> None:
    plain = {name: signature(function) for name, function in methods(sync)}
    native = {re.sub("^aclose$", "close", name): signature(function) for name, function in methods(asynchronous)}
    assert plain == native


@pytest.mark.parametrize("kind", WITH_TWINS, ids=lambda kind: kind.__name__)
def test_async_twins_take_the_same(kind: type) -> None:
    members = dict(methods(kind))
    twins = {name: name.removesuffix("_async") for name in members if name.endswith("_async")}
    assert twins
    for name, twin in twins.items():
        assert signature(members[name]) == signature(members[twin]), name


def signature(function: Callable[..., Any]) -> list[str]:
    """Parameters and result, in the words of the sync colour; of each overload, if there are some."""
    return [
        re.sub(r"\bAsync(?=\w)", "", str(inspect.signature(each)))
        for each in typing.get_overloads(function) or [function]
    ]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_all_agrees_with_what_a_module_defines(path: Path) -> None:
    name = name_of(path)
    if name in SCRIPTS:
        return
    module = importlib.import_module("mirascope_like" if name == "__init__" else f"mirascope_like.{name}")
    exported = set[str](getattr(module, "__all__", ()))
    assert {name for name in exported if not hasattr(module, name)} == set()
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    defined = {node.name for node in parsed(path).body if isinstance(node, kinds) and not node.name.startswith("_")}
    if exported or path.name == "__init__.py":
        assert defined - exported == set(), "to be listed in __all__, or private"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nobody_reaches_into_others(path: Path) -> None:
    nodes = list(ast.walk(parsed(path)))
    own = {"self", "cls"} | {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    private = [node for node in nodes if isinstance(node, ast.Attribute) and is_private(node.attr)]
    reached = {ast.unparse(node) for node in private if node.attr not in NAMED_TUPLE}
    assert {each for each in reached if each.rpartition(".")[0] not in own} <= REACHED
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not {name for name in imported if is_private(name)}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_the_package_knows_its_version() -> None:
    from importlib.metadata import version

    import mirascope_like

    assert mirascope_like.__version__ == version("mirascope-like")
    assert (PACKAGE / "py.typed").is_file()
