"""`temperature` and its kin, which all protocols name alike and some models take on conditions."""

from __future__ import annotations

from collections.abc import Collection

from . import JsonObject, Request
from .features import effort_of
from .history import left_out

__all__ = ["add_sampling", "asks_to_think"]


def add_sampling(
    request: Request,
    body: JsonObject,
    names: Collection[str] = ("temperature", "top_p"),
    refused: Collection[str] = (),
) -> None:
    """Add to a body what the model takes of these params. Warns of what it does not: of the `refused` in any case."""
    rule = request.features.sampling
    for name in names:
        if (value := request.params.get(name)) is None:
            continue
        if rule is False or name in refused:
            left_out(name, request)
        elif rule == "unthinking" and asks_to_think(request):
            left_out(name, request, beside="thinking")
        elif rule == "one" and name == "top_p" and "temperature" in body:
            left_out(name, request, beside="temperature")
        else:
            body[name] = value


def asks_to_think(request: Request) -> bool:
    """Whether a request names an effort of thinking."""
    thinking, features = request.params.get("thinking"), request.features
    if not thinking or features.thinking is False:
        return False
    return effort_of(thinking["level"], features) not in (None, "none")
