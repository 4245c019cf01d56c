"""What the options of `edge-sdk run` ask of a stream."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from edge_sdk import accelerator_options, beam_options, trust_option, zone_options
from edge_sdk.errors import EdgeError
from edge_sdk.live.presets import PRESETS

if TYPE_CHECKING:
    from edge_sdk.live.stream_config import StreamConfig

NO_MODEL = "none"


def stream_config(args: argparse.Namespace) -> StreamConfig:
    """What the options ask for; `EdgeError` for options that do not go together, `ValueError` for values that no part
    of a stream takes."""
    from edge_sdk import made_for
    from edge_sdk.accelerators.accelerator import CPU
    from edge_sdk.accelerators.choice import Choice
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.audio.calibration import doubt, load_calibration
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model
    from edge_sdk.live.highpass import CUTOFF_HZ
    from edge_sdk.live.limiter import LimiterConfig
    from edge_sdk.live.mix import MixConfig
    from edge_sdk.live.realtime import RealtimeConfig
    from edge_sdk.live.sound import RATE_HZ
    from edge_sdk.live.stream_config import BeamConfig, StreamConfig

    beam_options.check_beam(args, array_alone=True)
    if args.json and args.playback == "-":
        raise EdgeError("--json and --playback - both want standard output; write the sound to a file or a device")
    preset = PRESETS[args.preset or "speaker"]
    model = args.model or preset.model
    models = () if model == NO_MODEL else (model, *args.smaller)
    if args.smaller and not models:
        raise EdgeError(f"--smaller is for when --model is too slow; {NO_MODEL} is not, leave it out")
    array = None if args.array is None else load_array(args.array)
    if args.calibration is not None and array is None:
        raise EdgeError("--calibration is for the microphones of an array; say which with --array")
    if args.isolate and (args.delegate or args.accelerator not in (None, "cpu")):
        raise EdgeError(
            "--isolate confines models to what the CPU can do; leave it out, or --accelerator and --delegate"
        )
    trust = trust_option.policy_of(args)
    bundle = read_bundle(find_model(models[0]), trust) if models else None
    if bundle is not None:
        trained = made_for.array_of(bundle.manifest)
        if array is None:
            array = trained
        elif line := made_for.doubt(bundle.manifest.name, trained, array):
            print(f"edge-sdk: {line}", file=sys.stderr)
    choice = Choice(CPU, 1) if bundle is None else accelerator_options.chosen(args, bundle)
    beam = None
    if args.beam is not None:
        keep, null = zone_options.zones(args.keep), zone_options.zones(args.null)
        beam = BeamConfig(args.beam, args.suppression, args.azimuth, args.postfilter, keep, null)
    calibration = None
    if array is not None and args.calibration is not None:
        calibration = load_calibration(args.calibration, array)
        if line := doubt(calibration, args.capture):
            print(f"edge-sdk: {line}", file=sys.stderr)
    return StreamConfig(
        models,
        args.capture,
        args.playback,
        array=array,
        beam=beam,
        look_deg=args.look,
        calibration=calibration,
        channels=args.channels,
        format=args.format,
        period=args.period or preset.period(bundle.manifest.sample_rate if bundle else RATE_HZ),
        queue=args.queue or preset.queue,
        periods=preset.periods,
        one_clock=args.one_clock,
        paced=args.paced,
        read_ahead=preset.read_ahead,
        isolate=args.isolate,
        highpass_hz=CUTOFF_HZ if args.high_pass is None else args.high_pass,
        mix=MixConfig(args.wet, args.gain),
        limiter=LimiterConfig() if args.ceiling is None else LimiterConfig(args.ceiling),
        backend=args.backend,
        listen=args.http is not None,
        realtime=RealtimeConfig(args.priority, tuple(args.cpu)),
        trust=trust,
        threads=choice.threads,
        accelerator=choice.accelerator,
    )
