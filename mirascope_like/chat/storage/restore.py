"""Complete responses that no model was asked for: from their JSON form, from one another, and for tests.

Pickles of responses and conversations hold their JSON forms, so they hold no key. They also have the tools, if these
can be pickled; a response also has its format, its files, and the results of the tools that ran before it. The pickle
of a chain holds its conversation and responses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Self

from typing_extensions import TypeVar

from ...schema.formats import AnyFormat, Format, OutputParser
from ...schema.pickling import can_be_pickled
from ...types.chunks import FinishReason
from ..messages.parts import Message, TextPart
from ..messages.shared_messages import pickled_messages
from ..prompts.prompt import BaseModel, Prompt
from ..response_replies import ContinuableResponse
from ..response_state import AnyConversation, ResponseState, dict_of, messages_of, restore
from ..tools.tool import ToolResult
from ..tools.toolbox import ToolLike
from .json_forms import check_form, prompt_args, usage_from_dict
from .restrictions import AllowFiles

if TYPE_CHECKING:
    from ..messages.attachments import Attachment

F = TypeVar("F", default=Any)
R = TypeVar("R", bound="RestorableResponse[Any]")


class RestorableResponse(ContinuableResponse[F, AnyConversation], Generic[F, AnyConversation]):
    """A response that can be made of stored data, and copied. See `Response` and `AsyncResponse`."""

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, model: BaseModel | None = None, allow_files: AllowFiles = False
    ) -> Self:
        """The response of a JSON form, complete. `model` is who replies (the one that answered). `allow_files` as for
        `Message.from_dict`; the model's `private_options` are given again with a reply.

        Raises `UnknownModelError`, Pydantic's `ValidationError` for options that the model does not have, and
        `ValueError` for a form that is none.
        """
        check_form(data, "a response", "id", "model", "prompt", "messages")
        check_form(data["prompt"], "a prompt", "messages")
        return _rebuild(cls, data, model or cls._find_model(data["model"]), allow_files)

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        raise NotImplementedError

    @classmethod
    def fake(
        cls,
        model: BaseModel,
        prompt: str,
        *attachments: Attachment,
        system: str | None = None,
        response: str = "",
    ) -> Self:
        """A complete response, for tests."""
        return _make_fake(cls, model, prompt, attachments, system, response)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduce(self)

    def __copy__(self) -> Self:
        return self.__deepcopy__()

    def __deepcopy__(self, memo: object = None) -> Self:
        _check_complete(self)
        return copy_response(type(self), self, self._datetime_utc(), self._duration_ms())


def _rebuild(kind: type[R], data: Mapping[str, Any], model: BaseModel, allow_files: AllowFiles) -> R:
    """Make the response of its JSON form."""
    prompt_data: Mapping[str, Any] = data["prompt"]
    prompt = Prompt(model=model).asking(prompt_data.get("text"), prompt_args(prompt_data, model, {}))
    messages = [_message(message, allow_files) for message in prompt_data["messages"]]
    turn = kind(replace(prompt, said_already=tuple(messages), history=tuple(messages), own_history=True))
    answer = [_message(message, allow_files) for message in data["messages"]]
    usage = usage_from_dict(data.get("usage") or {})
    turn.set_usage(input=usage.input, output=usage.output, details=usage.details)
    turn.resolved_model = data.get("resolved_model")
    turn.response_json = data.get("response_json")
    if reason := data.get("finish_reason"):
        turn.finish_reason = FinishReason(reason)
    if "value" in data:
        turn.format = _giving(data["value"])
    elif turn.format is not None and turn.format.parser is None:
        turn.format = turn.format.with_mode("tool")  # the mode is not stored; this one takes least for granted
    turn.id, turn.stored = data["id"], True
    restore(turn, answer, _moment(data.get("datetime_utc")), data.get("duration_ms", 0))
    return turn


def copy_response(kind: type[R], turn: ResponseState[Any], started: str, duration_ms: int) -> R:
    """The same response, of another colour, with all that its prompt had. Its conversation does not come along."""
    made = kind(turn.prompt)
    made.set_usage(input=turn.input_tokens, output=turn.output_tokens, details=turn.token_details)
    made.resolved_model, made.response_json = turn.resolved_model, deepcopy(turn.response_json)
    made.finish_reason, made.format = turn.finish_reason, turn.format
    made.id, made.stored, made.executed, made.ran = turn.id, turn.stored, set(turn.executed), list(turn.ran)
    restore(made, deepcopy(messages_of(turn)), _moment(started), duration_ms)
    return made


def _check_complete(turn: ResponseState[Any]) -> None:
    """Raise `TypeError` for a response that is not complete."""
    if not turn.done:
        raise TypeError("The response is not complete, so it cannot be copied or pickled: read it first.")


def _reduce(turn: ResponseState[Any]) -> tuple[Any, ...]:
    """Return what `__reduce__` of a response returns. Raises `TypeError` if it is not complete."""
    _check_complete(turn)
    tools, files = picklable_tools(turn.prompt.given_tools), list(turn.prompt.attachments)
    return _unpickle, (type(turn), _form_for_pickle(turn), turn.format, tools, files, list(turn.ran))


def _form_for_pickle(turn: ResponseState[Any]) -> dict[str, Any]:
    """Return the JSON form, with messages that other responses in the pickle share."""
    data = dict_of(turn)
    asked = {**data["prompt"], "messages": pickled_messages(turn.prompt.messages)}
    return {**data, "prompt": asked, "messages": pickled_messages(messages_of(turn))}


def _message(data: Any, allow_files: AllowFiles) -> Message:
    """Return the message of a JSON form, or of a pickle."""
    return data if isinstance(data, Message) else Message.from_dict(data, allow_files=allow_files)


def _unpickle(
    kind: type[R],
    data: Mapping[str, Any],
    format: AnyFormat | None,
    tools: Sequence[ToolLike] | None,
    files: Sequence[Attachment],
    ran: Sequence[ToolResult],
) -> R:
    turn = kind.from_dict(data)
    turn.format, turn.ran = format, ran
    turn.prompt = replace(turn.prompt, attachments=files)
    if tools is not None:
        turn.prompt = replace(turn.prompt, given_tools=tools)
    return turn


def picklable_tools(tools: Sequence[ToolLike]) -> Sequence[ToolLike] | None:
    """Return the tools, for a pickle; `None` if they cannot be pickled: then only what models get of them is kept."""
    return tools if can_be_pickled(tools) else None


def _make_fake(
    kind: type[R],
    model: BaseModel,
    prompt: str,
    attachments: Sequence[Attachment],
    system: str | None,
    response: str,
) -> R:
    """A complete response that says `response`."""
    turn = kind(Prompt(model=model).asking(prompt, {"attachments": attachments, "system": system}))
    answer = [Message("assistant", [TextPart(response)])] if response else []
    restore(turn, answer, None, 0)
    return turn


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _giving(value: object) -> AnyFormat:
    """The format of an answer whose value is known: what the model was held to when it wrote it is not."""

    def stored(_: object) -> object:
        return deepcopy(value)

    return Format(OutputParser(stored, ""))
