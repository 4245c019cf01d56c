"""`edge-sdk arrays`, and `edge-sdk array list`, `show` and `calibrate`."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk import calibrate_command, zone_options

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.beamforming.beams import Beam

STEP_DEG = 5  # between azimuths of the patterns in the JSON; a picture has them by the degree


def register(commands: Any) -> None:
    """Add `arrays`, and `array` with its own commands."""
    arrays = commands.add_parser("arrays", help="list known microphone arrays, or show one: positions and channel map")
    arrays.add_argument(
        "array", nargs="?", metavar="NAME", help="a known array, or a TOML file that describes your own"
    )
    arrays.add_argument("--json", action="store_true", help="print what is known as JSON")
    arrays.set_defaults(run=run_arrays)

    array = commands.add_parser("array", help="work with one microphone array: list, show, calibrate")
    actions = array.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list known microphone arrays, as edge-sdk arrays does")
    listing.add_argument("--json", action="store_true", help="print what is known as JSON")
    listing.set_defaults(run=run_arrays, array=None)
    showing = actions.add_parser("show", help="positions, channel map, and what fixed beams are worth at octave bands")
    showing.add_argument("array", metavar="NAME", help="a known array, or a TOML file that describes your own")
    showing.add_argument(
        "--azimuth",
        type=zone_options.degrees,
        default=0.0,
        metavar="DEG",
        help="look direction, from x towards y (default: 0)",
    )
    showing.add_argument("--out", type=Path, metavar="FILE.svg", help="draw it, too (needs matplotlib)")
    showing.add_argument("--force", action="store_true", help="overwrite FILE.svg")
    showing.add_argument("--json", action="store_true", help="print it as JSON, with the patterns over azimuth")
    showing.set_defaults(run=run_show)
    calibrate_command.register(actions)


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


def run_show(args: argparse.Namespace) -> int:
    import numpy as np

    from edge_sdk import pictures
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.beamforming.beams import OCTAVES_HZ, beams

    array = load_array(args.array)
    if args.out is not None:
        pictures.check(args.out, args.force)
    look_rad, azimuths_rad = math.radians(args.azimuth), np.deg2rad(np.arange(-180.0, 180.0))
    bands_hz = [hz for hz in OCTAVES_HZ if 2 * hz <= max(array.sample_rates_hz)]
    found = beams(array, look_rad, azimuths_rad, bands_hz)
    if args.json:
        patterns = {"azimuths_deg": list(range(-180, 180, STEP_DEG)), "beams": [beam_as_plain(b) for b in found]}
        print(json.dumps({**describe(array), "look_azimuth_deg": args.azimuth, **patterns}))
    else:
        print("\n".join([show(array), "", *beam_table(found, array, args.azimuth)]))
    if args.out is not None:
        pictures.save(pictures.geometry_and_beams(array, look_rad, azimuths_rad, found), args.out)
    return 0


def beam_as_plain(beam: Beam) -> dict[str, Any]:
    """A beam for scripts; its pattern in steps of `STEP_DEG`."""
    return {
        "design": beam.design,
        "hz": beam.hz,
        "white_noise_gain_db": round(beam.white_noise_gain_db, 3),
        "directivity_index_db": round(beam.directivity_index_db, 3),
        "pattern_db": [round(float(db), 2) for db in beam.pattern_db[::STEP_DEG]],
    }


def beam_table(found: Sequence[Beam], array: MicArray, look_deg: float) -> Iterator[str]:
    """Lines for people: a row per band, white-noise gain and directivity index of every design."""
    designs = list(dict.fromkeys(beam.design for beam in found))
    yield f"beams towards {look_deg:g} degrees: white-noise gain (WNG) and directivity index (DI) in dB"
    yield f"{'':>10}" + "".join(f"{design:>20}" for design in designs)
    yield f"{'Hz':>10}" + f"{'WNG':>12}{'DI':>8}" * len(designs)
    for hz in dict.fromkeys(beam.hz for beam in found):
        row = [beam for beam in found if beam.hz == hz]
        gains = "".join(f"{b.white_noise_gain_db:12.1f}{b.directivity_index_db:8.1f}" for b in row)
        yield f"{hz:10g}{gains}{'  aliased' if hz >= array.aliasing_hz() else ''}"


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
