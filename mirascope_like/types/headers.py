"""HTTP headers that users give: checked early, merged without regard to case, and never shown in a repr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

# Headers for the framing of a message, its connection and its host, which the HTTP client sets
# (RFC 9112, RFC 9110 section 7.6.1).
_FRAMING = {
    *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive"),
    *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
}


class Headers(dict[str, str]):
    """HTTP headers. A repr shows their names only, since values may be API keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self)}>"


def check_headers(headers: Mapping[str, str]) -> Headers:
    """Return these headers as `Headers`. Raises `TypeError` for names and values that are not `str`, and `ValueError`
    for a header that only the HTTP client may set."""
    if not isinstance(cast("object", headers), Mapping):
        raise TypeError(f"Headers must be a mapping of str to str, not {type(headers).__name__}.")
    for name, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(name, str):
            raise TypeError(f"Header names must be str, not {type(name).__name__}.")
        if not isinstance(value, str):  # the value itself is not shown: it may be a key
            raise TypeError(f"The value of the header {name!r} must be a str, not {type(value).__name__}.")
        if name.strip().lower() in _FRAMING:
            raise ValueError(
                f"The header {name!r} cannot be set here: the HTTP client sets it, from the URL and the body. "
                "Leave it out."
            )
    return Headers(headers)


def merge_headers(*sources: Mapping[str, str]) -> Headers:
    """Return the headers of all sources, named in lower case. Where two have the same name, the later source wins."""
    return Headers({name.lower(): value for source in sources for name, value in source.items()})
