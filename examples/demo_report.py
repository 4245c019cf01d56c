"""What the demo says of a run: its tables, its figures, and every sound of its page."""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from demo_audio import LEVEL_DB, RATE_HZ, Mixture, Samples
from demo_page import Clip, Section, Table

from edge_sdk import Separator
from edge_sdk.audio.wav import write_wav
from edge_sdk.bench import cpu_name

TWINS = {"int8": "", "float32": "-float32"}  # what is appended to the name of a shipped model
HEARD = "noisy"  # the file of what the first microphone hears


@dataclass
class Run:
    """A model, and what it took for every block it was given."""

    name: str
    separator: Separator
    times_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0


@dataclass(frozen=True)
class Result:
    """A mixture, every voice in it as each kind of model gives it, and SI-SDR in dB.

    scores: of each voice in the mixture as it is (`in`) and in what each kind of model gives.
    """

    mixture: Mixture
    outputs: dict[str, dict[str, Samples]]
    scores: dict[str, dict[str, float]]

    @property
    def gains(self) -> list[float]:
        """Of the int8 model, for every voice."""
        return [score["int8"] - score["in"] for score in self.scores.values()]


def quality_table(results: list[Result]) -> Table:
    header = ("SI-SDR, dB", "in", "float32 out", "int8 out", "int8 gain")
    rows = [
        (label(result.mixture, voice), *(tenths(score[n]) for n in ("in", "float32", "int8")), signed(gain))
        for result in results
        for (voice, score), gain in zip(result.scores.items(), result.gains, strict=True)
    ]
    return Table("How clean", header, tuple(rows))


def label(mixture: Mixture, voice: str) -> str:
    """What a row of figures is about."""
    if len(mixture.voices) > 1:
        return f"{mixture.title}: the {voice}"
    return f"{mixture.title}, {mixture.about}"


def speed_table(model: str, runs: list[Run]) -> Table:
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
    rows = tuple(zip(("weights", *names), *columns, strict=True))
    return Table(f"How fast is {model}, on this machine", rows[0], rows[1:])


def tenths(value: float) -> str:
    """With one decimal, and never -0.0."""
    return f"{round(value, 1) + 0.0:.1f}"


def signed(gain: float) -> str:
    return f"{gain:+.1f}"


def real_time_factor(run: Run) -> float:
    return sum(run.times_s) / run.audio_s


def headline(results: list[Result], models: dict[str, list[Run]]) -> tuple[tuple[str, str], ...]:
    """The figures a reader looks for first: value and what it is, of the int8 model that cleans."""
    first = results[0].mixture.model
    run = next(run for run in models[first] if run.name == "int8")
    gains = [gain for result in results if result.mixture.model == first for gain in result.gains]
    m = run.separator.manifest
    median_us, block_ms = np.percentile(run.times_s, 50) * 1e6, 1000 * m.block / m.sample_rate
    return (
        (f"{np.mean(gains):+.1f} dB", f"SI-SDR out of noise, mean of {len(gains)} mixtures"),
        (f"{1000 * m.latency / m.sample_rate:g} ms", "algorithmic latency"),
        (f"{median_us:.0f} µs", f"per block of {block_ms:g} ms (median)"),
        (f"{m.size / 1e6:.2f} MB", "int8 model"),
    )


def section(out: Path, result: Result) -> Section:
    """One mixture of the page: before and after side by side, then what to compare with; its files are written."""
    mixture, one = result.mixture, len(result.mixture.voices) == 1
    what = "the mixture" if len(mixture.heard) == 1 else "the mixture, at the first microphone"
    clips = [clip(out, mixture, HEARD, "Before", what, mixture.heard[0], mean_score(result, "in"))]
    for kind in TWINS:
        for voice, score in result.scores.items():
            name, of = (kind, "") if one else (f"{voice}-{kind}", f": the {voice}")
            title = f"After{of}" if kind == "int8" else f"After, {kind}{of}"
            what = f"the {kind} model's output" + ("" if kind == "int8" else ", to compare")
            samples = result.outputs[kind][voice]
            clips.append(clip(out, mixture, name, title, what, samples, score[kind], accent=kind == "int8"))
    for voice, clean in mixture.voices.items():
        name, title = ("clean", "Clean") if one else (f"{voice}-clean", f"The {voice} alone")
        clips.append(clip(out, mixture, name, title, "the speech alone, which the model never gets", clean))
    gains = " and ".join(signed(gain) for gain in result.gains)
    return Section(mixture.title, f"{mixture.about}. SI-SDR {gains} dB with the int8 model.", tuple(clips), RATE_HZ)


def mean_score(result: Result, name: str) -> float:
    return float(np.mean([score[name] for score in result.scores.values()]))


def clip(
    out: Path,
    mixture: Mixture,
    name: str,
    title: str,
    what: str,
    samples: Samples,
    score_db: float | None = None,
    accent: bool = False,
) -> Clip:
    """A signal `[n]`, written to its file, for the page."""
    path = wav_path(out, mixture, name)
    write_wav(path, samples[None], RATE_HZ)
    score = "" if score_db is None else f"SI-SDR {tenths(score_db)} dB"
    return Clip(title, what, score, samples, path.read_bytes(), accent)


def wav_path(out: Path, mixture: Mixture, name: str) -> Path:
    return out / f"{mixture.file}-{name}.wav"


def facts(models: dict[str, list[Run]], paced: bool) -> tuple[tuple[str, str], ...]:
    """What the figures depend on."""
    separator = next(iter(models.values()))[0].separator
    counts = [f"{len(f[0].times_s)} of {f[0].separator.block} samples for each {name}" for name, f in models.items()]
    pace = "each given when it is due, as a sound card does" if paced else "one after the other without rest"
    return (
        ("machine", f"{platform.machine()}, {cpu_name()}, 1 thread; the times are this machine's and no other's"),
        ("software", f"{separator.interpreter.backend}, NumPy {np.__version__}, Python {platform.python_version()}"),
        ("blocks", f"{', '.join(counts)}; {pace}"),
        (
            "mixing",
            f"speech at {LEVEL_DB:g} dBFS, noise below it by the SNR (mean powers), seeds in examples/demo_audio.py",
        ),
        ("date", date.today().isoformat()),
        ("command", shlex.join(["python", *sys.argv])),
    )
