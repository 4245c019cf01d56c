"""`edge-sdk localize`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk import calibrate_command, zone_options
from edge_sdk.errors import ArrayError, AudioError, EdgeError
from edge_sdk.localize_table import plain, table, thinned

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.beamforming.localizer import Localizer, Moment
    from edge_sdk.beamforming.signals import Samples

SAMPLE_RATE = 16_000  # finer in time than any of the known arrays is in space
METHODS = ("srp-phat", "music")
USED_OF_BAND = 0.95  # below half a file's rate: above, its resampler has left nothing but rounding
BLOCK_S = 0.1  # of the recording at a time, as a sound card would deliver it
FIELDS = """
With --json: one object. moments: every so often {time_s, talkers}, where talkers holds, for each one looked for, null
or {azimuth_deg: -180 to 180, from the array's x towards its y; elevation_deg: -90 to 90, null without --elevation;
unsure_deg: standard deviation of the azimuth; heard: whether the talker spoke since the moment before}. A talker keeps
the place in the list. Beside moments: input, array, method, sample_rate_hz, input_rate_hz, duration_s, every_s,
band_hz, aliasing_hz, silent_microphones, real_time_factor. With --capture: one object a line, as a moment, with
faulty_microphones and lost_samples beside.
"""


def register(commands: Any) -> None:
    """Add `localize`."""
    localize = commands.add_parser(
        "localize", help="say where the talkers are whom an array hears, over time", epilog=FIELDS
    )
    source = localize.add_mutually_exclusive_group(required=True)
    source.add_argument("input", type=Path, nargs="?", metavar="FILE", help="a recording: wav, flac or ogg")
    source.add_argument(
        "--capture", metavar="DEVICE", help="listen live: a device of ALSA (edge-sdk devices), until Ctrl-C"
    )
    localize.add_argument("--seconds", type=seconds, metavar="S", help="of --capture: stop after so long")
    localize.add_argument(
        "--array",
        required=True,
        metavar="NAME",
        help="whose microphones these are: a known array (edge-sdk arrays) or a TOML file",
    )
    calibrate_command.add_option(localize)
    localize.add_argument("--talkers", type=number, metavar="N", help="look for N at most (default: 2)")
    localize.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="srp-phat: steered power, the firmer one in rooms (default); music: subspaces, slower",
    )
    localize.add_argument("--elevation", action="store_true", help="tell above from below; not with a flat array")
    zone_options.add_zones(
        localize,
        keep="look only between these azimuths",
        null="take nobody between these azimuths for a talker, say a television",
    )
    localize.add_argument(
        "--band",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="frequencies in Hz to go by (default: 200 to 7000, or to what the recording has)",
    )
    localize.add_argument(
        "--every", type=seconds, metavar="S", help="a line every S seconds (default: 0.5; 1 with --capture)"
    )
    localize.add_argument("--plot", type=Path, metavar="OUT.svg", help="draw the tracks, too (needs matplotlib)")
    localize.add_argument("--force", action="store_true", help="overwrite OUT.svg")
    localize.add_argument("--json", action="store_true", help="print the moments as JSON (see below)")
    localize.set_defaults(run=run_localize)


def run_localize(args: argparse.Namespace) -> int:
    from edge_sdk import pictures
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.audio.calibration import load_calibration
    from edge_sdk.audio.recordings import read_recording

    array = load_array(args.array)
    if args.capture is not None:
        if args.plot is not None:
            raise EdgeError("--plot draws a whole recording, not --capture; leave one of them out")
        from edge_sdk.localize_live import run_live

        return run_live(args, array, args.every or 1.0)
    if args.seconds is not None:
        raise EdgeError("--seconds ends --capture; a recording ends by itself, leave it out")
    every_s = args.every or 0.5
    if args.plot is not None:
        pictures.check(args.plot, args.force)
    x, file_rate = read_recording(args.input, SAMPLE_RATE, array)
    if args.calibration is not None:
        x = load_calibration(args.calibration, array).corrected(x, SAMPLE_RATE)
    alive, x, dead = heard_only(array, x, args.input)
    localizer = opened(alive, args, file_rate)
    (low, high), aliasing = localizer.config.band_hz, alive.aliasing_hz()
    duration_s, begin = x.shape[1] / SAMPLE_RATE, time.perf_counter()
    moments = list(stream(localizer, x))
    took_s = time.perf_counter() - begin
    if not moments:
        raise AudioError(
            f"{args.input}: {duration_s:.3f} s are too short; give at least {localizer.config.step_s:g} s of recording"
        )
    rows = list(thinned(moments, every_s))
    if args.json:
        result = {
            "input": str(args.input),
            "array": array.name,
            "method": args.method,
            "sample_rate_hz": SAMPLE_RATE,
            "input_rate_hz": file_rate,
            "duration_s": duration_s,
            "every_s": every_s,
            "band_hz": [low, high],
            "aliasing_hz": aliasing,
            "silent_microphones": dead,
            "real_time_factor": took_s / duration_s,
            "moments": [{"time_s": row.time_s, "talkers": [plain(t) for t in row.talkers]} for row in rows],
        }
        print(json.dumps(result))
    else:
        print(f"{array.name}, {args.method}, {low:g} to {high:g} Hz; spatial aliasing from {aliasing:.0f} Hz")
        print("\n".join(table(rows)))
        note(f"{duration_s:.1f} s in {took_s:.2f} s: real-time factor {took_s / duration_s:.3f}")
    if args.plot is not None:
        pictures.save(pictures.tracks(moments, array), args.plot)
    return 0


def heard_only(array: MicArray, x: Samples, path: Path) -> tuple[MicArray, Samples, list[int]]:
    """The array and its samples without the microphones that carry nothing but zeros, and the numbers of these, which
    a line on standard error names. `AudioError` where too few are left to tell a direction."""
    alive = [m for m in range(array.mics) if x[m].any()]
    dead = [m for m in range(array.mics) if m not in alive]
    if not dead:
        return array, x, dead
    named = f"microphone{'s' * (len(dead) > 1)} {', '.join(map(str, dead))} (counted from 0) of {array.name}"
    if len(alive) < 2:
        raise AudioError(f"{path}: {named} silent throughout; at least 2 must be heard to tell a direction")
    note(f"{path}: {named} silent throughout; left out")
    return only(array, alive), x[alive], dead


def only(array: MicArray, mics: Sequence[int]) -> MicArray:
    """The array with these microphones alone; the first is the reference where the old one is not among them."""
    return dataclasses.replace(
        array,
        positions_m=tuple(array.positions_m[m] for m in mics),
        channels=tuple(array.channels[m] for m in mics),
        reference=list(mics).index(array.reference) if array.reference in mics else 0,
    )


def opened(array: MicArray, args: argparse.Namespace, file_rate: int) -> Localizer:
    """A localizer as asked for; `ArrayError` where the array cannot do that."""
    from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig
    from edge_sdk.beamforming.srp_phat import HIGHEST_HZ, LOWEST_HZ

    most = USED_OF_BAND * min(file_rate, SAMPLE_RATE) / 2
    low, high = args.band or (LOWEST_HZ, min(HIGHEST_HZ, most))
    if not 0 <= low < high <= SAMPLE_RATE / 2:
        raise AudioError(f"--band {low:g} {high:g}: expected two frequencies within 0 to {SAMPLE_RATE // 2} Hz")
    if high > most and args.band:
        raise AudioError(
            f"--band {low:g} {high:g}: {args.input or args.capture} has {file_rate} Hz; expected at most {most:g}"
        )
    talkers = args.talkers or min(2, array.mics - 1 if args.method == "music" else 2)
    try:
        config = LocalizerConfig(
            talkers,
            args.method,
            args.elevation,
            SAMPLE_RATE,
            band_hz=(low, high),
            keep=zone_options.zones(args.keep),
            null=zone_options.zones(args.null),
        )
        localizer = Localizer(array, config)
    except ValueError as error:
        raise ArrayError(str(error)) from error
    if (aliasing := array.aliasing_hz()) < low:
        note(
            f"all of the band, {low:g} to {high:g} Hz, lies above {aliasing:.0f} Hz, from which {array.name} aliases "
            "in space: talkers may appear where nobody is; give a lower --band"
        )
    return localizer


def stream(localizer: Localizer, x: Samples) -> Iterator[Moment]:
    """All moments of a recording `[M, n]`, given block by block."""
    block = round(BLOCK_S * localizer.config.sample_rate)
    for start in range(0, x.shape[1], block):
        yield from localizer.process(x[:, start : start + block])


def number(text: str) -> int:
    """How many talkers."""
    if not 1 <= (value := int(text)) <= 16:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 16")
    return value


def seconds(text: str) -> float:
    """A length of time, of a day at most."""
    if not 0 < (value := float(text)) <= 86_400:
        raise argparse.ArgumentTypeError(f"{text}: expected more than 0 and at most 86400")
    return value


def note(text: str) -> None:
    print(f"edge-sdk: {text}", file=sys.stderr)
