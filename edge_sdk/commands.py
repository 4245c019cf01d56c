"""`edge-sdk separate`, `models` and `bench`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk import (
    accelerator_options,
    arrays_command,
    beam_options,
    calibrate_command,
    devices_command,
    doctor_command,
    latency_command,
    localize_command,
    run_command,
    service_command,
    trust_option,
)
from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edge_sdk.bench import Figures
    from edge_sdk.contract import Manifest


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    separate = commands.add_parser("separate", help="write the sources of a recording as wav files")
    separate.add_argument("input", type=Path, metavar="IN.wav", help="a recording: wav, flac or ogg")
    separate.add_argument(
        "--model", required=True, metavar="NAME", help="a shipped model (edge-sdk models) or a bundle"
    )
    separate.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets IN-1.wav, IN-2.wav, ...")
    separate.add_argument(
        "--block", type=positive, metavar="N", help="give the model N samples at a time (default: all)"
    )
    separate.add_argument("--float", action="store_true", help="write 32-bit float samples instead of 16-bit ones")
    separate.add_argument("--force", action="store_true", help="overwrite files")
    beam_options.add_beam(separate)
    calibrate_command.add_option(separate)
    trust_option.add_trust(separate)
    add_interpreter(separate)
    separate.set_defaults(run=run_separate)

    models = commands.add_parser("models", help="list the models that come with this package")
    models.add_argument("--json", action="store_true", help="print the list as JSON")
    models.set_defaults(run=run_models)

    bench = commands.add_parser("bench", help="measure the time per block, memory and start of a model on this machine")
    bench.add_argument("models", nargs="+", metavar="MODEL", help="shipped models (edge-sdk models) or bundles")
    bench.add_argument("--seconds", type=seconds, default=10.0, help="of audio to run (default: 10)")
    bench.add_argument("--paced", action="store_true", help="wait until each block is due, as a sound card does")
    bench.add_argument("--out", type=Path, metavar="FILE.json", help="also write every figure there, for comparisons")
    bench.add_argument("--label", default="", metavar="TEXT", help="what to call this machine in it (its processor)")
    bench.add_argument("--force", action="store_true", help="overwrite the file")
    add_interpreter(bench)
    bench.set_defaults(run=run_bench)

    arrays_command.register(commands)
    latency_command.register(commands)
    localize_command.register(commands)
    run_command.register(commands)
    devices_command.register(commands)
    service_command.register(commands)
    doctor_command.register(commands)


def add_interpreter(command: argparse.ArgumentParser) -> None:
    command.add_argument("--backend", default="auto", help="auto, ai-edge-litert, tflite-runtime or tensorflow")
    accelerator_options.add_accelerator(command)
    accelerator_options.add_cpu(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def run_separate(args: argparse.Namespace) -> int:
    import numpy as np

    from edge_sdk import made_for
    from edge_sdk.audio.calibration import load_calibration
    from edge_sdk.audio.recordings import read_recording
    from edge_sdk.audio.wav import read_wav, write_wavs
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model
    from edge_sdk.separator import Separator

    beam_options.check_beam(args)
    if args.calibration is not None and args.beam is None:
        raise EdgeError("--calibration is for the microphones of an array; choose a spatial filter with --beam")
    bundle = read_bundle(find_model(args.model), trust_option.policy_of(args))
    m = bundle.manifest
    array = None if args.beam is None else beam_options.fitting_array(args.array, m)
    if array is not None and (line := made_for.doubt(m.name, made_for.array_of(m), array)):
        note(line)
    paths = [args.out / f"{args.input.stem}-{source + 1}.wav" for source in range(m.sources)]
    if not args.force and (taken := [path for path in paths if path.exists()]):
        raise EdgeError(f"{taken[0]} exists; choose another --out or give --force")
    if array is None:
        x, file_rate = read_wav(args.input, m.sample_rate, m.mics)
    else:
        x, file_rate = read_recording(args.input, m.sample_rate, array)
        if args.calibration is not None:
            x = load_calibration(args.calibration, array).corrected(x, m.sample_rate)
    if file_rate != m.sample_rate:
        note(f"{args.input}: resampled from {file_rate} Hz to the model's {m.sample_rate} Hz")
    accelerator_options.pin(args)
    choice = accelerator_options.chosen(args, bundle)
    separator = Separator(bundle, args.backend, choice.threads, choice.accelerator)
    stream = separator if array is None else beam_options.beamformer(separator, array, args)
    samples, block = x.shape[1], args.block or x.shape[1]
    begin = time.perf_counter()
    parts = [stream.process(x[:, start : start + block]) for start in range(0, samples, block)]
    y = np.concatenate([*parts, stream.flush()], axis=1)[:, stream.delay :]
    took_s, duration_s = time.perf_counter() - begin, samples / m.sample_rate
    clipped = 0 if args.float else int(np.count_nonzero(np.abs(y) > 1))
    if clipped:
        note(f"{clipped} of {y.size} samples are beyond full scale and were clipped; --float keeps them")
    sources = {path: source[np.newaxis] for path, source in zip(paths, y, strict=True)}
    write_wavs(sources, m.sample_rate, "FLOAT" if args.float else "PCM_16")
    result = {
        "model": m.name,
        "recipe": m.recipe,
        **beam_options.described(args),
        "latency_ms": 1e3 * stream.latency / m.sample_rate,
        "backend": separator.interpreter.backend,
        "accelerator": str(separator.interpreter.accelerator),
        "threads": choice.threads,
        "input": str(args.input),
        "input_rate_hz": file_rate,
        "sample_rate_hz": m.sample_rate,
        "duration_s": duration_s,
        "real_time_factor": took_s / duration_s,
        "clipped_samples": clipped,
        "outputs": [str(path) for path in paths],
    }
    if args.json:
        print(json.dumps(result))
    else:
        for path in paths:
            print(path)
        note(f"{duration_s:.1f} s in {took_s:.2f} s: real-time factor {took_s / duration_s:.3f}")
    return 0


def run_models(args: argparse.Namespace) -> int:
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import shipped_models

    rows = [describe(name, read_bundle(path).manifest) for name, path in shipped_models().items()]
    if args.json:
        print(json.dumps(rows))
        return 0
    print(f"{'name':28} {'recipe':13} {'Hz':>6} {'mics':>4} {'sources':>7} {'ms':>5} {'MB':>6}  quality")
    for row in rows:
        gain = row["quality"].get("si_sdr_improvement")
        quality = f"SI-SDR +{gain:.1f} dB" if isinstance(gain, float) else "-"
        print(
            f"{row['name']:28} {row['recipe']:13} {row['sample_rate_hz']:6} {row['mics']:4} {row['sources']:7}"
            f" {row['latency_ms']:5.1f} {row['size_bytes'] / 1e6:6.2f}  {quality}"
        )
    return 0


def run_bench(args: argparse.Namespace) -> int:
    from edge_sdk.bench import measure
    from edge_sdk.bench_report import Report, rows_of, this_machine, write_report
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model

    if args.out is not None and args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    paths = [find_model(model) for model in args.models]
    rows = []
    accelerator_options.pin(args)
    for path in paths:
        bundle = read_bundle(path)
        choice = accelerator_options.chosen(args, bundle)
        figures = measure(bundle, path, args.backend, choice.threads, args.seconds, args.paced, choice.accelerator)
        rows += rows_of(figures)
        print(json.dumps(asdict(figures)) if args.json else described(figures), flush=True)
    if args.out is not None:
        write_report(Report(this_machine(args.label), tuple(rows)), args.out, args.force)
    return 0


def described(figures: Figures) -> str:
    """The figures of a model for people to read."""
    pace = "as a sound card would" if figures.paced else "without rest (--paced is nearer to life)"
    return "\n".join(
        [
            f"{figures.model} ({figures.recipe}) on {figures.backend}, {figures.accelerator}, "
            f"{figures.threads} thread(s), {pace}",
            f"{figures.machine}, {figures.cpu}",
            f"time per block of {figures.block_ms:g} ms: p50 {figures.p50_us:.0f} us, p99 {figures.p99_us:.0f} us, "
            f"p99.9 {figures.p999_us:.0f} us",
            f"real-time factor {figures.real_time_factor:.3f}, "
            f"host share {100 * figures.host_share:.0f} % ({figures.host})",
            f"resident memory {figures.resident_mb:.0f} MB",
            f"import {figures.import_s:.3f} s, open {figures.open_s:.3f} s; latency {figures.latency_ms:g} ms",
        ]
    )


def describe(name: str, m: Manifest) -> dict[str, Any]:
    """What a user chooses a model by."""
    return {
        "name": name,
        "recipe": m.recipe,
        "sample_rate_hz": m.sample_rate,
        "mics": m.mics,
        "sources": m.sources,
        "latency_ms": 1e3 * m.latency / m.sample_rate,
        "size_bytes": m.size,
        "quality": m.quality,
    }


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return value


def seconds(text: str) -> float:
    """A length of time of at most an hour."""
    if not 0 < (value := float(text)) <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: expected more than 0 and at most 3600")
    return value


def note(text: str) -> None:
    print(f"edge-sdk: {text}", file=sys.stderr)
