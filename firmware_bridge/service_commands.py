"""`edge-sdk serve`, and `edge-sdk confirm`, which takes somebody's word or watches for itself."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import EdgeError
from firmware_bridge.install_commands import FOLDER, add_machine, add_slots, board_and_slots, show

if TYPE_CHECKING:
    from edge_sdk.contract import Bundle
    from firmware_bridge.health import HealthConfig, Verdict
    from firmware_bridge.slots import Slots
    from firmware_bridge.state import State

BUDGET_DB = 1.0


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    confirm = commands.add_parser(
        "confirm",
        help="the active bundle is good: keep it; with --watch or --golden, keep it if it is good, or roll it back",
        epilog="example: edge-sdk run --json ... | edge-sdk confirm --watch 60",
    )
    add_slots(confirm)
    confirm.set_defaults(run=run_confirm)
    serve = commands.add_parser(
        "serve",
        help="run what the slots hold, for as long as the device is on, and whatever is installed meanwhile",
        epilog="example: edge-sdk serve --watch 60 -- --capture hw:ArrayUAC10 --playback hw:1",
    )
    serve.add_argument("--slots", type=Path, metavar="DIR", help=f"default: the board's, or {FOLDER}")
    serve.set_defaults(run=run_serve)
    for command in (confirm, serve):
        add_machine(command)
        add_watch(command)


def add_watch(command: argparse.ArgumentParser) -> None:
    """Add what decides whether a bundle is good, and the options of the stream."""
    command.add_argument(
        "--watch", type=float, metavar="S", help="confirm it after so long without a fault, or roll back"
    )
    command.add_argument(
        "--slowest",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="of the duration of a block that 99 %% of the blocks may take (default: 0.5)",
    )
    command.add_argument("--golden", type=Path, metavar="DIR", help="NAME.wav and NAME.clean.wav that it has to pass")
    command.add_argument(
        "--golden-db",
        type=decibels,
        default=BUDGET_DB,
        metavar="DB",
        help=f"by which SI-SDR may be lower there than before (default: {BUDGET_DB:g})",
    )
    command.add_argument("options", nargs="*", metavar="-- OPTIONS", help="for edge-sdk run")


def run_confirm(args: argparse.Namespace) -> int:
    _, slots = board_and_slots(args)
    judged = args.watch is not None or args.golden is not None
    if args.options and args.watch is None:
        raise EdgeError(f"{args.options[0]}: options of a stream are for --watch; give it a time")
    return show(args, slots, watch_and_settle(args, slots) if judged else slots.confirm())


def run_serve(args: argparse.Namespace) -> int:
    from firmware_bridge.serve import ServeConfig, Service

    check_options(args.options, watches=args.watch is not None)
    board, slots = board_and_slots(args)
    slots.check_folder()
    options = args.options if board is None else [*board.stream_options(args.array), *args.options]
    config = ServeConfig(tuple(options), health_config(args), args.golden, args.golden_db)
    return Service(slots, config).run()


def watch_and_settle(args: argparse.Namespace, slots: Slots) -> State:
    """Judge the active bundle by clips and reports, and confirm it; `HealthError` where it was rolled back."""
    from firmware_bridge.gate import judge_golden, settle
    from firmware_bridge.health import HealthError
    from firmware_bridge.state import InstallError

    if args.options:
        check_options(args.options, watches=True)
    config, state = health_config(args), slots.state()
    if state.confirmed and state.slot(state.active) is not None:
        return state
    if (bundle := slots.bundle(state, state.active)) is None:
        raise InstallError(f"{slots.folder}: slot {state.active} holds nothing that can run; install a bundle")
    verdict = None if args.golden is None else judge_golden(slots, bundle, args.golden, args.golden_db)
    if config is not None and (verdict is None or verdict.healthy):
        verdict = watched_stream(args.options, bundle, config)
    assert verdict is not None, "one of both was asked for"
    state = settle(slots, bundle, verdict)
    if not verdict.healthy:
        about = f"{bundle.manifest.name} {bundle.manifest.version}"
        raise HealthError(f"{about}: rolled back ({verdict.reason}); install another bundle")
    return state


def watched_stream(options: Sequence[str], bundle: Bundle, config: HealthConfig) -> Verdict:
    """The verdict on the stream at standard input, or on one of its own where there are options for it."""
    from firmware_bridge import launch
    from firmware_bridge.gate import watched
    from firmware_bridge.health import Watch

    watch = Watch(config, bundle.manifest.name, time.monotonic())
    if not options:
        return watched(sys.stdin.fileno(), watch)
    process = launch.start(["run", "--json", *options], bundle, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        return watched(process.stdout.fileno(), watch)
    finally:
        process.terminate()
        process.communicate()


def health_config(args: argparse.Namespace) -> HealthConfig | None:
    """What to ask of a stream; None where nobody watches."""
    from firmware_bridge.health import HealthConfig

    if args.watch is None:
        return None
    try:
        return HealthConfig(watch_s=args.watch, slowest=args.slowest)
    except ValueError as error:
        raise EdgeError(f"--watch {args.watch:g} --slowest {args.slowest:g}: expected both above 0") from error


def check_options(options: Sequence[str], watches: bool) -> None:
    """`EdgeError` for options of `edge-sdk run` that are not for the user to choose here."""
    look = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    look.add_argument("--model")
    look.add_argument("--playback")
    look.add_argument("--trust")
    look.add_argument("--json", action="store_true")
    try:
        known, _ = look.parse_known_args(list(options))
    except argparse.ArgumentError as error:
        raise EdgeError(f"{error}; see edge-sdk run --help") from error
    if known.model is not None:
        raise EdgeError("--model: the slots say what runs; install it (edge-sdk install)")
    if known.trust is not None:
        raise EdgeError("--trust: the slots have a trust file of their own, by which they say what runs; leave it out")
    if watches and (known.json or known.playback == "-"):
        raise EdgeError("--json, --playback -: standard output is what the stream is watched by; leave them out")


def decibels(text: str) -> float:
    """A difference of levels."""
    if not math.isfinite(value := float(text)):
        raise argparse.ArgumentTypeError(f"{text}: expected a number of dB")
    return value
