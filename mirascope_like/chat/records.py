"""The JSON form of responses, chains, pauses and conversations, as types. See `serial` for messages and parts.

All is plain JSON. Fields that hold nothing are left out. Keys, hooks and functions of tools are not stored: they are
given again. `version` grows when a reader of the old form could misread the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

from .parts import Message
from .serial import VERSION, MessageDict
from .tools import Tool
from .usage import Usage

if TYPE_CHECKING:
    from .prompts import Prompt
    from .turns import Turn

__all__ = [
    "CallDict",
    "ChainDict",
    "ConversationDict",
    "PauseDict",
    "PromptDict",
    "ResponseDict",
    "SettingsDict",
    "ToolDict",
    "UsageDict",
    "check_version",
    "conversation_to_dict",
    "prompt_args",
    "prompt_settings",
    "response_to_dict",
    "usage_from_dict",
]


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
    """What was asked for beside the words."""

    options: dict[str, Any]
    schema: dict[str, Any]
    hide_reasoning: bool


class PromptDict(SettingsDict, total=False):
    """What was asked: `messages` is all that the model was sent, the rest what went along."""

    messages: list[MessageDict]
    text: str
    system: str
    tools: list[ToolDict]
    stream: bool


class ResponseDict(TypedDict):
    """A response. `messages` is the answer."""

    version: Literal[1]
    id: str
    model: str
    prompt: PromptDict
    messages: list[MessageDict]
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
    """A chain that waits: the history, and the call that it waits for."""

    version: Literal[1]
    type: Literal["pause"]
    model: str
    messages: list[MessageDict]
    tool_call: CallDict
    reason: str


class ConversationDict(TypedDict):
    """A conversation: its history, and what goes with each of its prompts."""

    version: Literal[1]
    id: str
    model: str
    name: NotRequired[str]
    messages: list[MessageDict]
    settings: NotRequired[SettingsDict]
    tools: NotRequired[list[ToolDict]]


def check_version(data: Mapping[str, Any], what: str) -> None:
    """`ValueError` if a JSON form is of a version that is not known. Forms without one are taken as the first."""
    if (version := data.get("version", VERSION)) != VERSION:
        raise ValueError(f"Version {version!r} of the form of {what} is not known; this reads {VERSION}.")


def response_to_dict(
    turn: Turn[Any], messages: Sequence[Message], usage: Usage, started: str, duration_ms: int
) -> ResponseDict:
    """The JSON form of a complete response."""
    made: dict[str, Any] = {
        "version": VERSION,
        "id": turn.id,
        "model": turn.model.model_id,
        "prompt": _prompt_to_dict(turn.prompt),
        "messages": [message.to_dict() for message in messages],
        "resolved_model": turn.resolved_model,
        "datetime_utc": started,
        "duration_ms": duration_ms,
        "usage": {
            name: value for name in ("input", "output", "details") if (value := getattr(usage, name)) is not None
        },
        "response_json": turn.response_json,
        "conversation": None if turn.conversation is None else turn.conversation.id,
    }
    return cast("ResponseDict", {name: value for name, value in made.items() if value or name == "messages"})


def prompt_settings(prompt: Prompt) -> SettingsDict:
    """What can be stored of what goes along with a prompt, but for its tools."""
    made: SettingsDict = {}
    if prompt.given_options:
        options = prompt.options.model_dump(mode="json")
        made["options"] = {name: value for name, value in options.items() if value is not None}
    if prompt.schema is not None:
        made["schema"] = prompt.schema
    if prompt.hide_reasoning:
        made["hide_reasoning"] = True
    return made


def prompt_args(data: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a stored prompt is made again from."""
    args: dict[str, Any] = {
        name: data[name] for name in ("options", "schema", "hide_reasoning", "system", "stream") if name in data
    }
    if "tools" in data:
        args["tools"] = [Tool(tool["name"], tool.get("description"), tool["input_schema"]) for tool in data["tools"]]
    return args


def usage_from_dict(data: Mapping[str, Any]) -> Usage:
    """The usage of its JSON form."""
    return Usage(data.get("input"), data.get("output"), data.get("details"))


def conversation_to_dict(id: str, name: str | None, messages: Sequence[Message], base: Prompt) -> ConversationDict:
    """The JSON form of a conversation."""
    made: ConversationDict = {
        "version": VERSION,
        "id": id,
        "model": base.model.model_id,
        "messages": [message.to_dict() for message in messages],
    }
    if name:
        made["name"] = name
    if settings := prompt_settings(base):
        made["settings"] = settings
    if tools := [_tool_to_dict(tool) for tool in base.tools if isinstance(tool, Tool)]:
        made["tools"] = tools
    return made


def _prompt_to_dict(prompt: Prompt) -> PromptDict:
    tools = [_tool_to_dict(tool) for tool in prompt.tools if isinstance(tool, Tool)]
    made: dict[str, Any] = {"text": prompt.prompt, "system": prompt.system, "tools": tools, **prompt_settings(prompt)}
    kept: dict[str, Any] = {name: value for name, value in made.items() if value}
    return cast("PromptDict", {"messages": [message.to_dict() for message in prompt.messages], **kept})


def _tool_to_dict(tool: Tool) -> ToolDict:
    made: ToolDict = {"name": tool.name, "input_schema": tool.input_schema}
    if tool.description:
        made["description"] = tool.description
    return made
