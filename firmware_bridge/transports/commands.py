"""`--board HOST`, which runs a command on a board, and `edge-sdk receive`, the board's end of a serial line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from firmware_bridge.transports import Transport

VALUES = ("array", "watch", "slowest", "golden", "golden_db")  # what the board understands as it is
FLAGS = ("allow_unsigned", "no_trial", "json")
NOT_FOUND = 127  # exit status of a shell, for a command that is not there
SIGNALLED = 128  # and what it adds to the number of a signal


class OnBoard(argparse.Action):
    """`--board HOST`: the command is not run here but there."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.board, namespace.run = values, run_on_board


def register(commands: Any) -> None:
    """Add `receive`."""
    receive = commands.add_parser(
        "receive",
        help="on a board: take bundles and commands from a serial line (--board serial:PORT at the other end)",
        epilog="No console may use that port: systemctl disable --now serial-getty@PORT, no console=PORT either.",
    )
    receive.add_argument("--serial", required=True, metavar="PORT[@BAUD]", help="as /dev/ttyS0@115200")
    receive.add_argument("--folder", type=Path, metavar="DIR", help="for what arrives (default: one in /var/tmp)")
    receive.set_defaults(run=run_receive)


def add_board(command: argparse.ArgumentParser) -> None:
    """Add `--board`."""
    command.add_argument(
        "--board",
        action=OnBoard,
        metavar="HOST",
        help="do it there: [user@]host[:port] by SSH, serial:PORT[@BAUD], or where its card is mounted, as /media/card",
    )


def run_on_board(args: argparse.Namespace) -> int:
    """Exit status of the command on the board, whose output is ours."""
    from firmware_bridge.transports import TransportError, open_board

    check_on_board(args)
    board = open_board(args.board)
    brought: list[str] = []
    try:
        done = board.run(words_for(args, board, brought))
    finally:
        try:
            for path in brought:
                board.discard(path)
        finally:
            board.close()
    if done.status == NOT_FOUND:
        raise TransportError(f"{args.board}: has no edge-sdk; edge-sdk provision {args.board} sets it up")
    if done.status < 0 or done.status > SIGNALLED:  # as Python says it, and as a shell does
        signal = abs(done.status) % SIGNALLED
        raise TransportError(f"{args.board}: signal {signal} has ended edge-sdk there; give the command again")
    sys.stderr.write(done.err.decode(errors="backslashreplace"))
    sys.stdout.write(done.out.decode(errors="backslashreplace"))
    return done.status


def check_on_board(args: argparse.Namespace) -> None:
    """`EdgeError` for what cannot be done at a distance, and for a bundle that is damaged before it is sent."""
    from edge_sdk.contract import Machine, read_bundle

    if getattr(args, "raw_slot", False):
        raise EdgeError("--raw-slot names a partition of this machine; run edge-sdk on the board for that")
    if args.command == "confirm" and args.watch is not None and not args.options:
        raise EdgeError(
            "--watch takes its reports from standard input here; on a board, edge-sdk serve --watch does it"
        )
    if args.command == "install":
        read_bundle(args.bundle, machine=Machine())  # whatever machine it is for


def words_for(args: argparse.Namespace, board: Transport, brought: list[str]) -> list[str]:
    """The command as the board is told it, after the files that it names were brought there, which are noted."""
    from firmware_bridge.boards import known_boards, load_board
    from firmware_bridge.install_commands import FOLDER

    def bring(path: Path) -> str:
        brought.append(board.put(path, arrival_name(path)))
        return brought[-1]

    words, folder = ["edge-sdk", args.command], args.slots or FOLDER
    if args.command == "install":
        words.append(bring(args.bundle))
        if args.trust is not None:
            words.append(f"--trust={bring(args.trust)}")
    if (kind := getattr(args, "board_type", None)) is not None:
        folder = args.slots or Path(load_board(kind).slots)
        words.append(f"--board-type={kind if kind in known_boards() else bring(Path(kind))}")
    words.append(f"--slots={board.at(str(folder))}")
    words += [
        f"--{name.replace('_', '-')}={value}" for name in VALUES if (value := getattr(args, name, None)) is not None
    ]
    words += [f"--{name.replace('_', '-')}" for name in FLAGS if getattr(args, name, False)]
    return [*words, "--", *args.options] if getattr(args, "options", None) else words


def arrival_name(path: Path) -> str:
    """What a file is called where it arrives: its content and kind, so that files of one name never mix."""
    from firmware_bridge.transports.transport import FILE_NAME, sending

    name = sending(path, "file").sha256[:16]
    return f"{name}{path.suffix}" if FILE_NAME.fullmatch(f"{name}{path.suffix}") else name


def run_receive(args: argparse.Namespace) -> int:
    from firmware_bridge.transports.line import Answerer
    from firmware_bridge.transports.port import Port
    from firmware_bridge.transports.receiver import Receiver
    from firmware_bridge.transports.ways import port_from

    receiver = Receiver((args.folder or Path(f"/var/tmp/edge-sdk-{os.geteuid()}")).absolute())
    port = Port(*port_from(args.serial))
    try:
        answerer = Answerer(port, receiver.reply)
        while True:
            answerer.attend(3600)
    finally:
        port.close()
