"""`edge-sdk array calibrate`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk import zone_options
from edge_sdk.errors import AudioError, EdgeError

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.audio.calibration import Calibration


def register(actions: Any) -> None:
    """Add `calibrate` to the commands of `array`."""
    command = actions.add_parser(
        "calibrate",
        help="measure how the microphones of a device differ, for --calibration of separate, run and localize",
        epilog="Play noise or a slow sweep from a loudspeaker 1.5 m away or more, at the height of the array, in a "
        "room with little echo, and say with --azimuth where it stands: a wrong azimuth becomes wrong delays. Without "
        "--azimuth, record steady noise from all around, which tells gains alone.",
    )
    command.add_argument(
        "--array", required=True, metavar="NAME", help="a known array (edge-sdk arrays) or a file that describes yours"
    )
    command.add_argument("--wav", type=Path, required=True, metavar="FILE", help="what it recorded: wav, flac or ogg")
    command.add_argument("--azimuth", type=zone_options.degrees, metavar="DEG", help="of the sound, from x towards y")
    command.add_argument(
        "--device",
        metavar="NAME",
        help="which one of its kind recorded (default: the array's card); of a card that is plugged in, id and serial "
        "number are kept",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE.toml", help="gets the calibration")
    command.add_argument("--force", action="store_true", help="overwrite FILE.toml")
    command.add_argument("--json", action="store_true", help="print what was measured as JSON")
    command.set_defaults(run=run_calibrate)


def add_option(command: argparse.ArgumentParser) -> None:
    """Add `--calibration` to a command that hears an array."""
    command.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE.toml",
        help="how the microphones of this device differ (edge-sdk array calibrate): make them equal first",
    )


def run_calibrate(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.audio.calibration import device_id, to_toml
    from edge_sdk.audio.recordings import read_recording
    from edge_sdk.beamforming.mismatch import calibration_from_direction, calibration_from_noise
    from edge_sdk.contract import to_plain

    array = load_array(args.array)
    if args.out.suffix != ".toml":
        raise EdgeError(f"--out {args.out}: expected a name that ends in .toml")
    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    device = device_id(args.device or array.alsa_card or array.name)
    rate_hz = max(array.sample_rates_hz)
    x, file_rate = read_recording(args.wav, rate_hz, array)
    if file_rate < rate_hz:
        x, rate_hz = read_recording(args.wav, file_rate, array)
    try:
        if args.azimuth is None:
            calibration = calibration_from_noise(x, array, rate_hz, device)
        else:
            calibration = calibration_from_direction(x, array, rate_hz, device, math.radians(args.azimuth))
    except AudioError as error:
        raise AudioError(f"{args.wav}: {error}") from error
    except ValueError as error:
        raise EdgeError(f"not calibrated ({error})") from error
    try:
        args.out.write_text(to_toml(calibration), encoding="utf-8")
    except OSError as error:
        raise EdgeError(f"{args.out}: not written ({error.strerror}); choose another --out") from error
    if args.json:
        print(json.dumps({"out": str(args.out), **to_plain(calibration)}))
    else:
        print("\n".join(table(calibration, array)))
        print(f"edge-sdk: written to {args.out}", file=sys.stderr)
    return 0


def table(c: Calibration, array: MicArray) -> Iterator[str]:
    """Lines for people."""
    yield f"{c.device}, microphones of {array.name}, each compared with the reference"
    yield f"{'microphone':>10} {'channel':>8} {'gain dB':>8} {'samples later':>14}"
    for m, (gain_db, delay) in enumerate(zip(c.gains_db, c.delays, strict=True)):
        late = f"{delay:14.3f}" if c.source == "direction" else f"{'-':>14}"
        mark = "  reference" if m == array.reference else ""
        yield f"{m:10} {array.channels[m]:8} {gain_db:8.2f} {late}{mark}"
    phase = "" if c.residual_deg is None else f" and {c.residual_deg:.1f} degrees"
    yield f"left over the band: {c.residual_db:.2f} dB{phase} (root mean square); samples at {c.rate_hz} Hz"
