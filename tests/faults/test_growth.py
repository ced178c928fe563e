"""Reading what a server or a model wrote takes time in proportion to its length, whatever it says.

Regular expressions that backtrack run no Python code that could be counted, so CPU time is compared: of a text, and of
one eight times as long. In proportion that is 8 times as much; if every character is looked at once for every other, it
is 64 times as much.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.values.chunks import Accumulator, ToolCallEndChunk, ToolCallStartChunk
from mirascope_like.wire.failures import reported
from mirascope_like.wire.lessons import lesson

SIZE = 2_000  # repetitions in the shorter text
MOST = 24.0


class Book(BaseModel):
    title: str


def parse(text: str) -> None:
    with pytest.raises(llm.ParseError):
        llm.scripted(text).call("Which book?", format=Book).parse()


def refuse(**error: object) -> None:
    lesson(reported({"error": {"message": "not supported", **error}}, status=400))


def fold_calls(count: int) -> None:
    ids = [str(n) for n in range(count)]
    accumulator = Accumulator()
    for chunk in [*map(start_of_call, ids), *map(ToolCallEndChunk, ids)]:  # all are open before the first one ends
        accumulator.add(chunk)
    assert len(accumulator.reply().content) == count


def start_of_call(id: str) -> ToolCallStartChunk:
    return ToolCallStartChunk(id, "look_up")


def cpu_time(read: Callable[[int], None], size: int) -> float:
    """The least of three, in seconds."""
    times: list[float] = []
    for _ in range(3):
        start = time.process_time()
        read(size)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda n: parse("a```\n" * n), id="fences that are never closed"),
        pytest.param(lambda n: parse("```json\n" * n), id="fences in a row"),
        pytest.param(lambda n: parse("```\n" + "\n " * n), id="a fence before blank lines"),
        pytest.param(lambda n: parse("{ " * n), id="braces that are never closed"),
        pytest.param(lambda n: parse('{"a":[1,' * n), id="JSON that is never closed"),
        pytest.param(lambda n: parse('{"a": "' + "\\" * n), id="backslashes"),
        pytest.param(lambda n: refuse(param="effort " * n), id="a long name in a refusal"),
        pytest.param(lambda n: refuse(code="tools reasoning_effort " * n), id="a long code in a refusal"),
        pytest.param(fold_calls, id="tool calls that arrive together"),
        pytest.param(lambda n: refuse(message="thinking must be " * n), id="a long refusal"),
    ],
)
def test_time_grows_with_the_length(read: Callable[[int], None]) -> None:
    read(SIZE)  # loads what is loaded at first use
    short = max(cpu_time(read, SIZE), 0.001)  # below, noise is larger than what is measured
    assert cpu_time(read, 8 * SIZE) < MOST * short
