"""`--beam` and what goes with it: a spatial filter that the model of `edge-sdk separate` steers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from edge_sdk import zone_options
from edge_sdk.errors import ArrayError, EdgeError

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.beamforming.neural import NeuralBeamformer
    from edge_sdk.contract import Manifest
    from edge_sdk.separator import Separator

# edge_sdk.beamforming.named makes them; a parser needs no NumPy.
BEAMS = ("das", "mvdr", "mwf", "gev", "lcmv")
STEERED = ("das", "mvdr", "lcmv")
OWN = "none"


def add_beam(command: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = command.add_argument_group("spatial filter", "for a recording of a microphone array, steered by the model")
    group.add_argument(
        "--beam",
        choices=(*BEAMS, OWN),
        help="das: delay-and-sum, mvdr: no distortion, mwf: Wiener filter, gev: most signal-to-noise ratio, "
        "lcmv: nulls towards other talkers, none: the model's own outputs, for --postfilter",
    )
    group.add_argument(
        "--array", metavar="NAME", help="that recorded IN.wav: a known array (edge-sdk arrays) or a file"
    )
    group.add_argument(
        "--suppression",
        type=float,
        metavar="S",
        help="of --beam mwf, from 0 (least distortion) to 1 (least noise; default: 0.5)",
    )
    group.add_argument(
        "--azimuth",
        type=float,
        nargs="+",
        metavar="DEG",
        help="look directions of --beam das, mvdr or lcmv, one per source of the model (default: found by it)",
    )
    zone_options.add_zones(
        group,
        keep="let --beam das or mvdr look only for talkers between these azimuths",
        null="let --beam das, mvdr or lcmv look for nobody between these azimuths, and hear little from there",
    )
    group.add_argument("--postfilter", action="store_true", help="let the model's masks take noise off the beams, too")


def check_beam(args: argparse.Namespace, array_alone: bool = False) -> None:
    """`EdgeError` for options that do not go together. array_alone: an array may be named without a filter."""
    given = {
        "--array": None if array_alone else args.array,
        "--suppression": args.suppression,
        "--azimuth": args.azimuth,
        "--keep": args.keep or None,
        "--null": args.null or None,
    }
    if args.beam is None:
        if args.postfilter or any(value is not None for value in given.values()):
            name = next((name for name, value in given.items() if value is not None), "--postfilter")
            raise EdgeError(f"{name} is for a spatial filter; choose one with --beam {', '.join(BEAMS)}")
        return
    if args.array is None:
        raise EdgeError(f"--beam {args.beam} needs to know the microphones; give --array NAME (see edge-sdk arrays)")
    if args.beam == OWN and not args.postfilter:
        raise EdgeError(f"--beam {OWN} leaves the model's outputs as they are; give --postfilter, or leave it out")
    if args.suppression is not None and args.beam != "mwf":
        raise EdgeError(f"--suppression is a control of --beam mwf, not of {args.beam}; leave it out or take mwf")
    if args.suppression is not None and not 0 <= args.suppression <= 1:
        raise EdgeError(f"--suppression {args.suppression:g}: expected 0 (least distortion) to 1 (least noise)")
    if args.beam not in STEERED:
        for name in ("--azimuth", "--keep", "--null"):
            if given[name] is not None:
                raise EdgeError(f"{name} steers --beam {', '.join(STEERED)}, not {args.beam}; leave it out or take one")
    if args.azimuth is not None and not all(-180 <= azimuth <= 360 for azimuth in args.azimuth):
        outside = next(azimuth for azimuth in args.azimuth if not -180 <= azimuth <= 360)
        raise EdgeError(f"--azimuth {outside:g}: expected degrees from -180 to 360, from the array's x towards its y")


def beamformer(separator: Separator, array: MicArray, args: argparse.Namespace) -> NeuralBeamformer:
    """The filter asked for, steered by the model; `ArrayError` where model and array do not fit."""
    from edge_sdk.beamforming.named import beamformer as named
    from edge_sdk.beamforming.postfilter import PostFilterConfig
    from edge_sdk.beamforming.srp_phat import LOWEST_HZ

    if (aliasing := array.aliasing_hz()) < LOWEST_HZ:
        print(
            f"edge-sdk: {array.name} aliases in space from {aliasing:.0f} Hz on, below all speech: beams also listen "
            "elsewhere; take an array whose microphones are nearer to each other",
            file=sys.stderr,
        )
    try:
        return named(
            separator,
            separator.sample_rate,
            array,
            args.beam,
            suppression=args.suppression,
            azimuths_deg=args.azimuth,
            postfilter=PostFilterConfig() if args.postfilter else None,
            keep=zone_options.zones(args.keep),
            null=zone_options.zones(args.null),
        )
    except ValueError as error:
        raise ArrayError(f"--beam {args.beam}: {error}") from error


def fitting_array(name: str, m: Manifest) -> MicArray:
    """The array of that name; `ArrayError` where it is unknown or the model hears other microphones."""
    from edge_sdk.audio.arrays import load_array

    array = load_array(name)
    if array.mics < 2:
        raise ArrayError(f"{array.name} has 1 microphone; a spatial filter needs 2 or more, leave out --beam")
    if m.mics not in (1, array.mics):
        raise ArrayError(
            f"{m.name} takes {m.mics} microphones, {array.name} has {array.mics}; give another --array, or a model "
            f"for 1 or {array.mics}"
        )
    reference = 0 if m.filter_and_sum is None else m.filter_and_sum.reference
    if m.mics > 1 and reference != array.reference:
        raise ArrayError(
            f"{m.name} gives sources as microphone {reference} hears them, the reference of {array.name} is "
            f"{array.reference}; describe the array in a file with that reference"
        )
    return array


def described(args: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, for the JSON result."""
    return {} if args.beam is None else {"beam": args.beam, "array": args.array, "postfilter": args.postfilter}
