"""Plots of a comparison: what decibels cost in size and in time, mixture by mixture, and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from quantization.comparison import Comparison, Row
from quantization.drawing import ACCENT, QUIET, RC, figure, svg
from quantization.sensitivity import Sensitivity

LOSS = "mean loss, dB SI-SDR"
SHOWN = 24  # layers, those that cost most
LETTER = 5.4, 12.0  # points of width and height that a letter of a label takes
CLEAR = 9.0  # points from a version up to its label


def plots(found: Comparison, layers: Sequence[Sensitivity] = ()) -> list[tuple[str, str]]:
    """Title and SVG of every plot that there are figures for."""
    import matplotlib

    with matplotlib.rc_context(RC):
        drawn = [("Loss on every mixture", by_mixture(found))] if len(found.rows) > 1 else []
        sizes, times = (front(found, *axis) for axis in (SIZE, TIME))
        drawn += [(title, drawing) for title, drawing in ((SIZE[0], sizes), (TIME[0], times)) if drawing]
        if layers:
            title = "Loss by one layer alone" + (f", the {SHOWN} that cost most" if len(layers) > SHOWN else "")
            drawn.append((title, by_layer(layers)))
        return drawn


def size_kib(row: Row) -> float | None:
    return row.size / 1024 if row.size else None


def time_ms(row: Row) -> float | None:
    return 1000 * row.speed.of_real_time if row.speed else None


SIZE = "Size against loss", "KiB", size_kib
TIME = "Time against loss", "ms of one core per second of sound (median)", time_ms


def front(found: Comparison, title: str, axis: str, of: Callable[[Row], float | None]) -> str:
    """Every version by its cost and its loss with the interval; a line joins those that no other beats in both."""
    known = [(number, row, cost) for number, row in enumerate(found.rows, 1) if (cost := of(row)) is not None]
    if len(known) < 2:
        return ""
    points = [(cost, row.loss.mean) for _, row, cost in known]
    best = sorted(p for p in points if not any(beats(other, p) for other in points))
    canvas, axes = figure(3.0)
    axes.step(*zip(*best, strict=True), where="post", color=QUIET, linewidth=0.9, linestyle=":")
    for number, row, cost in known:
        colour = QUIET if number == 1 else ACCENT
        if number > 1 and row.loss.low is not None:
            axes.plot([cost, cost], [row.loss.low, row.loss.high], color=colour, linewidth=1.5, alpha=0.6)
        axes.plot(cost, row.loss.mean, "o", color=colour, markersize=6)
    axes.set(xlabel=axis, ylabel=LOSS, xlim=(0, 1.12 * max(cost for cost, _ in points)))
    axes.margins(y=0.15)
    name(canvas, axes, [(*point, f"{n} {row.label}") for point, (n, row, _) in zip(points, known, strict=True)])
    return svg(canvas, f"{title}: {axis} and {LOSS} of every version, as in the table", title.split()[0].lower())


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a version is at least as cheap and as good as another, and better in one."""
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def name(canvas: Any, axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write labels above points, towards the middle of the drawing, each higher than those that it would touch."""
    canvas.draw_without_rendering()
    middle, (width, line) = sum(axes.get_xlim()) / 2, LETTER
    at = [axes.transData.transform(point[:2]) * 72 / canvas.dpi for point in points]
    taken = [(x - 5, x + 5, y) for x, y in at]  # left and right end, and height: of the points first
    for cost, loss, label in sorted(points, key=lambda point: (point[1], point[0])):
        side = -1 if cost > middle else 1
        x, y = axes.transData.transform((cost, loss)) * 72 / canvas.dpi
        left, right = sorted((x + 4 * side, x + side * (4 + width * len(label))))
        height = y + CLEAR
        while any(left < b and right > a and abs(height - c) < line for a, b, c in taken):
            height += 1.0
        taken.append((left, right, height))
        aligned = "right" if side < 0 else "left"
        axes.annotate(label, (cost, loss), (4 * side, height - y), textcoords="offset points", ha=aligned, va="center")


def by_mixture(found: Comparison) -> str:
    """A dot for every mixture's loss, and the mean of each version with its interval."""
    rows = list(enumerate(found.rows, 1))[1:]
    canvas, axes = figure(0.9 + 0.4 * len(rows))
    for place, (_, row) in enumerate(rows):
        losses = [loss for loss in row.loss.by_mixture if loss is not None]
        axes.plot(losses, [place] * len(losses), "|", color=QUIET, markersize=9, alpha=0.8)
        if row.loss.low is not None:
            axes.plot([row.loss.low, row.loss.high], [place, place], color=ACCENT, linewidth=2)
        axes.plot(row.loss.mean, place, "o", color=ACCENT, markersize=6)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [f"{number} {row.label}" for number, row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("loss, dB SI-SDR: mixtures, and the mean with its interval")
    return svg(canvas, "Loss of every version on every mixture", "losses")


def by_layer(layers: Sequence[Sensitivity]) -> str:
    """The mean loss by each layer as a bar, and its worst mixture at the end of the line."""
    rows = sorted(layers, key=lambda row: -row.loss_db)[:SHOWN]
    canvas, axes = figure(0.8 + 0.19 * len(rows))
    for place, row in enumerate(rows):
        axes.barh(place, row.loss_db, color=ACCENT, height=0.65)
        axes.plot([row.loss_db, row.worst_db], [place, place], color=QUIET, linewidth=1.2)
        axes.plot(row.worst_db, place, "|", color=QUIET, markersize=7)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.layer for row in rows], fontsize=7.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("mean loss, dB SI-SDR; the line: worst mixture")
    return svg(canvas, "Loss by single layers, as in the table", "layers")
