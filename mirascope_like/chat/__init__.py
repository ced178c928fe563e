"""The lazy face: a response is a promise of an answer, and nothing is sent until it is read.

from mirascope_like import chat

model = chat.get_model("openai/gpt-5-mini")
print(model.prompt("Name three rivers").text())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import (
    ChainLimitExceeded,
    Error,
    LogError,
    MissingAPIKeyError,
    ModelError,
    NeedsKeyException,
    ParseError,
    ProviderError,
    StreamClosedError,
    UnknownModelError,
)
from ..values.context import Context
from .attachments import Attachment
from .chains import AsyncChainResponse, ChainResponse
from .conversations import AsyncConversation, Conversation
from .convert import from_llm, to_llm
from .fragments import Fragment
from .models import AsyncKeyModel, AsyncModel, KeyModel, Model
from .parts import (
    AttachmentPart,
    Message,
    Part,
    ReasoningPart,
    StreamEvent,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    assistant,
    system,
    tool_message,
    user,
)
from .pauses import resume, resume_async
from .plugins import hookimpl
from .prompts import Prompt
from .registry import (
    ModelWithAliases,
    get_async_model,
    get_async_model_aliases,
    get_async_models,
    get_default_model,
    get_model,
    get_model_aliases,
    get_models,
    get_models_with_aliases,
    register,
    remove_alias,
    set_alias,
    set_default_model,
)
from .responses import AsyncResponse, Response
from .schemas import schema_dsl
from .toolbox import ServerSideTool, Toolbox
from .tools import CancelToolCall, PauseChain, Tool, ToolCall, ToolOutput, ToolResult
from .usage import Usage

if TYPE_CHECKING:
    from ..log import log, open_log
    from .logs import load_async_conversation, load_conversation
    from .options import Options
    from .templates import Template

__all__ = [
    "AsyncChainResponse",
    "AsyncConversation",
    "AsyncKeyModel",
    "AsyncModel",
    "AsyncResponse",
    "Attachment",
    "AttachmentPart",
    "CancelToolCall",
    "ChainLimitExceeded",
    "ChainResponse",
    "Context",
    "Conversation",
    "Error",
    "Fragment",
    "KeyModel",
    "LogError",
    "Message",
    "MissingAPIKeyError",
    "Model",
    "ModelError",
    "ModelWithAliases",
    "NeedsKeyException",
    "Options",
    "ParseError",
    "Part",
    "PauseChain",
    "Prompt",
    "ProviderError",
    "ReasoningPart",
    "Response",
    "ServerSideTool",
    "StreamClosedError",
    "StreamEvent",
    "Template",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolCallPart",
    "ToolOutput",
    "ToolResult",
    "ToolResultPart",
    "Toolbox",
    "UnknownModelError",
    "Usage",
    "assistant",
    "from_llm",
    "get_async_model",
    "get_async_model_aliases",
    "get_async_models",
    "get_default_model",
    "get_model",
    "get_model_aliases",
    "get_models",
    "get_models_with_aliases",
    "hookimpl",
    "load_async_conversation",
    "load_conversation",
    "log",
    "open_log",
    "register",
    "remove_alias",
    "resume",
    "resume_async",
    "schema_dsl",
    "set_alias",
    "set_default_model",
    "system",
    "to_llm",
    "tool_message",
    "user",
]

# Loaded when first used, since most programs have no use for them.
_LATER = {
    "Options": ".options",
    "Template": ".templates",
    "load_async_conversation": ".logs",
    "load_conversation": ".logs",
    "log": "..log",
    "open_log": "..log",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
