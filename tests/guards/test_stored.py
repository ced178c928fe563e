"""Guards what is stored: files written before are read as before, and the same is written today. See `stored.py`."""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mirascope_like import chat, llm

from . import stored
from .goldens import FILES, as_json, summary

LOGS = list(stored.LOGS)


@cache
def made() -> dict[str, str]:
    return stored.made()


def text_of(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def differences(before: str, now: str) -> list[str]:
    """The lines of two texts that differ, with those around them. Values in SQL stand in lines of their own."""
    texts = [text.replace(", '", ",\n'").splitlines() for text in (before, now)]
    return list(difflib.unified_diff(*texts, "stored", "now", n=2, lineterm=""))


def check(title: str, before: object, now: object) -> None:
    """Fail with the lines of two JSON forms in which they differ."""
    texts = [json.dumps(each, indent=1, sort_keys=True) for each in (before, now)]
    lines = differences(*texts)
    assert not lines, summary(title, lines)


def forms(kind: str) -> Mapping[str, Any]:
    return json.loads(text_of("chat.json"))[kind]


@pytest.mark.parametrize(
    "name", ["messages.json", "chat.json", *(f"log-{kind}.{end}" for kind in LOGS for end in ("sql", "json"))]
)
def test_the_same_is_stored_as_before(name: str) -> None:
    before, now, title = text_of(name), made()[name], f"{name} would be written differently now"
    if name.endswith(".json"):
        check(title, json.loads(before), json.loads(now))
    else:
        lines = differences(before, now)
        assert not lines, summary(title, lines)


def test_messages_are_loaded_as_before() -> None:
    for name, form in json.loads(text_of("messages.json")).items():
        check(f"messages {name!r}", form, llm.dump_messages(llm.load_messages(form)))


def test_messages_of_chat_are_loaded_as_before() -> None:
    for kind in ("response", "conversation"):
        for name, form in forms(kind).items():
            for message in form["messages"]:
                check(f"message of {kind} {name!r}", message, chat.Message.from_dict(message).to_dict())
    for name, form in forms("as llm").items():
        there_and_back = chat.to_llm(chat.from_llm(llm.load_messages(form)))
        check(f"messages for llm of {name!r}", form, llm.dump_messages(there_and_back))


@pytest.mark.parametrize("kind", [chat.Response, chat.AsyncResponse])
def test_responses_are_loaded_as_before(kind: Any) -> None:
    for name, form in forms("response").items():
        response = loaded(kind, form)
        check(f"response {name!r}", storable(form), response.to_dict())
        if kind is chat.Response:
            check(f"response {name!r}, messages for llm", forms("as llm")[name], llm.dump_messages(response.to_llm()))


@pytest.mark.parametrize("kind", [chat.Conversation, chat.AsyncConversation])
def test_conversations_are_loaded_as_before(kind: Any) -> None:
    for name, form in forms("conversation").items():
        conversation = loaded(kind, form)
        check(f"conversation {name!r}", form, conversation.to_dict())
        check(
            f"conversation {name!r}, for llm", forms("as llm")["conversation"], llm.dump_messages(conversation.to_llm())
        )


def test_responses_of_chains_are_loaded_as_before() -> None:
    for name, form in forms("chain").items():
        for response in form["responses"]:
            check(f"chain {name!r}", storable(response), loaded(chat.Response, response).to_dict())


def test_pauses_are_resumed_as_before() -> None:
    """The call that waits pauses again, with the same state."""
    for name, form in forms("pause").items():
        with stored.suppress_pause() as pauses:
            chat.resume(form, tools=[stored.weather, stored.pay]).text()
        check(f"pause {name!r}", form, pauses[0].to_dict())


@pytest.mark.parametrize("kind", LOGS)
def test_logs_are_read_as_before(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    stored.load(text_of(f"log-{kind}.sql"), path)
    now = json.loads(as_json(stored.read(path)))
    check(f"The log of {kind} is read differently now", json.loads(text_of(f"log-{kind}.json")), now)


@pytest.mark.parametrize("kind", LOGS)
def test_logs_are_continued_as_before(kind: str, tmp_path: Path) -> None:
    """A further call leaves all rows as they are."""
    path = tmp_path / "calls.db"
    stored.load(text_of(f"log-{kind}.sql"), path)
    with llm.log(path):
        llm.scripted("Something new.").call("Something else")
    lost = set(text_of(f"log-{kind}.sql").splitlines()) - set(stored.dump(path).splitlines())
    assert not lost, summary(f"Rows of the log of {kind} changed", sorted(lost))
    with llm.open_log(path) as reader:
        assert reader.verify() == []
        assert [found.prompt for found in reader.search("something NEW")] == ["Something else"]


def loaded(kind: Any, form: Mapping[str, Any]) -> Any:
    """A response or conversation from its JSON form, which has options that are not stored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.from_dict(form)


def storable(form: Mapping[str, Any]) -> Mapping[str, Any]:
    """The form of a response without what is told to readers but not taken from it: the id of its conversation, and the
    names of options that were not stored."""
    prompt = {name: value for name, value in form["prompt"].items() if name != "omitted_options"}
    return {**{name: value for name, value in form.items() if name != "conversation"}, "prompt": prompt}
