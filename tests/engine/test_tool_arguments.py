"""What a model can set: the arguments that a tool's schema shows it, and no others. In both APIs, over real sockets."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict, Unpack

from mirascope_like import chat, llm
from mirascope_like.chat.models import registry

from ..conftest import Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server

EVIL = "EVIL"
UNKNOWN = "Extra inputs are not permitted"
TO: dict[str, Any] = {"type": "object", "properties": {"to": {"type": "string"}}}


class Caller:
    """Has a model call a tool with some arguments, and gives what the tool returned or the model is told."""

    def __init__(self, colour: Colour, api: str, server: Server) -> None:
        self._colour = colour
        self._api = api
        self._server = server
        register(server)

    def __call__(self, tool: Any, context: llm.Context[Any] | None = None, /, **arguments: Any) -> Any:
        return self.with_text(tool, json.dumps(arguments), context)

    def with_text(self, tool: Any, text: str, context: llm.Context[Any] | None = None) -> Any:
        """The same, with the JSON text of the arguments."""
        name = getattr(tool, "name", None) or getattr(getattr(tool, "func", tool), "__name__", type(tool).__name__)
        self._server.answer = saying([llm.ToolCall(id="1", name=name, args=text)])
        return self._colour.run(functools.partial(self._llm if self._api == "llm" else self._chat, tool, context))

    @property
    def shown(self) -> set[str]:
        """The names in the schema that the model was sent last."""
        return set(self._server.received[-1].json["tools"][0]["function"]["parameters"]["properties"])

    async def _llm(self, tool: Any, context: Any) -> Any:
        model = llm.Model("test/model")
        names = ("call", "context_call")
        ask, ask_with = (getattr(model, f"{name}_async" if self._colour.is_async else name) for name in names)
        asked = ask("Hi", tools=[tool]) if context is None else ask_with("Hi", tools=[tool], ctx=context)
        response = await self._colour.got(asked)
        (output,) = await self._colour.got(response.execute_tools())
        return to_jsonable_python(output.result)

    async def _chat(self, tool: Any, context: Any) -> Any:
        given = chat.Tool.function(tool) if isinstance(tool, llm.Tool) else tool
        get = chat.get_async_model if self._colour.is_async else chat.get_model
        response: Any = get("test/model").prompt("Hi", tools=[given], context=context)
        (result,) = await self._colour.got(response.execute_tool_calls())
        try:
            return json.loads(result.output)
        except ValueError:
            return result.output


@pytest.fixture(params=["llm", "chat"])
def call(colour: Colour, request: pytest.FixtureRequest, server: Server) -> Iterator[Caller]:
    yield Caller(colour, request.param, server)
    registry.reset()


def send(to: str, user: str = "nobody") -> dict[str, Any]:
    return {"to": to, "user": user}


def send_any(to: str, **rest: Any) -> dict[str, Any]:
    return {"to": to, **rest}


class Mail:
    """Ways to bind an argument in a class."""

    def send(self, to: str, user: str = "nobody") -> dict[str, Any]:
        return {"to": to, "user": user}

    def send_any(self, to: str, **rest: Any) -> dict[str, Any]:
        return {"to": to, **rest}

    @classmethod
    def of_class(cls, to: str, **rest: Any) -> dict[str, Any]:
        return {"to": to, **rest}

    as_ours = functools.partialmethod(send, user="ours")
    twice = functools.partialmethod(functools.partial(send), user="ours")
    __call__ = functools.partialmethod(send, user="ours")


@functools.wraps(functools.partial(send, user="ours"))
def wrapping(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return functools.partial(send, user="ours")(*args, **kwargs)


wrapping.__name__ = "wrapping"

# -- bound arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(functools.partial(send, user="ours"), id="partial"),
        pytest.param(functools.partial(functools.partial(send, user="ours")), id="partial of a partial"),
        pytest.param(functools.partial(send_any, user="ours"), id="partial with extras"),
        pytest.param(functools.partial(Mail().send, user="ours"), id="partial of a method"),
        pytest.param(llm.Tool(Mail().as_ours, name="send"), id="partialmethod"),
        pytest.param(llm.Tool(Mail().twice, name="send"), id="partialmethod of a partial"),
        pytest.param(Mail(), id="callable object"),
        pytest.param(wrapping, id="wrapper"),
    ],
)
def test_a_bound_keyword_is_not_the_model_s(call: Caller, tool: Any) -> None:
    assert call(tool, to="me") == {"to": "me", "user": "ours"}
    assert call.shown == {"to"}
    assert f"- user: {UNKNOWN}" in call(tool, to="me", user=EVIL)


def test_a_bound_positional_argument_is_not_the_model_s(call: Caller) -> None:
    assert call(functools.partial(send_any, "me"), cc="you") == {"to": "me", "cc": "you"}
    assert call.shown == set()
    assert f"- to: {UNKNOWN}" in call(functools.partial(send_any, "me"), to=EVIL)


# -- hidden names in extras -------------------------------------------------------------------------------------------


def context_last(to: str, ctx: llm.Context[str] | None = None, **rest: Any) -> Any:
    return [to, ctx and ctx.deps, rest]


def context_first(ctx: llm.Context[str], to: str, **rest: Any) -> Any:
    return [to, ctx.deps, rest]


def context_by_place(ctx: llm.Context[str], /, to: str, **rest: Any) -> Any:
    return [to, ctx.deps, rest]


def context_by_name(to: str, *, ctx: llm.Context[str] | None = None, **rest: Any) -> Any:
    return [to, ctx and ctx.deps, rest]


@pytest.mark.parametrize("tool", [context_last, context_first, context_by_place, context_by_name])
def test_a_context_is_not_the_model_s(call: Caller, tool: Any) -> None:
    ours = llm.Context(deps="ours")
    assert call(tool, ours, to="me", cc="you") == ["me", "ours", {"cc": "you"}]
    assert f"- ctx: {UNKNOWN}" in call(tool, ours, to="me", ctx=EVIL)


@pytest.mark.parametrize("tool", [context_last, context_by_name])
def test_a_context_that_nobody_gave_is_not_the_model_s(call: Caller, tool: Any) -> None:
    assert call(tool, to="me") == ["me", None, {}]
    assert f"- ctx: {UNKNOWN}" in call(tool, to="me", ctx=EVIL)


def test_a_context_that_was_bound(call: Caller) -> None:
    tool = functools.partial(context_by_name, ctx=llm.Context(deps="bound"))
    assert call(tool, llm.Context(deps="the call's"), to="me") == ["me", "bound", {}]
    assert f"- ctx: {UNKNOWN}" in call(tool, to="me", ctx=EVIL)


@pytest.mark.parametrize(("tool", "name"), [(Mail().send_any, "self"), (Mail.of_class, "cls")], ids=["self", "cls"])
def test_the_object_of_a_method_is_not_the_model_s(call: Caller, tool: Any, name: str) -> None:
    assert call(tool, to="me", cc="you") == {"to": "me", "cc": "you"}
    assert f"- {name}: {UNKNOWN}" in call(tool, to="me", **{name: EVIL})


def test_what_a_wrapper_adds_is_not_the_model_s(call: Caller) -> None:
    @functools.wraps(send_any)
    def signed(*args: Any, user: str = "ours", **kwargs: Any) -> dict[str, Any]:
        return {"user": user, **send_any(*args, **kwargs)}

    assert call(llm.Tool(signed, name="signed"), to="me", cc="you") == {"user": "ours", "to": "me", "cc": "you"}
    assert f"- user: {UNKNOWN}" in call(llm.Tool(signed, name="signed"), to="me", user=EVIL)


def test_calls_as_tools(call: Caller) -> None:
    @llm.call(llm.scripted(lambda body: body["messages"][0]["content"], repeat=True))
    def ask(to: str, ctx: llm.Context[str] | None = None, **rest: Any) -> str:
        return f"{to} {rest}"

    assert "me {'cc': 'you'}" in str(call(llm.tool(ask), to="me", cc="you"))
    assert f"- ctx: {UNKNOWN}" in str(call(llm.tool(ask), to="me", ctx=EVIL))


def test_the_call_that_a_tool_of_chat_may_ask_for(colour: Colour, server: Server) -> None:
    call = Caller(colour, "chat", server)

    class Keys(TypedDict, total=False):
        cc: str
        llm_tool_call: str

    def closed(to: str, **rest: Unpack[Keys]) -> dict[str, Any]:
        return {"to": to, **rest}

    for tool in (send_any, closed):
        assert call(tool, to="me", cc="you") == {"to": "me", "cc": "you"}
        assert f"- llm_tool_call: {UNKNOWN}" in call(tool, to="me", llm_tool_call=EVIL)


def test_methods_of_a_toolbox(colour: Colour, server: Server) -> None:
    call = Caller(colour, "chat", server)

    class Box(chat.Toolbox):
        def keep(self, to: str, **rest: Any) -> dict[str, Any]:
            return {"to": to, **rest}

    def also(box: Box, to: str, **rest: Any) -> dict[str, Any]:
        return {"to": to, **rest}

    box = Box()
    box.add_tool(also, pass_self=True)
    for tool, hidden in zip(box.tools(), ("self", "box"), strict=True):
        assert call(tool, to="me", cc="you") == {"to": "me", "cc": "you"}
        assert f"- {hidden}: {UNKNOWN}" in call(tool, to="me", **{hidden: EVIL})


# -- fields that the schema does not show -----------------------------------------------------------------------------


class Order(BaseModel):
    item: str
    user: SkipJsonSchema[str] = "ours"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    item: str


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    item: str
    user: SkipJsonSchema[str] = "ours"


class OpenOrder(BaseModel):
    """An order."""

    model_config = ConfigDict(extra="allow")
    item: str
    user: SkipJsonSchema[str] = "ours"
    admin: SkipJsonSchema[str] = Field("ours", validation_alias=AliasChoices("adm", "is_admin"))


class OpenRow(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    item: str
    user: SkipJsonSchema[str]


@dataclass
class OpenPlace:
    __pydantic_config__ = ConfigDict(extra="allow")
    city: str
    user: SkipJsonSchema[str] = "ours"


class Person(BaseModel):
    kind: Literal["person"] = "person"
    user: SkipJsonSchema[str] = "ours"


class Robot(BaseModel):
    kind: Literal["robot"]
    user: str


class Guest(BaseModel):
    name: str
    user: SkipJsonSchema[str] = "ours"


class Host(BaseModel):
    host: str
    user: str


def opened(orders: list[OpenOrder]) -> Any:
    return [[order.user, order.admin, order.model_extra] for order in orders]


def row(order: OpenRow) -> Any:
    return order


def place(places: dict[str, OpenPlace]) -> list[str]:
    return [each.user for each in places.values()]


def who(who: Person | Robot) -> str:
    return who.user


def told_apart(who: Annotated[Person | Robot, Field(discriminator="kind")]) -> str:
    return who.user


def unmarked(who: list[Host | Guest]) -> list[str]:
    return [each.user for each in who]


def one(order: Order) -> str:
    return order.user


def several(orders: list[Order | int]) -> list[str]:
    return [order if isinstance(order, int) else order.user for order in orders]  # type: ignore[misc]


def named(orders: dict[str, Order]) -> list[str]:
    return [order.user for order in orders.values()]


def pair(orders: tuple[int, Order]) -> str:
    return orders[1].user


def by_hand(order: Annotated[Order, WithJsonSchema({"properties": {"item": {"type": "string"}}})]) -> str:
    return order.user


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        (one, {"order": {"item": "x", "user": EVIL}}, "ours"),
        (several, {"orders": [{"item": "x", "user": EVIL}, 1]}, ["ours", 1]),
        (named, {"orders": {"a": {"item": "x", "user": EVIL}}}, ["ours"]),
        (pair, {"orders": [1, {"item": "x", "user": EVIL}]}, "ours"),
        (by_hand, {"order": {"item": "x", "user": EVIL}}, "ours"),
        (opened, {"orders": [{"item": "x", "user": EVIL, "more": 1}]}, [["ours", "ours", {"more": 1}]]),
        (opened, {"orders": [{"item": "x", "adm": EVIL}]}, [["ours", "ours", {}]]),
        (opened, {"orders": [{"item": "x", "is_admin": EVIL, "admin": EVIL}]}, [["ours", "ours", {}]]),
        (row, {"order": {"item": "x", "user": EVIL, "more": 1}}, {"item": "x", "more": 1}),
        (place, {"places": {"a": {"city": "x", "user": EVIL}}}, ["ours"]),
        (who, {"who": {"kind": "person", "user": EVIL}}, "ours"),
        (who, {"who": {"kind": "robot", "user": "R"}}, "R"),
        (told_apart, {"who": {"kind": "person", "user": EVIL}}, "ours"),
        (told_apart, {"who": {"kind": "robot", "user": "R"}}, "R"),
        (unmarked, {"who": [{"name": "x", "user": EVIL}, {"host": "x", "user": "H"}]}, ["ours", "H"]),
    ],
)
def test_hidden_fields_of_nested_models_keep_their_values(
    call: Caller, tool: Any, arguments: dict[str, Any], value: object
) -> None:
    assert call(tool, **arguments) == value


@pytest.mark.parametrize("name", ["user", "admin", "adm", "is_admin"])
def test_hidden_fields_of_a_model_class_are_not_the_model_s(call: Caller, name: str) -> None:
    admin = Field("ours", validation_alias=AliasChoices("adm", "is_admin"))
    fields: dict[str, Any] = {"item": (str, ...), "user": (SkipJsonSchema[str], "ours")}
    fields["admin"] = (SkipJsonSchema[str], admin)
    made: Any = create_model("Made", __config__=ConfigDict(extra="allow"), **fields)
    assert f"- {name}: {UNKNOWN}" in call(llm.tool(made), item="x", **{name: EVIL})


def test_nested_models_take_what_they_allow(call: Caller) -> None:
    def keep(order: Open) -> Any:
        return order

    def refuse(order: Closed) -> Any:
        return order

    assert call(keep, order={"item": "x", "more": {"a": 1}}) == {"item": "x", "more": {"a": 1}}
    assert call(refuse, order={"item": "x"}) == {"item": "x", "user": "ours"}
    assert f"- order.user: {UNKNOWN}" in call(refuse, order={"item": "x", "user": EVIL})


def test_a_hidden_parameter_is_not_the_model_s(call: Caller) -> None:
    def closed(to: str, user: SkipJsonSchema[str] = "ours") -> str:
        return user

    def open_(to: str, user: SkipJsonSchema[str] = "ours", **rest: Any) -> str:
        return user

    for tool in (closed, open_):
        assert call(tool, to="me") == "ours"
        assert f"- user: {UNKNOWN}" in call(tool, to="me", user=EVIL)


# -- schemas by hand --------------------------------------------------------------------------------------------------


def with_schema(fn: Callable[..., Any], schema: dict[str, Any], api: str) -> Any:
    name = getattr(fn, "__name__", "tool")
    return llm.Tool(fn, parameters=schema) if api == "llm" else chat.Tool(name, "", schema, fn)


@pytest.fixture
def given(call: Caller, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a tool that has a schema by hand."""

    def called(fn: Callable[..., Any], schema: dict[str, Any], /, **arguments: Any) -> Any:
        return call(with_schema(fn, schema, request.node.callspec.params["call"]), **arguments)

    return called


