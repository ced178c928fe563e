"""The decorator face: plain or async functions become typed calls of language models.

    from mirascope_like import llm

    @llm.call("openai/gpt-5-mini")
    async def recommend_book(genre: str):
        return f"Recommend a {genre} book."

Importing it loads neither Pydantic nor an HTTP client nor any vendor's SDK; they are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.budget import set_retry_budget
from ..engine.endpoints import HTTPProvider, Provider
from ..engine.exchanges import Endpoint, HTTPEndpoint
from ..errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    CapabilityWarning,
    ConnectionError,
    Error,
    FeatureNotSupportedError,
    IncompleteStreamError,
    MissingAPIKeyError,
    NoRegisteredProviderError,
    NotFoundError,
    ParseError,
    PermissionError,
    ProviderError,
    RateLimitError,
    ResponseValidationError,
    RetriesExhausted,
    ServerError,
    StreamClosedError,
    StreamRestarted,
    TimeoutError,
    ToolError,
    ToolExecutionError,
    ToolNotFoundError,
    UnsupportedParamWarning,
)
from ..schema.formats import Format, FormatSpec, FormattingMode, OutputParser, Partial
from ..schema.tools import (
    AsyncContextTool,
    AsyncTool,
    ContextTool,
    ProviderTool,
    Tool,
    Toolkit,
    WebSearchTool,
)
from ..transport.download import HTTPDownloader as _HTTPDownloader
from ..values import media as _media
from ..values import messages as messages
from ..values.chunks import (
    CitationChunk,
    FinishReason,
    ProviderChunk,
    ProviderToolUsage,
    TextChunk,
    TextEndChunk,
    TextStartChunk,
    ThoughtChunk,
    ThoughtEndChunk,
    ThoughtStartChunk,
    ToolCallChunk,
    ToolCallEndChunk,
    ToolCallStartChunk,
    Usage,
)
from ..values.chunks import ContentChunk as AssistantContentChunk
from ..values.content import (
    AssistantContent,
    AssistantContentPart,
    Audio,
    Base64AudioSource,
    Base64DocumentSource,
    Base64ImageSource,
    Citation,
    Document,
    Image,
    ProviderBlock,
    ServerToolCall,
    Text,
    TextDocumentSource,
    Thought,
    ToolCall,
    ToolOutput,
    URLDocumentSource,
    URLImageSource,
    UserContent,
    UserContentPart,
)
from ..values.context import Context
from ..values.messages import AssistantMessage, Message, SystemContent, SystemMessage, UserMessage
from ..values.params import Params, ThinkingConfig, ThinkingLevel
from ..values.retries import RetryArgs, RetryConfig, RetryFailure
from ..values.serial import dump_messages, from_dict, load_messages, to_dict
from ..values.timeouts import Timeout
from .calls import AsyncCall, AsyncContextCall, Call, CallDecorator, ContextCall, call
from .formats import format, output_parser
from .models import Model, model, model_from_context, use_model
from .prompts import AsyncContextPrompt, AsyncPrompt, ContextPrompt, Prompt, PromptDecorator, prompt
from .providers import register_provider, reset_provider_registry
from .responses import (
    AsyncContextResponse,
    AsyncContextStreamResponse,
    AsyncResponse,
    AsyncStreamResponse,
    BaseResponse,
    ContextResponse,
    ContextStreamResponse,
    Response,
    StreamResponse,
)
from .retries import RetryDecorator, RetryModelArgs, retry, retry_model
from .tools import ToolDecorator, tool
from .views import (
    AsyncTextStream,
    AsyncThoughtStream,
    AsyncToolCallStream,
    TextStream,
    ThoughtStream,
    ToolCallStream,
)

if TYPE_CHECKING:
    from .testing import ScriptedModel, scripted

__all__ = [
    "APIError",
    "AssistantContent",
    "AssistantContentChunk",
    "AssistantContentPart",
    "AssistantMessage",
    "AsyncCall",
    "AsyncContextCall",
    "AsyncContextPrompt",
    "AsyncContextResponse",
    "AsyncContextStreamResponse",
    "AsyncContextTool",
    "AsyncPrompt",
    "AsyncResponse",
    "AsyncStreamResponse",
    "AsyncTextStream",
    "AsyncThoughtStream",
    "AsyncTool",
    "AsyncToolCallStream",
    "Audio",
    "AuthenticationError",
    "BadRequestError",
    "Base64AudioSource",
    "Base64DocumentSource",
    "Base64ImageSource",
    "BaseResponse",
    "Call",
    "CallDecorator",
    "CapabilityWarning",
    "Citation",
    "CitationChunk",
    "ConnectionError",
    "Context",
    "ContextCall",
    "ContextPrompt",
    "ContextResponse",
    "ContextStreamResponse",
    "ContextTool",
    "Document",
    "Endpoint",
    "Error",
    "FeatureNotSupportedError",
    "FinishReason",
    "Format",
    "FormatSpec",
    "FormattingMode",
    "HTTPEndpoint",
    "HTTPProvider",
    "Image",
    "IncompleteStreamError",
    "Message",
    "MissingAPIKeyError",
    "Model",
    "NoRegisteredProviderError",
    "NotFoundError",
    "OutputParser",
    "Params",
    "ParseError",
    "Partial",
    "PermissionError",
    "Prompt",
    "PromptDecorator",
    "Provider",
    "ProviderBlock",
    "ProviderChunk",
    "ProviderError",
    "ProviderTool",
    "ProviderToolUsage",
    "RateLimitError",
    "Response",
    "ResponseValidationError",
    "RetriesExhausted",
    "RetryArgs",
    "RetryConfig",
    "RetryDecorator",
    "RetryFailure",
    "RetryModelArgs",
    "ScriptedModel",
    "ServerError",
    "ServerToolCall",
    "StreamClosedError",
    "StreamResponse",
    "StreamRestarted",
    "SystemContent",
    "SystemMessage",
    "Text",
    "TextChunk",
    "TextDocumentSource",
    "TextEndChunk",
    "TextStartChunk",
    "TextStream",
    "ThinkingConfig",
    "ThinkingLevel",
    "Thought",
    "ThoughtChunk",
    "ThoughtEndChunk",
    "ThoughtStartChunk",
    "ThoughtStream",
    "Timeout",
    "TimeoutError",
    "Tool",
    "ToolCall",
    "ToolCallChunk",
    "ToolCallEndChunk",
    "ToolCallStartChunk",
    "ToolCallStream",
    "ToolDecorator",
    "ToolError",
    "ToolExecutionError",
    "ToolNotFoundError",
    "ToolOutput",
    "Toolkit",
    "URLDocumentSource",
    "URLImageSource",
    "UnsupportedParamWarning",
    "Usage",
    "UserContent",
    "UserContentPart",
    "UserMessage",
    "WebSearchTool",
    "call",
    "dump_messages",
    "format",
    "from_dict",
    "load_messages",
    "messages",
    "model",
    "model_from_context",
    "output_parser",
    "prompt",
    "register_provider",
    "reset_provider_registry",
    "retry",
    "retry_model",
    "scripted",
    "set_retry_budget",
    "to_dict",
    "tool",
    "use_model",
]

# Values do no I/O; what they fetch by URL is fetched by this.
_media.set_downloader(_HTTPDownloader())


def __getattr__(name: str) -> object:
    # For tests only, so programs need not load it.
    if name in ("ScriptedModel", "scripted"):
        from . import testing

        return getattr(testing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
