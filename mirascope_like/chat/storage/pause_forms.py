"""What a `PauseChain` holds when it comes out of a response or chain: all that it takes to go on elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages.history import with_results
from ..messages.parts import Message
from ..prompts.prompt import Prompt
from ..tools.tool import PauseChain
from ..tools.toolbox import ToolLike, flatten
from .json_forms import PauseDict, prompt_settings
from .message_forms import VERSION


def note_pause(
    pause: PauseChain, prompt: Prompt, conversation: str, messages: Sequence[Message], tools: Sequence[ToolLike]
) -> None:
    """Put into a pause what it takes to go on: the history, with the results of the calls that ended, the id of the
    conversation, and the names of the tools."""
    pause.messages = with_results(messages, pause.tool_results)
    state: PauseDict = {
        "version": VERSION,
        "type": "pause",
        "model": prompt.model.model_id,
        "conversation": conversation,
        "messages": [],  # when it is stored: files may have to be read
        "tools": [tool.name for tool in flatten(tools)],
    }
    if str(pause):
        state["reason"] = str(pause)
    if (call := pause.tool_call) is not None:
        state["tool_call"] = {"name": call.name, "arguments": call.arguments, "tool_call_id": call.tool_call_id}
    pause.state = {**state, **prompt_settings(prompt)}
