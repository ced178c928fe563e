"""Classes whose calls have tools of the same class, and calls as tools of other calls."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

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
            with pytest.raises(TypeError, match=rf"{tool.__name__}' is an unbound method"):
                await colour.got(colour.ask(model, "Hi", tools=[tool]))
        with pytest.raises(TypeError, match="an unbound method"), model:
            Clerk.ask(Clerk(1), "Hi")
        assert not model.requests

    colour.run(scenario)


# -- calls as tools -----------------------------------------------------------------------------------------------


class Fact(BaseModel):
    text: str
    year: int


def test_a_call_as_a_tool_gives_what_the_model_says(colour: Colour) -> None:
    words, fact, mine = llm.scripted("A fox."), llm.scripted('{"text": "x", "year": 1}'), llm.scripted("Ann's.")

    @llm.call(words)
    @colour.fn
    def describe(what: str) -> str:
        """Describe something."""
        return f"Describe {what}."

    @llm.call(fact, format=Fact)
    @colour.fn
    def look_up(what: str) -> str:
        return what

    @llm.call(mine)
    @colour.fn
    def whose(ctx: llm.Context[str], what: str) -> str:
        return f"{ctx.deps} asks for {what}"

    asked = calls(describe='{"what": "it"}', look_up='{"what": "it"}', whose='{"what": "it"}')
    outer = llm.scripted(asked, "Done.")

    async def scenario() -> None:
        call = outer.context_call_async if colour.is_async else outer.context_call
        tools: Sequence[Any] = [describe, look_up, whose]
        response = await colour.got(call("Hi", ctx=llm.Context(deps="Ann"), tools=tools))
        outputs = await colour.got(response.execute_tools())
        assert [output.output for output in outputs] == ["A fox.", Fact(text="x", year=1), "Ann's."]
        await colour.got(response.resume(outputs))

    colour.run(scenario)
    assert outer.requests[0]["tools"][0]["function"]["description"] == "Describe something."
    assert [message["content"] for message in outer.requests[1]["messages"][-3:]] == [
        "A fox.",
        '{"text":"x","year":1}',
        "Ann's.",
    ]
    assert mine.requests[0]["messages"][-1]["content"] == "Ann asks for it"


def test_a_stream_that_a_tool_returns_is_read_to_its_end(colour: Colour) -> None:
    words, fact = llm.scripted("A small fox."), llm.scripted('{"text": "x", "year": 1}')

    def describe() -> Any:
        return words.stream("Describe it.")

    async def look_up() -> Any:
        return await fact.stream_async("What is it?", format=Fact)

    def fail() -> Any:
        return llm.scripted(["A ", llm.ServerError("It broke.")]).stream("Hi")

    def hold() -> Any:
        return [llm.scripted("Hi").stream("Hi")]

    async def scenario() -> None:
        asked = calls(describe="{}", look_up="{}", fail="{}", hold="{}")
        tools = [describe, look_up, fail, hold]
        response = await colour.got(colour.ask(llm.scripted(asked), "Hi", tools=tools))
        said, found, failed, held = await colour.got(response.execute_tools())
        assert (said.output, found.output) == ("A small fox.", Fact(text="x", year=1))
        assert "It broke." in str(failed.error)
        assert "call finish() before" in str(held.error)

    colour.run(scenario)


def test_an_answer_that_waits_for_its_own_tools_says_nothing() -> None:
    inner = llm.call(llm.scripted(calls(convert='{"amount": 1}')), tools=[Clerk(1).convert])(lambda_free)
    output = llm.tool(inner).execute(llm.ToolCall(id="1", name="lambda_free", args="{}"))
    assert "has tool calls to run (convert)" in str(output.error)


def lambda_free() -> str:
    return "Hi"


@pytest.mark.parametrize("reason", [reason for reason in llm.FinishReason if reason is not llm.FinishReason.PAUSE])
def test_half_an_answer_is_not_passed_on_as_a_whole_one(colour: Colour, reason: llm.FinishReason) -> None:
    inner = llm.scripted(["A fox is", reason])

    @llm.call(inner)
    @colour.fn
    def describe() -> str:
        return "What is a fox?"

    async def scenario() -> None:
        response = await colour.got(colour.ask(llm.scripted(calls(describe="{}")), "Hi", tools=[describe]))
        (output,) = await colour.got(response.execute_tools())
        if reason is llm.FinishReason.REFUSAL:  # whose words are the answer
            assert output.output == "A fox is"
        else:
            assert f"incomplete (finish_reason is {reason}): 'A fox is'" in str(output.error)

    colour.run(scenario)


# -- what tools fail with, and how they are kept ------------------------------------------------------------------


def fail(n: int) -> int:
    raise LookupError("nothing there")


def test_the_traceback_of_a_tool_is_that_of_its_error(colour: Colour) -> None:
    async def scenario() -> Any:
        response = await colour.got(colour.ask(llm.scripted(calls(fail='{"n": 1}')), "Hi", tools=[fail]))
        (output,) = await colour.got(response.execute_tools())
        return output.error

    error = colour.run(scenario)
    assert error.__cause__ is error.tool_exception
    assert "in fail\n" in "".join(traceback.format_exception(error))


def plain(n: int) -> int:
    return n + 1


@llm.tool
def decorated(n: int) -> int:
    return n + 2


def test_responses_with_undecorated_tools_pickle() -> None:
    asked = calls(plain='{"n": 1}', decorated='{"n": 1}', refund='{"amount": 1}', convert='{"amount": 1}')
    clerk = Clerk(5)
    tools: list[Any] = [plain, decorated, clerk.refund, clerk.convert]
    response = llm.scripted(asked).call("Hi", tools=tools)
    tools = list(pickle.loads(pickle.dumps(response)).toolkit)
    assert [tool.execute(call).output for tool, call in zip(tools, asked, strict=True)] == [2, 3, -5, 5]
    assert tools[1] is decorated
    assert pickle.loads(pickle.dumps(llm.tool(name="other", timeout=3)(plain))).timeout == 3
