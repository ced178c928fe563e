"""The parts of a message."""

from __future__ import annotations

import base64
import os
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from mirascope_like import errors
from mirascope_like.errors import Error, ToolError, ToolExecutionError, ToolNotFoundError
from mirascope_like.types import content as c

from . import strategies

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@given(strategies.parts)
def test_parts_compare_by_content_and_cannot_be_changed(part: Any) -> None:
    assert part == replace(part)
    with pytest.raises((FrozenInstanceError, TypeError)):
        part.type = "something else"
    for name in [field.name for field in fields(part)]:
        with pytest.raises(FrozenInstanceError):
            setattr(part, name, None)


def test_media_do_not_flood_a_log() -> None:
    image = c.Image.from_bytes(PNG + bytes(5_000))
    assert len(repr(image)) < 200
    assert "image/png" in repr(image)


@pytest.mark.parametrize("kind", [Error, ToolError, ToolExecutionError, ToolNotFoundError])
def test_errors_of_tools_belong_to_the_public_module(kind: type[Error]) -> None:
    assert kind.__module__ == errors.__name__
    failed = c.ToolOutput(id="1", name="add", result="It broke.", error=ToolNotFoundError("add", known=("sum",)))
    assert pickle.loads(pickle.dumps(failed)) == failed
    assert pickle.loads(pickle.dumps(kind)) is kind


def test_a_result_is_given_or_its_error_raised() -> None:
    assert c.ToolOutput(id="1", name="add", result=3).output == 3
    failed = c.ToolOutput[int](id="1", name="add", result="It broke.", error=ToolExecutionError("It broke."))
    with pytest.raises(ToolExecutionError, match="It broke"):
        _ = failed.output


def test_an_image_comes_from_bytes_a_file_or_a_url(tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(PNG)
    image = c.Image.from_bytes(PNG)
    assert image == c.Image.from_file(file) == c.Image.from_file(str(file))
    assert image.source == c.Base64ImageSource(base64.b64encode(PNG).decode(), "image/png")
    assert c.Image.from_url("https://example.org/a").source == c.URLImageSource("https://example.org/a")


def test_sound_comes_from_bytes_or_a_file(tmp_path: Path) -> None:
    data = b"RIFF\x04\x00\x00\x00WAVEfmt "
    file = tmp_path / "sound.bin"
    file.write_bytes(data)
    assert c.Audio.from_bytes(data) == c.Audio.from_file(file)
    assert c.Audio.from_bytes(data).source.mime_type == "audio/wav"


def test_documents_are_pdf_or_named_text(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Grüße", "utf-8")
    assert c.Document.from_file(notes).source == c.TextDocumentSource("# Grüße", "text/markdown")
    assert c.Document.from_bytes(b"a,b", mime_type="text/csv").source == c.TextDocumentSource("a,b", "text/csv")
    for name in ("paper", "paper.txt", "paper.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.7 ...")
        assert c.Document.from_file(tmp_path / name) == c.Document.from_bytes(b"%PDF-1.7 ...")
    pdf = c.Document.from_bytes(b"%PDF-1.7 ...").source
    assert isinstance(pdf, c.Base64DocumentSource) and pdf.media_type == "application/pdf"
    assert c.Document.from_url("https://example.org/a.pdf").source == c.URLDocumentSource("https://example.org/a.pdf")


def test_documents_that_are_not_what_they_say_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a PDF"):
        c.Document.from_bytes(b"plain words")
    with pytest.raises(ValueError, match="utf-8"):
        c.Document.from_bytes(b"\xff\xfe", mime_type="text/plain")
    misnamed = tmp_path / "words.pdf"
    misnamed.write_text("plain words")
    with pytest.raises(ValueError, match=r"not a PDF.*mime_type='text/plain'"):
        c.Document.from_file(misnamed)
    unnamed = tmp_path / "README"
    unnamed.write_text("words")
    with pytest.raises(ValueError, match="pass mime_type="):
        c.Document.from_file(unnamed)
    assert c.Document.from_file(unnamed, mime_type="text/plain").source == c.TextDocumentSource("words", "text/plain")


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Grüße", "latin-1")
    with pytest.raises(ValueError, match=r"notes\.txt: This is not UTF-8 text: .* position 2") as raised:
        c.Document.from_file(notes)
    assert type(raised.value) is ValueError


@pytest.mark.parametrize("make", [c.Image.from_url, c.Document.from_url])
@pytest.mark.parametrize("path", ["/tmp/fox.png", "fox.png", r"C:\fox.png", Path("fox.png"), ""])
def test_a_path_is_no_url(make: Any, path: Any) -> None:
    with pytest.raises(ValueError, match="is not a URL that a provider can fetch: for a local file, use from_file"):
        make(path)


@pytest.mark.parametrize("make", [c.Image.from_bytes, c.Audio.from_bytes, c.Document.from_bytes])
@pytest.mark.parametrize("data", ["words", Path("words.txt")])
def test_what_is_no_bytes_is_a_type_error(make: Any, data: Any) -> None:
    with pytest.raises(TypeError, match=f"The data must be bytes, not {type(data).__name__}"):
        make(data)


@pytest.mark.parametrize("make", [c.Image.from_bytes, c.Audio.from_bytes, c.Document.from_bytes])
def test_too_many_bytes_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="11 bytes are more than the 10 allowed; pass max_size="):
        make(bytes(11), max_size=10)


def test_a_file_that_is_too_big_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.png"
    with file.open("wb") as sparse:
        sparse.truncate(2**40)  # more than any memory
    with pytest.raises(ValueError, match="allowed"):
        c.Image.from_file(file)


@pytest.mark.timeout(20)  # seconds; reading a pipe would wait for ever
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
@pytest.mark.parametrize("make", [c.Image.from_file, c.Audio.from_file, c.Document.from_file])
def test_only_regular_files_are_read(make: Any, tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.txt", tmp_path / "link.txt"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, Path(os.devnull)):
        with pytest.raises(ValueError, match=f"{path}: not a regular file"):
            make(path)
    with pytest.raises(OSError):
        make(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs files whose size is not known")
@pytest.mark.parametrize("make", [c.Image.from_file, c.Audio.from_file, c.Document.from_file])
def test_no_more_is_read_than_allowed_whatever_the_size_is_said_to_be(make: Any) -> None:
    path = Path("/proc/self/stat")
    assert path.stat().st_size == 0
    with pytest.raises(ValueError, match="/proc/self/stat: more than the 10 bytes allowed; pass max_size="):
        make(path, max_size=10)
    text = c.Document.from_file(path, mime_type="text/plain").source
    assert isinstance(text, c.TextDocumentSource) and text.data.startswith(f"{os.getpid()} (")


def test_a_file_may_have_all_bytes_that_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "exact.png"
    file.write_bytes(PNG)
    assert c.Image.from_file(file, max_size=len(PNG)) == c.Image.from_bytes(PNG)
    with pytest.raises(ValueError, match=rf"exact\.png: more than the {len(PNG) - 1} bytes"):
        c.Image.from_file(file, max_size=len(PNG) - 1)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        c.Image.from_file(tmp_path / "none.png")
