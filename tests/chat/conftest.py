"""What the tests of the lazy face share: models that say what a test wants, in the colour of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mirascope_like import chat
from mirascope_like.chat.models import registry

from ..conftest import Colour


@dataclass(frozen=True)
class Ending:
    """Why a turn ends."""

    reason: str | None


Said = str | chat.StreamEvent | chat.ToolCall | Ending | Exception


class Script:
    """The turns of a scripted model, one after the other, and the prompts that it was given."""

    def __init__(self, *turns: Sequence[Said] | str | Callable[[chat.Prompt], Any]) -> None:
        self.turns = list(turns)
        self.prompts: list[chat.Prompt] = []
        self.streams: list[bool] = []
        self.closed = 0

    def next(self, prompt: chat.Prompt, response: Any, stream: bool) -> Iterator[Any]:
        self.prompts.append(prompt)
        self.streams.append(stream)
        turn: Any = self.turns.pop(0) if self.turns else prompt.prompt
        turn = turn(prompt) if callable(turn) else turn
        response.set_usage(input=10, output=1)
        for item in [turn] if isinstance(turn, str) else turn:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Ending):
                response.set_finish_reason(item.reason)
            elif isinstance(item, chat.ToolCall):
                response.add_tool_call(item)
            else:
                yield item


class Scripted(chat.Model):
    """A sync model that follows a script; without one left it echoes."""

    model_id = "scripted"
    can_stream = True
    supports_schema = True
    supports_tools = True
    attachment_types = frozenset({"image/png", "audio/wav"})

    class Options(chat.Options):
        temperature: float | None = None

    def __init__(self, script: Script) -> None:
        self.script = script

    def execute(self, prompt, *, stream, response, conversation) -> Iterator[Any]:
        try:
            yield from self.script.next(prompt, response, stream)
        except GeneratorExit:
            self.script.closed += 1
            raise


class AsyncScripted(chat.AsyncModel):
    """See `Scripted`."""

    model_id = "scripted"
    can_stream = True
    supports_schema = True
    supports_tools = True
    attachment_types = frozenset({"image/png", "audio/wav"})
    Options = Scripted.Options

    def __init__(self, script: Script) -> None:
        self.script = script

    async def execute(self, prompt, *, stream, response, conversation) -> AsyncIterator[Any]:
        import anyio

        try:
            for item in self.script.next(prompt, response, stream):
                await anyio.lowlevel.checkpoint()
                yield item
        except GeneratorExit:
            self.script.closed += 1
            raise


def scripted(colour: Colour, *turns: Any) -> Any:
    """A model of this colour; see `Script`."""
    return (AsyncScripted if colour.is_async else Scripted)(Script(*turns))


def call(name: str, _id: str | None = None, /, **arguments: Any) -> chat.ToolCall:
    """A tool call."""
    return chat.ToolCall(name, arguments, _id or f"call_{name}")


def events(response: Any) -> Any:
    """The events of a response or chain of either colour."""
    return response.astream_events() if hasattr(response, "astream_events") else response.stream_events()


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """No models but a test's own."""
    yield
    registry.reset()
