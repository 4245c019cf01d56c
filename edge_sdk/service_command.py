"""`edge-sdk service`: the systemd unit for `edge-sdk run`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `service`."""
    service = commands.add_parser(
        "service",
        help="print a systemd unit that runs edge-sdk run from the start of the computer on",
        epilog="example: edge-sdk service -- --model enhance-mono --capture hw:ArrayUAC10 --playback hw:1"
        " > /etc/systemd/system/edge-sdk.service",
    )
    service.add_argument("--name", default="edge-sdk", help="of the service (default: edge-sdk)")
    service.add_argument(
        "--program", type=Path, metavar="PATH", help="edge-sdk as the service finds it (default: this one)"
    )
    service.add_argument("options", nargs=argparse.REMAINDER, metavar="-- OPTIONS", help="for edge-sdk run")
    service.set_defaults(run=run_service)


def run_service(args: argparse.Namespace) -> int:
    from edge_sdk import run_command
    from edge_sdk.live.unit import unit

    options = args.options[1:] if args.options[:1] == ["--"] else args.options
    check = argparse.ArgumentParser(prog="edge-sdk")
    run_command.register(check.add_subparsers())
    check.parse_args(["run", *options])  # now, not when the computer starts
    program = args.program or Path(sys.executable).parent / "edge-sdk"
    print(unit(args.name, program.absolute(), options), end="")
    return 0
