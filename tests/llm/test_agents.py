"""Classes whose calls have tools of the same class, and calls as tools of other calls."""

from __future__ import annotations

from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour


def calls(**args: str) -> list[llm.ToolCall]:
    return [llm.ToolCall(id=name, name=name, args=text) for name, text in args.items()]


class Clerk:
    """Its call has tools that need the clerk."""

    def __init__(self, rate: int) -> None:
        self.rate = rate

    @llm.tool
    def convert(self, amount: int) -> int:
        return amount * self.rate

    def refund(self, amount: int) -> int:
        return -amount * self.rate

    def _raise(self, amount: int) -> int:
        self.rate += amount
        return self.rate

    @llm.tool
    @classmethod
    def kind(cls) -> str:
        return cls.__name__

    tools = (convert, refund, llm.tool(name="increase")(_raise), kind)

    @llm.call("test/m", tools=tools)
    def ask(self, question: str) -> str:
        return question

    @llm.call("test/m", tools=tools)
    async def ask_async(self, question: str) -> str:
        return question

    @llm.prompt(tools=tools)
    def prompt(self, question: str) -> str:
        return question


class Senior(Clerk):
    def convert(self, amount: int) -> int:  # type: ignore[override]
        return 1000


ASKED = calls(convert='{"amount": 2}', refund='{"amount": 2}', increase='{"amount": 1}', kind="{}")


@pytest.mark.parametrize(
    ("kind", "results"), [(Clerk, [6, -6, 4, "Clerk"]), (Senior, [1000, -6, 4, "Senior"])], ids=["own", "override"]
)
def test_tools_of_the_same_class_are_bound_with_the_call(colour: Colour, kind: type[Clerk], results: list[Any]) -> None:
    clerk = kind(3)

    async def scenario() -> list[Any]:
        with llm.scripted(ASKED):
            response = await colour.got((clerk.ask_async if colour.is_async else clerk.ask)("How much?"))
            return [output.output for output in await colour.got(response.execute_tools(max_concurrency=1))]

    assert colour.run(scenario) == results


def test_tools_of_a_prompt_are_bound_too() -> None:
    response = Clerk(3).prompt(llm.scripted(ASKED[:1]), "How much?")
    assert [output.output for output in response.execute_tools()] == [6]


def test_a_method_without_its_object_is_an_error_before_anything_is_sent(colour: Colour) -> None:
    async def scenario() -> None:
        model = llm.scripted(repeat=True)
        for tool in (Clerk.convert, Clerk.refund):
            with pytest.raises(TypeError, match=rf"{tool.__name__}' is a method without its object"):
                await colour.got(colour.ask(model, "Hi", tools=[tool]))
        with pytest.raises(TypeError, match="a method without its object"), model:
            Clerk.ask(Clerk(1), "Hi")
        assert not model.requests

    colour.run(scenario)
