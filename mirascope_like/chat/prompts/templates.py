"""Prompts with blanks to fill in: `$name` is a blank, `$$` a dollar sign."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Template(BaseModel):
    """A prompt to use again and again. Unknown fields are a `ValidationError`.

    `defaults` fill blanks for which nothing is given; `$input` is the text that the template is used on. `options`,
    `schema_object`, `tools`, `model` and the rest say what to pass to `prompt()`; nothing here reads files or runs
    `functions`, which is Python source.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    prompt: str | None = None
    system: str | None = None
    attachments: list[str] | None = None
    attachment_types: list[dict[str, str]] | None = None
    model: str | None = None
    defaults: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    extract: bool | None = None
    extract_last: bool | None = None
    schema_object: dict[str, Any] | None = None
    fragments: list[str] | None = None
    system_fragments: list[str] | None = None
    tools: list[str] | None = None
    functions: str | None = None

    class MissingVariables(Exception):
        """Blanks for which nothing was given."""

    def evaluate(self, input: str, params: Mapping[str, Any] | None = None) -> tuple[str | None, str | None]:
        """(prompt, system prompt) with the blanks filled in. Without a `prompt` the input is the prompt.

        Raises `Template.MissingVariables` naming what is missing.
        """
        given = {**(self.defaults or {}), **(params or {}), "input": input}
        if missing := sorted(self.vars() - given.keys()):
            raise self.MissingVariables(f"Missing variables: {', '.join(missing)}")
        prompt = _filled(self.prompt, given) if self.prompt else input
        return prompt, _filled(self.system, given) if self.system else None

    def vars(self) -> set[str]:
        """The names of all blanks."""
        return {name for text in (self.prompt, self.system) if text for name in _blanks(text)}


def _filled(text: str, given: Mapping[str, Any]) -> str:
    return string.Template(text).substitute(given)


def _blanks(text: str) -> Iterator[str]:
    for found in string.Template.pattern.finditer(text):
        if name := found["named"] or found["braced"]:
            yield name
