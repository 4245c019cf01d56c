"""Where a network minds being made smaller: what it loses by one layer alone, and how an error grows along a stream.

The losses of single layers say which ones deserve more bits or channels than the rest. They do not simply add up, as
errors of several layers partly hide behind each other; what a model loses as a whole is measured on the whole.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edge_sdk import Separator
from models.network import Network
from models.runs import Pairs
from models.training.development import gain
from quantization.artifact import Artifact
from quantization.calibration import Calibration
from quantization.costs import gains_of
from quantization.layers import layers
from quantization.pruning.config import PruneConfig
from quantization.pruning.dimensions import hidden_dimensions
from quantization.pruning.importance import norm_importance
from quantization.pruning.reconstruction import reconstruct
from quantization.pruning.selection import keep_share
from quantization.pruning.surgery import shrink
from quantization.quantize import quantize
from quantization.recipes import Precision, get_recipe
from quantization.tables import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sensitivity:
    """What a model loses of its SI-SDR improvement by one layer: on the mean, and on the mixture that loses most.

    share: of the model's weights (quantized) or hidden channels (pruned) that are in this layer.
    """

    layer: str
    share: float
    loss_db: float
    worst_db: float


def quantized_alone(
    artifact: Artifact, recipe: str, mixtures: Pairs, reference: int = 0, calibration: Calibration | None = None
) -> Iterator[Sensitivity]:
    """Each layer that the recipe changes, it alone quantized, all others as in the float32 model; in their order."""
    found, precision = layers(artifact.model), get_recipe(recipe).precision
    whole, weights = gains_of(artifact, mixtures, reference), sum(layer.weights for layer in found)
    for layer in found:
        if precision(layer) == Precision():
            continue
        alone = quantize(artifact, "float32", "alone", [(re.escape(layer.name), recipe)], calibration)
        yield lost(layer.name, layer.weights / weights, whole, gains_of(alone, mixtures, reference))


def pruned_alone(network: Network, ratio: float, mixtures: Pairs, reference: int = 0) -> Iterator[Sensitivity]:
    """Each layer with hidden channels, it alone without the share of them whose weights are smallest; in their order.

    The layers behind are fitted anew, as pruning does; nothing is trained. `ValueError` for a network without any.
    """
    config = PruneConfig(ratio, importance="norm", multiple=1)
    found = hidden_dimensions(network.eval())
    scores, channels = norm_importance(network, found), sum(d.width for d in found)
    whole = np.array([gain(network, *pair, reference) for pair in mixtures])
    for dimension in found:
        kept = {d.name: torch.arange(d.width) for d in found}
        kept[dimension.name] = keep_share(dimension, scores[dimension.name], config.ratio, config.multiple)
        smaller = shrink(network, found, kept)
        reconstruct(smaller, network, found, kept, mixtures)
        after = np.array([gain(smaller.eval(), *pair, reference) for pair in mixtures])
        yield lost(dimension.name, dimension.width / channels, whole, after)


def lost(layer: str, share: float, before: np.ndarray, after: np.ndarray) -> Sensitivity:
    """The loss between improvements of the same mixtures."""
    difference = before - after
    found = Sensitivity(layer, share, float(np.nanmean(difference)), float(np.nanmax(difference)))
    log.info("%s: %.3f dB", layer, found.loss_db)
    return found


@dataclass(frozen=True)
class Segment:
    """Some seconds of a stream: where they begin, and the difference of two models' outputs there, against the first's
    level in dB."""

    start_s: float
    difference_db: float


def growth(whole: Artifact, quantized: Artifact, mixtures: Pairs, seconds: float, segment_s: float) -> list[Segment]:
    """How far a quantized model is from the float32 one, segment by segment of one stream without a reset.

    The stream is the mixtures one after the other, over again until it is long enough. A recurrence that keeps its
    errors shows as a difference that rises from segment to segment.
    """
    rate = whole.manifest.sample_rate
    once = np.concatenate([mixture for mixture, _ in mixtures], axis=1)
    length, step = round(seconds * rate), round(segment_s * rate)
    stream = np.tile(once, (1, -(-length // once.shape[1])))[:, :length]
    ours, theirs = (Separator(artifact.bundle).separate(stream) for artifact in (whole, quantized))
    segments = []
    for start in range(0, length - step + 1, step):
        here = slice(start, start + step)
        level, error = (float(np.sum(np.square(x[:, here]))) for x in (ours, theirs - ours))
        if level > 0:
            segments.append(Segment(start / rate, 10 * float(np.log10(max(error, 1e-30) / level))))
    return segments


def layers_table(title: str, rows: Sequence[Sensitivity]) -> Table:
    """Layers for people to read, the one that costs most first."""
    ordered = sorted(rows, key=lambda row: -row.loss_db)
    cells = [(row.layer, f"{row.share:.1%}", f"{row.loss_db:.3f}", f"{row.worst_db:.3f}") for row in ordered]
    return Table(title, ("layer alone", "share", "loss dB", "worst clip dB"), tuple(cells))


def growth_table(segments: Sequence[Segment]) -> Table:
    """The segments of a stream for people to read."""
    cells = [(f"{segment.start_s:g} s", f"{segment.difference_db:.1f}") for segment in segments]
    return Table("Difference from float32 along one stream", ("from", "dB"), tuple(cells))
