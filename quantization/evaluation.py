"""What an evaluation found, as plain data and as tables."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from models.evaluation.references import Reference
from models.evaluation.scores import Score
from models.evaluation.summaries import AXES, against, gain, place, ranked, summarize, summarize_references
from quantization.tables import Table

WORST = 5  # mixtures that are named
# Metric, title of its column, digits that it carries.
COLUMNS = (("sdr", "SDR", 2), ("pesq", "PESQ-WB", 2), ("stoi", "STOI", 3), ("estoi", "ESTOI", 3))

PROBES = {
    "clean": "talkers alone: mean SI-SDR",
    "clean_worst": "talkers alone: worst SI-SDR",
    "noise": "noise alone: level out against level in",
    "silence": "digital silence: peak out, dBFS",
}

Results = dict[str, Any]


def results(model: str, examples: Any, scores: Sequence[Score], references: dict[str, Reference]) -> Results:
    """Everything but the single mixtures, ready for JSON: numbers that there are not are None.

    What is no table of its own (numbers and words) is what a manifest keeps of an evaluation.
    """
    about = {"model": Path(model).name, "set": examples.name, "machine": platform.machine()}
    if examples.sha256:
        about["set_sha256"] = examples.sha256
    found = summarize_references(scores)
    summary = {
        **about,
        "date": date.today().isoformat(),
        **summarize(scores),
        "references": {n: {"title": r.title, "kind": r.kind, **found[n]} for n, r in references.items()},
        "against": against(scores),
        "worst": [clip(score) for score in ranked(scores)[:WORST]],
    }
    everything: Results = plain(summary)
    return everything


def clips(scores: Sequence[Score]) -> list[Results]:
    """Every mixture's scores as plain data."""
    return [plain({**asdict(s), "si_sdr_improvement": gain(s)}) for s in scores]


def clip(score: Score) -> Results:
    """One mixture in short."""
    return {
        "index": score.index,
        "si_sdr_mixture": round(score.before["si_sdr"], 3),
        "si_sdr": round(score.after["si_sdr"], 3),
        "si_sdr_improvement": round(gain(score), 3),
        "about": score.about,
    }


def plain(value: Any) -> Any:
    """The value as strict JSON holds it: NaN and infinity are None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # of NumPy
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tables(found: Results) -> Iterator[Table]:
    """All that a person reads first, from plain results."""
    yield rows_table(found)
    yield worst_table(found)
    if "probes" in found:
        yield probes_table(found["probes"])
    for axis, bins in found["against"].items():
        yield bins_table(AXES[axis][0], bins)


def rows_table(found: Results) -> Table:
    """The mixture, the baselines, the model and the ceilings."""
    columns = [column for column in COLUMNS if column[0] in found]
    mixture = {name: found[f"{name}_mixture"] for name, *_ in (("si_sdr",), *columns)}
    kinds = {k: [r for r in found["references"].values() if r["kind"] == k] for k in ("baseline", "ceiling")}
    rows = [("mixture", figure(mixture["si_sdr"], 2), "", *(figure(mixture[n], d) for n, _, d in columns))]
    for title, values in (
        *((f"{r['title']} (baseline)", r) for r in kinds["baseline"]),
        (found["model"], found),
        *((f"{r['title']} (ceiling)", r) for r in kinds["ceiling"]),
    ):
        rows.append(
            (title, figure(values["si_sdr"], 2), with_interval(values), *(figure(values[n], d) for n, _, d in columns))
        )
    header = ("", "SI-SDR, dB", "improvement, dB (95 %)", *(title for _, title, _ in columns))
    title = f"{found['model']} on {found['mixtures']} mixtures of {found['set']}"
    return Table(title, header, tuple(rows), 1 + len(kinds["baseline"]))


def worst_table(found: Results) -> Table:
    """The mixtures with the smallest improvement."""
    return clips_table("The worst mixtures", found["worst"])


def probes_table(probes: Results) -> Table:
    """What the model does where there is nothing to separate."""
    rows = []
    for name, value in probes.items():
        if name.startswith("level_"):
            words = f"mixtures with their peak at {name.removeprefix('level_')} dBFS: SI-SDR"
        elif name.endswith("_peak"):
            words = f"made-up sound, {name.removesuffix('_peak')}: peak out against peak in"
        else:
            words = PROBES[name]
        rows.append((words, figure(value, 1)))
    return Table("Probes", ("", "dB"), tuple(rows))


def clips_table(title: str, entries: list[Results]) -> Table:
    """Mixtures, by what they are made of."""
    keys = ("si_sdr_mixture", "si_sdr", "si_sdr_improvement")
    rows = [(f"{c['index']}: {describe(c['about'])}", *(figure(c[key], 1) for key in keys)) for c in entries]
    return Table(title, ("mixture", "SI-SDR in, dB", "out, dB", "improvement"), tuple(rows))


def bins_table(title: str, bins: list[Results]) -> Table:
    """The improvement by what the mixtures are like."""
    rows = [(between(b["from"], b["to"]), str(b["count"]), with_interval(b)) for b in bins]
    return Table(f"By {title}", (title, "mixtures", "improvement, dB (95 %)"), tuple(rows))


def between(low: float | None, high: float | None) -> str:
    """A bin in words."""
    if low is None or high is None:
        return f"below {high:g}" if low is None else f"{low:g} and more"
    return f"{low:g} to {high:g}"


def with_interval(values: Results) -> str:
    """An improvement with its interval."""
    low, high = (values[f"si_sdr_improvement_{end}"] for end in ("low", "high"))
    if low is None:
        return figure(values["si_sdr_improvement"], 2)
    return f"{values['si_sdr_improvement']:+.2f} ({low:+.1f} to {high:+.1f})"


def figure(value: float | None, digits: int) -> str:
    """A number with as many digits as it carries, or a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def describe(about: Results) -> str:
    """What a mixture is made of, in one line."""
    said = [" + ".join(short(p) for p in about[key]) for key in ("talkers", "noises") if about.get(key)]
    line = " in ".join(said)
    units = (
        ("snr_db", "SNR {:.0f} dB"),
        ("angle_deg", "{:.0f}° apart"),
        ("rt60_s", "RT60 {:.2f} s"),
        ("overlap", "overlap {:.0%}"),
    )
    known = [text.format(about[key]) for key, text in units if isinstance(about.get(key), (int, float))]
    return ", ".join(part for part in (line, *known) if part) or "unknown"


def short(path: object) -> str:
    """The last two parts of a path, without the suffix: who and which."""
    return "/".join(Path(str(path)).with_suffix("").parts[-2:])


def note(found: Results) -> list[str]:
    """What else a person should know, a line each."""
    low, high, worst = (found[f"si_sdr_improvement_{key}"] for key in ("low", "high", "worst"))
    lines = [f"SI-SDR improvement {found['si_sdr_improvement']} dB (95 % {low} .. {high}), worst mixture {worst} dB"]
    if "swap_rate" in found:
        lines.append(f"talkers are on each other's output in {found['swap_rate']:.1%} of the seconds in which all talk")
    if found["silent_sources"]:
        lines.append(f"{found['silent_sources']} silent sources were left out of all means")
    return lines


def points(scores: Sequence[Score], axis: str) -> list[tuple[float, float]]:
    """Where the mixtures lie on an axis, and how much each improved."""
    return [(place(s, axis), gain(s)) for s in scores if not math.isnan(place(s, axis)) and not math.isnan(gain(s))]
