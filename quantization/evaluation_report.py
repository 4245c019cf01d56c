"""The report of an evaluation: one HTML file with its plots, pictures and sounds inside, and all figures as JSON."""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_sdk.contract import write_files
from edge_sdk.errors import EdgeError
from models.evaluation.metrics import assign, si_sdr
from models.evaluation.scores import Score
from models.evaluation.stft import STFT
from models.evaluation.summaries import AXES, gain, ranked
from quantization.evaluation import (
    Results,
    bins_table,
    clip,
    clips,
    clips_table,
    describe,
    note,
    rows_table,
)
from quantization.evaluation_plots import plots
from quantization.scoring import Model, Task, separated

HEARD = 2  # mixtures from each end and from the middle that can be listened to
LONGEST_S = 5.0  # of what can be listened to: sounds are most of the file
FLOOR_DB, CEILING_DB, STEP_DB = -100.0, -30.0, 3.5  # of spectrograms, in steps that nobody sees: half the size
PAGE, DATA = "index.html", "evaluation.json"

Signal = npt.NDArray[np.float32]


def check_free(folder: Path, force: bool = False) -> None:
    """`EdgeError` where a report cannot be written, or would overwrite one and not `force`: before the work is done."""
    if (folder / PAGE).exists() and not force:
        raise EdgeError(f"{folder / PAGE} exists; choose another --report or give --force")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise EdgeError(f"{folder}: cannot be written below {there}; choose another --report")


def write_report(folder: Path, task: Task, model: Model, found: Results, scores: Sequence[Score]) -> None:
    """Write the page and `evaluation.json` into the folder, both or none."""
    html = page(task, model, found, scores)
    data = json.dumps({**found, "clips": clips(scores)}, indent=1)
    try:
        write_files({folder / PAGE: html.encode(), folder / DATA: data.encode()})
    except OSError as error:
        where = error.filename or folder
        raise EdgeError(
            f"{where}: cannot be written ({error.strerror}); free space or choose another --report"
        ) from error


