"""What servers receive for this autumn's models and for models that have no row: the bytes on loopback sockets, whole
and streamed, in blocking calls, under asyncio and under trio, in all protocols."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .vendors import (
    BOOK,
    BOTH,
    COMPLETIONS,
    DEEPSEEK,
    ENCRYPTED,
    GROK,
    MESSAGES,
    RESPONSES,
    Body,
    Book,
    Parts,
    Wire,
    ask,
    bodies,
    look,
    said,
)

# -- thinking ---------------------------------------------------------------------------------------------------------

THINKING = ("reasoning", "reasoning_effort", "output_config", "thinking")
LEVELS: list[tuple[Wire, str, str, Body]] = [
    (RESPONSES, "gpt-6-luna", "max", {"reasoning": {"effort": "max"}}),
    (RESPONSES, "gpt-6-luna", "xhigh", {"reasoning": {"effort": "xhigh"}}),
    (RESPONSES, "gpt-6-luna", "none", {"reasoning": {"effort": "none"}}),
    (RESPONSES, "gpt-6.2-astra", "max", {"reasoning": {"effort": "max"}}),
    (RESPONSES, "gpt-6.2-astra", "none", {"reasoning": {"effort": "low"}}),
    (RESPONSES, "gpt-6-luna-2026-10-01", "max", {"reasoning": {"effort": "max"}}),
    (RESPONSES, "ft:gpt-6-luna:acme::1", "max", {"reasoning": {"effort": "max"}}),
    (RESPONSES, "gpt-9", "max", {"reasoning": {"effort": "max"}}),
    (RESPONSES, "gpt-9", "minimal", {"reasoning": {"effort": "low"}}),
    (COMPLETIONS, "gpt-6-luna", "max", {"reasoning_effort": "max"}),
    (COMPLETIONS, "gpt-7-sol", "xhigh", {"reasoning_effort": "xhigh"}),
    (MESSAGES, "claude-sonnet-5-5", "xhigh", {"output_config": {"effort": "xhigh"}, "thinking": {"type": "adaptive"}}),
    (MESSAGES, "claude-opus-5-5", "max", {"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}}),
    (MESSAGES, "claude-opus-5-5", "none", {"output_config": {"effort": "low"}}),
    (MESSAGES, "claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
    (MESSAGES, "claude-opus-7", "xhigh", {"output_config": {"effort": "xhigh"}, "thinking": {"type": "adaptive"}}),
    (MESSAGES, "claude-haiku-4-5", "xhigh", {"thinking": {"type": "enabled", "budget_tokens": 11_200}}),
    (GROK, "grok-4.7", "xhigh", {"reasoning_effort": "xhigh"}),
    (GROK, "grok-5", "xhigh", {"reasoning_effort": "xhigh"}),
    (GROK, "grok-4.5", "none", {"reasoning_effort": "low"}),
]


@BOTH
@pytest.mark.parametrize(("wire", "name", "level", "sent"), LEVELS)
def test_levels_reach_the_models_that_have_them(
    colour: Colour, server: Server, stream: bool, wire: Wire, name: str, level: Any, sent: Body
) -> None:
    wire.play(server, said())

    async def scenario() -> None:
        response = await ask(colour, stream, wire.model(name, thinking={"level": level}))
        assert response.text() == "Done."

    colour.run(scenario)
    (body,) = bodies(server)
    assert {
        key: body[key] for key in ("reasoning", "reasoning_effort", "output_config", "thinking") if key in body
    } == sent


@pytest.mark.parametrize(
    ("wire", "name", "level", "used"),
    [
        (RESPONSES, "gpt-5.2", "max", "xhigh"),
        (RESPONSES, "gpt-5.1", "xhigh", "high"),
        (COMPLETIONS, "o3", "max", "high"),
        (MESSAGES, "claude-opus-4-6", "xhigh", "high"),
        (GROK, "grok-4.7", "max", "xhigh"),
        (GROK, "grok-4.5", "xhigh", "high"),
        (GROK, "grok-3-mini", "medium", "low"),
    ],
)
def test_a_level_that_is_lowered_warns(
    colour: Colour, server: Server, wire: Wire, name: str, level: Any, used: str
) -> None:
    wire.play(server, said())

    async def scenario() -> None:
        await ask(colour, False, wire.model(name, thinking={"level": level}))

    with pytest.warns(llm.UnsupportedParamWarning, match=f"{name}.* has no thinking level '{level}': '{used}' is used"):
        colour.run(scenario)
    assert f'"{used}"' in server.received[0].body.decode()


def test_an_effort_that_cannot_be_set_is_left_out(server: Server) -> None:
    GROK.play(server, said())
    with pytest.warns(llm.UnsupportedParamWarning, match="does not support 'thinking level'"):
        GROK.model("grok-4.20", thinking={"level": "high"}).call("Hi")
    assert "reasoning_effort" not in bodies(server)[0]


@pytest.mark.parametrize(("level", "sent"), [("max", "max"), ("medium", "medium"), ("minimal", "low")])
def test_deepseek_is_told_how_much_to_think(server: Server, level: Any, sent: str) -> None:
    DEEPSEEK.play(server, said())
    DEEPSEEK.model("deepseek-v4-pro", thinking={"level": level}).call("Hi")
    assert (bodies(server)[0]["thinking"], bodies(server)[0]["reasoning_effort"]) == ({"type": "enabled"}, sent)


# -- formats, tools, encrypted reasoning ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("wire", [RESPONSES, COMPLETIONS], ids=["responses", "completions"])
@pytest.mark.parametrize("name", ["gpt-6-luna", "gpt-6.2-sol-2026-11-05", "gpt-9"])
def test_openais_models_are_held_to_schemas(
    colour: Colour, server: Server, stream: bool, wire: Wire, name: str
) -> None:
    wire.play(server, said(BOOK))

    async def scenario() -> None:
        response = await ask(colour, stream, wire.model(name), format=Book)
        assert response.parse() == Book(title="Emma")

    colour.run(scenario)
    (body,) = bodies(server)
    shape = body["text"]["format"] if wire is RESPONSES else body["response_format"]
    assert (shape["type"], "tools" in body) == ("json_schema", False)


@BOTH
@pytest.mark.parametrize("name", ["claude-sonnet-5-5", "claude-fable-5-2", "claude-quartz-9"])
def test_claude_is_held_to_schemas(colour: Colour, server: Server, stream: bool, name: str) -> None:
    MESSAGES.play(server, said(BOOK))

    async def scenario() -> None:
        response = await ask(colour, stream, MESSAGES.model(name), format=Book)
        assert response.parse() == Book(title="Emma")

    colour.run(scenario)
    (body,) = bodies(server)
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert server.received[0].headers["anthropic-version"] == "2023-06-01"


def looking(body: Body) -> Parts:
    """Call the tool, then answer."""
    answered = any(item.get("type") == "function_call_output" for item in body["input"])
    return [llm.Text("Done.")] if answered else [llm.ToolCall(id="call_1", name="look", args='{"at": "x"}')]


@BOTH
@pytest.mark.parametrize("name", ["gpt-6-luna", "gpt-6.1-sol-2026-10-20", "ft:gpt-6-luna:acme::1", "gpt-9"])
def test_encrypted_reasoning_survives_a_round_of_tools(colour: Colour, server: Server, stream: bool, name: str) -> None:
    RESPONSES.play(server, looking)

    async def scenario() -> None:
        response = await ask(colour, stream, RESPONSES.model(name), "Look.", tools=[look])
        outputs = await colour.got(response.execute_tools())
        response = await colour.got(response.resume(outputs))
        if stream:
            await colour.got(response.finish())
        assert response.text() == "Done."

    colour.run(scenario)
    first, second = bodies(server)
    assert first["include"] == ["reasoning.encrypted_content"]
    assert first["tools"][0]["strict"] is True
    kinds = [item.get("type") for item in second["input"]]
    assert kinds[1:] == ["reasoning", "function_call", "function_call_output"]
    assert second["input"][1]["encrypted_content"] == ENCRYPTED


def test_groks_reasoning_survives_on_the_responses_protocol(server: Server) -> None:
    RESPONSES.play(server, looking)
    llm.register_provider("openai:responses", scope="xai/", base_url=server.url, api_key="key")
    response = llm.Model("xai/grok-4.7", thinking={"level": "xhigh"}).call("Look.", tools=[look])
    response.resume(response.execute_tools())
    assert [body["reasoning"] for body in bodies(server)] == [{"effort": "xhigh"}] * 2
    assert bodies(server)[1]["input"][1]["encrypted_content"] == ENCRYPTED


# -- what is refused --------------------------------------------------------------------------------------------------


def sampled(body: Body) -> Body:
    return {name: body[name] for name in ("temperature", "top_p") if name in body}


@BOTH
@pytest.mark.parametrize("wire", [RESPONSES, COMPLETIONS], ids=["responses", "completions"])
@pytest.mark.parametrize("name", ["gpt-5.5", "gpt-6-luna", "gpt-7-luna"])
def test_models_that_think_by_default_are_sampled_only_without_thinking(
    colour: Colour, server: Server, stream: bool, wire: Wire, name: str
) -> None:
    wire.play(server, said())

    async def scenario() -> None:
        with pytest.warns(llm.UnsupportedParamWarning, match="'temperature' together with 'thinking'.* Set thinking="):
            await ask(colour, stream, wire.model(name, temperature=0.5))
        await ask(colour, stream, wire.model(name, temperature=0.5, top_p=0.9, thinking={"level": "none"}))

    colour.run(scenario)
    assert [sampled(body) for body in bodies(server)] == [{}, {"temperature": 0.5, "top_p": 0.9}]


@pytest.mark.parametrize(
    ("wire", "name", "sent"),
    [
        (RESPONSES, "gpt-6-astra", {}),
        (RESPONSES, "gpt-9", {}),
        (RESPONSES, "gpt-5.4", {"temperature": 0.5, "top_p": 0.9}),
        (MESSAGES, "claude-sonnet-5-5", {}),
        (MESSAGES, "claude-opus-7", {}),
        (MESSAGES, "claude-haiku-4-5", {"temperature": 0.5}),
        (MESSAGES, "claude-haiku-4-5-20251001", {"temperature": 0.5}),
        (GROK, "grok-5", {"temperature": 0.5, "top_p": 0.9}),
    ],
)
def test_what_models_accept_of_sampling(colour: Colour, server: Server, wire: Wire, name: str, sent: Body) -> None:
    wire.play(server, said())

    async def scenario() -> None:
        await ask(colour, False, wire.model(name, temperature=0.5, top_p=0.9))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", llm.UnsupportedParamWarning)
        colour.run(scenario)
    assert sampled(bodies(server)[0]) == sent


TOGETHER: list[tuple[str, Any, str | None, bool]] = [
    # model, level, the effort beside tools, whether thinking is lost
    ("gpt-5.2", "high", "high", False),
    ("gpt-5.4", None, None, False),
    ("gpt-5.4", "none", "none", False),
    ("gpt-5.4", "high", "none", True),
    ("gpt-5.5", None, "none", True),
    ("gpt-6-luna", None, "none", True),
    ("gpt-6-luna", "max", "none", True),
    ("gpt-7-luna", "max", "none", True),
]


@BOTH
@pytest.mark.parametrize(("name", "level", "effort", "lost"), TOGETHER)
def test_chat_completions_take_tools_or_an_effort(
    colour: Colour, server: Server, stream: bool, name: str, level: Any, effort: str | None, lost: bool
) -> None:
    """OpenAI refuses both together from GPT 5.4 on, an effort by default included."""
    COMPLETIONS.play(server, said())
    thinking = {"thinking": {"level": level}} if level else {}

    async def scenario() -> None:
        await ask(colour, stream, COMPLETIONS.model(name, **thinking), tools=[look])

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        colour.run(scenario)
    assert bodies(server)[0].get("reasoning_effort") == effort
    assert ["'thinking' together with 'tools'" in str(each.message) for each in warned] == [True] * lost


def test_the_responses_protocol_takes_tools_and_an_effort(server: Server) -> None:
    RESPONSES.play(server, said())
    RESPONSES.model("gpt-6-luna", thinking={"level": "max"}).call("Hi", tools=[look])
    assert bodies(server)[0]["reasoning"] == {"effort": "max"}


@BOTH
def test_deepseek_is_told_the_schema_in_words_since_it_takes_no_demanded_tool(
    colour: Colour, server: Server, stream: bool
) -> None:
    DEEPSEEK.play(server, said(BOOK))

    async def scenario() -> None:
        response = await ask(colour, stream, DEEPSEEK.model("deepseek-v4-pro"), format=Book)
        assert response.parse() == Book(title="Emma")

    colour.run(scenario)
    (body,) = bodies(server)
    assert (body["response_format"], "tools" in body) == ({"type": "json_object"}, False)


@pytest.mark.parametrize(("level", "sent", "warned"), [(None, "auto", 1), ("high", "auto", 1), ("none", "required", 0)])
def test_deepseek_takes_a_demanded_tool_only_without_thinking(
    server: Server, level: Any, sent: str, warned: int
) -> None:
    DEEPSEEK.play(server, said())
    thinking = {"thinking": {"level": level}} if level else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DEEPSEEK.model("deepseek-v4-pro", tool_choice="required", **thinking).call("Hi", tools=[look])
    assert bodies(server)[0]["tool_choice"] == sent
    assert [("'tool_choice' together with 'thinking'" in str(each.message)) for each in caught] == [True] * warned
