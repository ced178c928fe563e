"""The embedded model from end to end: a chain with tools pauses for a person, and another process goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mirascope_like import chat, llm

from ..conftest import Colour

MODEL = "local/smollm2-135m"
OPTIONS = {"temperature": 0.0, "max_tokens": 60}
PROGRAM = f"""
import json, sys
from mirascope_like import chat

def publish(text: str) -> str:
    "Publish a text."
    if sys.argv[1] == "ask":
        raise chat.PauseChain("A person must agree.")
    print("published", flush=True)
    return "It is published."

if sys.argv[1] == "ask":
    try:
        chat.get_model("{MODEL}").chain("Publish: Hello!", tools=[publish], options={OPTIONS}).text()
    except chat.PauseChain as pause:
        print(json.dumps(pause.to_dict()))
else:
    chain = chat.resume(json.load(sys.stdin), tools=[publish])
    print(json.dumps({{"text": chain.text(), "roles": [message.role for message in chain.messages()]}}))
"""


def weather(city: str) -> str:
    "Look up the weather of a city."
    return f"It is sunny in {city}."


@pytest.mark.local
def test_a_chain_with_tools(colour: Colour) -> None:
    model = (chat.get_async_model if colour.is_async else chat.get_model)(MODEL)

    async def scenario() -> None:
        chain = model.chain("What is the weather in Paris?", tools=[weather], options=OPTIONS)
        assert "".join(await colour.all(chain)) == await colour.got(chain.text()) != ""
        calling, answering = await colour.all(chain.responses())
        assert [call.name for call in await colour.got(calling.tool_calls())] == ["weather"]
        assert await colour.got(answering.tool_calls()) == []

    colour.run(scenario)


@pytest.mark.local
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_the_token_limit_cut_is_not_run(colour: Colour, stream: bool) -> None:
    ran: list[str] = []

    def weather(city: str = "Paris") -> None:
        "Look up the weather of a city."
        ran.append(city)

    async def scenario() -> None:
        response = await colour.got(
            (colour.stream if stream else colour.ask)(
                llm.Model(MODEL, max_tokens=12), "What is the weather in Paris?", tools=[weather]
            )
        )
        (output,) = await colour.got(response.execute_tools())
        assert (response.finish_reason, ran) == (llm.FinishReason.MAX_TOKENS, [])
        assert "not run" in output.result

    colour.run(scenario)


def run(what: str, told: str = "") -> list[str]:
    """What a fresh process prints."""
    command = [sys.executable, "-c", PROGRAM, what]
    return subprocess.run(command, input=told, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.local
def test_a_pause_outlives_its_process() -> None:
    (state,) = run("ask")
    assert json.loads(state)["reason"] == "A person must agree."
    published, end = run("go on", state)
    assert published == "published"
    assert json.loads(end)["text"]
