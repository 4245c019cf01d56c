"""The `edge-sdk` command. Its subcommands come from whatever is installed (entry points `edge_sdk.commands`)."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from importlib.metadata import entry_points, version

from edge_sdk.errors import EdgeError

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
        entry.load()(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 done, 1 refused with one line on standard error, 2 wrong usage."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr, force=True
    )
    try:
        status = int(args.run(args) or 0)
        sys.stdout.flush()
        return status
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is not None:  # a file that a command forgot to name: a mistake of ours, so the whole trace
            raise
        return unwritable(error)
    except KeyboardInterrupt:
        print("edge-sdk: interrupted", file=sys.stderr)
        return 130


def unwritable(error: OSError) -> int:
    """Standard output is full or closed; Python must not try it again while it exits."""
    if not isinstance(error, BrokenPipeError):
        print(f"edge-sdk: standard output cannot be written ({error.strerror}); free space there", file=sys.stderr)
    with contextlib.suppress(OSError), open(os.devnull, "w") as void:
        os.dup2(void.fileno(), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
