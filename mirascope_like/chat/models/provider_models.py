"""The library's own models: those of its providers, by "provider/name"."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from ...engine.plan import Plan
from ...engine.providers import HTTPProvider, Provider, registry
from ...engine.requests import Endpoint
from ...engine.results import Result
from ...engine.runtime import Runtime
from ...engine.shared_texts import copy_json
from ...schema.toolkits import Toolkit
from ...types.chunks import Chunk, Reply, Usage
from ...types.headers import check_headers
from ...types.media_types import is_text_type
from ...types.messages import Message as LLMMessage
from ...types.params import Params, check_params
from ...wire.features import find_features
from ..messages.attachments import TYPES_BY_SUFFIX, Attachment, loaded
from ..messages.convert import from_llm, to_llm
from ..messages.event_assembler import ChunkReader
from ..messages.parts import AttachmentPart, Message, Part, StreamEvent, ToolResultPart
from ..prompts.prompt import Answering, AskedResponse, BaseModel, Prompt
from ..response_facts import Facts
from ..tools.tool import make_toolkit

if TYPE_CHECKING:
    from .options import Options as OptionsClass

_ATTACHMENT_TYPES: Collection[str] = frozenset(
    kind for kind in TYPES_BY_SUFFIX.values() if not kind.startswith("video/")
)
_TEXTS: Collection[str] = frozenset(filter(is_text_type, _ATTACHMENT_TYPES))


@cache
def _options() -> type[OptionsClass]:
    """The params of calls, as a Pydantic class."""
    from pydantic import AfterValidator, create_model
    from typing_extensions import get_type_hints

    from .options import Options

    kinds = get_type_hints(Params)
    kinds["extra_headers"] = Annotated[Mapping[str, str], AfterValidator(check_headers)]
    fields: dict[str, Any] = {name: (kind | None, None) for name, kind in kinds.items()}
    return create_model("Options", __base__=Options, **fields)


class _Params:
    def __get__(self, instance: object, owner: type | None = None) -> type[OptionsClass]:
        return _options()


class _AttachmentTypes:
    """The files that a model takes, as far as that is known."""

    def __get__(self, instance: ProviderModel | None, owner: type | None = None) -> Collection[str]:
        if instance is None:
            return _ATTACHMENT_TYPES
        provider, name = _asked(instance.model_id, instance.provider)
        return _TEXTS if find_features(provider.id, name).text_only else _ATTACHMENT_TYPES


class ProviderModel(BaseModel):
    """What both colours of a library model share."""

    can_stream = True
    supports_schema = True
    supports_tools = True
    attachment_types: Collection[str] = _AttachmentTypes()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Options: ClassVar[type[OptionsClass]] = _Params()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __init__(self, model_id: str, provider: Provider | None = None) -> None:
        self.model_id = model_id
        self.provider = provider

    def check(self, prompt: Prompt) -> None:
        """See `BaseModel.check`."""
        super().check(prompt)
        _params(prompt)

    def answering(self, prompt: Prompt) -> Answering:
        """See `BaseModel.answering`."""
        return _Answer(self, whole=not prompt.stream)


def pass_on_end(to: Facts, answer: Facts) -> None:
    """Tell a response of the model that is made of this one why the answer ended."""
    to.set_finish_reason(answer.finish_reason)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A provider with the key of one prompt."""

    provider: HTTPProvider
    name: str

    @property
    def id(self) -> str:
        return self.provider.id

    def endpoint(self, name: str, messages: Sequence[LLMMessage]) -> Endpoint:
        return self.provider.endpoint(self.name, messages)

    def load(self, name: str, messages: Sequence[LLMMessage]) -> None:
        self.provider.load(self.name, messages)


class _Answer:
    """See `Answering`."""

    def __init__(self, model: ProviderModel, *, whole: bool) -> None:
        self.whole: bool = whole
        self._model = model

    async def plan(self, runtime: Runtime, response: AskedResponse, labels: Mapping[str, str]) -> Plan:
        prompt, model = response.prompt, self._model
        return Plan(
            model_id=model.model_id,
            params=_params(prompt),
            messages=tuple(to_llm([await _loaded(runtime, message) for message in prompt.messages])),
            toolkit=make_toolkit(prompt.tools) if prompt.given_tools else Toolkit(),
            format=prompt.format,
            provider=_keyed(model, prompt.key or model.key),
            retry=model.retry,
            labels=labels,
        )

    def event_converter(self) -> Callable[[Chunk], Sequence[StreamEvent]]:
        return ChunkReader().feed

    def messages(self, response: AskedResponse, result: Result) -> list[Message]:
        reply = result.reply
        response.set_resolved_model(result.provider_model_name)
        response.response_json = cast("dict[str, Any]", result.body) if self.whole else _as_json(reply)
        if reply.usage is not None:
            response.set_usage(
                input=reply.usage.input_tokens, output=reply.usage.output_tokens, details=_details(reply.usage)
            )
        if not reply.content:
            return []
        return from_llm([result.message])


def _keyed(model: ProviderModel, key: str | None) -> Provider | None:
    if key is None:
        return model.provider
    provider, name = _asked(model.model_id, model.provider)
    if not isinstance(provider, HTTPProvider):
        raise ValueError(f"key= is for the library's providers; {provider.id!r} has keys of its own.")
    return _Keyed(replace(provider, api_key=key), name)


def _asked(model_id: str, provider: Provider | None) -> tuple[Provider, str]:
    """Who is asked, and the model's name there. Raises `NoRegisteredProviderError`."""
    return registry.find(model_id) if provider is None else (provider, model_id.partition("/")[2])


def _params(prompt: Prompt) -> Params:
    if not prompt.given_options:
        return Params()
    given = check_params({name: value for name, value in dict(prompt.options).items() if value is not None})
    if prompt.hide_reasoning and (thinking := given.get("thinking")):
        given["thinking"] = {**thinking, "include_thoughts": False}
    return given


async def _loaded(runtime: Runtime, message: Message) -> Message:
    if not any(isinstance(part, AttachmentPart | ToolResultPart) for part in message.parts):
        return message
    return message.with_parts([await _part_loaded(runtime, part) for part in message.parts])


async def _part_loaded(runtime: Runtime, part: Part) -> Part:
    if isinstance(part, AttachmentPart):
        file = await _file_loaded(runtime, part.attachment)
        return part if file == part.attachment else replace(part, attachment=file)
    if isinstance(part, ToolResultPart) and part.attachments:
        files = [await _file_loaded(runtime, each) for each in part.attachments]
        return part if files == part.attachments else replace(part, attachments=files)
    return part


async def _file_loaded(runtime: Runtime, attachment: Attachment) -> Attachment:
    return attachment if attachment.content else await loaded(runtime, attachment)


def _details(usage: Usage) -> dict[str, Any] | None:
    counts = {
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count} or None


def _as_json(reply: Reply) -> dict[str, Any] | None:
    """Of a streamed answer: what the provider said at its end, put together."""
    said = {
        "id": reply.response_id,
        "model": reply.provider_model_name,
        "message": reply.raw_message,
        "finish_reason": reply.raw_finish_reason,
        "usage": reply.usage.raw if reply.usage else None,
    }
    made: dict[str, Any] = copy_json({name: value for name, value in said.items() if value is not None})
    return made or None
