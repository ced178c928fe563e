"""Formats: what cannot be one, the mode that each model gets, and inputs gone wrong."""

from __future__ import annotations

import enum
import pickle
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypedDict

from mirascope_like import chat, llm
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response

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


class Kind(enum.Enum):
    CAT = "cat"
    DOG = "dog"


class Cat(BaseModel):
    kind: Literal[Kind.CAT] = Kind.CAT


class Dog(BaseModel):
    kind: Literal[Kind.DOG]


class Home(BaseModel):
    city: str = Field(validation_alias=AliasPath("address", "city"))


class Lifted(Home):
    @model_validator(mode="before")
    @classmethod
    def _lift(cls, value: Any) -> Any:
        return {"address": value}


class ByName(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    count: int = Field(alias="theCount")


by_name = pytest.mark.skipif(
    "theCount" in ByName.model_json_schema()["properties"], reason="this Pydantic names aliases that it does not read"
)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Cat, "field 'kind' .* StrEnum"),
        (Cat | Dog, "field 'kind' .* StrEnum"),
        (Literal[Kind.CAT], "StrEnum"),
        (Home, "field 'city' is read from inside other fields"),
        (dict[str, Home], "field 'city'"),
        (dict[Literal[1, 2], str], "None of its keys can be text"),
    ],
    ids=str,
)
def test_types_that_no_answer_can_be_of_fail_at_once(kind: Any, named: str) -> None:
    """Pydantic has a schema for them, and reads no JSON that fits it."""
    with pytest.raises(TypeError, match=named):
        llm.format(kind)

    def tool(value: Any) -> None: ...

    tool.__annotations__["value"] = kind
    with pytest.raises(TypeError, match="value: "):
        _ = llm.tool(tool).parameters


class City(BaseModel):
    city: str = Field(validation_alias=AliasChoices(AliasPath("address", "city"), "city"))


class Kept(BaseModel):
    kind: SkipJsonSchema[Literal[Kind.CAT]] = Kind.CAT
    lives: int


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        pytest.param(ByName, {"count": 1}, ByName(count=1), marks=by_name),
        pytest.param(list[ByName], [{"count": 1}], [ByName(count=1)], marks=by_name),
        (City, {"city": "Oslo"}, City(city="Oslo")),  # pyright: ignore[reportCallIssue]
        (Lifted, {"city": "Oslo"}, Lifted(city="Oslo")),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        (Annotated[Literal[Kind.CAT], BeforeValidator(lambda given: Kind(given))], "cat", Kind.CAT),
        (Annotated[dict[Literal[1], int], BeforeValidator(lambda given: {1: given["1"]})], {"1": 2}, {1: 2}),
        (Kept, {"lives": 9}, Kept(lives=9)),
    ],
    ids=["by name", "by name in a list", "a choice", "lifted", "read by itself", "keys read", "left out"],
)
def test_what_schemas_say_is_what_is_read(kind: Any, answer: Any, value: Any) -> None:
    import json

    import jsonschema

    form = llm.format(kind, mode="strict")
    plain = answer if "output" not in form.schema["properties"] else {"output": answer}
    jsonschema.validate(plain, form.schema)
    assert form.parse(json.dumps(plain)) == value


def test_text_is_no_format() -> None:
    for make in (
        lambda: llm.format("name, age int"),  # type: ignore[arg-type]
        lambda: chat.get_model("gpt-4o").prompt("Hi", schema="name, age int"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"'name, age int'.*chat\.schema_dsl"):
            make()


def test_no_format() -> None:
    for kind in (None, type(None)):
        model = llm.scripted("Hi", repeat=True)
        for format in (kind, llm.format(kind, mode="json")):
            response = model.call("Hi", format=format)
            assert response.format is None
            assert response.parse() is None
        assert model.requests[0] == model.requests[1]


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
        ("I do not know.", "The response contains no JSON: 'I do not know.'"),
        ('{"title": "a",', "The JSON in the response is broken"),
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


class Filters(BaseModel):
    genre: str | None = None
    year: int = 0


class Answer(BaseModel):
    output: str


@pytest.mark.parametrize("mode", ["json", "strict"])
def test_envelopes_that_nobody_asked_for(mode: Any) -> None:
    """Of a type with defaults only, one could be read as an object that gives nothing."""
    read = llm.format(Filters, mode=mode).parse
    assert read('\n{ "output" : {"genre": "a", "year": 1}}') == Filters(genre="a", year=1)
    with pytest.raises(llm.ParseError, match="genre"):
        read('{"output": {"genre": 1}}')
    assert read('{"output": 1, "year": 3}') == Filters(year=3)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Answer | None, '{"output": "x"}', Answer(output="x")),
        (Answer | None, '{"output": {"output": "x"}}', Answer(output="x")),
        (Answer | None, '{"output": null}', None),
        (Annotated[Answer | int, "either"], '{"output": "x"}', Answer(output="x")),
        (dict[str, int], '{"output": 1}', {"output": 1}),
        (Answer, '{"output": "x"}', Answer(output="x")),
    ],
)
def test_what_only_looks_like_an_envelope(kind: Any, text: str, value: Any) -> None:
    for mode in ("json", "strict"):
        assert llm.format(kind, mode=mode).parse(text) == value
        stream = llm.scripted(text).stream("Hi", format=llm.format(kind, mode=mode))
        assert [*stream.structured_stream()][-1] == value


