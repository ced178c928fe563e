"""Conversations: prompts that build on one another.

Prompts and chains are answered one after the other, in the order in which reading them begins, so none is lost from the
history. To go several ways at once, `branch()`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self

from typing_extensions import TypeVar, Unpack

from ..types.lineage import get_call_id
from ..types.messages import Message as LLMMessage
from .chains import DEFAULT_LIMIT
from .ids import new_id
from .messages.convert import args_text, to_llm
from .messages.history import trimmed
from .messages.parts import Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from .messages.shared_messages import pickled_messages
from .messages.unfinished_calls import refuse_pending
from .prompts.prompt import BaseModel, Prompt
from .prompts.prompt_args import ChainArgs, listed, with_schema
from .queues import Queue
from .response_state import ResponseState, forget_messages, messages_of, record_of
from .storage.json_forms import ConversationDict, check_form, conversation_args, conversation_to_dict
from .storage.restore import picklable_tools
from .storage.restrictions import AllowFiles
from .tools.toolbox import ToolLike

F = TypeVar("F", default=Any)
R = TypeVar("R", bound=ResponseState[Any])


class ConversationBase(Generic[R]):
    """A conversation of either colour."""

    def __init__(self, model: BaseModel, **args: Unpack[ChainArgs]) -> None:
        settings: dict[str, Any] = dict(args)
        self.chain_limit: int | None = settings.pop("chain_limit", DEFAULT_LIMIT)
        self.id: str = new_id()
        self.name: str | None = None
        self.model: BaseModel = model
        self.responses: list[R] = []
        self.messages: list[Message] = list(listed("messages", settings.pop("messages", None)))
        self.queue: Queue = Queue()
        self._base = Prompt(model=model).asking(None, settings)

    def add(self, turn: Any) -> None:
        """A turn is complete: it is part of the conversation now."""
        self.responses.append(turn)
        self.messages = record_of(turn)

    def continued_from(self, turn: ResponseState[Any]) -> Self:
        """The conversation in which a reply to a turn belongs: this one, if that turn is its end, else a branch."""
        return self if self.ends_with(turn) and self.queue.is_empty else self.branch_at(turn)

    def ends_with(self, turn: ResponseState[Any]) -> bool:
        """Whether a turn is its last one so far."""
        return bool(self.responses) and self.responses[-1] is turn

    def branch_at(self, turn: Any) -> Self:
        """A branch that goes as far as one of its turns."""
        branch = self.branch()
        position = next((n for n, each in enumerate(self.responses) if each is turn), 0)  # 0: it was trimmed off
        branch.responses = [*self.responses[:position], turn]
        branch.messages = record_of(turn)
        return branch

    def branch(self) -> Self:
        """A conversation with the same history, which goes its own way from here."""
        other = copy.copy(self)
        other.id = new_id()
        other.queue = Queue()
        other.messages = list(self.messages)
        other.responses = list(self.responses)
        return other

    def trim(
        self,
        *,
        max_messages: int | None = None,
        max_tokens: int | None = None,
        count: Callable[[Message], int] | None = None,
    ) -> None:
        """Drop the oldest exchanges, so that at most `max_messages` messages or `max_tokens` tokens are left.

        An exchange is kept or dropped whole, so no tool call loses its result; the system prompt and the last exchange
        stay. `count` says how many tokens a message has; without it, they are guessed: a token for four characters of
        texts, calls and results, and none for files.

        The responses of dropped exchanges leave `responses`; one that you hold keeps its history. The other responses
        lose the dropped messages from the history in their `prompt`.
        """
        before = self.messages
        self.messages = trimmed(before, max_messages, max_tokens, count or _guessed)
        kept = set(map(id, self.messages))
        if dropped := [message for message in before if id(message) not in kept]:
            self._release(dropped)

    def _release(self, dropped: Sequence[Message]) -> None:
        """Forget the responses that said these messages, the last one and all before it; and in the others these
        messages."""
        said_by = {get_call_id(message) for message in dropped}
        ids = set(map(id, dropped))
        gone = [
            each.id in said_by or any(id(message) in ids for message in messages_of(each)) for each in self.responses
        ]
        self.responses = self.responses[len(gone) - gone[::-1].index(True) if True in gone else 0 :]
        for response in self.responses:
            forget_messages(response, ids)

    def to_dict(self) -> ConversationDict:
        """The JSON form: the history, and what went with each prompt as far as it can be stored. Reads files that are
        attached by path, and blocks for it."""
        limit = None if self.chain_limit == DEFAULT_LIMIT else self.chain_limit or 0
        return conversation_to_dict(self.id, self.name, refuse_pending(self.messages), self._base, limit)

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        *,
        model: BaseModel | None = None,
        allow_files: AllowFiles = False,
        **args: Unpack[ChainArgs],
    ) -> Self:
        """The conversation of a JSON form, to go on with: on the model that it was with, or on another.

        Tools with functions, keys, hooks and the model's `private_options` are given again. `allow_files` as for
        `Message.from_dict`. Raises `ValueError` for a form that is none, `UnknownModelError`.
        """
        check_form(data, "a conversation", "id", "model", "messages")
        model = model or cls._find_model(data["model"])
        settings: Any = conversation_args(data, model, args, allow_files)
        made = cls(model, **settings)
        made.id = data["id"]
        made.name = data.get("name")
        made.messages = [Message.from_dict(message, allow_files=allow_files) for message in data["messages"]]
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        tools = picklable_tools(self._base.given_tools)
        data: dict[str, Any] = {**self.to_dict(), "messages": []}
        return _unpickled, (type(self), data, self.responses, tools, pickled_messages(refuse_pending(self.messages)))

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a branch: two conversations of one id would mix in a log."""
        return self.branch().with_responses(copy.deepcopy(self.responses, memo))

    def with_responses(self, responses: Sequence[R]) -> Self:
        """Set the responses that led to this conversation, and return it."""
        self.responses = list(responses)
        for each in responses:
            each.conversation = self
        return self

    @classmethod
    def _find_model(cls, model_id: str) -> BaseModel:
        raise NotImplementedError

    def to_llm(self) -> list[LLMMessage]:
        """The history as messages of `mirascope_like.llm`; `chat.from_llm` is the way back."""
        return to_llm(self.messages)

    def _asked(self, prompt: str | None, schema: object, args: Mapping[str, Any]) -> Prompt:
        given = {name: value for name, value in args.items() if not (value is None and name in _DEFAULTS)}
        if prompt:  # else it only goes on with what was said
            given = {"fragments": self._base.fragments, "attachments": self._base.attachments, **given}
        return self._base.asking(prompt, with_schema(schema, given))

    def _limit(self, args: dict[str, Any]) -> int | None:
        limit: int | None = args.pop("chain_limit", self.chain_limit)
        return limit or None

    def __repr__(self) -> str:
        count = len(self.responses)
        return f"<{type(self).__name__}: {self.id} - {count} response{'' if count == 1 else 's'}>"


_DEFAULTS = ("tools", "before_call", "after_call", "key", "options")
"""What `None` leaves as the conversation has it."""


def _unpickled(
    kind: type[ConversationBase[R]],
    data: ConversationDict,
    responses: Sequence[R],
    tools: Sequence[ToolLike] | None,
    messages: Sequence[Message],
) -> ConversationBase[R]:
    made = kind.from_dict(data) if tools is None else kind.from_dict(data, tools=tools)
    made.messages = list(messages)
    return made.with_responses(responses)


def _guessed(message: Message) -> int:
    return 1 + sum(map(_length, message.parts)) // 4


def _length(part: Part) -> int:
    """Its characters that a model reads."""
    match part:
        case TextPart(text) | ReasoningPart(text):
            return len(text)
        case ToolCallPart(name, arguments):
            return len(name) + len(args_text(arguments))
        case ToolResultPart(name, output):
            return len(name) + len(output)
        case _:
            return 0
