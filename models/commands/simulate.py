"""`edge-sdk simulate rooms` and `simulate import`: impulse responses, computed or measured, ready to mix with."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.commands import simulate_set

if TYPE_CHECKING:
    from models.data.rirs import RoomStore

HIGHEST_RATE = 192_000


def register(commands: Any) -> None:
    """Add `simulate` with what it can simulate."""
    simulate = commands.add_parser("simulate", help="make impulse responses of rooms, or evaluation sets")
    nested = simulate.add_subparsers(dest="what", required=True, metavar="WHAT")

    rooms = nested.add_parser("rooms", help="compute what an array hears in random rooms; run it again to go on")
    rooms.add_argument(
        "--array", required=True, metavar="NAME", help="a known array (edge-sdk arrays), or its TOML file"
    )
    rooms.add_argument("--count", type=positive, required=True, metavar="N", help="of rooms")
    rooms.add_argument(
        "--rooms", type=Path, metavar="ROOMS.toml", help="what they are drawn from (default: living rooms)"
    )
    rooms.add_argument("--seed", type=whole, default=0, help="other rooms for another number (default: 0)")
    add_output(rooms)
    rooms.set_defaults(run=run_rooms)

    measured = nested.add_parser("import", help="store measured responses: SOFA files, or folders of wav files")
    measured.add_argument("sources", type=Path, nargs="+", metavar="SOURCE", help="one room each")
    measured.add_argument("--array", metavar="NAME", help="what measured them (default: as the first SOFA file says)")
    add_output(measured)
    measured.set_defaults(run=run_import)

    simulate_set.register(nested)


def add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the rooms")
    command.add_argument("--sample-rate", type=rate, default=16_000, metavar="HZ", help="default: 16000")
    command.add_argument(
        "--workers", type=whole, metavar="N", help="processes (default: one per core; 0: none besides)"
    )
    command.add_argument(
        "--cluster", metavar="ADDRESS", help="compute on a Ray cluster: auto, local or ray://HOST:PORT"
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def run_rooms(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array
    from models.data.rooms import RoomConfig, load_rooms
    from models.data.simulation import expected_bytes, simulate_rooms

    array = load_array(args.array)
    config = RoomConfig() if args.rooms is None else load_rooms(args.rooms)
    size = expected_bytes(array, config, args.count, args.sample_rate)
    note(f"{args.count} rooms of {config.positions} positions, {array.mics} microphones: about {readable(size)}")
    if array.worn:
        note(f"{array.name} is worn on a head, and these rooms have none in them: simulate import takes measured ones")
    store = simulate_rooms(args.out, array, config, args.count, args.seed, args.sample_rate, args.workers, args.cluster)
    return report(store, args.json)


def run_import(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array
    from models.data.measured import import_rooms

    array = None if args.array is None else load_array(args.array)
    return report(import_rooms(args.out, args.sources, array, args.sample_rate, args.workers, args.cluster), args.json)


def report(store: RoomStore, as_json: bool) -> int:
    """What is stored now, on standard output."""
    entries = [entry for shard in store.shards for entry in shard.rooms]
    size = sum(shard.size for shard in store.shards)
    result = {
        "out": str(store.folder),
        "array": store.array.name,
        "mics": store.mics,
        "sample_rate_hz": store.sample_rate,
        "rooms": len(store),
        "positions": sum(entry.positions for entry in entries),
        "size_bytes": size,
        "sha256": store.sha256,
    }
    if as_json:
        print(json.dumps(result))
    else:
        rooms = f"{len(store)} rooms with {result['positions']} positions"
        print(f"{store.folder}: {rooms} for {store.array.name}, {readable(size)}")
    return 0


def readable(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return value


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return value


def rate(text: str) -> int:
    """A sample rate that rooms can be computed for."""
    if not 4_000 <= (value := int(text)) <= HIGHEST_RATE:
        raise argparse.ArgumentTypeError(f"{text}: expected 4000 to {HIGHEST_RATE} Hz")
    return value


def note(text: str) -> None:
    print(f"edge-sdk: {text}", file=sys.stderr)
