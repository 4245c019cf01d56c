"""`edge-sdk install`, `status` and `rollback`, for slots in a folder of this machine, or with `--board` of another."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.contract import read_bundle, this_machine
from edge_sdk.errors import EdgeError
from firmware_bridge import provision_commands
from firmware_bridge.transports import commands as transport_commands

if TYPE_CHECKING:
    from firmware_bridge.boards import Board
    from firmware_bridge.slots import Slots
    from firmware_bridge.state import State

FOLDER = Path("/var/lib/edge-sdk")


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    install = commands.add_parser("install", help="put a bundle into the slot that is not active, and make it active")
    install.add_argument("bundle", type=Path, metavar="FILE.edge")
    install.add_argument("--raw-slot", action="store_true", help="FILE.edge is a partition that RAUC wrote one to")
    install.add_argument("--trust", type=Path, metavar="TRUST.json", help="whose bundles to take from now on")
    install.add_argument(
        "--allow-unsigned", action="store_true", help="where no trust file was ever given: take it anyway"
    )
    add_machine(install)
    install.add_argument("--no-trial", action="store_true", help="do not verify and try the model before it is active")
    install.set_defaults(run=run_install)
    status = commands.add_parser("status", help="show what the slots hold")
    status.set_defaults(run=run_status)
    rollback = commands.add_parser("rollback", help="run the other slot again, and never again what was active")
    rollback.set_defaults(run=run_rollback)
    for command in (install, status, rollback):
        add_slots(command)
    transport_commands.register(commands)
    provision_commands.register(commands)


def add_slots(command: argparse.ArgumentParser) -> None:
    """Add the folder, the board that it is on, and how its state is shown."""
    command.add_argument("--slots", type=Path, metavar="DIR", help=f"default: the board's, or {FOLDER}")
    command.add_argument("--json", action="store_true", help="print the state as JSON")
    transport_commands.add_board(command)


def add_machine(command: argparse.ArgumentParser) -> None:
    """Add what a bundle has to fit; the same for who installs it and for who runs it."""
    command.add_argument("--board-type", metavar="NAME", help="refuse what does not fit this board (edge-sdk boards)")
    command.add_argument("--array", metavar="NAME", help="refuse what is for other microphones (default: the board's)")


def board_and_slots(args: argparse.Namespace) -> tuple[Board | None, Slots]:
    """The board that was named, and the slots with what a bundle has to fit there."""
    from firmware_bridge.boards import load_board
    from firmware_bridge.slots import Slots

    board = load_board(args.board_type) if args.board_type else None
    machine = this_machine() if board is None else board.machine
    if args.array is not None:
        machine = replace(machine, array=args.array)
    return board, Slots(args.slots or (Path(board.slots) if board else FOLDER), machine=machine)


def run_install(args: argparse.Namespace) -> int:
    from firmware_bridge.install import install, set_trust
    from firmware_bridge.launch import in_memory
    from firmware_bridge.rauc import slot_image

    board, slots = board_and_slots(args)
    if board is not None and board.cpu != platform.machine() and not args.no_trial:
        raise EdgeError(
            f"{board.name} is {board.cpu}, this machine {platform.machine()}: a model cannot be tried here; "
            "install on the board, or give --no-trial to install on its card"
        )
    if args.trust:
        set_trust(slots, args.trust)
    if slots.policy() is None and not args.allow_unsigned:
        raise EdgeError(f"{slots.folder} has no trust file; give --trust, or --allow-unsigned to install without one")
    check = partial(check_written, slots=slots, board=board, trial=not args.no_trial)
    if not args.raw_slot:
        return show(args, slots, install(slots, args.bundle, check))
    with in_memory(slot_image(args.bundle, slots.policy())) as descriptor:
        return show(args, slots, install(slots, Path(f"/proc/self/fd/{descriptor}"), check))


def check_written(path: Path, slots: Slots, board: Board | None, trial: bool) -> None:
    """`EdgeError` where the model in a bundle is refused, fails in its trial, or takes more memory than a board has."""
    computed = try_model(path, slots.machine.array if slots.machine else None) if trial else 0
    if board is not None:
        board.check_memory(read_bundle(path, machine=slots.machine), computed)


def run_status(args: argparse.Namespace) -> int:
    from firmware_bridge.slots import Slots

    return show(args, slots := Slots(args.slots or FOLDER), slots.state())


def run_rollback(args: argparse.Namespace) -> int:
    from firmware_bridge.slots import Slots

    return show(args, slots := Slots(args.slots or FOLDER), slots.rollback())


def try_model(path: Path, array: str | None) -> int:
    """Bytes of the tensors that a step computes; `EdgeError` where the model is refused, or fails in its trial.

    In another process: the runtime that it takes is none of this package's business, and what it does cannot harm us.
    """
    command = [sys.executable, "-m", "edge_sdk.verifier", str(path), *(["--array", array] if array else [])]
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2].removeprefix("edge-sdk: ")
        raise EdgeError(f"{path}: {said or 'its model could not be tried'}")
    return int(json.loads(done.stdout)["memory"])


def show(args: argparse.Namespace, slots: Slots, state: State) -> int:
    """Print the state, and whether each slot could run."""
    runs = {name: slots.bundle(state, name) is not None for name in ("a", "b")}
    if args.json:
        print(json.dumps({**asdict(state), "runs": runs}))
        return 0
    for name in ("a", "b"):
        held = state.slot(name)
        about = "empty" if held is None else f"{held.name} {held.version}, security epoch {held.security_epoch}"
        if held is not None and not runs[name]:
            about += ", must not run"
        if name == state.active and held is not None:
            about += ", active" if state.confirmed else f", active, not confirmed, started {state.tries} times"
        print(f"slot {name}  {about}")
    print(f"floor   security epoch {state.floor}; {len(state.quarantine)} in quarantine")
    return 0