def test_names_of_other_parameters_do_not_pass(given: Callable[..., Any]) -> None:
    assert given(send, TO, to="me") == {"to": "me", "user": "nobody"}
    assert f"- user: {UNKNOWN}" in given(send, TO, to="me", user=EVIL)
    assert f"- cc: {UNKNOWN}" in given(send_any, TO, to="me", cc=EVIL)


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"patternProperties": {"": {}}}])
def test_others_pass_if_the_schema_allows_them(given: Callable[..., Any], more: dict[str, Any]) -> None:
    assert given(send_any, {**TO, **more}, to="me", cc="you") == {"to": "me", "cc": "you"}
    assert f"- user: {UNKNOWN}" in given(send, {**TO, **more}, to="me", user=EVIL)
    assert f"- ctx: {UNKNOWN}" in given(context_last, {**TO, **more}, to="me", ctx=EVIL)
    assert f"- self: {UNKNOWN}" in given(Mail().send_any, {**TO, **more}, to="me", self=EVIL)


def test_a_schema_that_names_nothing_allows_what_the_function_shows(given: Callable[..., Any]) -> None:
    assert given(send, {"type": "object"}, to="me", user="me too") == {"to": "me", "user": "me too"}
    assert f"- ctx: {UNKNOWN}" in given(context_last, {"type": "object"}, to="me", ctx=EVIL)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"A": TO}, "$ref": "#/$defs/A"},
        {"definitions": {"a/b": TO}, "allOf": [{"$ref": "#/definitions/a~1b"}]},
        {"anyOf": [TO, {"properties": {"cc": {}}}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", **TO},
    ],
    ids=["$ref", "allOf", "anyOf", "draft 7"],
)
def test_names_are_found_wherever_the_schema_has_them(given: Callable[..., Any], schema: dict[str, Any]) -> None:
    assert given(send, {"type": "object", **schema}, to="me") == {"to": "me", "user": "nobody"}
    assert f"- user: {UNKNOWN}" in given(send, {"type": "object", **schema}, to="me", user=EVIL)


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ({"type": "string"}, 1, "- to: 1 is not of type 'string'"),
        ({"enum": ["a", "b"]}, "c", "- to: 'c' is not one of ['a', 'b']"),
        ({"maxLength": 2}, "long", "- to: 'long' is too long"),
        ({"items": {"minimum": 3}}, [3, 2], "- to.1: 2 is less than the minimum of 3"),
        ({"properties": {"a": {}}}, {"a": 1, "b": 2}, f"- to.b: {UNKNOWN}"),
        ({"items": [{"properties": {"a": {}}}]}, [{"b": 2}], f"- to.0.b: {UNKNOWN}"),
    ],
)
def test_values_are_checked(given: Callable[..., Any], schema: dict[str, Any], value: object, told: str) -> None:
    def echo(to: Any) -> Any:
        return to

    draft = "http://json-schema.org/draft-07/schema#"
    text = given(echo, {"$schema": draft, "type": "object", "properties": {"to": schema}, "required": ["to"]}, to=value)
    assert "The arguments of echo do not fit:" in text
    assert told in text


