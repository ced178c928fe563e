"""The JSON form of responses, chains, pauses and conversations, as types. See `message_forms` for messages and parts.

All is plain JSON. Fields that hold nothing are left out. Keys, hooks and functions of tools are not stored: they are
given again. `version` grows when a reader of the old form could misread the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Protocol, cast

from typing_extensions import TypedDict

from ...schema.raw_schema import RawSchema
from ...schema.type_schema import ENVELOPE, type_schema
from ...types.timeout import Timeout
from ..messages.parts import AttachmentPart, Message, part_from_dict
from ..tools.tool import Tool
from ..usage import Usage
from .message_forms import VERSION, MessageDict, PartDict
from .restrictions import AllowFiles, allowed_options

if TYPE_CHECKING:
    from ...schema.formats import AnyFormat
    from ...types.chunks import FinishReason
    from ..prompts.prompt import BaseModel, Prompt


class UsageDict(TypedDict, total=False):
    """Tokens."""

    input: int
    output: int
    details: dict[str, Any]


class ToolDict(TypedDict):
    """What a model is told of a tool."""

    name: str
    description: NotRequired[str]
    input_schema: dict[str, Any]


class CallDict(TypedDict):
    """A tool call."""

    name: str
    arguments: dict[str, Any]
    tool_call_id: str | None


class SettingsDict(TypedDict, total=False):
    """What was asked for beside the words. `omitted_options` are names of options that are not stored."""

    options: dict[str, Any]
    omitted_options: list[str]
    schema: dict[str, Any]
    hide_reasoning: bool
    stream: bool


class ConversationSettingsDict(SettingsDict, total=False):
    """What goes with each prompt of a conversation, beside its words. `chain_limit` is 0 for any number."""

    system: str
    fragments: list[str]
    attachments: list[PartDict]
    chain_limit: int


class PromptDict(SettingsDict, total=False):
    """What was asked: `messages` is all that the model was sent, the rest what went along."""

    messages: list[MessageDict]
    text: str
    system: str
    tools: list[ToolDict]


class ResponseDict(TypedDict):
    """A response. `messages` is the answer as the model wrote it, `value` what it says as JSON of the schema."""

    version: Literal[1]
    id: str
    model: str
    prompt: PromptDict
    messages: list[MessageDict]
    value: NotRequired[Any]
    finish_reason: NotRequired[str]
    resolved_model: NotRequired[str]
    usage: NotRequired[UsageDict]
    datetime_utc: NotRequired[str]
    duration_ms: NotRequired[int]
    response_json: NotRequired[dict[str, Any]]
    conversation: NotRequired[str]


class ChainDict(TypedDict):
    """A chain: its responses, in order."""

    version: Literal[1]
    responses: list[ResponseDict]


class PauseDict(SettingsDict, total=False):
    """A chain that waits: the history, the names of its tools, the call that it waits for, and the id of the
    conversation in which it goes on."""

    version: Literal[1]
    type: Literal["pause"]
    model: str
    messages: list[MessageDict]
    tools: list[str]
    conversation: str
    tool_call: CallDict
    reason: str


class ConversationDict(TypedDict):
    """A conversation: its history, and what goes with each of its prompts."""

    version: Literal[1]
    id: str
    model: str
    name: NotRequired[str]
    messages: list[MessageDict]
    settings: NotRequired[ConversationSettingsDict]
    tools: NotRequired[list[ToolDict]]


def check_form(data: object, what: str, *names: str) -> None:
    """`ValueError` if this is not the JSON form of something: no object, one of an unknown version, or one that lacks a
    field of these names. Forms without a version are taken as the first."""
    if not isinstance(data, Mapping):
        raise ValueError(f"The JSON form of {what} is an object, not {str(data)[:50]!r}.")
    form = cast("Mapping[str, Any]", data)
    if (version := form.get("version", VERSION)) != VERSION:
        raise ValueError(f"Version {version!r} of the form of {what} is not known; this reads {VERSION}.")
    if missing := [repr(name) for name in names if name not in form]:
        raise ValueError(f"This is not the JSON form of {what}: it has no {', '.join(missing)}.")


class _HasId(Protocol):
    id: str


class CompleteResponse(Protocol):
    """A complete response, as far as its JSON form needs it."""

    id: str
    prompt: Prompt
    finish_reason: FinishReason | None
    resolved_model: str | None
    response_json: dict[str, Any] | None

    @property
    def conversation(self) -> _HasId | None:
        """The conversation that it is part of."""
        ...


def response_to_dict(
    response: CompleteResponse,
    messages: Sequence[Message],
    usage: Usage,
    started: str,
    duration_ms: int,
    value: Mapping[str, Any],
) -> ResponseDict:
    """The JSON form of a complete response. `value` holds its value by that name, if it has one."""
    made: dict[str, Any] = {
        "version": VERSION,
        "id": response.id,
        "model": response.prompt.model.model_id,
        "prompt": _prompt_to_dict(response.prompt),
        "messages": [message.to_dict() for message in messages],
        "finish_reason": response.finish_reason and str(response.finish_reason),
        "resolved_model": response.resolved_model,
        "datetime_utc": started,
        "duration_ms": duration_ms,
        "usage": {
            name: count for name in ("input", "output", "details") if (count := getattr(usage, name)) is not None
        },
        "response_json": response.response_json,
        "conversation": None if response.conversation is None else response.conversation.id,
    }
    kept = {name: each for name, each in made.items() if each or name == "messages"}
    return cast("ResponseDict", {**kept, **value})


def prompt_settings(prompt: Prompt) -> SettingsDict:
    """What can be stored of what goes along with a prompt, but for its tools."""
    made: SettingsDict = {}
    options, omitted = _options_to_dict(prompt) if prompt.given_options else ({}, [])
    if options:
        made["options"] = options
    if omitted:
        made["omitted_options"] = omitted
    if prompt.schema is not None:
        made["schema"] = _schema_to_dict(prompt.schema, prompt.format)
    if prompt.hide_reasoning:
        made["hide_reasoning"] = True
    if not prompt.stream:
        made["stream"] = False
    return made


def _schema_to_dict(schema: dict[str, Any], format: AnyFormat | None) -> dict[str, Any]:
    """The schema that was given; of a type its own, out of the envelope that models are shown."""
    if format is None or isinstance(format.formattable, RawSchema):
        return schema
    described = type_schema(format.formattable)
    if not described.is_wrapped:
        return described.schema
    definitions = {"$defs": described.schema["$defs"]} if "$defs" in described.schema else {}
    return {**described.schema["properties"][ENVELOPE], **definitions}


def _options_to_dict(prompt: Prompt) -> tuple[dict[str, Any], list[str]]:
    """The options that are set, under the names by which they are given, and the names of those that are not stored."""
    given, fields = prompt.options, type(prompt.options).model_fields
    private = prompt.model.private_options
    values = {name: value for name, value in given.model_dump(mode="json").items() if value is not None}
    given_as = {name: alias for name, field in fields.items() if isinstance(alias := field.validation_alias, str)}
    aliases = {name: given_as.get(name, name) for name in values}
    made = {aliases[name]: value for name, value in values.items() if name not in private}
    omitted = [aliases[name] for name in values if name in private]
    kept = {
        name: asdict(value) if isinstance(value, Timeout) else value for name, value in prompt.engine_options.items()
    }
    return {**made, **kept}, omitted


def conversation_args(
    data: Mapping[str, Any], model: BaseModel, given: Mapping[str, Any], allow_files: AllowFiles
) -> dict[str, Any]:
    """The arguments that a stored conversation is made again from, with those that are `given` now in their place."""
    stored: Mapping[str, Any] = data.get("settings", {})
    args = prompt_args({**stored, **{name: data[name] for name in ("tools",) if name in data}}, model, given)
    args |= {name: stored[name] for name in ("fragments", "chain_limit") if name in stored}
    if "attachments" in stored:
        args["attachments"] = [
            cast("AttachmentPart", part_from_dict(part, allow_files)).attachment for part in stored["attachments"]
        ]
    return with_args(args, given)


def settings_args(data: Mapping[str, Any], model: BaseModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that stored settings stand for. Warns of options that are not taken from them, nor `given` now."""
    args: dict[str, Any] = {name: data[name] for name in ("schema", "hide_reasoning", "stream") if name in data}
    if "options" not in given and (options := allowed_options(data, model, given)):
        args["options"] = options
    return args


