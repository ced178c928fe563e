"""The properties of all responses: content, finish reason, usage, and the parsed value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from typing_extensions import TypeVar

from ..engine.results import Result
from ..engine.unfinished_responses import why_unfinished
from ..errors import RetryFailure
from ..schema.formats import Format, Partial
from ..schema.toolkits import Toolkit
from ..types.chunks import ContentChunk, FinishReason, TextChunk, TextEndChunk, Usage
from ..types.content import AssistantContentPart, Text, Thought, ToolCall
from ..types.context import Context
from ..types.lineage import set_call_id
from ..types.messages import AssistantMessage, Message
from ..types.params import Params
from ..types.rate_limits import RateLimits
from ..types.retry import RetryConfig
from ..types.unfinished import with_unfinished
from .views import PartialValue, pretty

if TYPE_CHECKING:
    pass

F = TypeVar("F", default=None, covariant=True)


class Contents(Generic[F]):
    """What can be read of a response. Of a stream: what has arrived so far."""

    @property
    def _result(self) -> Result:
        """The response so far."""
        raise NotImplementedError

    @property
    def content(self) -> Sequence[AssistantContentPart]:
        """The parts, in the order in which they began."""
        return self._result.reply.content

    @property
    def texts(self) -> Sequence[Text]:
        """The texts."""
        return [part for part in self.content if isinstance(part, Text)]

    @property
    def thoughts(self) -> Sequence[Thought]:
        """The thoughts."""
        return [part for part in self.content if isinstance(part, Thought)]

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls, complete ones only."""
        return [part for part in self.content if isinstance(part, ToolCall)]

    @property
    def messages(self) -> list[Message]:
        """The conversation: what was sent, and this answer."""
        return [*self._result.plan.messages, self._message]

    @property
    def usage(self) -> Usage | None:
        """Tokens used; `None` until known."""
        return self._result.reply.usage

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the response ended; `None` if the model simply finished."""
        return self._result.reply.finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """The provider's own word for it."""
        return self._result.reply.raw_finish_reason

    @property
    def response_id(self) -> str | None:
        """The provider's id of this response."""
        return self._result.reply.response_id

    @property
    def request_id(self) -> str | None:
        """The id of the request, for the provider's support; `None` if the server sent none."""
        return self._result.request_id

    @property
    def rate_limits(self) -> RateLimits | None:
        """What the response's headers say of the account's rate limits; `None` if they say nothing."""
        return self._result.rate_limits

    @property
    def provider_id(self) -> str:
        """The id of the provider that was called."""
        return self._result.provider_id

    @property
    def model_id(self) -> str:
        """The model id of the call."""
        return self._result.plan.model_id

    @property
    def provider_model_name(self) -> str:
        """The model that answered, in the provider's words; before it says so, the name that was sent."""
        return self._result.provider_model_name

    @property
    def params(self) -> Params:
        """The params of this call."""
        return self._result.plan.params

    @property
    def toolkit(self) -> Toolkit:
        """The tools of this call."""
        return self._result.plan.toolkit

    @property
    def format(self) -> Format[F] | None:
        """The format of this call, with the mode that was used."""
        return self._result.format

    @property
    def context(self) -> Context[Any] | None:
        """The context that was passed to this call."""
        return self._result.plan.context

    @property
    def retry_config(self) -> RetryConfig | None:
        """The retry settings of this call, with its fallback models; `None` if it is not retried."""
        return self._result.plan.retry

    @property
    def retry_failures(self) -> Sequence[RetryFailure]:
        """The failed attempts before the one that gave this answer, with their errors."""
        return self._result.failures

    @property
    def continues(self) -> Literal["prefill", "restart"] | None:
        """How this answer continues one that broke off: "prefill" (it begins with that text, and the model continued
        it) or "restart" (the model began again); `None` if it continues none."""
        return self._result.continues

    def text(self, sep: str = "\n") -> str:
        """All texts, joined."""
        return sep.join([part.text for part in self.texts])

    def pretty(self) -> str:
        """The whole content as readable text: texts, thoughts and tool calls."""
        return pretty(self.content)

    @overload
    def parse(self) -> F: ...
    @overload
    def parse(self, partial: Literal[False]) -> F: ...
    @overload
    def parse(self, partial: Literal[True]) -> Partial[F] | None: ...
    def parse(self, partial: bool = False) -> Any:
        """The value of the call's format; `None` if the call has no format. With `partial`, the value so far; a stream
        returns the same object each time, which grows as more arrives.

        Raises `ParseError` if the answer does not fit the format or is incomplete; `cut_off` is set on the error if a
        limit ended the answer.
        """
        format = self.format
        if format is None:
            return None
        if partial and format.parser is None:
            return self._partial(format)
        return format.value_of(self, self.text(sep=""), ended=self.finish_reason, pending=self._pending())

    def _partial(self, format: Format[Any]) -> Any:
        end = [] if self.finish_reason else [TextEndChunk()]  # it may not be all of the text: 12 of 1234
        chunks: list[ContentChunk] = [TextChunk(self.text(sep="")), *end]
        return PartialValue(format, chunks).read(len(chunks))

    def _pending(self) -> str | None:
        """Why there can be no value yet (error text); `None` if there can."""
        unanswered = "There are unanswered tool calls: resume(execute_tools()) first." if self.tool_calls else None
        return self._unread_reason() or unanswered

    def _unread_reason(self) -> str | None:
        """Why the answer is incomplete (error text); `None` if it is complete."""
        return None

    @property
    def _message(self) -> AssistantMessage:
        result = self._result
        message = result.message
        if (why := self._incomplete_reason()) is not None:
            message = replace(message, content=[with_unfinished(part, why) for part in message.content])
        return set_call_id(message, str(result.call_id))

    def _incomplete_reason(self) -> str | None:
        """Why tool calls are not run (text for the model); `None` if the response ended well."""
        return why_unfinished(self.finish_reason)

    def __repr__(self) -> str:
        said = self.text(sep=" ") or ", ".join(f"{call.name}({call.args})" for call in self.tool_calls)
        shown = said if len(said) <= 60 else f"{said[:59]}…"
        notes = [f"{self.usage.total_tokens} tokens"] if self.usage else []
        notes += [str(self.finish_reason)] if self.finish_reason else []
        notes += self._state()
        return f"<{type(self).__name__} {self.model_id} {shown!r}{''.join(f', {note}' for note in notes)}>"

    def _state(self) -> list[str]:
        return []