def test_what_is_missing_is_told(given: Callable[..., Any]) -> None:
    assert "- arguments: 'to' is a required property" in given(send, {**TO, "required": ["to"]})


def test_what_is_told_of_many_or_long_arguments_has_a_limit(call: Caller, given: Callable[..., Any]) -> None:
    many = {f"name{number}": 1 for number in range(1000)}
    for text in (call(send, to="me", **many), given(send, TO, to="me", **many), given(send, TO, **{"x" * 10_000: 1})):
        assert 2 <= len(text.splitlines()) <= 21
        assert len(text) < 2000


def test_a_schema_fetches_nothing(given: Callable[..., Any], server: Server) -> None:
    schema = {"type": "object", "properties": {"to": {"$ref": f"{server.url}/schema.json"}}}
    assert "Unresolvable" in given(send, schema, to="me")
    assert all(request.path != "/schema.json" for request in server.received)


def test_a_schema_that_is_none_is_an_error(given: Callable[..., Any]) -> None:
    for wrong in ({"required": "to"}, {"anyOf": None}, {"allOf": {"a": 1}}, {"dependentSchemas": 1}):
        assert "The schema of the tool 'send' is invalid" in given(send, {**TO, **wrong}, to="me")


def test_a_schema_may_not_offer_what_the_program_sets() -> None:
    with pytest.raises(ValueError, match="lists to, which the program sets"):
        llm.Tool(functools.partial(send, to="me"), parameters=TO)
    with pytest.raises(ValueError, match="lists ctx, which the program sets"):
        llm.Tool(context_last, parameters={"properties": {"ctx": {}}})


