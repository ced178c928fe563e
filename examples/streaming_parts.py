"""A streamed answer part by part: thoughts, text and tool calls, each shown in its own way, as it comes."""

from __future__ import annotations

from mirascope_like import llm


def roll_dice(sides: int) -> int:
    """Roll a die."""
    return (sides + 1) // 2  # chosen by a fair die


@llm.call(
    "anthropic/claude-sonnet-5-5",
    tools=[roll_dice],
    thinking={"level": "low", "include_thoughts": True},
)
def play(move: str):
    return move


def show(response: llm.StreamResponse) -> None:
    for part in response.streams():
        label = {"thought_stream": "thinks", "text_stream": "says", "tool_call_stream": "calls"}[part.type]
        print(f"{label}: ", end="")
        if isinstance(part, llm.ToolCallStream):
            print(part.tool_name, end=" ")
        for piece in part:
            print(piece, end="", flush=True)
        print()


def main() -> None:
    response = play.stream("Your turn: roll the die.")
    show(response)
    while response.tool_calls:
        response = response.resume(response.execute_tools())
        show(response)
    if response.usage:
        print(f"({response.usage.output_tokens} tokens)")


if __name__ == "__main__":
    main()
