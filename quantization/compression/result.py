"""What a search ends in: a table, a plot of the front, and the artifacts that were chosen, each with its card."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_sdk.contract import write_file
from quantization.artifact import write_artifact
from quantization.card import card
from quantization.compression.bench import build
from quantization.compression.budget import Budget
from quantization.compression.candidates import Measured
from quantization.compression.front import Point, front
from quantization.compression.origins import Origins
from quantization.evaluation import results
from quantization.parity import check, recorded
from quantization.scoring import Task, opened, references_of, score_mixture
from quantization.tables import Table

PLOT = "front.png"
SHOWN = 5.0  # times the budget: losses above leave no room for those that matter


LEGEND = (
    "front *: no other is as good in size, time and loss; time: of a step, as a share of the float32 network's;\n"
    "RTF: of the median step on this machine; loss on all: on the whole set, the best first until one keeps the budget"
)


def table(
    title: str, found: Sequence[Point], measured: Sequence[Measured], budget: Budget, confirmed: Sequence[Point]
) -> Table:
    """All candidates, the smallest first; those that were confirmed with their loss on all mixtures too."""
    best, rows = front(found), list[tuple[str, ...]]()
    parity = {m.candidate: m.parity_db for m in measured}
    on_all = {point.candidate: point for point in confirmed}
    for p in sorted(found, key=lambda point: (point.kib, point.time)):
        again = on_all.get(p.candidate)
        rows.append(
            (
                p.label,
                "*" if p in best else "",
                f"{p.kib:.0f}",
                f"{p.time:.2f}",
                f"{p.rtf:.4f}",
                f"{parity[p.candidate]:.1f}",
                f"{p.loss_db:.3f}",
                f"{p.worst_db:.3f}",
                f"{again.loss_db:.3f}" if again else "",
                "ok" if budget.keeps(again or p) else "",
            )
        )
    rows += [(m.candidate.label, *[""] * 4, "refused", *[""] * 4) for m in measured if m.refused]
    header = ("", "front", "KiB", "time", "RTF", "parity dB", "loss dB", "worst clip dB", "loss on all", "budget")
    return Table(title, header, tuple(rows))


def write_plot(path: Path, found: Sequence[Point], budget: Budget, chosen: Sequence[Point]) -> None:
    """Loss against size and against time: the front full, what is off it faint, chosen ones ringed, limits dashed.

    All losses are those on the mixtures of the search, of what was confirmed on more too: they are comparable then.
    """
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(9, 4), layout="constrained")
    best, panels = front(found), canvas.subplots(1, 2, sharey=True)
    off = [point for point in found if point not in best]
    ringed = [point for point in found if point.candidate in [confirmed.candidate for confirmed in chosen]]
    for axes, name, limit in zip(panels, ("kib", "rtf"), (budget.kib, budget.rtf), strict=True):
        for some, look in (
            (off, {"facecolors": "none", "edgecolors": "tab:gray"}),
            (best, {"color": "tab:blue"}),
            (ringed, {"s": 160, "facecolors": "none", "edgecolors": "tab:red"}),
        ):
            axes.scatter([getattr(point, name) for point in some], [point.loss_db for point in some], **look)
        axes.axhline(budget.loss_db, color="tab:red", linestyle="--", linewidth=0.8)
        if limit < math.inf:
            axes.axvline(limit, color="tab:red", linestyle="--", linewidth=0.8)
        axes.set_xlim(0, 1.1 * max(getattr(point, name) for point in found))
    panels[0].set(xlabel="size, KiB", ylabel="loss of SI-SDR improvement, dB")
    panels[1].set(xlabel="real-time factor")
    if max(point.loss_db for point in found) > (top := SHOWN * budget.loss_db):
        panels[0].set_ylim(top=top)
        panels[1].set_title(f"losses above {top:g} dB are not shown", fontsize=9)
    panels[0].set_title("full: on the front; ringed: chosen; dashed: the budget", fontsize=9)
    memory = io.BytesIO()
    canvas.savefig(memory, format="png", dpi=150)
    write_file(path, memory.getvalue())


def write_chosen(name: str, point: Point, origins: Origins, folder: Path, task: Task, checkpoint: str) -> Path:
    """Build a candidate once more, prove it as every export is, write it with its scores, and its card beside it.

    point: as confirmed. task: the set, all of which is scored. checkpoint: what the search began with.
    """
    network, floating = origins.open(point.candidate.origin)
    artifact = build(point.candidate, floating)
    artifact = recorded(artifact, check(network, artifact))
    manifest = artifact.manifest
    found_by = {"from": checkpoint, "candidate": point.label, "loss_db": point.loss_db, "time": round(point.time, 3)}
    provenance = {**manifest.provenance, "compression": found_by}
    artifact = replace(artifact, manifest=replace(manifest, name=name, provenance=provenance))
    path = write_artifact(artifact, folder, force=True)
    task = replace(task, model=str(path))
    opened.cache_clear()  # another model may have been there
    _, examples = opened(task)
    scores = [score_mixture((task, index)) for index in range(len(examples))]
    found = results(str(path), examples, scores, references_of(task, examples))
    quality = {key: value for key, value in found.items() if not isinstance(value, dict | list)}
    artifact = replace(artifact, manifest=replace(artifact.manifest, quality=quality))
    write_artifact(artifact, folder, force=True)
    write_file(folder / f"{name}.md", card([artifact.manifest], notes(point, checkpoint)).encode())
    return path


def notes(point: Point, checkpoint: str) -> str:
    """What a card says of the search."""
    ratio = point.candidate.origin.ratio
    pruned = f", {100 * ratio:g} % of its hidden channels pruned and not trained on" if ratio else ""
    return (
        f"Found by `edge-sdk compress` from {checkpoint}: {point.label}{pruned}. Of the SI-SDR improvement that the "
        f"checkpoint has in float32 it loses {point.loss_db:.2f} dB on the mean of the set below, {point.worst_db:.2f} "
        f"dB on the mixture that loses most; a step takes {point.time:.2f} of its time. Those mixtures chose it."
    )
