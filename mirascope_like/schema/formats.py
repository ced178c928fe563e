"""Output formats: a Python type, how the model is constrained to it, and how its text is parsed into a value.

Models write values as requested (in an envelope, in a dialect's form) or in the type's own form; both are accepted.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from functools import cached_property, partial
from typing import Annotated, Any, Generic, Literal, Self, TypeAlias, cast, get_args

from typing_extensions import TypeForm, TypeVar

from ..errors import ParseError
from ..types.chunks import FinishReason
from .dialects.definitions import COMMON, PLAIN, Dialect
from .functions import bind_function, copy_function_metadata
from .json_extract import incomplete_error, is_closed_json, json_candidates, read_json, unusable_error
from .pickling import can_be_pickled, mark_bound, reduce_decorated
from .pydantic_internals import FunctionLike
from .raw_schema import RawSchema
from .type_schema import ENVELOPE, TypeSchema, UndefinedNameError, type_schema

F = TypeVar("F", default=Any)

Partial: TypeAlias = Annotated[F, "each field may still be None"]

FormattingMode: TypeAlias = Literal["strict", "json", "tool", "parser"]

_ENVELOPED = re.compile(rf'\s*{{\s*"{ENVELOPE}"')

FORMAT_TOOL = "__output__"
"""The name of the hidden tool of mode "tool". Python reserves such names, so no tool of the user has it."""


class OutputParser(FunctionLike, Generic[F]):
    """A function that parses a whole response into a value, with the instructions for the model."""

    def __init__(self, fn: Callable[..., F], formatting_instructions: str) -> None:
        self.fn = fn
        self.instructions = formatting_instructions
        copy_function_metadata(self, fn)

    def __call__(self, response: Any) -> F:
        """Parse a response."""
        return self.fn(response)

    def __get__(self, instance: object, owner: type | None = None) -> OutputParser[F]:
        """Bind to an instance or class (descriptor protocol)."""
        fn = bind_function(self.fn, instance, owner)
        if fn is None:
            return self
        bound = OutputParser(fn, self.instructions)
        mark_bound(bound, self)
        return bound

    def __reduce__(self) -> Any:
        return reduce_decorated(self, {"formatting_instructions": self.instructions})

    def formatting_instructions(self) -> str:
        """Return the instructions for the model."""
        return self.instructions


class Format(Generic[F]):
    """An output type (or parser) and the mode in which the model is asked for it.

    `mode`: "strict" (the provider constrains the model to the schema), "json" (the schema is in the prompt; JSON mode
    where the provider has one), "tool" (the answer is the arguments of a hidden tool), "parser" (an `OutputParser`);
    `None` until it is chosen for a model. `dialect` is the provider's subset of JSON Schema in mode "strict".

    Raises `TypeError` if a type has no JSON Schema, and `ValueError` if the mode does not fit.
    """

    def __init__(
        self,
        formattable: type[F] | OutputParser[F] | Any,
        mode: FormattingMode | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self.formattable = formattable
        if isinstance(formattable, str):
            raise TypeError(
                f"A format must be a type, not the text {formattable[:60]!r}. In chat, fields may be written in short: "
                "schema=chat.schema_dsl('name, age int')."
            )
        if mode is not None and mode not in get_args(FormattingMode):
            raise ValueError(f"mode must be one of {', '.join(get_args(FormattingMode))}; got {mode!r}.")
        if isinstance(formattable, OutputParser):
            if mode not in (None, "parser"):
                raise ValueError(f"An output parser has mode 'parser', not {mode!r}.")
            mode = "parser"
        elif mode == "parser":
            raise ValueError("Mode 'parser' needs a function made with @llm.output_parser.")
        self.mode: FormattingMode | None = mode
        self.dialect: Dialect = dialect or (COMMON if mode == "strict" else PLAIN)
        if mode != "parser":
            with contextlib.suppress(UndefinedNameError):  # it may be defined by the time it is used
                self._type_schema  # noqa: B018

    def with_mode(self, mode: FormattingMode, dialect: Dialect | None = None) -> Format[F]:
        """Return the same format in another mode, and for mode "strict" in a provider's dialect."""
        return type(self)(self.formattable, mode, dialect)

    @property
    def guarantee(self) -> Literal["constrained", "validated"] | None:
        """What guarantees the type: "constrained" (the provider constrains the model while it writes, and the answer is
        validated) or "validated" (the answer is only validated). `None` until the mode is chosen."""
        if self.mode is None:
            return None
        return "constrained" if self.mode == "strict" else "validated"

    @property
    def parser(self) -> OutputParser[F] | None:
        """The parser function, in mode "parser"."""
        return cast("OutputParser[F]", self.formattable) if self.mode == "parser" else None

    @cached_property
    def name(self) -> str:
        """A name for the schema, of letters, digits, `_` and `-` as providers require."""
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

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the type, inside an object with one property `output` if it is not an object itself."""
        return self._type_schema.schema

    @property
    def wire_schema(self) -> dict[str, Any]:
        """`schema` as it is sent: in the provider's dialect. Raises `InexpressibleError`."""
        return self._type_schema.encode(self.dialect).schema

    @cached_property
    def formatting_instructions(self) -> str | None:
        """The instructions that are added to the prompt: the type's own `formatting_instructions()` if it has one, else
        those that the mode needs."""
        if callable(own := getattr(self.formattable, "formatting_instructions", None)):
            return cast("str | None", own())
        if self.mode == "json":
            schema = json.dumps(self.schema, ensure_ascii=False)
            return f"Answer only with JSON that fits this schema, and nothing around it:\n{schema}"
        if self.mode == "tool":
            return f"Give your final answer by calling the tool {FORMAT_TOOL}."
        return None

    def value_of(
        self, response: object, text: str, *, ended: FinishReason | None = None, pending: str | None = None
    ) -> F:
        """Return the value of a response: parsed from its text, or by the parser from the whole response.

        `ended`: the finish reason, if the response did not end normally. `pending`: why the response is not complete
        yet (error text). In both cases only closed JSON is accepted, since 12 may be the start of 1234. In mode "tool"
        a truncated response is never accepted, since some providers close the arguments of a truncated call. Raises
        `ParseError` with the reason.
        """
        try:
            if self.parser is not None:
                return _run_parser(self.parser, response, text)
            if (ended or pending) and not (is_closed_json(text) and self._is_complete(ended)):
                raise ParseError("The JSON in the response is not closed.", text=text)
            return self.parse(text)
        except ParseError as error:
            if ended is None and pending is None:
                raise
            raise incomplete_error(error, ended, pending) from error

    def _is_complete(self, ended: FinishReason | None) -> bool:
        """Whether closed JSON is all that the model was going to write."""
        return self.mode != "tool" or ended is None or not ended.blocks_tools

    def parse(self, text: str) -> F:
        """Parse the value in a model's text. Raises `ParseError`.

        The JSON may stand in prose or in a fenced block. If a key is repeated, the last value wins. NaN and infinities
        are not JSON.
        """
        finite = "NaN" not in text and "Infinity" not in text  # which Pydantic would accept
        # If all fields have defaults, Pydantic would read an unrequested envelope as an object without any field.
        if finite and self._is_sent_unchanged and _ENVELOPED.match(text) is None:
            try:
                value: F = self._type_schema.adapter.validate_json(text)
                return value
            except ValueError:
                pass  # the text is more than JSON, or another type: the search below tells
        return self._find_value(text)[1]

    def plain(self, text: str) -> object:
        """Return the JSON value that `parse` validates: without the envelope and the dialect's forms."""
        return self._find_value(text)[0]

    def _find_value(self, text: str) -> tuple[object, F]:
        """Return the plain JSON value in a text, and the value of the type."""
        wrong: Exception | None = None
        broken: Exception | None = None
        for candidate in json_candidates(text):
            try:
                value = read_json(candidate)
            except ValueError as error:
                broken = broken or (error if candidate.startswith(("{", "[")) else None)
                continue
            try:
                return self._validate(value, candidate)
            except (ValueError, RecursionError) as error:  # also Pydantic's ValidationError
                wrong = wrong or error
        raise unusable_error(text, wrong, broken)

    def _validate(self, value: object, text: str) -> tuple[object, F]:
        """Validate what is in the envelope, or the object itself if it only looks like one."""
        inner = self.unwrap(value)
        try:
            return self._read_value(inner, value, text)
        except ValueError:
            if inner is value or not self._type_schema.may_resemble_envelope:
                raise
            with contextlib.suppress(ValueError):
                return self._read_value(value, value, text)
            raise

    def _read_value(self, inner: object, value: object, text: str) -> tuple[object, F]:
        """Validate a value as JSON text: Pydantic is stricter with Python's values, where a list is not a tuple."""
        plain = self._type_schema.decode(inner, self.dialect)
        return plain, self._type_schema.adapter.validate_json(text if plain is value else json.dumps(plain))

    def decode(self, value: object) -> object:
        """Return a JSON value that a model wrote, without the envelope and the dialect's forms. Plain values stay
        unchanged; partial values are accepted too. Raises nothing but `RecursionError`."""
        return self._type_schema.decode(self.unwrap(value), self.dialect)

    def unwrap(self, value: object) -> object:
        """Return what is in the envelope; a bare value unchanged."""
        return self._type_schema.unwrap(value)

    @cached_property
    def _is_sent_unchanged(self) -> bool:
        """Whether the model writes what the type reads, with nothing to decode."""
        return not self._type_schema.is_wrapped and self._type_schema.encode(self.dialect).is_exact

    @cached_property
    def _type_schema(self) -> TypeSchema:
        return type_schema(self.formattable)

    def __reduce__(self) -> Any:
        """A format whose type cannot be pickled becomes its schema."""
        if can_be_pickled(self.formattable):
            return type(self), (self.formattable, self.mode, self.dialect)
        parser = self.parser
        lost = _LostType(self) if parser is None else OutputParser(_no_parser, parser.instructions)
        return _SchemaFormat, (lost, self.mode, self.dialect)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Format({self.name}, mode={self.mode!r})"


