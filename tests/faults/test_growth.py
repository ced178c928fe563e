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

from mirascope_like import chat, llm
from mirascope_like.chat.messages.event_assembler import Assembler, ChunkWriter
from mirascope_like.chat.messages.history import answered
from mirascope_like.types.chunks import Accumulator, ToolCallEndChunk, ToolCallStartChunk
from mirascope_like.wire.error_bodies import parse_error_value
from mirascope_like.wire.retry_after import parse_retry_after
from mirascope_like.wire.unsupported_params import find_adjustment

SIZE = 2_000  # repetitions in the shorter text
MOST = 24.0


class Book(BaseModel):
    title: str


def parse(text: str) -> None:
    with pytest.raises(llm.ParseError):
        llm.scripted(text).call("Which book?", format=Book).parse()


def refuse(**error: object) -> None:
    find_adjustment(parse_error_value({"error": {"message": "not supported", **error}}, status=400))


def read_wait(delay: str = "1s", message: str = "") -> None:
    assert parse_retry_after({}, {"error": {"details": [{"retryDelay": delay}]}}, message) is None or delay == "1s"


def fold_calls(count: int) -> None:
    ids = [str(n) for n in range(count)]
    accumulator = Accumulator()
    for chunk in [*map(start_of_call, ids), *map(ToolCallEndChunk, ids)]:  # all are open before the first one ends
        accumulator.add(chunk)
    assert len(accumulator.reply().content) == count


def read_parts(count: int) -> None:
    calls = [llm.ToolCall(id=str(n), name="look_up", args='{"n": 1}') for n in range(count // 20)]
    parts = list(llm.scripted(calls).stream("Look them up").streams())  # all end together
    assert [part.collect() for part in parts] == calls


def assemble_calls(count: int, *, with_ids: bool, added: bool) -> None:
    """As of a model that a user wrote. `added`: the response gets each call once more, beside the events."""
    assembler, writer = Assembler(), ChunkWriter()
    for n in range(count):
        id = f"call_{n}" if with_ids else None
        writer.feed(assembler.add(chat.StreamEvent("tool_call_name", "look_up", tool_call_id=id)))
        writer.feed(assembler.add(chat.StreamEvent("tool_call_args", f'{{"n": {n}}}', tool_call_id=id)))
    calls = [chat.ToolCall("look_up", {"n": n}, f"call_{n}") for n in reversed(range(count))] if added else []
    (message,) = assembler.messages(calls)
    writer.end([message])
    assert len(message.parts) == count


def send_history(count: int, *, same_id: bool) -> None:
    calls = [llm.ToolCall(id="same" if same_id else str(n), name="look_up", args="{}") for n in range(count)]
    outputs = [llm.ToolOutput(id=call.id, name=call.name, result="found") for call in reversed(calls)]
    asked = [llm.messages.user("Look them up"), llm.messages.assistant(calls)]
    llm.scripted("Done").call([*asked, llm.messages.user(outputs)])


def order_history(count: int) -> None:
    calls: list[chat.Part] = [chat.ToolCallPart("look_up", {}, str(n)) for n in range(count)]
    results: list[chat.Part] = [chat.ToolResultPart("look_up", "found", str(n)) for n in reversed(range(count))]
    messages = [chat.Message("assistant", calls), chat.Message("tool", results)]
    assert answered(messages) == messages


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


READS: dict[str, Callable[[int], None]] = {
    "fences that are never closed": lambda n: parse("a```\n" * n),
    "fences in a row": lambda n: parse("```json\n" * n),
    "a fence before blank lines": lambda n: parse("```\n" + "\n " * n),
    "braces that are never closed": lambda n: parse("{ " * n),
    "JSON that is never closed": lambda n: parse('{"a":[1,' * n),
    "backslashes": lambda n: parse('{"a": "' + "\\" * n),
    "a long name in a refusal": lambda n: refuse(param="effort " * n),
    "a long code in a refusal": lambda n: refuse(code="tools reasoning_effort " * n),
    "a wait in an error's details": lambda n: read_wait(delay="1ms" * n + "!"),
    "a wait in an error's message": lambda n: read_wait(message="try again in " + "1ms" * n + "!"),
    "a long refusal": lambda n: refuse(message="thinking must be " * n),
    "tool calls that arrive together": fold_calls,
    "tool calls, each read from a sub-stream": read_parts,
    "tool calls of a model that a user wrote": lambda n: assemble_calls(n // 2, with_ids=True, added=False),
    "tool calls that it adds as well": lambda n: assemble_calls(n // 4, with_ids=True, added=True),
    "a history with the results in reverse": lambda n: send_history(n // 2, same_id=False),
    "a history whose calls have one id": lambda n: send_history(n // 2, same_id=True),
    "a history of chat with the results in reverse": order_history,
    "tool calls that only have ids as it adds them": lambda n: assemble_calls(n // 4, with_ids=False, added=True),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_time_grows_with_the_length(read: Callable[[int], None]) -> None:
    read(SIZE)  # loads what is loaded at first use
    short = max(cpu_time(read, SIZE), 0.001)  # below, noise is larger than what is measured
    assert cpu_time(read, 8 * SIZE) < MOST * short
