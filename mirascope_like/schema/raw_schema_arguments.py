"""Tool arguments checked against a JSON Schema that the user gives instead of the function's own.

Values must fit the schema. Names must be allowed by it (see `allowed_names`), and never be those of the function's
other parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Protocol, cast

from ..errors import ToolExecutionError
from .allowed_names import AllowedNames
from .function_layers import layer_parameter_names
from .functions import UNKNOWN_ARGUMENT, arguments_error
from .signatures import parameter_names


class _Problem(Protocol):
    validator: str
    message: str
    absolute_path: Sequence[str | int]


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterator[_Problem]: ...


class RawSchemaArguments:
    """The arguments of a tool with a raw schema. `hidden` are the function's parameters that the program sets.

    Raises `ValueError` if the schema lists one of these.
    """

    def __init__(self, name: str, schema: Mapping[str, Any], fn: Callable[..., Any], hidden: frozenset[str]) -> None:
        self.schema: dict[str, Any] = dict(schema)
        self._name = name
        self._fn = fn
        self._hidden = hidden
        self._allowed_names = AllowedNames(self.schema)
        if both := sorted(self._allowed_names.listed_names & hidden):
            raise ValueError(
                f"The schema of the tool {name!r} lists {', '.join(both)}, which the program sets. "
                "Remove them from the schema, or do not set them."
            )

    def parse(self, text: str) -> dict[str, Any]:
        """Return the arguments in a JSON text (blank: none). Raises `ToolExecutionError` if they do not fit."""
        arguments = _parse_object(self._name, text)
        problems = chain(self._find_unknown(arguments), self._find_invalid(arguments))
        if (first := next(problems, None)) is not None:
            raise arguments_error(self._name, chain([first], problems))
        return arguments

    def _find_unknown(self, arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
        names = [each.name for each in self._allowed_names.find_unknown(arguments)]
        names += self._reserved_names.intersection(arguments)
        return ((name, UNKNOWN_ARGUMENT) for name in dict.fromkeys(names))

    @cached_property
    def _reserved_names(self) -> frozenset[str]:
        """The parameters that a model must not set, even where the schema allows any name."""
        listed = (
            self._allowed_names.listed_names if self._allowed_names.has_listed_members else parameter_names(self._fn)
        )
        return (layer_parameter_names(self._fn) - listed) | self._hidden

    def _find_invalid(self, arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for problem in self._validator.iter_errors(arguments):
            if problem.validator != "additionalProperties":  # see `_find_unknown`
                yield ".".join(map(str, problem.absolute_path)), problem.message

    @cached_property
    def _validator(self) -> _Validator:
        from jsonschema import Draft202012Validator, SchemaError, validators  # type: ignore[import-untyped]

        kind: Any = validators.validator_for(self.schema, default=Draft202012Validator)
        try:
            kind.check_schema(self.schema)
        except SchemaError as error:
            raise TypeError(f"The schema of the tool {self._name!r} is invalid: {error.message}") from error
        registry = cast("Any", validators).SPECIFICATIONS  # any other registry would fetch remote references
        return cast("_Validator", kind(self.schema, registry=registry))


def _parse_object(name: str, text: str) -> dict[str, Any]:
    try:
        value: object = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise ToolExecutionError(f"The arguments of {name} are not JSON: {error}", tool_exception=error) from error
    if not isinstance(value, dict):
        raise ToolExecutionError(f"The arguments of {name} must be a JSON object, not {text[:100]!r}.")
    return cast("dict[str, Any]", value)