# -- numbers that JSON does not have ----------------------------------------------------------------------------------


def pay(amount: float) -> str:
    return f"paid {amount}"


def pay_some(amount: Annotated[float, Field(ge=0, le=10)]) -> str:
    return f"paid {amount}"


def pay_any(**amounts: Any) -> str:
    return f"paid {amounts}"


class Payment(BaseModel):
    amount: float


def pay_all(payments: list[Payment], rest: dict[str, Any]) -> str:
    return f"paid {payments} {rest}"


LIMITED: dict[str, Any] = {"type": "object", "properties": {"amount": {"type": "number", "minimum": 0, "maximum": 10}}}
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", f"1{'0' * 400}.5"]
PAYING: dict[str, Callable[[str], Any]] = {
    "float": lambda api: pay,
    "limited": lambda api: pay_some,
    "any": lambda api: pay_any,
    "strict": lambda api: llm.tool(pay, strict=True),
    "raw": lambda api: with_schema(pay, LIMITED, api),
    "raw without types": lambda api: with_schema(pay_any, LIMITED, api),
}


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
@pytest.mark.parametrize("paying", PAYING.values(), ids=PAYING)
def test_numbers_that_json_does_not_have_are_refused(
    call: Caller, request: pytest.FixtureRequest, paying: Callable[[str], Any], number: str
) -> None:
    tool = paying(request.node.callspec.params["call"])
    told = call.with_text(tool, f'{{"amount": {number}}}')
    assert "do not fit" in told and f"{number[:20]}" in told and "is not a JSON number" in told
    assert "paid" in call.with_text(tool, '{"amount": 1e1}')


