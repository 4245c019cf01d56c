"""Plots of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.evaluation.scores import Score
from models.evaluation.summaries import AXES, gain, ranked
from quantization.drawing import ACCENT, QUIET, RC, figure, svg
from quantization.evaluation import Results, points

GAIN = "SI-SDR improvement, dB"


def plots(found: Results, scores: Sequence[Score]) -> list[tuple[str, str]]:
    """Title and SVG of every plot."""
    import matplotlib

    with matplotlib.rc_context(RC):
        return [
            ("All methods: means and 95 % intervals", methods(found)),
            ("Every mixture", waterfall(scores)),
            ("Distribution", histogram(scores)),
            *((f"By {AXES[axis][0]}", by_axis(axis, found, points(scores, axis))) for axis in found["against"]),
        ]


def methods(found: Results) -> str:
    """Mean improvement of baselines, model and ceilings with their intervals."""
    others = list(found["references"].values())
    rows = [r for r in others if r["kind"] == "baseline"]
    rows += [{**found, "title": found["model"], "kind": "model"}, *(r for r in others if r["kind"] == "ceiling")]
    canvas, axes = figure(0.9 + 0.24 * len(rows))
    for number, row in enumerate(rows):
        low, mean, high = (row[f"si_sdr_improvement{end}"] for end in ("_low", "", "_high"))
        if mean is None:
            continue
        colour = ACCENT if row["kind"] == "model" else QUIET
        axes.plot([low, high], [number, number], color=colour, linewidth=2)
        axes.plot(mean, number, "o" if row["kind"] != "ceiling" else "D", color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [r["title"] for r in rows])
    axes.invert_yaxis()
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xlabel(GAIN)
    return svg(canvas, "Mean improvement of baselines, model and ceilings", "methods")


def waterfall(scores: Sequence[Score]) -> str:
    """Improvement of every mixture, from the best to the worst."""
    gains = [gain(s) for s in reversed(ranked(scores))]
    canvas, axes = figure()
    axes.bar(range(1, len(gains) + 1), gains, color=[ACCENT if g > 0 else QUIET for g in gains], width=0.8)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set(xlabel="mixtures, the best first", ylabel=GAIN)
    return svg(canvas, "Improvement of every mixture, the best first", "waterfall")


def histogram(scores: Sequence[Score]) -> str:
    """How many mixtures improve by how much."""
    gains = [gain(s) for s in ranked(scores)]
    canvas, axes = figure()
    axes.hist(gains, bins=min(20, max(4, round(np.sqrt(len(gains)) * 1.5))), color=ACCENT)
    axes.set(xlabel=GAIN, ylabel="mixtures")
    axes.yaxis.get_major_locator().set_params(integer=True)
    return svg(canvas, "Histogram of the improvement", "histogram")


def by_axis(axis: str, found: Results, mixtures: Sequence[tuple[float, float]]) -> str:
    """Improvement of every mixture against what it is like (`points`), and the means of bins with their intervals."""
    at, gains = np.array(mixtures).T
    canvas, axes = figure()
    axes.plot(at, gains, "o", color=QUIET, markersize=3, alpha=0.7)
    for each in found["against"][axis]:
        low = at.min() if each["from"] is None else max(each["from"], at.min())
        high = at.max() if each["to"] is None else min(each["to"], at.max())
        least, mean, most = (each[f"si_sdr_improvement{end}"] for end in ("_low", "", "_high"))
        if mean is None:
            continue
        axes.plot([low, high], [mean, mean], color=ACCENT, linewidth=2)
        if least is not None:
            axes.fill_between([low, high], least, most, color=ACCENT, alpha=0.18, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set(xlabel=AXES[axis][0], ylabel=GAIN)
    return svg(canvas, f"Improvement against {AXES[axis][0]}", axis)
