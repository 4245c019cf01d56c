"""`edge-sdk service`: the systemd unit for `edge-sdk run` or `edge-sdk serve`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEVICES = ("--capture", "default", "--playback", "default")  # a board names its own


def register(commands: Any) -> None:
    """Add `service`."""
    service = commands.add_parser(
        "service",
        help="print a systemd unit that runs edge-sdk run, or serve, from the start of the computer on",
        epilog="examples: edge-sdk service -- --model enhance-mono --capture hw:ArrayUAC10 --playback hw:1"
        " > /etc/systemd/system/edge-sdk.service;"
        " edge-sdk service --command serve -- --watch 60 -- --capture hw:ArrayUAC10 --playback hw:1",
    )
    service.add_argument("--name", default="edge-sdk", help="of the service (default: edge-sdk)")
    service.add_argument(
        "--command",
        dest="runs",
        choices=("run", "serve"),
        default="run",
        help="run plays one model, serve what the slots hold (default: run)",
    )
    service.add_argument(
        "--program", type=Path, metavar="PATH", help="edge-sdk as the service finds it (default: this one)"
    )
    service.add_argument("options", nargs=argparse.REMAINDER, metavar="-- OPTIONS", help="for that command")
    service.set_defaults(run=run_service)


def run_service(args: argparse.Namespace) -> int:
    from edge_sdk.live.unit import unit

    options = args.options[1:] if args.options[:1] == ["--"] else args.options
    words = run_words(options) if args.runs == "run" else serve_words(args.name, options)
    program = args.program or Path(sys.executable).parent / "edge-sdk"
    print(unit(args.name, program.absolute(), words), end="")
    return 0


def run_words(options: Sequence[str]) -> list[str]:
    """What comes after `edge-sdk` for one stream. Wrong usage is found now, not when the computer starts."""
    from edge_sdk.cli import parser

    parser().parse_args(["run", *options])
    return ["run", "--quiet", *options]


def serve_words(name: str, options: Sequence[str]) -> list[str]:
    """What comes after `edge-sdk` for slots, which are in the folder that the unit gives its service."""
    from edge_sdk.cli import parser
    from edge_sdk.live.unit import ServiceError

    at = options.index("--") if "--" in options else len(options)
    own, streams = options[:at], options[at + 1 :]
    check = parser()
    args = check.parse_args(["serve", *options])
    check.parse_args(["run", *(DEVICES if args.board_type else ()), *streams])
    if args.slots is not None:
        raise ServiceError(f"--slots {args.slots}: the service can write to /var/lib/{name} alone; leave it out")
    return ["serve", "--slots", f"/var/lib/{name}", *own, "--", "--quiet", *streams]
