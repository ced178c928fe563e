"""Messages by content: what goes into a log comes out of it."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from mirascope_like import llm
from mirascope_like.log.message_store import (
    Attachment,
    StoredMessage,
    chain_messages,
    dump_json,
    hash_message,
    load_message,
)
from mirascope_like.types.messages import Message

from ..types import strategies
from .databases import opened

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


def loaded(stored: list[StoredMessage]) -> list[Message]:
    contents = {part.hash: part.content for each in stored for part in each.attachments}
    return [load_message(each.message, contents.__getitem__) for each in stored]


@settings(max_examples=50)
@given(st.lists(strategies.messages, max_size=4))
def test_what_is_stored_is_loaded(messages: list[Message]) -> None:
    stored = list(chain_messages(messages))
    assert loaded(stored) == loaded(list(chain_messages(loaded(stored))))
    assert [llm.to_dict(message) for message in loaded(stored)] == [llm.to_dict(message) for message in messages]
    assert list(chain_messages(loaded(stored))) == stored


@settings(max_examples=50)
@given(st.lists(strategies.messages, min_size=1, max_size=4))
def test_hashes_can_be_worked_out_again(messages: list[Message]) -> None:
    parent = None
    for each in chain_messages(messages):
        assert each.parent == parent
        assert each.hash == hash_message(parent, each.message)
        parent = each.hash


@settings(max_examples=25)
@given(st.lists(strategies.messages, min_size=1, max_size=4), strategies.messages)
def test_a_hash_stands_for_all_before_it(messages: list[Message], other: Message) -> None:
    tip = list(chain_messages(messages))[-1].hash
    assert list(chain_messages(messages))[-1].hash == tip
    changed = list(chain_messages([other, *messages[1:]]))[-1].hash
    assert (changed == tip) == (llm.to_dict(other) == llm.to_dict(messages[0]))
    assert list(chain_messages([other, *messages]))[-1].hash != tip


@settings(max_examples=25)
@given(st.lists(strategies.messages, max_size=3))
def test_sqlite_takes_every_message(messages: list[Message]) -> None:
    with opened(":memory:") as connection:
        for each in chain_messages(messages):
            stored = connection.execute("SELECT ?, ?", (each.text, each.message)).fetchone()
            assert stored == (each.text, each.message)


def test_half_characters() -> None:
    (stored,) = chain_messages([llm.messages.user("naïve \ud800")])
    stored.message.encode()
    stored.text.encode()
    assert loaded([stored]) == [llm.messages.user("naïve \ud800")]


def test_the_order_of_keys_does_not_matter_and_is_kept() -> None:
    one, other = ({"b": 1, "a": 2}, {"a": 2, "b": 1})
    first, second = (
        next(chain_messages([llm.messages.user(llm.ToolOutput(id="1", name="t", result=result))]))
        for result in (one, other)
    )
    assert first.hash == second.hash
    assert json.loads(first.message)["content"][0]["result"] == one
    assert '{"b":1,"a":2}' in first.message


def test_what_is_no_json_is_text() -> None:
    assert dump_json({"path": Path("a")}) == '{"path":"a"}'


@pytest.mark.parametrize("wrap", [lambda image: image, lambda image: [image, "and words"]])
def test_bytes_in_results_are_stored_apart(wrap) -> None:
    message = llm.messages.user(llm.ToolOutput(id="1", name="t", result=wrap(llm.Image.from_bytes(PNG))))
    (stored,) = chain_messages([message])
    assert [part.content for part in stored.attachments] == [PNG]
    assert loaded([stored]) == [message]


def test_bytes_are_stored_apart() -> None:
    message = llm.messages.user(["Look", llm.Image.from_bytes(PNG), llm.Image.from_bytes(PNG)])
    (stored,) = chain_messages([message])
    first, second = stored.attachments
    assert first == second == Attachment(first.hash, "image/png", PNG)
    assert stored.message.count(first.hash) == 2
    assert "base64" not in stored.message.replace("base64_image_source", "")


@pytest.mark.parametrize("data", ["not base64!", "AAA", "AAAA\n", "AB==", ""])
def test_base64_that_is_not_exact_stays_as_it_is(data: str) -> None:
    source = llm.Base64ImageSource(data=data, mime_type="image/png")
    message = llm.messages.user(llm.Image(source))
    (stored,) = chain_messages([message])
    assert loaded([stored]) == [message]


def test_results_that_look_like_parts() -> None:
    result = {"$part": {"type": "image", "source": {"type": "base64_image_source", "data": {"$attachment": "x"}}}}
    message = llm.messages.user(llm.ToolOutput(id="1", name="t", result=result))
    (stored,) = chain_messages([message])
    assert loaded([stored]) == [message]


def test_hashes_are_made_as_the_page_says() -> None:
    first, second = chain_messages([llm.messages.system("Be brief."), llm.messages.user("Grüße")])
    message = {"content": [{"text": "Grüße", "type": "text"}], "role": "user"}
    canonical = json.dumps({"message": message, "parent": first.hash}, ensure_ascii=False, separators=(",", ":"))
    assert second.hash == blake2b(canonical.encode(), digest_size=16).hexdigest()
    assert first.hash == "1840666676970473ab6c75e6ee065d33"  # of files that users have already
