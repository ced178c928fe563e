"""Adds params to requests, or omits them with a warning where they are known to be unsupported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..errors import FeatureNotSupportedError
from .codec import JsonObject, Request
from .message_encoding import warn_omitted
from .thinking import is_thinking_enabled

if TYPE_CHECKING:
    from ..schema.tools import ToolSchema
    from ..types.params import ToolChoice


def add_sampling_params(
    request: Request,
    body: JsonObject,
    names: Collection[str] = ("temperature", "top_p"),
    unsupported: Collection[str] = (),
) -> None:
    """Add the sampling params that the model accepts; omit the others with a warning. Those in `unsupported` are always
    omitted."""
    support = request.features.sampling
    for name in names:
        if (value := request.params.get(name)) is None:
            continue
        if support is False or name in unsupported:
            warn_omitted(name, request)
        elif support == "without_thinking" and is_thinking_enabled(request):
            warn_omitted(name, request, together_with="thinking", instead="Set thinking={'level': 'none'} to send it.")
        elif support == "one" and name == "top_p" and "temperature" in body:
            warn_omitted(name, request, together_with="temperature")
        else:
            body[name] = value


def add_param(request: Request, body: JsonObject, name: str, is_supported: bool | None, sent_as: str = "") -> None:
    """Add a param, as `sent_as` if that is given. If `is_supported` is false, warn instead."""
    value: Any = request.params.get(name)
    if value is None:
        return
    if isinstance(value, (list, tuple)):
        value = list(cast("Sequence[Any]", value))
        if not value:
            return
    if is_supported is False:
        warn_omitted(name, request)
    else:
        body[sent_as or name] = value


def supported_tool_choice(request: Request) -> ToolChoice | None:
    """Return the tool choice to send; `None` for none. If the model is known not to support the caller's choice, warn
    and return "auto", which leaves the choice to the model, or `None` if it supports no tool choice."""
    choice, features = request.params.get("tool_choice"), request.features
    if choice is None:
        return None
    if features.tool_choice is False:
        warn_omitted("tool_choice", request)
        return None
    if choice in ("auto", "none") or features.forced_tool_calls in (None, True):
        return choice
    if features.forced_tool_calls == "without_thinking" and not is_thinking_enabled(request):
        return choice
    warn_omitted("tool_choice", request, together_with="thinking" if features.forced_tool_calls else "")
    return "auto"


def can_send_strict(tool: ToolSchema, request: Request) -> bool:
    """Return whether `strict` can be sent with a tool. Warns if it cannot and the tool is strict."""
    if request.features.strict_tools is not False:
        return True
    if tool.strict:
        warn_omitted("strict", request)
    return False


def encode_provider_tools(request: Request, forms: Mapping[str, JsonObject]) -> list[JsonObject]:
    """Return the tools that the provider runs, in the server's forms by name. Raises `FeatureNotSupportedError` for a
    tool without a form."""
    names = [tool.name for tool in request.provider_tools]
    if unsupported := [name for name in names if name not in forms]:
        feature = f"The tool {unsupported[0]!r}, which the provider runs itself,"
        raise FeatureNotSupportedError(feature, request.provider_id, request.model_id)
    return [forms[name] for name in names]
