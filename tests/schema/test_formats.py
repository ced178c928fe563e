"""Formats: what cannot be one, the mode that each model gets, and inputs gone wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.wire.chat_server import events, whole

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Exchange, Server


class Book(BaseModel):
    title: str
    pages: dict[str, int] = {}


class Tree(BaseModel):
    children: list[Tree] = []


class Opaque:
    pass


class Holder(BaseModel):
    name: str
    inner: list[Callable[[], int]]


class Outer(TypedDict):
    holders: dict[str, Holder]


# -- at decoration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Opaque, "Opaque cannot be a format"),
        (list[Opaque], "Opaque"),
        (Holder, "Holder cannot be a format: its field 'inner'"),
        (Outer, r"its field 'holders\.inner'"),
        (Callable[[], int], "cannot be a format"),
    ],
    ids=str,
)
def test_types_without_a_schema_fail_at_once(kind: Any, named: str) -> None:
    for make in (lambda: llm.call("openai/x", format=kind), lambda: llm.prompt(format=kind), lambda: llm.format(kind)):
        with pytest.raises(TypeError, match=named):
            make()


def test_a_type_may_wait_for_another() -> None:
    class Early(BaseModel):
        later: "Later"  # noqa: UP037  # pyright: ignore

    call = llm.call(llm.scripted('{"later": {"n": 1}}'), format=Early)(lambda: "Hi")
    with pytest.raises(TypeError, match="Early cannot be a format yet"):
        call()

    class Later(BaseModel):
        n: int

    Early.model_rebuild(_types_namespace={"Later": Later})
    assert call().parse() == Early(later=Later(n=1))


def test_names_are_what_providers_take() -> None:
    names = [llm.format(kind).name for kind in (int | str, dict[str, list[int]], Book | None, list[Book])]
    assert all(name.replace("_", "").replace("-", "").isalnum() for name in names)


# -- modes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "kind", "mode", "guarantee"),
    [
        ("openai/gpt-5-mini", Book, "strict", "constrained"),
        ("openai/gpt-5-mini", Tree, "strict", "constrained"),
        ("openai/gpt-4", Book, "tool", "validated"),
        ("anthropic/claude-sonnet-4-5", Book, "strict", "constrained"),
        ("anthropic/claude-sonnet-4-5", Tree, "tool", "validated"),  # it takes no type that contains itself
        ("anthropic/claude-sonnet-5-5", Tree, "json", "validated"),  # nor can it be made to call a tool
        ("anthropic/claude-3-5-haiku-latest", Book, "tool", "validated"),
        ("ollama/some", Book, "json", "validated"),
    ],
)
def test_each_model_gets_the_best_it_takes(
    model: str, kind: Any, mode: str, guarantee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirascope_like.engine.plan import prepare

    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    format = prepare(llm.Model(model).plan([llm.messages.user("Hi")], format=kind), stream=False).format
    assert format is not None
    assert (format.mode, format.guarantee) == (mode, guarantee)
    assert llm.format(kind).guarantee is None


def test_strict_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(llm.FeatureNotSupportedError, match="Tree contains itself"):
        llm.Model("anthropic/claude-sonnet-4-5").call("Hi", format=llm.format(Tree, mode="strict"))
    with pytest.raises(llm.FeatureNotSupportedError, match="strict"):
        llm.Model("anthropic/claude-3-5-haiku-latest").call("Hi", format=llm.format(Book, mode="strict"))


def test_the_forms_are_undone_only_where_they_were_asked_for(server: Server) -> None:
    """A conversation goes on with a model that is asked in another way."""
    server.answer = saying('{"title": "a", "pages": {"x": 1}}')
    register(server)
    model = llm.scripted('{"title": "b", "pages": [{"key": "x", "value": 2}]}')
    first = model.call("Hi", format=Book)
    assert first.parse() == Book(title="b", pages={"x": 2})
    second = llm.Model("test/x").resume(response=first, content="Again.")
    assert second.format.mode == "json"
    assert second.parse() == Book(title="a", pages={"x": 1})


def test_a_format_beside_strict_tools(colour: Colour) -> None:
    @llm.tool(strict=True)
    def store(pages: dict[str, int]) -> int:
        return sum(pages.values())

    pairs = '[{"key": "x", "value": 2}, {"key": "y", "value": 3}]'
    model = llm.scripted(
        [llm.ToolCall(id="1", name="store", args=f'{{"pages": {pairs}}}')], f'{{"title": "b", "pages": {pairs}}}'
    )
    call = llm.call(model, tools=[store], format=Book)(colour.fn(lambda: "Hi"))

    async def scenario() -> None:
        response = await colour.got(call())
        outputs = await colour.got(response.execute_tools())
        assert [output.result for output in outputs] == [5]
        response = await colour.got(response.resume(outputs))
        assert response.parse() == Book(title="b", pages={"x": 2, "y": 3})

    colour.run(scenario)
    assert model.requests[0]["tools"][0]["function"]["strict"] is True
    assert model.requests[0]["response_format"]["json_schema"]["strict"] is True


# -- answers that are not of the format --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I do not know.", "there is no JSON in it"),
        ('{"title": "a",', "the JSON in it is broken"),
        ('{"title": 3, "pages": {}}', "title: Input should be a valid string"),
        ('{"pages": {}}', "title: Field required"),
        ('{"title": "a", "pages": {"x": NaN}}', "broken"),
        ('{"title": "a", "pages": {"x": ' + "9" * 5000 + "}}", "broken"),
        ('{"title": "\\ud800"}', "broken"),
        ('{"title": "\ud800"}', "surrogate"),
        ("[" * 100_000, "recursion"),
        ('{"title": ' + "[" * 150 + "]" * 150 + "}", "title: Input should be a valid string"),
        ("{" * 100_000, "broken"),
    ],
    ids=lambda text: text[:30],
)
def test_inputs_gone_wrong(text: str, said: str) -> None:
    with pytest.raises(llm.ParseError, match=said) as caught:
        llm.format(Book, mode="strict").parse(text)
    assert str(caught.value) in caught.value.retry_message()
    assert not caught.value.cut_off


def test_what_is_tolerated() -> None:
    read = llm.format(Book).parse
    assert read('{"title": "a", "title": "b"}') == Book(title="b")  # of a key twice, the last counts
    assert read('{"title": "a", "mood": 1}') == Book(title="a")
    assert llm.format(int).parse('{"output": ' + "9" * 100 + "}") == int("9" * 100)
    assert read('Sure {it is}: {"title": "```json {"} [1]') == Book(title="```json {")


def test_deep_values_that_are_right() -> None:
    text = '{"children": [' * 60 + "]}" * 60
    assert llm.format(Tree, mode="strict").parse(text).children[0].children


def test_retry_messages_have_three_wordings() -> None:
    @llm.output_parser(formatting_instructions="A number.")
    def number(response: llm.BaseResponse[Any]) -> int:
        return int(response.text())

    messages: list[str] = []
    for text, format in [('{"title": 1}', Book), ("Hm.", Book), ("Hm.", number)]:
        with pytest.raises(llm.ParseError) as caught:
            llm.scripted(text).call("Hi", format=format).parse()
        messages.append(caught.value.retry_message().splitlines()[-1])
    assert len(set(messages)) == 3


@pytest.mark.parametrize("text", ['{"output": 12', "12", "The answer is"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_the_limit_cut_off(colour: Colour, server: Server, text: str, streamed: bool) -> None:
    parts, why = [llm.Text(text)], llm.FinishReason.MAX_TOKENS

    def answer(exchange: Exchange) -> None:
        if streamed:
            exchange.stream(*events(parts, why))
        else:
            exchange.whole(whole(parts, why))

    server.answer = answer
    register(server)

    async def scenario() -> None:
        ask = colour.stream if streamed else colour.ask
        response = await colour.got(ask(llm.Model("test/x"), "Hi", format=int))
        if streamed:
            await colour.got(response.finish())
        for read in (lambda: response.validate(3), lambda: response.parse()):
            with pytest.raises(llm.ParseError, match="cut off at the limit of tokens") as caught:
                await colour.got(read())
            assert caught.value.cut_off
            assert caught.value.text == text

    colour.run(scenario)
    assert len(server.received) == 1
