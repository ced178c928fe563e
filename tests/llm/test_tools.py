"""`@llm.tool` and toolkits: what the model is told of a function, and how its arguments come back."""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from mirascope_like import llm

from ..conftest import Colour


def call_with(tool: Any, args: str, ctx: llm.Context[Any] | None = None) -> Any:
    """What a function or tool gives for arguments as a model writes them."""
    made = tool if isinstance(tool, llm.Tool) else llm.tool(tool)
    output = made.execute(llm.ToolCall(id="1", name=made.name, args=args), ctx)
    return output.output


def properties(tool: Any) -> dict[str, Any]:
    return (tool if isinstance(tool, llm.Tool) else llm.tool(tool)).parameters["properties"]


# -- what the model is told -------------------------------------------------------------------------------------------


def google(city: str, days: int = 1) -> str:
    """Forecast the weather.

    For a few days.

    Args:
        city: Where it is asked for,
            by its English name.
        days (int): How many days.

    Returns:
        Some words.
    """
    return f"{city} {days}"


def numpy(city: str, days: int = 1) -> str:
    """Forecast the weather.

    For a few days.

    Parameters
    ----------
    city : str
        Where it is asked for,
        by its English name.
    days : int
        How many days.

    Returns
    -------
    str
        Some words.
    """
    return f"{city} {days}"


def rest(city: str, days: int = 1) -> str:
    """Forecast the weather.

    For a few days.

    :param city: Where it is asked for,
        by its English name.
    :param int days: How many days.
    :returns: Some words.
    """
    return f"{city} {days}"


def epydoc(city: str, days: int = 1) -> str:
    """Forecast the weather.

    For a few days.

    @param city: Where it is asked for,
        by its English name.
    @param days: How many days.
    @return: Some words.
    """
    return f"{city} {days}"


@pytest.mark.parametrize("fn", [google, numpy, rest, epydoc])
def test_docstrings_of_each_style(fn: Any) -> None:
    tool = llm.tool(fn)
    assert tool.name == fn.__name__
    assert tool.description == "Forecast the weather.\n\nFor a few days.\n\nReturns: Some words."
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where it is asked for, by its English name."},
            "days": {"type": "integer", "default": 1, "description": "How many days."},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_a_function_without_docs_is_described_by_its_name() -> None:
    def roll(): ...

    assert llm.tool(roll).description == "roll"
    assert llm.tool(roll).parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_docstring_without_parameters_is_said_whole() -> None:
    def roll() -> None:
        """Roll a die.

        Example: roll() gives 4.
        """

    assert llm.tool(roll).description == "Roll a die.\n\nExample: roll() gives 4."


def test_a_docstring_of_parameters_alone() -> None:
    def roll(sides: int, times: int) -> None:
        """Args:
        sides: How many it has.
        times: How often.
        """

    def toss(coin: str) -> None:
        """Args:
            coin: Which.

        Returns:
            A side.
        """

    assert [schema["description"] for schema in properties(roll).values()] == ["How many it has.", "How often."]
    assert llm.tool(roll).description == "roll"
    assert properties(toss)["coin"]["description"] == "Which."


def test_docs_that_nobody_wrote_are_not_told() -> None:
    class Ping(BaseModel):
        host: str

    class Documented(BaseModel):
        """Ours."""

    descriptions = [llm.tool(fn).description for fn in (Ping, Documented, Doubler(), AsyncDoubler(), Tripler())]
    assert descriptions == ["Ping", "Ours.", "Double a number.", "AsyncDoubler", "Triples."]


def test_field_metadata_is_kept() -> None:
    def book(
        seats: Annotated[int, Field(ge=1, le=8, description="How many.")],
        code: Annotated[str, Field(pattern="^[A-Z]+$", examples=["ABC"])],
        note: Annotated[str, Field(title="A note", max_length=20)] = "",
    ) -> None:
        """Book.

        Args:
            seats: Said better above.
            code: Of the show.
        """

    assert properties(book) == {
        "seats": {"type": "integer", "minimum": 1, "maximum": 8, "description": "How many."},
        "code": {"type": "string", "pattern": "^[A-Z]+$", "examples": ["ABC"], "description": "Of the show."},
        "note": {"type": "string", "title": "A note", "maxLength": 20, "default": ""},
    }
    with pytest.raises(llm.ToolExecutionError, match="less than or equal to 8"):
        call_with(book, '{"seats": 9, "code": "A"}')


