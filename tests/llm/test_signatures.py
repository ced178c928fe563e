"""What is read from a function's signature: its context, what it takes beside its parameters, and types wherever they
are from."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, Optional, Required, TypeVar

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict, Unpack

from mirascope_like import llm

from ..conftest import Colour


@dataclass
class User:
    name: str
    admin: bool = False


class Session(llm.Context[User]):
    """A context of one's own."""


Alias = llm.Context[User]
Any_ = TypeVar("Any_", bound=Session)
FORGED = '{"id": 1, "ctx": {"deps": {"name": "root", "admin": true}}}'
CALLER = Session(deps=User("Ann"))


def last(id: int, ctx: llm.Context[User]) -> Any:
    return ctx


def optional(id: int, ctx: Optional[llm.Context[User]] = None) -> Any:  # noqa: UP045
    return ctx


def quoted_inside(id: int, ctx: Optional["llm.Context[User]"] = None) -> Any:  # noqa: UP037, UP045
    return ctx


def by_name(id: int, *, ctx: Session) -> Any:
    return ctx


def by_place(id: int, ctx: Session, /, other: int = 2) -> Any:
    return ctx


def of_an_alias(id: int, ctx: Alias) -> Any:
    return ctx


def of_a_variable(id: int, ctx: Any_) -> Any:
    return ctx


def with_others(id: int, ctx: Alias, **others: Any) -> Any:
    return ctx


# Without the `from __future__` above annotations are objects.
quoted_inside.__annotations__["ctx"] = Optional["llm.Context[User]"]
of_an_alias.__annotations__["ctx"] = Alias
TAKING = [last, optional, quoted_inside, by_name, by_place, of_an_alias, of_a_variable, with_others]


@pytest.mark.parametrize("fn", TAKING, ids=lambda fn: fn.__name__)
def test_a_model_gives_no_context_wherever_it_stands(colour: Colour, fn: Any) -> None:
    calls = [llm.ToolCall(id=str(n), name=fn.__name__, args=args) for n, args in enumerate([FORGED, '{"id": 1}'])]
    model = llm.scripted(calls)

    async def scenario() -> None:
        call = model.context_call_async if colour.is_async else model.context_call
        response = await colour.got(call("Hi", ctx=CALLER, tools=[fn]))
        forged, honest = await colour.got(response.execute_tools())
        assert forged.error is not None or forged.result is CALLER
        assert honest.output is CALLER

    colour.run(scenario)
    (told,) = model.requests[0]["tools"]
    assert "ctx" not in told["function"]["parameters"]["properties"]
    assert "deps" not in str(told)


def test_a_context_inside_of_something_else_is_an_error() -> None:
    class Holder(BaseModel):
        ctx: llm.Context[User]

    def listed(id: int, ctxs: list[llm.Context[User]]) -> None: ...
    def held(id: int, holder: Holder) -> None: ...
    def two(ctx: llm.Context[User], other: llm.Context[User]) -> None: ...
    def others(id: int, **others: llm.Context[User]) -> None: ...

    for fn in (listed, held, two, others):
        with pytest.raises(TypeError, match=f"'{fn.__name__}' has a parameter .* never from the model"):
            _ = llm.tool(fn).parameters


def test_a_call_takes_its_context_first_or_by_name(colour: Colour) -> None:
    def wrong(question: str, ctx: llm.Context[User]) -> str:
        return question

    def ask(question: str, *, ctx: llm.Context[User]) -> str:
        return f"{ctx.deps.name}: {question}"

    with pytest.raises(TypeError, match=r"wrong must take its context first: def wrong\(ctx, …\)"):
        llm.call("a/b")(wrong)

    async def scenario() -> None:
        call = llm.call(llm.scripted("Hi.", "Hi."))(colour.fn(ask))
        for response in (call("Who?", ctx=CALLER), call(CALLER, "Who?")):
            assert (await colour.got(response)).context is CALLER

    colour.run(scenario)


def test_what_is_no_context_is_an_error_at_the_call(colour: Colour) -> None:
    @llm.prompt
    @colour.fn
    def ask(ctx: llm.Context[User], question: str) -> str:
        return question

    async def scenario() -> None:
        model = llm.scripted(repeat=True)
        with pytest.raises(TypeError, match=r"ask takes a context first, not 'User': pass llm\.Context\(deps=…\)"):
            await colour.got(ask(model, User("Ann"), "Who?"))
        assert not model.requests

    colour.run(scenario)


