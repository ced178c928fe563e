"""Models that users write, as the engine's endpoints: what their `execute` yields becomes chunks.

What an author's code raises goes through untouched.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, cast

from ...engine.events import has_subscribers
from ...engine.plan import Plan
from ...engine.requests import ChunkSource, Endpoint, WholeResponse
from ...engine.results import Result
from ...engine.runtime import Runtime
from ...errors import StreamClosedError
from ...schema.dialects.definitions import PLAIN, Dialect
from ...schema.formats import AnyFormat
from ...types.chunks import Chunk, FinishReasonChunk, PrivateChunk, Usage, UsageChunk
from ...types.messages import Message as LLMMessage
from ...types.params import Params
from ...wire.codec import Request
from ...wire.features import UNKNOWN, Features
from ..messages.attachments import Attachment, loaded, to_media
from ..messages.convert import to_llm
from ..messages.event_assembler import Assembler, ChunkWriter
from ..messages.history import identified
from ..messages.origins import OWN
from ..messages.parts import AttachmentPart, Message, Part, StreamEvent, TextPart, ToolResultPart
from ..prompts.prompt import Answering, AskedResponse, BaseModel, Prompt
from ..response_facts import begin_anew, new_call_id
from ..storage.json_forms import prompt_settings
from ..tools.tool import make_toolkit

_END: Any = object()


class Execution:
    """One run of a model's `execute`. See `Answering`."""

    whole = False  # `stream=` is the author's affair

    def __init__(self, model: BaseModel, prompt: Prompt, *, takes_key: bool) -> None:
        self._model = model
        self._key = prompt.key
        self._takes_key = takes_key
        self._assembler = Assembler()

    async def plan(self, runtime: Runtime, response: AskedResponse, labels: Mapping[str, str]) -> Plan:
        """`execute` gets the prompt as it is; all else in the plan is for those who observe calls."""
        if self._model.retry is not None and self._model.retry.fallback_models:
            raise ValueError(f"{self._model} has fallback models, which only the library's own models can have.")
        prompt, observed = response.prompt, has_subscribers()
        return Plan(
            model_id=self._model.model_id,
            params=_params(prompt),
            messages=await _observable(runtime, prompt.messages) if observed else (),
            toolkit=make_toolkit(prompt.tools),
            format=_observable_format(prompt.format) if observed else None,
            provider=_Provider(self, response),
            retry=self._model.retry,
            labels=labels,
        )

    def event_converter(self) -> Callable[[Chunk], Sequence[StreamEvent]]:
        return _events

    def messages(self, response: AskedResponse, result: Result) -> list[Message]:
        return identified(self._said(response), new_call_id)

    def _said(self, response: AskedResponse) -> list[Message]:
        return self._assembler.messages(response.added_calls)

    def ending(self, response: AskedResponse, writer: ChunkWriter) -> Sequence[Chunk]:
        """The chunks at the end, with what the author said beside the events."""
        made = [*writer.end(self._said(response)), FinishReasonChunk(response.finish_reason, None)]
        if response.input_tokens is None and response.output_tokens is None and response.token_details is None:
            return made
        usage = Usage(
            input_tokens=response.input_tokens or 0,
            output_tokens=response.output_tokens or 0,
            raw=response.token_details,
        )
        return [*made, UsageChunk(usage)]

    def begin(self, response: AskedResponse) -> Iterator[Any] | AsyncIterator[Any]:
        """Call `execute`. What an attempt before this one said is forgotten."""
        self._assembler = Assembler()
        begin_anew(response)
        key = {"key": self._model.get_key(self._key)} if self._takes_key else {}
        execute = cast("Any", self._model).execute
        made: Any = execute(
            response.prompt, stream=response.prompt.stream, response=response, conversation=response.conversation, **key
        )
        if hasattr(made, "__anext__"):
            return cast("AsyncIterator[Any]", made)
        if hasattr(made, "__aiter__"):
            return cast("AsyncIterator[Any]", aiter(made))
        if hasattr(made, "__await__"):
            made.close()
            raise TypeError(f"execute() of {self._model} must be an async generator: it should yield, not return.")
        return cast("Iterator[Any]", iter(made))

    def take(self, item: object) -> StreamEvent:
        """An item that was yielded, as an event. Raises `TypeError` for anything but texts and events."""
        if isinstance(item, str):
            item = StreamEvent("text", item)
        if not isinstance(item, StreamEvent):
            raise TypeError(f"execute() of {self._model} yields texts and StreamEvents, not {type(item).__name__}.")
        return self._assembler.add(item)


def _events(chunk: Chunk | PrivateChunk) -> Sequence[StreamEvent]:
    return [chunk.item] if isinstance(chunk, PrivateChunk) else []


async def _observable(runtime: Runtime, messages: Sequence[Message]) -> tuple[LLMMessage, ...]:
    """The messages, as far as they can be said in the library's words. Files are read, but nothing is fetched."""
    said: list[LLMMessage] = []
    for message in messages:
        with suppress(ValueError):  # roles of the author's own
            said += to_llm([message.with_parts([await _readable(runtime, part) for part in message.parts])])
    return tuple(said)


