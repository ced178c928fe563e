"""Continuing chains that paused, maybe in another process.

    try:
        chain.text()
    except chat.PauseChain as pause:
        save(json.dumps(pause.to_dict()))
    …
    chain = chat.resume(json.loads(saved), tools=[…])

The calls that were answered are in the history with their results, so they do not run again; the others run first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from typing_extensions import Unpack

from ..async_api import AnyAsyncModel, AsyncChainResponse, AsyncConversation, get_async_model
from ..messages.history import pending_calls
from ..messages.parts import Message
from ..prompts.prompt import BaseModel
from ..prompts.prompt_args import ChainArgs, listed
from ..sync_api import AnySyncModel, ChainResponse, Conversation, get_model
from ..tools.toolbox import ToolLike, flatten, may_grow
from .json_forms import check_form, settings_args, with_args
from .restrictions import AllowFiles

C = TypeVar("C", Conversation, AsyncConversation)


def resume(
    state: Mapping[str, Any],
    *,
    model: AnySyncModel | None = None,
    allow_files: AllowFiles = False,
    **args: Unpack[ChainArgs],
) -> ChainResponse[Any]:
    """Go on with a chain that paused, from `pause.to_dict()`, in its conversation: the calls without results run first.

    `tools` must be given, since functions are not stored, and hooks, key and the model's `private_options` if they are
    wanted. `model` is the one that was asked, unless given. `allow_files` as for `Message.from_dict`. Raises
    `ValueError` for a form that is none, and if a tool that a call waits for is not among `tools`; `UnknownModelError`.
    """
    _check_pause(state)
    model = model or get_model(state["model"])
    return _named(model.conversation(), state).chain(**_settings(state, model, args, allow_files))


def resume_async(
    state: Mapping[str, Any],
    *,
    model: AnyAsyncModel | None = None,
    allow_files: AllowFiles = False,
    **args: Unpack[ChainArgs],
) -> AsyncChainResponse[Any]:
    """See `resume`."""
    _check_pause(state)
    model = model or get_async_model(state["model"])
    return _named(model.conversation(), state).chain(**_settings(state, model, args, allow_files))


def _named(conversation: C, state: Mapping[str, Any]) -> C:
    """A conversation under the id of the one that paused."""
    conversation.id = state.get("conversation") or conversation.id
    return conversation


def _check_pause(state: Mapping[str, Any]) -> None:
    check_form(state, "a pause", "type", "model", "messages")
    if state["type"] != "pause":
        raise ValueError(f"This is the JSON form of a {state['type']}, not of a pause.")


def _settings(state: Mapping[str, Any], model: BaseModel, args: ChainArgs, allow_files: AllowFiles) -> Any:
    """What the chain was made with, as far as it is stored, and what is given now."""
    messages = [Message.from_dict(message, allow_files=allow_files) for message in state["messages"]]
    tools = listed("tools", args.get("tools"))
    _check_tools(state, messages, tools)
    return with_args({**settings_args(state, model, args), "messages": messages}, {**args, "tools": tools})


def _check_tools(state: Mapping[str, Any], messages: Sequence[Message], tools: Sequence[ToolLike]) -> None:
    """`ValueError` if a call waits for a tool that there was and that is not given. What a toolbox adds when it is
    prepared is not known yet; what the model made up there never was."""
    waiting = dict.fromkeys(call.name for call in pending_calls(messages))
    known = {tool.name for tool in flatten(tools)}
    missing = [name for name in waiting if name in state.get("tools", waiting) and name not in known]
    if missing and not any(map(may_grow, tools)):
        raise ValueError(f"The pause waits for {', '.join(map(repr, missing))}: give tools=[…] with it.")
