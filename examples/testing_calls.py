"""How to test a program that calls models: `pytest examples/testing_calls.py`. No key, no network."""

from __future__ import annotations

from mirascope_like import llm

# -- the program ------------------------------------------------------------------------------------------------------


def find_price(product: str) -> float:
    """Find a product's price in euros."""
    return {"lamp": 20.0}[product]


@llm.call("openai/gpt-6-luna", tools=[find_price])
def advise(question: str):
    return question


def advice(question: str, most_rounds: int = 3) -> str:
    """Advice on a question, or an apology."""
    try:
        response = advise(question)
        for _ in range(most_rounds):
            if not response.tool_calls:
                return response.text()
            response = response.resume(response.execute_tools())
    except llm.RateLimitError:
        return "We are busy, please come back later."
    return "I do not know."


# -- its tests --------------------------------------------------------------------------------------------------------

ASKS_FOR_LAMP = llm.ToolCall(id="1", name="find_price", args='{"product": "lamp"}')
ASKS_FOR_YACHT = llm.ToolCall(id="2", name="find_price", args='{"product": "yacht"}')


def test_prices_are_looked_up() -> None:
    with llm.scripted(ASKS_FOR_LAMP, "It costs 20 euros.") as model:
        assert advice("How much is a lamp?") == "It costs 20 euros."
    assert model.requests[1]["messages"][-1]["content"] == "20.0"


def test_the_model_is_told_what_is_missing() -> None:
    with llm.scripted(ASKS_FOR_YACHT, "We have none.") as model:
        assert advice("How much is a yacht?") == "We have none."
    assert "KeyError" in model.requests[1]["messages"][-1]["content"]


def test_it_gives_up_in_the_end() -> None:
    with llm.scripted(ASKS_FOR_LAMP, repeat=True):
        assert advice("How much is a lamp?") == "I do not know."


def test_it_is_polite_when_busy() -> None:
    with llm.scripted(llm.RateLimitError("Too many requests.", status_code=429)):
        assert advice("How much is a lamp?") == "We are busy, please come back later."
