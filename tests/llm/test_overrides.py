"""`with llm.model(…):` in generators and in overlapping blocks: an override ends with its block, wherever that is."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import threading
from collections.abc import AsyncGenerator, Callable, Generator

import anyio
import pytest

from mirascope_like import llm

from ..conftest import PATIENCE, Colour
from ..transport.server import Server
from .chat_server import register, saying


@llm.call("test/default")
def ask() -> str:
    return "Hi"


@llm.call("test/default")
async def ask_async() -> str:
    return "Hi"


@pytest.fixture(autouse=True)
def served(server: Server) -> None:
    """Each reply is the name of the model that was asked."""
    server.answer = saying(lambda body: body["model"])
    register(server)


def asked() -> str:
    """The name of the model that a call reaches now."""
    return ask().text()


def replies(model: llm.Model | None = None) -> Generator[str]:
    with model or llm.model("test/inner"):
        while True:
            yield asked()


class Replies:
    """Async generators that use another model, and an event for the end of each."""

    def __init__(self) -> None:
        self.ended = anyio.Event()

    async def each(self, model: llm.Model | None = None) -> AsyncGenerator[str]:
        try:
            with model or llm.model("test/inner"):
                while True:
                    yield (await ask_async()).text()
        finally:
            self.ended.set()


async def until_ended(replies: Replies) -> None:
    with anyio.fail_after(PATIENCE):
        while not replies.ended.is_set():
            gc.collect()
            await anyio.sleep(0.001)


def test_an_async_generator_that_is_dropped(native: Colour) -> None:
    async def scenario() -> str:
        replies = Replies()
        async for text in replies.each():
            assert text == "inner"
            break
        await until_ended(replies)
        return (await ask_async()).text()

    if native.name == "trio":  # reports generators that it had to close itself
        with pytest.warns(ResourceWarning, match="Async generator"):
            assert native.run(scenario) == "default"
    else:
        assert native.run(scenario) == "default"


def test_an_async_generator_that_another_task_closes(native: Colour) -> None:
    async def scenario() -> list[str]:
        replies = Replies()
        generator = replies.each()
        seen = [await anext(generator)]
        async with anyio.create_task_group() as group:
            group.start_soon(generator.aclose)
        return [*seen, (await ask_async()).text()]

    assert native.run(scenario) == ["inner", "default"]


def test_an_async_generator_that_another_task_began(native: Colour) -> None:
    async def scenario() -> str:
        replies = Replies()
        generator = replies.each()
        async with anyio.create_task_group() as group:
            group.start_soon(anext, generator)
        await generator.aclose()
        return (await ask_async()).text()

    assert native.run(scenario) == "default"


def in_a_thread(close: Callable[[], None]) -> None:
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(in_a_thread, id="thread"),
        pytest.param(lambda close: contextvars.copy_context().run(close), id="copied context"),
        pytest.param(lambda close: contextvars.Context().run(close), id="empty context"),
    ],
)
def test_a_generator_that_is_closed_elsewhere(elsewhere: Callable[[Callable[[], None]], None]) -> None:
    generator = replies()
    assert next(generator) == "inner"
    elsewhere(generator.close)
    assert asked() == "default"
    with llm.model("test/next"):
        assert asked() == "next"
    assert asked() == "default"


def test_an_override_is_visible_while_its_generator_is_suspended() -> None:
    generator = replies()
    next(generator)
    assert asked() == "inner"
    generator.close()
    assert asked() == "default"


def test_blocks_that_overlap_remove_their_own_override_only() -> None:
    first, second = replies(llm.model("test/first")), replies(llm.model("test/second"))
    assert [next(first), next(second)] == ["first", "second"]
    first.close()
    assert asked() == "second"
    second.close()
    assert asked() == "default"


def test_one_model_entered_twice() -> None:
    model = llm.model("test/inner")
    with model:
        with model:
            assert asked() == "inner"
        assert asked() == "inner"
    assert asked() == "default"


def test_generators_that_share_a_model() -> None:
    """Closing one of them in a context that knows neither leaves the override of the other."""
    shared = llm.model("test/shared")
    first, second = replies(shared), replies(shared)
    contexts = [contextvars.copy_context() for _ in range(2)]
    assert [context.run(next, each) for context, each in zip(contexts, (first, second), strict=True)] == ["shared"] * 2
    contextvars.Context().run(first.close)
    assert [context.run(asked) for context in contexts] == ["default", "shared"]
    contextvars.Context().run(second.close)
    assert [context.run(asked) for context in contexts] == ["default", "default"]


def test_an_exit_stack_that_is_closed_elsewhere() -> None:
    stack = contextlib.ExitStack()
    stack.enter_context(llm.model("test/inner"))
    assert asked() == "inner"
    contextvars.Context().run(stack.close)
    assert asked() == "default"


def test_tasks_that_outlive_the_block_keep_its_override(native: Colour) -> None:
    async def scenario() -> set[str]:
        seen: set[str] = set()

        async def task() -> None:
            seen.add((await ask_async()).text())

        async with anyio.create_task_group() as group:
            for name in ("a", "b"):
                with llm.model(f"test/{name}"):
                    group.start_soon(task)
        return seen

    assert native.run(scenario) == {"a", "b"}


def test_overrides_that_are_over_are_forgotten() -> None:
    """A task that drops many generators does not collect their models."""

    class Marked(llm.Model):
        alive = 0

        def __init__(self) -> None:
            super().__init__("test/marked")
            Marked.alive += 1

        def __del__(self) -> None:
            Marked.alive -= 1

    for _ in range(10):
        generator = replies(Marked())
        next(generator)
        contextvars.Context().run(generator.close)
        del generator
    gc.collect()
    assert Marked.alive <= 1
