"""How good a separator is: SI-SDR, PESQ and STOI of its sources over a set of mixtures, beside those of the mixture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch

from edge_sdk.errors import DataError
from models.objectives import permutation_invariant, si_sdr
from models.tasnet import TasNet

log = logging.getLogger(__name__)

# Mixture [mics, n] to sources [S, n], both float32, the sources aligned with the mixture.
Separate = Callable[[np.ndarray], np.ndarray]
METRICS = ("si_sdr", "pesq", "stoi")
RESAMPLES = 2000  # of the bootstrap


@dataclass(frozen=True)
class Score:
    """One mixture: means over its sources by metric, `before` of the mixture itself, `after` of what came out."""

    index: int
    before: dict[str, float]
    after: dict[str, float]


def evaluate(
    separate: Separate,
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    sample_rate: int,
    names: tuple[str, ...] = METRICS,
) -> list[Score]:
    """The score of every `(mixture [mics, n], sources [S, n])`; outputs are matched to sources by SI-SDR."""
    scores = []
    for index, (mixture, sources) in enumerate(examples):
        estimate = match(separate(mixture), sources)
        reference = np.repeat(mixture[:1], len(sources), axis=0)
        before, after = (metrics(y, sources, sample_rate, names) for y in (reference, estimate))
        scores.append(Score(index, before, after))
    if not scores:
        raise DataError("the evaluation set is empty; its count must be 1 or more")
    return scores


def match(estimate: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """The outputs in the order of the sources they belong to."""
    if estimate.shape != sources.shape:
        raise DataError(
            f"the model gave sources of shape {estimate.shape}, the set holds {sources.shape}; use a fitting set"
        )
    ours, theirs = torch.from_numpy(estimate)[None], torch.from_numpy(sources)[None]
    return estimate[permutation_invariant(lambda e, t: -si_sdr(e, t), ours, theirs)[1][0].numpy()]


def metrics(estimate: np.ndarray, sources: np.ndarray, sample_rate: int, names: tuple[str, ...]) -> dict[str, float]:
    """Mean of each metric over the sources: `si_sdr` in dB always, `stoi` and `pesq` (wide band) where installed."""
    found = {"si_sdr": float(si_sdr(torch.from_numpy(estimate), torch.from_numpy(sources)).mean())}
    if "stoi" in names and find_spec("pystoi"):
        from pystoi import stoi

        found["stoi"] = mean(stoi(s, e, sample_rate) for e, s in zip(estimate, sources, strict=True))
    if "pesq" in names and find_spec("pesq") and sample_rate == 16_000:
        found["pesq"] = mean(wideband_pesq(e, s) for e, s in zip(estimate, sources, strict=True))
    return found


def wideband_pesq(estimate: np.ndarray, source: np.ndarray) -> float:
    """PESQ-WB at 16 kHz; NaN where it finds no speech."""
    from pesq import NoUtterancesError, pesq

    try:
        return float(pesq(16_000, source, estimate, "wb"))
    except NoUtterancesError:
        return float("nan")


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers."""
    return float(np.nanmean(list(values)))


def summarize(scores: list[Score], seed: int = 0) -> dict[str, float | int]:
    """Means over the set; of the SI-SDR improvement also a 95 % interval (bootstrap over mixtures) and the worst."""
    names = scores[0].after
    summary: dict[str, float | int] = {"mixtures": len(scores)}
    for name in names:
        summary[f"{name}_mixture"] = round(mean(s.before[name] for s in scores), 3)
        summary[name] = round(mean(s.after[name] for s in scores), 3)
    gains = np.array([s.after["si_sdr"] - s.before["si_sdr"] for s in scores])
    drawn = np.random.default_rng(seed).choice(gains, size=(RESAMPLES, len(gains))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    summary |= {
        "si_sdr_improvement": round(float(gains.mean()), 3),
        "si_sdr_improvement_low": round(float(low), 3),
        "si_sdr_improvement_high": round(float(high), 3),
        "si_sdr_improvement_worst": round(float(gains.min()), 3),
    }
    return summary


def separate_with(network: TasNet) -> Separate:
    """The whole-signal path of a network, its delay removed."""

    device = next(network.parameters()).device

    @torch.no_grad()
    def separate(mixture: np.ndarray) -> np.ndarray:
        padded = np.pad(mixture, ((0, 0), (0, network.delay)))
        return network(torch.from_numpy(padded)[None].to(device))[0, :, network.delay :].cpu().numpy()

    return separate
