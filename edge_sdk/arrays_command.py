"""`edge-sdk arrays`."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray


def register(commands: Any) -> None:
    """Add `arrays`."""
    arrays = commands.add_parser("arrays", help="list known microphone arrays, or show one: positions and channel map")
    arrays.add_argument(
        "array", nargs="?", metavar="NAME", help="a known array, or a TOML file that describes your own"
    )
    arrays.add_argument("--json", action="store_true", help="print what is known as JSON")
    arrays.set_defaults(run=run_arrays)


def run_arrays(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array, shipped_arrays

    if args.array is not None:
        array = load_array(args.array)
        print(json.dumps(describe(array)) if args.json else show(array))
        return 0
    known = [load_array(name) for name in shipped_arrays()]
    if args.json:
        print(json.dumps([describe(array) for array in known]))
        return 0
    print(f"{'name':22} {'mics':>4} {'channels':>8} {'width mm':>8}  title")
    for array in known:
        width = 1e3 * array.aperture_m
        print(f"{array.name:22} {array.mics:4} {array.capture_channels:8} {width:8.1f}  {array.title}")
    return 0


def describe(array: MicArray) -> dict[str, Any]:
    """An array as its file holds it, and what follows from the positions; no aliasing (one microphone) is None."""
    from edge_sdk.contract import to_plain

    aliasing = array.aliasing_hz()
    return {
        **to_plain(array),
        "distances_m": {f"{a}-{b}": round(distance, 6) for (a, b), distance in array.distances().items()},
        "aliasing_hz": None if math.isinf(aliasing) else aliasing,
    }


def show(array: MicArray) -> str:
    """A page about an array for people."""
    lines = [f"{array.name}: {array.title}", ""]
    lines.append(f"{'microphone':>10} {'channel':>8} {'x mm':>8} {'y mm':>8} {'z mm':>8}")
    for m, (position, channel) in enumerate(zip(array.positions_m, array.channels, strict=True)):
        x, y, z = (1e3 * value for value in position)
        mark = "  reference" if m == array.reference else ""
        lines.append(f"{m:10} {channel:8} {x:8.1f} {y:8.1f} {z:8.1f}{mark}")
    rest = set(range(array.capture_channels)) - {*array.channels, *array.playback, array.processed}
    for channels, use in (
        ((array.processed,), "processed by the device"),
        (array.playback, "playback"),
        (rest, "unused"),
    ):
        if numbers := ", ".join(str(channel) for channel in sorted(c for c in channels if c is not None)):
            lines.append(f"{'-':>10} {numbers:>8} {use}")
    lines.append("")
    lines.append(f"captures {array.capture_channels} channels at {', '.join(map(str, array.sample_rates_hz))} Hz")
    if array.mics > 1:
        shortest, longest = min(array.distances().values()), array.aperture_m
        lines.append(f"microphones {1e3 * shortest:.1f} to {1e3 * longest:.1f} mm apart")
        lines.append(
            f"spatial aliasing from {array.aliasing_hz():.0f} Hz (the closest two are half a wavelength apart)"
        )
    if array.alsa_card:
        lines.append(f"sound card: {array.alsa_card}")
    lines.append(f"source: {array.source}")
    if array.notes:
        lines.append(f"notes: {array.notes}")
    return "\n".join(lines)
