"""`edge-sdk doctor`: what is wrong with this machine, or with this array."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.doctor.findings import Finding

FORMATS = ("S16_LE", "S24_LE", "S24_3LE", "S32_LE", "FLOAT_LE")


def register(commands: Any) -> None:
    """Add `doctor`."""
    doctor = commands.add_parser(
        "doctor", help="examine this machine, and a microphone array from a few seconds of sound"
    )
    doctor.add_argument("--array", metavar="NAME", help="the array that is plugged in (edge-sdk arrays)")
    heard = doctor.add_mutually_exclusive_group()
    heard.add_argument("--wav", type=Path, metavar="FILE", help="examine microphones by a recording of the room")
    heard.add_argument("--capture", metavar="DEVICE", help="examine microphones by what they hear now (with --array)")
    doctor.add_argument("--seconds", type=seconds, default=5.0, metavar="S", help="to listen (default: 5)")
    doctor.add_argument("--rate", type=int, metavar="HZ", help="of the device (default: the array's first)")
    doctor.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"of samples (default: {FORMATS[0]})")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=run_doctor)


def run_doctor(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.doctor.findings import bad
    from edge_sdk.doctor.machine import Machine, examine
    from edge_sdk.errors import ArrayError

    array = None if args.array is None else load_array(args.array)
    if args.capture is not None and array is None:
        raise ArrayError("--capture without --array: expected the array that is plugged in; see edge-sdk arrays")
    # A recording may come from anywhere, and says nothing about what is plugged in here.
    findings = list(examine(Machine(), None if args.wav else array))
    findings += heard(args, array)
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(finding.line())
    return int(bad(findings))


def heard(args: argparse.Namespace, array: MicArray | None) -> Iterator[Finding]:
    """Findings from a recording or a device, if there is one to listen to."""
    from edge_sdk.audio.files import WavCapture
    from edge_sdk.audio.pcm import Capture
    from edge_sdk.doctor.selftest import record, self_test
    from edge_sdk.live.places import Place, open_capture

    capture: Capture
    if args.wav is not None:
        capture = WavCapture(args.wav)
        if array is not None and capture.mics != array.mics:  # with the channels that are no microphones
            capture.close()
            capture = WavCapture(args.wav, select=array.channels)
    elif args.capture is not None and array is not None:
        rate_hz = args.rate or array.sample_rates_hz[0]
        capture = open_capture(Place(args.capture, rate_hz, array.capture_channels, args.format), array.channels)
    else:
        return
    with closing(capture):
        x = record(capture, args.seconds)
    yield from self_test(x, capture.rate_hz, array)


def seconds(text: str) -> float:
    """How long to listen."""
    if not 1 <= (value := float(text)) <= 60:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 60 seconds")
    return value
