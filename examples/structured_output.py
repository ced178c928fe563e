"""A typed value from text; shown as it grows, and asked for again if it does not fit."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from mirascope_like import llm


class Ingredient(BaseModel):
    name: str
    grams: float = Field(gt=0)


class Recipe(BaseModel):
    """A recipe for one dish."""

    title: str
    effort: Literal["low", "high"]
    ingredients: list[Ingredient]


@llm.call("openai/gpt-6-luna", format=Recipe)
def read_recipe(text: str):
    return f"Read this recipe:\n\n{text}"


def main() -> None:
    text = "Toast. Take 40 g of bread and 10 g of butter. Easy."

    with read_recipe.stream(text) as response:
        for recipe in response.structured_stream():
            print(f"so far: {recipe.title or '…'}, {len(recipe.ingredients or [])} ingredients")

    recipe, _ = read_recipe(text).validate(max_retries=2)
    for ingredient in recipe.ingredients:
        print(f"{ingredient.grams:g} g {ingredient.name}")


if __name__ == "__main__":
    main()
