"""Prompts of a conversation take and leave their places from any thread; none of them is lost or stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest

from mirascope_like import chat
from mirascope_like.chat.queues import Queue, Ticket
from mirascope_like.engine.runtime import BLOCKING, run

THREADS = 8
ROUNDS = 20


class Owner:
    """The owner of a place, with nothing to read on."""

    def __init__(self) -> None:
        self.place = Ticket(BLOCKING, self.go_on)

    async def go_on(self) -> bool:
        return False


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_place_may_be_left_while_another_is_taken() -> None:
    queue, first, second = Queue(), Owner(), Owner()
    run(queue.enter(first.place))
    leaving = Thread(target=queue.leave, args=[first.place])

    class Interrupting(Ticket):
        @property
        def is_taken(self) -> bool:
            if leaving.ident is None:
                leaving.start()
                leaving.join(0.5)  # it waits for `enter` to end, or left meanwhile
            return super().is_taken

    third = Owner()
    third.place = Interrupting(BLOCKING, third.go_on)
    run(queue.enter(third.place))
    run(queue.enter(second.place))
    leaving.join()
    queue.leave(second.place)
    queue.leave(third.place)
    assert queue.is_empty


@pytest.mark.usefixtures("quick_switches")
def test_replies_of_many_threads_stay_in_their_conversation() -> None:
    class Echo(chat.Model):
        model_id = "echo"

        def execute(self, prompt: chat.Prompt, **_: Any) -> Iterator[str]:
            yield prompt.prompt

    def ask(conversation: chat.Conversation) -> None:
        conversation.prompt("Hi").text()

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            conversation = Echo().conversation()
            list(pool.map(ask, [conversation] * THREADS))
            last = conversation.responses[-1]
            assert last.reply("And?").conversation is conversation


def test_a_place_can_be_left_in_a_finalizer() -> None:
    """The garbage collector may run one while another place is taken."""
    queue, first, second = Queue(), Owner(), Owner()
    run(queue.enter(first.place))

    class Collecting(Ticket):
        @property
        def is_taken(self) -> bool:
            queue.leave(first.place)
            return super().is_taken

    second.place = Collecting(BLOCKING, second.go_on)
    run(queue.enter(second.place))
    third = Owner()
    run(queue.enter(third.place))
    queue.leave(second.place)
    queue.leave(third.place)
    assert queue.is_empty
