"""The report of an evaluation: one HTML file with its plots, pictures and sounds inside, and all figures as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from models.evaluation.metrics import assign, si_sdr
from models.evaluation.scores import Score
from models.evaluation.summaries import AXES, gain, ranked
from quantization import page
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
from quantization.media import Signal, matched, picture_and_sound, scale
from quantization.page import definitions, figures, fill, made_by
from quantization.scoring import Model, Task, separated

HEARD = 2  # mixtures from each end and from the middle that can be listened to
LONGEST_S = 5.0  # of what can be listened to: sounds are most of the file
DATA = "evaluation.json"


def check_free(folder: Path, force: bool = False) -> None:
    """`EdgeError` where a report cannot be written, or would overwrite one and not `force`: before the work is done."""
    page.check_free(folder, "--report", force)


def write_report(folder: Path, task: Task, model: Model, found: Results, scores: Sequence[Score]) -> None:
    """Write the page and `evaluation.json` into the folder, both or none."""
    html, data = html_of(task, model, found, scores), {**found, "clips": clips(scores)}
    page.write_page(folder, html, DATA, data, "--report")


def html_of(task: Task, model: Model, found: Results, scores: Sequence[Score]) -> str:
    """The whole page; it loads nothing from anywhere."""
    parts = {
        "title": escape(f"{found['model']} on {found['set']}"),
        "lead": escape("; ".join(note(found)) + "."),
        "headline": definitions((what, value) for value, what in headline(found)),
        "table": rows_table(found).html(),
        "plots": figures(plots(found, scores)),
        "bins": "".join(bins_table(AXES[axis][0], bins).html() for axis, bins in found["against"].items())
        or "<p>All mixtures are alike.</p>",
        "listen": f"The worst, middle and best mixtures, the first {LONGEST_S:g} seconds of each, outputs at the level "
        f"of their targets. {scale(model.sample_rate)}",
        "clips": "".join(clip_html(task, model, score, rank) for rank, score in chosen(scores)),
        "all": clips_table("All mixtures", [clip(s) for s in ranked(scores)]).html(),
        "about": definitions(facts(task, model, found)),
    }
    return fill("evaluation", parts)


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


def signal_html(title: str, where: str, samples: Signal, sample_rate: int) -> str:
    samples = samples[: round(LONGEST_S * sample_rate)]
    what = escape(f"{title}, {where}")
    picture, sound = picture_and_sound(samples, sample_rate)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><img alt="Spectrogram: {what}" src="{picture}">'
        f'<audio controls preload="metadata" aria-label="Listen: {what}" src="{sound}"></audio></figure>'
    )


def facts(task: Task, model: Model, found: Results) -> Iterator[tuple[str, str]]:
    """What the figures depend on."""
    shape = f"{model.sources} source(s) of {model.mics} microphone(s) at {model.sample_rate} Hz"
    yield "model", f"{task.model}: {model.about}, {shape}"
    digest = f", sha256 {found['set_sha256']}" if "set_sha256" in found else ""
    yield "set", f"{task.set}, {found['mixtures']} mixtures{digest}"
    yield "machine", found["machine"]
    yield from made_by(found["date"])
