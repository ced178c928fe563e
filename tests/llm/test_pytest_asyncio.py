"""Code that uses the library is tested with pytest-asyncio as with any other runner."""

from __future__ import annotations

import asyncio

import pytest

from mirascope_like import llm


@llm.tool
async def fetch_weather(city: str) -> str:
    """Fetch the weather."""
    await asyncio.sleep(0)
    return f"Sunny in {city}"


@llm.call("openai/gpt-5-mini", tools=[fetch_weather])
async def assistant(query: str):
    return query


@pytest.mark.asyncio
async def test_a_tool_loop() -> None:
    call = llm.ToolCall(id="1", name="fetch_weather", args='{"city": "Tokyo"}')
    with llm.scripted(call, "It is sunny.") as model:
        response = await assistant("What's the weather in Tokyo?")
        while response.tool_calls:
            response = await response.resume(await response.execute_tools())
    assert response.text() == "It is sunny."
    assert model.requests[1]["messages"][-1]["content"] == "Sunny in Tokyo"


@pytest.mark.asyncio
async def test_a_stream() -> None:
    with llm.scripted("One two three."):
        stream = await assistant.stream("Count.")
        pieces = [piece async for piece in stream.text_stream()]
    assert len(pieces) > 1
    assert "".join(pieces) == "One two three."
