"""Lazy models: a response is a promise of an answer, and nothing is sent until it is read.

from mirascope_like import chat

model = chat.get_model("openai/gpt-6-luna")
print(model.prompt("Name three rivers").text())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import lazy as _lazy

if TYPE_CHECKING:
    from ..errors import (
        ChainLimitExceeded as ChainLimitExceeded,
        DownloadError as DownloadError,
        Error as Error,
        LogError as LogError,
        MissingAPIKeyError as MissingAPIKeyError,
        ModelError as ModelError,
        NeedsKeyException as NeedsKeyException,
        ParseError as ParseError,
        ProviderError as ProviderError,
        StreamClosedError as StreamClosedError,
        StreamRestarted as StreamRestarted,
        ToolCallLimitExceeded as ToolCallLimitExceeded,
        UnknownModelError as UnknownModelError,
    )
    from ..log import log as log, open_log as open_log
    from ..types.context import Context as Context
    from ..types.retry import RetryConfig as RetryConfig
    from ..types.timeout import Timeout as Timeout
    from .async_api import (
        AsyncChainResponse as AsyncChainResponse,
        AsyncConversation as AsyncConversation,
        AsyncKeyModel as AsyncKeyModel,
        AsyncModel as AsyncModel,
        AsyncResponse as AsyncResponse,
        get_async_model as get_async_model,
    )
    from .messages.attachments import Attachment as Attachment
    from .messages.convert import from_llm as from_llm, to_llm as to_llm
    from .messages.parts import (
        AttachmentPart as AttachmentPart,
        Message as Message,
        Part as Part,
        ReasoningPart as ReasoningPart,
        StreamEvent as StreamEvent,
        TextPart as TextPart,
        ToolCallPart as ToolCallPart,
        ToolResultPart as ToolResultPart,
        assistant as assistant,
        system as system,
        tool_message as tool_message,
        user as user,
    )
    from .models.model_lists import (
        ModelWithAliases as ModelWithAliases,
        get_async_model_aliases as get_async_model_aliases,
        get_async_models as get_async_models,
        get_model_aliases as get_model_aliases,
        get_models as get_models,
        get_models_with_aliases as get_models_with_aliases,
        register as register,
    )
    from .models.options import Options as Options
    from .models.plugins import hookimpl as hookimpl
    from .models.registry import (
        get_default_model as get_default_model,
        remove_alias as remove_alias,
        set_alias as set_alias,
        set_default_model as set_default_model,
    )
    from .prompts.fragments import Fragment as Fragment
    from .prompts.prompt import Prompt as Prompt
    from .prompts.schema_dsl import schema_dsl as schema_dsl
    from .prompts.templates import Template as Template
    from .storage.conversation_log import (
        load_async_conversation as load_async_conversation,
        load_conversation as load_conversation,
    )
    from .storage.pause_resume import resume as resume, resume_async as resume_async
    from .sync_api import (
        ChainResponse as ChainResponse,
        Conversation as Conversation,
        KeyModel as KeyModel,
        Model as Model,
        Response as Response,
        get_model as get_model,
    )
    from .tools.tool import (
        CancelToolCall as CancelToolCall,
        PauseChain as PauseChain,
        Tool as Tool,
        ToolCall as ToolCall,
        ToolOutput as ToolOutput,
        ToolResult as ToolResult,
    )
    from .tools.toolbox import ServerSideTool as ServerSideTool, Toolbox as Toolbox
    from .usage import Usage as Usage
else:
    __all__, __getattr__, __dir__ = _lazy.exports(
        __name__,
        {
            "..errors": """
                ChainLimitExceeded DownloadError Error LogError MissingAPIKeyError ModelError NeedsKeyException
                ParseError ProviderError StreamClosedError StreamRestarted ToolCallLimitExceeded UnknownModelError
            """,
            "..log": "log open_log",
            "..types.context": "Context",
            "..types.retry": "RetryConfig",
            "..types.timeout": "Timeout",
            ".messages.attachments": "Attachment",
            ".async_api": """
                AsyncChainResponse AsyncConversation AsyncKeyModel AsyncModel AsyncResponse get_async_model
            """,
            ".sync_api": "ChainResponse Conversation KeyModel Model Response get_model",
            ".messages.convert": "from_llm to_llm",
            ".prompts.fragments": "Fragment",
            ".storage.conversation_log": "load_async_conversation load_conversation",
            ".models.options": "Options",
            ".messages.parts": """
                AttachmentPart Message Part ReasoningPart StreamEvent TextPart ToolCallPart ToolResultPart assistant
                system tool_message user
            """,
            ".storage.pause_resume": "resume resume_async",
            ".models.plugins": "hookimpl",
            ".prompts.prompt": "Prompt",
            ".models.model_lists": """
                ModelWithAliases get_async_model_aliases get_async_models get_model_aliases get_models
                get_models_with_aliases register
            """,
            ".models.registry": "get_default_model remove_alias set_alias set_default_model",
            ".prompts.schema_dsl": "schema_dsl",
            ".prompts.templates": "Template",
            ".tools.toolbox": "ServerSideTool Toolbox",
            ".tools.tool": "CancelToolCall PauseChain Tool ToolCall ToolOutput ToolResult",
            ".usage": "Usage",
        },
    )
