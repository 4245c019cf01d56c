"""Pictures of arrays, beams and talkers, drawn with matplotlib, which only these functions need."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.contract import write_file
from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.beamforming.beams import Beam
    from edge_sdk.beamforming.localizer import Moment
    from edge_sdk.beamforming.signals import Real

SUFFIXES = (".svg", ".png", ".pdf")
COLOURS = ("#0b6e5b", "#b4531a", "#3b5bab", "#8a3b8f", "#7a6a12", "#5a606a")  # of talkers, and of beams
QUIET = "#5a606a"
NAMED_DEG = (0, 45, 90, 135, 180, -135, -90, -45)  # as tables and JSON count azimuths
LOWEST_DB = -30.0  # the middle of a beam pattern


def check(path: Path, force: bool) -> None:
    """`EdgeError`, before any work, where a picture cannot be drawn there."""
    if path.suffix.lower() not in SUFFIXES:
        raise EdgeError(f"{path}: not a kind of picture; expected a name that ends in {', '.join(SUFFIXES)}")
    if path.exists() and not force:
        raise EdgeError(f"{path} exists; choose another name or give --force")
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise EdgeError(
            f"pictures need matplotlib ({error}); pip install 'edge-sdk[demo]', or do without: the figures are printed "
            "either way"
        ) from error


def save(canvas: Any, path: Path) -> None:
    """Write a drawing; the same drawing gives the same bytes."""
    import matplotlib

    kind = path.suffix.lower()[1:]
    nameless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with io.BytesIO() as file, matplotlib.rc_context({"svg.hashsalt": "edge-sdk", "svg.fonttype": "none"}):
        canvas.savefig(file, format=kind, dpi=150, metadata=nameless)
        write_file(path, file.getvalue())


def figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def tracks(moments: Sequence[Moment], array: MicArray) -> Any:
    """Where talkers were: azimuth round the circle, time from the middle outwards. Pale while they were silent."""
    canvas = figure(6.0, 6.0)
    axes = canvas.add_subplot(projection="polar")
    for slot in range(len(moments[0].talkers)):
        colour, named = COLOURS[slot % len(COLOURS)], f"talker {slot + 1}"
        for heard, look in ((False, {"alpha": 0.15, "s": 4}), (True, {"s": 7, "label": named})):
            at = [(t.azimuth_rad, m.time_s) for m in moments if (t := m.talkers[slot]) is not None and t.heard is heard]
            if at:
                axes.scatter(*zip(*at, strict=True), color=colour, linewidths=0, **look)
    axes.set_ylim(0, moments[-1].time_s)
    axes.set_xticks([math.radians(azimuth % 360) for azimuth in NAMED_DEG], [f"{azimuth}°" for azimuth in NAMED_DEG])
    axes.set_rlabel_position(22.5)
    axes.tick_params(axis="y", labelcolor=QUIET, labelsize=8)
    axes.grid(alpha=0.4)
    axes.set_title(f"Talkers round {array.name}: azimuth, and seconds from the middle outwards", fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        canvas.legend(loc="outside lower center", ncols=4, frameon=False, markerscale=3)
    return canvas


def geometry_and_beams(array: MicArray, look_rad: float, azimuths_rad: Real, found: Sequence[Beam]) -> Any:
    """Positions, what each beam gains per band, and the patterns of all bands."""
    designs = list(dict.fromkeys(beam.design for beam in found))
    bands = list(dict.fromkeys(beam.hz for beam in found))
    canvas = figure(2.3 * max(4, len(bands)), 3.2 + 2.6 * len(designs))
    upper, lower = canvas.subfigures(2, 1, height_ratios=[3.2, 2.6 * len(designs)])
    left, *right = upper.subplots(1, 3)
    draw_geometry(left, array, look_rad)
    for axes, (title, field) in zip(right, GAINS, strict=True):
        draw_gains(axes, title, {d: [(b.hz, getattr(b, field)) for b in found if b.design == d] for d in designs})
        draw_aliasing(axes, array)
    panels = lower.subplots(len(designs), len(bands), subplot_kw={"projection": "polar"}, squeeze=False)
    for axes, beam in zip(panels.ravel(), found, strict=True):
        draw_pattern(axes, beam, azimuths_rad, look_rad, COLOURS[designs.index(beam.design)])
        aliased = " *" if beam.hz >= array.aliasing_hz() else ""
        axes.set_title(f"{beam.hz:g} Hz{aliased}", fontsize=9)
    for row, design in zip(panels, designs, strict=True):
        row[0].set_ylabel(design, labelpad=24, color=COLOURS[designs.index(design)])
    ends = f"; * from {array.aliasing_hz():.0f} Hz on the array aliases in space" if array.mics > 1 else ""
    lower.suptitle(f"gain over azimuth, dB, 0 in the look direction, middle {LOWEST_DB:g}{ends}", fontsize=9)
    return canvas


GAINS = (
    ("white-noise gain, dB", "white_noise_gain_db"),
    ("directivity index, dB", "directivity_index_db"),
)


def draw_geometry(axes: Any, array: MicArray, look_rad: float) -> None:
    """The microphones from above, by number, in millimetres, and where the beams look."""
    reach = 1.5 * max([20.0, *(1e3 * math.hypot(x, y) for x, y, _ in array.positions_m)])
    for m, (x, y, _) in enumerate(array.positions_m):
        colour = COLOURS[1] if m == array.reference else COLOURS[0]
        axes.plot(1e3 * x, 1e3 * y, "o", color=colour, markersize=6)
        axes.annotate(str(m), (1e3 * x, 1e3 * y), (4, 4), textcoords="offset points", fontsize=8)
    tip = 0.95 * reach * math.cos(look_rad), 0.95 * reach * math.sin(look_rad)
    axes.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->", "color": QUIET, "alpha": 0.6})
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="x, mm", ylabel="y, mm", aspect="equal")
    axes.set_title(f"{array.name}: arrow, look direction; orange, reference", fontsize=9)


def draw_gains(axes: Any, title: str, gains: dict[str, list[tuple[float, float]]]) -> None:
    """One line per design over frequency."""
    for colour, (design, points) in zip(COLOURS, gains.items(), strict=False):
        axes.plot(*zip(*points, strict=True), "o-", color=colour, label=design, markersize=4)
    axes.set_xscale("log", base=2)
    bands = [hz for hz, _ in next(iter(gains.values()))]
    axes.set_xticks(bands, [f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}" for hz in bands])
    axes.grid(alpha=0.3)
    axes.set_xlabel("Hz")
    axes.set_title(title, fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def draw_aliasing(axes: Any, array: MicArray) -> None:
    """Where frequencies begin at which the array aliases."""
    low, high = axes.get_xlim()
    if low < array.aliasing_hz() < high:
        axes.axvspan(array.aliasing_hz(), high, color=QUIET, alpha=0.12, linewidth=0)
        axes.set_xlim(low, high)


def draw_pattern(axes: Any, beam: Beam, azimuths_rad: Real, look_rad: float, colour: str) -> None:
    """Gain over azimuth, closed to a ring."""
    ring = [*azimuths_rad, azimuths_rad[0]]
    level = [max(float(db), LOWEST_DB) for db in (*beam.pattern_db, beam.pattern_db[0])]
    axes.plot([look_rad, look_rad], [LOWEST_DB, 0], color=QUIET, linewidth=0.8, linestyle=":")
    axes.plot(ring, level, color=colour, linewidth=1.2)
    axes.set_ylim(LOWEST_DB, max(3.0, *level))
    axes.set_yticks([-20, -10, 0], ["", "", ""])
    axes.set_xticks([0, math.pi / 2, math.pi, 1.5 * math.pi], ["0", "90", "180", "-90"], fontsize=7)
    axes.tick_params(pad=0)
    axes.grid(alpha=0.4)