def prompt_args(data: Mapping[str, Any], model: BaseModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a stored prompt is made again from. See `settings_args`."""
    args = settings_args(data, model, given)
    if "system" in data:
        args["system"] = data["system"]
    if "tools" in data:
        args["tools"] = [Tool(tool["name"], tool.get("description"), tool["input_schema"]) for tool in data["tools"]]
    return args


def with_args(kept: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Stored arguments, and those that are given now in their place: of the options, each by its name."""
    made = {**kept, **args}
    if "options" in kept and "options" not in args:
        made["options"] = {name: value for name, value in kept["options"].items() if name not in args}
    return made


def usage_from_dict(data: Mapping[str, Any]) -> Usage:
    """The usage of its JSON form."""
    return Usage(data.get("input"), data.get("output"), data.get("details"))


def conversation_to_dict(
    id: str, name: str | None, messages: Sequence[Message], base: Prompt, chain_limit: int | None
) -> ConversationDict:
    """The JSON form of a conversation; `chain_limit` is `None` if it is the usual one."""
    made: ConversationDict = {
        "version": VERSION,
        "id": id,
        "model": base.model.model_id,
        "messages": [message.to_dict() for message in messages],
    }
    if name:
        made["name"] = name
    settings = cast("ConversationSettingsDict", prompt_settings(base))
    if base.system:
        settings["system"] = base.system
    if base.fragments:
        settings["fragments"] = list(base.fragments)
    if base.attachments:
        settings["attachments"] = [AttachmentPart(attachment).to_dict() for attachment in base.attachments]
    if chain_limit is not None:
        settings["chain_limit"] = chain_limit
    if settings:
        made["settings"] = settings
    if tools := [_tool_to_dict(tool) for tool in base.tools if isinstance(tool, Tool)]:
        made["tools"] = tools
    return made


def _prompt_to_dict(prompt: Prompt) -> PromptDict:
    tools = [_tool_to_dict(tool) for tool in prompt.tools if isinstance(tool, Tool)]
    made: dict[str, Any] = {"text": prompt.prompt, "system": prompt.system, "tools": tools}
    kept: dict[str, Any] = {name: value for name, value in made.items() if value}
    messages = [message.to_dict() for message in prompt.messages]
    return cast("PromptDict", {"messages": messages, **kept, **prompt_settings(prompt)})


def _tool_to_dict(tool: Tool) -> ToolDict:
    made: ToolDict = {"name": tool.name, "input_schema": tool.input_schema}
    if tool.description:
        made["description"] = tool.description
    return made
