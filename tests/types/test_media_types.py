"""Kinds of files, told from their first bytes."""

from __future__ import annotations

import pytest

from mirascope_like.types.media_types import (
    detect_audio_type,
    detect_document_type,
    detect_image_type,
    document_type_by_extension,
)

IMAGES = {
    "image/png": [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"],
    "image/jpeg": [b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xdb"],
    "image/gif": [b"GIF87a\x01\x00", b"GIF89a\x01\x00"],
    "image/webp": [b"RIFF\x24\x00\x00\x00WEBPVP8 "],
    "image/heic": [b"\x00\x00\x00\x18ftypheic", b"\x00\x00\x00\x18ftypheix"],
    "image/heif": [b"\x00\x00\x00\x18ftypmif1", b"\x00\x00\x00\x18ftypmsf1"],
}
SOUNDS = {
    "audio/wav": [b"RIFF\x24\x00\x00\x00WAVEfmt "],
    "audio/mp3": [b"ID3\x04\x00", b"\xff\xfb\x90\x64", b"\xff\xf3\x40\xc4", b"\xff\xfa\x90\x64", b"\xff\xe3\x18\xc4"],
    "audio/aac": [b"\xff\xf1\x50\x80", b"\xff\xf9\x50\x80"],
    "audio/aiff": [b"FORM\x00\x00\x00\x20AIFFCOMM", b"FORM\x00\x00\x00\x20AIFCFVER"],
    "audio/ogg": [b"OggS\x00\x02"],
    "audio/flac": [b"fLaC\x00\x00\x00\x22"],
}
NEITHER = [
    b"",
    b"\x00",
    b"\xff",
    b"RIFF",
    b"RIFF\x24\x00\x00\x00AVI LIST",
    b"\x00\x00\x00\x18ftypisom",
    b"<svg>",
    b"BM",
]


@pytest.mark.parametrize(("mime_type", "data"), [(kind, data) for kind, heads in IMAGES.items() for data in heads])
def test_images_are_known_by_their_first_bytes(mime_type: str, data: bytes) -> None:
    assert detect_image_type(data) == mime_type


@pytest.mark.parametrize(("mime_type", "data"), [(kind, data) for kind, heads in SOUNDS.items() for data in heads])
def test_sounds_are_known_by_their_first_bytes(mime_type: str, data: bytes) -> None:
    assert detect_audio_type(data) == mime_type


@pytest.mark.parametrize("data", NEITHER)
def test_what_is_not_known_is_refused(data: bytes) -> None:
    for tell, hint in (
        (detect_image_type, "not a PNG"),
        (detect_audio_type, "not WAV"),
        (detect_document_type, "not a PDF"),
    ):
        with pytest.raises(ValueError, match=hint):
            tell(data)


def test_one_kind_is_not_taken_for_another() -> None:
    for heads in SOUNDS.values():
        with pytest.raises(ValueError, match="not a PNG"):
            detect_image_type(heads[0])
    for heads in IMAGES.values():
        with pytest.raises(ValueError, match="not WAV"):
            detect_audio_type(heads[0])


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PDF", "application/pdf"),
        ("x.tar.md", "text/markdown"),
        ("d/e.csv", "text/csv"),
    ],
)
def test_documents_are_known_by_their_name(name: str, mime_type: str) -> None:
    assert document_type_by_extension(name) == mime_type


@pytest.mark.parametrize("name", ["README", "archive.zip", ".pdf/x"])
def test_unknown_names_ask_for_a_type(name: str) -> None:
    with pytest.raises(ValueError, match="pass mime_type="):
        document_type_by_extension(name)
