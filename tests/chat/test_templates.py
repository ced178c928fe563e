"""Templates, fragments, and the short form of schemas."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from mirascope_like.chat.prompts.fragments import Fragment, joined, joined_system
from mirascope_like.chat.prompts.schema_dsl import schema_dsl
from mirascope_like.chat.prompts.templates import Template


def test_blanks_are_filled() -> None:
    template = Template(
        name="t", prompt="$greeting ${name}: $input ($$5)", system="Be $mood.", defaults={"mood": "kind"}
    )
    assert template.vars() == {"greeting", "name", "input", "mood"}
    said = template.evaluate("naïve", {"greeting": "Hi", "name": "Zoë"})
    assert said == ("Hi Zoë: naïve ($5)", "Be kind.")
    assert template.evaluate("x", {"greeting": "Hi", "name": "n", "mood": "brief"})[1] == "Be brief."


def test_missing_blanks_are_named() -> None:
    with pytest.raises(Template.MissingVariables, match=r"^Missing variables: a, b$"):
        Template(name="t", prompt="$b $a $input").evaluate("x")


def test_without_a_prompt_the_input_is_the_prompt() -> None:
    assert Template(name="t", system="Be brief.").evaluate("Hi $x") == ("Hi $x", "Be brief.")


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Template.model_validate({"name": "t", "promt": "typo"})


def test_fragments_are_texts_with_a_source() -> None:
    fragment = Fragment("text", source="notes.txt")
    assert (fragment, fragment.source) == ("text", "notes.txt")
    assert fragment.id() == Fragment("text").id() != Fragment("other").id()
    assert pickle.loads(pickle.dumps(fragment)).source == "notes.txt"


def test_prompts_are_put_together() -> None:
    assert joined("ask", ["one", "two"]) == "one\ntwo\nask"
    assert joined(None, ["one"]) == "one"
    assert joined(None) == ""
    assert joined_system(" last ", ["first", "  ", ""]) == "first\n\nlast"


def of(**types: Any) -> dict[str, Any]:
    return {"type": "object", "properties": types, "required": list(types)}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("name", of(name={"type": "string"})),
        (
            "name, age int, size float, good bool, kind str",
            of(
                name={"type": "string"},
                age={"type": "integer"},
                size={"type": "number"},
                good={"type": "boolean"},
                kind={"type": "string"},
            ),
        ),
        ("x unknown", of(x={"type": "string"})),
        ("x int: how many", of(x={"type": "integer", "description": "how many"})),
        ("\n a: one, two\n b int\n\n", of(a={"type": "string", "description": "one, two"}, b={"type": "integer"})),
        ("url: https://example.org", of(url={"type": "string", "description": "https://example.org"})),
    ],
)
def test_short_schemas(text: str, schema: dict[str, Any]) -> None:
    assert schema_dsl(text) == schema


def test_a_list_of_what_a_short_schema_says() -> None:
    items = {"type": "array", "items": of(x={"type": "string"})}
    assert schema_dsl("x", multi=True) == of(items=items)


def test_a_description_needs_a_name() -> None:
    with pytest.raises(ValueError, match=": lonely"):
        schema_dsl("a, : lonely")
