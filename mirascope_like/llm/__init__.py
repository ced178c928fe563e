"""The decorator API: plain or async functions become typed calls of language models.

    from mirascope_like import llm

    @llm.call("openai/gpt-6-luna")
    async def recommend_book(genre: str):
        return f"Recommend a {genre} book."

Importing it loads neither Pydantic nor an HTTP client nor any vendor's SDK; they are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import lazy as _lazy

if TYPE_CHECKING:
    from ..engine.events import (
        AttemptFailed as AttemptFailed,
        AttemptStarted as AttemptStarted,
        CallEnded as CallEnded,
        CallStarted as CallStarted,
        Event as Event,
        FirstChunk as FirstChunk,
        ToolEnded as ToolEnded,
        ToolStarted as ToolStarted,
        subscribe as subscribe,
    )
    from ..engine.providers import HTTPProvider as HTTPProvider, Provider as Provider
    from ..engine.requests import Endpoint as Endpoint, HTTPEndpoint as HTTPEndpoint
    from ..engine.retry_budget import set_retry_budget as set_retry_budget
    from ..errors import (
        APIError as APIError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        CapabilityWarning as CapabilityWarning,
        ConnectionError as ConnectionError,
        DownloadError as DownloadError,
        Error as Error,
        FeatureNotSupportedError as FeatureNotSupportedError,
        IncompleteStreamError as IncompleteStreamError,
        LogError as LogError,
        MissingAPIKeyError as MissingAPIKeyError,
        NoRegisteredProviderError as NoRegisteredProviderError,
        NotFoundError as NotFoundError,
        ParseError as ParseError,
        PermissionError as PermissionError,
        ProviderError as ProviderError,
        RateLimitError as RateLimitError,
        ResponseValidationError as ResponseValidationError,
        RetriesExhausted as RetriesExhausted,
        RetryFailure as RetryFailure,
        ServerError as ServerError,
        StreamClosedError as StreamClosedError,
        StreamRestarted as StreamRestarted,
        TimeoutError as TimeoutError,
        ToolCallLimitExceeded as ToolCallLimitExceeded,
        ToolError as ToolError,
        ToolExecutionError as ToolExecutionError,
        ToolNotFoundError as ToolNotFoundError,
        UnsupportedParamWarning as UnsupportedParamWarning,
    )
    from ..log import (
        LoggedConversation as LoggedConversation,
        LoggedResponse as LoggedResponse,
        LoggedTool as LoggedTool,
        LogReader as LogReader,
        LogWriter as LogWriter,
        log as log,
        open_log as open_log,
    )
    from ..schema.formats import (
        Format as Format,
        FormatSpec as FormatSpec,
        FormattingMode as FormattingMode,
        OutputParser as OutputParser,
        Partial as Partial,
    )
    from ..schema.toolkits import Toolkit as Toolkit
    from ..schema.tools import (
        AsyncContextTool as AsyncContextTool,
        AsyncTool as AsyncTool,
        ContextTool as ContextTool,
        ProviderTool as ProviderTool,
        Tool as Tool,
        ToolParameterSchema as ToolParameterSchema,
        WebSearchTool as WebSearchTool,
    )
    from ..types import messages as messages
    from ..types.chunks import (
        AssistantContentChunk as AssistantContentChunk,
        CitationChunk as CitationChunk,
        FinishReason as FinishReason,
        ProviderChunk as ProviderChunk,
        ProviderToolUsage as ProviderToolUsage,
        TextChunk as TextChunk,
        TextEndChunk as TextEndChunk,
        TextStartChunk as TextStartChunk,
        ThoughtChunk as ThoughtChunk,
        ThoughtEndChunk as ThoughtEndChunk,
        ThoughtStartChunk as ThoughtStartChunk,
        ToolCallChunk as ToolCallChunk,
        ToolCallEndChunk as ToolCallEndChunk,
        ToolCallStartChunk as ToolCallStartChunk,
        Usage as Usage,
    )
    from ..types.content import (
        AssistantContent as AssistantContent,
        AssistantContentPart as AssistantContentPart,
        Base64AudioSource as Base64AudioSource,
        Base64DocumentSource as Base64DocumentSource,
        Base64ImageSource as Base64ImageSource,
        Citation as Citation,
        ProviderBlock as ProviderBlock,
        ServerToolCall as ServerToolCall,
        Text as Text,
        TextDocumentSource as TextDocumentSource,
        Thought as Thought,
        ToolCall as ToolCall,
        ToolOutput as ToolOutput,
        URLDocumentSource as URLDocumentSource,
        URLImageSource as URLImageSource,
        UserContent as UserContent,
        UserContentPart as UserContentPart,
    )
    from ..types.context import Context as Context
    from ..types.messages import (
        AssistantMessage as AssistantMessage,
        Message as Message,
        SystemContent as SystemContent,
        SystemMessage as SystemMessage,
        UserMessage as UserMessage,
    )
    from ..types.params import Params as Params, ThinkingConfig as ThinkingConfig, ThinkingLevel as ThinkingLevel
    from ..types.rate_limits import RateLimits as RateLimits
    from ..types.retry import RetryArgs as RetryArgs, RetryConfig as RetryConfig
    from ..types.serialization import (
        dump_messages as dump_messages,
        from_dict as from_dict,
        load_messages as load_messages,
        to_dict as to_dict,
    )
    from ..types.timeout import Timeout as Timeout
    from .calls import (
        AsyncCall as AsyncCall,
        AsyncContextCall as AsyncContextCall,
        Call as Call,
        CallDecorator as CallDecorator,
        ContextCall as ContextCall,
        call as call,
    )
    from .formats import format as format, output_parser as output_parser
    from .media import Audio as Audio, Document as Document, Image as Image
    from .models import (
        AnyResponse as AnyResponse,
        AsyncContextResponse as AsyncContextResponse,
        AsyncContextStreamResponse as AsyncContextStreamResponse,
        AsyncResponse as AsyncResponse,
        AsyncStreamResponse as AsyncStreamResponse,
        BaseResponse as BaseResponse,
        ContextResponse as ContextResponse,
        ContextStreamResponse as ContextStreamResponse,
        Model as Model,
        Response as Response,
        StreamResponse as StreamResponse,
        model as model,
        model_from_context as model_from_context,
        use_model as use_model,
    )
    from .prompts import (
        AsyncContextPrompt as AsyncContextPrompt,
        AsyncPrompt as AsyncPrompt,
        ContextPrompt as ContextPrompt,
        Prompt as Prompt,
        PromptDecorator as PromptDecorator,
        prompt as prompt,
    )
    from .providers import register_provider as register_provider, reset_provider_registry as reset_provider_registry
    from .retries import (
        RetryDecorator as RetryDecorator,
        RetryModelArgs as RetryModelArgs,
        retry as retry,
        retry_model as retry_model,
    )
    from .testing import ScriptedModel as ScriptedModel, scripted as scripted
    from .tools import ToolDecorator as ToolDecorator, tool as tool
    from .views import (
        AsyncTextStream as AsyncTextStream,
        AsyncThoughtStream as AsyncThoughtStream,
        AsyncToolCallStream as AsyncToolCallStream,
        TextStream as TextStream,
        ThoughtStream as ThoughtStream,
        ToolCallStream as ToolCallStream,
    )
else:
    __all__, __getattr__, __dir__ = _lazy.exports(
        __name__,
        {
            "..engine.retry_budget": "set_retry_budget",
            "..engine.providers": "HTTPProvider Provider",
            "..engine.events": """
                AttemptFailed AttemptStarted CallEnded CallStarted Event FirstChunk ToolEnded ToolStarted subscribe
            """,
            "..engine.requests": "Endpoint HTTPEndpoint",
            "..errors": """
                APIError AuthenticationError BadRequestError CapabilityWarning ConnectionError DownloadError Error
                FeatureNotSupportedError IncompleteStreamError LogError MissingAPIKeyError NoRegisteredProviderError
                NotFoundError ParseError PermissionError ProviderError RateLimitError ResponseValidationError
                RetriesExhausted RetryFailure ServerError StreamClosedError StreamRestarted TimeoutError
                ToolCallLimitExceeded ToolError ToolExecutionError ToolNotFoundError UnsupportedParamWarning
            """,
            "..log": "LoggedConversation LoggedResponse LoggedTool LogReader LogWriter log open_log",
            "..schema.formats": "Format FormatSpec FormattingMode OutputParser Partial",
            "..schema.toolkits": "Toolkit",
            "..schema.tools": """
                AsyncContextTool AsyncTool ContextTool ProviderTool Tool ToolParameterSchema WebSearchTool
            """,
            "..types": "messages",
            "..types.chunks": """
                AssistantContentChunk CitationChunk FinishReason ProviderChunk ProviderToolUsage
                TextChunk TextEndChunk TextStartChunk ThoughtChunk ThoughtEndChunk ThoughtStartChunk
                ToolCallChunk ToolCallEndChunk ToolCallStartChunk Usage
            """,
            "..types.content": """
                AssistantContent AssistantContentPart Base64AudioSource Base64DocumentSource Base64ImageSource
                Citation ProviderBlock ServerToolCall Text TextDocumentSource Thought ToolCall ToolOutput
                URLDocumentSource URLImageSource UserContent UserContentPart
            """,
            "..types.context": "Context",
            "..types.messages": "AssistantMessage Message SystemContent SystemMessage UserMessage",
            "..types.params": "Params ThinkingConfig ThinkingLevel",
            "..types.rate_limits": "RateLimits",
            "..types.retry": "RetryArgs RetryConfig",
            "..types.serialization": "dump_messages from_dict load_messages to_dict",
            "..types.timeout": "Timeout",
            ".calls": "AsyncCall AsyncContextCall Call CallDecorator ContextCall call",
            ".formats": "format output_parser",
            ".media": "Audio Document Image",
            ".models": """
                AnyResponse AsyncContextResponse AsyncContextStreamResponse AsyncResponse AsyncStreamResponse
                BaseResponse ContextResponse ContextStreamResponse Model Response StreamResponse
                model model_from_context use_model
            """,
            ".prompts": "AsyncContextPrompt AsyncPrompt ContextPrompt Prompt PromptDecorator prompt",
            ".providers": "register_provider reset_provider_registry",
            ".retries": "RetryDecorator RetryModelArgs retry retry_model",
            ".testing": "ScriptedModel scripted",
            ".tools": "ToolDecorator tool",
            ".views": """
                AsyncTextStream AsyncThoughtStream AsyncToolCallStream TextStream ThoughtStream ToolCallStream
            """,
        },
    )
