"""Hashes of messages, and the form in which they are stored.

A hash is BLAKE2b (16 bytes, as hex digits) of canonical JSON: keys sorted, no white space, UTF-8. That of a message
is the hash of `{"parent": hash of the message before it, or null, "message": its JSON form}`, so it identifies the
whole conversation up to there. A message object that stands in several histories is hashed once. The bytes of
attachments are stored separately; the message has `{"$attachment": hash}`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, cast

from ..types.content import Text
from ..types.known_hashes import get_known_hash, set_known_hash
from ..types.messages import Message
from ..types.serialization import from_dict, to_dict
from ..types.timeout import Timeout


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes that belong to a message."""

    hash: str
    mime_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)  # no slots: they leave no place for the cached property
class StoredMessage:
    """A message as it is stored, behind one with the hash `parent`. Its JSON form is made when it is first needed."""

    source: Message = field(repr=False, compare=False)
    parent: str | None

    @cached_property
    def hash(self) -> str:
        """The hash of the message, which includes all before it."""
        known = get_known_hash(self.source, self.parent)
        if known is None:
            known = hash_message(self.parent, self.message)
            set_known_hash(self.source, self.parent, known)
        return known

    @property
    def role(self) -> str:
        """Who the message is from."""
        return self.source.role

    @property
    def text(self) -> str:
        """The text of the message."""
        content = self.source.content
        parts = (content,) if isinstance(content, Text) else content
        text = "\n".join(part.text for part in parts if isinstance(part, Text))
        return text.encode("utf-8", "replace").decode()

    @property
    def message(self) -> str:
        """The JSON form as text, in which hashes stand for attachments."""
        return self._form[0]

    @property
    def attachments(self) -> Sequence[Attachment]:
        """The bytes that belong to the message."""
        return self._form[1]

    @cached_property
    def _form(self) -> tuple[str, Sequence[Attachment]]:
        data = to_dict(self.source)
        attachments = tuple(_detach_attachments(data))
        return dump_json(data), attachments


def hash_bytes(data: bytes) -> str:
    """Return the hash of bytes."""
    return blake2b(data, digest_size=16).hexdigest()


def hash_json(value: object) -> str:
    """Return the hash of a JSON value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hash_bytes(text.encode("utf-8", "surrogatepass"))


def hash_message(parent: str | None, text: str) -> str:
    """Return the hash of a message in its stored form."""
    return hash_json({"parent": parent, "message": json.loads(text)})


def dump_json(value: object) -> str:
    """Return readable JSON; values without a JSON form are written as text. Lone surrogates, which SQLite refuses, are
    escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_to_json_value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=_to_json_value)
    return text


def _to_json_value(value: object) -> object:
    return asdict(value) if isinstance(value, Timeout) else str(value)


def chain_messages(messages: Iterable[Message], parent: str | None = None) -> Iterator[StoredMessage]:
    """Yield the stored form of messages, each the parent of the next."""
    for message in messages:
        stored = StoredMessage(message, parent)
        yield stored
        parent = stored.hash


def load_message(text: str, content_of: Callable[[str], bytes]) -> Message:
    """Return the message of a stored form. `content_of` returns an attachment's bytes by its hash."""
    data = json.loads(text)
    for source in _find_sources(data):
        match source.get("data"):
            case {"$attachment": str(hash)}:
                source["data"] = b64encode(content_of(hash)).decode()
            case _:
                pass
    return cast("Message", from_dict(data))


def _detach_attachments(data: dict[str, Any]) -> Iterator[Attachment]:
    for source in _find_sources(data):
        if source["type"].startswith("base64_") and (content := _decode_base64(source["data"])) is not None:
            attachment = Attachment(hash_bytes(content), source.get("mime_type") or source["media_type"], content)
            source["data"] = {"$attachment": attachment.hash}
            yield attachment


def _decode_base64(text: str) -> bytes | None:
    """Return the bytes of a base64 text, if encoding them gives the same text."""
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        return None
    return content if b64encode(content).decode() == text else None


def _find_sources(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the sources of a message's parts, which the caller may change in place."""
    if isinstance(parts := data["content"], list):
        for part in cast("list[dict[str, Any]]", parts):
            yield from _find_part_sources(part)


def _find_part_sources(part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(source := part.get("source"), dict):
        yield cast("dict[str, Any]", source)
    elif part["type"] == "tool_output":
        yield from _find_result_sources(part["result"])


def _find_result_sources(result: Any) -> Iterator[dict[str, Any]]:
    tagged: Mapping[str, Any] = cast("Mapping[str, Any]", result) if isinstance(result, dict) else {}
    if "$part" in tagged:
        yield from _find_part_sources(tagged["$part"])
    for part in tagged.get("$parts", ()):
        yield from _find_result_sources(part)
