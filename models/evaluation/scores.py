"""How good a separator is: metrics of its sources over a set of mixtures, beside those of the mixture and of others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from edge_sdk.errors import DataError
from models.data.example import Example
from models.evaluation.metrics import METRICS, assign, measure, silent, swaps, usable
from models.evaluation.references import Reference
from models.evaluation.summaries import summarize
from models.network import Network

__all__ = ["Score", "Separate", "evaluate", "score", "separate_with", "summarize"]

log = logging.getLogger(__name__)

# Mixture [mics, n] to sources [S, n], both float32, the sources aligned with the mixture.
Separate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One mixture: means over its sources by metric, `before` of the mixture itself, `after` of what came out.

    about: what the mixture was made of. sources: the metrics of each, those of the mixture as `NAME_mixture`.
    references: means over the sources, by method. segments: in how many of them, and how many of those the talkers were
    swapped, see `models.evaluation.metrics.swaps`. silent: sources without sound, which count in no mean.
    """

    index: int
    before: dict[str, float]
    after: dict[str, float]
    about: dict[str, Any] = field(default_factory=dict)
    sources: tuple[dict[str, float], ...] = ()
    references: dict[str, dict[str, float]] = field(default_factory=dict)
    segments: int = 0
    swapped: int = 0
    silent: int = 0


def evaluate(
    separate: Separate,
    examples: Iterable[Example | tuple[np.ndarray, np.ndarray]],
    sample_rate: int,
    names: tuple[str, ...] = tuple(METRICS),
) -> list[Score]:
    """The score of every example, or pair of mixture `[mics, n]` and sources `[S, n]`; metrics as far as installed."""
    scores = [score(separate, example, index, sample_rate, names) for index, example in enumerate(examples)]
    if not scores:
        raise DataError("the evaluation set is empty; its count must be 1 or more")
    return scores


def score(
    separate: Separate,
    example: Example | tuple[np.ndarray, np.ndarray],
    index: int,
    sample_rate: int,
    names: tuple[str, ...] = tuple(METRICS),
    references: Mapping[str, Reference] | None = None,
    positions_m: np.ndarray | None = None,
) -> Score:
    """The score of one mixture: of a separator and of references to show beside it.

    Outputs are matched to sources by SI-SDR. The first microphone is the reference.
    """
    if isinstance(example, tuple):
        mixture, sources = example
        example = Example(mixture, sources, sources[:, np.newaxis])
    sources, names = example.sources, usable(names, sample_rate)
    mixture = np.repeat(example.mixture[:1], len(sources), axis=0)
    outputs = checked(separate(example.mixture), index)
    outputs = outputs[assign(outputs, sources)]
    before, after = (measure(y, sources, sample_rate, names) for y in (mixture, outputs))
    others = {}
    for name, reference in (references or {}).items():
        y = reference.make(example, sample_rate, positions_m)
        others[name] = means(measure(y[assign(y, sources)], sources, sample_rate, names))
    swapped, segments = swaps(outputs, sources, sample_rate)
    return Score(
        index,
        means(before),
        means(after),
        example.about,
        tuple(
            {n: float(after[n][s]) for n in names} | {f"{n}_mixture": float(before[n][s]) for n in names}
            for s in range(len(sources))
        ),
        others,
        segments,
        swapped,
        int(silent(sources).sum()),
    )


def checked(outputs: np.ndarray, index: int) -> np.ndarray:
    """The outputs; `DataError` where they are not numbers, which no mean may hide."""
    if not np.isfinite(outputs).all():
        raise DataError(f"mixture {index}: the model's output holds NaN or infinite samples; train or export it again")
    return outputs


def means(by_source: dict[str, np.ndarray]) -> dict[str, float]:
    """The mean over those sources that have a number; NaN where none has."""
    return {n: float(v[~np.isnan(v)].mean()) if not np.isnan(v).all() else np.nan for n, v in by_source.items()}


def reference_first(example: Example, reference: int) -> Example:
    """The example with the microphone at which its targets are defined as the first."""
    if reference == 0:
        return example
    return replace(example, mixture=first(example.mixture, reference, 0), images=first(example.images, reference, 1))


def first(x: np.ndarray, index: int, axis: int) -> np.ndarray:
    """The array with one of its entries along an axis moved to the front."""
    return np.concatenate([np.take(x, [index], axis), np.delete(x, index, axis)], axis)


def separate_with(network: Network) -> Separate:
    """The whole-signal path of a network, its delay removed."""

    device = next(network.parameters()).device

    @torch.no_grad()
    def separate(mixture: np.ndarray) -> np.ndarray:
        padded = np.pad(mixture, ((0, 0), (0, network.delay)))
        return network(torch.from_numpy(padded)[None].to(device))[0, :, network.delay :].cpu().numpy()

    return separate