def test_defaults_in_field() -> None:
    def find(limit: Annotated[int, Field(default=5)], tags: Annotated[list[str], Field(default_factory=list)]) -> Any:
        return limit, tags

    tool = llm.tool(find)
    assert "required" not in tool.parameters
    assert call_with(tool, '{"limit": 2, "tags": ["a"]}') == (2, ["a"])
    assert call_with(tool, "{}") == (5, [])


def test_a_field_as_the_default() -> None:
    def find(limit: int = Field(5, description="How many."), tags: list[str] = Field(default_factory=list)) -> Any:  # noqa: B008
        return limit, tags

    assert "required" not in llm.tool(find).parameters
    assert properties(find)["limit"] == {"type": "integer", "default": 5, "description": "How many."}
    assert call_with(find, '{"tags": ["a"]}') == (5, ["a"])
    assert call_with(find, "{}") == (5, [])


def test_name_description_and_strictness_can_be_given() -> None:
    @llm.tool(name="look_up", description="Looks up.", strict=True)
    def f(term: str, exact: bool = False) -> None: ...

    assert (f.name, f.description, f.strict) == ("look_up", "Looks up.", True)
    assert f.__name__ == "f"
    assert f.wire_parameters["required"] == ["term", "exact"]
    assert f.parameters["required"] == ["term"]


def test_parameters_may_have_any_name() -> None:
    def odd(schema: int, model_config: int, _private: int, json: int, self_: int) -> Any:
        return schema, model_config, _private, json, self_

    args = '{"schema": 1, "model_config": 2, "_private": 3, "json": 4, "self_": 5}'
    assert call_with(odd, args) == (1, 2, 3, 4, 5)


def test_unannotated_parameters_take_anything() -> None:
    def anything(value):
        return value

    assert properties(anything) == {"value": {}}
    assert call_with(anything, '{"value": {"a": [1]}}') == {"a": [1]}


def test_what_cannot_be_described_is_a_clear_error() -> None:
    def odd(value: threading_local) -> None: ...  # noqa: F821

    def opaque(value: inspect.Signature) -> None: ...

    def later(seconds: int, then: Callable[[int], int]) -> None: ...

    with pytest.raises(TypeError, match="'odd' has a parameter that cannot be described"):
        _ = llm.tool(odd).parameters
    with pytest.raises(TypeError, match=r"'opaque' has a parameter that cannot be described to a model: value: "):
        _ = llm.tool(opaque).parameters
    with pytest.raises(TypeError, match=r"'later' has a parameter that cannot be described to a model: then: "):
        _ = llm.tool(later).parameters


def test_types_of_the_scope_around_are_found() -> None:
    class Local(BaseModel):
        n: int

    def use(value: Local) -> Unheard:  # noqa: F821
        assert isinstance(value, Local)
        return value.n

    assert call_with(use, '{"value": {"n": 3}}') == 3


# -- what the function gets -------------------------------------------------------------------------------------------


class Colours(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict):
    x: int
    y: int


