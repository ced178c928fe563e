"""Servers that do not take all of a request: asked once more at most, and never again for what they refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.wire.error_bodies import parse_error_body
from mirascope_like.wire.openai_chat.scripted_responses import encode_events, encode_response
from mirascope_like.wire.unsupported_params import find_adjustment

from ..conftest import Colour
from ..llm.chat_server import register
from ..transport.server import Exchange, Server

Check = Callable[[dict[str, Any]], object]  # what is wrong with a body, as the body of a 400; nothing if it is right


def quirky(check: Check, status: int = 400) -> Callable[[Exchange], None]:
    """A chat server that refuses what `check` finds."""

    def answer(exchange: Exchange) -> None:
        body = exchange.request.json
        if refusal := check(body):
            exchange.json(refusal, status)
        elif body.get("stream"):
            exchange.stream(*encode_events([llm.Text("Done.")]))
        else:
            exchange.whole(encode_response([llm.Text("Done.")]))

    return answer


def unsupported(name: str) -> Check:
    """In OpenAI's words."""
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    return lambda body: {"error": error} if name in body else None


def forbidden(name: str) -> Check:
    """In Pydantic's, as old vLLM and other servers in Python say it."""
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
    return lambda body: {"detail": detail} if name in body else None


def lm_studio_choice(body: dict[str, Any]) -> object:
    if isinstance(body.get("tool_choice"), dict):
        return {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"}
    return None


def o1_max_tokens(body: dict[str, Any]) -> object:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    return {"error": {"message": message, "param": "max_tokens"}} if "max_tokens" in body else None


def o1_system(body: dict[str, Any]) -> object:
    message = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    return {"error": {"message": message}} if body["messages"][0]["role"] == "system" else None


def qwen(body: dict[str, Any]) -> object:
    late = any(message["role"] == "system" for message in body["messages"][1:])
    return {"error": {"message": "System message must be at the beginning.", "code": 400}} if late else None


def gemma(body: dict[str, Any]) -> object:
    roles = [message["role"] for message in body["messages"]]
    message = "Conversation roles must alternate user/assistant/user/assistant/..."
    return {"object": "error", "message": message} if any(a == b for a, b in pairwise(roles)) else None


def devstral(body: dict[str, Any]) -> object:
    roles = [message["role"] for message in body["messages"]]
    refused = ("tool", "user") in pairwise(roles)
    return {"message": "Unexpected role 'user' after role 'tool'", "code": "3230"} if refused else None


def look(at: str) -> str:
    """Look at something."""
    return at


def other() -> str:
    """Does something else."""
    return ""


CALLED = llm.messages.assistant(llm.ToolCall(id="a", name="look", args='{"at": "x"}'))
SEEN = llm.ToolOutput(id="a", name="look", result="seen")
TALK = [llm.messages.system("A"), llm.messages.user("B"), llm.messages.system("C"), llm.messages.user("D")]

QUIRKS: dict[str, tuple[Check, dict[str, Any], Any]] = {
    "temperature": (unsupported("temperature"), {"temperature": 0.5}, "Hi"),
    "top_p, old vLLM": (forbidden("top_p"), {"top_p": 0.5}, "Hi"),
    "top_k": (forbidden("top_k"), {"top_k": 5}, "Hi"),
    "seed": (unsupported("seed"), {"seed": 5}, "Hi"),
    "stop": (unsupported("stop"), {"stop_sequences": ["\n"]}, "Hi"),
    "reasoning_effort": (forbidden("reasoning_effort"), {"thinking": {"level": "high"}}, "Hi"),
    "parallel_tool_calls": (unsupported("parallel_tool_calls"), {"parallel_tool_calls": False}, "Hi"),
    "tool_choice": (forbidden("tool_choice"), {"tool_choice": "required"}, "Hi"),
    "tool_choice, LM Studio": (lm_studio_choice, {"tool_choice": {"name": "look"}}, "Hi"),
    "max_tokens, o1": (o1_max_tokens, {"max_tokens": 5}, "Hi"),
    "max_completion_tokens": (forbidden("max_tokens"), {"max_tokens": 5}, "Hi"),
    "system, o1": (o1_system, {}, TALK),
    "late system, Qwen": (qwen, {}, TALK),
    "roles, Gemma": (gemma, {}, [llm.messages.user("A"), llm.messages.user("B")]),
    "after tools, Devstral": (devstral, {}, [llm.messages.user("A"), CALLED, llm.messages.user([SEEN, "B"])]),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("quirk", QUIRKS)
def test_one_request_more_and_then_none(colour: Colour, server: Server, quirk: str, stream: bool) -> None:
    check, params, content = QUIRKS[quirk]
    server.answer = quirky(check, 422 if "vLLM" in quirk else 400)
    register(server)
    model = llm.Model("test/model", **params)

    async def asked() -> str:
        ask = colour.stream if stream else colour.ask
        response = await colour.got(ask(model, content, tools=[look, other]))
        if stream:
            await colour.got(response.finish())
        return response.text()

    async def scenario() -> None:
        with pytest.warns(llm.CapabilityWarning, match="^test/model does not take "):
            assert await asked() == "Done."
        assert len(server.received) == 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", llm.UnsupportedParamWarning)
            assert [await asked() for _ in range(3)] == ["Done."] * 3
        assert len(server.received) == 5

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", llm.UnsupportedParamWarning)
        colour.run(scenario)


def test_stream_options(colour: Colour, server: Server) -> None:
    server.answer = quirky(forbidden("stream_options"))
    register(server)

    async def scenario() -> None:
        for _ in range(3):
            response = await colour.got(colour.stream(llm.Model("test/model"), "Hi"))
            await colour.got(response.finish())
            assert response.text() == "Done."

    with pytest.warns(llm.CapabilityWarning, match="stream_options"):
        colour.run(scenario)
    assert len(server.received) == 4


def test_several_lessons_in_one_call(server: Server) -> None:
    checks = [unsupported("temperature"), forbidden("seed"), o1_max_tokens]
    server.answer = quirky(lambda body: next(filter(None, (check(body) for check in checks)), None))
    register(server)
    model = llm.Model("test/model", temperature=0.5, seed=1, max_tokens=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert model.call("Hi").text() == "Done."
        assert len(server.received) == 4
        assert model.call("Hi").text() == "Done."
    assert len(server.received) == 5
    assert server.received[4].json.keys() == {"model", "messages", "max_completion_tokens"}


def test_temperature_beside_an_effort_is_refused_only_there(server: Server) -> None:
    def check(body: dict[str, Any]) -> object:
        return unsupported("temperature")(body) if "reasoning_effort" in body else None

    server.answer = quirky(check)
    register(server)
    thinking = llm.Model("test/model", temperature=0.5, thinking={"level": "high"})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        thinking.call("Hi")
        thinking.call("Hi")
    assert "'temperature' and 'top_p' together with 'thinking', and is asked without" in str(warned[1].message)
    llm.Model("test/model", temperature=0.5).call("Hi")
    assert [received.json.get("temperature") for received in server.received] == [0.5, None, None, 0.5]


def test_temperature_that_is_always_refused_is_learned_in_two_steps(server: Server) -> None:
    server.answer = quirky(unsupported("temperature"))
    register(server)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        llm.Model("test/model", temperature=0.5, thinking={"level": "high"}).call("Hi")
        llm.Model("test/model", temperature=0.5).call("Hi")
        llm.Model("test/model", temperature=0.5).call("Hi")
    assert [received.json.get("temperature") for received in server.received] == [0.5, None, 0.5, None, None]


def test_named_tool_becomes_the_only_one(server: Server) -> None:
    server.answer = quirky(lm_studio_choice)
    register(server)
    with pytest.warns(llm.CapabilityWarning):
        llm.Model("test/model", tool_choice={"name": "look"}).call("Hi", tools=[look, other])
    sent = server.received[1].json
    assert (sent["tool_choice"], [tool["function"]["name"] for tool in sent["tools"]]) == ("required", ["look"])


class Book(BaseModel):
    title: str


def test_a_format_is_asked_for_by_the_next_best_way(colour: Colour, server: Server) -> None:
    """Of a model that is said to take schemas, behind a server that does not."""

    def answer(exchange: Exchange) -> None:
        body = exchange.request.json
        if "response_format" in body:
            message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
            exchange.json({"error": {"message": message, "param": None}}, 400)
            return
        call = llm.ToolCall(id="a", name=body["tools"][0]["function"]["name"], args='{"title": "Emma"}')
        if body.get("stream"):
            exchange.stream(*encode_events([call]))
        else:
            exchange.whole(encode_response([call]))

    server.answer = answer
    llm.register_provider("openai", base_url=server.url, api_key="key")

    async def scenario() -> None:
        model = llm.Model("openai/gpt-4o:completions")
        for ask in (colour.ask, colour.stream, colour.ask):
            response = await colour.got(ask(model, "Which?", format=Book))
            if ask == colour.stream:
                await colour.got(response.finish())
            assert response.parse() == Book(title="Emma")

    with pytest.warns(llm.CapabilityWarning, match="schema"):
        colour.run(scenario)
    assert len(server.received) == 4


def test_what_was_asked_for_by_name_is_not_spared(server: Server) -> None:
    server.answer = quirky(unsupported("response_format"))
    register(server)
    for _ in range(2):
        with pytest.raises(llm.BadRequestError, match="response_format"):
            llm.Model("test/model").call("Hi", format=llm.format(Book, mode="strict"))
    assert len(server.received) == 2


def test_a_wrong_lesson_is_not_kept(server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.json({"error": f"Unsupported parameter: 'max_tokens', or so ({len(server.received)})."}, 400)

    server.answer = answer
    register(server)
    model = llm.Model("test/model", max_tokens=5)
    for _ in range(2):
        with pytest.warns(llm.CapabilityWarning), pytest.raises(llm.BadRequestError):
            model.call("Hi")
    assert [received.json.get("max_tokens") for received in server.received] == [5, None, 5, None]


def test_a_lesson_that_changes_nothing_is_no_reason_to_ask_again(server: Server) -> None:
    server.answer = lambda exchange: exchange.json({"error": "Unsupported parameter: 'seed'"}, 400)
    register(server)
    with pytest.raises(llm.BadRequestError):
        llm.Model("test/model").call("Hi")
    assert len(server.received) == 1


def test_lessons_are_about_one_model_at_one_address(server: Server) -> None:
    server.answer = quirky(o1_max_tokens)
    register(server)
    register(server, "elsewhere/")
    with pytest.warns(llm.CapabilityWarning) as warned:
        for model_id in ("test/a", "test/b", "elsewhere/a", "test/a"):
            llm.Model(model_id, max_tokens=5).call("Hi")
    assert (len(warned), len(server.received)) == (3, 7)
    llm.reset_provider_registry()
    register(server)
    with pytest.warns(llm.CapabilityWarning):
        llm.Model("test/a", max_tokens=5).call("Hi")


# -- words -------------------------------------------------------------------------------------------------------------


def openai_error(message: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "param": param, "code": "unsupported_value"}}


def detail(*place: str | int) -> dict[str, Any]:
    return {"message": [{"type": "extra_forbidden", "loc": ["body", *place], "msg": "Extra inputs are not permitted"}]}


EFFORT = (
    "Unsupported value: 'minimal' is not supported with this model. Supported values are: 'low', 'medium', and 'high'."
)
BOTH = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
TAUGHT: list[tuple[object, dict[str, Any]]] = [
    (openai_error("Unsupported value: 'temperature' does not support 0.2. Use 1.", "temperature"), {"sampling": False}),
    ({"type": "error", "error": {"type": "invalid_request_error", "message": BOTH}}, {"sampling": "one"}),
    (openai_error(EFFORT, "reasoning.effort"), {"efforts": ("low", "medium", "high")}),
    ({"error": {"message": "Unrecognized request argument supplied: parallel_tool_calls"}}, {"parallel_tools": False}),
    ({"error": "'response_format.type' must be 'json_schema' or 'text'"}, {"json_object": False}),
    ({"error": {"message": "response_format: 'minimum' is not permitted."}}, {"strict_format": False}),
    ({"error": {"message": "'temperature' is not supported with efforts higher than none."}}, {"sampling": False}),
    ({"error": {"message": "Prefilling assistant messages is not supported for this model."}}, {"prefill": False}),
    ({"error": {"message": PREFILL}}, {"prefill": False}),
    (detail("tools", 0, "function", "strict"), {"strict_tools": False}),
    ({"object": "error", "message": "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."}, {}),
]


@pytest.mark.parametrize(("body", "features"), TAUGHT)
def test_what_servers_teach(body: object, features: dict[str, Any]) -> None:
    taught = find_adjustment(parse_error_body(400, json.dumps(body).encode()))
    assert taught is not None
    assert taught.features == features
    assert bool(taught.dialect) == (not features)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead."),
        (400, "Invalid schema for response_format 'Book': In context=(), 'required' is required to be supplied."),
        (
            400,
            "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens: max_tokens 1000.",
        ),
        (400, "top_p value 3 is not allowed"),
        (400, "temperature must not exceed 1; higher values are not supported"),
        (400, "Invalid 'stop': array too long. Expected an array with at most 4 elements: more are not supported."),
        (400, "'seed' must be greater than 0: -1 is not supported"),
        (400, "registry.ollama.ai/library/gemma:2b does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (400, "You uploaded an unsupported image. Please make sure your image is valid."),
        (400, "No tool call found for function call output with call_id a."),
        (404, "Unsupported parameter: 'temperature'"),
        (429, "Unsupported parameter: 'temperature'"),
        (500, "Unsupported parameter: 'temperature'"),
    ],
)
def test_what_teaches_nothing(status: int, message: str) -> None:
    assert find_adjustment(parse_error_body(status, json.dumps({"error": {"message": message}}).encode())) is None


def test_a_warning_shows_no_part_of_a_key(server: Server) -> None:
    key = "0123456789abcdef0123456789abcdef"
    words = "Unsupported parameter: 'seed' is not supported with this model." + " ." * 60 + key

    def refusing(body: dict[str, Any]) -> object:
        error = {"message": words, "param": "seed", "code": "unsupported_parameter"}
        return {"error": error} if "seed" in body else None

    server.answer = quirky(refusing)
    register(server, api_key=key)
    with pytest.warns((llm.CapabilityWarning, llm.UnsupportedParamWarning)) as warned:
        llm.Model("test/model", seed=1).call("Hi")
    assert key[:8] not in "".join(str(each.message) for each in warned)