def _params(prompt: Prompt) -> Params:
    """The time limits, and for observers the options."""
    params = _observable_options(prompt) if has_subscribers() else Params()
    if prompt.timeout is not None:
        params["timeout"] = prompt.timeout
    return params


def _observable_options(prompt: Prompt) -> Params:
    """The options, as far as they have a JSON form, without those that the engine would act on."""
    options: dict[str, Any] = {}
    with suppress(ValueError):
        options = prompt_settings(prompt).get("options", {})
    return cast("Params", {name: value for name, value in options.items() if name not in ("thinking", "timeout")})


def _observable_format(format: AnyFormat | None) -> AnyFormat | None:
    """The format in a mode in which the engine changes nothing of the answer."""
    return format if format is None or format.parser is not None else format.with_mode("json")


async def _readable(runtime: Runtime, part: Part) -> Part:
    if isinstance(part, ToolResultPart) and part.attachments:
        files = [await _at_hand(runtime, attachment) for attachment in part.attachments]
        found = [file for file in files if file is not None]
        return part if found == part.attachments else replace(part, attachments=found)
    if not isinstance(part, AttachmentPart):
        return part
    attachment = part.attachment
    if (file := await _at_hand(runtime, attachment)) is not None:
        return part if file == attachment else replace(part, attachment=file)
    return TextPart(f"[{attachment.path or attachment.url or attachment.type or 'attachment'}]")


async def _at_hand(runtime: Runtime, attachment: Attachment) -> Attachment | None:
    """The attachment, with its bytes if it is of a file; `None` if the library has no value for it."""
    try:
        if attachment.path and not os.path.isfile(attachment.path):
            return None  # a pipe, say, that can be read only once
        file = await loaded(runtime, attachment) if attachment.path else attachment
        to_media(file)
    except (ValueError, OSError):  # no such file, of an unknown type, or not of the one that it says
        return None
    return file


@dataclass(frozen=True, slots=True)
class _Provider:
    execution: Execution
    response: AskedResponse

    @property
    def id(self) -> str:
        return OWN

    def endpoint(self, name: str, messages: Sequence[Any]) -> Endpoint:
        return _Endpoint(self.execution, self.response, self.response.prompt.model.model_id)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    execution: Execution
    response: AskedResponse
    model: str
    provider_id: str = OWN
    features: Features = UNKNOWN
    schema_dialect: Dialect = PLAIN

    def exchange(self, request: Request) -> _Exchange:
        return _Exchange(self.execution, self.response)


@dataclass(frozen=True, slots=True)
class _Exchange:
    execution: Execution
    response: AskedResponse

    async def open(self, runtime: Runtime) -> ChunkSource:
        with self.response.place.running():
            items = self.execution.begin(self.response)
        return _Source(runtime, items, self.execution, self.response)

    async def ask(self, runtime: Runtime) -> WholeResponse:
        source = await self.open(runtime)
        chunks: list[Chunk] = []
        while (more := await source.next()) is not None:
            chunks.extend(more)
        return WholeResponse(chunks, None)


class _Source:
    """What `execute` yields, as chunks."""

    def __init__(
        self,
        runtime: Runtime,
        items: Iterator[Any] | AsyncIterator[Any],
        execution: Execution,
        response: AskedResponse,
    ) -> None:
        self.raw: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.cancel_safe = self.loop_bound = False
        self._runtime = runtime
        self._execution = execution
        self._response = response
        self._items = items
        self._step: Any = partial(anext if hasattr(items, "__anext__") else next, cast("Any", items), _END)
        self._writer = ChunkWriter()
        self._ended = False
        self._stepping = False
        self._closed = False

    async def next(self) -> Sequence[Chunk] | None:
        if self._ended:
            return None
        item = await self._item()
        if item is _END:
            self._ended = True
            return self._execution.ending(self._response, self._writer)
        event = self._execution.take(item)
        return [cast("Chunk", PrivateChunk(event)), *self._writer.feed(event)]

    async def _item(self) -> object:
        if getattr(self._items, "ag_frame", self) is None:  # an event loop that ends closes its generators
            raise StreamClosedError("The event loop in which execute() began has ended; what was not read is lost.")
        self._stepping = True
        try:
            with self._response.place.running():
                item: object = await self._runtime.invoke_inline(self._step)
        finally:
            self._stepping = False
        if self._closed:
            await self.close()
            raise StreamClosedError("The response was closed before its end.")
        return item

    async def close(self) -> None:
        """Close the generator; one that is at work just now, for another task or thread, when it gives its item."""
        self._closed = True
        if self._stepping:
            return
        close = getattr(self._items, "aclose", None) or getattr(self._items, "close", None)
        if close is not None:
            await self._runtime.invoke_inline(close)


class CustomModel(BaseModel):
    """A model that a user writes."""

    _takes_key: ClassVar[bool] = False

    def answering(self, prompt: Prompt) -> Answering:
        """See `BaseModel.answering`."""
        return Execution(self, prompt, takes_key=self._takes_key)
