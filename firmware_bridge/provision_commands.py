"""`edge-sdk provision`: a fresh board made ready, over SSH."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from firmware_bridge.boards import Board
    from firmware_bridge.provision import Outcome, Target
    from firmware_bridge.provision_steps import Wishes

CACHE = Path("~/.cache/edge-sdk/wheels")


def register(commands: Any) -> None:
    """Add `provision`."""
    provision = commands.add_parser(
        "provision",
        help="set up a fresh board: environment, user, limits, service, slots; a second time it changes nothing",
        epilog="example: edge-sdk provision --board-type raspberry-pi-5 --trust trust.json pi@pi.local -- --http 8080",
    )
    provision.add_argument("place", metavar="HOST", help="[user@]host[:port]; or local, where one is logged in")
    provision.add_argument(
        "--board-type", metavar="NAME", help="kind of board (edge-sdk boards), or a TOML file of yours"
    )
    provision.add_argument(
        "--array", metavar="NAME", help="its microphones, or a TOML file of yours (default: the board's)"
    )
    provision.add_argument("--trust", type=Path, metavar="TRUST.json", help="whose bundles it takes")
    provision.add_argument("--watch", type=float, default=60.0, metavar="S", help="of serve (default: 60)")
    provision.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help=f"what to install (default: gathered by pip in {CACHE}, and kept there)",
    )
    provision.add_argument(
        "--dry-run", action="store_true", help="print every step with its commands, and change nothing there"
    )
    provision.add_argument("--json", action="store_true", help="print the steps as JSON, with what became of them")
    provision.add_argument("options", nargs="*", metavar="-- OPTIONS", help="for edge-sdk run")
    provision.set_defaults(run=run_provision)


def run_provision(args: argparse.Namespace) -> int:
    from firmware_bridge.provision import ProvisionError, probe, provision
    from firmware_bridge.provision_steps import steps_for
    from firmware_bridge.provision_wheels import gather, wheels_in
    from firmware_bridge.transports import open_board

    if args.place.startswith(("serial:", "/", ".")):
        raise ProvisionError(f"{args.place}: set it up over SSH, or on the board itself with edge-sdk provision local")
    board = open_board(args.place)
    try:
        target = probe(board)
        kind = board_of(args.board_type, target)
        kept = CACHE.expanduser() / "{}-{}-{}.{}".format(kind.runtime, target.cpu, *target.python)
        wheels = wheels_in(args.wheels) if args.wheels else gather(target, kind.runtime, kept)
        steps = steps_for(target, wishes(args, kind, tuple(wheels)))
        told = no_word if args.json else shown_exactly if args.dry_run else shown
        outcomes = provision(board, target, steps, args.dry_run, told)
    finally:
        board.close()
    if args.json:
        print(json.dumps([plain(each) for each in outcomes]))
    return 0


def board_of(name: str | None, target: Target) -> Board:
    """The kind of board that was named, or the one of its processor; `ProvisionError` where the two do not fit."""
    from firmware_bridge.boards import known_boards, load_board
    from firmware_bridge.provision import ProvisionError

    if name is None:
        name = f"generic-{target.cpu.rstrip('l')}"  # uname says armv7l
        if name not in known_boards():
            raise ProvisionError(
                f"no board with {target.cpu} is known; describe yours in a TOML file, give it by --board-type"
            )
    board = load_board(name)
    if board.cpu != target.cpu:
        raise ProvisionError(
            f"{board.name} is {board.cpu}, what answers there is {target.cpu}; give another --board-type"
        )
    return board


def wishes(args: argparse.Namespace, board: Board, wheels: tuple[Path, ...]) -> Wishes:
    """What the options and the description of the board ask for."""
    from firmware_bridge.boards import known_boards
    from firmware_bridge.provision_steps import SETTINGS, VENV, Wishes
    from firmware_bridge.trust import read_trust, trust_bytes

    if not 0 < args.watch < math.inf:
        raise EdgeError(f"--watch {args.watch:g}: expected seconds above 0")
    settings, serve, options = [], ["serve", "--slots", board.slots, "--watch", f"{args.watch:g}"], list(args.options)
    if args.board_type is None or args.board_type in known_boards():
        serve += ["--board-type", board.name]
    else:
        settings.append(("board.toml", text_of(Path(args.board_type))))
        serve += ["--board-type", f"{SETTINGS}/board.toml"]
    array = args.array
    if array is not None:
        said("arrays", array)  # or the service would find out
        if array.endswith(".toml"):
            settings.append(("array.toml", text_of(Path(array))))
            array = f"{SETTINGS}/array.toml"
            options = ["--array", array, *options]
        else:
            serve += ["--array", array]
    trust = None
    if args.trust is not None:
        read_trust(args.trust)
        trust = trust_bytes(args.trust).decode()
    run = ["--model", "none", *board.stream_options(array), *args.options]
    return Wishes(
        runtime=board.runtime,
        wheels=wheels,
        unit=said("service", "--program", f"{VENV}/bin/edge-sdk", "--", *run),
        serve=(*serve, *(["--", *options] if options else [])),
        slots=board.slots,
        settings=tuple(settings),
        trust=trust,
    )


def said(*words: str) -> str:
    """What another `edge-sdk` command says here; its refusal is ours."""
    done = subprocess.run([sys.executable, "-m", "edge_sdk.cli", *words], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed"]
        raise EdgeError(lines[-1].removeprefix("edge-sdk: "))
    return done.stdout


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"{path}: cannot be read ({error}); give a text file") from error


def plain(outcome: Outcome) -> dict[str, Any]:
    step = outcome.step
    return {
        "step": step.description,
        "outcome": outcome.outcome,
        "brings": [str(path) for path in step.brings],
        "check": step.check,
        "apply": step.apply,
    }


def shown(outcome: Outcome) -> None:
    print(f"{outcome.outcome:10}  {outcome.step.description}", flush=True)


def shown_exactly(outcome: Outcome) -> None:
    """With all that would be brought and run there."""
    shown(outcome)
    for path in outcome.step.brings:
        print(f"    bring  {path}")
    for title, script in (("check", outcome.step.check), ("apply", outcome.step.apply)):
        first, *more = script.splitlines()
        print(f"    {title}  {first}", *(f"           {line}" for line in more), sep="\n")


def no_word(outcome: Outcome) -> None:
    pass
