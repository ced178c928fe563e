"""The public names and their signatures as text: what can be called, with what, and what it says it gives.

The text names no private module, so that code may move. Annotations are written as they stand in the source.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from mirascope_like import chat, errors, llm
from mirascope_like.transport import http

PACKAGE = "mirascope_like"
# The special methods whose signatures are shown, without their underscores.
SPECIAL = "add aenter aexit aiter anext await bool call contains delitem enter exit get getitem iter len next setitem"


def snapshot() -> str:
    """All public names, a section each."""
    modules = {
        "llm": (llm, llm.__all__),
        "llm.messages": (llm.messages, llm.messages.__all__),
        "chat": (chat, chat.__all__),
        "errors": (errors, errors.__all__),
        "transport.http": (http, ["HttpTransport"]),
    }
    shown: dict[int, str] = {}
    sections: list[str] = []
    for module, (owner, names) in modules.items():
        for name in sorted(names):
            value, title = getattr(owner, name), f"{module}.{name}"
            if inspect.isclass(value) and id(value) in shown:
                sections.append(f"{title} is {shown[id(value)]}")
                continue
            shown[id(value)] = title
            sections.append("\n".join([title, *(f"    {line}" for line in _described(value))]))
    return "\n".join(sections) + "\n"


def _described(value: Any) -> Iterator[str]:
    if inspect.ismodule(value):
        yield "module"
    elif typing.is_typeddict(value):
        yield f"TypedDict, total={value.__total__}"
        yield from (f"{name}: {_annotation(kind)}" for name, kind in sorted(_annotations(value).items()))
    elif inspect.isclass(value):
        yield from _class(value)
    elif inspect.isroutine(value):
        yield from _signatures("", value)
    else:
        yield _annotation(value)


def _class(kind: type) -> Iterator[str]:
    bases = [base.__name__ for base in kind.__mro__[1:] if base is not object and _is_public(base)]
    yield f"class({', '.join(bases)})"
    if dataclasses.is_dataclass(kind):
        yield f"dataclass, frozen={kind.__dataclass_params__.frozen}"  # type: ignore[attr-defined]
    if issubclass(kind, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in kind)
    elif not getattr(kind, "_is_protocol", False):
        yield from _signatures("", kind)
    members = _members(kind)
    for name in sorted(members):
        yield from _member(name, members[name])
    for name, annotation in sorted(_attributes(kind).items()):
        value = inspect.getattr_static(kind, name, inspect)  # of slots a descriptor, of what has no value the module
        known = f" = {value!r}" if isinstance(value, bool | int | float | str | None) else ""
        yield f"{name}: {_annotation(annotation)}{known}"


def _is_public(base: type) -> bool:
    """Whether a base has a name that users know: those of others, and our own public ones."""
    ours = base.__module__.startswith(PACKAGE)
    return not ours or base.__name__ in {*llm.__all__, *chat.__all__, *errors.__all__}


def _members(kind: type) -> dict[str, Any]:
    """The methods and properties of a class and of its private bases: what its public bases do not have already."""
    shown = [base for base in kind.__mro__[1:] if base.__module__.startswith(PACKAGE) and _is_public(base)]
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith(PACKAGE):
            found |= {name: value for name, value in vars(base).items() if _is_shown(name)}
    return {
        name: value
        for name, value in found.items()
        if all(inspect.getattr_static(base, name, None) is not value for base in shown)
    }


def _is_shown(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.strip("_") in SPECIAL.split())


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, property):
        yield from _signatures(f"property {name}", value.fget)
    elif isinstance(value, classmethod | staticmethod):
        yield from _signatures(f"{type(value).__name__} {name}", value.__func__)
    elif inspect.isfunction(value):
        yield from _signatures(name, value)


def _signatures(name: str, function: Any) -> Iterator[str]:
    """The signature, or those of the overloads."""
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    for each in (not inspect.isclass(function) and typing.get_overloads(function)) or [function]:
        try:
            signature = inspect.signature(each)
        except ValueError:  # an exception class without an `__init__`
            continue
        yield f"{kind}{name}{_signature(signature)}"


def _signature(signature: inspect.Signature) -> str:
    shown: list[str] = []
    keyword_only = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            shown.append("*")
        keyword_only = keyword_only or parameter.kind is parameter.VAR_POSITIONAL
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        annotation = f": {_annotation(parameter.annotation)}" if parameter.annotation is not parameter.empty else ""
        default = f" = {_value(parameter.default)}" if parameter.default is not parameter.empty else ""
        shown.append(f"{stars}{parameter.name}{annotation}{default}")
    given = signature.return_annotation
    result = "" if given is signature.empty else f" -> {_annotation(given)}"
    return f"({', '.join(shown)}){result}"


def _attributes(kind: type) -> Mapping[str, Any]:
    """The annotated public attributes of a class, fields of dataclasses among them."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith(PACKAGE):
            found |= {name: each for name, each in _annotations(base).items() if not name.startswith("_")}
    shown = [base for base in kind.__mro__[1:] if base.__module__.startswith(PACKAGE) and _is_public(base)]
    return {name: each for name, each in found.items() if all(name not in _annotations(base) for base in shown)}


def _annotations(kind: type) -> Mapping[str, Any]:
    return inspect.get_annotations(kind)


def _annotation(annotation: Any) -> str:
    """An annotation without the names of modules."""
    if isinstance(annotation, str):
        return _short(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return _short(annotation.__forward_arg__)
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is ...:
        return "..."
    if isinstance(annotation, list):
        return f"[{', '.join(map(_annotation, annotation))}]"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_annotation, args))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is typing.Annotated:
        return f"Annotated[{_annotation(args[0])}, …]"
    if origin is not None and args:
        return f"{_annotation(origin)}[{', '.join(map(_annotation, args))}]"
    return getattr(annotation, "__name__", None) or _short(repr(annotation))


def _short(text: str) -> str:
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text).replace('"', "'").strip("'")


def _value(default: Any) -> str:
    """A default, without addresses and names of modules."""
    if inspect.isclass(default) or inspect.isroutine(default):
        return getattr(default, "__name__", repr(default))
    if isinstance(default, enum.Enum):
        return f"{type(default).__name__}.{default.name}"
    if isinstance(default, tuple) and default:
        return f"({', '.join(map(_value, default))})"
    return re.sub(r" at 0x\w+", "", re.sub(rf"\b{PACKAGE}(?:\.\w+)*\.(?=\w)", "", repr(default)))
