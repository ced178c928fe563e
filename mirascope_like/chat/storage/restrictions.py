"""What stored data may ask for: which files it names, and which options it sets.

Somebody else may have written or changed stored data. So it cannot read files of this machine unless the
program allows that, and it cannot set options that decide where requests go and what they carry beside the prompt, or
raise the limit of tool calls.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from ...engine.unfinished_responses import DEFAULT_CALL_LIMIT

if TYPE_CHECKING:
    from ..models.options import Options

_CALL_LIMIT = "tool_call_limit"

AllowFiles: TypeAlias = bool | str | os.PathLike[str]
"""Which files stored data may name: none (False), all (True), or those in a directory."""


class HasOptions(Protocol):
    """A model, as far as its options go."""

    private_options: Collection[str]
    Options: ClassVar[type[Options]]


def allowed_path(path: str, allow_files: AllowFiles) -> str:
    """Return the path of a file that stored data names: as it is if all are allowed, else without `..` and symbolic
    links. Raises `ValueError` if it is not allowed."""
    if allow_files is True:
        return path
    if not allow_files:
        raise ValueError(
            f"Stored data names the file {path!r}. Files are read from there only if you allow it: pass "
            "allow_files='a/directory' for files in it, or allow_files=True for all."
        )
    if "\0" in path:
        raise ValueError(f"Stored data names the file {path!r}, which has a null byte.")
    root, real = os.path.realpath(allow_files), os.path.realpath(path)
    if not Path(real).is_relative_to(root):
        raise ValueError(f"Stored data names the file {path!r}, which is not in allow_files={root!r}.")
    return real


def allowed_options(stored: Mapping[str, Any], model: HasOptions, given: Collection[str]) -> dict[str, Any]:
    """Return the options of stored settings, without those that are private to the program, and without a limit of tool
    calls above the usual one. Warns of each that is left out, unless it is `given` now."""
    options: dict[str, Any] = dict(stored.get("options") or {})
    private = _names_of(model)
    if _raises_limit(options.get(_CALL_LIMIT)):
        private.add(_CALL_LIMIT)
    left_out = {*stored.get("omitted_options", ()), *(options.keys() & private)}
    if missing := ", ".join(sorted(left_out - set(given))):
        warnings.warn(f"Options that stored data cannot set were left out: {missing}. Pass them again.", stacklevel=2)
    return {name: value for name, value in options.items() if name not in private}


def _raises_limit(limit: object) -> bool:
    return isinstance(limit, int) and limit > DEFAULT_CALL_LIMIT


def _names_of(model: HasOptions) -> set[str]:
    """The names under which private options may be given."""
    fields = model.Options.model_fields
    private = set(model.private_options)
    return private.union(*(_aliases(fields[name]) for name in private & fields.keys()))


def _aliases(field: Any) -> Iterator[str]:
    for alias in (field.alias, field.validation_alias):
        for choice in getattr(alias, "choices", (alias,)):
            yield getattr(choice, "path", (choice,))[0]
