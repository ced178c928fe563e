"""Each message object is hashed once, in whatever number of calls it stands; what may have changed is hashed again."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mirascope_like import chat, llm
from mirascope_like.log import message_store
from mirascope_like.log.message_store import chain_messages, hash_message

from ..chat.conftest import events, scripted
from ..conftest import Colour
from ..types import strategies

TURNS = 200
AT_MOST = 3  # in a turn: a prompt, and a response in the call and in the history, which are two objects


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The JSON forms of messages that are hashed."""
    forms: list[str] = []

    def counting(parent: str | None, text: str) -> str:
        forms.append(text)
        return hash_message(parent, text)

    monkeypatch.setattr(message_store, "hash_message", counting)
    yield forms


def test_each_message_of_a_conversation_is_hashed_once(colour: Colour, hashed: list[str], tmp_path: Path) -> None:
    model = llm.scripted("Hello.", repeat=True)

    async def scenario() -> None:
        with llm.log(tmp_path / "calls.db"):
            response = await colour.got(colour.ask(model, "Hi"))
            for number in range(TURNS):
                resume = response.resume(str(number))
                response = await colour.got(resume)

    colour.run(scenario)
    assert len(hashed) <= AT_MOST * (TURNS + 1)
    check(tmp_path / "calls.db", TURNS + 1, 2 * (TURNS + 1))


@pytest.mark.parametrize("own_model", [True, False])
def test_each_message_of_a_conversation_of_chat_is_hashed_once(
    colour: Colour, hashed: list[str], tmp_path: Path, own_model: bool
) -> None:
    turns = 30

    async def scenario() -> None:
        if own_model:
            model = scripted(colour)
        else:
            llm.register_provider(llm.scripted("Hello.", repeat=True).provider, scope="openai/")
            model = (chat.get_async_model if colour.is_async else chat.get_model)("openai/gpt-6-luna")
        with llm.log(tmp_path / "calls.db"):
            conversation = model.conversation(system="Be brief.")
            for number in range(turns):
                await colour.all(events(conversation.prompt(str(number))))

    colour.run(scenario)
    assert len(hashed) <= AT_MOST * turns + 1
    check(tmp_path / "calls.db", turns, 2 * turns + 1)


def check(path: Path, calls: int, messages: int) -> None:
    with llm.open_log(path) as log:
        assert log.verify() == []
        assert len(list(log.responses())) == calls
        assert len(log.conversation().messages) == messages


@given(st.lists(strategies.messages, min_size=1, max_size=4))
def test_known_hashes_are_those_of_the_forms(messages: list[Any]) -> None:
    first = [each.hash for each in chain_messages(messages)]
    assert [each.hash for each in chain_messages(messages)] == first
    anew = pickle.loads(pickle.dumps([copy.copy(message) for message in messages]))
    assert [hash_message(each.parent, each.message) for each in chain_messages(anew)] == first
    for at in range(1, len(messages)):  # behind others
        behind = list(chain_messages(messages[at:]))
        assert behind == list(chain_messages(copy.deepcopy(messages[at:])))


def test_results_that_change_are_hashed_again() -> None:
    result = {"tasks": ["one"]}
    history = [llm.messages.user(llm.ToolOutput(id="1", name="t", result=result)), llm.messages.assistant("So.")]
    before = [each.hash for each in chain_messages(history)]
    result["tasks"].append("two")
    after = list(chain_messages(history))
    assert [each.hash for each in after] == [hash_message(each.parent, each.message) for each in after]
    assert before[0] != after[0].hash and before[1] != after[1].hash


def test_a_message_that_is_replaced_is_hashed_again() -> None:
    message = llm.messages.user("Hi")
    (before,) = chain_messages([message])
    (after,) = chain_messages([replace(message, content="Bye")])
    assert before.hash != after.hash
