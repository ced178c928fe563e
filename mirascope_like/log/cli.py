"""The command `python -m mirascope_like logs`, which shows a log as a table, as text or as JSON.

Output of models is shown as text only: control characters, which could control the terminal, are replaced.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, cast
from unicodedata import category

from ..errors import LogError
from ..types.content import (
    Audio,
    Base64AudioSource,
    Base64DocumentSource,
    Base64ImageSource,
    Document,
    Image,
    ProviderBlock,
    ServerToolCall,
    Text,
    TextDocumentSource,
    Thought,
    ToolCall,
    ToolOutput,
)
from ..types.messages import Message
from ..types.result_text import result_text
from ..types.serialization import dump_messages
from .message_store import dump_json
from .reader import LoggedResponse, LogReader, open_log
from .rows import check_tenant, shorten_text

_ID_LENGTH = 8  # the end, since ids may begin with the time
_TEXT_LENGTH = 48  # characters of a prompt or response in a table


def run_logs_command(options: Namespace) -> int:
    """Run the action `options.action` and return the exit code. Raises `LogError`."""
    if not sys.stdout:
        raise LogError("There is no standard output to show calls on.")
    if callable(reconfigure := getattr(sys.stdout, "reconfigure", None)):
        reconfigure(errors="replace")  # for terminals that cannot display all characters
    path = options.file or os.environ.get("MIRASCOPE_LIKE_LOG") or "calls.db"
    with open_log(path, tenant=_parse_tenant(options.tenant)) as log:
        try:
            _show_calls(log, options)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
            _discard_output()
        except OSError as error:
            _discard_output()
            raise LogError(f"The output could not be written completely: {error.strerror}.") from error
    return 0


def _parse_tenant(name: str | None) -> str | None:
    try:
        return check_tenant(name)
    except ValueError as error:
        raise LogError(str(error)) from error


def _discard_output() -> None:
    """Discard buffered output, which Python would otherwise try to write when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_calls(log: LogReader, options: Namespace) -> None:
    """Show the calls that the options select, oldest first."""
    calls = list(_find_calls(log, options))[::-1]
    if not options.json and options.action in ("list", "search"):
        _print_table([_table_row(call) for call in calls])
        return
    for call in calls:
        print(_to_json(log, call) if options.json else "\n".join([*_describe_call(log, call), ""]))


def _find_calls(log: LogReader, options: Namespace) -> Iterable[LoggedResponse]:
    match options.action:
        case "show":
            return [log.response(options.id)]
        case "search":
            return log.search(" ".join(options.text), limit=options.count)
        case "export":
            return log.responses()
        case _:
            return log.responses(conversation=options.conversation, limit=options.count)


# -- one line for a call ----------------------------------------------------------------------------------------------


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        print("No calls.")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _table_row(call: LoggedResponse) -> Sequence[str]:
    tokens = f"{call.usage.input_tokens}→{call.usage.output_tokens}" if call.usage is not None else "-"
    prompt = shorten_text(replace_control_characters(call.prompt), _TEXT_LENGTH) or "(tool outputs)"
    outcome = shorten_text(replace_control_characters(_outcome_text(call)), _TEXT_LENGTH)
    started, duration = f"{call.started:%Y-%m-%d %H:%M:%S}", f"{call.duration:.1f}s"
    return call.id[-_ID_LENGTH:], started, call.model_id, tokens, duration, f"{prompt} │ {outcome}"


def _outcome_text(call: LoggedResponse) -> str:
    if call.error_type:
        return f"{call.error_type}: {call.error}"
    if call.message is None:
        return "(no response)"
    return call.text or format_message(call.message)


# -- a whole call -----------------------------------------------------------------------------------------------------


def _to_json(log: LogReader, call: LoggedResponse) -> str:
    value: dict[str, Any] = asdict(replace(call, message=None)) | dump_messages(log.messages(call.id))
    del value["message"]  # the last of the messages
    value["started"] = call.started.isoformat()
    value["tools"] = [asdict(tool) for tool in log.tools(call.id)]
    return dump_json(value) if (sys.stdout.encoding or "utf-8").lower().startswith("utf") else json.dumps(value)


def _describe_call(log: LogReader, call: LoggedResponse) -> Iterator[str]:
    """Yield the properties of a call that it has, then its messages."""
    name = call.provider_model_name
    properties = {
        "id": call.id,
        "conversation": call.conversation_id if call.conversation_id != call.id else "",
        "tenant": call.tenant,
        "model": call.model_id + (f" ({name})" if name and not call.model_id.endswith(name) else ""),
        "started": f"{call.started:%Y-%m-%d %H:%M:%S} UTC, took {call.duration:.2f} s",
        "tokens": call.usage and f"{call.usage.input_tokens} in, {call.usage.output_tokens} out",
        "params": json.dumps(call.params, ensure_ascii=False) if call.params else "",
        "tools": ", ".join(tool.name for tool in log.tools(call.id)),
        "finish reason": call.finish_reason,
        "error": call.error_type and f"{call.error_type}: {call.error}",
    }
    yield from (f"{name:13} {replace_control_characters(value)}" for name, value in properties.items() if value)
    for message in log.messages(call.id):
        yield f"\n{message.role}\n{replace_control_characters(format_message(message))}"


def format_message(message: Message) -> str:
    """Return a message as readable text."""
    parts = (message.content,) if isinstance(message.content, Text) else message.content
    return "\n".join(_format_part(part) for part in parts)


def _format_part(part: object) -> str:
    match part:
        case Text(text=text):
            return text
        case Thought(thought=thought):
            return f"(thought) {thought}"
        case ToolCall() | ServerToolCall():
            return f"→ {part.name}({part.args})"
        case ToolOutput():
            output = cast("ToolOutput[object]", part)
            return f"← {output.name}: {_format_result(output.result)}"
        case Image() | Audio() | Document():
            return f"[{type(part).__name__.lower()}: {_format_source(part)}]"
        case ProviderBlock(kind=kind):
            return f"[{kind}]"
        case _:
            return f"[{type(part).__name__}]"


def _format_result(result: object) -> str:
    match result:
        case Image() | Audio() | Document():
            return _format_part(result)
        case list():
            return json.dumps(result, ensure_ascii=False, default=_format_part)
        case _:
            return result_text(result)


def _format_source(part: Image | Audio | Document) -> str:
    match part.source:
        case Base64ImageSource(data=data, mime_type=kind) | Base64AudioSource(data=data, mime_type=kind):
            return f"{kind}, {len(data) * 3 // 4} bytes"
        case Base64DocumentSource(data=data, media_type=kind):
            return f"{kind}, {len(data) * 3 // 4} bytes"
        case TextDocumentSource(data=data, media_type=kind):
            return f"{kind}, {len(data)} characters"
        case source:
            return source.url


def replace_control_characters(text: str) -> str:
    """Return the text with control characters replaced, except line feeds and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or category(c) not in ("Cc", "Cs") else "\ufffd" for c in text)
