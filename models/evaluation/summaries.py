"""Scores of a set in few numbers: means with their intervals, against what the mixtures are like, and the worst."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from models.evaluation.scores import Score

RESAMPLES = 2000  # of the bootstrap
CONFIDENCE = (2.5, 97.5)  # percentiles between which 95 % of the resampled means lie
GAIN = "si_sdr_improvement"

# What a mixture is like: key of `about`, what it is called, and the edges of the bins, the last one included.
AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "si_sdr_mixture": ("input SI-SDR, dB", (-np.inf, -10, -5, 0, 5, 10, 15, np.inf)),
    "snr_db": ("input SNR, dB", (-np.inf, -10, -5, 0, 5, 10, 15, 20, np.inf)),
    "angle_deg": ("angle between talkers, degrees", (0, 15, 45, 90, 180)),  # as in Luo et al. (2019)
    "rt60_s": ("reverberation time, s", (0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, np.inf)),
    "overlap": ("overlap of talkers", (0, 0.25, 0.5, 0.75, 1)),
    "between_talkers_db": ("level difference of talkers, dB", (0, 1, 2.5, 5, 10, np.inf)),
}


def summarize(scores: Sequence[Score], seed: int = 0) -> dict[str, float | int]:
    """Means over the set by metric, of the mixture (`_mixture`) and of the outputs, and of what was gained.

    `NAME_improvement` has a 95 % interval (bootstrap over mixtures) and the worst mixture's. Mixtures that have no
    number are left out of a mean; `silent_sources` counts the sources that are silent. `swap_rate`: share of the
    segments of all mixtures in which talkers were on each other's output.
    """
    summary: dict[str, float | int] = {"mixtures": len(scores), "silent_sources": sum(s.silent for s in scores)}
    if segments := sum(s.segments for s in scores):
        summary["swap_rate"] = round(sum(s.swapped for s in scores) / segments, 4)
    return summary | improvements(scores, lambda s: s.after, seed)


def summarize_references(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """What `improvements` says of every reference, by its name."""
    return {name: improvements(scores, lambda s, n=name: s.references[n]) for name in scores[0].references}


def improvements(scores: Sequence[Score], of: Callable[[Score], dict[str, float]], seed: int = 0) -> dict[str, float]:
    """Means by metric of what `of` picks from a score, beside those of the mixtures."""
    found: dict[str, float] = {}
    for name in scores[0].before:
        before, after = np.array([[s.before[name], of(s)[name]] for s in scores]).T
        gains = after - before
        low, high = interval(gains, seed)
        found |= {
            f"{name}_mixture": rounded(mean(before)),
            name: rounded(mean(after)),
            f"{name}_improvement": rounded(mean(gains)),
            f"{name}_improvement_low": rounded(low),
            f"{name}_improvement_high": rounded(high),
            f"{name}_improvement_worst": rounded(float(np.nanmin(gains)) if not np.isnan(gains).all() else np.nan),
        }
    return found


def rounded(value: float) -> float:
    return round(value, 3)


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN where none is."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean by bootstrap over those values that are numbers (Efron, 1979)."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).choice(known, size=(RESAMPLES, len(known))).mean(axis=1)
    low, high = np.percentile(drawn, CONFIDENCE)
    return float(low), float(high)


def gain(score: Score) -> float:
    """SI-SDR improvement of one mixture in dB."""
    return score.after["si_sdr"] - score.before["si_sdr"]


def against(scores: Sequence[Score]) -> dict[str, list[dict[str, Any]]]:
    """The SI-SDR improvement by what the mixtures are like: for every axis that they have, its bins that hold any."""
    found = {}
    for axis, (_, edges) in AXES.items():
        at = np.array([place(s, axis) for s in scores])
        if len(np.unique(at[~np.isnan(at)])) < 2:  # all alike: nothing to tell apart
            continue
        gains = np.array([gain(s) for s in scores])
        bins = [bin_of(gains[inside], low, high) for low, high, inside in binned(at, edges) if inside.any()]
        found[axis] = bins
    return found


def place(score: Score, axis: str) -> float:
    """Where a mixture lies on an axis; NaN where nobody knows."""
    return number(score.before["si_sdr"] if axis == "si_sdr_mixture" else score.about.get(axis))


def number(value: object) -> float:
    """What is known of a mixture as a number; of levels of every talker against the first, the farthest; else NaN."""
    if isinstance(value, (list, tuple)):
        value = max(map(abs, value), default=None)
    return float(value) if isinstance(value, (int, float)) else float("nan")


def binned(at: np.ndarray, edges: Sequence[float]) -> Iterable[tuple[float, float, np.ndarray]]:
    """Lower and upper edge of every bin, and who is in it; the upper edge belongs to the last bin only."""
    for low, high in pairwise(edges):
        yield low, high, (at >= low) & ((at < high) | ((high == edges[-1]) & (at == high)))


def bin_of(gains: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """One bin as plain data; open ends are None. One mixture has no interval."""
    least, most = interval(gains) if len(gains) > 1 else (np.nan, np.nan)
    return {
        "from": low if np.isfinite(low) else None,
        "to": high if np.isfinite(high) else None,
        "count": len(gains),
        GAIN: rounded(mean(gains)),
        f"{GAIN}_low": rounded(least),
        f"{GAIN}_high": rounded(most),
    }


def ranked(scores: Sequence[Score]) -> list[Score]:
    """The scores by SI-SDR improvement, the worst first; those that have none are left out."""
    return sorted((s for s in scores if not np.isnan(gain(s))), key=lambda s: (gain(s), s.index))