def test_such_numbers_are_refused_wherever_they_are(call: Caller) -> None:
    assert "is not a JSON number" in call.with_text(pay_all, '{"payments": [{"amount": NaN}], "rest": {}}')
    assert "is not a JSON number" in call.with_text(pay_all, '{"payments": [], "rest": {"a": [Infinity]}}')
    assert "paid" in call.with_text(pay_all, '{"payments": [{"amount": 1}], "rest": {"a": "NaN"}}')


def test_such_numbers_in_the_text_that_a_strict_schema_has_for_any_value(call: Caller) -> None:
    def keep(value: Any) -> str:
        return f"kept {value}"

    tool = llm.tool(keep, strict=True)
    assert call.with_text(tool, json.dumps({"value": "[1]"})) == "kept [1]"
    assert "is not a JSON number" in call.with_text(tool, json.dumps({"value": "[NaN]"}))


@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity", "1e999"])
def test_texts_are_no_such_numbers_either(call: Caller, text: str) -> None:
    assert "finite number" in call(pay, amount=text)


def test_a_type_may_ask_for_them(call: Caller) -> None:
    def limit(size: Annotated[float, Field(allow_inf_nan=True)] = float("inf")) -> str:
        return f"limit {size}"

    assert call(limit, size="Infinity") == call(limit) == "limit inf"
