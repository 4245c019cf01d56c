"""The page that compares versions of a network: figures, plots, and the worst mixtures to hear in every version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from quantization.comparison import Comparison, Row, table
from quantization.comparison_clips import LONGEST_S, Clip, clip_html, clips
from quantization.comparison_plots import plots
from quantization.media import scale
from quantization.page import definitions, figures, fill, made_by, write_page
from quantization.sensitivity import Sensitivity, layers_table
from quantization.tables import Table
from quantization.versions import Version

DATA = "comparison.json"


def write_report(
    folder: Path,
    found: Comparison,
    versions: Sequence[Version],
    examples: Any,
    layers: tuple[str, Sequence[Sensitivity]] = ("", ()),
    option: str = "--out",
    program: str = "edge-sdk",
) -> None:
    """Write the page and `comparison.json` into the folder, both or none.

    layers: what was done to single layers, and what that cost. option: what the folder was given as, and to which
    program.
    """
    heard = list(clips(found, versions, examples))
    rate = next((v.model.sample_rate for v in versions if v.model), 0)
    html = html_of(found, versions, heard, rate, layers, program)
    data = {**found.data(), "layers": {"of": layers[0], "rows": [asdict(row) for row in layers[1]]}}
    write_page(folder, html, DATA, data, option)


def html_of(
    found: Comparison,
    versions: Sequence[Version],
    heard: Sequence[Clip],
    sample_rate: int,
    layers: tuple[str, Sequence[Sensitivity]] = ("", ()),
    program: str = "edge-sdk",
) -> str:
    """The whole page; it loads nothing from anywhere."""
    first, *others = found.rows
    title, rows = layers
    parts = {
        "title": escape(f"{first.label} and {', '.join(row.label for row in others)}"),
        "lead": escape(
            f"{len(found.rows)} versions of one network on {found.counted} mixtures of {found.set}. Losses are "
            f"against {first.label}, mixture by mixture."
        ),
        "headline": definitions(headline(found)),
        "table": table(found).html(),
        "times": escape(timed(found)),
        "proof": escape(proof(found)),
        "plots": figures(plots(found, rows)),
        "layers": f"<details><summary>{escape(title)}</summary>{layers_table(title, rows).html()}</details>"
        if rows
        else "",
        "listen": f"The mixtures on which a version loses most, up to {LONGEST_S:g} seconds of each from where it "
        f"differs most, every version at the level of the target. {scale(sample_rate)}",
        "clips": "".join(clip_html(clip, number, sample_rate) for number, clip in enumerate(heard)),
        "all": mixtures_table(found).html(),
        "about": definitions(facts(found, versions, program)),
    }
    return fill("comparison", parts)


def headline(found: Comparison) -> Iterator[tuple[str, str]]:
    """What it is and the value, of every version but the first."""
    first = found.rows[0]
    for row in found.rows[1:]:
        gains = []
        if row.size and first.size:
            gains.append(f"{row.size / first.size:.0%} of the size")
        if row.speed:
            gains.append(f"{row.speed.times_as_fast:.2f} times as fast")
        yield f"lost by {row.label}" + "".join(f", {gain}" for gain in gains), f"{shown(row.loss.mean)} dB"


def shown(loss: float) -> str:
    """A loss with two decimals, or three where two would say nothing."""
    return f"{loss:.2f}" if abs(loss) >= 0.095 else f"{loss:.3f}"


def timed(found: Comparison) -> str:
    """How to read the columns of times."""
    if not any(row.speed for row in found.rows):
        return "Nothing was timed."
    return (
        f"Steps were timed on {found.machine}: {found.steps} of each version, side by side in changing order. "
        "How many times as fast is for the same seconds of sound, by medians; such ratios hold better on another "
        "machine than the times do."
    )


def proof(found: Comparison) -> str:
    """How to read the column of parity, and which versions have none."""
    models = [row for row in found.rows if row.delegation]
    if not models:
        return ""
    said = (
        "Parity is how near a model is to its own network: energy of the signal over energy of the difference on a "
        "real mixture, measured by the gate that a model passes when it is exported or quantized. Every recipe has its "
        "own floor, a low one for few bits; stored weights are compared one by one besides."
    )
    if bare := [row.label for row in models if row.parity is None]:
        said += (
            f" Not proved: {', '.join(bare)}, whose manifest has no record of the gate; a loss of such a model may be "
            "that of a broken conversion. Write it with edge-sdk export or quantize."
        )
    return said


def mixtures_table(found: Comparison) -> Table:
    """Every mixture: its own SI-SDR, the first version's, and what the others lose; the largest loss first."""
    first, *others = found.rows

    def worst(index: int) -> tuple[float, int]:
        losses = [loss for row in others if (loss := row.loss.by_mixture[index]) is not None]
        return -max(losses, default=float("-inf")), index

    rows = [
        (
            f"{mixture.name}: {mixture.about}",
            number(mixture.si_sdr, ".1f"),
            *(number(row.loss.by_mixture[index], "+.3f") for row in others),
        )
        for index in sorted(range(len(found.mixtures)), key=worst)
        for mixture in [found.mixtures[index]]
    ]
    header = ("mixture", "SI-SDR in, dB", *(f"loss of {n} {row.label}, dB" for n, row in enumerate(others, 2)))
    return Table(f"Losses against {first.label}", header, tuple(rows))


def number(value: float | None, form: str) -> str:
    """The number in a form, or a dash for none."""
    return "-" if value is None else format(value, form)


def facts(found: Comparison, versions: Sequence[Version], program: str) -> Iterator[tuple[str, str]]:
    """What the figures depend on."""
    for place, (row, version) in enumerate(zip(found.rows, versions, strict=True), 1):
        yield f"version {place}", version_facts(row, version)
    digest = f", sha256 {found.set_sha256}" if found.set_sha256 else ""
    yield "set", f"{found.set}, {len(found.mixtures)} mixtures{digest}"
    if found.machine:
        yield "machine", found.machine
    yield from made_by(found.date, program)


def version_facts(row: Row, version: Version) -> str:
    """Which file a version is, and how it ran."""
    how = version.model.about if version.model else f"{version.recipe}, scores alone"
    parts = [f"{row.label}: {how}"]
    if version.artifact:
        m = version.artifact.manifest
        parts.append(
            f"{m.architecture}, {m.sources} source(s) of {m.mics} microphone(s) at {m.sample_rate} Hz, blocks of "
            f"{1000 * m.block / m.sample_rate:g} ms"
        )
    if row.delegation and row.delegation.outside:
        ops = ", ".join(f"{count} {op}" for op, count in sorted(row.delegation.outside.items()))
        parts.append(f"outside of XNNPACK: {ops}")
    if row.sha256:
        parts.append(f"sha256 {row.sha256}")
    return "; ".join(parts)


def printed(found: Comparison) -> str:
    """The table for the terminal, and how it was measured."""
    return f"{table(found).text()}\n\n{timed(found)}"
