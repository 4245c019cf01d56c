"""`edge-sdk devices`: the sound cards, and what one of them grants."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.audio.cards import Card

STREAMS = ("capture", "playback")


def register(commands: Any) -> None:
    """Add `devices`."""
    devices = commands.add_parser("devices", help="list the sound cards, or try what one of them grants")
    devices.add_argument(
        "--probe", metavar="DEVICE", help="open an ALSA device with every format, rate, channel count and period"
    )
    devices.add_argument("--json", action="store_true", help="print it as JSON")
    devices.set_defaults(run=run_devices)


def run_devices(args: argparse.Namespace) -> int:
    from edge_sdk.audio.cards import sound_cards

    if args.probe is not None:
        return run_probe(args)
    rows = [row for card in sound_cards() for row in describe(card)]
    if args.json:
        print(json.dumps(rows))
    elif rows:
        width = max(len(row["device"]) for row in rows)
        for row in rows:
            user = f", in use by {row['used_by']}" if row["used_by"] else ""
            print(f"{row['device']:{width}}  {row['stream']:8}  {row['card']}: {row['name']}{user}")
    else:
        print("no sound cards")
    return 0


def describe(card: Card) -> list[dict[str, Any]]:
    """A row for each direction of each device of a card."""
    from edge_sdk.audio.cards import holder

    return [
        {
            "device": card.device(pcm.number),
            "stream": stream,
            "card": card.name,
            "name": pcm.name,
            "index": card.index,
            "used_by": holder(card.device(pcm.number), stream),
        }
        for pcm in card.pcms
        for stream in STREAMS
        if getattr(pcm, stream)
    ]


def run_probe(args: argparse.Namespace) -> int:
    from edge_sdk.audio.probe import probe
    from edge_sdk.errors import AudioError

    found: dict[str, Any] = {}
    errors: list[AudioError] = []
    for stream in STREAMS:
        try:
            found[stream] = asdict(probe(args.probe, stream))
        except AudioError as error:  # most devices of an array only capture
            errors.append(error)
            found[stream] = {"error": str(error)}
    if len(errors) == len(STREAMS):
        raise errors[0]
    if args.json:
        print(json.dumps({"device": args.probe, **found}))
        return 0
    for stream, granted in found.items():
        if "error" in granted:
            print(f"{stream}: {granted['error']}")
            continue
        print(f"{stream}:")
        for what in ("formats", "rates_hz", "channels"):
            print(f"  {what:9} {', '.join(map(str, granted[what]))}")
        periods = (
            f"{asked}" if asked == given else f"{asked} (gives {given})" for asked, given in granted["periods"].items()
        )
        print(f"  {'periods':9} {', '.join(periods)}")
    return 0
