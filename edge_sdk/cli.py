"""The `edge-sdk` command. Its subcommands come from whatever is installed (entry points `edge_sdk.commands`)."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
from importlib.metadata import entry_points, version

from edge_sdk.errors import EdgeError

log = logging.getLogger(__name__)

GROUP = "edge_sdk.commands"


def parser() -> argparse.ArgumentParser:
    """The command line with every subcommand this installation can run."""
    top = argparse.ArgumentParser(
        prog="edge-sdk",
        description="Neural speech separation on small boards: train, export, quantize, run.",
        epilog="Commands that need more than is installed are not listed: pip install 'edge-sdk[train,export]'.",
    )
    top.add_argument("--version", action="version", version=version("edge-sdk"))
    top.add_argument("--verbose", "-v", action="store_true", help="log what happens to standard error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            register = entry.load()
        except ModuleNotFoundError as error:  # a folder here that is called as one of our packages
            print(f"edge-sdk: no commands of {entry.name} ({error}); start it elsewhere", file=sys.stderr)
        else:
            register(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 done, 1 refused with one line on standard error, 2 wrong usage."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr, force=True
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    status = run(args)
    try:
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print(f"edge-sdk: standard output cannot be written ({error.strerror}); free space there", file=sys.stderr)
        with contextlib.suppress(OSError), open(os.devnull, "w") as void:
            os.dup2(void.fileno(), sys.stdout.fileno())  # Python tries it once more while it exits
        return 1
    return status


def run(args: argparse.Namespace) -> int:
    """Exit status of a command, with one line on standard error where it is refused."""
    try:
        return int(args.run(args) or 0)
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
    except BrokenPipeError:
        pass
    except OSError as error:  # a folder without permission, a name too long, a disk that fails
        log.info("", exc_info=error)
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"edge-sdk: {where}{error.strerror or error}; give another path or free space there", file=sys.stderr)
    except KeyboardInterrupt:
        print("edge-sdk: interrupted", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
