"""The command line: `python -m mirascope_like <command>`.

A command is a function that takes the parsed arguments and returns an exit code, and that imports what it needs itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from . import errors

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. The library's errors are printed without a traceback."""
    options = _parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except errors.Error as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mirascope_like", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    weights = commands.add_parser("weights", help="get the embedded model's weights (98 MB), if they are not here yet")
    weights.add_argument("--where", action="store_true", help="only print where the weights are")
    weights.set_defaults(run=_weights)
    _add_logs(commands)
    return parser


def _add_logs(commands: Commands) -> None:
    file = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    file.add_argument("-f", "--file", help="the log (default: $MIRASCOPE_LIKE_LOG, or calls.db)")
    count = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    count.add_argument("-n", "--count", type=int, help="show at most this many calls (default: 20)")
    logs = commands.add_parser("logs", help="show what a log has of calls", parents=[file, count])
    logs.set_defaults(run=_logs, action="list", conversation=None, file=None, count=20)
    actions = logs.add_subparsers(metavar="action")
    listed = actions.add_parser(
        "list", help="calls, the newest last (what is done if nothing is said)", parents=[file, count]
    )
    listed.add_argument("-c", "--conversation", metavar="ID", help="only those of one conversation")
    listed.set_defaults(action="list")
    show = actions.add_parser("show", help="one call, with all its messages", parents=[file])
    show.add_argument("id", help="the id of a call, or its end")
    show.set_defaults(action="show")
    search = actions.add_parser("search", help="calls with words in their prompt or answer", parents=[file, count])
    search.add_argument("text", nargs="+")
    search.set_defaults(action="search")
    export = actions.add_parser("export", help="all calls with all their messages, the oldest first", parents=[file])
    export.add_argument("--json", action="store_true", help="a JSON object a line")
    export.set_defaults(action="export")


def _logs(options: argparse.Namespace) -> int:
    from .log.command import logs

    return logs(options)


def _weights(options: argparse.Namespace) -> int:
    from .transport.weights import fetch_weights, find_weights

    try:
        print(find_weights())
    except errors.ProviderError:
        if options.where:
            raise
        fetch_weights()
    return 0


if __name__ == "__main__":
    sys.exit(main())
