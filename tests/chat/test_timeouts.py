"""The option `timeout`, for models of one's own as for the library's."""

from __future__ import annotations

import itertools
import json
from typing import Any

import anyio
import pytest

from mirascope_like import chat
from mirascope_like.errors import TimeoutError

from ..conftest import Colour
from .conftest import call, scripted


async def slow() -> None:
    """Never ends."""
    await anyio.sleep_forever()


def test_tools_are_given_up(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, [call("slow")], "done")
        chain = model.chain("Go", tools=[slow], options={"timeout": chat.Timeout(tool=0.01)})
        assert await colour.got(chain.text()) == "done"
        (result,) = model.script.prompts[-1].tool_results
        assert "longer than 0.01 s" in result.output

    colour.run(scenario)


def test_the_limit_of_tools_stays_with_a_pause(colour: Colour) -> None:
    pauses = iter([True])

    async def ask() -> None:
        if next(pauses, False):
            raise chat.PauseChain
        await slow()

    async def scenario() -> None:
        model = scripted(colour, [call("ask")], "done")
        with pytest.raises(chat.PauseChain) as raised:
            await colour.got(model.chain("Go", tools=[ask], timeout=chat.Timeout(tool=0.01)).text())
        state = json.loads(json.dumps(raised.value.to_dict()))
        chain = (chat.resume_async if colour.is_async else chat.resume)(state, model=model, tools=[ask])
        assert await colour.got(chain.text()) == "done"

    colour.run(scenario)


def test_an_answer_of_a_model_of_ones_own_is_given_up(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, itertools.repeat("and so on "))
        with pytest.raises(TimeoutError, match="total"):
            await colour.got(model.prompt("Go", timeout=chat.Timeout(total=0.05)).text())

    colour.run(scenario)


def test_silence_of_a_model_of_ones_own_is_given_up(native: Colour) -> None:
    class Silent(chat.AsyncModel):
        model_id = "silent"

        async def execute(self, prompt: chat.Prompt, **_: Any) -> Any:
            await anyio.sleep_forever()
            yield ""

    async def scenario() -> None:
        with pytest.raises(TimeoutError, match="first_token"):
            await Silent().prompt("Go", timeout=chat.Timeout(first_token=0.01)).text()

    native.run(scenario)


def test_a_timeout_that_is_none_is_refused_at_once(colour: Colour) -> None:
    with pytest.raises(ValueError, match="timeout"):
        scripted(colour).prompt("Go", timeout="soon")


def test_limits_are_no_option_of_the_author(colour: Colour) -> None:
    async def scenario() -> None:
        model = scripted(colour, "done")
        assert await colour.got(model.prompt("Go", timeout=chat.Timeout(total=9)).text()) == "done"
        (prompt,) = model.script.prompts
        assert prompt.timeout == chat.Timeout(total=9)
        assert "timeout" not in prompt.options.model_dump()

    colour.run(scenario)
