"""Keys that a server's words repeat: "Incorrect API key provided: sk-…". They are cut out before anybody reads them.

Rules
* What the request itself carried in a header or a field of its query that is named like a secret is cut out wherever
  it appears.
* So is what looks like a key of a known maker, for keys that only a user's own client knows.
* A text is shortened after that, never before: half a key cannot be recognised, and is still a secret.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

__all__ = ["REDACTED", "redacted", "secrets_of", "shortened"]

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"auth(?!or\b)|key|token|secret|cookie|credential|password", re.IGNORECASE)
_SHORTEST = 8  # characters; shorter ones are placeholders, and words
# How the keys of OpenAI, Anthropic, OpenRouter, DeepSeek ("sk-"), Groq, xAI, NVIDIA, Hugging Face and Google begin.
_KEY = re.compile(r"\b(?:sk-|gsk_|xai-|nvapi-|hf_|AIza)[A-Za-z0-9_-]{16,}")


def secrets_of(headers: Mapping[str, str], url: str = "") -> list[str]:
    """The secrets that the headers and the query of a request carry, longest first."""
    fields = [*headers.items(), *parse_qsl(urlsplit(url).query)]
    values = (_words(value) for name, value in fields if _SECRET_NAME.search(name))
    words = {word for words in values for word in words if len(word) >= _SHORTEST}
    return sorted(words, key=len, reverse=True)


def _words(value: str) -> list[str]:
    """The words of a value; of `Basic …`, the password too."""
    words = value.split()
    if len(words) == 2 and words[0].lower() == "basic":
        with contextlib.suppress(ValueError):
            words.append(base64.b64decode(words[1]).decode().partition(":")[2])
    return words


def shortened(text: str, secrets: Iterable[str], longest: int) -> str:
    """The beginning of a text, without these secrets."""
    words: str = redacted(text, secrets)
    return words[:longest]


def redacted(value: Any, secrets: Iterable[str]) -> Any:
    """A JSON value or text without these secrets, and without keys of known makers."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, REDACTED)
        return _KEY.sub(REDACTED, value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return {redacted(name, secrets): redacted(field, secrets) for name, field in fields.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, secrets) for item in cast("Sequence[Any]", value)]
    return value
