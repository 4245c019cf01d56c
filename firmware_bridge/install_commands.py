"""`edge-sdk install`, `status`, `confirm` and `rollback`, for slots in a folder of this machine."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from firmware_bridge.slots import Slots
    from firmware_bridge.state import State

FOLDER = Path("/var/lib/edge-sdk")


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    install = commands.add_parser("install", help="put a bundle into the slot that is not active, and make it active")
    install.add_argument("bundle", type=Path, metavar="FILE.edge")
    install.add_argument("--trust", type=Path, metavar="TRUST.json", help="whose bundles to take from now on")
    install.add_argument(
        "--allow-unsigned", action="store_true", help="where no trust file was ever given: take it anyway"
    )
    install.add_argument("--array", metavar="NAME", help="refuse what is made for other microphones")
    install.add_argument("--no-trial", action="store_true", help="do not verify and try the model before it is active")
    install.set_defaults(run=run_install)
    status = commands.add_parser("status", help="show what the slots hold")
    status.set_defaults(run=run_status)
    confirm = commands.add_parser("confirm", help="the active bundle is good: keep it")
    confirm.set_defaults(run=run_confirm)
    rollback = commands.add_parser("rollback", help="run the other slot again, and never again what was active")
    rollback.set_defaults(run=run_rollback)
    for command in (install, status, confirm, rollback):
        command.add_argument("--slots", type=Path, default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
        command.add_argument("--json", action="store_true", help="print the state as JSON")


def run_install(args: argparse.Namespace) -> int:
    from edge_sdk.contract import Machine, this_machine
    from firmware_bridge.install import install, set_trust
    from firmware_bridge.slots import Slots

    slots = Slots(args.slots, machine=Machine(this_machine().cpu, args.array))
    if args.trust:
        set_trust(slots, args.trust)
    if slots.policy() is None and not args.allow_unsigned:
        raise EdgeError(f"{args.slots} has no trust file; give --trust, or --allow-unsigned to install without one")
    trial = None if args.no_trial else partial(try_model, array=args.array)
    return show(args, slots, install(slots, args.bundle, trial))


def run_status(args: argparse.Namespace) -> int:
    from firmware_bridge.slots import Slots

    return show(args, slots := Slots(args.slots), slots.state())


def run_confirm(args: argparse.Namespace) -> int:
    from firmware_bridge.slots import Slots

    return show(args, slots := Slots(args.slots), slots.confirm())


def run_rollback(args: argparse.Namespace) -> int:
    from firmware_bridge.slots import Slots

    return show(args, slots := Slots(args.slots), slots.rollback())


def try_model(path: Path, array: str | None) -> None:
    """`EdgeError` where the model in a bundle is refused, or fails in its trial.

    In another process: the runtime that it takes is none of this package's business, and what it does cannot harm us.
    """
    command = [sys.executable, "-m", "edge_sdk.verifier", str(path), *(["--array", array] if array else [])]
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2].removeprefix("edge-sdk: ")
        raise EdgeError(f"{path}: {said or 'its model could not be tried'}")


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
