"""What follows a response: its tools are run, and the next one tells the model what they gave, or what else is said.

As in `response_state`, all is written once, as coroutines over a `Runtime`.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar, Generic, Self

from typing_extensions import TypeVar

from ..engine.results import CallId
from ..engine.unfinished_responses import check_call_count, why_unfinished
from ..types.unfinished import get_unfinished
from .messages.history import with_results
from .messages.parts import Message, ToolCallPart
from .messages.unfinished_calls import allow_calls, refuse_pending, refuse_unfinished
from .prompts.prompt import Prompt
from .response_facts import with_id
from .response_state import AnyConversation, ResponseState
from .storage.pause_forms import note_pause
from .tools.tool import AfterCall, BeforeCall, PauseChain, ToolCall, ToolResult, refuse_calls, run_calls
from .tools.toolbox import ToolLike, flatten, prepare_all

F = TypeVar("F", default=Any)
T = TypeVar("T", bound="ContinuableResponse[Any]")


class ContinuableResponse(ResponseState[F, AnyConversation], Generic[F, AnyConversation]):
    """A response that others follow. See the module's docstring."""

    _at_once: ClassVar[int]

    async def _execute(
        self,
        calls: Sequence[ToolCall],
        tools: Sequence[ToolLike],
        before_call: BeforeCall | None,
        after_call: AfterCall | None,
        kept: list[ToolResult] | None = None,
    ) -> list[ToolResult]:
        await prepare_all(self._runtime, tools)
        return await run_calls(
            self._runtime,
            flatten(tools),
            calls,
            before_call=before_call,
            after_call=after_call,
            context=self.prompt.context,
            limit=self.prompt.max_concurrency or self._at_once,
            timeout=self.prompt.timeout,
            call_id=CallId(self.id),
            kept=kept,
        )

    async def _execute_tool_calls(
        self,
        before_call: BeforeCall | None,
        after_call: AfterCall | None,
        tool_calls_list: Sequence[ToolCall] | None,
        tools: Sequence[ToolLike] | None,
        kept: list[ToolResult] | None = None,
    ) -> list[ToolResult]:
        await self._finish()
        calls = self._tool_calls() if tool_calls_list is None else [with_id(call) for call in tool_calls_list]
        if tool_calls_list is None:
            self._check_count(calls)
            if (why := why_unfinished(self.finish_reason)) is not None:
                return refuse_calls(calls, why)
        given = self.prompt.given_tools if tools is None else tools
        try:
            return await self._execute(calls, given, before_call, after_call, kept)
        except PauseChain as pause:
            # Of a response that did not end well, only these calls go on: the caller asked for no others.
            said = refuse_pending(allow_calls(self._messages, {call.tool_call_id for call in calls}))
            note_pause(pause, self.prompt, self._thread, [*self.prompt.messages, *said], given)
            raise

    def _check_count(self, calls: Sequence[object]) -> None:
        check_call_count(calls, self.prompt.engine_options.get("tool_call_limit"))

    async def _execute_one(self, call: ToolCall) -> ToolResult:
        """For models that run their tools themselves: with the prompt's tools and hooks, and never again."""
        call = with_id(call)
        self.executed.add(call.tool_call_id or "")
        prompt = self.prompt
        with self.place.running():
            (result,) = await self._execute([call], prompt.given_tools, prompt.before_call, prompt.after_call)
        return result

    async def _reply(self, text: str | None, args: Mapping[str, Any]) -> Self:
        await self._finish()
        given = dict(args)
        after: Sequence[Message] = tuple(given.pop("messages", None) or ())
        results = given.get("tool_results")
        runs_tools = results is None and bool(self._tool_calls())
        if runs_tools:
            results = await self._run_for_reply(given)
        if given.get("tools", ()) is None:
            given["tools"] = ()
        base = self.prompt.following(self._messages, results or ())
        if text or given.get("attachments"):  # what tools attached is said before
            base = base.absorbed()
        given |= {"tool_results": base.tool_results, "attachments": given.get("attachments") or base.attachments}
        prompt = replace(base.asking(text, given), after=after)
        conversation = None if self.conversation is None else self.conversation.continued_from(self)
        if conversation is not None and runs_tools:  # now, in case the next answer fails
            conversation.messages = base.messages
        return type(self)(prompt, conversation, replies_to=self)

    async def _run_for_reply(self, args: Mapping[str, Any]) -> list[ToolResult]:
        tools = self.prompt.given_tools if args.get("tools") is None else args["tools"]
        runs = why_unfinished(self.finish_reason) is None
        if runs and self.prompt.said_already is not None and tools is self.prompt.given_tools:
            # Stored tools have no functions: the model would be told so, in place of results.
            raise ValueError("The tool calls of this stored response wait for their tools: pass tools=[…].")
        before, after = (args.get(name, getattr(self.prompt, name)) for name in ("before_call", "after_call"))
        return await self._execute_tool_calls(before, after, None, tools)

    async def _follow(self) -> Self:
        prompt, kept = self.prompt, list[ToolResult]()
        try:
            results = await self._execute_tool_calls(prompt.before_call, prompt.after_call, None, None, kept)
        except BaseException as error:
            self._keep(error, [*prompt.messages, *self._messages], kept)
            raise
        return self._next(prompt.following(self._messages, results), results)

    async def _resume(self, calls: Sequence[ToolCallPart]) -> Self:
        prompt, kept = self.prompt, list[ToolResult]()
        self._check_count(calls)
        refused = refuse_unfinished(calls)
        history = with_results(prompt.history, refused)
        # Hooks may change the arguments: the caller's messages stay as they are.
        waiting = [
            ToolCall(call.name, deepcopy(call.arguments), call.tool_call_id)
            for call in calls
            if get_unfinished(call) is None
        ]
        try:
            ran = await self._execute(waiting, prompt.given_tools, prompt.before_call, prompt.after_call, kept)
        except BaseException as error:
            if isinstance(error, PauseChain):
                note_pause(error, prompt, self._thread, history, prompt.given_tools)
            self._keep(error, history, kept)
            raise
        results = [*refused, *ran]
        return self._next(prompt.resumed_with(results), results)

    def _next(self, prompt: Prompt, results: Sequence[ToolResult]) -> Self:
        made = type(self)(prompt, self.conversation, place=self.place)
        made.ran = results
        if self.conversation is not None:  # now, in case the next answer fails: they must not run again
            self.conversation.messages = prompt.messages
        return made

    def _keep(self, error: BaseException, messages: Sequence[Message], kept: Sequence[ToolResult]) -> None:
        """The conversation goes on from a pause; from all else too if tools have run, for they must not run again."""
        if self.conversation is not None and (kept or isinstance(error, PauseChain)):
            self.conversation.messages = with_results(messages, kept)


async def follow(turn: T) -> T:
    """Run the tools that an answer calls, and make the turn that tells the model what they gave."""
    return await turn._follow()


async def resume(turn: T, calls: Sequence[ToolCallPart]) -> T:
    """Run the tools that a turn's history still calls, but for calls of a response that did not end well, and make the
    turn that tells the model what they gave."""
    return await turn._resume(calls)
