"""Entry point of the `deepsport` command: finds the subcommand, maps errors to exit codes.

Exit codes: 0 done, 1 a deepsport error or failed items, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import pkgutil
import sys
from collections.abc import Sequence

import deepsport
from deepsport import cli
from deepsport.errors import DeepsportError

__all__ = ["build_parser", "main"]


def build_parser() -> argparse.ArgumentParser:
    """Make the parser with every subcommand found beside this module."""
    parser = argparse.ArgumentParser(
        prog="deepsport",
        description="Answer questions about sports videos by looking at the right frames.",
    )
    parser.add_argument("--version", action="version", version=f"deepsport {deepsport.__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is being done")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in sorted(pkgutil.iter_modules(cli.__path__), key=lambda found: found.name):
        if module.name != "main" and not module.name.startswith("_"):  # those are parts
            importlib.import_module(f"deepsport.cli.{module.name}").register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    args.command_line = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        return int(args.run(args))
    except DeepsportError as error:
        print(f"deepsport: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "deepsport: interrupted; what was finished is kept, run again to go on", file=sys.stderr
        )
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT}:
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"deepsport: error: {error.strerror}{where}; what was finished is kept", file=sys.stderr
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
