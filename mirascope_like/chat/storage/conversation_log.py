"""Conversations out of a log. Writing one is `mirascope_like.log`'s, which hears of the calls of both APIs."""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeVar

from typing_extensions import Unpack

from ...engine.unfinished_responses import why_unfinished
from ...log import LoggedConversation, LogReader, open_log
from ...types.lineage import get_call_id, set_call_id
from ..async_api import AsyncConversation, AsyncModel
from ..messages.convert import from_llm
from ..messages.history import pending_calls, with_results
from ..messages.parts import Message
from ..prompts.prompt_args import ChainArgs
from ..sync_api import Conversation, Model
from ..tools.tool import ToolCall, refuse_calls
from .json_forms import ConversationDict
from .message_forms import VERSION

C = TypeVar("C", Conversation, AsyncConversation)


def load_conversation(
    path: str | PathLike[str],
    id: str | None = None,
    *,
    model: Model | None = None,
    tenant: str | None = None,
    **args: Unpack[ChainArgs],
) -> Conversation:
    """A conversation of a log, to go on with; without an id, the one that went on last.

    It has the messages up to the last good answer, and the options and tools of its last call; `model` and `args` take
    the place of those. Tools come without their functions, so give them again. With `tenant`, conversations of others
    are not found: pass it wherever the id comes from a client. Blocks while it reads. Raises `LogError` if there is no
    such log or conversation, `UnknownModelError` if its model is not registered.
    """
    return _loaded(Conversation, path, id, model, tenant, args)


def load_async_conversation(
    path: str | PathLike[str],
    id: str | None = None,
    *,
    model: AsyncModel | None = None,
    tenant: str | None = None,
    **args: Unpack[ChainArgs],
) -> AsyncConversation:
    """See `load_conversation`. It too blocks while it reads."""
    return _loaded(AsyncConversation, path, id, model, tenant, args)


def _loaded(
    kind: type[C],
    path: str | PathLike[str],
    id: str | None,
    model: Model | AsyncModel | None,
    tenant: str | None,
    args: ChainArgs,
) -> C:
    with open_log(path, tenant=tenant) as log:
        found = log.conversation(id)
        data = _to_dict(log, found)
    if model is not None:
        data.pop("settings", None)  # another model has other options
    made = kind.from_dict(data, model=model, **args)
    for message, logged in zip(made.messages, from_llm(found.messages), strict=False):  # results may have been added
        set_call_id(message, get_call_id(logged))
    return made


def _history(log: LogReader, found: LoggedConversation) -> list[Message]:
    """The messages; tool calls of a response that did not end well have results that say so, as in `record_of`."""
    messages = from_llm(found.messages)
    last = next((each for each in log.responses(conversation=found.id) if each.error_type is None), None)
    why = why_unfinished(last.finish_reason) if last is not None else None
    if why is None:
        return messages
    calls = [ToolCall(call.name, call.arguments, call.tool_call_id) for call in pending_calls(messages)]
    return with_results(messages, refuse_calls(calls, why))


def _to_dict(log: LogReader, found: LoggedConversation) -> ConversationDict:
    made: ConversationDict = {
        "version": VERSION,
        "id": found.id,
        "model": found.model_id,
        "name": found.name,
        "messages": [message.to_dict() for message in _history(log, found)],
    }
    if found.params:
        made["settings"] = {"options": dict(found.params)}
    last = next(log.responses(conversation=found.id, limit=1))
    tools: list[Any] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        for tool in log.tools(last.id)
        if tool.parameters is not None
    ]
    if tools:
        made["tools"] = tools
    return made