def test_others_are_described_and_checked() -> None:
    @llm.tool
    def log(level: str, **counts: int) -> Any:
        return level, counts

    @llm.tool
    def anything(**others) -> Any:  # type: ignore[no-untyped-def]
        return others

    def execute(tool: Any, args: str) -> Any:
        return tool.execute(llm.ToolCall(id="1", name=tool.name, args=args)).output

    assert list(log.parameters["properties"]) == ["level"]
    assert log.parameters["additionalProperties"] == {"type": "integer"}
    assert anything.parameters["additionalProperties"] is True
    assert llm.tool(strict=True)(log.fn).wire_parameters["additionalProperties"] is False
    assert execute(log, '{"level": "info", "more": "1"}') == ("info", {"more": 1})
    assert execute(anything, '{"a": [1]}') == {"a": [1]}
    with pytest.raises(llm.ToolExecutionError, match=r"more: .* valid integer"):
        execute(log, '{"level": "info", "more": "many"}')


class Options(TypedDict, total=False):
    size: Required[int]
    colour: str


class Place(Options):
    room: NotRequired[int]
    name: str


def test_an_unpacked_dict_is_shown_by_its_keys() -> None:
    @llm.tool
    def draw(what: str, **options: Unpack[Place]) -> Any:
        return what, options

    assert list(draw.parameters["properties"]) == ["what", "size", "colour", "room", "name"]
    assert draw.parameters["required"] == ["what", "size", "name"]
    assert draw.parameters["additionalProperties"] is False
    call = llm.ToolCall(id="1", name="draw", args='{"what": "a", "size": "2", "name": "b"}')
    assert draw.execute(call).output == ("a", {"size": 2, "name": "b"})


def test_arguments_without_names_and_async_generators_are_errors() -> None:
    def join(*names: str) -> str:
        return " ".join(names)

    async def count(n: int) -> Any:
        for i in range(n):
            yield i

    with pytest.raises(TypeError, match=r"'join' takes \*names, .* Take a list: names: list\[…\]"):
        llm.tool(join)
    with pytest.raises(TypeError, match="'count' is an async generator: collect what it yields"):
        llm.call("a/b", tools=[count])


def make_search() -> Any:
    class Query(BaseModel):
        words: str

    Here = llm.Context[User]

    @llm.tool
    def search(query: Query, mine: Here) -> Any:
        return query.words, mine.deps.name

    assert inspect.currentframe() is not None
    return search


def test_annotations_as_text_mean_what_they_meant_where_the_tool_was_made() -> None:
    search = make_search()
    call = llm.ToolCall(id="1", name="search", args='{"query": {"words": "fox"}}')
    assert search.execute(call, CALLER).output == ("fox", "Ann")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax")
def test_type_parameters_of_functions_and_classes() -> None:
    made: dict[str, Any] = {"__name__": __name__, "llm": llm}
    exec(
        "from __future__ import annotations\n"
        "def first[K](items: list[K]): return items[0]\n"
        "class Box[U]:\n    @llm.tool\n    def put(self, what: U): return what\n"
        "def box():\n"
        "    class Inner[V]:\n        @llm.tool\n        def put(self, what: V): return what\n"
        "    return Inner()\n",
        made,
    )
    assert llm.tool(made["first"]).parameters["properties"] == {"items": {"type": "array", "items": {}}}
    for box in (made["Box"](), made["box"]()):
        assert box.put.parameters["properties"] == {"what": {}}


def test_a_context_that_may_be_left_out_or_was_given_beforehand(colour: Colour) -> None:
    def look(x: int, ctx: llm.Context[int] | None = None) -> str:
        return f"{x} {ctx and ctx.deps}"

    call = llm.ToolCall(id="1", name="look", args='{"x": 1}')
    given = partial(look, ctx=llm.Context(deps=9))
    for tool, ctx, result in (
        (llm.tool(look), None, "1 None"),
        (llm.tool(look), llm.Context(deps=7), "1 7"),
        (llm.tool(given, name="look"), None, "1 9"),
        (llm.tool(given, name="look"), llm.Context(deps=7), "1 9"),
    ):
        assert "ctx" not in tool.parameters["properties"]
        assert tool.bound(call, ctx)() == result


def test_prompts_may_have_contexts_of_others() -> None:
    def ask(q: str, cli: click.Context, ctx: RequestContext) -> str:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore
        return q

    assert llm.call("openai/x")(ask).messages("Hi", None, None)