def page(task: Task, model: Model, found: Results, scores: Sequence[Score]) -> str:
    """The whole page; it loads nothing from anywhere."""
    parts = {
        "title": escape(f"{found['model']} on {found['set']}"),
        "lead": escape("; ".join(note(found)) + "."),
        "headline": definitions((what, value) for value, what in headline(found)),
        "table": rows_table(found).html(),
        "plots": "".join(
            f"<figure><figcaption>{escape(title)}</figcaption>{drawing}</figure>"
            for title, drawing in plots(found, scores)
        ),
        "bins": "".join(bins_table(AXES[axis][0], bins).html() for axis, bins in found["against"].items())
        or "<p>All mixtures are alike.</p>",
        "listen": f"The worst, middle and best mixtures, the first {LONGEST_S:g} seconds of each, outputs at the level "
        f"of their targets. Spectrograms: time to the right, frequency upwards to {model.sample_rate / 2000:g} kHz, "
        f"{CEILING_DB - FLOOR_DB:g} dB from black to the brightest.",
        "clips": "".join(clip_html(task, model, score, rank) for rank, score in chosen(scores)),
        "all": clips_table("All mixtures", [clip(s) for s in ranked(scores)]).html(),
        "about": definitions(facts(task, model, found)),
    }
    html = (files("quantization") / "assets" / "evaluation.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        html = html.replace(f"[[{name}]]", part)
    return html


def definitions(pairs: Iterator[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def headline(found: Results) -> Iterator[tuple[str, str]]:
    """The figures a reader looks for first: value and what it is."""
    low, high = (found[f"si_sdr_improvement_{end}"] for end in ("low", "high"))
    yield f"{found['si_sdr_improvement']:+.1f} dB", f"SI-SDR improvement (95 %: {low:.1f} to {high:.1f})"
    rows = found["references"].values()
    for kind in ("baseline", "ceiling"):
        known = [r["si_sdr"] for r in rows if r["kind"] == kind and r["si_sdr"] is not None]
        if known and found["si_sdr"] is not None:
            yield f"{found['si_sdr'] - max(known):+.1f} dB", f"against the best {kind}"
    yield f"{found['si_sdr_improvement_worst']:+.1f} dB", "the worst mixture"
    if "swap_rate" in found:
        yield f"{found['swap_rate']:.1%}", "of the seconds talkers are swapped"


def chosen(scores: Sequence[Score]) -> Iterator[tuple[str, Score]]:
    """Mixtures to listen to, each with what it is an example of."""
    order = ranked(scores)
    middle = (len(order) - HEARD) // 2
    places = {
        **{len(order) - 1 - n: "best" for n in range(HEARD)},
        **{middle + n: "middle" for n in range(HEARD)},
        **{n: "worst" for n in range(HEARD)},
    }
    for place in sorted(p for p in places if 0 <= p < len(order)):
        yield places[place], order[place]


def clip_html(task: Task, model: Model, score: Score, rank: str) -> str:
    """One mixture to look at and to listen to: what is heard, what came out, what it should be."""
    example, outputs = separated(task, score.index)
    outputs = outputs[assign(outputs, example.sources)]
    scored = si_sdr(outputs, example.sources)
    signals = [("Mixture", example.mixture[0])]
    for s, (output, source) in enumerate(zip(outputs, example.sources, strict=True), 1):
        number = f" {s}" if len(outputs) > 1 else ""
        signals += [
            (f"Output{number}, SI-SDR {scored[s - 1]:.1f} dB", matched(output, source)),
            (f"Target{number}", source),
        ]
    shown = "".join(signal_html(title, f"mixture {score.index}", x, model.sample_rate) for title, x in signals)
    return (
        f'<section class="mixture"><h3>Mixture {score.index} ({rank}): {gain(score):+.1f} dB</h3>'
        f'<p>{escape(describe(score.about))}</p><div class="signals">{shown}</div></section>'
    )


def matched(output: Signal, source: Signal) -> Signal:
    """The output at the level of its source, for comparing by ear."""
    level = np.sqrt(np.mean(source**2) / (np.mean(output**2) + 1e-12))
    louder: Signal = (output * min(level, 0.99 / (np.abs(output).max() + 1e-9))).astype(np.float32)
    return louder if np.any(source) else output


def signal_html(title: str, where: str, samples: Signal, sample_rate: int) -> str:
    samples = samples[: round(LONGEST_S * sample_rate)]
    what = escape(f"{title}, {where}")
    picture = data_uri("image/png", spectrogram(samples, sample_rate))
    sound = data_uri("audio/flac", flac(samples, sample_rate))
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><img alt="Spectrogram: {what}" src="{picture}">'
        f'<audio controls preload="metadata" aria-label="Listen: {what}" src="{sound}"></audio></figure>'
    )


def spectrogram(samples: Signal, sample_rate: int) -> bytes:
    """Level over time and frequency as PNG; one pixel for 16 ms and for two bins of 32 ms windows."""
    from matplotlib.image import imsave

    stft = STFT.for_rate(sample_rate, overlap=2)
    amplitudes = np.abs(stft.spectra(samples)) / (stft.window / 4)  # a sine of full scale is 0 dB
    pairs = np.maximum(amplitudes[:, 1::2], amplitudes[:, :-1:2])
    level_db = np.clip(20 * np.log10(np.maximum(pairs, 1e-9)), FLOOR_DB, CEILING_DB)
    steps, file = np.round(level_db / STEP_DB) * STEP_DB, io.BytesIO()
    imsave(file, steps.T, vmin=FLOOR_DB, vmax=CEILING_DB, cmap="magma", origin="lower", format="png")
    return file.getvalue()


def flac(samples: Signal, sample_rate: int) -> bytes:
    """A sound file of 16 bits that browsers play, at half the size of a wav."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"


def facts(task: Task, model: Model, found: Results) -> Iterator[tuple[str, str]]:
    """What the figures depend on."""
    shape = f"{model.sources} source(s) of {model.mics} microphone(s) at {model.sample_rate} Hz"
    yield "model", f"{task.model}: {model.about}, {shape}"
    digest = f", sha256 {found['set_sha256']}" if "set_sha256" in found else ""
    yield "set", f"{task.set}, {found['mixtures']} mixtures{digest}"
    yield "software", f"edge-sdk {version('edge-sdk')}, NumPy {np.__version__}, Python {platform.python_version()}"
    yield "machine", found["machine"]
    yield "date", found["date"]
    yield "command", shlex.join(["edge-sdk", *sys.argv[1:]])