@dataclass
class Box:
    corner: Point
    filled: bool = False


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, '"3"', 3),
        (float, "3", 3.0),
        (bool, "true", True),
        (Colours, '"blue"', Colours.BLUE),
        (Literal["up", "down"], '"up"', "up"),
        (date, '"2024-02-29"', date(2024, 2, 29)),
        (datetime, '"2024-02-29T12:00:00"', datetime(2024, 2, 29, 12)),
        (int | str, '"x"', "x"),
        (str | None, "null", None),
        (list[Colours], '["red"]', [Colours.RED]),
        (set[int], "[1, 1]", {1}),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (dict[str, date], '{"a": "2024-01-01"}', {"a": date(2024, 1, 1)}),
        (Point, '{"x": 1, "y": "2"}', {"x": 1, "y": 2}),
        (Box, '{"corner": {"x": 1, "y": 2}}', Box({"x": 1, "y": 2})),
        (Tree, '{"name": "a", "children": [{"name": "b"}]}', Tree(name="a", children=[Tree(name="b")])),
        (list[Tree] | None, '[{"name": "a"}]', [Tree(name="a")]),
        (bytes, '"abc"', b"abc"),
    ],
    ids=str,
)
def test_arguments_are_converted(kind: Any, text: str, value: object) -> None:
    def take(value):
        return value

    take.__annotations__["value"] = kind
    got = call_with(take, f'{{"value": {text}}}')
    assert got == value
    assert type(got) is type(value)


def test_wrong_members_are_named() -> None:
    def plant(tree: Tree) -> None: ...

    with pytest.raises(llm.ToolExecutionError, match=r"tree\.children\.0\.name: Field required"):
        call_with(plant, '{"tree": {"name": "a", "children": [{}]}}')


