"""A network that makes its masks bin by bin goes on with more memory of each bin, which says nothing at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig

HIDDEN, MEMORY = "narrow_band.hidden.weight", "narrow_band.memory."
GATES = 4


def remembers_more(ours: NetworkConfig, theirs: NetworkConfig) -> bool:
    """Whether the first network is the second but for more units, or any at all, in the memory of each bin."""
    if not isinstance(ours, TasNetConfig) or not isinstance(theirs, TasNetConfig):
        return False
    if ours.narrow_band is None or theirs.narrow_band is None or ours.narrow_band.memory <= theirs.narrow_band.memory:
        return False
    return replace(ours, narrow_band=replace(ours.narrow_band, memory=theirs.narrow_band.memory)) == theirs


def with_memory(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network for one whose memory has more units; `fresh`: untrained ones of that, which new units take.

    Units that were there hear nothing of the new ones, nor does the layer behind them.
    """
    more = fresh[HIDDEN].shape[1] - weights[HIDDEN].shape[1]
    found = {**weights, HIDDEN: nn.functional.pad(weights[HIDDEN], (0, more))}
    for name in (name for name in fresh if name.startswith(MEMORY)):
        found[name] = fresh[name].clone()
        if name in weights:
            gates, old = (of.unflatten(0, (GATES, -1)) for of in (found[name], weights[name]))
            gates[:, : old.shape[1]] = nn.functional.pad(old, (0, more)) if "weight_hh" in name else old
    return found
