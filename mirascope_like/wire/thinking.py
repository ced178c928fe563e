"""How much a model thinks: maps the caller's level to an effort that the model supports.

The effort is the level itself if the model supports it or its efforts are not known. Else it is the nearest lower one
with which the model still thinks, with a warning. If there is no lower one, it is the nearest.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..errors import UnsupportedParamWarning
from .codec import Request
from .message_encoding import warn_omitted

EFFORTS: Sequence[str] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""All efforts, lowest first."""


def supported_effort(request: Request, efforts: Sequence[str] | None = None) -> str | None:
    """Return the effort to send with a request; `None` for the model's default. `efforts` are the vendor's, for a model
    whose own are not known. Warns if the effort is lower than the requested level."""
    if not (thinking := request.params.get("thinking")):
        return None
    level, known = thinking["level"], request.features.efforts
    effort = nearest_effort(level, efforts if known is None else known)
    if effort is None:
        warn_thinking_omitted(request, "thinking level")
    elif _rank(effort) < _rank(level):
        name = request.model_id or request.model
        text = f"{name} has no thinking level {level!r}: {effort!r} is used, the nearest below it."
        warnings.warn(text, UnsupportedParamWarning, stacklevel=2)
    return effort


def nearest_effort(level: str, efforts: Sequence[str] | None) -> str | None:
    """Return the effort for a level, out of a model's efforts; `None` for the model's default."""
    if level == "default" or (efforts is not None and not efforts):
        return None
    if efforts is None or level in efforts:
        return level
    lower = [effort for effort in efforts if effort != "none" and _rank(effort) < _rank(level)]
    # If two are equally near, take the higher.
    return min(reversed(lower or efforts), key=lambda effort: abs(_rank(effort) - _rank(level)))


def _rank(effort: str) -> int:
    return EFFORTS.index(effort)


def warn_thinking_omitted(request: Request, what: str = "thinking") -> None:
    """Warn that a request's thinking is omitted, if it sets any."""
    if (thinking := request.params.get("thinking")) and thinking["level"] not in ("none", "default"):
        warn_omitted(what, request)


def is_thinking_enabled(request: Request) -> bool:
    """Return whether the model thinks before it responds to a request, as far as is known."""
    features = request.features
    if features.thinking is False:
        return False
    thinking = request.params.get("thinking")
    effort = nearest_effort(thinking["level"], features.efforts) if thinking else None
    return bool(features.thinks_by_default) if effort is None else effort != "none"
