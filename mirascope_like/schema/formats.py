"""What a reply must be: a Python type, how the model is held to it, and how its text becomes a value.

Objects go to the model as they are; anything else (a list, a number, a union) is wrapped in an object with one
property, `output`, since providers only constrain objects. Reading accepts both the wrapped and the bare form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast, get_args

from typing_extensions import TypeVar

from ..errors import ParseError
from .strict import strict_schema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["FORMAT_TOOL", "AnyFormat", "Format", "FormatSpec", "FormattingMode", "OutputParser", "make_format"]

F = TypeVar("F", default=Any)

FormattingMode: TypeAlias = Literal["strict", "json", "tool", "parser"]

FORMAT_TOOL = "__output__"
"""The name of the hidden tool of mode "tool". Python reserves names like it, so no tool of the user's has it."""

_ENVELOPE = "output"
_FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(.*?)\r?\n[ \t]*```", re.DOTALL | re.IGNORECASE)


class OutputParser(Generic[F]):
    """A function that makes a value of a whole response, with the text that tells the model how to write it."""

    def __init__(self, fn: Callable[[Any], F], formatting_instructions: str) -> None:
        self.fn = fn
        self.instructions = formatting_instructions
        self.__name__: str = fn.__name__
        self.__doc__ = fn.__doc__

    def __call__(self, response: Any) -> F:
        """Make the value of a response."""
        return self.fn(response)

    def formatting_instructions(self) -> str:
        """What the model is told."""
        return self.instructions


class Format(Generic[F]):
    """A type (or parser) with the way to get it.

    `mode`: "strict" (the provider holds the model to the schema), "json" (the model is told the schema; JSON mode where
    there is one), "tool" (the answer is the arguments of a hidden tool), "parser" (an `OutputParser`); `None` until it
    is chosen for a model.
    """

    def __init__(self, formattable: type[F] | OutputParser[F] | Any, mode: FormattingMode | None = None) -> None:
        self.formattable = formattable
        if mode is not None and mode not in get_args(FormattingMode):
            raise ValueError(f"There is no mode {mode!r}; there are: {', '.join(get_args(FormattingMode))}.")
        if isinstance(formattable, OutputParser):
            if mode not in (None, "parser"):
                raise ValueError(f"An output parser has mode 'parser', not {mode!r}.")
            mode = "parser"
        elif mode == "parser":
            raise ValueError("Mode 'parser' needs a function made with @llm.output_parser.")
        self.mode: FormattingMode | None = mode

    def with_mode(self, mode: FormattingMode) -> Format[F]:
        """The same format in a mode."""
        if mode == self.mode:
            return self
        made = Format[F](self.formattable, mode)
        # What has been worked out from the type is the same in each mode.
        made.__dict__.update({name: self.__dict__[name] for name in ("_adapter", "_inner") if name in self.__dict__})
        return made

    @property
    def parser(self) -> OutputParser[F] | None:
        """The function that makes the value, in mode "parser"."""
        return cast("OutputParser[F]", self.formattable) if self.mode == "parser" else None

    @cached_property
    def name(self) -> str:
        """A name for the schema, of letters, digits, `_` and `-` as providers ask."""
        text = getattr(self.formattable, "__name__", None) or str(self.formattable)
        return re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_")[:64] or "output"

    @cached_property
    def description(self) -> str | None:
        """The type's own docstring."""
        import inspect

        kind = self.formattable
        if not isinstance(kind, type) or kind.__module__ == "builtins":
            return None
        own: str | None = kind.__dict__.get("__doc__")
        return inspect.cleandoc(own) if own else None

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what the model writes; always an object."""
        inner = self._inner
        if not self._wrapped:
            return inner
        inner = dict(inner)
        definitions = {"$defs": inner.pop("$defs")} if "$defs" in inner else {}
        return {
            "type": "object",
            "properties": {_ENVELOPE: inner},
            "required": [_ENVELOPE],
            "additionalProperties": False,
            **definitions,
        }

    @cached_property
    def wire_schema(self) -> dict[str, Any]:
        """`schema` as it is sent for enforcement: in the strict subset."""
        return strict_schema(self.schema)

    @cached_property
    def formatting_instructions(self) -> str | None:
        """What the model is told beside the prompt: the type's own `formatting_instructions()` if it has one, else what
        the mode needs."""
        if callable(own := getattr(self.formattable, "formatting_instructions", None)):
            return cast("str | None", own())
        if self.mode == "json":
            schema = json.dumps(self.schema, ensure_ascii=False)
            return f"Answer only with JSON that fits this schema, and nothing around it:\n{schema}"
        if self.mode == "tool":
            return f"Give your final answer by calling the tool {FORMAT_TOOL}."
        return None

    def parse(self, text: str) -> F:
        """The value that a model's text holds. Raises `ParseError`."""
        problem: Exception | None = None
        for candidate in _candidates(text):
            try:
                return self._validate(candidate)
            except (ValueError, RecursionError) as error:  # also Pydantic's ValidationError
                if not _is_prose(candidate):
                    problem = problem or error
        if problem is None:
            raise ParseError("there is no JSON in it.", text=text)
        raise ParseError(_explain(problem), text=text, original_exception=problem) from problem

    def _validate(self, candidate: str) -> F:
        if not self._wrapped:
            return self._adapter.validate_json(candidate)
        value: object = json.loads(candidate)
        inner = self.unwrap(value)
        return self._adapter.validate_json(candidate if inner is value else json.dumps(inner))

    def unwrap(self, value: object) -> object:
        """What is in the envelope that non-objects are sent in; a bare value as it is."""
        if self._wrapped and isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            return fields[_ENVELOPE] if set(fields) == {_ENVELOPE} else fields
        return value

    @cached_property
    def _adapter(self) -> TypeAdapter[F]:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            return TypeAdapter(cast("Any", self.formattable))
        except PydanticUserError as error:
            raise TypeError(f"{self.formattable!r} cannot be a format: {error.message}") from error

    @cached_property
    def _inner(self) -> dict[str, Any]:
        schema = self._adapter.json_schema(by_alias=True)
        if "$ref" in schema and "$defs" in schema:  # a recursive model stands among its own definitions
            target: dict[str, Any] = schema["$defs"][schema["$ref"].rpartition("/")[2]]
            return {**target, "$defs": schema["$defs"]}
        return schema

    @cached_property
    def _wrapped(self) -> bool:
        return self._inner.get("type") != "object" or "properties" not in self._inner

    def __repr__(self) -> str:
        return f"Format({self.name}, mode={self.mode!r})"


AnyFormat: TypeAlias = Format[Any]
FormatSpec: TypeAlias = type[F] | Format[F] | OutputParser[F]


def make_format(spec: FormatSpec[F] | None) -> Format[F] | None:
    """The format of what a user passes as `format=`: a type, a format or a parser."""
    if spec is None or spec is type(None):
        return None
    return spec if isinstance(spec, Format) else Format(spec)


def _candidates(text: str) -> Iterator[str]:
    """The places in a text where its JSON may be, likeliest first: all of it, fenced blocks, then what starts like JSON
    in the middle of prose."""
    yield (whole := text.strip())
    for block in _FENCE.finditer(text):
        yield block.group(1).strip()
    decoder = json.JSONDecoder()
    position = 0
    while (found := re.compile(r"[{\[]").search(whole, position)) is not None:
        try:
            _, position = decoder.raw_decode(whole, found.start())
            yield whole[found.start() : position]
        except (ValueError, RecursionError):
            position = found.start() + 1


def _is_prose(text: str) -> bool:
    """Whether a text is not JSON, and not meant to be."""
    if text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _explain(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    details = errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, d['loc'])) or 'the answer'}: {d['msg']}" for d in details)
