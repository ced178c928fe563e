"""`llm.format` and `@llm.output_parser`: how a reply is made a value."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import TypeForm, TypeVar

from ..schema.formats import Format, FormattingMode, OutputParser

F = TypeVar("F")


def format(formattable: TypeForm[F], *, mode: FormattingMode | None = None) -> Format[F]:
    """A type as a format in a chosen mode: "strict", "json" or "tool" (see `Format`); `None` lets the model decide."""
    return Format(formattable, mode)


def output_parser(*, formatting_instructions: str) -> Callable[[Callable[..., F]], OutputParser[F]]:
    """Use a function that makes a value of a response as a format. The model gets the
    `formatting_instructions`. Methods work too.

    What the function raises becomes a `ParseError`.
    """
    return lambda fn: OutputParser(fn, formatting_instructions)
