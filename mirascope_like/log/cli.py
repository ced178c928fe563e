"""The command `python -m mirascope_like logs`, which shows a log in the terminal.

Output of models is shown as text only: control characters, which could control the terminal, are replaced. Colours are
used only in terminals, and not if the environment variable NO_COLOR is set.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, TextIO

from ..errors import LogError
from ..types.serialization import dump_messages
from .cli_output import Style, describe_response, format_message, format_row, replace_control_characters
from .message_store import dump_json
from .reader import LoggedResponse, LogReader, open_log
from .rows import check_tenant

__all__ = ["run_logs_command"]


def run_logs_command(options: Namespace) -> int:
    """Run the action `options.action` and return the exit code. Raises `LogError`."""
    if not sys.stdout:
        raise LogError("There is no standard output to show calls on.")
    if callable(reconfigure := getattr(sys.stdout, "reconfigure", None)):
        reconfigure(errors="replace")  # for terminals that cannot display all characters
    actions: dict[str, Callable[[LogReader, Namespace], None]] = {
        "list": _list_calls,
        "show": _show_call,
        "search": _search_calls,
        "export": _export_calls,
    }
    path = options.file or os.environ.get("MIRASCOPE_LIKE_LOG") or "calls.db"
    with open_log(path, tenant=_parse_tenant(options.tenant)) as log:
        try:
            actions[options.action](log, options)
            _stdout().flush()
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
    os.dup2(os.open(os.devnull, os.O_WRONLY), _stdout().fileno())


def _list_calls(log: LogReader, options: Namespace) -> None:
    _print_rows(log.responses(conversation=options.conversation, limit=options.count))


def _search_calls(log: LogReader, options: Namespace) -> None:
    _print_rows(log.search(" ".join(options.text), limit=options.count))


def _show_call(log: LogReader, options: Namespace) -> None:
    _print_response(log, log.response(options.id))


def _export_calls(log: LogReader, options: Namespace) -> None:
    for response in _oldest_first(log):
        if options.json:
            print(_to_json(log, response))
        else:
            _print_response(log, response)
            print()


def _oldest_first(log: LogReader) -> Iterable[LoggedResponse]:
    return reversed(list(log.responses()))


def _print_rows(responses: Iterable[LoggedResponse]) -> None:
    found = list(responses)
    if not found:
        print("No calls.")
        return
    style = Style.for_stream(_stdout())
    now = datetime.now(UTC)
    width = shutil.get_terminal_size((100, 24)).columns if _stdout().isatty() else None
    longest = max(len(response.model_id) for response in found)
    for response in reversed(found):
        print(format_row(response, now, style, model_width=longest, width=width))


def _print_response(log: LogReader, response: LoggedResponse) -> None:
    style = Style.for_stream(_stdout())
    for name, value in describe_response(response, [tool.name for tool in log.tools(response.id)]):
        print(f"{style.dim(f'{name:13}')} {replace_control_characters(value)}")
    for message in log.messages(response.id):
        print(f"\n{style.bold(message.role)}\n{replace_control_characters(format_message(message))}")


def _to_json(log: LogReader, response: LoggedResponse) -> str:
    value: dict[str, Any] = asdict(replace(response, message=None)) | dump_messages(log.messages(response.id))
    del value["message"]  # the last of the messages
    value["started"] = response.started.isoformat()
    value["tools"] = [asdict(tool) for tool in log.tools(response.id)]
    return dump_json(value) if _stdout().encoding.lower().startswith("utf") else json.dumps(value)


def _stdout() -> TextIO:
    return sys.stdout
