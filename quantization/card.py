"""Model cards: what is in the manifests of a model's bundles as a page that a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edge_sdk.contract import Manifest
from edge_sdk.errors import EdgeError
from models.evaluation.summaries import AXES, number
from quantization.drawing import RC, standalone
from quantization.evaluation import Results, bins_table, probes_table, worst_table
from quantization.evaluation_plots import by_axis
from quantization.tables import Table

BEGIN, END = "<!-- measured {}: begin -->", "<!-- measured {}: end -->"
NEEDED = {"mixtures", "set", "machine", "date", "si_sdr", "si_sdr_mixture"} | {
    f"si_sdr_improvement{part}" for part in ("", "_low", "_high")
}
# The axes of mixtures that a card shows, as far as the evaluation has them, for one talker and for several; the first
# is drawn, into a file whose name ends so.
AXES_OF_ONE = {"snr_db": "snr"}
AXES_OF_SEVERAL = {"angle_deg": "angle", "between_talkers_db": "level", "rt60_s": "rt60", "snr_db": "snr"}
METRICS = {"si_sdr": "SI-SDR, dB", "pesq": "PESQ-WB", "stoi": "STOI"}


def card(
    manifests: list[Manifest],
    notes: str,
    evaluation: Results | None = None,
    plot: str = "",
    minutes: Results | None = None,
) -> str:
    """The card of one model in several recipes, in Markdown; `notes` is the prose that no manifest holds.

    evaluation: what `edge-sdk evaluate --json` found of the first, for more tables. plot: file name of its plot.
    minutes: the same on long mixtures of several talkers, of which a card tells how often they change places.
    """
    first, origin = manifests[0], manifests[0].provenance
    trained = ", ".join(
        f"{label} {origin[key]}"
        for key, label in (("recipe", "recipe"), ("seed", "seed"), ("commit", "commit"), ("step", "step"))
        if key in origin
    )
    if "hours_seen" in origin:
        trained += f", {origin['hours_seen']:.0f} hours of mixtures seen"
    lines = [
        f"# {first.name}",
        "",
        notes.strip(),
        "",
        "## Figures",
        "",
        "Written by `edge-sdk card` from the manifests of the bundles.",
        "",
        f"- {first.architecture}, {first.sample_rate} Hz, {first.mics} microphone(s), {first.sources} source(s)",
        f"- algorithmic latency {1000 * first.latency / first.sample_rate:g} ms in blocks of {first.block} samples",
        f"- {first.macs / 1e9:.2f} billion multiply-accumulates per second of audio",
        f"- training: {trained}",
        "",
        results_table(manifests),
    ]
    if evaluation and plot:
        (axis, *_) = axes_of(evaluation, first.sources)
        lines += ["", f"![SI-SDR improvement of every mixture, and its means, by {AXES[axis][0]}]({plot})"]
    if evaluation:
        lines += ["", "\n\n".join(table.markdown() for table in more_tables(evaluation, first.sources))]
    if minutes:
        lines += ["", long_streams(minutes)]
    return "\n".join(lines) + "\n"


def axes_of(evaluation: Results, sources: int) -> dict[str, str]:
    """The axes that a card shows of an evaluation, and how the names of their plots end."""
    wanted = AXES_OF_ONE if sources == 1 else AXES_OF_SEVERAL
    return {axis: end for axis, end in wanted.items() if axis in evaluation["against"]}


def more_tables(evaluation: Results, sources: int) -> Iterator[Table]:
    """By what the mixtures are like, those that gain least, and the probes: as far as the evaluation has them."""
    for axis in axes_of(evaluation, sources):
        yield bins_table(AXES[axis][0], evaluation["against"][axis])
    yield worst_table(evaluation)
    if "probes" in evaluation:
        yield probes_table(evaluation["probes"])


def long_streams(minutes: Results) -> str:
    """What an evaluation on long mixtures tells, in a sentence."""
    low, high = (minutes[f"si_sdr_improvement_{end}"] for end in ("low", "high"))
    return (
        f"On {minutes['mixtures']} mixtures of a minute ({minutes['set']}) the improvement is "
        f"{minutes['si_sdr_improvement']:.2f} dB ({low:.1f} to {high:.1f}), and in {minutes['swap_rate']:.1%} of the "
        "seconds in which all talk the talkers are on each other's output."
    )


def plot_of(evaluation: Results, sources: int) -> tuple[str, str]:
    """How the name of its file ends, and the SVG: the improvement by the first axis of an evaluation with its clips."""
    import matplotlib

    axis, end = next(iter(axes_of(evaluation, sources).items()))
    pairs = [(number(clip["about"].get(axis)), number(clip["si_sdr_improvement"])) for clip in evaluation["clips"]]
    with matplotlib.rc_context(RC):
        return end, standalone(by_axis(axis, evaluation, [pair for pair in pairs if not np.isnan(pair).any()]))


def results_table(manifests: list[Manifest]) -> str:
    """One row for the untouched mixtures and one per bundle, from the quality each was packed with."""
    quality = [checked_quality(m) for m in manifests]
    names = [name for name in METRICS if all(name in q for q in quality)]
    head = ["", "size, MB", *(METRICS[name] for name in names), "SI-SDR improvement, dB (95 %)"]
    rows = [
        [
            "noisy" if manifests[0].sources == 1 else "mixture",
            "",
            *(figure(name, quality[0][f"{name}_mixture"]) for name in names),
            "",
        ]
    ]
    for m, q in zip(manifests, quality, strict=True):
        interval = f"{q['si_sdr_improvement_low']:.1f} to {q['si_sdr_improvement_high']:.1f}"
        gain = f"{q['si_sdr_improvement']:.2f} ({interval})"
        rows.append([m.recipe, f"{m.size / 1e6:.2f}", *(figure(name, q[name]) for name in names), gain])
    table = [head, ["---"] * len(head), *rows]
    q = quality[0]
    caption = (
        f"{q['mixtures']} mixtures, block by block through the interpreter: "
        f"`edge-sdk evaluate MODEL --set recipes/{q['set']} --data DIR`, {q['machine']}, {q['date']}."
    )
    return "\n".join(["| " + " | ".join(row) + " |" for row in table] + ["", caption])


def figure(metric: str, value: float) -> str:
    """A score with as many digits as its scale carries."""
    return f"{value:.3f}" if metric == "stoi" else f"{value:.2f}"


def checked_quality(manifest: Manifest) -> dict[str, Any]:
    """The quality in a manifest; `EdgeError` where the bundle was packed without."""
    if missing := sorted(NEEDED - set(manifest.quality)):
        raise EdgeError(
            f"{manifest.name}: its quality lacks {', '.join(missing)}; give edge-sdk pack the JSON of edge-sdk evaluate"
        )
    return manifest.quality


def replace_measured(page: str, table: str, name: str, source: str) -> str:
    """The page with everything between the two markers of the model `name` replaced."""
    begin, end = BEGIN.format(name), END.format(name)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise EdgeError(f"{source}: expected one {begin} and one {end}")
    before, rest = page.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
