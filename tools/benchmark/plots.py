"""Plots of a report: a step beside other ways to compute it, time against size, and every preset in real time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_sdk.bench_report import Report, Row
from quantization.drawing import ACCENT, QUIET, RC, figure, svg

FULL_TIME = 1.0  # real-time factor of a core that does nothing else


def plots(report: Report) -> list[tuple[str, str]]:
    """Title and SVG of every plot that there are figures for."""
    import matplotlib

    with matplotlib.rc_context(RC):
        found = [(f"Time of a block: {subject}", beside(subject, rows)) for subject, rows in alternatives(report)]
        if lines := sizes(report):
            found.append(("Time against size", against_size(lines)))
        if rows := [r for r in report.rows if r.group == "presets" and r.measure == "real-time factor"]:
            found.append(("Real-time factor of every preset on one core", in_real_time(rows)))
        return found


def alternatives(report: Report) -> list[tuple[str, list[Row]]]:
    """The medians of every way to compute a step, by network."""
    rows = [row for row in report.rows if row.group == "alternatives" and row.measure == "p50"]
    return [(s, [row for row in rows if row.subject == s]) for s in dict.fromkeys(row.subject for row in rows)]


def beside(subject: str, rows: Sequence[Row]) -> str:
    """A bar for every way; ours stand out. Logarithmic: the slowest takes hundreds of times as long."""
    ordered = sorted(rows, key=lambda row: row.value)
    canvas, axes = figure(0.7 + 0.22 * len(ordered))
    for place, row in enumerate(ordered):
        ours = row.variant.startswith("edge-sdk")
        axes.barh(place, row.value, color=ACCENT if ours else QUIET, height=0.65, alpha=1.0 if ours else 0.6)
        shown = f"{row.value:.3g}" if row.value < 100 else f"{row.value:,.0f}"
        axes.annotate(shown, (row.value, place), (3, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_yticks(range(len(ordered)), [row.variant for row in ordered])
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    axes.set_xlabel("median, microseconds")
    return svg(canvas, f"Median time of a block by every way to compute it: {subject}", f"beside-{subject}")


def sizes(report: Report) -> dict[str, list[tuple[int, float]]]:
    """Sizes and medians by what grows, the smallest first."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in report.rows:
        if row.group == "scale" and row.measure == "p50" and (found := re.fullmatch(r"(\d+) (.+)", row.subject)):
            lines.setdefault(found[2], []).append((int(found[1]), row.value))
    return {what: sorted(points) for what, points in lines.items() if len(points) > 1}


def against_size(lines: dict[str, list[tuple[int, float]]]) -> str:
    """Every line from its smallest size on: how many times as large, how many times as long."""
    canvas, axes = figure(3.0)
    most = 1.0
    for what, points in lines.items():
        (least, quickest), *_ = points
        grown = [(size / least, time / quickest) for size, time in points]
        most = max(most, *(size for size, _ in grown))
        axes.plot(*zip(*grown, strict=True), color=ACCENT, marker="o", markersize=4)
        axes.annotate(what, grown[-1], (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.plot([1, most], [1, most], color=QUIET, linewidth=0.9, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="times as large (dotted: time in proportion)", ylabel="times as long")
    axes.set_xlim(right=4 * most)
    return svg(canvas, "Time of a block against channels, blocks, sources, microphones and threads", "sizes")


def in_real_time(rows: Sequence[Row]) -> str:
    """A line for every preset with a dot for each recipe and number of frames; int8 stands out."""
    presets = list(dict.fromkeys(row.subject for row in rows))
    canvas, axes = figure(0.8 + 0.2 * len(presets))
    for row in rows:
        place, large = presets.index(row.subject), re.search(r", 1 frame$", row.variant) is not None
        colour = ACCENT if row.variant.startswith("dynamic_int8") else QUIET
        axes.plot(row.value, place, "o" if large else ".", color=colour, markersize=6 if large else 5, alpha=0.85)
    axes.axvline(FULL_TIME, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_yticks(range(len(presets)), presets, fontsize=7.5)
    axes.set_ylim(len(presets) - 0.5, -0.5)
    axes.set_xlabel("real-time factor; large dots: one frame per step; coloured: int8; dotted: all of a core")
    return svg(canvas, "Real-time factor of every preset by recipe and frames per step, as in the table", "presets")
