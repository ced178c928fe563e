"""Params that are sent or, where they are known to be refused, left out with a warning."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

from . import JsonObject, Request
from .history import left_out
from .thinking import thinks

if TYPE_CHECKING:
    from ..schema.tools import ToolSchema
    from ..values.params import ToolChoice

__all__ = ["add_param", "add_sampling", "takes_strict", "tool_choice"]


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
        elif rule == "unthinking" and thinks(request):
            left_out(name, request, beside="thinking", instead="Set thinking={'level': 'none'} to send it.")
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


def tool_choice(request: Request) -> ToolChoice | None:
    """Return the choice of a tool to send; `None` for none. Warns if the model is known to refuse the caller's: then it
    is left to the model which tools it calls."""
    choice, features = request.params.get("tool_choice"), request.features
    if choice is None:
        return None
    if features.tool_choice is False:
        left_out("tool_choice", request)
        return None
    if choice in ("auto", "none") or features.forced_tools in (None, True):
        return choice
    if features.forced_tools == "unthinking" and not thinks(request):
        return choice
    left_out("tool_choice", request, beside="thinking" if features.forced_tools else "")
    return "auto"


def takes_strict(tool: ToolSchema, request: Request) -> bool:
    """Return whether `strict` can be sent with a tool. Warns if it cannot, and the tool is to be strict."""
    if request.features.strict_tools is not False:
        return True
    if tool.strict:
        left_out("strict", request)
    return False