@pytest.mark.parametrize(("kind", "text"), [(Filters | None, '{"output": {"genre": 1}}'), (int, '{"output": "x"}')])
def test_envelopes_of_what_is_wrong(kind: Any, text: str) -> None:
    with pytest.raises(llm.ParseError, match=r"valid (string|integer)"):
        llm.format(kind).parse(text)


def test_deep_values_that_are_right() -> None:
    text = '{"children": [' * 60 + "]}" * 60
    assert llm.format(Tree, mode="strict").parse(text).children[0].children


@llm.output_parser(formatting_instructions="Words with commas.")
def words(response: llm.BaseResponse[Any]) -> list[str]:
    return response.text().split(",")


class Splitter:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    @llm.output_parser(formatting_instructions="Words.")
    def split(self, response: llm.BaseResponse[Any]) -> list[str]:
        return response.text().split(self.mark)

    @llm.output_parser(formatting_instructions="Words.")
    @classmethod
    def count(cls, response: llm.BaseResponse[Any]) -> tuple[str, int]:
        return cls.__name__, len(response.text())

    @llm.output_parser(formatting_instructions="Words.")
    @staticmethod
    def upper(response: llm.BaseResponse[Any]) -> str:
        return response.text().upper()


def test_parsers_and_their_responses_pickle() -> None:
    assert pickle.loads(pickle.dumps(words)) is words
    assert pickle.loads(pickle.dumps(Splitter.split)) is Splitter.split
    response = pickle.loads(pickle.dumps(llm.scripted("a,b").call("Hi", format=words)))
    assert response.parse() == ["a", "b"]
    bound = pickle.loads(pickle.dumps(Splitter("-").split))
    assert llm.scripted("a-b").call("Hi", format=bound).parse() == ["a", "b"]


def test_parsers_may_be_methods() -> None:
    def asked(parser: Any) -> Any:
        return llm.scripted("a,b").call("Hi", format=parser).parse()

    assert asked(Splitter(",").split) == ["a", "b"]
    assert asked(Splitter.count) == asked(Splitter(",").count) == ("Splitter", 3)
    assert asked(Splitter.upper) == asked(Splitter(",").upper) == "A,B"
    assert Splitter(",").split.formatting_instructions() == "Words."


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
            exchange.stream(*encode_events(parts, why))
        else:
            exchange.whole(encode_response(parts, why))

    server.answer = answer
    register(server)

    async def scenario() -> None:
        ask = colour.stream if streamed else colour.ask
        response = await colour.got(ask(llm.Model("test/x"), "Hi", format=int))
        if streamed:
            await colour.got(response.finish())
        for read in (lambda: response.validate(3), lambda: response.parse()):
            with pytest.raises(llm.ParseError, match="truncated at the token limit") as caught:
                await colour.got(read())
            assert caught.value.cut_off
            assert caught.value.text == text

    colour.run(scenario)
    assert len(server.received) == 1


class Node(BaseModel):
    n: int
    sub: list[Node] = []


@pytest.mark.parametrize(
    "prose",
    [
        """I strip quotes with the class ["'] first.""",
        'Dates in ["2024-01-01", "2024-02-01") count.',
        'Pattern: [^"]+ and ["{]',
        'Tags: ["sci-fi", "space"',
    ],
)
def test_brackets_of_prose_hide_no_json(prose: str) -> None:
    assert llm.format(dict[str, str], mode="json").parse(prose + '\n{"title": "Dune"}') == {"title": "Dune"}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1, "sub": [{"n": 2, "sub": []}',
        'Sure: {"n": 1, "sub": [{"n": 2, "sub": []}',
        '```json\n{"n": 1, "sub": [{"n": 2, "sub": []}',
        '```json\n{"n": 1, "sub": [{"n": 2, "sub": []}\n```',
        '[{"n": 1}, {"n": 2}',
        '{"n": 1 "sub": [{"n": 2}]}',
        '{"n": 1, // the first\n "sub": [{"n": 2}]}',
        '{"n": 1, "path": "C:\\dir", "sub": [{"n": 2}]}',
        '{"n": 1, "said": "two\nlines", "sub": [{"n": 2}]}',
        '{"note": "such as {\'n\': 2} or {}',
    ],
)
def test_nothing_inside_broken_json_is_taken(text: str) -> None:
    with pytest.raises(llm.ParseError, match="broken"):
        llm.format(Node).parse(text)
    with pytest.raises(llm.ParseError, match="broken"):
        llm.format(Filters).parse(text)
    stream = llm.scripted(text).stream("Hi", format=llm.format(Node))
    assert all(value.n != 2 for value in stream.structured_stream())


@pytest.mark.parametrize(
    "before",
    [
        "Sure {it is}",
        "In [0, 1) it is",
        "As [3, p. 5] says",
        'Of "{" and "}"',
        'Such as {"n": …}',
        'Such as {"n": 5, …}',
        'Of {"a", "b"}',
        "{",
    ],
)
def test_brackets_in_prose_before_the_json(before: str) -> None:
    assert llm.format(Node).parse(f'{before}: {{"n": 1}}') == Node(n=1)