def test_recursive_models_are_described() -> None:
    def plant(tree: Tree) -> None: ...

    definition = llm.tool(plant).parameters["$defs"]["Tree"]
    assert definition["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_what_is_left_out_is_left_to_the_function() -> None:
    nothing = object()

    def find(term: str, limit: Any = nothing) -> bool:
        return limit is nothing

    assert call_with(find, '{"term": "a"}') is True


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_blank_arguments_are_none(text: str) -> None:
    assert call_with(lambda_like, text) == "called"


def lambda_like() -> str:
    return "called"


def test_positional_only_parameters() -> None:
    def between(low: int = 1, high: int = 2, /, *, step: int = 3) -> Any:
        return low, high, step

    assert call_with(between, '{"high": 5, "step": 6}') == (1, 5, 6)


# -- of what tools are made -------------------------------------------------------------------------------------------


class Library:
    def __init__(self, name: str) -> None:
        self.name = name

    @llm.tool
    def find(self, title: str) -> str:
        """Find a book."""
        return f"{title} in {self.name}"

    @llm.tool
    async def find_async(self, title: str) -> str:
        """Find a book."""
        return f"{title} in {self.name}"

    @llm.tool
    @classmethod
    def kind(cls, word: str) -> str:
        return f"{word} {cls.__name__}"

    @llm.tool
    @staticmethod
    def shout(word: str) -> str:
        return word.upper()

    def plain(self, n: int) -> int:
        return n + 1


class Doubler:
    """Doubles."""

    def __call__(self, n: int) -> int:
        """Double a number."""
        return n * 2


class Tripler:
    """Triples."""

    def __call__(self, n: int) -> int:
        return n * 3


class AsyncDoubler:
    async def __call__(self, n: int) -> int:
        return n * 2


def power(base: int, exponent: int) -> int:
    return base**exponent


def test_methods_callable_objects_and_partials_are_tools(colour: Colour) -> None:
    library = Library("Alexandria")
    tools = [
        *(library.find, library.find_async, library.kind, library.shout, library.plain),
        *(Doubler(), AsyncDoubler(), functools.partial(power, exponent=2)),
    ]
    asked = {
        "find": ('{"title": "Iliad"}', "Iliad in Alexandria"),
        "find_async": ('{"title": "Iliad"}', "Iliad in Alexandria"),
        "kind": ('{"word": "a"}', "a Library"),
        "shout": ('{"word": "a"}', "A"),
        "plain": ('{"n": 1}', 2),
        "Doubler": ('{"n": 2}', 4),
        "AsyncDoubler": ('{"n": 3}', 6),
        "power": ('{"base": 3}', 9),
    }
    calls = [llm.ToolCall(id=name, name=name, args=args) for name, (args, _) in asked.items()]

    async def scenario() -> list[object]:
        response = await colour.got(colour.ask(llm.scripted(calls), "Hi", tools=tools))
        return [output.output for output in await colour.got(response.execute_tools())]

    assert colour.run(scenario) == [result for _, result in asked.values()]


def test_outside_of_a_class_no_name_is_special() -> None:
    def enrol(cls: str, self: int) -> Any:
        return cls, self

    def greet(self: llm.Context[str], name: str) -> str:
        return f"{self.deps} {name}"

    assert list(properties(enrol)) == ["cls", "self"]
    assert call_with(enrol, '{"cls": "1b", "self": 2}') == ("1b", 2)
    assert list(properties(greet)) == ["name"]
    assert call_with(greet, '{"name": "Ann"}', llm.Context(deps="Hello")) == "Hello Ann"


def found_later(self, ctx: llm.Context[str], title: str) -> str:  # type: ignore[no-untyped-def]
    return f"{ctx.deps} {title} in {self.place}"


class Museum:
    place = "Cairo"
    find = llm.tool(found_later)
    ask = llm.call(llm.scripted("It is here.", repeat=True))(found_later)

    @llm.tool
    @staticmethod
    def grade(cls: str, marks: list[int]) -> str:
        return f"{cls} {sum(marks)}"

    @llm.tool
    @staticmethod
    async def visit(self: llm.Context[int], day: int) -> int:
        return self.deps + day


def test_a_function_may_become_a_method_later() -> None:
    ctx = llm.Context(deps="old")
    for find in (Museum.find, Museum().find):
        assert isinstance(find, llm.ContextTool)
        assert list(properties(find)) == ["title"]
    assert call_with(Museum().find, '{"title": "map"}', ctx) == "old map in Cairo"
    assert isinstance(Museum().ask(ctx, "map"), llm.ContextResponse)


def test_a_static_method_is_bound_to_nothing() -> None:
    for grade in (Museum.grade, Museum().grade):
        assert list(properties(grade)) == ["cls", "marks"]
        assert call_with(grade, '{"cls": "1b", "marks": [1, 2]}') == "1b 3"
    assert isinstance(Museum.visit, llm.AsyncContextTool)
    assert list(Museum.visit.parameters["properties"]) == ["day"]
    assert asyncio.run(Museum().visit(llm.Context(deps=1), day=2)) == 3


def test_a_tool_is_still_its_function() -> None:
    @llm.tool
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add(1) == 2
    assert add.__name__ == "add"
    assert add.__doc__ == "Add."
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert not inspect.iscoroutinefunction(add)
    assert inspect.iscoroutinefunction(Library.find_async)
    assert inspect.iscoroutinefunction(Library("x").find_async)
    assert repr(add) == "<Tool add>"


def test_a_bound_tool_keeps_what_was_given() -> None:
    class Shop:
        @llm.tool(description="Buys.", name="buy_it")
        def buy(self, thing: str) -> str:
            return thing

    assert (Shop().buy.name, Shop().buy.description) == ("buy_it", "Buys.")
    assert list(Shop().buy.parameters["properties"]) == ["thing"]


def test_kinds_of_tools() -> None:
    def plain() -> None: ...
    async def native() -> None: ...
    def with_context(ctx: llm.Context[int]) -> None: ...
    async def both(ctx: llm.Context[int]) -> None: ...

    kinds = [type(llm.tool(fn)) for fn in (plain, native, with_context, both)]
    assert kinds == [llm.Tool, llm.AsyncTool, llm.ContextTool, llm.AsyncContextTool]


def test_a_tool_of_a_schema() -> None:
    def send(**arguments: Any) -> Any:
        return arguments

    schema = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    tool = llm.Tool(send, name="send_mail", description="Sends.", parameters=schema)
    assert tool.parameters == schema
    assert call_with(tool, '{"to": "me"}') == {"to": "me"}
    with pytest.raises(llm.ToolExecutionError, match="JSON object"):
        call_with(tool, "[]")


def test_a_tool_schema_by_hand() -> None:
    given: dict[str, Any] = {"$defs": {"Id": {"type": "integer"}}}
    schema = llm.ToolParameterSchema({"to": {"$ref": "#/$defs/Id"}}, ["to"], **given)
    properties = {"to": {"$ref": "#/$defs/Id"}}
    assert schema == {
        "type": "object",
        "properties": properties,
        "required": ["to"],
        "additionalProperties": False,
        **given,
    }
    tool = llm.Tool(lambda to: to, name="send_mail", description="Sends.", parameters=schema)
    assert tool.parameters == schema
    assert call_with(tool, '{"to": 1}') == 1


def test_the_context_may_come_first() -> None:
    @llm.tool
    def add(ctx: llm.Context[int], n: int) -> int:
        return ctx.deps + n

    @llm.tool
    async def add_async(ctx: llm.Context[int], n: int) -> int:
        return ctx.deps + n

    ctx, call = llm.Context(deps=1), llm.ToolCall(id="7", name="add", args='{"n": 1}')
    expected = llm.ToolOutput(id="7", name="add", result=2)
    kit = llm.Toolkit([add])
    assert [add.execute(call, ctx), add.execute(ctx, call), add.execute(call, context=ctx)] == [expected] * 3
    assert [kit.execute(call, ctx), kit.execute(ctx, call)] == [expected] * 2
    assert asyncio.run(add_async.execute(ctx, call)).result == 2
    missing = kit.execute(ctx, llm.ToolCall(id="7", name="take", args="{}"))
    assert isinstance(missing.error, llm.ToolNotFoundError)


def test_a_tool_of_a_class_itself() -> None:
    class Museum:
        @llm.tool
        def visit(self, room: int) -> int:
            return room

    assert Museum.visit is Museum.__dict__["visit"]
    assert Museum().visit(room=2) == 2


def test_execute_gives_an_output() -> None:
    @llm.tool
    async def slow(n: int) -> int:
        return n

    call = llm.ToolCall(id="7", name="slow", args='{"n": 1}')
    coroutine = slow.execute(call)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == llm.ToolOutput(id="7", name="slow", result=1)
    assert slow.can_execute(call)


# -- kits -------------------------------------------------------------------------------------------------------------


def test_two_tools_of_one_name_are_an_error() -> None:
    with pytest.raises(ValueError, match="Two tools are named 'google'"):
        llm.call("a/b", tools=[google, llm.tool(google)])


def test_a_lambda_is_an_error_unless_it_is_named() -> None:
    with pytest.raises(ValueError, match="lambda"):
        llm.call("a/b", tools=[lambda: 1])
    assert llm.tool(name="one")(lambda: 1).name == "one"


def größe() -> int:
    return 1


@pytest.mark.parametrize("name", ["bad näme", "größe", "a.b", "x" * 65, "line\n"])
def test_a_name_that_providers_do_not_take_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be named .* llm\.tool\(name="):
        llm.tool(name=name)(google)
    assert llm.tool(name="x" * 64)(google).name == "x" * 64


def test_a_function_without_such_a_name_is_given_one() -> None:
    for make in (llm.tool, lambda fn: llm.call("a/b", tools=[fn])):
        with pytest.raises(ValueError, match="cannot be named 'größe'"):
            make(größe)
    assert llm.tool(name="size")(größe).name == "size"


@pytest.mark.parametrize("tools", [google, llm.tool(google), [1], "google"])
def test_what_is_no_list_of_tools_is_an_error(tools: Any) -> None:
    with pytest.raises(TypeError):
        llm.call("a/b", tools=tools)


def test_a_toolkit() -> None:
    kit = llm.Toolkit([google, llm.WebSearchTool()])
    assert [tool.name for tool in kit] == ["google", "web_search"]
    assert len(kit) == 2
    assert kit.get(llm.ToolCall(id="1", name="google", args="{}")) is kit.tools_dict["google"]
    with pytest.raises(llm.ToolNotFoundError):
        kit.get(llm.ToolCall(id="1", name="bing", args="{}"))
    assert kit.execute(llm.ToolCall(id="1", name="google", args='{"city": "Oslo"}')).output == "Oslo 1"
    assert kit.execute(llm.ToolCall(id="1", name="bing", args="{}")).error == llm.ToolNotFoundError(
        "bing", known=("google",)
    )
