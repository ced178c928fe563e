"""The command line: `python -m mirascope_like <command>`.

A command is a function that takes the parsed arguments and returns an exit code, and that imports what it needs itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from . import errors

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
    return parser


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
