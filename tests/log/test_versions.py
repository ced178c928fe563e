"""Files of earlier versions: they are read as they are, and brought up to date when they are written to.

`version1.db.gz` was written before calls had tenants, in 512-byte pages: a conversation with a tool and a failure, two
users who said the same, and a conversation of `chat` with the id "01kxriver".
"""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from mirascope_like import chat, llm

from ..test_docs import played
from .databases import opened

OLD = Path(__file__).parent / "version1.db.gz"
TEXTS = ["", "It is 3.", "", "Hello!", "Hello!", "The Seine."]


@pytest.fixture
def old(path: Path) -> Path:
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    path.chmod(0o644)
    return path


def version(path: Path) -> int:
    with opened(f"file:{path}?immutable=1", uri=True) as connection:
        return connection.execute("SELECT max(version) FROM log_version").fetchone()[0]


def read(path: Path) -> None:
    """All that a reader can do."""
    with llm.open_log(path) as reader:
        responses = list(reader.responses())[::-1]
        assert [response.text for response in responses] == TEXTS
        assert {response.tenant for response in responses} == {None}
        assert [response.error_type for response in responses if response.error_type] == ["RateLimitError"]
        assert [response.prompt for response in reader.search("hello")] == ["Hi", "Hi"]
        assert [response.prompt for response in reader.search("el")] == ["Hi", "Hi"]
        assert [tool.name for tool in reader.tools(responses[0].id)] == ["add"]
        assert len(reader.messages(responses[1].id)) == 4
        assert len(list(reader.conversations())) == 4
        assert reader.conversation("01kxriver").tenant is None
        assert reader.verify() == []
    with llm.open_log(path, tenant="a") as reader:
        assert list(reader.responses()) == list(reader.conversations()) == list(reader.search("hello")) == []
        with pytest.raises(llm.LogError, match="There is no"):
            reader.conversation("01kxriver")


def test_reading_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    read(old)
    assert old.read_bytes() == before
    assert list(old.parent.iterdir()) == [old]


def test_reading_what_cannot_be_written(old: Path) -> None:
    old.chmod(0o444)
    read(old)
    assert (version(old), stat.S_IMODE(old.stat().st_mode)) == (1, 0o444)


def test_writing_brings_it_up_to_date(old: Path) -> None:
    for _ in range(2):
        llm.log(old).close()
        assert version(old) == 2
        read(old)
    with opened(old) as connection:
        found = connection.execute("SELECT response, tenant FROM responses_view ORDER BY number").fetchall()
    assert found == [(text, None) for text in TEXTS]


@pytest.mark.skipif(os.name == "nt", reason="files have no modes")
def test_only_its_owner_can_read_it_from_then_on(old: Path) -> None:
    """Until the owner says otherwise."""
    with llm.log(old):
        assert stat.S_IMODE(old.stat().st_mode) == 0o600
    old.chmod(0o640)
    with llm.log(old):
        assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_going_on_with_its_conversations(old: Path) -> None:
    with llm.open_log(old) as reader:
        hi, same = reader.search("hello")
        tool = next(reader.search("It is 3."))
        conversations = [reader.conversation(each.conversation_id) for each in (hi, same, tool)]
    with llm.log(old), played("Well.", repeat=True):
        for conversation in conversations:
            llm.Model(conversation.model_id).call([*conversation.messages, llm.messages.user("Go on")])
        chat.load_conversation(old, "01kxriver").prompt("Go on").text()
    with llm.open_log(old) as reader:
        found = [response.conversation_id for response in list(reader.responses())[:4]][::-1]
    assert found == [*(conversation.id for conversation in conversations), "01kxriver"]


def test_a_tenant_begins_anew_in_it(old: Path) -> None:
    """What was logged before is nobody's, so an id leads to none of it."""
    with llm.log(old, tenant="a"), played("Well."):
        chat.Conversation.from_dict(
            {"version": 1, "id": "01kxriver", "model": "openai/gpt-5-mini", "messages": []}
        ).prompt("Go on").text()
    with llm.open_log(old) as reader:
        assert len(reader.conversation("01kxriver").messages) == 2
        assert len(list(reader.conversations())) == 5


def test_an_empty_file_is_no_log_to_read(path: Path) -> None:
    path.touch()
    with pytest.raises(llm.LogError, match="is empty"):
        llm.open_log(path)
    assert path.read_bytes() == b""
