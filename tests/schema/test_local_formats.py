"""The embedded model, which really is held to the schema: whatever it writes is of the type."""

from __future__ import annotations

import os
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

import anyio
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.local.weights import find_weights

from .everyday import Cat, Color, Dog, Owner, Point, Size

pytestmark = pytest.mark.local

Few = Annotated[list[int], Field(max_length=3)]


class City(BaseModel):
    """A city."""

    name: str = Field(max_length=20)
    country: str = Field("Japan", max_length=20)
    founded: int | None = None


class Visit(TypedDict):
    city: Annotated[str, Field(max_length=20)]
    on: date


class Score(NamedTuple):
    points: int
    mood: Literal["good", "bad"]


KINDS: list[Any] = [
    City,
    Visit,
    Score,
    Owner,
    Point,
    Cat | Dog,
    Color,
    Size,
    int,
    bool,
    Few,
    tuple[int, Literal["a", "b"]],
    Annotated[dict[Literal["a", "b"], int], Field(max_length=2)],
    Literal["yes", "no", 3],
    date,
]


@pytest.fixture(scope="module", autouse=True)
def embedded() -> None:
    """Skip where the embedded model is not installed; on CI it has to be."""
    try:
        import xllamacpp  # noqa: F401  # pyright: ignore[reportMissingTypeStubs]

        find_weights()
    except (ImportError, llm.ProviderError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


MODEL = llm.Model("local/smollm2-135m", max_tokens=200)


def is_of_its_type(response: llm.BaseResponse[Any]) -> None:
    """Nothing bounds the digits of a number, so the model may write one until its tokens run out: then that is said."""
    try:
        response.parse()
    except llm.ParseError as error:
        assert error.cut_off and response.finish_reason is llm.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_it_writes_is_of_the_type(kind: Any) -> None:
    response = MODEL.call("Tell me something short.", format=kind)
    assert response.format is not None
    assert response.format.guarantee == "constrained"
    is_of_its_type(response)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_it_streams_is_of_the_type(kind: Any) -> None:
    async def scenario() -> None:
        response = await MODEL.stream_async("Tell me something short.", format=kind)
        await response.finish()
        is_of_its_type(response)

    anyio.run(scenario)
