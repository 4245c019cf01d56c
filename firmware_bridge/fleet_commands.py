"""`edge-sdk pack --format rauc|swupdate`, and `edge-sdk verdict` and `rauc-mark` for devices that a fleet updates."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edge_sdk.errors import EdgeError
from firmware_bridge.install_commands import FOLDER, add_slots, show

FORMATS = ("edge", "rauc", "swupdate")


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    verdict = commands.add_parser(
        "verdict",
        help="wait until an installed bundle was confirmed; ends with 1 where it was rolled back",
        epilog="for post-install hooks of RAUC and SWUpdate, beside edge-sdk serve --watch",
    )
    verdict.add_argument("bundle", type=Path, metavar="FILE.edge")
    verdict.add_argument("--raw-slot", action="store_true", help="FILE.edge is a partition that RAUC wrote one to")
    verdict.add_argument(
        "--within", type=float, default=300.0, metavar="S", help="how long to wait at most (default: 300)"
    )
    verdict.set_defaults(run=run_verdict)
    mark = commands.add_parser("rauc-mark", help="tell RAUC which slot is good, by the verdict on its bundle")
    mark.add_argument("--slots", type=Path, default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
    mark.add_argument("--json", action="store_true", help="print what was told as JSON")
    mark.set_defaults(run=run_rauc_mark)
    add_slots(verdict)


def add_fleet(pack: argparse.ArgumentParser) -> None:
    """Add what `pack` needs for fleets."""
    fleet = pack.add_argument_group("fleets", "a signed FILE.edge in place of MODEL.tflite, for an engine to carry")
    fleet.add_argument("--format", choices=FORMATS, default="edge", help="of the file (default: edge)")
    fleet.add_argument("--board-type", metavar="NAME", help="that it is for (edge-sdk boards)")
    fleet.add_argument(
        "--fleet-cert", "--rauc-cert", metavar="FILE", help="by which the engine on the devices knows who made it"
    )
    fleet.add_argument("--fleet-key", "--rauc-key", metavar="FILE", help="private key of that")
    fleet.add_argument("--hawkbit", type=Path, metavar="DIR", help="also make a folder to upload to hawkBit")


def check_not_fleet(args: argparse.Namespace) -> None:
    """`EdgeError` for options that say nothing of an ordinary bundle."""
    if args.board_type or args.fleet_cert or args.fleet_key or args.hawkbit:
        raise EdgeError("--board-type, --fleet-cert, --fleet-key, --hawkbit: these are for --format rauc or swupdate")


def run_pack_fleet(args: argparse.Namespace) -> None:
    """Pack for the engine that was named."""
    from firmware_bridge.boards import load_board
    from firmware_bridge.fleet import FleetKeys
    from firmware_bridge.hawkbit import check_upload, write_upload
    from firmware_bridge.rauc import pack_rauc
    from firmware_bridge.swupdate import pack_swupdate

    if not (args.board_type and args.fleet_cert and args.fleet_key):
        raise EdgeError(f"--format {args.format}: give --board-type, --fleet-cert and --fleet-key, too")
    if args.manifest or args.name or args.quality or args.sign:
        raise EdgeError(f"{args.model} is packed as it is; leave --manifest, --name, --quality and --sign out")
    if args.hawkbit:
        check_upload(args.hawkbit, args.out, args.force)
    board = load_board(args.board_type)
    packs = {"rauc": pack_rauc, "swupdate": pack_swupdate}
    packs[args.format](args.model, args.out, board, FleetKeys(args.fleet_cert, args.fleet_key))
    print(args.out)
    if args.hawkbit:
        write_upload(args.hawkbit, args.out, args.model, board, args.force)
        print(args.hawkbit)


def run_verdict(args: argparse.Namespace) -> int:
    from edge_sdk.contract import Machine, read_bundle
    from firmware_bridge.fleet import await_verdict
    from firmware_bridge.rauc import bundle_in_slot
    from firmware_bridge.slots import Slots

    if not args.within >= 0:
        raise EdgeError(f"--within {args.within:g}: expected a time of 0 or more")
    slots = Slots(args.slots or FOLDER)
    policy = slots.policy()
    bundle = bundle_in_slot(args.bundle, policy) if args.raw_slot else read_bundle(args.bundle, policy, Machine())
    return show(args, slots, await_verdict(slots, bundle, args.within))


def run_rauc_mark(args: argparse.Namespace) -> int:
    from firmware_bridge.rauc import mark_slots
    from firmware_bridge.slots import Slots

    told = mark_slots(Slots(args.slots))
    print(json.dumps(told) if args.json else "\n".join(told) or "nothing to tell")
    return 0
