"""`edge-sdk latency`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import EdgeError
from edge_sdk.live.presets import PRESETS, stream_latency

if TYPE_CHECKING:
    from edge_sdk.contract import LatencyPart


def register(commands: Any) -> None:
    """Add `latency`. Packages that know models of other kinds add functions to `finders`, from the arguments to what
    `of_bundle` gives, or None where the model is not theirs."""
    latency = commands.add_parser("latency", help="say where the latency of a model comes from, part by part")
    latency.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a shipped model or a bundle; with torch also a preset (edge-sdk models --all) or a checkpoint",
    )
    latency.add_argument(
        "--frames-per-step", type=frames, metavar="N", help="as if it ran N frames at a time (default: as it does)"
    )
    live = latency.add_argument_group("from microphone to loudspeaker", "as edge-sdk run has it")
    live.add_argument(
        "--preset", choices=tuple(PRESETS), help="; ".join(f"{k}: {p.purpose}" for k, p in PRESETS.items())
    )
    live.add_argument("--period", type=frames, metavar="N", help="samples that the sound card gives at once")
    live.add_argument("--queue", type=frames, metavar="N", help="periods that wait in the playback device")
    live.add_argument("--measure", action="store_true", help="send clicks through a stream whose ends are joined")
    live.add_argument("--capture", metavar="DEVICE", help="of --measure, as for edge-sdk run")
    live.add_argument(
        "--playback", metavar="DEVICE", help="of --measure, joined to the capture by a cable or a loopback"
    )
    live.add_argument("--array", metavar="NAME", help="of --measure, the microphones of the capture")
    live.add_argument("--channels", type=frames, metavar="N", help="of --measure, those of the playback")
    latency.add_argument("--json", action="store_true", help="print the parts as JSON")
    latency.set_defaults(run=run_latency, finders=())


def run_latency(args: argparse.Namespace) -> int:
    from edge_sdk.library import shipped_models

    live = args.preset is not None or args.period is not None or args.queue is not None
    if args.model is None:
        if args.preset is None:
            raise EdgeError("no model given: expected one, or --preset, which has its own")
        args.model = PRESETS[args.preset].model
    if args.measure:
        return run_measure(args)
    if live:
        rate_hz, parts = of_stream(args)
        return show(
            args, rate_hz, parts, "Until it is heard there are the converters, too: edge-sdk latency --measure."
        )
    found = (find(args) for find in args.finders if args.model not in shipped_models())
    rate_hz, parts = next((one for one in found if one is not None), None) or of_bundle(args)
    return show(args, rate_hz, parts, "To this a device adds the buffers of its sound card: edge-sdk latency --preset.")


def show(args: argparse.Namespace, rate_hz: int, parts: tuple[LatencyPart, ...], rest: str) -> int:
    """Print the parts and their sum."""
    samples = sum(part.samples for part in parts)
    if args.json:
        rows = [{"name": p.name, "samples": p.samples, "ms": 1e3 * p.samples / rate_hz, "why": p.reason} for p in parts]
        total = {"model": args.model, "sample_rate_hz": rate_hz, "samples": samples, "ms": 1e3 * samples / rate_hz}
        print(json.dumps({**total, "parts": rows}))
        return 0
    print(f"{args.model}: {samples} samples at {rate_hz} Hz, {1e3 * samples / rate_hz:g} ms")
    for part in parts:
        print(f"{part.samples:6} {1e3 * part.samples / rate_hz:8.3f} ms  {part.name}: {part.reason}")
    print(rest)
    return 0


def of_stream(args: argparse.Namespace) -> tuple[int, tuple[LatencyPart, ...]]:
    """Sample rate in Hz and parts of the way from a microphone to a loudspeaker."""
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model

    m = read_bundle(find_model(args.model)).manifest
    preset = PRESETS[args.preset or "speaker"]
    period = args.period or preset.period(m.sample_rate)
    return m.sample_rate, stream_latency(m, period, period * (args.queue or preset.queue))


def run_measure(args: argparse.Namespace) -> int:
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model
    from edge_sdk.live.realtime import RealtimeConfig
    from edge_sdk.live.roundtrip import measure
    from edge_sdk.live.stream_config import StreamConfig

    if args.capture is None or args.playback is None:
        raise EdgeError("--measure needs the devices: give --capture and --playback, joined by a cable or a loopback")
    preset = PRESETS[args.preset or "speaker"]
    rate_hz = read_bundle(find_model(args.model)).manifest.sample_rate
    found = measure(
        StreamConfig(
            (args.model,),
            args.capture,
            args.playback,
            array=None if args.array is None else load_array(args.array),
            channels=args.channels,
            period=args.period or preset.period(rate_hz),
            queue=args.queue or preset.queue,
            periods=preset.periods,
            realtime=RealtimeConfig(),
        )
    )
    computed, stream = sum(part.samples for part in found.computed), found.total - found.beyond

    def ms(samples: int) -> float:
        return round(1e3 * samples / rate_hz, 3)

    if args.json:
        plain = {"computed_ms": ms(computed), "measured_ms": ms(stream), "devices_ms": ms(found.beyond)}
        print(json.dumps({"model": args.model, **plain, "clicks_ms": [ms(click) for click in found.clicks]}))
        return 0
    print(f"{args.model}: {ms(stream)} ms measured, {ms(computed)} ms computed, from microphone to loudspeaker")
    print(f"{ms(found.beyond)} ms more in the devices: converters, or buffers of a sound server")
    print(f"{len(found.clicks)} clicks took {ms(min(found.clicks))} to {ms(max(found.clicks))} ms all in all")
    return 0


def of_bundle(args: argparse.Namespace) -> tuple[int, tuple[LatencyPart, ...]]:
    """Sample rate in Hz and parts of a shipped model, or of the model in a bundle file."""
    from edge_sdk.contract import latency_parts, read_bundle
    from edge_sdk.library import find_model

    m = read_bundle(find_model(args.model)).manifest
    step = args.frames_per_step or m.frames_per_step
    return m.sample_rate, latency_parts(m.window, m.hop, m.context, m.alignment, step)


def frames(text: str) -> int:
    """A number of frames."""
    if not 1 <= (value := int(text)) <= 4096:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 4096")
    return value
