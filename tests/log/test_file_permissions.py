"""Who may read a log."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirascope_like import llm

from .databases import opened
from .test_processes import start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files have no modes")


@pytest.fixture(params=[0o022, 0o000, 0o077, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(path: Path) -> dict[str, int]:
    """The modes of the file and of those beside it, by the ends of their names."""
    return {each.name.removeprefix(path.name): mode(each) for each in path.parent.iterdir()}


def test_a_new_log_is_its_owner_s_alone(path: Path, umask: int) -> None:
    with llm.log(path) as log:
        assert modes(path) == {"": 0o600}
        llm.scripted("Hello!").call("Hi")
        log.flush()
        assert modes(path) == {"": 0o600, "-wal": 0o600, "-shm": 0o600}
        with llm.open_log(path) as reader:
            assert [response.text for response in reader.responses()] == ["Hello!"]
            assert set(modes(path).values()) == {0o600}
    assert modes(path) == {"": 0o600}


def test_no_file_can_be_read_by_others_at_any_time(path: Path) -> None:
    """Seen by the process that makes it, at each of its system calls that make or open one."""
    code = """
import stat
seen = set()
def look(event, args):
    if event in ("open", "os.chmod", "sqlite3.connect", "sqlite3.connect/handle"):
        folder = os.path.dirname(sys.argv[1])
        seen.update(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder))
os.umask(0)
sys.addaudithook(look)
with llm.log(sys.argv[1]) as log:
    llm.scripted("Hello!").call("Hi")
    log.flush()
assert seen == {0o600}, seen
"""
    process = start(code, path)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("chosen", [0o640, 0o644, 0o660])
def test_a_mode_that_was_chosen_is_kept(path: Path, chosen: int) -> None:
    llm.log(path).close()
    path.chmod(chosen)
    for _ in range(2):
        with llm.log(path) as log:
            llm.scripted("Hello!").call("Hi")
            log.flush()
            assert modes(path) == {"": chosen, "-wal": chosen, "-shm": chosen}
    assert mode(path) == chosen


def test_files_beside_it_are_no_more_open_than_the_log(path: Path) -> None:
    """Those of a process that was killed, after which the owner restricted the log itself."""
    with llm.log(path):
        pass
    path.chmod(0o644)
    with opened(path) as connection:
        connection.execute("SELECT count(*) FROM responses").fetchone()
        path.chmod(0o600)
        assert modes(path) == {"": 0o600, "-wal": 0o644, "-shm": 0o644}
        with llm.log(path):
            assert modes(path) == {"": 0o600, "-wal": 0o600, "-shm": 0o600}


def test_an_empty_file_becomes_private(path: Path) -> None:
    path.touch()
    path.chmod(0o666)
    with llm.log(path):
        assert mode(path) == 0o600


def test_a_link_to_a_file_that_is_not_there_yet(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.db"
    path.symlink_to(target)
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    assert (mode(target), path.is_symlink()) == (0o600, True)
    with llm.open_log(path) as reader:
        assert len(list(reader.responses())) == 1


def test_a_file_that_is_read_only_can_be_read(path: Path) -> None:
    with llm.log(path):
        llm.scripted("Hello!").call("Hi")
    path.chmod(0o400)
    with llm.open_log(path) as reader:
        assert [response.text for response in reader.responses()] == ["Hello!"]
    assert mode(path) == 0o400
