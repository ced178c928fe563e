"""The command line: `python -m mirascope_like <command>`.

A command is a function that takes the parsed arguments and returns an exit code. It imports its own dependencies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from . import errors

_DESCRIPTION = "Download the weights of the embedded model, or show a log of calls."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. The library's errors are printed without a traceback."""
    options = _build_parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except errors.Error as error:
        print(error, file=sys.stderr)
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mirascope_like", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="command")
    weights = commands.add_parser("weights", help="download the embedded model's weights (98 MB) if they are missing")
    weights.add_argument("--where", action="store_true", help="only print the path of the weights")
    weights.set_defaults(run=_run_weights)
    _add_logs_options(commands.add_parser("logs", help="show the calls in a log"))
    return parser


def _add_logs_options(logs: argparse.ArgumentParser) -> None:
    logs.set_defaults(run=_run_logs, action="list", file=None, tenant=None, count=20, conversation=None, json=False)
    actions = logs.add_subparsers(metavar="action")
    list_calls = actions.add_parser("list", help="list calls, newest last (default)")
    show = actions.add_parser("show", help="show one call with all its messages")
    show.add_argument("id", help="the id of a call, or the end of the id")
    search = actions.add_parser("search", help="list calls with these words in their prompt or response")
    search.add_argument("text", nargs="+")
    actions.add_parser("export", help="print all calls, oldest first, with all their messages")
    for action, parser in actions.choices.items():
        parser.set_defaults(action=action)
    unless_given = argparse.SUPPRESS  # so that an option before the action is kept
    for parser in (logs, *actions.choices.values()):
        file_help = "the log (default: $MIRASCOPE_LIKE_LOG, or calls.db)"
        parser.add_argument("-f", "--file", default=unless_given, help=file_help)
        parser.add_argument("--tenant", metavar="NAME", default=unless_given, help="only the calls of one tenant")
        json_help = "print each call with all its messages as a JSON object in a line"
        parser.add_argument("--json", action="store_true", default=unless_given, help=json_help)
    for parser in (logs, list_calls):
        conversation_help = "only the calls of one conversation"
        parser.add_argument("-c", "--conversation", metavar="ID", default=unless_given, help=conversation_help)
    for parser in (logs, list_calls, search):
        count_help = "show at most this many calls (default: 20)"
        parser.add_argument("-n", "--count", type=_parse_count, default=unless_given, help=count_help)


def _parse_count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of calls")
    return int(text)


def _run_logs(options: argparse.Namespace) -> int:
    from .log.cli import run_logs_command

    return run_logs_command(options)


def _run_weights(options: argparse.Namespace) -> int:
    from .local.weights import fetch_weights, find_weights

    try:
        print(find_weights())
    except errors.ProviderError:
        if options.where:
            raise
        fetch_weights()
    return 0


if __name__ == "__main__":
    sys.exit(main())
