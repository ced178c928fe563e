"""Redacts secrets that a server's text repeats ("Incorrect API key provided: sk-…") before anybody reads the text.

Rules
* A value that the request carried in a header or query field with a name like a secret's is redacted wherever it
  appears, even if the server writes its punctuation in another way: percent-encoded, or escaped for JSON or HTML.
* So are the whole values of other headers, unless they are known to be harmless or look like ordinary words.
* So is text that looks like the key of a known vendor, for keys that only a user's own client knows.
* Text is truncated after redaction, never before: half a key cannot be recognised, and is still a secret.
"""

from __future__ import annotations

import base64
import contextlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"auth(?!or\b)|key|token|secret|cookie|credential|password|passwd|passphrase|session|signature|jwt"
    r"|(?<![a-z])(?:sid|sig|pass)(?![a-z])",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(
    r"(?:accept|content|openai|anthropic|x-stainless|sec|access-control)-.*|accept|user-agent|host|connection|date|from"
    r"|origin|referer|http-referer|x-title|x-openrouter-title|traceparent|tracestate|cache-control|x-(?:client-)?request-id",
    re.IGNORECASE,
)
_MIN_LENGTH = 8  # characters; shorter ones are placeholders, and words
_OPAQUE_VALUE = re.compile(r".*\d.*|\S{20,}")
# How the keys of OpenAI, Anthropic, OpenRouter, DeepSeek ("sk-"), Groq, xAI, NVIDIA, Hugging Face and Google begin.
_KNOWN_KEY = re.compile(r"\b(?:sk-|gsk_|xai-|nvapi-|hf_|AIza)[A-Za-z0-9_-]{16,}")


def find_secrets(headers: Mapping[str, str], url: str = "") -> list[str]:
    """Return the secrets in the headers and the query of a request, longest first."""
    fields = [*headers.items(), *parse_qsl(urlsplit(url).query)]
    named = [word for name, value in fields if _SECRET_NAME.search(name) for word in _secret_candidates(value)]
    others = (value.strip() for name, value in headers.items() if _is_unclassified(name))
    candidates = [*named, *filter(_OPAQUE_VALUE.fullmatch, others)]
    words = {word for each in candidates for word in (each, unquote(each)) if len(word) >= _MIN_LENGTH}
    return sorted(words, key=len, reverse=True)


def _is_unclassified(name: str) -> bool:
    """Return whether a header's name does not show if its value is a secret."""
    return not (_SECRET_NAME.search(name) or _HARMLESS_NAME.fullmatch(name))


def _secret_candidates(value: str) -> list[str]:
    """Return the words of a value, the values of its pairs as in `a=1; b=2`, and the password in a `Basic …` value."""
    words = value.split()
    pairs = [pair.partition("=")[2] for pair in re.split(r"[\s;,]+", value)]
    if len(words) == 2 and words[0].lower() == "basic":
        with contextlib.suppress(ValueError):
            name, _, password = base64.b64decode(words[1]).decode().partition(":")
            words.append(password or name)  # some services accept a key as the name
    return [*words, *pairs]


def redact_and_truncate(text: str, secrets: Iterable[str], max_length: int) -> str:
    """Return the first `max_length` characters of a text, after these secrets are redacted."""
    redacted: str = redact(text, secrets)
    return redacted[:max_length]


def redact(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value or text without these secrets, and without keys of known vendors."""
    if isinstance(value, str):
        for secret in secrets:
            value = re.sub(_spelling_pattern(secret), REDACTED, value)
        return _KNOWN_KEY.sub(REDACTED, value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return {redact(name, secrets): redact(field, secrets) for name, field in fields.items()}
    if isinstance(value, list | tuple):
        return [redact(item, secrets) for item in cast("Sequence[Any]", value)]
    return value


def _spelling_pattern(secret: str) -> str:
    """Return a pattern for all the ways in which servers write a secret."""
    return "".join(char if char.isascii() and char.isalnum() else _character_pattern(char) for char in secret)


def _character_pattern(char: str) -> str:
    """Return a pattern for a character: as it is, percent-encoded (perhaps twice), or escaped for JSON or HTML."""
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in char.encode(errors="surrogatepass"))
    code = ord(char)
    ways = [rf"\\?{re.escape(char)}", percent, rf"\\u{code:04x}", f"&#0*{code};", f"&#x0*{code:x};"]
    named = re.escape(html.escape(char))
    return f"(?i:{'|'.join([named, *ways])})"