class _SchemaFormat(Format[Any]):
    """A format without its type, which could not be pickled. Models get its schema, but nothing can be parsed."""

    def value_of(
        self, response: object, text: str, *, ended: FinishReason | None = None, pending: str | None = None
    ) -> Any:
        """Raise `TypeError`."""
        return self.parse(text)

    def parse(self, text: str) -> Any:
        """Raise `TypeError`."""
        raise TypeError(
            f"The format {self.name} cannot parse: it was unpickled, and its type or function could not be pickled. "
            "Define that at the top of a module."
        )


class _LostType(RawSchema):
    """What models get of a type that could not be pickled."""

    def __init__(self, format: AnyFormat) -> None:
        super().__init__(format.schema)
        self.__name__ = format.name
        if callable(getattr(format.formattable, "formatting_instructions", None)):
            self.formatting_instructions = partial(_same, format.formatting_instructions)


def _same(text: str | None) -> str | None:
    return text


def _no_parser(_: object) -> None:
    """In place of a parser that could not be pickled."""


def _run_parser(parser: OutputParser[F], response: object, text: str) -> F:
    try:
        return parser(response)
    except ParseError:
        raise
    except Exception as error:
        raise ParseError(str(error), text=text, original_exception=error) from error


AnyFormat: TypeAlias = Format[Any]
FormatSpec: TypeAlias = type[F] | TypeForm[F] | Format[F] | OutputParser[F]
"""The types of `format=`. A `TypeForm` is a type that need not be a class, such as `Book | None`; mypy, which does not
find one in a union yet, accepts it inside `llm.format(…)`."""


def make_format(spec: FormatSpec[F] | None) -> Format[F] | None:
    """Return the format for what a user passes as `format=`: a type, a format or a parser. `None` and its type mean no
    format."""
    if spec is None:
        return None
    format: Format[F] = cast("Any", spec) if isinstance(spec, Format) else Format(spec)
    return None if format.formattable in (None, type(None)) else format
