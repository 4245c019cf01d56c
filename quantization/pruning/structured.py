"""Structured pruning: whole channels, units, filters and blocks go, and an ordinary, smaller network comes out."""

from __future__ import annotations

from collections.abc import Sequence

from models.layers.dual_path import DualPathConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.network import Network
from models.recipe import LossConfig
from models.training.losses import Objective, Separation
from quantization.pruning.blocks import dispensable_blocks
from quantization.pruning.config import PruneConfig
from quantization.pruning.dimensions import Dimension, filter_dimension, hidden_dimensions
from quantization.pruning.importance import (
    Mixture,
    Scores,
    activation_importance,
    norm_importance,
    taylor_importance,
)
from quantization.pruning.reconstruction import reconstruct
from quantization.pruning.selection import Kept, keep_globally, keep_layers, keep_share
from quantization.pruning.surgery import shrink


def prune(
    network: Network, mixtures: Sequence[Mixture], config: PruneConfig, objective: Objective | None = None
) -> Network:
    """The network without its least important channels: a smaller configuration and the weights that stay.

    mixtures: real ones, that importance is measured on and the layers behind are fitted anew to; without any, which
    `norm` alone allows, weights are copied and no more. objective: the loss that counts, by default negative SI-SDR
    with the spectral distance that recipes have. `ValueError` where the network has nothing of the kind, or the ratio
    cannot be reached.
    """
    if (config.importance != "norm" or config.blocks) and not mixtures:
        what = "which block to do without" if config.importance == "norm" else f"importance {config.importance!r}"
        raise ValueError(f"{what} is found out on mixtures, and there are none; give some")
    network, objective = network.eval(), objective or Separation(LossConfig(), network.reference)
    hidden = hidden_dimensions(network) if config.ratio or config.blocks else []
    filters = [filter_dimension(network)] if config.filters else []
    check_fits(network, config)
    dimensions = [*hidden, *filters]
    scores = importance(network, dimensions, mixtures, config.importance, objective)
    kept: Kept = {d.name: keep_share(d, scores[d.name], config.filters, 1) for d in filters}
    if hidden:
        gone = dispensable_blocks(network, config.blocks, mixtures, objective)
        kept |= (keep_layers if config.scope == "layer" else keep_globally)(hidden, scores, config, gone)
    if all(len(kept[d.name]) == d.width for d in dimensions):
        raise ValueError(
            f"ratio = {config.ratio} in multiples of {config.multiple} takes nothing from layers of "
            f"{max(d.width for d in dimensions)} channels: raise the ratio or lower the multiple"
        )
    pruned = shrink(network, dimensions, kept)
    reconstruct(pruned, network, dimensions, kept, mixtures)
    return pruned


def importance(
    network: Network,
    dimensions: Sequence[Dimension],
    mixtures: Sequence[Mixture],
    measure: str,
    objective: Objective,
) -> Scores:
    """How much each channel matters, by the named measure."""
    if measure == "norm":
        return norm_importance(network, dimensions)
    if measure == "activation":
        return activation_importance(network, dimensions, mixtures)
    return taylor_importance(network, dimensions, mixtures, objective)


def check_fits(network: Network, config: PruneConfig) -> None:
    """`ValueError` where the separator cannot be what the configuration would make of it."""
    separator = network.config.separator
    if config.scope == "global" and isinstance(separator, DualPathConfig | SkiMConfig):
        raise ValueError(
            f"scope 'global' with a separator of kind {separator.kind!r}, whose LSTMs all have the same number of "
            "units: expected 'layer'"
        )
    if config.blocks and not isinstance(separator, TCNConfig):
        raise ValueError(
            f"blocks = {config.blocks} with a separator of kind {separator.kind!r}: a TCN's alone can go whole"
        )
