"""Hear a shipped model: mix real speech with real noise, stream it block by block, write wavs and one page.

    make demo
    python examples/demo.py --out demo-out [--paced]

Needs the extra `demo` (NumPy, LiteRT, soundfile, soxr, matplotlib); never torch.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from demo_audio import AUDIO, CREDITS, LEVEL_DB, MIXTURES, RATE_HZ, Mixture, Samples, mix, si_sdr
from demo_page import Clip, Section, Table, page

from edge_sdk import EdgeError, Separator
from edge_sdk.audio.wav import write_wav
from edge_sdk.bench import cpu_name
from edge_sdk.contract import write_file

MODELS = {"int8": "enhance-mono", "float32": "enhance-mono-float32"}
WARM_UP = 50  # blocks before anything counts, as in edge-sdk bench


@dataclass
class Run:
    """A model, and what it took for every block it was given."""

    name: str
    separator: Separator
    times_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        run_demo(args.out, args.paced)
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description="Clean noisy speech with the shipped models; write wavs and a page.")
    p.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for the wavs and index.html (demo-out)")
    p.add_argument("--paced", action="store_true", help="give each block when it is due, as a sound card does")
    return p


def run_demo(out: Path, paced: bool) -> None:
    """Everything, from the recordings to the page."""
    runs = [Run(label, Separator.open(model)) for label, model in MODELS.items()]
    for run in runs:
        warm_up(run.separator)
    sections, quality = [], []
    for mixture in MIXTURES:
        clean, noisy = mix(mixture)
        signals = {"noisy": noisy, "clean": clean}
        for name, samples in signals.items():  # before the work: a folder that cannot be written shows at once
            write_wav(wav_path(out, mixture, name), samples, RATE_HZ)
        for run in runs:
            signals[run.name] = stream(run, noisy, paced)
            write_wav(wav_path(out, mixture, run.name), signals[run.name], RATE_HZ)
        scores = {name: si_sdr(samples[0], clean[0]) for name, samples in signals.items() if name != "clean"}
        quality.append((mixture, scores))
        sections.append(section(out, mixture, signals, scores))
    tables = [quality_table(quality), speed_table(runs)]
    about = facts(runs, paced)
    try:
        write_file(out / "index.html", page(headline(quality, runs), sections, tables, about, CREDITS).encode())
        write_file(out / "ATTRIBUTION.md", (AUDIO / "ATTRIBUTION.md").read_bytes())
    except OSError as error:
        raise EdgeError(f"{out}: cannot be written ({error.strerror}); free space or choose another --out") from error
    for table in tables:
        print(table.text(), end="\n\n")
    for name, value in about:
        print(f"{name}: {value}")
    print(f"\nWritten to {out}: the page and {len(MIXTURES) * 4} wav files.")
    print(f"Open {out / 'index.html'} in a browser to look and listen; it needs no network.")
    print(f"Or play a file: aplay {wav_path(out, MIXTURES[0], 'noisy')} {wav_path(out, MIXTURES[0], 'int8')}")


def blocks(x: Samples, size: int) -> Iterator[Samples]:
    """What a sound card would deliver, `[1, size]` at a time; the last one may be shorter."""
    for start in range(0, x.shape[1], size):
        yield x[:, start : start + size]


def stream(run: Run, noisy: Samples, paced: bool) -> Samples:
    """The model's output for the mixture, `[1, n]`, aligned with it; every block's time goes into `run`."""
    separator, parts = run.separator, []
    due = time.perf_counter()
    for block in blocks(noisy, separator.block):
        if paced:
            due += separator.block / RATE_HZ
            time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter()
        parts.append(separator.process(block))
        run.times_s.append(time.perf_counter() - begin)
    parts.append(separator.flush())
    run.audio_s += noisy.shape[1] / RATE_HZ
    return np.concatenate(parts, axis=1)[:, separator.delay :]


def warm_up(separator: Separator) -> None:
    for _ in range(WARM_UP):
        separator.process(np.zeros((1, separator.block), np.float32))
    separator.reset()


def quality_table(quality: list[tuple[Mixture, dict[str, float]]]) -> Table:
    header = ("SI-SDR, dB", "in", "float32 out", "int8 out", "int8 gain")
    rows = [
        (f"{m.title}, {m.snr_db:g} dB SNR", *(f"{s[n]:.1f}" for n in ("noisy", "float32", "int8")), gain(s))
        for m, s in quality
    ]
    return Table("How clean", header, tuple(rows))


def speed_table(runs: list[Run]) -> Table:
    """One column for each model: narrow enough for a phone."""
    columns = []
    for run in runs:
        m = run.separator.manifest
        p50, p99 = np.percentile(run.times_s, [50, 99]) * 1e6
        latency, block = (1000 * n / m.sample_rate for n in (m.latency, m.block))
        figures = (f"{m.size / 1e6:.2f}", f"{latency:g}", f"{block:g}", f"{p50:.0f}", f"{p99:.0f}")
        columns.append((run.name, *figures, f"{real_time_factor(run):.3f}"))
    times = ("time per block p50, µs", "time per block p99, µs", "real-time factor")
    names = ("model size, MB", "algorithmic latency, ms", "block, ms", *times)
    rows = tuple(zip(("enhance-mono", *names), *columns, strict=True))
    return Table("How fast, on this machine", rows[0], rows[1:])


def gain(scores: dict[str, float]) -> str:
    return f"{scores['int8'] - scores['noisy']:+.1f}"


def real_time_factor(run: Run) -> float:
    return sum(run.times_s) / run.audio_s


def headline(quality: list[tuple[Mixture, dict[str, float]]], runs: list[Run]) -> tuple[tuple[str, str], ...]:
    """The figures a reader looks for first: value and what it is, all of the int8 model."""
    run = next(run for run in runs if run.name == "int8")
    mean = np.mean([s["int8"] - s["noisy"] for _, s in quality])
    m = run.separator.manifest
    median_us, block_ms = np.percentile(run.times_s, 50) * 1e6, 1000 * m.block / m.sample_rate
    return (
        (f"{mean:+.1f} dB", f"SI-SDR, mean of {len(quality)} mixtures"),
        (f"{1000 * m.latency / m.sample_rate:g} ms", "algorithmic latency"),
        (f"{median_us:.0f} µs", f"per block of {block_ms:g} ms (median)"),
        (f"{m.size / 1e6:.2f} MB", "int8 model"),
    )


def section(out: Path, mixture: Mixture, signals: dict[str, Samples], scores: dict[str, float]) -> Section:
    """One mixture of the page: before and after side by side, then the two to compare with."""
    titles = {
        "noisy": ("Before", "the noisy mixture"),
        "int8": ("After", "the int8 model's output"),
        "clean": ("Clean", "the speech alone, which the model never gets"),
        "float32": ("After, float32", "the float32 model's output, to compare"),
    }
    clips = []
    for name, (title, what) in titles.items():
        score = f"SI-SDR {scores[name]:.1f} dB" if name in scores else ""
        wav = wav_path(out, mixture, name).read_bytes()
        clips.append(Clip(title, what, score, signals[name][0], wav, accent=name == "int8"))
    lead = f"{mixture.snr_db:g} dB SNR. SI-SDR {gain(scores)} dB with the int8 model."
    return Section(mixture.title, lead, tuple(clips), RATE_HZ)


def wav_path(out: Path, mixture: Mixture, name: str) -> Path:
    return out / f"{mixture.file}-{name}.wav"


def facts(runs: list[Run], paced: bool) -> tuple[tuple[str, str], ...]:
    """What the figures depend on."""
    separator = runs[0].separator
    pace = "each given when it is due, as a sound card does" if paced else "one after the other without rest"
    count = len(runs[0].times_s)
    return (
        ("machine", f"{platform.machine()}, {cpu_name()}, 1 thread; the times are this machine's and no other's"),
        ("software", f"{separator.interpreter.backend}, NumPy {np.__version__}, Python {platform.python_version()}"),
        ("blocks", f"{count} of {separator.block} samples for each model, {pace}"),
        (
            "mixing",
            f"speech at {LEVEL_DB:g} dBFS, noise below it by the SNR (mean powers), seeds in examples/demo_audio.py",
        ),
        ("date", date.today().isoformat()),
        ("command", shlex.join(["python", *sys.argv])),
    )


if __name__ == "__main__":
    sys.exit(main())
