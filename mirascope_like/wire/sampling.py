"""Params that are sent or, where they are known to be refused, left out with a warning."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from . import JsonObject, Request
from .features import effort_of
from .history import left_out

__all__ = ["add_param", "add_sampling", "asks_to_think"]


def add_sampling(
    request: Request,
    body: JsonObject,
    names: Collection[str] = ("temperature", "top_p"),
    refused: Collection[str] = (),
) -> None:
    """Add the sampling params that the model accepts; leave out the others with a warning. Those in `refused` are
    always left out."""
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


def add_param(request: Request, body: JsonObject, name: str, taken: bool | None, sent_as: str = "") -> None:
    """Add a param, by another name if need be. If it is known not to be `taken`, warn in its place."""
    value: Any = request.params.get(name)
    if isinstance(value, list | tuple):
        value = list(cast("Sequence[Any]", value)) or None
    if value is None:
        return
    if taken is False:
        left_out(name, request)
    else:
        body[sent_as or name] = value


def asks_to_think(request: Request) -> bool:
    """Whether a request names an effort of thinking."""
    thinking, features = request.params.get("thinking"), request.features
    if not thinking or features.thinking is False:
        return False
    return effort_of(thinking["level"], features) not in (None, "none")
