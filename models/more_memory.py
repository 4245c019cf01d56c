"""A network that makes its masks bin by bin goes on with a memory of each bin, which weighs nothing at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig

LAYER = "narrow_band"


def remembers_more(ours: NetworkConfig, theirs: NetworkConfig) -> bool:
    """Whether the first network is the second but for a memory of each bin where that has none."""
    if not isinstance(ours, TasNetConfig) or not isinstance(theirs, TasNetConfig):
        return False
    if ours.narrow_band is None or not ours.narrow_band.memory:
        return False
    return replace(ours, narrow_band=replace(ours.narrow_band, memory=0)) == theirs


def with_memory(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network without a memory for one with it; `fresh`: untrained ones of that, whose memory is taken."""
    hidden = f"{LAYER}.hidden.weight"
    width = fresh[hidden].shape[1] - weights[hidden].shape[1]
    memory = {name: tensor for name, tensor in fresh.items() if name.startswith(f"{LAYER}.memory.")}
    return {**weights, **memory, hidden: nn.functional.pad(weights[hidden], (0, width))}
