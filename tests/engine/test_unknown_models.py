"""Models that have no row are taken for the closest one that has. Where that is wrong, a refusal corrects it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour
from ..llm.vendors import BOOK, BOTH, COMPLETIONS, MESSAGES, RESPONSES, Body, Book, Parts, Wire, ask, bodies, look, said
from ..transport.server import Server


def refusal(message: str, param: str | None = None) -> Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


def at(body: Any, *path: str | int) -> Any:
    """What stands in a body at a path; `None` for nothing."""
    for step in path:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body


NO_ENCRYPTED = refusal("Encrypted content is not supported with this model.", "include")
NO_MAX = refusal(
    "Unsupported value: 'max' is not supported with the 'gpt-9' model."
    " Supported values are: 'low', 'medium', and 'high'.",
    "reasoning.effort",
)
NO_EFFORT = refusal("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort")
NO_SUMMARY = refusal("Unsupported parameter: 'reasoning.summary' is not supported here.", "reasoning.summary")
NO_STRICT = refusal("Unsupported parameter: 'tools[0].strict'.", "tools[0].strict")
NO_STRICT_FUNCTION = {"detail": [{"type": "extra_forbidden", "loc": ["body", "tools", 0, "function", "strict"]}]}
NO_TEMPERATURE = refusal("Unsupported parameter: 'temperature' is not supported with this model.", "temperature")
NO_SCHEMA = refusal("Invalid parameter: 'text.format' of type 'json_schema' is not supported.", "text.format")
NO_TOOLS = refusal(
    "Function tools with reasoning_effort are not supported for gpt-5.3 in /v1/chat/completions. To use function tools,"
    " use /v1/responses or set reasoning_effort to 'none'.",
    "reasoning_effort",
)
NO_DEMAND = refusal("Thinking mode does not support this tool_choice")
OTHER_LEVELS = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
    },
}


def claude(message: str) -> Body:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


NO_ADAPTIVE = claude("adaptive thinking is not supported on this model")
NO_BUDGET = claude(
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and'
    ' "output_config.effort" to control thinking behavior.'
)
NO_OFF = claude(
    '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive" and'
    ' "output_config.effort" to control thinking behavior.'
)
BETWEEN_TOOLS = claude('"thinking.type.disabled" is not supported for this model. Use "thinking.type.between_tools".')
NO_EFFORT_PARAM = claude("This model does not support the effort parameter.")
NO_SYSTEM = claude("role 'system' is not supported on this model")
NO_CLAUDE_STRICT = claude("tools.0.custom.strict: Extra inputs are not permitted")
NO_CHOICE = claude("tool_choice: type 'any' is not supported on this model")
NO_OUTPUT_FORMAT = claude("output_config.format: Extra inputs are not permitted")

THINKING: dict[str, Any] = {"thinking": {"level": "max"}}
OFF: dict[str, Any] = {"thinking": {"level": "none"}}
LATE_SYSTEM = [llm.messages.user("A"), llm.messages.system("B"), llm.messages.user("C")]

Case = tuple[Wire, str, dict[str, Any], Any, Body, Callable[[Body], object], Callable[[Body], object]]
# wire, model, params, content; the refusal, what it is of, and what must hold of the request that is sent instead
CASES: dict[str, Case] = {
    "encrypted reasoning": (
        *(RESPONSES, "gpt-9", {}, "Hi", NO_ENCRYPTED),
        lambda body: "include" in body,
        lambda body: "include" not in body,
    ),
    "an effort": (
        *(RESPONSES, "gpt-9", THINKING, "Hi", NO_MAX),
        lambda body: at(body, "reasoning", "effort") == "max",
        lambda body: at(body, "reasoning", "effort") == "high" and "include" in body,
    ),
    "all efforts": (
        *(RESPONSES, "gpt-9", THINKING, "Hi", NO_EFFORT),
        lambda body: "reasoning" in body,
        lambda body: "reasoning" not in body,
    ),
    "summaries": (
        *(RESPONSES, "gpt-9", {"thinking": {"level": "max", "include_thoughts": True}}, "Hi", NO_SUMMARY),
        lambda body: at(body, "reasoning", "summary"),
        lambda body: body["reasoning"] == {"effort": "max"},
    ),
    "strict tools": (
        *(RESPONSES, "gpt-9", {}, "Hi", NO_STRICT),
        lambda body: at(body, "tools", 0, "strict") is not None,
        lambda body: "strict" not in body["tools"][0],
    ),
    "strict tools, completions": (
        *(COMPLETIONS, "gpt-9", OFF, "Hi", NO_STRICT_FUNCTION),
        lambda body: at(body, "tools", 0, "function", "strict"),
        lambda body: "strict" not in body["tools"][0]["function"],
    ),
    "temperature": (
        *(RESPONSES, "gpt-7-mini", {"temperature": 0.5}, "Hi", NO_TEMPERATURE),
        lambda body: "temperature" in body,
        lambda body: "temperature" not in body,
    ),
    "tools beside thinking": (
        *(COMPLETIONS, "gpt-5.3", {"thinking": {"level": "high"}}, "Hi", NO_TOOLS),
        lambda body: "tools" in body and body.get("reasoning_effort") != "none",
        lambda body: "tools" in body and body["reasoning_effort"] == "none",
    ),
    "a demanded tool beside thinking": (
        *(COMPLETIONS, "deepseek-9", {"tool_choice": "required", "thinking": {"level": "high"}}, "Hi", NO_DEMAND),
        lambda body: body["tool_choice"] == "required",
        lambda body: body["tool_choice"] == "auto" and body["reasoning_effort"] == "high",
    ),
    "an effort, Claude": (
        *(MESSAGES, "claude-opus-7", {"thinking": {"level": "xhigh"}}, "Hi", OTHER_LEVELS),
        lambda body: at(body, "output_config", "effort") == "xhigh",
        lambda body: at(body, "output_config", "effort") == "high",
    ),
    "all efforts, Claude": (
        *(MESSAGES, "claude-opus-7", THINKING, "Hi", NO_EFFORT_PARAM),
        lambda body: at(body, "output_config", "effort"),
        lambda body: body["thinking"] == {"type": "adaptive"} and "output_config" not in body,
    ),
    "adaptive thinking": (
        *(MESSAGES, "claude-opus-7", THINKING, "Hi", NO_ADAPTIVE),
        lambda body: at(body, "thinking", "type") == "adaptive",
        lambda body: at(body, "thinking", "type") == "enabled",
    ),
    "a budget": (
        *(MESSAGES, "claude-haiku-4-6", THINKING, "Hi", NO_BUDGET),
        lambda body: at(body, "thinking", "type") == "enabled",
        lambda body: at(body, "output_config", "effort") == "max",
    ),
    "thinking off": (
        *(MESSAGES, "claude-haiku-6", OFF, "Hi", NO_OFF),
        lambda body: at(body, "thinking", "type") == "disabled",
        lambda body: at(body, "output_config", "effort") == "low",
    ),
    "thinking off between tools": (
        *(MESSAGES, "claude-haiku-6", OFF, "Hi", BETWEEN_TOOLS),
        lambda body: at(body, "thinking", "type") == "disabled",
        lambda body: at(body, "thinking", "type") == "between_tools",
    ),
    "system turns": (
        *(MESSAGES, "claude-haiku-6", {}, LATE_SYSTEM, NO_SYSTEM),
        lambda body: any(message["role"] == "system" for message in body["messages"]),
        lambda body: "<system>" in str(body["messages"]),
    ),
    "strict tools, Claude": (
        *(MESSAGES, "claude-haiku-6", {}, "Hi", NO_CLAUDE_STRICT),
        lambda body: at(body, "tools", 0, "strict"),
        lambda body: "strict" not in body["tools"][0],
    ),
    "a forced tool": (
        *(MESSAGES, "claude-haiku-6", {"tool_choice": "required"}, "Hi", NO_CHOICE),
        lambda body: at(body, "tool_choice", "type") == "any",
        lambda body: "tools" in body and "tool_choice" not in body,
    ),
}


@BOTH
@pytest.mark.parametrize("case", CASES)
def test_a_refusal_corrects_a_guess(colour: Colour, server: Server, stream: bool, case: str) -> None:
    wire, name, params, content, refused, offends, holds = CASES[case]
    wire.play(server, lambda body: refused if offends(body) else said()(body))

    async def scenario() -> None:
        for _ in range(2):
            response = await ask(colour, stream, wire.model(name, **params), content, tools=[look])
            assert response.text() == "Done."

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        colour.run(scenario)
    refusing, *taught = bodies(server)
    assert offends(refusing) and not holds(refusing)
    assert [bool(holds(body)) for body in taught] == [True, True]
    assert sum(each.category is llm.CapabilityWarning for each in warned) == 1


@BOTH
@pytest.mark.parametrize(
    ("wire", "name", "refused"),
    [(RESPONSES, "gpt-9", NO_SCHEMA), (MESSAGES, "claude-haiku-6", NO_OUTPUT_FORMAT)],
    ids=["responses", "messages"],
)
def test_a_schema_that_is_refused_goes_into_a_tool(
    colour: Colour, server: Server, stream: bool, wire: Wire, name: str, refused: Body
) -> None:
    def decide(body: Body) -> Parts | Body:
        if "format" in (body.get("text") or body.get("output_config") or {}):
            return refused
        return [llm.ToolCall(id="call_1", name=body["tools"][0]["name"], args=BOOK)]

    wire.play(server, decide)

    async def scenario() -> None:
        response = await ask(colour, stream, wire.model(name), format=Book)
        assert response.parse() == Book(title="Emma")

    with pytest.warns(llm.CapabilityWarning, match="a schema for the response"):
        colour.run(scenario)
    assert len(server.received) == 2


def test_one_server_may_refuse_all_of_it(colour: Colour, server: Server) -> None:
    def decide(body: Body) -> Parts | Body:
        if at(body, "reasoning", "effort") == "max":
            return NO_MAX
        if "include" in body:
            return NO_ENCRYPTED
        return NO_STRICT if at(body, "tools", 0, "strict") else [llm.Text("Done.")]

    RESPONSES.play(server, decide)

    async def scenario() -> None:
        for _ in range(2):
            response = await ask(colour, False, RESPONSES.model("gpt-9", **THINKING), tools=[look])
            assert response.text() == "Done."

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        colour.run(scenario)
    assert len(server.received) == 5
    assert bodies(server)[4]["reasoning"] == {"effort": "high"}


# -- where a guess is made --------------------------------------------------------------------------------------------


def guessed(body: Body) -> bool:
    return "include" in body or "temperature" not in body


def test_nothing_is_guessed_of_a_server_of_your_own(server: Server) -> None:
    RESPONSES.play(server, said())
    llm.register_provider("openai:responses", scope="mine/", base_url=server.url, api_key="key")
    llm.Model("mine/gpt-9", temperature=0.5).call("Hi")
    assert not guessed(bodies(server)[0])


def test_nothing_is_guessed_of_a_server_that_the_environment_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    RESPONSES.play(server, said())
    llm.reset_provider_registry()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", llm.UnsupportedParamWarning)
        for name in ("gpt-9", "gpt-6-astra"):
            llm.Model(f"openai/{name}", temperature=0.5).call("Hi")
    assert [guessed(body) for body in bodies(server)] == [False, True]


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.2-1B-Instruct", "gpt-oss-20b", "my-deployment"])
def test_nothing_is_guessed_of_models_of_other_makers(server: Server, name: str) -> None:
    RESPONSES.play(server, said())
    RESPONSES.model(name, temperature=0.5).call("Hi")
    assert not guessed(bodies(server)[0])


def test_a_guess_is_made_at_the_vendors_own_address() -> None:
    for provider in ("openai", "openai:completions", "openai:responses", "anthropic", "xai"):
        llm.register_provider(provider, api_key="key")
    vendors = {"openai": "gpt-9", "anthropic": "claude-opus-9", "xai": "grok-9"}
    for provider, name in vendors.items():
        registered = llm.register_provider(provider, api_key="key")
        assert registered.endpoint(name, ()).features.strict_format
