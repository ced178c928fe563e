"""Nothing stays behind: neither objects nor tasks nor connections."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

from mirascope_like import llm

from ..conftest import Colour
from ..transport.server import Server
from .chat_server import register, saying

ROUNDS = 20
WATCHED = ("mirascope_like", "aiohttp", "httpx2", "httpcore2", "h11", "anyio")


def things() -> Counter[str]:
    """The objects of the library and of the HTTP clients that are alive, by class."""
    gc.collect()
    names = [f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects()]
    return Counter(name for name in names if name.startswith(WATCHED))


async def use(colour: Colour, model: llm.Model) -> None:
    """A call, a stream that is read, one that is left early, and one that nobody reads."""
    await colour.got(colour.ask(model, "Hi"))
    read, left, unread = [await colour.got(colour.stream(model, "Hi")) for _ in range(3)]
    assert await colour.all(read.text_stream()) == ["one", " two", " three"]
    assert await colour.next(left.text_stream()) == "one"
    await colour.close(left)
    await colour.close(unread)


def test_calls_and_streams_leave_nothing_behind(colour: Colour, server: Server) -> None:
    server.answer = saying("one two three")
    register(server)
    model = llm.Model("test/m")

    async def scenario() -> None:
        for _ in range(3):
            await use(colour, model)
        before = things()
        for _ in range(ROUNDS):
            await use(colour, model)
        left = things() - before
        assert [name for name, count in left.items() if count >= ROUNDS] == []  # a few may still be on their way
        if colour.name == "asyncio":
            while len(asyncio.all_tasks()) > 1:  # a connection being closed
                await asyncio.sleep(0)

    colour.run(scenario)
    if colour.is_async:  # its loop has ended
        server.wait_all_gone()
