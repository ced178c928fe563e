"""Attachments: what they are, where their bytes come from, and that nothing is fetched before it is needed."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from mirascope_like import llm
from mirascope_like.chat.messages.attachments import Attachment, check_types, from_media, loaded, to_media, type_at_hand
from mirascope_like.engine.runtime import BLOCKING, NATIVE

from ..conftest import PATIENCE, Colour
from ..transport.server import Server

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8
WAV = b"RIFF\x00\x00\x00\x00WAVE"


def asked(colour: Colour, attachment: Attachment, what: str) -> Any:
    """What a method gives, in the colour's form of it."""
    if not colour.is_async:
        return getattr(attachment, what)()
    return colour.run(getattr(attachment, f"{what}_async"))


def test_a_path_may_be_a_path_object(colour: Colour, tmp_path: Path) -> None:
    file = tmp_path / "file.png"
    file.write_bytes(PNG)
    assert Attachment(path=file) == Attachment(path=str(file))
    assert type_at_hand(Attachment(path=file)) == "image/png"
    assert asked(colour, Attachment(path=file), "content_bytes") == PNG


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PNG, "image/png"), (WAV, "audio/wav"), (b"ID3", "audio/mpeg"), (b"%PDF-1.7", "application/pdf")],
)
def test_types_are_told_from_the_content(colour: Colour, content: bytes, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"  # what is in it counts for more
    file.write_bytes(content)
    for attachment in (Attachment(content=content), Attachment(path=str(file))):
        assert asked(colour, attachment, "resolve_type") == kind


def test_types_as_given_and_by_name(colour: Colour, tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text("# Notes")
    assert asked(colour, Attachment(path=str(file)), "resolve_type") == "text/markdown"
    assert asked(colour, Attachment(type="audio/wave", content=b"x"), "resolve_type") == "audio/wav"
    assert asked(colour, Attachment(url="https://example.org/a.PNG?size=1#x"), "resolve_type") == "image/png"
    with pytest.raises(ValueError, match="type='…'"):
        asked(colour, Attachment(content=b"what is it?"), "resolve_type")


def test_contents(colour: Colour, tmp_path: Path) -> None:
    file = tmp_path / "dot.png"
    file.write_bytes(PNG)
    for attachment in (Attachment(content=PNG), Attachment(path=str(file))):
        assert asked(colour, attachment, "content_bytes") == PNG
        assert asked(colour, attachment, "base64_content") == "iVBORw0KGgowMDAwMDAwMA=="
        assert asked(colour, attachment, "id") == hashlib.sha256(PNG).hexdigest()
    with pytest.raises(FileNotFoundError):
        asked(colour, Attachment(path=str(tmp_path / "none")), "content_bytes")
    with pytest.raises(ValueError, match="empty"):
        asked(colour, Attachment(content=b""), "content_bytes")


@pytest.mark.timeout(20)  # seconds; reading a pipe would wait for ever
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
@pytest.mark.parametrize("what", ["content_bytes", "id", "resolve_type"])
def test_only_regular_files_are_read(colour: Colour, tmp_path: Path, what: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match=f"{pipe}: not a regular file"):
        asked(colour, Attachment(path=pipe), what)


def test_urls_are_fetched_when_their_bytes_are_wanted(colour: Colour, server: Server) -> None:
    def answer(exchange: Any) -> None:
        if exchange.request.path == "/moved":
            exchange.whole(b"", 302, {"location": "/dot"})
        elif exchange.request.path == "/dot":
            exchange.whole(PNG)
        else:
            exchange.whole(b"", 404)

    server.answer = answer
    attachment = Attachment(url=f"{server.url}/moved", allow_private=True)
    assert asked(colour, attachment, "content_bytes") == PNG
    assert asked(colour, attachment, "resolve_type") == "image/png"
    with pytest.raises(llm.ConnectionError, match="404"):
        asked(colour, Attachment(url=f"{server.url}/none", allow_private=True), "content_bytes")
    assert asked(colour, attachment, "id") == asked(colour, Attachment(url=attachment.url), "id")


def test_contents_are_not_printed() -> None:
    assert repr(Attachment(type="image/png", content=PNG)) == "Attachment(type='image/png', content=<16 bytes>)"
    assert repr(Attachment(url="https://x")) == "Attachment(url='https://x')"


def test_models_say_what_they_take() -> None:
    check_types([], [])
    check_types([Attachment(content=PNG), Attachment(content=b"ID3")], {"image/png", "audio/mp3"})
    with pytest.raises(ValueError, match="This model does not support attachments"):
        check_types([Attachment(content=PNG)], ())
    with pytest.raises(ValueError, match="of type 'image/png', only audio/wav, image/webp"):
        check_types([Attachment(content=PNG)], {"image/webp", "audio/wav"})


def test_w9_checking_fetches_and_reads_nothing(server: Server, tmp_path: Path) -> None:
    unknown = [Attachment(url=f"{server.url}/picture"), Attachment(path=str(tmp_path / "picture"))]
    check_types(unknown, {"image/png"})
    assert [type_at_hand(each) for each in unknown] == [None, None]
    assert server.received == []


def test_w9_reading_does_not_stall_the_loop(native: Colour, server: Server) -> None:
    inside, release = threading.Event(), threading.Event()

    def answer(exchange: Any) -> None:
        inside.set()
        release.wait(PATIENCE)
        exchange.whole(PNG)

    async def let_go() -> None:
        while not inside.is_set():
            await anyio.sleep(0.001)
        release.set()

    async def scenario() -> bytes:
        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            return await Attachment(url=f"{server.url}/slow", allow_private=True).content_bytes_async()

    server.answer = answer
    assert native.run(scenario) == PNG


def test_what_a_request_needs_is_loaded(colour: Colour, server: Server, tmp_path: Path) -> None:
    server.answer = lambda exchange: exchange.whole(WAV if exchange.request.path.endswith("wav") else PNG)
    file = tmp_path / "dot"
    file.write_bytes(PNG)
    png = Attachment(type="image/png", content=PNG)

    def load(attachment: Attachment) -> Attachment:
        return colour.run(lambda: loaded(NATIVE if colour.is_async else BLOCKING, attachment))

    assert load(Attachment(content=PNG)) == png
    assert load(Attachment(path=str(file))) == Attachment("image/png", str(file), content=PNG)
    fetched_dot = load(Attachment(url=f"{server.url}/dot", allow_private=True))
    assert fetched_dot == Attachment("image/png", url=f"{server.url}/dot", content=PNG)
    assert load(Attachment(url=f"{server.url}/a.wav", allow_private=True)).content == WAV  # sound cannot be sent by URL
    fetched = len(server.received)
    assert load(Attachment(url=f"{server.url}/a.png")).content is None  # the provider fetches it
    assert len(server.received) == fetched


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(type="image/png", content=PNG),
        Attachment(type="audio/mpeg", content=b"ID3"),
        Attachment(type="application/pdf", content=b"%PDF"),
        Attachment(type="text/plain", content="naïve".encode()),
        Attachment(type="video/mp4", content=b"\x00"),
        Attachment(url="https://example.org/a.png"),
        Attachment(url="https://example.org/a.pdf"),
    ],
)
def test_attachments_are_the_library_s_media(attachment: Attachment) -> None:
    assert from_media(to_media(attachment)) == attachment


def test_kinds_of_media() -> None:
    assert to_media(Attachment(content=PNG)) == llm.Image.from_bytes(PNG)
    assert to_media(Attachment(content=b"ID3")) == llm.Audio.from_bytes(b"ID3")
    assert to_media(Attachment(url="https://example.org/unknown")) == llm.Image.from_url("https://example.org/unknown")
    table = llm.Document.from_bytes(b"a,b", mime_type="text/csv")
    assert to_media(Attachment(type="text/csv", content=b"a,b")) == table
